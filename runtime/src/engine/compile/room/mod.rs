//! Room to grow, made before a component is compiled.
//!
//! A guest that needs more memory than it starts with has it opened, and closed again behind it for the
//! next instance: two changes of the process's memory map, each of which stops the other cores. For a
//! small guest they cost more than its own code. So a memory that its guest grows starts with some room
//! that the guest does not know of: growing is answered from there while it lasts (`module`).
//!
//! A guest sees one difference: what it reads beyond the end of its memory, and within the room, is
//! zero rather than a trap. Nobody else's memory is nearer by that.
//!
//! Pure. Wherever anything is unusual the component stays what it is.

mod module;
mod sections;

use wasmparser::{Validator, WasmFeatures};

use self::module::Memory;
use self::sections::{CORE_MODULE, NESTED_COMPONENT, Section, put, split};

/// Changes with every change of what is made here, so that code compiled before is not mistaken for it.
pub(super) const REVISION: u32 = 1;

/// Components inside components that are looked into. Tools produce two or three.
const DEPTH_MAX: usize = 16;

/// The component with room in its memories; nothing where it needs none, or cannot have it.
pub(super) fn with_room(component: &[u8]) -> Option<Vec<u8>> {
    if !may_have_room(component, DEPTH_MAX)? {
        return None;
    }
    // What is wrong must be refused as it is: a name that leads nowhere could lead to what is added.
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    validator.validate_all(component).ok()?;
    rebuilt(component, DEPTH_MAX)
}

/// Whether a module grows a memory of its own, and none does anything to the size of somebody else's:
/// two that grow one memory must both know how large it is.
fn may_have_room(component: &[u8], depth: usize) -> Option<bool> {
    let mut grows = false;
    for Section { id, content } in split(component)? {
        match id {
            CORE_MODULE => match module::memory(content)? {
                Memory::Grown(_) => grows = true,
                Memory::Left => {}
                Memory::Unusual => return None,
            },
            NESTED_COMPONENT => grows |= may_have_room(content, depth.checked_sub(1)?)?,
            _ => {}
        }
    }
    Some(grows)
}

fn rebuilt(component: &[u8], depth: usize) -> Option<Vec<u8>> {
    let mut out = component.get(..sections::PREAMBLE_BYTES)?.to_vec();
    for section in split(component)? {
        match section.id {
            CORE_MODULE => put(&mut out, CORE_MODULE, &module::with_room(section.content)?),
            NESTED_COMPONENT => {
                let nested = rebuilt(section.content, depth.checked_sub(1)?)?;
                put(&mut out, NESTED_COMPONENT, &nested);
            }
            id => put(&mut out, id, section.content),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests;

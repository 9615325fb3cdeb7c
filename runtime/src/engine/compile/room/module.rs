//! A core module whose memory has room.
//!
//! The memory starts larger, a global says how large the guest takes it to be, `memory.size` reads that
//! global, and `memory.grow` is a call of a function that first gives what there is. Global, function and
//! its type come after all others, so nothing that is there changes its number.

use wasm_encoder::{BlockType, Encode as _, Function, Instruction, ValType};
use wasmparser::{
    BinaryReader, CodeSectionReader, FunctionBody, GlobalSectionReader, ImportSectionReader,
    MemoryType, Operator, SectionLimited, TypeRef, TypeSectionReader,
};

use super::sections::{
    CODE, DATA_COUNT, EXPORTS, FUNCTIONS, GLOBALS, IMPORTS, MEMORIES, PREAMBLE_BYTES, Section,
    TYPES, put, split, with_one_more,
};
use crate::engine::limits::ROOM_PAGES;

/// What a module does to the size of a memory.
pub(super) enum Memory {
    /// It grows the one that it has.
    Grown(Sizes),
    /// Nothing.
    Left,
    /// Something that is not understood here.
    Unusual,
}

/// Pages of a memory.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// As its guest knows it.
    known: u32,
    /// As it is.
    given: u32,
    most: Option<u32>,
}

/// The numbers of what is added.
struct Added {
    r#type: u32,
    function: u32,
    global: u32,
    sizes: Sizes,
}

/// What becomes of this module's memory. Nothing where it cannot be read.
pub(super) fn memory(module: &[u8]) -> Option<Memory> {
    let sections = split(module)?;
    let (mut own, mut borrowed) = (Vec::new(), 0);
    let (mut asks, mut grows) = (false, false);
    for Section { id, content } in sections {
        match id {
            IMPORTS => borrowed = imports(content)?.memories,
            MEMORIES => own = items::<MemoryType>(content)?,
            CODE => {
                for body in bodies(content)? {
                    let used = sizing(&body)?;
                    asks |= !used.is_empty();
                    grows |= used.iter().any(|sizing| sizing.grows);
                }
            }
            _ => {}
        }
    }
    Some(match (own.as_slice(), borrowed) {
        _ if !asks => Memory::Left,
        ([memory], 0) if grows => sizes(memory).map_or(Memory::Left, Memory::Grown),
        ([_], 0) => Memory::Left,
        _ => Memory::Unusual,
    })
}

/// The module with room, or as it is where it needs none.
pub(super) fn with_room(module: &[u8]) -> Option<Vec<u8>> {
    let Memory::Grown(sizes) = memory(module)? else {
        return Some(module.to_vec());
    };
    let sections = split(module)?;
    let added = added(&sections, sizes)?;
    let mut out = module.get(..PREAMBLE_BYTES)?.to_vec();
    let mut has_globals = false;
    for Section { id, content } in sections {
        if !has_globals && (EXPORTS..=DATA_COUNT).contains(&id) {
            put(&mut out, GLOBALS, &with_one_more(&[0], &added.global())?);
            has_globals = true;
        }
        match id {
            TYPES => put(&mut out, TYPES, &with_one_more(content, &GROW_TYPE)?),
            FUNCTIONS => put(
                &mut out,
                FUNCTIONS,
                &with_one_more(content, &added.function_type())?,
            ),
            MEMORIES => put(&mut out, MEMORIES, &with_one_more(&[0], &added.memory())?),
            GLOBALS => {
                put(&mut out, GLOBALS, &with_one_more(content, &added.global())?);
                has_globals = true;
            }
            CODE => put(&mut out, CODE, &added.code(content)?),
            _ => put(&mut out, id, content),
        }
    }
    Some(out)
}

/// `(func (param i32) (result i32))`.
const GROW_TYPE: [u8; 5] = [0x60, 1, 0x7f, 1, 0x7f];

impl Added {
    /// `(global (mut i32) (i32.const known))`.
    fn global(&self) -> Vec<u8> {
        let mut out = vec![0x7f, 1];
        Instruction::I32Const(self.sizes.known.cast_signed()).encode(&mut out);
        Instruction::End.encode(&mut out);
        out
    }

    fn function_type(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.r#type.encode(&mut out);
        out
    }

    fn memory(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let memory = wasm_encoder::MemoryType {
            minimum: u64::from(self.sizes.given),
            maximum: self.sizes.most.map(u64::from),
            memory64: false,
            shared: false,
            page_size_log2: None,
        };
        memory.encode(&mut out);
        out
    }

    /// All functions, and one more.
    fn code(&self, content: &[u8]) -> Option<Vec<u8>> {
        let bodies = bodies(content)?;
        let mut out = Vec::with_capacity(content.len() + 64);
        u32::try_from(bodies.len())
            .ok()?
            .checked_add(1)?
            .encode(&mut out);
        for body in &bodies {
            match sizing(body)?.as_slice() {
                [] => body.as_bytes().encode(&mut out),
                places => self.replaced(content, body, places)?.encode(&mut out),
            }
        }
        self.grow().encode(&mut out);
        Some(out)
    }

    /// A function's body with other instructions in these places.
    fn replaced(
        &self,
        content: &[u8],
        body: &FunctionBody<'_>,
        places: &[Sizing],
    ) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut copied = body.range().start;
        for place in places {
            out.extend_from_slice(content.get(copied..place.start)?);
            match place.grows {
                true => Instruction::Call(self.function).encode(&mut out),
                false => Instruction::GlobalGet(self.global).encode(&mut out),
            }
            copied = place.end;
        }
        out.extend_from_slice(content.get(copied..body.range().end)?);
        Some(out)
    }

    /// Grows by so many pages and answers how many there were, or -1: as `memory.grow` does (core
    /// specification, 4.6.8). What the guest counts never exceeds what there is.
    fn grow(&self) -> Function {
        const BY: u32 = 0;
        const OLD: u32 = 1;
        const NEW: u32 = 2;
        const GIVEN: u32 = 3;
        let mut body = Function::new([(3, ValType::I32)]);
        let refused = [
            Instruction::If(BlockType::Empty),
            Instruction::I32Const(-1),
            Instruction::Return,
            Instruction::End,
        ];
        let mut say = |instructions: &[Instruction<'_>]| {
            for instruction in instructions {
                body.instruction(instruction);
            }
        };
        say(&[
            Instruction::GlobalGet(self.global),
            Instruction::LocalTee(OLD),
            Instruction::LocalGet(BY),
            Instruction::I32Add,
            Instruction::LocalTee(NEW),
            Instruction::LocalGet(OLD),
            Instruction::I32LtU,
        ]);
        say(&refused);
        say(&[
            Instruction::LocalGet(NEW),
            Instruction::MemorySize(0),
            Instruction::LocalTee(GIVEN),
            Instruction::I32GtU,
            Instruction::If(BlockType::Empty),
            Instruction::LocalGet(NEW),
            Instruction::LocalGet(GIVEN),
            Instruction::I32Sub,
            Instruction::MemoryGrow(0),
            Instruction::I32Const(-1),
            Instruction::I32Eq,
        ]);
        say(&refused);
        say(&[
            Instruction::End,
            Instruction::LocalGet(NEW),
            Instruction::GlobalSet(self.global),
            Instruction::LocalGet(OLD),
            Instruction::End,
        ]);
        body
    }
}

/// Counts what there is.
fn added(sections: &[Section<'_>], sizes: Sizes) -> Option<Added> {
    let mut added = Added {
        r#type: 0,
        function: 0,
        global: 0,
        sizes,
    };
    for Section { id, content } in sections {
        let reader = BinaryReader::new(content, 0);
        match *id {
            TYPES => {
                for group in TypeSectionReader::new(reader).ok()? {
                    added.r#type += u32::try_from(group.ok()?.types().len()).ok()?;
                }
            }
            IMPORTS => {
                let imports = imports(content)?;
                added.function += imports.functions;
                added.global += imports.globals;
            }
            FUNCTIONS => added.function += SectionLimited::<u32>::new(reader).ok()?.count(),
            GLOBALS => added.global += GlobalSectionReader::new(reader).ok()?.count(),
            _ => {}
        }
    }
    Some(added)
}

/// How large it is, and how large it is to be. Nothing for the rarer kinds, and where there is no room.
fn sizes(memory: &MemoryType) -> Option<Sizes> {
    if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
        return None;
    }
    let known = u32::try_from(memory.initial).ok()?;
    let most = match memory.maximum {
        Some(most) => Some(u32::try_from(most).ok()?),
        None => None,
    };
    let given = known.checked_add(ROOM_PAGES)?.min(most.unwrap_or(u32::MAX));
    (given > known).then_some(Sizes { known, given, most })
}

#[derive(Default)]
struct Imports {
    functions: u32,
    globals: u32,
    memories: u32,
}

fn imports(content: &[u8]) -> Option<Imports> {
    let mut counts = Imports::default();
    let reader = ImportSectionReader::new(BinaryReader::new(content, 0)).ok()?;
    for import in reader.into_imports() {
        match import.ok()?.ty {
            TypeRef::Func(_) | TypeRef::FuncExact(_) => counts.functions += 1,
            TypeRef::Global(_) => counts.globals += 1,
            TypeRef::Memory(_) => counts.memories += 1,
            TypeRef::Table(_) | TypeRef::Tag(_) => {}
        }
    }
    Some(counts)
}

fn items<'a, T: wasmparser::FromReader<'a>>(content: &'a [u8]) -> Option<Vec<T>> {
    let reader = SectionLimited::<T>::new(BinaryReader::new(content, 0)).ok()?;
    reader.into_iter().collect::<Result<_, _>>().ok()
}

fn bodies(content: &[u8]) -> Option<Vec<FunctionBody<'_>>> {
    let reader = CodeSectionReader::new(BinaryReader::new(content, 0)).ok()?;
    reader.into_iter().collect::<Result<_, _>>().ok()
}

/// Where a function asks for a memory's size, or grows one: from its first byte to behind its last.
struct Sizing {
    start: usize,
    end: usize,
    grows: bool,
}

fn sizing(body: &FunctionBody<'_>) -> Option<Vec<Sizing>> {
    let mut reader = body.get_operators_reader().ok()?;
    let mut found = Vec::new();
    while !reader.eof() {
        let start = reader.original_position();
        let grows = match reader.read().ok()? {
            Operator::MemoryGrow { .. } => true,
            Operator::MemorySize { .. } => false,
            _ => continue,
        };
        let end = reader.original_position();
        found.push(Sizing { start, end, grows });
    }
    Some(found)
}

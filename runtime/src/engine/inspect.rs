//! What a component is made of, read from its outermost layer: imports, exports, and the tools that
//! made it. Pure; nothing is compiled or run.

use std::collections::BTreeSet;

use wasmparser::{
    ComponentExternalKind, Encoding, KnownCustom, Parser, Payload, ProducersSectionReader,
};

use super::error::AdmitError;
use super::provided;

/// The handler generations of `wasi:http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// `wasi:http/handler@0.3`.
    P3,
    /// `wasi:http/incoming-handler@0.2`.
    P2,
    /// No HTTP handler.
    None,
}

/// A component's surface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surface {
    /// Names of the imports, as written.
    pub imports: Vec<String>,
    /// Names of the exports, as written.
    pub exports: Vec<String>,
    /// The HTTP export.
    pub handler: Handler,
    /// Whether `koyalite:host/scheduled` is exported.
    pub scheduled: bool,
    /// Whether `koyalite:host-sync` is imported, whose calls hold the instance while they wait.
    pub sync_host: bool,
    /// Languages of the producers sections, at any depth.
    pub languages: BTreeSet<String>,
}

impl Surface {
    /// Whether nothing shows for which it would need tasks. What it does inside does not show.
    #[must_use]
    pub fn may_be_sequential(&self) -> bool {
        self.handler == Handler::P2
            && !self.scheduled
            && !self.imports.iter().any(|name| provided::has_tasks(name))
    }
}

/// Depth of components inside components that is looked into. Tools produce two or three.
const DEPTH_MAX: usize = 16;

/// Reads the surface of a component.
///
/// # Errors
/// When the bytes are not WebAssembly, are a core module, or cannot be parsed.
pub fn inspect(bytes: &[u8]) -> Result<Surface, AdmitError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(AdmitError::NotWasm);
    }
    let mut walk = Walk::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| invalid(&error))? {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => {
                return Err(AdmitError::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > DEPTH_MAX {
                    let reason = format!("components are nested more than {DEPTH_MAX} deep");
                    return Err(AdmitError::Invalid { reason });
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            payload => walk.visit(payload, depth)?,
        }
    }
    Ok(walk.surface())
}

#[derive(Default)]
struct Walk {
    imports: Vec<String>,
    exports: Vec<String>,
    languages: BTreeSet<String>,
}

impl Walk {
    fn visit(&mut self, payload: Payload<'_>, depth: usize) -> Result<(), AdmitError> {
        match payload {
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|error| invalid(&error))?;
                    self.imports.push(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|error| invalid(&error))?;
                    if export.kind == ComponentExternalKind::Instance {
                        self.exports.push(export.name.name.to_owned());
                    }
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Producers(producers) = section.as_known() {
                    self.producers(producers);
                }
            }
            _ => {}
        }
        Ok(())
    }

    // A malformed producers section is nobody's fault that matters: it only ever takes rights away.
    fn producers(&mut self, producers: ProducersSectionReader<'_>) {
        let languages = producers
            .into_iter()
            .flatten()
            .filter(|field| field.name == "language");
        for field in languages {
            let values = field.values.into_iter().flatten();
            self.languages
                .extend(values.map(|value| value.name.to_owned()));
        }
    }

    fn surface(self) -> Surface {
        let exported = |prefix: &str| self.exports.iter().any(|name| name.starts_with(prefix));
        let handler = if exported("wasi:http/handler@0.3.") {
            Handler::P3
        } else if exported("wasi:http/incoming-handler@0.2.") {
            Handler::P2
        } else {
            Handler::None
        };
        Surface {
            handler,
            scheduled: exported("koyalite:host/scheduled@"),
            sync_host: self
                .imports
                .iter()
                .any(|name| name.starts_with("koyalite:host-sync/")),
            imports: self.imports,
            exports: self.exports,
            languages: self.languages,
        }
    }
}

fn invalid(error: &wasmparser::BinaryReaderError) -> AdmitError {
    AdmitError::Invalid {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_a_component_is_named() {
        assert!(matches!(inspect(b"hello"), Err(AdmitError::NotWasm)));
        assert!(matches!(inspect(b""), Err(AdmitError::NotWasm)));
        assert!(matches!(
            inspect(b"\0asm\x01\0\0\0"),
            Err(AdmitError::CoreModule)
        ));
        assert!(matches!(
            inspect(b"\0asm\xff\0\0\0"),
            Err(AdmitError::Invalid { .. })
        ));
    }

    #[test]
    fn an_empty_component_has_an_empty_surface() {
        let surface = inspect(b"\0asm\x0d\0\x01\0").unwrap();
        assert_eq!((surface.handler, surface.imports.len()), (Handler::None, 0));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(tail in proptest::collection::vec(any::<u8>(), 0..512)) {
            let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
            bytes.extend(tail);
            let _ = inspect(&bytes);
        }
    }
}

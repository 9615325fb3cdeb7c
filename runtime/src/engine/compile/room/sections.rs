//! A binary as its sections, and back: what is not looked into is copied as it is.

use wasm_encoder::Encode as _;
use wasmparser::BinaryReader;

/// Magic number and version.
pub(super) const PREAMBLE_BYTES: usize = 8;

/// Of a component.
pub(super) const CORE_MODULE: u8 = 1;
/// Of a component.
pub(super) const NESTED_COMPONENT: u8 = 4;

/// Of a core module (core specification, 5.5.2).
pub(super) const TYPES: u8 = 1;
pub(super) const IMPORTS: u8 = 2;
pub(super) const FUNCTIONS: u8 = 3;
pub(super) const MEMORIES: u8 = 5;
pub(super) const GLOBALS: u8 = 6;
pub(super) const EXPORTS: u8 = 7;
pub(super) const CODE: u8 = 10;
pub(super) const DATA_COUNT: u8 = 12;

/// One section.
pub(super) struct Section<'a> {
    pub(super) id: u8,
    pub(super) content: &'a [u8],
}

/// All sections of a module or of a component.
pub(super) fn split(binary: &[u8]) -> Option<Vec<Section<'_>>> {
    let mut reader = BinaryReader::new(binary.get(PREAMBLE_BYTES..)?, 0);
    let mut sections = Vec::new();
    while !reader.eof() {
        let id = reader.read_u8().ok()?;
        let bytes = reader.read_var_u32().ok()?;
        let content = reader.read_bytes(usize::try_from(bytes).ok()?).ok()?;
        sections.push(Section { id, content });
    }
    Some(sections)
}

/// Appends a section.
pub(super) fn put(out: &mut Vec<u8>, id: u8, content: &[u8]) {
    out.push(id);
    content.encode(out);
}

/// The content of a section that lists things, with one more of them at its end.
pub(super) fn with_one_more(content: &[u8], item: &[u8]) -> Option<Vec<u8>> {
    let mut reader = BinaryReader::new(content, 0);
    let count = reader.read_var_u32().ok()?;
    let mut out = Vec::with_capacity(content.len() + item.len() + 1);
    count.checked_add(1)?.encode(&mut out);
    out.extend_from_slice(content.get(reader.original_position()..)?);
    out.extend_from_slice(item);
    Some(out)
}

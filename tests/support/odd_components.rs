//! Components that no compiler makes: written by hand, each wrong in one way.

use bytes::Bytes;

/// What makes the host take a component for a handler without looking inside.
const HANDLER: &str =
    r#"(instance $empty) (export "wasi:http/incoming-handler@0.2.3" (instance $empty))"#;

/// A component of the text format.
pub(crate) fn component(inside: &str) -> Bytes {
    wat::parse_str(format!("(component {inside})"))
        .unwrap()
        .into()
}

/// A component that calls itself a handler, with something else beside.
pub(crate) fn handler_with(inside: &str) -> Bytes {
    component(&format!("{inside} {HANDLER}"))
}

/// A valid component whose code is within the limit on its size, but not the memory or the time
/// that it takes to compile: a few functions of a million instructions each, all in one block.
pub(crate) fn compile_bomb() -> Bytes {
    const FUNCTIONS: usize = 6;
    /// Just under the 7,654,321 bytes that a function may have.
    const INSTRUCTIONS: usize = 1_000_000;
    /// `local0 = rotl(local0, local1)`: nothing that a compiler could fold.
    const STEP: [u8; 7] = [0x20, 0, 0x20, 1, 0x77, 0x21, 0];

    let mut function = vec![1, 2, 0x7f];
    function.extend(STEP.repeat(INSTRUCTIONS));
    function.push(0x0b);
    let mut code = leb(FUNCTIONS);
    for _ in 0..FUNCTIONS {
        code.extend(leb(function.len()));
        code.extend(&function);
    }
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &[1, 0x60, 0, 0]);
    let declared = [leb(FUNCTIONS), vec![0; FUNCTIONS]].concat();
    section(&mut module, 3, &declared);
    section(&mut module, 10, &code);

    let shell = handler_with("");
    let (head, rest) = shell.split_at(8);
    let mut bomb = head.to_vec();
    section(&mut bomb, 1, &module);
    bomb.extend(rest);
    bomb.into()
}

fn section(into: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    into.push(kind);
    into.extend(leb(bytes.len()));
    into.extend(bytes);
}

/// A number as WebAssembly writes it: seven bits a byte, the lowest first.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

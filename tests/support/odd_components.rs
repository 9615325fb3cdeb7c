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

/// A small, valid component whose code takes more memory to compile than a compiler may have: every
/// variable may have changed at the head of every loop, and the loops are nested.
pub(crate) fn compile_bomb() -> Bytes {
    const LOOPS: usize = 5000;
    const VARIABLES: usize = 5000;

    // One group of locals: 5000 times `i32`.
    let mut function = [vec![1], leb(VARIABLES), vec![0x7f]].concat();
    // `loop`, without a result.
    function.extend([0x03, 0x40].repeat(LOOPS));
    for variable in 0..VARIABLES {
        // variable = variable + 1
        let variable = leb(variable);
        function.extend([&[0x20], &*variable, &[0x41, 1, 0x6a, 0x21], &variable].concat());
    }
    // Back to the head of the loop while the first variable is not 0; `end`.
    function.extend([0x20, 0, 0x0d, 0, 0x0b].repeat(LOOPS));
    function.push(0x0b);
    let code = [leb(1), leb(function.len()), function].concat();
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &[1, 0x60, 0, 0]);
    section(&mut module, 3, &[1, 0]);
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

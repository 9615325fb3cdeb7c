//! What a function must not do and needs no host for, the same for every generation of WASI. The other
//! guests take this file in by its path.

use std::hint::black_box;

/// Uses the processor and never answers.
pub fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns).wrapping_add(1);
    }
}

/// Takes memory, a touched MiB at a time, until it is stopped.
pub fn grow() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(vec![1_u8; 1024 * 1024]);
        black_box(&kept);
    }
}

/// Calls itself until the stack is used up.
#[expect(unconditional_recursion, reason = "what is tried")]
pub fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse(black_box(depth + 1)) + black_box(frame)[0]
}

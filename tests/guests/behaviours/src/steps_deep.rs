//! A panic some functions deep; each has a name to be found by. The guest of WASI 0.2 takes this file in
//! by its path.

use std::hint::black_box;

#[inline(never)]
pub fn outer_step() -> String {
    println!("about to go wrong");
    black_box(middle_step(black_box(3)).to_string())
}

#[inline(never)]
fn middle_step(depth: u64) -> u64 {
    black_box(innermost_step(black_box(depth * 2)) + 1)
}

#[inline(never)]
fn innermost_step(depth: u64) -> u64 {
    assert!(black_box(depth) == 0, "went wrong {depth} steps deep");
    depth
}

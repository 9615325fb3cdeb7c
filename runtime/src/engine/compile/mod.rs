//! Native code: compiled once in a child process, cached on disk, verified before it is loaded.
//!
//! Compiling is the one step that works on hostile input for long and in complicated code, so it
//! happens in a process that may be lost (`child`). What comes out is sealed with a key that the
//! cache folder does not hold (`cache`): code from that folder runs with our rights, so it is never
//! trusted for being there. What is compiled is not quite what was deployed: see `room`. Which of the two
//! engines it is for is decided here as well (`child`).

mod cache;
mod child;
mod parent;
mod room;

pub(super) use cache::CodeCache;
pub use child::{Compiled, NotCompiled, Priority, child_main, compile_here};
pub(super) use parent::Compiler;

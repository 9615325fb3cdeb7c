//! The two kinds of component, each with a wasmtime engine of its own.
//!
//! The component model's tasks (async functions, streams, futures) cost every call something, whether
//! it uses them or not: a call becomes a task, host calls become subtasks, an event loop turns around
//! them. A component that has none, as all that are made for WASI 0.2, runs without all that.

/// Which engine a component is compiled for and runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With tasks: whatever speaks WASI 0.3 or is called by `scheduled`, and all shared instances.
    Concurrent,
    /// Without: one call on one instance, and one thing at a time in it.
    Sequential,
}

impl Kind {
    /// Every kind.
    pub(super) const ALL: [Self; 2] = [Self::Concurrent, Self::Sequential];

    /// What stands before native code, from the compiling child to the cache and back: code is told by
    /// what is sealed with it, never by where it lies.
    #[must_use]
    pub fn tag(self) -> u8 {
        match self {
            Self::Concurrent => b'c',
            Self::Sequential => b's',
        }
    }

    /// The kind that tagged code is of, and the code.
    pub(super) fn split(tagged: &[u8]) -> Option<(Self, &[u8])> {
        let (tag, code) = tagged.split_first()?;
        let kind = Self::ALL.into_iter().find(|kind| kind.tag() == *tag)?;
        Some((kind, code))
    }
}

/// One thing for each kind.
#[derive(Clone, Debug)]
pub(super) struct ByKind<T> {
    concurrent: T,
    sequential: T,
}

impl<T> ByKind<T> {
    pub(super) fn try_new<E>(mut make: impl FnMut(Kind) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self {
            concurrent: make(Kind::Concurrent)?,
            sequential: make(Kind::Sequential)?,
        })
    }

    pub(super) fn of(&self, kind: Kind) -> &T {
        match kind {
            Kind::Concurrent => &self.concurrent,
            Kind::Sequential => &self.sequential,
        }
    }

    pub(super) fn map<U>(&self, mut make: impl FnMut(&T) -> U) -> [U; 2] {
        Kind::ALL.map(|kind| make(self.of(kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tagged_code_is_told_by_its_first_byte_alone() {
        assert_eq!(
            Kind::split(b"s\x7fELF"),
            Some((Kind::Sequential, &b"\x7fELF"[..]))
        );
        assert_eq!(Kind::split(b"c"), Some((Kind::Concurrent, &b""[..])));
        assert_eq!(Kind::split(b"\x7fELF"), None);
        assert_eq!(Kind::split(b""), None);
    }
}

//! Plumbing shared by both listeners: accept loop, problem documents, bounded bodies.

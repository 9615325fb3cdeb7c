//! Requests for functions: bytes to route and identity, then `engine::invoke`.

//! The control API: what operators and deployers call.

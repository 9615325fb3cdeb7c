//! What happened: one record per invocation, and the lines guests logged.

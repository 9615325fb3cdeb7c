//! The one way out of the process on behalf of a tenant.

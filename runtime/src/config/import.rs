//! The address of a database to import from. It holds a password, so it has no flag.

/// Names the source of `koyalite tables import`.
pub const IMPORT_VARIABLE: &str = "KOYALITE_IMPORT_URL";

/// The address, where the environment has one.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is read in this module alone"
)]
pub fn import_url() -> Option<String> {
    std::env::var(IMPORT_VARIABLE).ok()
}

//! Values that the manifest gives this function: `[config]` of `koyalite.toml`, and the secrets that it names.
//!
//! ```toml
//! [config]
//! greeting = "hello"
//! ```

use crate::bindings::imports::koyalite::host::config as host;

/// The value of one key. None where the manifest has no such key.
///
/// ```no_run
/// let greeting = koyalite::config::get("greeting").unwrap_or_else(|| "hello".to_owned());
/// ```
pub fn get(key: &str) -> Option<String> {
    host::get(key)
}

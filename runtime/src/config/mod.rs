//! Configuration: what the operator wrote (`raw`) becomes what it means (`resolved`), and every
//! mistake is reported at once (`report`), before a port is bound.
//!
//! The only module that reads the environment. A setting has one name in three spellings:
//! `--data-dir`, `KOYALITE_DATA_DIR`, and `data_dir` in `koyalite-server.toml`; the flag wins over
//! the environment, the environment over the file. `key` lists them all.

mod check;
mod import;
pub mod key;
mod mail;
pub mod raw;
pub mod report;
pub mod resolved;
mod sessions_file;
mod sign_up;
mod store;

pub use self::import::{IMPORT_VARIABLE, import_url};
pub use self::raw::{Flags, Raw};
pub use self::report::{EXIT_CODE, Report};
pub use self::resolved::{
    DataDir, DatabaseChoice, DatabaseUrl, EmbeddedDatabase, FleetConfig, LogConfig, LogFormat,
    NodeLimits, OperatorCaps, ServeConfig, TlsFiles,
};
pub use self::sessions_file::sessions_file;

#[cfg(test)]
mod tests;

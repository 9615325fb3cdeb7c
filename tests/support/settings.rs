//! The little that the tests take from their surroundings. Everything else of the environment is
//! kept from the servers that they start.

use std::ffi::OsString;
use std::path::PathBuf;

/// Reads what is needed, where it is needed.
pub(crate) struct Settings;

impl Settings {
    /// Where programs are looked for.
    #[expect(clippy::disallowed_methods, reason = "not the product's configuration")]
    pub(crate) fn path() -> Option<OsString> {
        std::env::var_os("PATH")
    }

    /// Where toolchains are and keep what they have downloaded, each where it is said.
    #[expect(clippy::disallowed_methods, reason = "not the product's configuration")]
    pub(crate) fn homes() -> Vec<(&'static str, OsString)> {
        let names = ["HOME", "CARGO_HOME", "RUSTUP_HOME"];
        let said = names.map(|name| Some((name, std::env::var_os(name)?)));
        said.into_iter().flatten().collect()
    }

    /// How much a test that can go on for long is asked to do: the variable of that name.
    #[expect(clippy::disallowed_methods, reason = "not the product's configuration")]
    pub(crate) fn number(variable: &str) -> Option<u64> {
        let text = std::env::var(variable).ok()?;
        let number = text.parse();
        Some(number.unwrap_or_else(|_| panic!("{variable} is a number")))
    }

    /// The `koyalite` program of the same build as these tests: one folder up from them.
    pub(crate) fn program() -> PathBuf {
        let tests = std::env::current_exe().unwrap();
        let program = tests.ancestors().nth(2).unwrap().join("koyalite");
        let there = program.exists();
        assert!(
            there,
            "no {}: run `cargo build -p koyalite-runtime` first",
            program.display()
        );
        program
    }
}

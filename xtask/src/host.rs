//! The host's own build: a cargo that behaves as if the user had called it, and the `koyalite`
//! program made by it, in the profile that the tests use, so that nothing is compiled twice.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

use crate::paths;

/// A `cargo` in the checkout's root whose output the user sees.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(paths::root());
    forget_own_package(&mut command);
    command
}

/// Takes away what the cargo that runs this program has told it about itself. Some build scripts
/// depend on these variables, and would run again each time one builds with xtask and without.
fn forget_own_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_about_own_package) {
            command.env_remove(name);
        }
    }
}

fn is_about_own_package(name: &str) -> bool {
    const GROUPS: &[&str] = &["CARGO_PKG_", "CARGO_MANIFEST_"];
    const NAMES: &[&str] = &[
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
    ];
    NAMES.contains(&name) || GROUPS.iter().any(|group| name.starts_with(group))
}

/// Runs a command whose output the user sees.
///
/// # Errors
/// Where it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words = words.join(" ");
    let status = command
        .status()
        .with_context(|| format!("cannot start `{words}`"))?;
    if !status.success() {
        bail!("`{words}` failed ({status})");
    }
    Ok(())
}

/// Builds the `koyalite` program and says where it is.
///
/// # Errors
/// Where it does not compile.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    // The whole workspace is selected for its features alone: `cargo test --workspace` selects it
    // too, and other features would be another wasmtime.
    run(cargo().args(["build", "--workspace", "--bin", "koyalite"]))?;
    program()
}

/// Beside this program: the same cargo put both there, in whatever target folder.
fn program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let program = own.with_file_name("koyalite");
    match program.is_file() {
        true => Ok(program),
        false => bail!(
            "no {}: was xtask built in another profile?",
            program.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cargo_says_about_this_package_is_forgotten() {
        let check = |name, forgotten| assert_eq!(is_about_own_package(name), forgotten, "{name}");
        check("CARGO_MANIFEST_DIR", true);
        check("CARGO_PKG_NAME", true);
        check("CARGO_PRIMARY_PACKAGE", true);
        check("CARGO_TARGET_DIR", false);
        check("CARGO_HOME", false);
        check("RUSTFLAGS", false);
    }
}

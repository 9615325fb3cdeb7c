//! A Rust toolchain that can build guests (`wasm32-wasip2`), prepared without asking.
//!
//! In this order: the target that rustup already has; our own toolchain `guest`, if it was made
//! before; `rustup target add`, where the network allows it; else `guest-toolchain.sh`, which makes
//! `guest` from Debian's packages. The host's own toolchain is never touched beyond `target add`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::{paths, step::Step};

/// What guests are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";
/// A download of 30 MB; where there is no route to it rustup itself retries for about this long.
const TARGET_ADD_LIMIT: Duration = Duration::from_secs(180);

/// The toolchains that can build guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The one that builds the host, with the target installed.
    Default,
    /// `guest`, made by `guest-toolchain.sh`.
    Guest,
}

impl Toolchain {
    /// Finds one, or makes one.
    ///
    /// # Errors
    /// Where every way fails; the error says what the last one needs.
    pub(crate) fn prepare() -> anyhow::Result<Self> {
        if has_target() {
            return Ok(Self::Default);
        }
        if !guest_folder()?.join("stamp").exists() && add_target().is_ok() && has_target() {
            return Ok(Self::Default);
        }
        Self::make_guest()
    }

    /// Makes `guest` or checks that it is current.
    ///
    /// # Errors
    /// Where the packages or the standard library's crates cannot be had.
    pub(crate) fn make_guest() -> anyhow::Result<Self> {
        let step = Step::start("preparing the guest toolchain (once, about a minute)");
        let script = paths::root().join("xtask/src/guest-toolchain.sh");
        step.run(clean(Command::new("bash").arg(script).arg(guest_folder()?)))
            .context("`rustup target add wasm32-wasip2` did not work, nor did Debian's compiler")?;
        Ok(Self::Guest)
    }

    /// A `cargo` of this toolchain, working in `folder`.
    pub(crate) fn cargo(self, folder: &Path) -> Command {
        let mut command = Command::new("cargo");
        if self == Self::Guest {
            command.arg("+guest");
        }
        clean(command.current_dir(folder));
        command
    }
}

/// Removes what the cargo that runs this program has put into the environment: it would make
/// another cargo use the wrong compiler, flags or target folder. Where cargo and rustup keep their
/// files and how they reach the network stays.
fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if is_build_setting(&name) {
            command.env_remove(name);
        }
    }
    command
}

fn is_build_setting(name: &OsStr) -> bool {
    const KEPT: &[&str] = &[
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_DIST_SERVER",
        "RUSTUP_UPDATE_ROOT",
    ];
    const KEPT_GROUPS: &[&str] = &[
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
    ];
    let Some(name) = name.to_str() else {
        return false;
    };
    let ours = name.starts_with("CARGO") || name.starts_with("RUST");
    ours && !KEPT.contains(&name) && !KEPT_GROUPS.iter().any(|group| name.starts_with(group))
}

/// Asks the compiler rather than rustup: it works for a compiler from anywhere.
fn has_target() -> bool {
    let mut rustc = Command::new("rustc");
    rustc
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(paths::root());
    let Ok(output) = clean(&mut rustc).output() else {
        return false;
    };
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success() && Path::new(&folder).is_dir()
}

fn add_target() -> anyhow::Result<()> {
    let step = Step::start("rustup target add wasm32-wasip2").within(TARGET_ADD_LIMIT);
    let mut rustup = Command::new("rustup");
    step.run(clean(
        rustup
            .args(["target", "add", TARGET])
            .current_dir(paths::root()),
    ))
}

/// Outside the checkout: one toolchain serves all of a user's checkouts.
fn guest_folder() -> anyhow::Result<PathBuf> {
    match std::env::home_dir() {
        Some(home) if home.is_absolute() => Ok(home.join(".cache/koyalite/guest-toolchain")),
        _ => bail!("no home folder to keep the guest toolchain in"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_settings_of_the_outer_cargo_are_removed_and_the_rest_is_kept() {
        let check = |name: &str, removed| {
            assert_eq!(is_build_setting(OsStr::new(name)), removed, "{name}");
        };
        check("CARGO", true);
        check("CARGO_TARGET_DIR", true);
        check("CARGO_ENCODED_RUSTFLAGS", true);
        check("RUSTC", true);
        check("RUSTUP_TOOLCHAIN", true);
        check("CARGO_HOME", false);
        check("RUSTUP_HOME", false);
        check("CARGO_REGISTRIES_MINE_INDEX", false);
        check("CARGO_HTTP_PROXY", false);
        check("PATH", false);
    }
}

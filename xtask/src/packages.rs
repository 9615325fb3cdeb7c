//! Programs of the system's own packages: are they there, and, on a Debian machine as root, had.

use std::process::{Command, Stdio};

use anyhow::bail;

use crate::step::Step;

/// Whether a program of that name can be started at all.
pub(crate) fn is_there(tool: &str) -> bool {
    let mut asked = Command::new(tool);
    asked.arg("--version");
    asked.stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok()
}

/// Sees to it that a program is there; its package has its name.
///
/// # Errors
/// Where it is not, and only a person can install it.
pub(crate) fn have(tool: &str) -> anyhow::Result<()> {
    if is_there(tool) {
        return Ok(());
    }
    if !(is_there("apt-get") && is_root()) {
        bail!(
            "`{tool}` is missing: install it with the system's packages (Debian: apt-get install \
             {tool}; macOS: brew install {tool})"
        );
    }
    let step = Step::start(&format!("apt-get install {tool} (once)"));
    step.run(Command::new("apt-get").args(["update", "-q"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-yq", "--no-install-recommends", tool]);
    step.run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Whether we may do what only root may.
pub(crate) fn is_root() -> bool {
    #[expect(unsafe_code, reason = "the standard library does not tell")]
    // SAFETY: it reads one number of this process and cannot fail.
    let user = unsafe { libc::geteuid() };
    user == 0
}

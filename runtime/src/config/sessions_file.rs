//! Where the command line keeps who signed in: in the user's configuration folder, never in a project's.

use std::path::PathBuf;

/// The file, where there is a home for it.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is read in this module alone"
)]
pub fn sessions_file() -> Option<PathBuf> {
    let set = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let base = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    // A relative one would be another folder for every working directory; XDG says to ignore it.
    base.is_absolute()
        .then(|| base.join("koyalite/sessions.json"))
}

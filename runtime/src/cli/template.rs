//! The templates of `koyalite new`, compiled into this program.
//!
//! Code and tables are those of an example, so that what a newcomer starts from is built and tested
//! with everything else; only what must differ lives in `examples/templates/`.

use std::path::Path;

/// A set of files to start from.
pub(super) struct Template {
    /// The word after `koyalite new`.
    pub(super) name: &'static str,
    /// Relative path and text of each file.
    pub(super) files: &'static [(&'static str, &'static str)],
}

macro_rules! example {
    ($file:literal) => {
        include_str!(concat!("../../../examples/", $file))
    };
}

const TEMPLATES: &[Template] = &[Template {
    name: "todo",
    files: &[
        ("Cargo.toml", example!("templates/todo/Cargo.toml.template")),
        ("koyalite.toml", example!("templates/todo/koyalite.toml")),
        ("schema.json", example!("todo/schema.json")),
        ("src/lib.rs", example!("todo/src/lib.rs")),
        ("README.md", example!("templates/todo/README.md")),
        (".gitignore", "/target\n/.koyalite\n"),
    ],
}];

/// The names that `koyalite new` takes.
pub(super) fn names() -> Vec<&'static str> {
    TEMPLATES.iter().map(|template| template.name).collect()
}

/// The template of that name.
pub(super) fn find(name: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.name == name)
}

/// The text of one file, with the function's name and the SDK's place filled in.
pub(super) fn fill(text: &str, name: &str, sdk: Option<&Path>) -> String {
    let sdk = match sdk {
        // A TOML literal string, where a Windows path needs no escapes.
        Some(folder) => format!("{{ path = '{}' }}", folder.display()),
        None => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
    };
    text.replace("{{name}}", name).replace("{{sdk}}", &sdk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled_and_the_result_is_toml() {
        for template in TEMPLATES {
            for (path, text) in template.files {
                let text = fill(text, "my-api", Some(Path::new("/opt/sdk")));
                assert!(!text.contains("{{"), "{path}");
                if path.ends_with(".toml") {
                    assert!(toml::from_str::<toml::Table>(&text).is_ok(), "{path}");
                }
            }
        }
    }
}

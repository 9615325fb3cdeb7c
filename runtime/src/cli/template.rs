//! The templates of `koyalite new`, compiled into the program from `examples/templates/`.

use std::path::Path;

/// A set of files to start from.
pub(super) struct Template {
    /// The word after `koyalite new`.
    pub(super) name: &'static str,
    /// Relative path and text of each file.
    pub(super) files: &'static [(&'static str, &'static str)],
}

const TEMPLATES: &[Template] = &[Template {
    name: "todo",
    files: &[("koyalite.toml", "name = \"{{name}}\"\n")],
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
pub(super) fn fill(text: &str, name: &str, _sdk: Option<&Path>) -> String {
    text.replace("{{name}}", name)
}

//! What a node goes by: the domain of its projects' hosts, and its region.

use super::{Key, Reading, is_label};

impl Reading<'_> {
    pub(super) fn domain(&mut self) -> String {
        let given = self
            .text(Key::Domain)
            .unwrap_or_else(|| "localhost".to_owned());
        let domain = given.trim_matches('.').to_ascii_lowercase();
        if domain.is_empty() || !domain.split('.').all(is_label) {
            self.wrong(
                Key::Domain,
                "must be a domain name without port, for example example.org",
            );
        }
        domain
    }

    pub(super) fn region(&mut self) -> String {
        let region = self.text(Key::Region).unwrap_or_else(|| "local".to_owned());
        if !is_label(&region) {
            self.wrong(
                Key::Region,
                "must be lower-case letters, digits and dashes, at most 63",
            );
        }
        region
    }
}

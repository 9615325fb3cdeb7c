//! The allow-list of a function's manifest: which (scheme, host, port) it may send requests to.
//!
//! An empty list allows nothing. An entry is an origin, never a path: `https://api.example.com`,
//! `api.example.com:8443`, `*.example.com`, `http://[2001:db8::1]:8080`. Without a scheme it means
//! https, so plain text must be asked for. The list says nothing about addresses: an allowed name
//! that resolves to a private address is refused by `connect`.

use std::fmt;

use super::host::{Host, HostError, Scheme, Target, split_port};

/// Entries one manifest may hold: far above any real function, and a scan stays in microseconds.
pub const ENTRIES_MAX: usize = 100;

/// A checked allow-list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    entries: Vec<Entry>,
    everything: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    scheme: Scheme,
    host: Pattern,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exactly(Host),
    /// Any name below this one, at any depth, but not the name itself.
    Below(String),
}

/// Why an allow-list is refused, naming the entry as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowError {
    #[error("`[outbound]` entry {entry:?}: {source}")]
    Host { entry: String, source: HostError },
    #[error(
        "`[outbound]` entry {entry:?} has a path, a query or a fragment; write the origin alone, \
         such as https://api.example.com:8443"
    )]
    NotAnOrigin { entry: String },
    #[error(
        "`[outbound]` entry {entry:?}: a wildcard stands for the leftmost labels, with at least two \
         labels behind it, as in *.example.com"
    )]
    Wildcard { entry: String },
    #[error("`[outbound]` can have at most {ENTRIES_MAX} entries, this one has {found}")]
    TooMany { found: usize },
}

impl AllowList {
    /// Reads the entries of a manifest.
    ///
    /// # Errors
    /// The first entry that is not an origin, with what would be right.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, AllowError> {
        if entries.len() > ENTRIES_MAX {
            return Err(AllowError::TooMany {
                found: entries.len(),
            });
        }
        let entries = entries
            .iter()
            .map(|entry| Entry::parse(entry.as_ref().trim()));
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
            everything: false,
        })
    }

    /// A list that allows every target. No manifest can say this; whoever starts a component by
    /// hand can.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            entries: Vec::new(),
            everything: true,
        }
    }

    /// Whether some entry covers this target.
    #[must_use]
    pub fn allows(&self, target: &Target) -> bool {
        self.everything || self.entries.iter().any(|entry| entry.covers(target))
    }

    /// Whether nothing at all is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.everything
    }
}

impl Entry {
    fn parse(entry: &str) -> Result<Self, AllowError> {
        let bad = |source| AllowError::Host {
            entry: entry.to_owned(),
            source,
        };
        let (scheme, authority) = match entry.split_once("://") {
            Some((scheme, rest)) => (Scheme::parse(scheme).map_err(bad)?, rest),
            None => (Scheme::Https, entry),
        };
        // One closing slash is how browsers copy an origin.
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(AllowError::NotAnOrigin {
                entry: entry.to_owned(),
            });
        }
        let (host, port) = split_port(authority).map_err(bad)?;
        let host = match host.strip_prefix("*.") {
            Some(parent) => below(entry, Host::parse(parent).map_err(bad)?)?,
            None if host.contains('*') => {
                return Err(AllowError::Wildcard {
                    entry: entry.to_owned(),
                });
            }
            None => Pattern::Exactly(Host::parse(host).map_err(bad)?),
        };
        Ok(Self {
            scheme,
            host,
            port: port.unwrap_or(scheme.default_port()),
        })
    }

    fn covers(&self, target: &Target) -> bool {
        self.scheme == target.scheme && self.port == target.port && self.host.covers(&target.host)
    }
}

/// `*.com` would be the whole internet by another name.
fn below(entry: &str, parent: Host) -> Result<Pattern, AllowError> {
    match parent {
        Host::Name(name) if name.contains('.') => Ok(Pattern::Below(name)),
        Host::Name(_) | Host::V4(_) | Host::V6(_) => Err(AllowError::Wildcard {
            entry: entry.to_owned(),
        }),
    }
}

impl Pattern {
    fn covers(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exactly(allowed), host) => allowed == host,
            (Self::Below(parent), Host::Name(name)) => {
                let label = name
                    .strip_suffix(parent)
                    .and_then(|rest| rest.strip_suffix('.'));
                label.is_some_and(|label| !label.is_empty())
            }
            (Self::Below(_), Host::V4(_) | Host::V6(_)) => false,
        }
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.everything {
            return f.write_str("*");
        }
        for (at, entry) in self.entries.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{entry}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.host {
            Pattern::Exactly(host) => write!(f, "{host}:{}", self.port),
            Pattern::Below(parent) => write!(f, "*.{parent}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, uri: &str) -> bool {
        let list = AllowList::parse(&[entry]).unwrap();
        list.allows(&Target::parse(&uri.parse().unwrap()).unwrap())
    }

    #[test]
    fn an_entry_covers_its_scheme_host_and_port_and_no_other() {
        for (entry, uri, expected) in [
            (
                "https://api.example.com",
                "https://api.example.com/v1?a=b",
                true,
            ),
            (
                "https://api.example.com",
                "https://API.example.com.:443/",
                true,
            ),
            ("https://api.example.com/", "https://api.example.com/", true),
            ("https://api.example.com", "http://api.example.com/", false),
            (
                "https://api.example.com",
                "https://api.example.com:8443/",
                false,
            ),
            (
                "https://api.example.com",
                "https://www.api.example.com/",
                false,
            ),
            ("https://api.example.com", "https://example.com/", false),
            (
                "api.example.com:8443",
                "https://api.example.com:8443/",
                true,
            ),
            ("api.example.com:8443", "https://api.example.com/", false),
            ("api.example.com", "https://api.example.com/", true),
            ("api.example.com", "http://api.example.com/", false),
            ("http://api.example.com", "http://api.example.com:80/", true),
            ("*.example.com", "https://a.example.com/", true),
            ("*.example.com", "https://a.b.example.com/", true),
            ("*.example.com", "https://example.com/", false),
            ("*.example.com", "https://notexample.com/", false),
            ("*.example.com", "https://a.example.com.evil.net/", false),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000/", true),
            ("http://[::1]:9000", "http://[0:0::1]:9000/", true),
        ] {
            assert_eq!(allows(entry, uri), expected, "{entry} for {uri}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        let target = Target::parse(&"https://example.com/".parse().unwrap()).unwrap();
        assert!(!AllowList::default().allows(&target));
        assert!(AllowList::parse::<&str>(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_mistaken_entry_is_quoted_with_what_would_be_right() {
        for (entry, hint) in [
            ("https://api.example.com/v1", "write the origin alone"),
            ("api.example.com?x", "write the origin alone"),
            ("*", "*.example.com"),
            ("*.com", "*.example.com"),
            ("*.127.0.0.1", "*.example.com"),
            ("api.*.com", "*.example.com"),
            ("ftp://example.com", "only http and https"),
            ("https://user@example.com", "send credentials in a header"),
            ("example.com:99999", "1 to 65535"),
            ("0x7f.1", "four decimal numbers"),
            ("bücher.example", "punycode"),
            ("", "write an absolute one"),
        ] {
            let message = AllowList::parse(&[entry]).unwrap_err().to_string();
            assert!(message.contains(hint), "{entry}: {message}");
            assert!(message.contains(&format!("{entry:?}")), "{message}");
        }
        let many = vec!["https://a.example"; ENTRIES_MAX + 1];
        assert_eq!(
            AllowList::parse(&many),
            Err(AllowError::TooMany {
                found: ENTRIES_MAX + 1
            })
        );
    }

    #[test]
    fn a_list_prints_what_it_means() {
        let list = AllowList::parse(&["a.example", "http://*.b.example", "https://[::1]:8443"]);
        let text = "https://a.example:443, http://*.b.example:80, https://[::1]:8443";
        assert_eq!(list.unwrap().to_string(), text);
    }
}

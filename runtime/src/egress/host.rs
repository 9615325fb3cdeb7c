//! The host and port that a request names, read strictly.
//!
//! Two readers that disagree about a host name are how address checks are bypassed, so whatever
//! has more than one reading is refused rather than interpreted: `127.1`, `0x7f.1`, `2130706433`,
//! `0177.0.0.1`, `user@host`, `%31.1.1.1`, full-width digits. What remains has one reading, and the
//! request is rebuilt from that reading (`outgoing`) before it is sent.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;

/// The longest name DNS can carry, without the trailing dot.
const NAME_BYTES_MAX: usize = 253;
/// The longest label DNS can carry.
const LABEL_BYTES_MAX: usize = 63;

/// A host with exactly one reading. Names are lower case, without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// Why a host is refused, and what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    #[error("the address has no host; write an absolute one such as https://api.example.com/path")]
    Missing,
    #[error("only http and https are supported")]
    Scheme,
    #[error("a user name before the host is not allowed; send credentials in a header")]
    Userinfo,
    #[error("a numeric host must be four decimal numbers without leading zeros, as in 192.0.2.1")]
    OddIpv4,
    #[error("an IPv6 host must be a plain address in brackets, as in [2001:db8::1]")]
    OddIpv6,
    #[error("a host name must be ASCII; write international names in punycode (xn--…)")]
    NotAscii,
    #[error("a host name may hold letters, digits, hyphens and underscores, separated by dots")]
    Character,
    #[error("a label of a host name must have 1 to 63 characters and no hyphen at either end")]
    Label,
    #[error("a host name can have at most 253 characters")]
    TooLong,
    #[error("the port must be a number from 1 to 65535")]
    Port,
}

impl Host {
    /// Reads a host as it stands in a URL (IPv6 in brackets).
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::OddIpv6)?;
            return inner.parse().map(Self::V6).map_err(|_| HostError::OddIpv6);
        }
        if !text.is_ascii() {
            return Err(HostError::NotAscii);
        }
        // The root's trailing dot changes nothing about who is meant, yet would miss the allow-list.
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() {
            return Err(HostError::Missing);
        }
        if ends_in_number(&name) {
            // The standard parser takes the one canonical form only.
            return name.parse().map(Self::V4).map_err(|_| HostError::OddIpv4);
        }
        check_name(&name)?;
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Resolvers read a host whose last label is a number as an IPv4 address in one of a dozen
/// spellings; browsers decide by the same rule.
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = last.strip_prefix("0x");
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(last) || hexadecimal.is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn check_name(name: &str) -> Result<(), HostError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(HostError::TooLong);
    }
    for label in name.split('.') {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !label.bytes().all(plain) {
            return Err(HostError::Character);
        }
        let hyphen = label.starts_with('-') || label.ends_with('-');
        if label.is_empty() || label.len() > LABEL_BYTES_MAX || hyphen {
            return Err(HostError::Label);
        }
    }
    Ok(())
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Reads `http` or `https`, in either case.
    ///
    /// # Errors
    /// [`HostError::Scheme`] for any other.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => Err(HostError::Scheme),
        }
    }

    /// The port meant where none is written.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// As it stands in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Where one request goes: what the allow-list is asked about and what is dialled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pub scheme: Scheme,
    pub host: Host,
    pub port: u16,
}

impl Target {
    /// Reads the target of an absolute URI.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn parse(uri: &Uri) -> Result<Self, HostError> {
        let scheme = Scheme::parse(uri.scheme_str().ok_or(HostError::Missing)?)?;
        // The authority is read again from its text: the URI library tolerates user names, empty
        // ports and ports out of range.
        let authority = uri.authority().ok_or(HostError::Missing)?.as_str();
        let (host, port) = split_authority(authority)?;
        Ok(Self {
            scheme,
            host,
            port: port.unwrap_or(scheme.default_port()),
        })
    }

    /// `host`, or `host:port` where the port is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

/// Splits `host[:port]`, the port `None` where it is not written.
///
/// # Errors
/// See [`HostError`].
pub fn split_authority(authority: &str) -> Result<(Host, Option<u16>), HostError> {
    let (host, port) = split_port(authority)?;
    Ok((Host::parse(host)?, port))
}

/// As [`split_authority`], the host left unread (an allow-list entry may hold a wildcard there).
pub(super) fn split_port(authority: &str) -> Result<(&str, Option<u16>), HostError> {
    if authority.contains('@') {
        return Err(HostError::Userinfo);
    }
    // A colon inside brackets belongs to the address.
    let from = authority.rfind(']').unwrap_or(0);
    let tail = authority.get(from..).unwrap_or("");
    let Some(colon) = tail.find(':') else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(from + colon);
    Ok((
        host,
        Some(parse_port(port.strip_prefix(':').unwrap_or(port))?),
    ))
}

fn parse_port(digits: &str) -> Result<u16, HostError> {
    // The standard parser would take a leading plus sign.
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HostError::Port);
    }
    digits
        .parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or(HostError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_hosts_are_read_and_normalised() {
        let name = |text: &str| Host::Name(text.to_owned());
        for (text, host) in [
            ("api.example.com", name("api.example.com")),
            ("API.Example.COM.", name("api.example.com")),
            ("localhost", name("localhost")),
            ("xn--bcher-kva.example", name("xn--bcher-kva.example")),
            ("1.example", name("1.example")),
            ("8.8.8.8", Host::V4(Ipv4Addr::new(8, 8, 8, 8))),
            ("8.8.8.8.", Host::V4(Ipv4Addr::new(8, 8, 8, 8))),
            ("[::1]", Host::V6(Ipv6Addr::LOCALHOST)),
        ] {
            assert_eq!(Host::parse(text), Ok(host), "{text}");
        }
    }

    #[test]
    fn hosts_with_a_second_reading_are_refused_by_name_of_the_mistake() {
        let (long_label, long_name) = ("a".repeat(64), "a.".repeat(127) + "com");
        for (text, error) in [
            ("2130706433", HostError::OddIpv4),
            ("0177.0.0.1", HostError::OddIpv4),
            ("017700000001", HostError::OddIpv4),
            ("0x7f000001", HostError::OddIpv4),
            ("0X7F.1", HostError::OddIpv4),
            ("0x7f.0x0.0x0.0x1", HostError::OddIpv4),
            ("127.0.0.0x", HostError::OddIpv4),
            ("127.1", HostError::OddIpv4),
            ("127.0.1", HostError::OddIpv4),
            ("127.000.000.001", HostError::OddIpv4),
            ("1.2.3.4.5", HostError::OddIpv4),
            ("256.256.256.256", HostError::OddIpv4),
            ("0", HostError::OddIpv4),
            ("foo.0x7f", HostError::OddIpv4),
            ("[::1", HostError::OddIpv6),
            ("[fe80::1%25eth0]", HostError::OddIpv6),
            ("[127.0.0.1]", HostError::OddIpv6),
            ("[::1]]", HostError::OddIpv6),
            ("::1", HostError::Character),
            ("１２７.0.0.1", HostError::NotAscii),
            ("bücher.example", HostError::NotAscii),
            ("localhost。", HostError::NotAscii),
            ("%31%32%37.0.0.1x", HostError::Character),
            ("a b.example", HostError::Character),
            ("example.com/", HostError::Character),
            ("example.com\\evil", HostError::Character),
            ("*.example.com", HostError::Character),
            ("", HostError::Missing),
            (".", HostError::Missing),
            ("example.com..", HostError::Label),
            (".example.com", HostError::Label),
            ("-a.example", HostError::Label),
            (long_label.as_str(), HostError::Label),
            (long_name.as_str(), HostError::TooLong),
        ] {
            assert_eq!(Host::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn ports_and_user_names_are_read_strictly() {
        let port = |text: &str| split_authority(text).map(|(_, port)| port);
        assert_eq!(port("a.example"), Ok(None));
        assert_eq!(port("a.example:8443"), Ok(Some(8443)));
        assert_eq!(port("[::1]:8443"), Ok(Some(8443)));
        for text in [
            "a:", "a:0", "a:65536", "a:+80", "a:80:80", "a::80", "a:8x", "[::1]:",
        ] {
            assert_eq!(port(text), Err(HostError::Port), "{text}");
        }
        assert_eq!(port("allowed@evil"), Err(HostError::Userinfo));
        assert_eq!(port("allowed:80@evil:81"), Err(HostError::Userinfo));
    }
}

//! The operator's mail server, out of one URL.
//!
//! `smtps://` is TLS from the first byte, `smtp://` becomes it by STARTTLS or is not used. Without TLS
//! only a server on this machine is spoken to, and only where that is asked for.

use std::fmt;
use std::net::IpAddr;

use lettre::transport::smtp::client::Certificate;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

/// Where mail is handed over.
#[derive(Clone)]
pub struct SmtpServer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) login: Option<(String, Zeroizing<String>)>,
    /// Trusted beside the public authorities.
    pub(super) authority: Option<Certificate>,
}

/// How the connection is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    /// TLS from the first byte.
    Tls,
    /// TLS by STARTTLS, or not at all.
    StartTls,
    /// None.
    Plain,
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SmtpServer({}:{}, {:?})",
            self.host, self.port, self.security
        )
    }
}

/// What a URL has to look like.
pub const FORM: &str = "must be smtps://user:password@host or smtp://user:password@host:587 (which uses \
                        STARTTLS); without TLS only for this machine, as smtp://127.0.0.1:25?tls=none";

impl SmtpServer {
    /// Reads a URL. None where it is not of the [`FORM`].
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let security = match (scheme, query) {
            ("smtps", "") => Security::Tls,
            ("smtp", "") => Security::StartTls,
            ("smtp", "tls=none") => Security::Plain,
            _ => return None,
        };
        let (login, authority) = match rest.rsplit_once('@') {
            Some((login, authority)) => (Some(read_login(login)?), authority),
            None => (None, rest),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, default_port(security)),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':');
        if host.is_empty() || port == 0 || !host.bytes().all(plain) {
            return None;
        }
        if security == Security::Plain && !is_this_machine(host) {
            return None;
        }
        Some(Self {
            host: host.to_owned(),
            port,
            security,
            login,
            authority: None,
        })
    }

    /// The same, trusting these certificates too. None where there are none, or nothing to trust for.
    #[must_use]
    pub fn trusting(self, pem: &[u8]) -> Option<Self> {
        let begins = b"-----BEGIN CERTIFICATE-----";
        if self.security == Security::Plain || !pem.windows(begins.len()).any(|at| at == begins) {
            return None;
        }
        Some(Self {
            authority: Some(Certificate::from_pem(pem).ok()?),
            ..self
        })
    }
}

fn default_port(security: Security) -> u16 {
    match security {
        Security::Tls => 465,
        Security::StartTls => 587,
        Security::Plain => 25,
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

fn read_login(text: &str) -> Option<(String, Zeroizing<String>)> {
    let (user, password) = text.split_once(':')?;
    let decoded = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .map(String::from)
            .ok()
    };
    Some((decoded(user)?, Zeroizing::new(decoded(password)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_tls_unless_it_stays_on_this_machine() {
        let check = |url: &str, expected: Option<&str>| {
            let read = SmtpServer::parse(url).map(|server| format!("{server:?}"));
            assert_eq!(read.as_deref(), expected, "{url}");
        };
        check(
            "smtps://u:p@mail.example.com",
            Some("SmtpServer(mail.example.com:465, Tls)"),
        );
        check(
            "smtp://mail.example.com",
            Some("SmtpServer(mail.example.com:587, StartTls)"),
        );
        check(
            "smtp://u:p%40w@a.example:2525/",
            Some("SmtpServer(a.example:2525, StartTls)"),
        );
        check(
            "smtp://127.0.0.1:1025?tls=none",
            Some("SmtpServer(127.0.0.1:1025, Plain)"),
        );
        check(
            "smtp://[::1]:1025?tls=none",
            Some("SmtpServer(::1:1025, Plain)"),
        );
        check("smtp://mail.example.com?tls=none", None);
        check("smtps://mail.example.com?tls=none", None);
        check("http://mail.example.com", None);
        check("mail.example.com", None);
        check("smtp://", None);
        check("smtp://a b", None);
        check("smtp://u@mail.example.com", None);
        check("smtp://mail.example.com:x", None);
    }

    #[test]
    fn a_password_is_decoded_and_does_not_show() {
        let server = SmtpServer::parse("smtps://ann:p%40w%3A@a.example").unwrap();
        assert!(!format!("{server:?}").contains("p@w"));
        let (user, password) = server.login.unwrap();
        assert_eq!((user.as_str(), password.as_str()), ("ann", "p@w:"));
    }
}

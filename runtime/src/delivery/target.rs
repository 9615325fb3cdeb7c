//! Where deliveries may go, and where components may be fetched from: judged when an endpoint is made or
//! changed, and each time something is sent or fetched.
//!
//! What is said of names here is for early and clear refusals. The wall is the connector, which checks
//! every address that a name leads to when it dials.

use std::net::IpAddr;

use http::Uri;

use crate::egress::Policy;
use crate::egress::host::{Host, HostError, Scheme, Target};

/// Below these are services that take commands from whoever connects: mail, DNS, LDAP and others.
const FREE_PORTS_FROM: u16 = 1024;

/// Why nothing is sent there, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is no URL.
    #[error("write an absolute URL, such as https://example.com/hooks")]
    NotAUrl,
    /// Its host cannot be read in one way.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It would be sent in the clear.
    #[error("write https: nothing is sent there, or believed from there, in the clear")]
    Plain,
    /// It is not a port of web servers.
    #[error("the port must be 80, 443 or at least {FREE_PORTS_FROM}")]
    Port,
    /// It is not a public address.
    #[error("this address is not public; only public hosts are asked")]
    Address,
    /// A fragment is for browsers.
    #[error("leave out what follows the #")]
    Fragment,
}

/// Reads a target under the node's policy.
///
/// # Errors
/// See [`TargetError`].
pub fn check(url: &str, policy: Policy) -> Result<(), TargetError> {
    if url.contains('#') {
        return Err(TargetError::Fragment);
    }
    let uri: Uri = url.parse().map_err(|_| TargetError::NotAUrl)?;
    let target = Target::parse(&uri)?;
    let address = match &target.host {
        Host::V4(address) => Some(IpAddr::V4(*address)),
        Host::V6(address) => Some(IpAddr::V6(*address)),
        Host::Name(_) => None,
    };
    if address.is_some_and(|address| policy.check(address).is_err()) {
        return Err(TargetError::Address);
    }
    match (target.scheme, policy) {
        (Scheme::Http, Policy::Public) => return Err(TargetError::Plain),
        (Scheme::Http | Scheme::Https, _) => {}
    }
    match target.port {
        80 | 443 | FREE_PORTS_FROM.. => Ok(()),
        _ => Err(TargetError::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plainly_a_public_web_server_is_refused() {
        let check = |url: &str, expected: Result<(), TargetError>| {
            assert_eq!(check(url, Policy::Public), expected, "{url}");
        };
        check("https://example.com/hooks?a=b", Ok(()));
        check("https://example.com:8443", Ok(()));
        check("https://[2606:4700::1111]/", Ok(()));
        check("http://example.com/", Err(TargetError::Plain));
        check("https://example.com:22/", Err(TargetError::Port));
        check("https://example.com:25/", Err(TargetError::Port));
        check("https://example.com/#a", Err(TargetError::Fragment));
        check("/hooks", Err(HostError::Missing.into()));
        check("https:// a", Err(TargetError::NotAUrl));
        check("ftp://example.com/", Err(HostError::Scheme.into()));
        check("https://a:b@example.com/", Err(HostError::Userinfo.into()));
        check("https://0x7f.1/", Err(HostError::OddIpv4.into()));
        for inside in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[fd00:ec2::254]",
        ] {
            check(&format!("https://{inside}/"), Err(TargetError::Address));
        }
    }

    #[test]
    fn a_machine_under_development_may_call_itself() {
        assert_eq!(
            check("http://127.0.0.1:9000/", Policy::AllowLoopback),
            Ok(())
        );
        let others = check("http://10.0.0.1:9000/", Policy::AllowLoopback);
        assert_eq!(others, Err(TargetError::Address));
    }
}

//! Whose address a request has: the other end of its connection, or, where that is a proxy that the
//! operator trusts, the one that the proxy names.
//!
//! `x-forwarded-for` is a list that every hop appends to. It is read from its end, as far as trusted
//! proxies have written it; what a caller has put into it himself is never reached.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, request};

use crate::http::Peer;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Bits of an IPv6 address that one customer of a provider has: the rest is theirs to choose.
const SITE_BITS: u32 = 64;

/// The networks of trusted proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<(IpAddr, u32)>);

impl Proxies {
    /// Networks by address and length of their prefix.
    #[must_use]
    pub fn new(networks: Vec<(IpAddr, u32)>) -> Self {
        Self(networks)
    }

    fn has(&self, address: IpAddr) -> bool {
        let mut networks = self.0.iter();
        networks.any(|(network, bits)| prefix(*network, *bits) == prefix(address, *bits))
    }
}

/// The address that a request is counted for; none where the connection has none.
pub(super) fn address(parts: &request::Parts, proxies: &Proxies) -> Option<IpAddr> {
    let peer = parts.extensions.get::<Peer>()?.0.ip().to_canonical();
    Some(site(client(peer, &parts.headers, proxies)))
}

fn client(peer: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> IpAddr {
    let mut client = peer;
    for value in headers.get_all(&FORWARDED_FOR).iter().rev() {
        let Ok(text) = value.to_str() else {
            return client;
        };
        for hop in text.rsplit(',') {
            if !proxies.has(client) {
                return client;
            }
            match hop.trim().parse::<IpAddr>() {
                Ok(address) => client = address.to_canonical(),
                Err(_) => return client,
            }
        }
    }
    client
}

/// An address as one caller has it.
fn site(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(_) => prefix(address, SITE_BITS).unwrap_or(address),
    }
}

/// The first bits of an address, the rest zero; none where it has fewer.
fn prefix(address: IpAddr, bits: u32) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let rest = u32::BITS.checked_sub(bits)?;
            let mask = u32::MAX.checked_shl(rest).unwrap_or_default();
            Some(IpAddr::V4((u32::from(v4) & mask).into()))
        }
        IpAddr::V6(v6) => {
            let rest = u128::BITS.checked_sub(bits)?;
            let mask = u128::MAX.checked_shl(rest).unwrap_or_default();
            Some(IpAddr::V6((u128::from(v6) & mask).into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let networks = [("10.0.0.0", 8), ("fd00::", 8), ("192.168.1.7", 32)];
        let networks = networks.map(|(network, bits)| (network.parse().unwrap(), bits));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let proxies = Proxies::new(networks.to_vec());
        let client = site(client(peer.parse().unwrap(), &headers, &proxies));
        assert_eq!(client.to_string(), expected, "{peer} {forwarded:?}");
    }

    #[test]
    fn the_address_is_the_last_one_that_no_trusted_proxy_has() {
        check("1.2.3.4", &[], "1.2.3.4");
        check("1.2.3.4", &["9.9.9.9"], "1.2.3.4");
        check("10.1.1.1", &["9.9.9.9"], "9.9.9.9");
        check("10.1.1.1", &["6.6.6.6, 9.9.9.9"], "9.9.9.9");
        check("10.1.1.1", &["6.6.6.6, 9.9.9.9, 10.2.2.2"], "9.9.9.9");
        check("10.1.1.1", &["6.6.6.6", "9.9.9.9"], "9.9.9.9");
        check("192.168.1.7", &["9.9.9.9"], "9.9.9.9");
        check("192.168.1.8", &["9.9.9.9"], "192.168.1.8");
    }

    #[test]
    fn what_is_no_address_ends_the_list() {
        check("10.1.1.1", &["9.9.9.9, unknown"], "10.1.1.1");
        check("10.1.1.1", &[""], "10.1.1.1");
        check("10.1.1.1", &["10.2.2.2"], "10.2.2.2");
    }

    #[test]
    fn an_ipv6_caller_is_their_network() {
        check("2001:db8:1:2:3:4:5:6", &[], "2001:db8:1:2::");
        check("fd00::1", &["2001:db8::1"], "2001:db8::");
    }
}

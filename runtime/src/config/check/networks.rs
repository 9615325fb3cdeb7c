//! Lists of networks: `10.0.0.0/8, 192.168.1.7`.

use std::net::IpAddr;

use super::{Key, Reading};

impl Reading<'_> {
    pub(super) fn trusted_proxies(&mut self) -> Vec<(IpAddr, u32)> {
        let text = self.text(Key::TrustedProxies).unwrap_or_default();
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        let networks: Option<Vec<_>> = words.map(network).collect();
        if networks.is_none() {
            self.wrong(
                Key::TrustedProxies,
                "must be addresses or networks with commas between them, for example 10.0.0.0/8, 192.168.1.7",
            );
        }
        networks.unwrap_or_default()
    }
}

/// An address with the length of its prefix; without one, the address alone.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() {
        u32::BITS
    } else {
        u128::BITS
    };
    let bits = bits.unwrap_or(all);
    // Everybody is nobody's proxy.
    (1..=all).contains(&bits).then_some((address, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, u32)>) {
        let expected = expected.map(|(address, bits)| (address.parse().unwrap(), bits));
        assert_eq!(network(text), expected, "{text}");
    }

    #[test]
    fn a_network_is_an_address_and_the_length_of_its_prefix() {
        check("10.0.0.0/8", Some(("10.0.0.0", 8)));
        check("192.168.1.7", Some(("192.168.1.7", 32)));
        check("fd00::/8", Some(("fd00::", 8)));
        check("::1", Some(("::1", 128)));
        for wrong in [
            "",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "10.0.0",
            "10.0.0.0/",
            "proxy",
        ] {
            check(wrong, None);
        }
    }
}

//! Every class of address, at both ends of its network and just outside it.

use proptest::prelude::*;

use super::*;

fn verdict(text: &str) -> Result<(), Refused> {
    check(text.parse().unwrap())
}

#[test]
fn each_refused_class_is_named_at_both_ends_of_its_network() {
    use Refused::*;
    let table: &[(&str, Refused)] = &[
        ("0.0.0.0", Unspecified),
        ("0.255.255.255", Unspecified),
        ("10.0.0.0", Private),
        ("10.255.255.255", Private),
        ("100.64.0.0", SharedCarrier),
        ("100.127.255.255", SharedCarrier),
        ("100.100.100.200", CloudMetadata),
        ("127.0.0.1", Loopback),
        ("127.255.255.255", Loopback),
        ("168.63.129.16", CloudMetadata),
        ("169.254.0.1", LinkLocal),
        ("169.254.169.254", CloudMetadata),
        ("172.16.0.0", Private),
        ("172.31.255.255", Private),
        ("192.0.0.1", Reserved),
        ("192.0.0.192", CloudMetadata),
        ("192.0.2.1", Documentation),
        ("192.88.99.1", Wrapped),
        ("192.168.0.0", Private),
        ("192.168.255.255", Private),
        ("198.18.0.0", Benchmarking),
        ("198.19.255.255", Benchmarking),
        ("198.51.100.7", Documentation),
        ("203.0.113.7", Documentation),
        ("224.0.0.1", Multicast),
        ("239.255.255.255", Multicast),
        ("240.0.0.1", Reserved),
        ("255.255.255.255", Broadcast),
        ("::", Unspecified),
        ("::1", Loopback),
        ("::7f00:1", Wrapped),
        ("::8.8.8.8", Wrapped),
        ("::ffff:127.0.0.1", Loopback),
        ("::ffff:10.0.0.1", Private),
        ("::ffff:169.254.169.254", CloudMetadata),
        ("::ffff:0:127.0.0.1", Wrapped),
        ("64:ff9b::10.0.0.1", Private),
        ("64:ff9b::127.0.0.1", Loopback),
        ("64:ff9b:1::8.8.8.8", Wrapped),
        ("100::1", Reserved),
        ("2001::1", Wrapped),
        ("2001:2::1", Benchmarking),
        ("2001:10::1", Reserved),
        ("2001:20::1", Reserved),
        ("2001:db8::1", Documentation),
        ("2002:7f00:1::", Wrapped),
        ("2002:808:808::", Wrapped),
        ("2606:4700::5efe:10.0.0.1", Private),
        ("2606:4700::200:5efe:127.0.0.1", Loopback),
        ("3fff::1", Documentation),
        ("4000::1", Reserved),
        ("5f00::1", Reserved),
        ("fc00::1", UniqueLocal),
        ("fdff::1", UniqueLocal),
        ("fd00:ec2::254", CloudMetadata),
        ("fe80::1", LinkLocal),
        ("febf::1", LinkLocal),
        ("fec0::1", Reserved),
        ("ff02::1", Multicast),
    ];
    for (text, class) in table {
        assert_eq!(verdict(text), Err(*class), "{text}");
    }
}

#[test]
fn public_addresses_next_to_refused_networks_pass() {
    for text in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450::1",
        "2001:4860:4860::8888",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ] {
        assert_eq!(verdict(text), Ok(()), "{text}");
    }
}

#[test]
fn development_opens_loopback_and_nothing_else() {
    for text in [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "::ffff:127.0.0.1",
        "8.8.8.8",
    ] {
        assert_eq!(
            Policy::AllowLoopback.check(text.parse().unwrap()),
            Ok(()),
            "{text}"
        );
    }
    for text in [
        "10.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "fe80::1",
        "fd00::1",
        "::",
        "::7f00:1",
    ] {
        assert!(
            Policy::AllowLoopback.check(text.parse().unwrap()).is_err(),
            "{text}"
        );
    }
}

/// Every way to write an IPv4 address inside an IPv6 one.
fn embeddings(inner: Ipv4Addr) -> Vec<Ipv6Addr> {
    let bits = u128::from(inner.to_bits());
    let at = |prefix: u128, shift: u32| Ipv6Addr::from_bits(prefix | bits << shift);
    vec![
        at(0, 0),
        at(0xffff << 32, 0),
        at(0xffff << 48, 0),
        at(0x0064_ff9b << 96, 0),
        at(0x0064_ff9b_0001 << 80, 0),
        at(0x2002 << 112, 80),
        // Teredo: the server's address in clear, the client's inverted.
        at(0x2001_0000 << 96, 64),
        Ipv6Addr::from_bits(0x2001_0000 << 96 | u128::from(!inner.to_bits())),
        at(0x2606_4700 << 96 | 0x5efe << 32, 0),
        at(0x2606_4700 << 96 | 0x0200_5efe << 32, 0),
    ]
}

fn inside_refused_v4() -> impl Strategy<Value = Ipv4Addr> {
    (0..REFUSED_V4.len(), any::<u32>()).prop_map(|(at, noise)| {
        let (net, length, _) = REFUSED_V4[at];
        Ipv4Addr::from_bits(net.to_bits() | noise.checked_shr(length).unwrap_or(0))
    })
}

proptest! {
    #[test]
    fn an_address_in_a_refused_network_is_refused_in_any_embedding(inner in inside_refused_v4()) {
        prop_assert!(check(IpAddr::V4(inner)).is_err());
        for outer in embeddings(inner) {
            prop_assert!(check(IpAddr::V6(outer)).is_err(), "{outer} carries {inner}");
        }
    }

    #[test]
    fn an_address_in_a_refused_ipv6_network_is_refused(at in 0..REFUSED_V6.len(), noise: u128) {
        let (net, length, _) = REFUSED_V6[at];
        let address = Ipv6Addr::from_bits(net.to_bits() | noise.checked_shr(length).unwrap_or(0));
        prop_assume!(address.to_ipv4_mapped().is_none());
        prop_assert!(check(IpAddr::V6(address)).is_err(), "{address}");
    }

    #[test]
    fn nothing_outside_global_unicast_passes_but_what_carries_a_public_ipv4(bits: u128) {
        let address = Ipv6Addr::from_bits(bits);
        if check(IpAddr::V6(address)).is_ok() {
            prop_assert!(bits >> 125 == 1 || address.to_ipv4_mapped().is_some()
                || bits >> 32 == 0x0064_ff9b << 64);
        }
    }
}

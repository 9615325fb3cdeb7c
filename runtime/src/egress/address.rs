//! Which IP addresses a tenant's request may be sent to. Pure: one address in, one verdict out.
//!
//! IPv4 is judged by a table of refused networks. IPv6 is judged the other way round, since most
//! of it is unassigned: only global unicast (2000::/3) passes, less the networks refused there.
//! An IPv6 address that carries an IPv4 address is judged by what it carries where networks really
//! translate it (mapped, NAT64), and refused outright where they no longer do (6to4, Teredo).
//! Names are never looked at here; see `connect` for who must ask before dialling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the operator lets tenants reach. A node has no policy that allows private networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The public internet.
    Public,
    /// The same and this machine's loopback: for development, where the other side of a call runs
    /// on the same machine.
    AllowLoopback,
    /// Every address. For a component that somebody runs by hand and lets out everywhere.
    Anywhere,
}

impl Policy {
    /// Whether a connection may be opened to this address.
    ///
    /// # Errors
    /// The class of network that the address belongs to.
    pub fn check(self, address: IpAddr) -> Result<(), Refused> {
        match (self, check(address)) {
            (Self::AllowLoopback, Err(Refused::Loopback)) | (Self::Anywhere, _) => Ok(()),
            (Self::Public | Self::AllowLoopback, verdict) => verdict,
        }
    }
}

/// Why an address is refused. Meant for the operator's log: a caller who learnt it would learn
/// how an internal name resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("unspecified, or this network (0.0.0.0/8, ::)")]
    Unspecified,
    #[error("loopback")]
    Loopback,
    #[error("private network (RFC 1918)")]
    Private,
    #[error("shared carrier network (100.64.0.0/10)")]
    SharedCarrier,
    #[error("link-local")]
    LinkLocal,
    #[error("cloud metadata service")]
    CloudMetadata,
    #[error("unique-local IPv6 network (fc00::/7)")]
    UniqueLocal,
    #[error("multicast")]
    Multicast,
    #[error("broadcast")]
    Broadcast,
    #[error("documentation range")]
    Documentation,
    #[error("benchmarking range")]
    Benchmarking,
    #[error("reserved for protocols or future use")]
    Reserved,
    #[error("IPv6 address that wraps an IPv4 address (6to4, Teredo, compatible, translated)")]
    Wrapped,
}

/// Whether an address is on the public internet.
///
/// # Errors
/// The class of network that the address belongs to.
pub fn check(address: IpAddr) -> Result<(), Refused> {
    match address {
        IpAddr::V4(v4) => check_v4(v4),
        IpAddr::V6(v6) => check_v6(v6),
    }
}

type NetV4 = (Ipv4Addr, u32, Refused);
type NetV6 = (Ipv6Addr, u32, Refused);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6(head: [u16; 4], tail: [u16; 4]) -> Ipv6Addr {
    let ([a, b, c, d], [e, f, g, h]) = (head, tail);
    Ipv6Addr::new(a, b, c, d, e, f, g, h)
}

/// The IANA special-purpose registry, with single addresses before the networks around them.
const REFUSED_V4: &[NetV4] = &[
    (v4(169, 254, 169, 254), 32, Refused::CloudMetadata),
    // Metadata services outside link-local space: Alibaba, Oracle, and Azure's host channel, the
    // only one with a public address.
    (v4(100, 100, 100, 200), 32, Refused::CloudMetadata),
    (v4(192, 0, 0, 192), 32, Refused::CloudMetadata),
    (v4(168, 63, 129, 16), 32, Refused::CloudMetadata),
    (v4(255, 255, 255, 255), 32, Refused::Broadcast),
    (v4(0, 0, 0, 0), 8, Refused::Unspecified),
    (v4(10, 0, 0, 0), 8, Refused::Private),
    (v4(100, 64, 0, 0), 10, Refused::SharedCarrier),
    (v4(127, 0, 0, 0), 8, Refused::Loopback),
    (v4(169, 254, 0, 0), 16, Refused::LinkLocal),
    (v4(172, 16, 0, 0), 12, Refused::Private),
    (v4(192, 0, 0, 0), 24, Refused::Reserved),
    (v4(192, 0, 2, 0), 24, Refused::Documentation),
    (v4(192, 31, 196, 0), 24, Refused::Reserved),
    (v4(192, 52, 193, 0), 24, Refused::Reserved),
    (v4(192, 88, 99, 0), 24, Refused::Wrapped),
    (v4(192, 168, 0, 0), 16, Refused::Private),
    (v4(192, 175, 48, 0), 24, Refused::Reserved),
    (v4(198, 18, 0, 0), 15, Refused::Benchmarking),
    (v4(198, 51, 100, 0), 24, Refused::Documentation),
    (v4(203, 0, 113, 0), 24, Refused::Documentation),
    (v4(224, 0, 0, 0), 4, Refused::Multicast),
    (v4(240, 0, 0, 0), 4, Refused::Reserved),
];

/// Refused IPv6 networks. Those outside 2000::/3 are here for the name of their class alone.
const REFUSED_V6: &[NetV6] = &[
    (v6([0; 4], [0, 0, 0, 0]), 128, Refused::Unspecified),
    (v6([0; 4], [0, 0, 0, 1]), 128, Refused::Loopback),
    (
        v6([0xfd00, 0xec2, 0, 0], [0, 0, 0, 0x254]),
        128,
        Refused::CloudMetadata,
    ),
    (
        v6([0xfd20, 0xce, 0, 0], [0, 0, 0, 0x254]),
        128,
        Refused::CloudMetadata,
    ),
    // IPv4-translated (::ffff:0:a.b.c.d), then IPv4-compatible (::a.b.c.d).
    (v6([0; 4], [0xffff, 0, 0, 0]), 96, Refused::Wrapped),
    (v6([0; 4], [0, 0, 0, 0]), 96, Refused::Wrapped),
    // NAT64 prefixes for use inside one network only: what they translate to is that network.
    (v6([0x64, 0xff9b, 1, 0], [0; 4]), 48, Refused::Wrapped),
    (v6([0x100, 0, 0, 0], [0; 4]), 64, Refused::Reserved),
    (v6([0x2001, 0, 0, 0], [0; 4]), 32, Refused::Wrapped),
    (v6([0x2001, 2, 0, 0], [0; 4]), 48, Refused::Benchmarking),
    (
        v6([0x2001, 0xdb8, 0, 0], [0; 4]),
        32,
        Refused::Documentation,
    ),
    (v6([0x2001, 0, 0, 0], [0; 4]), 23, Refused::Reserved),
    (v6([0x2002, 0, 0, 0], [0; 4]), 16, Refused::Wrapped),
    (v6([0x2620, 0x4f, 0x8000, 0], [0; 4]), 48, Refused::Reserved),
    (v6([0x3fff, 0, 0, 0], [0; 4]), 20, Refused::Documentation),
    (v6([0xfc00, 0, 0, 0], [0; 4]), 7, Refused::UniqueLocal),
    (v6([0xfe80, 0, 0, 0], [0; 4]), 10, Refused::LinkLocal),
    (v6([0xff00, 0, 0, 0], [0; 4]), 8, Refused::Multicast),
];

const GLOBAL_UNICAST: (Ipv6Addr, u32) = (v6([0x2000, 0, 0, 0], [0; 4]), 3);
const NAT64: (Ipv6Addr, u32) = (v6([0x64, 0xff9b, 0, 0], [0; 4]), 96);

fn check_v4(address: Ipv4Addr) -> Result<(), Refused> {
    let hit = REFUSED_V4
        .iter()
        .find(|(net, length, _)| inside_v4(address, *net, *length));
    hit.map_or(Ok(()), |(_, _, class)| Err(*class))
}

fn check_v6(address: Ipv6Addr) -> Result<(), Refused> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return check_v4(mapped);
    }
    // An IPv6-only machine reaches all of IPv4 through this prefix, so it cannot be refused whole.
    if inside_v6(address, NAT64.0, NAT64.1) {
        return check_v4(low_v4(address));
    }
    let hit = REFUSED_V6
        .iter()
        .find(|(net, length, _)| inside_v6(address, *net, *length));
    if let Some((_, _, class)) = hit {
        return Err(*class);
    }
    if !inside_v6(address, GLOBAL_UNICAST.0, GLOBAL_UNICAST.1) {
        return Err(Refused::Reserved);
    }
    if is_isatap(address) {
        check_v4(low_v4(address))
    } else {
        Ok(())
    }
}

/// ISATAP tunnels put an IPv4 address behind `0:5efe` (or `200:5efe`) under any prefix.
fn is_isatap(address: Ipv6Addr) -> bool {
    let [_, _, _, _, flag, marker, _, _] = address.segments();
    marker == 0x5efe && flag & !0x0200 == 0
}

fn low_v4(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

fn inside_v4(address: Ipv4Addr, net: Ipv4Addr, length: u32) -> bool {
    let differing = address.to_bits() ^ net.to_bits();
    differing.leading_zeros() >= length
}

fn inside_v6(address: Ipv6Addr, net: Ipv6Addr, length: u32) -> bool {
    let differing = address.to_bits() ^ net.to_bits();
    differing.leading_zeros() >= length
}

#[cfg(test)]
mod tests;

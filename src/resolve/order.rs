//! The order in which the addresses of a name are tried: the rules of RFC 6724, 6 that a host can apply by itself.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Sorts addresses, the best first; equal ones keep their order. `source` returns this host's address towards one,
/// or none where no route leads there.
pub(super) fn sort(addresses: &mut [SocketAddr], source: impl Fn(&SocketAddr) -> Option<IpAddr>) {
    if addresses.len() > 1 {
        addresses.sort_by_cached_key(|address| rank(address.ip(), source(address)));
    }
}

/// The source address that the system would use; nothing is sent.
pub(super) fn source_for(address: &SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let mut address = *address;
    // Some systems refuse port 0.
    address.set_port(9);
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(address).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Smaller is better: a route first (rule 1), then the same scope (2), the same label (5), the higher precedence (6). A
/// link-local IPv6 address comes last of those with a route: few cameras listen there.
fn rank(address: IpAddr, source: Option<IpAddr>) -> (bool, bool, bool, bool, Reverse<u8>) {
    let differs = |of: &dyn Fn(IpAddr) -> u8| source.is_some_and(|source| of(source) != of(address));
    (
        source.is_none(),
        matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()),
        differs(&scope),
        differs(&|ip| policy(ip).1),
        Reverse(policy(address).0),
    )
}

const LINK: u8 = 2;
const GLOBAL: u8 = 14;

/// RFC 6724, 3.1 and 3.2.
fn scope(address: IpAddr) -> u8 {
    let is_link = match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
    };
    if is_link { LINK } else { GLOBAL }
}

/// Precedence and label: the table of RFC 6724, 2.1.
fn policy(address: IpAddr) -> (u8, u8) {
    let IpAddr::V6(v6) = address else { return (35, 4) };
    match v6.segments() {
        _ if v6.is_loopback() => (50, 0),
        [0, 0, 0, 0, 0, 0xFFFF, ..] => (35, 4),
        [0x2002, ..] => (30, 2),
        [0x2001, 0, ..] => (5, 5),
        [first, ..] if first & 0xFE00 == 0xFC00 => (3, 13),
        _ => (40, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sorts as a host with these addresses would, and shows the addresses.
    fn sorted(addresses: &[&str], sources: &[&str]) -> Vec<String> {
        let mut addresses: Vec<SocketAddr> =
            addresses.iter().map(|address| (address.parse::<IpAddr>().unwrap(), 0).into()).collect();
        let sources: Vec<IpAddr> = sources.iter().map(|source| source.parse().unwrap()).collect();
        let source = |to: &SocketAddr| {
            let family = sources.iter().filter(|source| source.is_ipv4() == to.is_ipv4());
            let (same, other): (Vec<&IpAddr>, Vec<&IpAddr>) =
                family.partition(|source| policy(**source).1 == policy(to.ip()).1 && scope(**source) == scope(to.ip()));
            same.first().or(other.first()).copied().copied()
        };
        sort(&mut addresses, source);
        addresses.iter().map(|address| address.ip().to_string()).collect()
    }

    #[test]
    fn ipv6_comes_first_where_it_has_a_route() {
        let both = ["192.0.2.7", "2001:db8::7"];
        assert_eq!(sorted(&both, &["192.0.2.1", "2001:db8::1"]), ["2001:db8::7", "192.0.2.7"]);
        assert_eq!(sorted(&both, &["192.0.2.1"]), ["192.0.2.7", "2001:db8::7"]);
        assert_eq!(sorted(&both, &["2001:db8::1"]), ["2001:db8::7", "192.0.2.7"]);
        // A host with only local IPv6 addresses reaches no global one.
        assert_eq!(sorted(&both, &["192.0.2.1", "fd00::1"]), ["192.0.2.7", "2001:db8::7"]);
    }

    #[test]
    fn link_local_ipv6_of_mdns_comes_after_ipv4() {
        let answer = ["fe80::7", "192.168.1.7"];
        assert_eq!(sorted(&answer, &["192.168.1.1", "fe80::1"]), ["192.168.1.7", "fe80::7"]);
        assert_eq!(sorted(&answer, &["fe80::1"]), ["fe80::7", "192.168.1.7"]);
    }

    #[test]
    fn addresses_of_equal_preference_keep_their_order() {
        let three = ["192.0.2.3", "192.0.2.1", "192.0.2.2"];
        assert_eq!(sorted(&three, &["192.0.2.9"]), three);
        assert_eq!(sorted(&["127.0.0.1", "::1"], &["127.0.0.1", "::1"]), ["::1", "127.0.0.1"]);
        assert_eq!(sorted(&["::1", "127.0.0.1"], &["127.0.0.1"]), ["127.0.0.1", "::1"]);
    }

    #[test]
    fn a_source_address_is_found_without_sending() {
        let source = source_for(&"127.0.0.1:0".parse().unwrap());
        assert_eq!(source, Some(Ipv4Addr::LOCALHOST.into()));
    }
}

//! Asks the devices of the local networks for their addresses: a one-shot query of multicast DNS (RFC 6762, 5.1).
//!
//! Each interface that is up is asked over IPv4 and IPv6, from ports of our own, so that responders answer to them alone. One
//! packet has one question: simple responders read no more.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

use if_addrs::{IfAddr, get_if_addrs};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::packet::{Kind, Query};
use super::{Answer, MAX_ADDRESSES, NoAddress, dns};

const PORT: u16 = 5353;
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 0xFB);
/// A responder answers within this time.
const PATIENCE: Duration = Duration::from_secs(1);
/// Then the queries are sent again: Wi-Fi loses multicast packets.
const SEND_AGAIN_AFTER: Duration = Duration::from_millis(400);
/// When one address is here, others get this much longer.
const MORE_ANSWERS_PATIENCE: Duration = Duration::from_millis(100);
/// Queries are sent from at most so many IPv4 addresses: a host of containers has hundreds.
const MAX_LINKS: usize = 64;
/// Packets of multicast DNS are no larger (RFC 6762, 17).
const PACKET_BYTES: usize = 9000;

/// The addresses of a name in `.local`, without a trailing dot. Takes at most a second.
pub(super) fn lookup(name: &str, until: Instant) -> Answer {
    let mut until = until.min(Instant::now() + PATIENCE);
    let mut send_again = Some(Instant::now() + SEND_AGAIN_AFTER);
    let queries = [Kind::A, Kind::Aaaa].map(|kind| Query { id: dns::new_id(), name: name.to_owned(), kind });
    let links = links();
    if links.is_empty() {
        return Err(NoAddress::Unknown);
    }
    ask(&links, &queries);
    let mut found = Vec::new();
    let mut buffer = [0; PACKET_BYTES];
    loop {
        let now = Instant::now();
        if now >= until {
            break;
        }
        if send_again.is_some_and(|time| now >= time) {
            send_again = None;
            if found.is_empty() {
                ask(&links, &queries);
            }
        }
        let wake = send_again.map_or(until, |time| time.min(until));
        for link in readable(&links, wake - now) {
            // One packet at a time, so that a flood on one link ends at the timeout too.
            for address in link.receive(&queries, &mut buffer) {
                if found.is_empty() {
                    until = until.min(Instant::now() + MORE_ANSWERS_PATIENCE);
                }
                if !found.contains(&address) && found.len() < MAX_ADDRESSES {
                    found.push(address);
                }
            }
        }
    }
    if found.is_empty() { Err(NoAddress::Unknown) } else { Ok(found) }
}

/// The index of an interface by its name or its number.
pub(super) fn interface_index(zone: &str) -> Option<u32> {
    let by_name = || get_if_addrs().ok()?.into_iter().find(|interface| interface.name == zone)?.index;
    zone.parse().ok().or_else(by_name)
}

/// A socket to local networks.
struct Link {
    socket: UdpSocket,
    /// Where queries are sent, on each of the networks.
    groups: Vec<SocketAddr>,
    /// For IPv4: the index of the interface, the local address and the netmask.
    local: Option<(u32, Ipv4Addr, Ipv4Addr)>,
}

/// A link for each IPv4 address and one for all interfaces with IPv6. Sockets that cannot be opened are left out.
fn links() -> Vec<Link> {
    let mut links = Vec::new();
    let mut indexes = BTreeSet::new();
    for interface in get_if_addrs().unwrap_or_default() {
        let Some(index) = interface.index else { continue };
        match interface.addr {
            IfAddr::V4(v4) if links.len() < MAX_LINKS => links.extend(Link::v4(index, v4.ip, v4.netmask)),
            IfAddr::V4(_) => {}
            IfAddr::V6(_) => drop(indexes.insert(index)),
        }
    }
    links.extend(Link::v6(&indexes));
    links
}

impl Link {
    /// Linux sends multicast through the interface whose address the socket is bound to.
    fn v4(index: u32, ip: Ipv4Addr, netmask: Ipv4Addr) -> io::Result<Self> {
        let socket = UdpSocket::bind((ip, 0))?;
        socket.set_multicast_ttl_v4(255)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, groups: vec![(GROUP_V4, PORT).into()], local: Some((index, ip, netmask)) })
    }

    fn v6(indexes: &BTreeSet<u32>) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
        socket.set_nonblocking(true)?;
        let groups = indexes.iter().map(|index| SocketAddrV6::new(GROUP_V6, PORT, 0, *index).into());
        Ok(Self { socket, groups: groups.collect(), local: None })
    }

    /// Reads one packet: the addresses in it, if it is an answer.
    fn receive(&self, queries: &[Query], buffer: &mut [u8]) -> Vec<SocketAddr> {
        let Ok((length, from)) = self.socket.recv_from(buffer) else { return Vec::new() };
        if !self.is_from_responder(&from) {
            return Vec::new();
        }
        let found = queries.iter().flat_map(|query| query.multicast_reply(&buffer[..length]));
        found.map(|address| self.with_zone(address, &from)).collect()
    }

    /// An answer counts only from port 5353 and from this network (RFC 6762, 6 and 11).
    fn is_from_responder(&self, from: &SocketAddr) -> bool {
        let is_near = match (from.ip(), self.local) {
            (IpAddr::V4(from), Some((_, here, netmask))) => from.is_link_local() || from & netmask == here & netmask,
            (IpAddr::V6(from), None) => from.is_unicast_link_local() || from.is_loopback(),
            _ => false,
        };
        from.port() == PORT && is_near
    }

    /// A link-local IPv6 address gets the interface that the answer came from.
    fn with_zone(&self, address: IpAddr, from: &SocketAddr) -> SocketAddr {
        let index = match (self.local, from) {
            (Some((index, ..)), _) => index,
            (None, SocketAddr::V6(from)) => from.scope_id(),
            (None, SocketAddr::V4(_)) => 0,
        };
        match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, 0, 0, index).into(),
            _ => (address, 0).into(),
        }
    }
}

fn ask(links: &[Link], queries: &[Query]) {
    for bytes in queries.iter().filter_map(|query| query.to_bytes(false)) {
        for link in links {
            // One interface may be without multicast: the others are used.
            for group in &link.groups {
                let _ = link.socket.send_to(&bytes, group);
            }
        }
    }
}

/// The links that have something to read, after waiting at most so long.
fn readable(links: &[Link], patience: Duration) -> Vec<&Link> {
    let mut fds: Vec<PollFd<'_>> = links.iter().map(|link| PollFd::new(&link.socket, PollFlags::IN)).collect();
    let patience = Timespec::try_from(patience).unwrap_or_default();
    match poll(&mut fds, Some(&patience)) {
        Ok(_) => links.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|(link, _)| link).collect(),
        // Interrupted: the loop checks the time.
        Err(_) => Vec::new(),
    }
}

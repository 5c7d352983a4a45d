//! Turns names into addresses: `/etc/hosts`, DNS as `/etc/resolv.conf` says, and multicast DNS for names in `.local`.
//!
//! It does not ask the C library. glibc loads the modules that `/etc/nsswitch.conf` names (`mdns4_minimal` and `myhostname` on
//! desktops), in a static program too, and crashes where they need another libc than the one that is linked in.
//! `__nss_configure_lookup("hosts", "files dns")` would prevent that from glibc 2.34 on, and was weighed: it takes `unsafe` and
//! holds for one database of one libc, its look-ups keep to no time limit, and `.local` needs packets and sockets all the same.
//! With a client of our own every libc behaves alike, and the linker leaves glibc's resolver out of the binary; a test
//! looks for its symbols (`tests/repo_rules`).
//!
//! Packets are built and parsed by `simple-dns`, which has one small dependency. A whole client as a crate either brings an
//! asynchronous runtime (hickory-resolver) or build scripts and second versions of crates (rsdns).
//!
//! All agents of ureq resolve with [`Names`]: see [`network`](crate::network).

mod config;
mod dns;
mod hosts;
mod mdns;
mod order;
mod packet;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::mutex::lock;

/// No look-up takes longer, whatever the caller and `/etc/resolv.conf` allow.
const MAX_LOOKUP: Duration = Duration::from_mins(1);
/// At most so many addresses of a name are used: as many as ureq keeps.
const MAX_ADDRESSES: usize = 16;
/// How long an answer of multicast DNS holds (RFC 6762, 6.7).
const LOCAL_LIFETIME: Duration = Duration::from_secs(10);
/// The stack of a look-up thread.
const STACK_BYTES: usize = 256 << 10;

/// Why a name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoAddress {
    /// The answer is that the name does not exist, or that it has no address.
    Unknown,
    /// No name server answered in time.
    Silence,
}

type Answer = Result<Vec<SocketAddr>, NoAddress>;

/// Resolves the host of a URL for ureq.
#[derive(Debug, Default)]
pub struct Names {
    /// Names in `.local` and when they were found, so that a camera with one request for each connection is not queried for each.
    found: Mutex<BTreeMap<String, (Instant, Vec<SocketAddr>)>>,
}

impl Names {
    fn lookup(&self, host: &str, until: Instant) -> Answer {
        if !is_in(host, "local") {
            return lookup(host, until);
        }
        let known = || lock(&self.found);
        if let Some((since, addresses)) = known().get(host)
            && since.elapsed() < LOCAL_LIFETIME
        {
            return Ok(addresses.clone());
        }
        let addresses = lookup(host, until)?;
        known().insert(host.to_owned(), (Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let bad = || ureq::Error::BadUri(format!("no host and port in {:?}", uri.scheme_str().unwrap_or_default()));
        let port = uri.port_u16().or(match uri.scheme_str() {
            Some("http") => Some(80),
            Some("https") => Some(443),
            _ => None,
        });
        let (Some(host), Some(port)) = (uri.host(), port) else { return Err(bad()) };
        let until = Instant::now() + MAX_LOOKUP.min(*timeout.after);
        let found = self.lookup(host, until).map_err(|none| match none {
            NoAddress::Unknown => ureq::Error::HostNotFound,
            NoAddress::Silence => ureq::Error::Io(io::Error::new(
                io::ErrorKind::HostUnreachable,
                "its name is not known (no name server answers)",
            )),
        })?;
        let mut addresses = self.empty();
        for mut address in config.ip_family().keep_wanted(found.into_iter()).take(MAX_ADDRESSES) {
            address.set_port(port);
            addresses.push(address);
        }
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// The addresses that `HOST:PORT` stands for, at least one; `HOST` is a name or an address.
///
/// # Errors
/// The text has no port, or the name has no address.
pub fn socket_addresses(text: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let no_port = || io::Error::new(io::ErrorKind::InvalidInput, "not HOST:PORT");
    let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
    let port = port.parse().map_err(|_| no_port())?;
    let unknown = |_| io::Error::new(io::ErrorKind::NotFound, "its name is not known");
    let mut addresses = lookup(host, Instant::now() + MAX_LOOKUP).map_err(unknown)?;
    for address in &mut addresses {
        address.set_port(port);
    }
    Ok(addresses)
}

/// The addresses of `host` with port 0, the best first. `host` is a name, or an address as in a URL.
fn lookup(host: &str, until: Instant) -> Answer {
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, 0)]);
    }
    let mut found = lookup_name(host, until)?;
    order::sort(&mut found, order::source_for);
    Ok(found)
}

fn lookup_name(host: &str, until: Instant) -> Answer {
    let name = host.strip_suffix('.').unwrap_or(host);
    let listed = hosts::addresses(&read("/etc/hosts"), name);
    if !listed.is_empty() {
        return Ok(listed.into_iter().map(|address| SocketAddr::new(address, 0)).collect());
    }
    if is_in(name, "localhost") {
        return Ok([Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()].map(|ip: IpAddr| (ip, 0).into()).to_vec());
    }
    if is_in(name, "local") { lookup_local(host, until) } else { lookup_in_dns(host, until) }
}

/// Whether a name is `domain` or ends with it as a label.
fn is_in(name: &str, domain: &str) -> bool {
    let Some(at) = name.len().checked_sub(domain.len()) else { return false };
    let (before, end) = name.as_bytes().split_at(at);
    end.eq_ignore_ascii_case(domain.as_bytes()) && (before.is_empty() || before.ends_with(b"."))
}

/// Multicast DNS and DNS at the same time: some networks have `.local` in their DNS. The first address wins.
fn lookup_local(host: &str, until: Instant) -> Answer {
    let (to, answers) = mpsc::channel::<Answer>();
    for ask in [lookup_in_mdns, lookup_in_dns] {
        let (to, host) = (to.clone(), host.to_owned());
        // Without a thread, only the other way is used. A late answer is dropped.
        let _ = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || to.send(ask(&host, until)));
    }
    drop(to);
    // The client keeps to `until` by itself.
    answers.into_iter().find(Result::is_ok).unwrap_or(Err(NoAddress::Unknown))
}

fn lookup_in_mdns(host: &str, until: Instant) -> Answer {
    mdns::lookup(host.strip_suffix('.').unwrap_or(host), until)
}

fn lookup_in_dns(host: &str, until: Instant) -> Answer {
    let host_name = read("/proc/sys/kernel/hostname");
    let config = config::Resolv::parse(&read("/etc/resolv.conf"), &host_name);
    dns::lookup(host, &config, until)
}

/// A file of the host as text; empty if it cannot be read, as with the C library.
fn read(path: impl AsRef<Path>) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_recognized_by_its_last_label() {
        for name in ["localhost", "LOCALHOST", "s3.localhost", "a.b.LocalHost"] {
            assert!(is_in(name, "localhost"), "{name}");
        }
        for name in ["", "host", "notlocalhost", "localhost.example", "é.ocalhost"] {
            assert!(!is_in(name, "localhost"), "{name}");
        }
    }

    #[test]
    fn ip_addresses_are_taken_as_they_are() {
        let soon = Instant::now();
        for (host, address) in [("192.0.2.7", "192.0.2.7:0"), ("[2001:db8::7]", "[2001:db8::7]:0"), ("::1", "[::1]:0")]
        {
            assert_eq!(lookup(host, soon), Ok(vec![address.parse().unwrap()]));
        }
    }

    #[test]
    fn socket_addresses_need_a_port() {
        assert_eq!(socket_addresses("[::1]:80").unwrap(), ["[::1]:80".parse().unwrap()]);
        assert!(socket_addresses("localhost:80").unwrap().contains(&"127.0.0.1:80".parse().unwrap()));
        for text in ["", "localhost", "127.0.0.1", "localhost:", "localhost:http", "localhost:70000"] {
            assert_eq!(socket_addresses(text).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{text}");
        }
    }

    #[test]
    fn star_localhost_is_loopback_without_a_server() {
        let found = lookup("bucket.s3.localhost.", Instant::now()).expect("loopback");
        assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
        assert!(found.contains(&"127.0.0.1:0".parse().unwrap()));
    }
}

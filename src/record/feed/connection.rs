//! Sockets to a camera: a connection, and pairs of ports for datagrams.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

use rustix::net::sockopt;

use crate::network::shake_hands;
use crate::proxy::{Protocol, Proxy};
use crate::resolve::socket_addresses;
use crate::units::human_duration;

/// What a kernel holds for a camera that sends datagrams: a key frame of 25 Mbit/s comes at once.
const DATAGRAM_BUFFER_BYTES: usize = 4 << 20;
/// A pair of ports is looked for so often.
const PORT_TRIES: u32 = 32;

/// Where the datagrams of one track come.
pub(super) struct Ports {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
}

/// Connects to the first address that answers.
///
/// # Errors
/// The name is not known, or none of its addresses answers in time.
pub(super) fn connect(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut last = io::Error::new(ErrorKind::NotFound, format!("{host} has no address"));
    let unresolved =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot resolve hostname {host}: {error}"));
    for address in socket_addresses(&place).map_err(unresolved)? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(connection) => return Ok(connection),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                last = io::Error::new(ErrorKind::TimedOut, format!("no connection within {}", human_duration(timeout)));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Connects to a host through a proxy; to the proxy alone where it forwards requests.
///
/// # Errors
/// The proxy is away, or refuses.
pub(super) fn connect_through(
    proxy: &Proxy,
    is_forwarded: bool,
    (host, port): (&str, u16),
    timeout: Duration,
) -> io::Result<TcpStream> {
    if proxy.protocol() == Protocol::Https {
        return Err(io::Error::other(
            "a camera is not read through a proxy over TLS: name one with http:// or socks5://",
        ));
    }
    let (name, proxy_port) = proxy.place();
    let mut connection = connect(&name, proxy_port, timeout)?;
    if !is_forwarded {
        connection.set_read_timeout(Some(timeout))?;
        connection.set_write_timeout(Some(timeout))?;
        shake_hands(&mut connection, proxy, host, port)?.map_err(io::Error::other)?;
    }
    Ok(connection)
}

/// Binds pairs of ports: an even one for RTP, the next for RTCP (RFC 3550, 11).
pub(super) fn bind_pairs(local: IpAddr, pairs: usize) -> io::Result<Vec<Ports>> {
    let mut bound = Vec::new();
    let mut last = None;
    for _ in 0..PORT_TRIES {
        if bound.len() == pairs {
            break;
        }
        let first = UdpSocket::bind((local, 0))?;
        let port = first.local_addr()?.port();
        let other = if port % 2 == 0 { port.checked_add(1) } else { port.checked_sub(1) };
        match other.map(|other| UdpSocket::bind((local, other))) {
            Some(Ok(second)) => {
                let pair =
                    if port % 2 == 0 { Ports { rtp: first, rtcp: second } } else { Ports { rtp: second, rtcp: first } };
                pair.rtp.set_nonblocking(true)?;
                pair.rtcp.set_nonblocking(true)?;
                // Beyond `net.core.rmem_max` only root may go.
                if sockopt::set_socket_recv_buffer_size_force(&pair.rtp, DATAGRAM_BUFFER_BYTES).is_err() {
                    let _ = sockopt::set_socket_recv_buffer_size(&pair.rtp, DATAGRAM_BUFFER_BYTES);
                }
                bound.push(pair);
            }
            Some(Err(error)) => last = Some(error),
            None => {}
        }
    }
    if bound.len() == pairs { Ok(bound) } else { Err(last.unwrap_or_else(|| ErrorKind::AddrInUse.into())) }
}

//! Asks the name servers of `/etc/resolv.conf` over UDP, and over TCP where an answer does not fit.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::config::{Resolv, Server};
use super::packet::{Kind, Query, Reply};
use super::{Answer, NoAddress, mdns};
use crate::random::random;

const PORT: u16 = 53;
/// Both address families are asked for at once. When one is here, the other gets this much longer: some routers drop the
/// query for IPv6.
const SECOND_ANSWER_PATIENCE: Duration = Duration::from_millis(500);
/// A server gets at least this long, even when the caller's limit is shorter.
const MIN_PATIENCE: Duration = Duration::from_millis(250);
/// The largest UDP answer that a query allows is 512 bytes; some servers send more.
const UDP_BYTES: usize = 4096;

/// The result of asking for one full name.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Addresses(Vec<IpAddr>),
    Nothing,
    Failed,
    Silence,
}

/// The addresses of `host`; a short name is looked up in the search domains.
pub(super) fn lookup(host: &str, config: &Resolv, until: Instant) -> Answer {
    for name in config.candidates(host) {
        match ask_servers(&name, config, until) {
            Outcome::Addresses(found) => return Ok(found.into_iter().map(|address| (address, 0).into()).collect()),
            Outcome::Nothing | Outcome::Failed => {}
            // The servers will not answer for the next name either.
            Outcome::Silence => return Err(NoAddress::Silence),
        }
    }
    Err(NoAddress::Unknown)
}

/// Asks one server after the other, and all again, until one answers.
fn ask_servers(name: &str, config: &Resolv, until: Instant) -> Outcome {
    let mut outcome = Outcome::Silence;
    let mut tries_left = u32::try_from(config.attempts * config.servers.len()).unwrap_or(1);
    for _ in 0..config.attempts {
        for server in config.servers.iter().filter_map(address) {
            let now = Instant::now();
            if now >= until {
                return outcome;
            }
            // The caller's limit is divided, so that a dead server leaves time for the next.
            let share = (until - now) / tries_left.max(1);
            let patience = config.timeout.min(share.max(MIN_PATIENCE));
            tries_left -= 1;
            match exchange(server, name, until.min(now + patience)) {
                Ok(Outcome::Failed) => outcome = Outcome::Failed,
                Ok(Outcome::Silence) => {}
                // The server or its network is unreachable: the next one may answer.
                Err(error) => log::debug!("the name server {server}: {error}"),
                Ok(answer) => return answer,
            }
        }
        if outcome == Outcome::Failed {
            return outcome;
        }
    }
    outcome
}

fn address(server: &Server) -> Option<SocketAddr> {
    Some(match (server.address, &server.zone) {
        (IpAddr::V6(ip), Some(zone)) => SocketAddrV6::new(ip, PORT, 0, mdns::interface_index(zone)?).into(),
        (ip, _) => (ip, PORT).into(),
    })
}

/// Asks a server for both address families of a name.
fn exchange(server: SocketAddr, name: &str, until: Instant) -> io::Result<Outcome> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // A new port for each exchange: an attacker who does not see the query has to guess port and id.
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    let queries = [Kind::A, Kind::Aaaa].map(|kind| Query { id: new_id(), name: name.to_owned(), kind });
    let mut replies = [None, None];
    for query in &queries {
        let Some(bytes) = query.to_bytes(true) else { return Ok(Outcome::Nothing) };
        socket.send(&bytes)?;
    }
    let mut until = until;
    let mut buffer = [0; UDP_BYTES];
    while replies.iter().any(Option::is_none) {
        let Some(left) = left(until) else { break };
        socket.set_read_timeout(Some(left))?;
        let bytes = match socket.recv(&mut buffer) {
            Ok(length) => &buffer[..length],
            Err(error) if is_timeout(&error) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for (query, reply) in queries.iter().zip(&mut replies).filter(|(_, reply)| reply.is_none()) {
            *reply = match query.reply(bytes) {
                Some(Reply::Truncated) => Some(ask_over_tcp(server, query, until).unwrap_or(Reply::Failed)),
                other => other,
            };
            if matches!(reply, Some(Reply::Addresses(_))) {
                until = until.min(Instant::now() + SECOND_ANSWER_PATIENCE);
            }
        }
    }
    Ok(merge(replies))
}

fn merge(replies: [Option<Reply>; 2]) -> Outcome {
    let mut found = Vec::new();
    let (mut is_silent, mut is_failed) = (false, false);
    for reply in replies {
        match reply {
            Some(Reply::Addresses(addresses)) => found.extend(addresses),
            Some(Reply::Nothing) => {}
            Some(Reply::Failed | Reply::Truncated) => is_failed = true,
            None => is_silent = true,
        }
    }
    match (found.is_empty(), is_failed, is_silent) {
        (false, ..) => Outcome::Addresses(found),
        (true, true, _) => Outcome::Failed,
        (true, false, true) => Outcome::Silence,
        (true, false, false) => Outcome::Nothing,
    }
}

fn ask_over_tcp(server: SocketAddr, query: &Query, until: Instant) -> io::Result<Reply> {
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    let mut stream = TcpStream::connect_timeout(&server, left(until).ok_or_else(late)?)?;
    let bytes = query.to_bytes(true).unwrap_or_default();
    let length = u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes();
    stream.set_write_timeout(Some(left(until).ok_or_else(late)?))?;
    stream.write_all(&[&length[..], &bytes].concat())?;
    let mut read = |buffer: &mut [u8]| -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            stream.set_read_timeout(Some(left(until).ok_or_else(late)?))?;
            match stream.read(&mut buffer[done..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => done += length,
            }
        }
        Ok(())
    };
    let mut length = [0; 2];
    read(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    read(&mut answer)?;
    Ok(query.reply(&answer).unwrap_or(Reply::Failed))
}

/// The time until then as a socket timeout, which must not be zero.
fn left(until: Instant) -> Option<Duration> {
    Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[expect(clippy::cast_possible_truncation, reason = "any 16 bits do")]
pub(super) fn new_id() -> u16 {
    random() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_enough_and_a_failure_is_no_answer() {
        let address: IpAddr = Ipv4Addr::LOCALHOST.into();
        let found = Reply::Addresses(vec![address]);
        let outcome = Outcome::Addresses(vec![address]);
        for (replies, expected) in [
            ([Some(found.clone()), None], &outcome),
            ([Some(Reply::Failed), Some(found.clone())], &outcome),
            ([Some(Reply::Nothing), Some(found)], &outcome),
            ([Some(Reply::Nothing), Some(Reply::Nothing)], &Outcome::Nothing),
            ([Some(Reply::Nothing), Some(Reply::Failed)], &Outcome::Failed),
            ([Some(Reply::Nothing), None], &Outcome::Silence),
            ([None, None], &Outcome::Silence),
        ] {
            assert_eq!(merge(replies), *expected);
        }
    }
}

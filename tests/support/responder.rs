//! A responder of multicast DNS that misbehaves on demand. (One that behaves is avahi.)

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, QTYPE, ResourceRecord, TYPE};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// How a question is answered. All but the first two give `wrong`, where they give an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As it should be.
    Right,
    /// As old libraries of microcontrollers do it: the id is 0, and the question is not repeated.
    Sloppy,
    /// Right, so much later.
    Late(Duration),
    /// For another name.
    OtherName,
    /// With another id.
    OtherId,
    /// From another port than 5353.
    OtherPort,
    /// Bytes that are no packet, many times.
    Garbage,
    /// A right packet without its last bytes.
    Truncated,
    /// A name that points at itself.
    Loop,
    /// The question itself, sent back.
    Echo,
    /// Addresses that are no host's.
    NoHost,
}

/// A responder on the interface that has an address; it serves until the process ends.
pub(crate) struct Responder(Arc<Mutex<Vec<String>>>);

impl Responder {
    /// Answers questions for an address of IPv4 in these manners, one after the other at once; those for IPv6 are left alone.
    pub(crate) fn start(interface: Ipv4Addr, right: Ipv4Addr, wrong: Ipv4Addr, manners: &[Manner]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5353)).expect("port 5353 of our own network");
        socket.join_multicast_v4(&GROUP, &interface).expect("a multicast group");
        // What answers leaves from the interface's address.
        let other = UdpSocket::bind((interface, 0)).expect("a port");
        let (log, manners) = (Arc::<Mutex<Vec<String>>>::default(), manners.to_vec());
        let asked = Arc::clone(&log);
        thread::spawn(move || {
            let mut buffer = [0; 9000];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let Ok(query) = Packet::parse(&buffer[..length]) else { continue };
                let [question] = query.questions.as_slice() else { continue };
                asked
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(format!("{} {:?}", question.qname, question.qtype));
                if question.qtype == QTYPE::TYPE(TYPE::A) {
                    for manner in &manners {
                        answer(*manner, &query, &buffer[..length], (&socket, &other), from, (right, wrong));
                    }
                }
            }
        });
        Self(log)
    }

    /// The questions so far: `nas.local TYPE(A)`.
    pub(crate) fn questions(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn answer(
    manner: Manner,
    query: &Packet<'_>,
    asked: &[u8],
    (socket, other): (&UdpSocket, &UdpSocket),
    to: SocketAddr,
    (right, wrong): (Ipv4Addr, Ipv4Addr),
) {
    let name = &query.questions[0].qname;
    let record = |name: &Name<'_>, ip: Ipv4Addr| {
        ResourceRecord::new(name.clone().into_owned(), CLASS::IN, 10, RData::A(ip.into()))
    };
    let mut reply = Packet::new_reply(query.id());
    reply.questions.clone_from(&query.questions);
    let is_right = matches!(manner, Manner::Right | Manner::Sloppy | Manner::Late(_));
    reply.answers.push(record(name, if is_right { right } else { wrong }));
    let mut socket = socket;
    let mut delay = Duration::ZERO;
    match manner {
        Manner::Sloppy => {
            reply.set_id(0);
            reply.questions.clear();
        }
        Manner::Late(time) => delay = time,
        Manner::OtherName => reply.answers[0] = record(&Name::new_unchecked("other.local"), wrong),
        Manner::OtherId => reply.set_id(query.id() ^ 0x5555),
        Manner::OtherPort => socket = other,
        Manner::NoHost => {
            let none = [Ipv4Addr::UNSPECIFIED, GROUP, Ipv4Addr::BROADCAST];
            reply.answers = none.map(|ip| record(name, ip)).to_vec();
        }
        _ => {}
    }
    let mut bytes = reply.build_bytes_vec().expect("it fits");
    match manner {
        Manner::Truncated => bytes.truncate(bytes.len() - 3),
        Manner::Loop => {
            let at = asked.len();
            // The name of the record behind the question.
            let pointer = (0xC000 | u16::try_from(at).expect("short")).to_be_bytes();
            bytes.splice(at..at + asked.len() - 16, pointer);
        }
        Manner::Echo => bytes = asked.to_vec(),
        Manner::Garbage => {
            for length in 0..300_usize {
                let garbage: Vec<u8> = (0..length).map(|n| (n * 31 + length * 7).to_le_bytes()[0]).collect();
                let _ = socket.send_to(&garbage, to);
            }
            return;
        }
        _ => {}
    }
    let sender = socket.try_clone().expect("a socket");
    let send = move || drop(sender.send_to(&bytes, to));
    if delay.is_zero() {
        send();
    } else {
        thread::spawn(move || {
            thread::sleep(delay);
            send();
        });
    }
}

/// The address of an interface of a [`Device`](super::network::Device)'s network on this side.
pub(crate) fn here(net: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, net, 1)
}

//! Queries and their answers as packets of DNS (RFC 1035), which multicast DNS shares (RFC 6762). Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::RData;
use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE, header_buffer,
};

use super::MAX_ADDRESSES;

/// The longest chain of aliases that is followed.
const MAX_ALIASES: usize = 8;

/// The record type of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    A,
    Aaaa,
}

impl Kind {
    fn qtype(self) -> QTYPE {
        QTYPE::TYPE(match self {
            Self::A => TYPE::A,
            Self::Aaaa => TYPE::AAAA,
        })
    }
}

/// One question. The answer must repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) id: u16,
    /// Without a dot at its end.
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// At least one.
    Addresses(Vec<IpAddr>),
    /// The name does not exist, or has no address of this family.
    Nothing,
    /// The server does not know: another one may.
    Failed,
    /// Truncated: ask over TCP.
    Truncated,
}

impl Query {
    /// None when the name is invalid in DNS: a label is empty or longer than 63 bytes, or the name longer than 255.
    pub(super) fn to_bytes(&self, recursion: bool) -> Option<Vec<u8>> {
        let mut packet = Packet::new_query(self.id);
        if recursion {
            packet.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        packet.questions.push(Question::new(self.name()?, self.kind.qtype(), QCLASS::CLASS(CLASS::IN), false));
        packet.build_bytes_vec().ok()
    }

    /// The answer of a name server; none when this is no answer to this query.
    pub(super) fn reply(&self, bytes: &[u8]) -> Option<Reply> {
        if header_buffer::id(bytes).ok()? != self.id || !header_buffer::has_flags(bytes, PacketFlag::RESPONSE).ok()? {
            return None;
        }
        // A truncated packet may not parse. A forged one costs only a TCP connection.
        if header_buffer::has_flags(bytes, PacketFlag::TRUNCATION).ok()? {
            return Some(Reply::Truncated);
        }
        let packet = Packet::parse(bytes).ok()?;
        let name = self.name()?;
        let is_repeated = match packet.questions.as_slice() {
            [question] => question.qname == name && question.qtype == self.kind.qtype(),
            // Some servers omit the question when they refuse.
            questions => questions.is_empty() && packet.rcode() != RCODE::NoError,
        };
        if !is_repeated {
            return None;
        }
        Some(match packet.rcode() {
            RCODE::NoError => match addresses(&name, &packet.answers.iter()) {
                found if found.is_empty() => Reply::Nothing,
                found => Reply::Addresses(found),
            },
            RCODE::NameError => Reply::Nothing,
            _ => Reply::Failed,
        })
    }

    /// The addresses that an mDNS responder sent for the name; empty when this is no answer to this query.
    ///
    /// It must repeat the id (RFC 6762, 6.7); older small devices send 0.
    pub(super) fn multicast_reply(&self, bytes: &[u8]) -> Vec<IpAddr> {
        let parse = || {
            let packet = Packet::parse(bytes).ok()?;
            let is_reply = packet.has_flags(PacketFlag::RESPONSE) && [self.id, 0].contains(&packet.id());
            let name = self.name()?;
            let records = packet.answers.iter().chain(&packet.additional_records);
            (is_reply && packet.rcode() == RCODE::NoError).then(|| addresses(&name, &records))
        };
        parse().unwrap_or_default()
    }

    fn name(&self) -> Option<Name<'_>> {
        let has_empty_label = self.name.split('.').any(str::is_empty);
        if has_empty_label { None } else { Name::new(&self.name).ok() }
    }
}

/// The addresses that records have for a name or its alias.
fn addresses<'r, 'p: 'r>(
    name: &Name<'_>,
    records: &(impl Iterator<Item = &'r ResourceRecord<'p>> + Clone),
) -> Vec<IpAddr> {
    let mut name: Name<'_> = name.clone();
    for _ in 0..MAX_ALIASES {
        let of_name = records.clone().filter(|record| record.class == CLASS::IN && record.name == name);
        let mut found = Vec::new();
        for address in of_name.clone().filter_map(|record| match &record.rdata {
            RData::A(a) => Some(IpAddr::from(Ipv4Addr::from(a.address))),
            RData::AAAA(aaaa) => Some(IpAddr::from(Ipv6Addr::from(aaaa.address))),
            _ => None,
        }) {
            if can_be_a_host(address) && !found.contains(&address) && found.len() < MAX_ADDRESSES {
                found.push(address);
            }
        }
        let alias = of_name.clone().find_map(|record| match &record.rdata {
            RData::CNAME(alias) => Some(alias.0.clone().into_owned()),
            _ => None,
        });
        match alias {
            Some(alias) if found.is_empty() => name = alias,
            _ => return found,
        }
    }
    Vec::new()
}

/// A multicast address cannot be connected to, and 0.0.0.0 would be this host.
fn can_be_a_host(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

#[cfg(test)]
mod tests;

use proptest::prelude::*;
use simple_dns::rdata::{CNAME, TXT};

use super::*;

fn query(kind: Kind) -> Query {
    Query { id: 0x1234, name: "nas.lan".into(), kind }
}

/// An answer to a query, with these records of a text: `name address` or `name = alias`.
fn answer(query: &Query, records: &[&str]) -> Packet<'static> {
    let mut packet = Packet::new_reply(query.id);
    let name = |text: &str| Name::new(text).expect("a name").into_owned();
    packet.questions.push(Question::new(name(&query.name), query.kind.qtype(), QCLASS::CLASS(CLASS::IN), false));
    packet.answers = records.iter().map(|record| self::record(record)).collect();
    packet
}

fn record(text: &str) -> ResourceRecord<'static> {
    let name = |text: &str| Name::new(text).expect("a name").into_owned();
    let (owner, data) = text.split_once(' ').expect("two words");
    let data = match (data.strip_prefix("= "), data.parse()) {
        (Some(alias), _) => RData::CNAME(CNAME(name(alias))),
        (None, Ok(IpAddr::V4(ip))) => RData::A(ip.into()),
        (None, Ok(IpAddr::V6(ip))) => RData::AAAA(ip.into()),
        (None, Err(_)) => RData::TXT(TXT::new().with_string(data).expect("short").into_owned()),
    };
    ResourceRecord::new(name(owner), CLASS::IN, 120, data)
}

fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    packet.build_bytes_vec_compressed().expect("it fits")
}

fn found(addresses: &[&str]) -> Reply {
    Reply::Addresses(addresses.iter().map(|address| address.parse().unwrap()).collect())
}

#[test]
fn a_query_has_the_bytes_of_rfc_1035() {
    let expected = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x03nas\x03lan\0\0\x01\0\x01";
    assert_eq!(query(Kind::A).to_bytes(true).as_deref(), Some(&expected[..]));
    // Multicast: no recursion; AAAA is 28.
    let expected = b"\x12\x34\x00\x00\0\x01\0\0\0\0\0\0\x03nas\x03lan\0\0\x1C\0\x01";
    assert_eq!(query(Kind::Aaaa).to_bytes(false).as_deref(), Some(&expected[..]));
}

#[test]
fn invalid_host_names_are_not_queried() {
    let long_label = format!("{}.lan", "x".repeat(64));
    let long_name = ["x".repeat(60).as_str(); 5].join(".");
    for name in ["", ".", "a..b", ".lan", &long_label, &long_name] {
        assert_eq!(Query { name: name.into(), ..query(Kind::A) }.to_bytes(true), None, "{name:?}");
    }
    let longest_label = format!("{}.lan", "x".repeat(63));
    assert!(Query { name: longest_label, ..query(Kind::A) }.to_bytes(true).is_some());
}

#[test]
fn an_answer_is_read_through_aliases_whatever_their_case_and_order() {
    let query = query(Kind::A);
    for (records, expected) in [
        (&["nas.lan 192.0.2.7"][..], found(&["192.0.2.7"])),
        (&["NAS.Lan 192.0.2.7", "nas.lan 192.0.2.8", "nas.lan 192.0.2.7"], found(&["192.0.2.7", "192.0.2.8"])),
        (&["box.lan 192.0.2.7", "nas.lan = disk.lan", "disk.lan = box.lan"], found(&["192.0.2.7"])),
        (&["other.lan 192.0.2.7"], Reply::Nothing),
        (&["nas.lan = nas.lan"], Reply::Nothing),
        (&["nas.lan = a.lan", "a.lan = nas.lan"], Reply::Nothing),
        (&["nas.lan v=1"], Reply::Nothing),
        (&["nas.lan 0.0.0.0", "nas.lan 224.0.0.251", "nas.lan 255.255.255.255"], Reply::Nothing),
        (&[], Reply::Nothing),
    ] {
        assert_eq!(query.reply(&bytes(&answer(&query, records))), Some(expected), "{records:?}");
    }
}

#[test]
fn addresses_of_an_answer_are_bounded() {
    let query = query(Kind::A);
    let many: Vec<String> = (1..200).map(|n| format!("nas.lan 192.0.2.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let Some(Reply::Addresses(found)) = query.reply(&bytes(&answer(&query, &many))) else { panic!("addresses") };
    assert_eq!(found.len(), MAX_ADDRESSES);
}

#[test]
fn an_answer_to_another_query_is_none() {
    let asked = query(Kind::A);
    let fine = answer(&asked, &["nas.lan 192.0.2.7"]);
    let mut other_id = fine.clone();
    other_id.set_id(0x1235);
    let mut question = fine.clone();
    question.remove_flags(PacketFlag::RESPONSE);
    let mut unasked = fine.clone();
    unasked.questions.clear();
    let other_name = answer(&Query { name: "nas.lam".into(), ..asked.clone() }, &["nas.lan 192.0.2.7"]);
    let other_kind = answer(&query(Kind::Aaaa), &["nas.lan 192.0.2.7"]);
    for packet in [other_id, question, unasked, other_name, other_kind] {
        assert_eq!(asked.reply(&bytes(&packet)), None, "{packet:?}");
    }
    let fine = bytes(&fine);
    for length in 0..fine.len() {
        assert_eq!(asked.reply(&fine[..length]), None, "{length}");
    }
}

#[test]
fn servfail_and_tc_are_no_answer_and_nxdomain_is_one() {
    let query = query(Kind::A);
    for (rcode, expected) in [
        (RCODE::NameError, Reply::Nothing),
        (RCODE::ServerFailure, Reply::Failed),
        (RCODE::Refused, Reply::Failed),
        (RCODE::FormatError, Reply::Failed),
    ] {
        let mut packet = answer(&query, &[]);
        *packet.rcode_mut() = rcode;
        assert_eq!(query.reply(&bytes(&packet)), Some(expected.clone()));
        packet.questions.clear();
        assert_eq!(query.reply(&bytes(&packet)), Some(expected));
    }
    let mut packet = answer(&query, &["nas.lan 192.0.2.7"]);
    packet.set_flags(PacketFlag::TRUNCATION);
    let cut = &bytes(&packet)[..30];
    assert_eq!(query.reply(cut), Some(Reply::Truncated));
}

#[test]
fn mdns_answers_have_a_name_and_perhaps_no_id_and_no_question() {
    let asked = query(Kind::A);
    let ip = |addresses: &[&str]| addresses.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
    let mut packet = answer(&asked, &["nas.lan 192.0.2.7"]);
    packet.additional_records = vec![record("nas.lan fe80::7"), record("tv.lan 192.0.2.9")];
    assert_eq!(asked.multicast_reply(&bytes(&packet)), ip(&["192.0.2.7", "fe80::7"]));
    packet.questions.clear();
    packet.set_id(0);
    // The bit by which a responder says that these are all of its records.
    packet.answers[0].cache_flush = true;
    assert_eq!(asked.multicast_reply(&bytes(&packet)), ip(&["192.0.2.7", "fe80::7"]));
    packet.set_id(7);
    assert!(asked.multicast_reply(&bytes(&packet)).is_empty());
    let mut question = answer(&asked, &["nas.lan 192.0.2.7"]);
    question.remove_flags(PacketFlag::RESPONSE);
    assert!(asked.multicast_reply(&bytes(&question)).is_empty());
    let other = answer(&asked, &["tv.lan 192.0.2.9"]);
    assert!(asked.multicast_reply(&bytes(&other)).is_empty());
}

/// Compression that points at itself, forward, or in a ring must end.
#[test]
fn names_that_point_at_themselves_are_no_answer() {
    let head = b"\x12\x34\x80\x00\0\x01\0\x01\0\0\0\0\x03nas\x03lan\0\0\x01\0\x01";
    for pointer in [0xC019_u16, 0xC01B, 0xC0FF, 0xFFFF, 0xC018] {
        let record = [&pointer.to_be_bytes()[..], b"\0\x01\0\x01\0\0\0\0\0\x04\xC0\0\x02\x07"].concat();
        let packet = [&head[..], &record].concat();
        assert_ne!(query(Kind::A).reply(&packet), Some(found(&["192.0.2.7"])), "{pointer:x}");
        assert!(query(Kind::A).multicast_reply(&packet).is_empty(), "{pointer:x}");
    }
}

proptest! {
    /// Whatever a host of the network sends: no panic, few addresses, and none that it did not send for this name.
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let query = query(Kind::A);
        let _ = query.reply(&bytes);
        prop_assert!(query.multicast_reply(&bytes).len() <= MAX_ADDRESSES);
    }

    #[test]
    fn an_answer_with_flipped_bytes_is_read_without_a_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), cut in any::<prop::sample::Index>(),
    ) {
        let query = query(Kind::A);
        let mut packet = answer(&query, &["nas.lan = disk.lan", "disk.lan 192.0.2.7", "nas.lan v=1", "disk.lan fe80::1"]);
        packet.additional_records = vec![record("disk.lan 192.0.2.8")];
        let mut bytes = bytes(&packet);
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        let cut = &bytes[..cut.index(bytes.len() + 1)];
        for bytes in [&bytes, cut] {
            let _ = query.reply(bytes);
            prop_assert!(query.multicast_reply(bytes).len() <= MAX_ADDRESSES);
        }
    }
}

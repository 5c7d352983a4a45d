#![allow(clippy::unwrap_used, reason = "a test panics when in trouble")]

use proptest::prelude::*;

use super::*;

fn number(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, value);
    out
}

#[test]
fn a_length_takes_seven_bits_a_byte() {
    for (value, bytes) in [
        (0, &[0x80][..]),
        (1, &[0x81]),
        (126, &[0xFE]),
        // All ones is an unknown length, so these take a byte more.
        (127, &[0x40, 0x7F]),
        (16_382, &[0x7F, 0xFE]),
        (16_383, &[0x20, 0x3F, 0xFF]),
        (2_097_150, &[0x3F, 0xFF, 0xFE]),
        (2_097_151, &[0x10, 0x1F, 0xFF, 0xFF]),
        ((1 << 56) - 2, &[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE]),
    ] {
        assert_eq!(number(value), bytes, "{value}");
        assert_eq!(read_number(bytes), Ok(Some((Some(value), bytes.len()))));
        assert_eq!(read_number(&long_number(value)), Ok(Some((Some(value), 8))));
    }
}

#[test]
fn an_unknown_length_is_all_ones_in_any_number_of_bytes() {
    for len in 1..=8_usize {
        let all_ones = (u64::MAX >> (64 - 7 * len)) | 1 << (7 * len);
        assert_eq!(read_number(&all_ones.to_be_bytes()[8 - len..]), Ok(Some((None, len))), "{len}");
    }
    assert_eq!(read_number(&UNKNOWN_LENGTH), Ok(Some((None, 8))));
    assert!(read_number(&[0, 1, 2, 3, 4, 5, 6, 7, 8]).is_err());
}

#[test]
fn an_id_has_one_to_four_bytes() {
    for (id, bytes) in
        [(id::VOID, &[0xEC][..]), (id::DURATION, &[0x44, 0x89]), (id::TIMESTAMP_SCALE, &[0x2A, 0xD7, 0xB1])]
    {
        let mut out = Vec::new();
        put_id(&mut out, id);
        assert_eq!(out, bytes);
        out.push(0x82);
        let header = Header { id, content_bytes: Some(2), own_bytes: out.len() };
        assert_eq!(Header::read(&out), Ok(Some(header)));
        for end in 0..out.len() {
            assert_eq!(Header::read(&out[..end]), Ok(None), "{end}");
        }
    }
    assert!(Header::read(&[0x08, 0, 0, 0, 0, 0x80]).is_err());
}

#[test]
fn values_are_read_as_they_were_written() {
    let mut out = Vec::new();
    put_uint(&mut out, id::TRACK_NUMBER, 0);
    put_uint(&mut out, id::TRACK_NUMBER, 256);
    put_uint(&mut out, id::TRACK_NUMBER, u64::MAX);
    put_float(&mut out, id::DURATION, 1234.5);
    put_text(&mut out, id::CODEC_ID, "A_AAC");
    put_void(&mut out, 11);
    let children: Vec<(u32, &[u8])> = Children(&out).map(Result::unwrap).collect();
    let integers: Vec<u64> = children[..3].iter().map(|(_, content)| uint(content).unwrap()).collect();
    assert_eq!(integers, [0, 256, u64::MAX]);
    assert_eq!(children[1].1.len(), 2);
    assert_eq!(float(children[3].1), Ok(1234.5));
    assert_eq!(float(&1.5_f32.to_be_bytes()), Ok(1.5));
    assert_eq!((float(&[]), uint(&[])), (Ok(0.0), Ok(0)));
    assert!(float(&[1, 2]).is_err() && uint(&[0; 9]).is_err());
    assert_eq!((text(children[4].1), text(b"und\0\0")), ("A_AAC".to_owned(), "und".to_owned()));
    assert_eq!(children[5], (id::VOID, &[0; 9][..]));
}

#[test]
fn a_child_longer_than_its_parent_is_an_error_and_the_last() {
    let children: Vec<_> = Children(&[0xD7, 0x81, 7, 0x83, 0x82, 1]).collect();
    assert_eq!(children.len(), 2);
    assert_eq!(children[0], Ok((id::TRACK_NUMBER, &[7][..])));
    assert!(children[1].is_err());
    assert!(Children(&[0xD7, 0xFF, 7]).next().unwrap().is_err(), "no length");
}

proptest! {
    #[test]
    fn every_number_is_read_back(value in 0..(1_u64 << 56) - 1, shift in 0..56_u32) {
        let value = value >> shift;
        let bytes = number(value);
        prop_assert_eq!(bytes.len(), number_len(value));
        prop_assert_eq!(read_number(&bytes), Ok(Some((Some(value), bytes.len()))));
        for end in 0..bytes.len() {
            prop_assert_eq!(read_number(&bytes[..end]), Ok(None));
        }
    }
}

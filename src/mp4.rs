//! Whether an MP4 file is complete: its top-level boxes chain exactly to its end.
//!
//! | bytes | field |
//! | --- | --- |
//! | 0–3 | size of the box, big-endian, these bytes included; 1: a 64-bit size follows the type; 0: to the end of the file |
//! | 4–7 | type, four printable characters |
//! | 8–15 | the 64-bit size, when the size is 1 |
//!
//! Source: ISO/IEC 14496-12 §4.2. A second movie may follow the first: front files of the BlackVue Elite 10 hold
//! `ftyp free moov mdat` twice.

use std::io::{self, Read, Seek, SeekFrom};

/// The result of walking the boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Structure {
    /// The last box ends where the file ends.
    Whole,
    /// It does not; the reason, for people.
    Broken(String),
}

/// More boxes than any camera writes; a file of tiny ones would take hours to read.
const MAX_BOXES: u32 = 100_000;

/// Walks the top-level boxes of a file of `length` bytes; reads only their headers.
///
/// # Errors
/// The file cannot be read.
pub fn structure(file: &mut (impl Read + Seek), length: u64) -> io::Result<Structure> {
    let mut offset = 0_u64;
    let mut boxes = 0;
    let broken = |text: String| Ok(Structure::Broken(text));
    if length == 0 {
        return broken("the file is empty".into());
    }
    while offset < length {
        let left = length - offset;
        let mut header = [0_u8; 16];
        let header_bytes = usize::try_from(left.min(16)).unwrap_or(16);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut header[..header_bytes])?;
        if header_bytes < 8 {
            return broken(format!("{header_bytes} stray bytes after the last box at {offset}"));
        }
        let [s0, s1, s2, s3, t0, t1, t2, t3, wide @ ..] = header;
        let kind = [t0, t1, t2, t3];
        if !kind.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte == 0xa9) {
            return broken(format!("no box at {offset} of {length}"));
        }
        let size = match u32::from_be_bytes([s0, s1, s2, s3]) {
            0 => left,
            1 if header_bytes == 16 => u64::from_be_bytes(wide),
            size => u64::from(size),
        };
        if size < 8 {
            return broken(format!("a box of {size} bytes at {offset}"));
        }
        if size > left {
            let kind = String::from_utf8_lossy(&kind).into_owned();
            return broken(format!("its {kind} box needs {} bytes more", size - left));
        }
        offset += size;
        boxes += 1;
        if boxes > MAX_BOXES {
            return broken(format!("more than {MAX_BOXES} boxes"));
        }
    }
    Ok(Structure::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn boxed(kind: [u8; 4], payload: usize) -> Vec<u8> {
        let size = u32::try_from(payload + 8).expect("small");
        [&size.to_be_bytes()[..], &kind, &vec![0xAB; payload]].concat()
    }

    fn movie() -> Vec<u8> {
        [boxed(*b"ftyp", 16), boxed(*b"free", 0), boxed(*b"moov", 100), boxed(*b"mdat", 1000)].concat()
    }

    fn check(bytes: &[u8]) -> Structure {
        structure(&mut Cursor::new(bytes), bytes.len() as u64).expect("memory can be read")
    }

    #[test]
    fn complete_mp4_files_are_accepted() {
        assert_eq!(check(&movie()), Structure::Whole);
        assert_eq!(check(&[movie(), movie()].concat()), Structure::Whole);
        let wide = [&1_u32.to_be_bytes()[..], b"mdat", &24_u64.to_be_bytes(), &[7; 8]].concat();
        assert_eq!(check(&[boxed(*b"ftyp", 4), wide].concat()), Structure::Whole);
        let to_the_end = [&0_u32.to_be_bytes()[..], b"mdat", &[7; 99]].concat();
        assert_eq!(check(&[boxed(*b"ftyp", 4), boxed(*b"moov", 4), to_the_end].concat()), Structure::Whole);
    }

    #[test]
    fn an_mp4_box_may_be_larger_than_four_gibibytes() {
        let mut file = tempfile::tempfile().expect("a file");
        let size = (1_u64 << 32) + 24;
        let head = [&boxed(*b"ftyp", 4)[..], &1_u32.to_be_bytes(), b"mdat", &size.to_be_bytes()].concat();
        std::io::Write::write_all(&mut file, &head).expect("written");
        for (missing, is_whole) in [(0, true), (1, false), (1 << 32, false)] {
            let length = 12 + size - missing;
            file.set_len(length).expect("a sparse file");
            let found = structure(&mut file, length).expect("read");
            assert_eq!(found == Structure::Whole, is_whole, "{missing} {found:?}");
        }
    }

    #[test]
    fn every_cut_inside_an_mp4_box_is_detected() {
        let movie = movie();
        let ends = [24, 32, 140, movie.len()];
        for cut in 0..movie.len() {
            let whole = check(&movie[..cut]) == Structure::Whole;
            assert_eq!(whole, ends.contains(&cut), "cut at {cut}");
        }
    }

    #[test]
    fn foreign_bytes_after_the_last_mp4_box_are_detected() {
        for tail in [&[0_u8; 4][..], &[0; 4096], b"garbage!", &[0xff; 20]] {
            assert_ne!(check(&[&movie()[..], tail].concat()), Structure::Whole, "{tail:?}");
        }
        assert_ne!(check(b"<html>Not an MP4</html>"), Structure::Whole);
    }

    proptest::proptest! {
        #[test]
        fn any_mp4_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = check(&bytes);
        }
    }
}

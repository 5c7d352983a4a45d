//! The bytes of an RTSP connection, cut into interleaved packets and messages. Pure.
//!
//! A packet that lies whole in what was read is handed out as it lies there. Only what continues in the next read is kept.

use std::ops::ControlFlow;

use super::message::{self, Message};

/// A head is not longer than this.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Nor a message with its body.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Between two packets or messages, so much is skipped.
const MAX_GARBAGE_BYTES: usize = 64 << 10;
/// A packet makes up for so much of it: in garbage, chance makes some of any length.
const MAX_CREDIT_BYTES: usize = 4 << 10;
/// The shortest packet that is looked for in garbage: that of RTCP without a source is shorter, and rare.
const MIN_PACKET_BYTES: usize = 8;

/// How messages begin. What begins otherwise is no message.
const STARTS: [&str; 12] = [
    "RTSP/",
    "OPTIONS ",
    "GET_PARAMETER ",
    "SET_PARAMETER ",
    "ANNOUNCE ",
    "REDIRECT ",
    "TEARDOWN ",
    "PLAY_NOTIFY ",
    "DESCRIBE ",
    "SETUP ",
    "PAUSE ",
    "PLAY ",
];

/// What comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A packet on a channel.
    Packet {
        channel: u8,
        payload: &'a [u8],
    },
    Message(Message),
}

/// Why the rest cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WireError {
    /// It never was RTSP; how it begins.
    NotRtsp(String),
    /// Neither a packet nor a message was found in so many bytes.
    Garbage,
    TooLong,
    /// It begins as a message and is none.
    Malformed(String),
}

/// What the bytes at a place are.
enum Found {
    Packet {
        channel: u8,
        end: usize,
    },
    Message {
        head: usize,
        end: usize,
    },
    /// It takes at least one more byte to see.
    More,
    /// The end of a line, where none is.
    Blank,
    Garbage,
}

/// What is left from the last read, and where in the stream it is.
#[derive(Debug, Default)]
pub(super) struct Wire {
    kept: Vec<u8>,
    /// Bytes of `kept` in which no head ends.
    searched: usize,
    garbage: usize,
    is_known: bool,
}

impl Wire {
    /// Cuts `bytes`, which follow those before; `is_open` says which channels are in use. The rest is dropped when `take`
    /// breaks.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        is_open: impl Fn(u8) -> bool,
        mut take: impl FnMut(Piece) -> ControlFlow<()>,
    ) -> Result<(), WireError> {
        while !self.kept.is_empty() {
            // Line by line or packet by packet: what follows is left where it lies.
            let wanted = self.wanted(bytes);
            if wanted == 0 {
                return Ok(());
            }
            let more;
            (more, bytes) = bytes.split_at(wanted);
            self.kept.extend_from_slice(more);
            let mut kept = std::mem::take(&mut self.kept);
            let used = self.cut(&kept, &is_open, &mut take);
            match used {
                Ok(ControlFlow::Continue(used)) => {
                    kept.drain(..used);
                    // A long message comes once; its room is not held for as long as the camera plays.
                    kept.shrink_to(MAX_HEAD_BYTES);
                    self.kept = kept;
                }
                Ok(ControlFlow::Break(())) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        match self.cut(bytes, &is_open, &mut take)? {
            ControlFlow::Continue(used) => self.kept.extend_from_slice(&bytes[used..]),
            ControlFlow::Break(()) => {}
        }
        Ok(())
    }

    /// How many of the next bytes belong to what is kept, as far as it can be known: at least one.
    fn wanted(&self, bytes: &[u8]) -> usize {
        let kept = self.kept.as_slice();
        let missing = match *kept {
            [b'$', _, high, low, ..] => (4 + usize::from(u16::from_be_bytes([high, low]))).saturating_sub(kept.len()),
            [b'$', ..] => 4 - kept.len(),
            _ => match self.message_end() {
                Some(end) => end.saturating_sub(kept.len()),
                None => bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1),
            },
        };
        missing.max(1).min(bytes.len())
    }

    /// Where the message ends whose head is kept.
    fn message_end(&self) -> Option<usize> {
        let head = head_end(&self.kept, self.searched)?;
        Some(head.saturating_add(message::content_length(&self.kept[..head])))
    }

    /// Hands out all that is whole: how many bytes that were.
    fn cut(
        &mut self,
        bytes: &[u8],
        is_open: &impl Fn(u8) -> bool,
        take: &mut impl FnMut(Piece) -> ControlFlow<()>,
    ) -> Result<ControlFlow<(), usize>, WireError> {
        let mut at = 0;
        while let rest @ [_, ..] = &bytes[at..] {
            match self.look(rest, is_open)? {
                Found::Packet { channel, end } => {
                    self.garbage = self.garbage.saturating_sub(end.min(MAX_CREDIT_BYTES));
                    at += end;
                    if take(Piece::Packet { channel, payload: &rest[4..end] }).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Found::Message { head, end } => {
                    let Some(message) = Message::read(&rest[..head], &rest[head..end]) else {
                        return Err(WireError::Malformed(beginning(rest)));
                    };
                    (self.garbage, self.is_known, self.searched) = (0, true, 0);
                    at += end;
                    if take(Piece::Message(message)).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Found::More => break,
                Found::Blank => at += 1,
                Found::Garbage => {
                    if !self.is_known {
                        return Err(WireError::NotRtsp(beginning(rest)));
                    }
                    self.searched = 0;
                    self.garbage += 1;
                    at += 1;
                    if self.garbage > MAX_GARBAGE_BYTES {
                        return Err(WireError::Garbage);
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(at))
    }

    fn look(&mut self, bytes: &[u8], is_open: &impl Fn(u8) -> bool) -> Result<Found, WireError> {
        match bytes {
            [b'$', ..] => Ok(self.look_at_packet(bytes, is_open)),
            [b'\r' | b'\n', ..] => Ok(Found::Blank),
            _ => self.look_at_message(bytes),
        }
    }

    fn look_at_packet(&self, bytes: &[u8], is_open: &impl Fn(u8) -> bool) -> Found {
        let [_, channel, high, low, payload @ ..] = bytes else { return Found::More };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        // In garbage a `$` is often none.
        if self.garbage > 0 {
            if !is_open(*channel) || length < MIN_PACKET_BYTES {
                return Found::Garbage;
            }
            match payload.first().map(|first| first >> 6) {
                None => return Found::More,
                Some(2) => {}
                Some(_) => return Found::Garbage,
            }
        }
        if payload.len() < length { Found::More } else { Found::Packet { channel: *channel, end: 4 + length } }
    }

    fn look_at_message(&mut self, bytes: &[u8]) -> Result<Found, WireError> {
        let begins = |start: &&str| {
            let length = start.len().min(bytes.len());
            bytes[..length].eq_ignore_ascii_case(&start.as_bytes()[..length])
        };
        let Some(start) = STARTS.iter().find(|start| begins(start)) else { return Ok(Found::Garbage) };
        if bytes.len() < start.len() {
            return Ok(Found::More);
        }
        let Some(head) = head_end(bytes, self.searched) else {
            self.searched = bytes.len();
            return if bytes.len() > MAX_HEAD_BYTES { Err(WireError::TooLong) } else { Ok(Found::More) };
        };
        let end = head.saturating_add(message::content_length(&bytes[..head]));
        if head > MAX_HEAD_BYTES || end > MAX_MESSAGE_BYTES {
            return Err(WireError::TooLong);
        }
        Ok(if bytes.len() < end { Found::More } else { Found::Message { head, end } })
    }
}

/// The end of the empty line that ends a head. None ends in the first `searched` bytes.
fn head_end(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3).min(bytes.len());
    let mut lines = bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| from + at);
    lines.find_map(|at| match bytes.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

fn beginning(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    message::shown(&String::from_utf8_lossy(&line[..line.len().min(200)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as text, messages by what they are.
    fn pieces(wire: &mut Wire, bytes: &[u8], found: &mut Vec<String>) -> Result<(), WireError> {
        let is_open = |channel| channel < 4;
        wire.feed(bytes, is_open, |piece| {
            found.push(match piece {
                Piece::Packet { channel, payload } => format!("{channel}: {}", payload.len()),
                Piece::Message(message) => format!("{:?} {:?}", message.start, String::from_utf8_lossy(&message.body)),
            });
            ControlFlow::Continue(())
        })
    }

    fn packet(channel: u8, length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        [vec![b'$', channel, high, low], vec![0x80; length.into()]].concat()
    }

    fn read(bytes: &[u8]) -> (Vec<String>, Result<(), WireError>) {
        let mut found = Vec::new();
        let result = pieces(&mut Wire::default(), bytes, &mut found);
        (found, result)
    }

    const OK: &[u8] = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n";

    fn stream() -> Vec<u8> {
        [
            OK,
            b"RTSP/1.0 200 OK\nContent-Length: 3\n\nabc",
            &packet(0, 1000),
            &packet(9, 0),
            b"\r\n",
            &packet(1, 20),
            b"OPTIONS * RTSP/1.0\r\n\r\n",
            &packet(0, 65_535),
        ]
        .concat()
    }

    #[test]
    fn interleaved_packets_and_messages_are_cut() {
        let (found, result) = read(&stream());
        let ok = "Answer { status: 200, phrase: \"OK\" }";
        let options = "Request { method: \"OPTIONS\" } \"\"";
        let expected =
            [&format!("{ok} \"\""), &format!("{ok} \"abc\""), "0: 1000", "9: 0", "1: 20", options, "0: 65535"];
        assert_eq!((found, result), (expected.map(str::to_owned).to_vec(), Ok(())));
    }

    #[test]
    fn reads_of_any_length_give_the_same_pieces() {
        let whole = read(&stream());
        for length in (1..30).chain([100, 1000, 66_000]) {
            let (mut wire, mut found) = (Wire::default(), Vec::new());
            for part in stream().chunks(length) {
                pieces(&mut wire, part, &mut found).expect("a stream");
            }
            assert_eq!(found, whole.0, "{length}");
            assert!(wire.kept.is_empty());
        }
    }

    #[test]
    fn a_packet_that_is_whole_is_not_copied() {
        let bytes = [OK, &packet(0, 1000), &packet(1, 50)].concat();
        let within = bytes.as_ptr_range();
        let mut count = 0;
        let mut wire = Wire::default();
        let result = wire.feed(
            &bytes,
            |_| true,
            |piece| {
                if let Piece::Packet { payload, .. } = piece {
                    assert!(within.contains(&payload.as_ptr()));
                    count += 1;
                }
                ControlFlow::Continue(())
            },
        );
        assert_eq!((result, count), (Ok(()), 2));
    }

    #[test]
    fn packets_are_found_again_behind_garbage() {
        // Of the packets in it one is on a channel that is not in use, one is too short and one is no RTP.
        let garbage = [&b"xyz"[..], &packet(7, 100)[..90], b"$\0\0\x01a", b"$\0\0\x10aaaaaaaa", b"RTSP"].concat();
        let bytes = [OK, &packet(0, 30), &garbage, &packet(0, 40), &packet(1, 8), OK].concat();
        let (found, result) = read(&bytes);
        assert_eq!(result, Ok(()));
        assert_eq!(found[1..4], ["0: 30", "0: 40", "1: 8"]);
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn garbage_without_end_is_an_error() {
        let result = read(&[OK, &vec![b'x'; 70_000]].concat()).1;
        assert_eq!(result, Err(WireError::Garbage));
        // Garbage before every packet is no reason to stop.
        let noisy = [&b"x"[..], &packet(0, 100)].concat().repeat(70_000);
        let (found, result) = read(&[OK, &noisy].concat());
        assert_eq!((found.len(), result), (70_001, Ok(())));
    }

    #[test]
    fn other_protocols_are_named_by_their_first_line() {
        for (bytes, line) in [
            (&b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"[..], "HTTP/1.1 400 Bad Request"),
            (b"\r\nSSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
            (b"\x15\x03\x01\0\x02\x02", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(read(bytes).1, Err(WireError::NotRtsp(line.into())));
        }
        assert_eq!(read(b"RTSP/1.0 abc\r\n\r\n").1, Err(WireError::Malformed("RTSP/1.0 abc".into())));
    }

    #[test]
    fn heads_and_bodies_are_bounded() {
        let long_head = [&b"RTSP/1.0 200 OK\r\n"[..], &b"X: y\r\n".repeat(20_000)].concat();
        assert_eq!(read(&long_head).1, Err(WireError::TooLong));
        assert_eq!(read(b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n").1, Err(WireError::TooLong));
        let (mut wire, mut found) = (Wire::default(), Vec::new());
        let result = long_head.chunks(3).try_for_each(|part| pieces(&mut wire, part, &mut found));
        assert_eq!(result, Err(WireError::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_the_same_in_any_parts(
            parts in proptest::collection::vec(
                proptest::prop_oneof![
                    proptest::strategy::Just(b"RTSP/1.0 200 OK\r\n\n".to_vec()),
                    proptest::strategy::Just(b"RTSP/1.0 200 OK\nContent-Length: 9\r\n\r\n".to_vec()),
                    proptest::strategy::Just(b"$\0\0\x08".to_vec()),
                    proptest::strategy::Just(vec![0x80; 8]),
                    proptest::collection::vec(0u8.., 0..6),
                ],
                0..20,
            ),
            length in 1usize..40,
        ) {
            let bytes = [OK, &parts.concat()].concat();
            let whole = read(&bytes);
            let (mut wire, mut found) = (Wire::default(), Vec::new());
            let result = bytes.chunks(length).try_for_each(|part| pieces(&mut wire, part, &mut found));
            if whole.1.is_ok() {
                proptest::prop_assert_eq!((found, result), whole);
            }
        }
    }
}

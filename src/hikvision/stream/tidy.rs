//! Overwrites stuffing in a program stream for ffmpeg.

/// The bytes that a start code needs behind it to be parsed: a pack header with all its stuffing.
const LOOKAHEAD: usize = 14 + 7;

/// Overwrites the stuffing of pack headers with FF.
///
/// Cameras count their frames there, in 32 bits: frame 480 since the camera was switched on puts `00 00 01 E0` into the
/// stuffing, and each 16,777,216th ends in `00 00 01`. ffmpeg does not skip stuffing but looks for the next start code,
/// takes these for one, and loses the frame behind them.
///
/// It changes the bytes in place, in chunks of any size. Where the stream breaks (a range that the ring has overwritten, a
/// camera that failed while writing) it leaves the rest unchanged, and ffmpeg resynchronizes.
#[derive(Debug, Default)]
pub struct Tidy {
    /// Bytes from the front of the next chunk to the next start code.
    next: usize,
    is_lost: bool,
}

impl Tidy {
    /// Tidies `bytes` and returns how many are done; pass the rest again with more bytes behind it, unless the stream has
    /// ended.
    pub fn tidy(&mut self, bytes: &mut [u8]) -> usize {
        while !self.is_lost {
            let Some(head) = bytes.get_mut(self.next..).filter(|head| head.len() >= LOOKAHEAD) else {
                let done = self.next.min(bytes.len());
                self.next -= done;
                return done;
            };
            match *head {
                [0, 0, 1, 0xBA, flags, ..] if flags & 0xC0 == 0x40 => {
                    let end = 14 + usize::from(head[13] & 7);
                    head[14..end].fill(0xFF);
                    self.next += end;
                }
                [0, 0, 1, 0xBB..=0xFF, high, low, ..] => self.next += 6 + usize::from(u16::from_be_bytes([high, low])),
                _ => self.is_lost = true,
            }
        }
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pack(stuffing: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 1, 0xBA, 0x44, 0, 4, 0, 4, 1, 0, 0, 3];
        bytes.push(0xF8 | u8::try_from(stuffing.len()).unwrap());
        bytes.extend(stuffing);
        bytes
    }

    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 1, 0xE0];
        bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// The output when the stream is read in chunks of these sizes.
    fn tidied(stream: &[u8], mut sizes: impl Iterator<Item = usize>) -> Vec<u8> {
        let (mut tidy, mut out, mut buffer, mut rest) = (Tidy::default(), vec![], vec![], stream);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            rest = after;
            buffer.extend(piece);
            let done = tidy.tidy(&mut buffer);
            out.extend(buffer.drain(..done));
        }
        out.extend(buffer);
        out
    }

    #[test]
    fn tidy_overwrites_only_stuffing() {
        let payload = pack(&[0, 0, 1, 0xE0]);
        let tail = packet(&[7; 40]);
        let stream = [pack(&[0xFF, 0xFF, 0, 0, 1, 0xE0]), packet(&payload), pack(&[]), tail.clone()].concat();
        let wanted = [pack(&[0xFF; 6]), packet(&payload), pack(&[]), tail].concat();
        assert_eq!(tidied(&stream, std::iter::repeat(1000)), wanted);
    }

    #[test]
    fn after_a_broken_pack_no_stuffing_is_overwritten() {
        let stream = [packet(&[1, 2, 3]), vec![9; 30], pack(&[0, 0, 1, 0xE0]), vec![0; 30]].concat();
        assert_eq!(tidied(&stream, std::iter::repeat(7)), stream);
    }

    proptest! {
        #[test]
        fn tidy_works_in_any_chunks(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..7), prop::collection::vec(any::<u8>(), 0..90)), 0..8),
            sizes in prop::collection::vec(1..40usize, 1..20),
        ) {
            let stream: Vec<u8> = parts.iter().flat_map(|(stuffing, payload)| [pack(stuffing), packet(payload)].concat()).collect();
            let whole = tidied(&stream, std::iter::repeat(usize::MAX));
            prop_assert_eq!(whole.len(), stream.len());
            prop_assert_eq!(tidied(&stream, sizes.into_iter().cycle()), whole);
        }

        #[test]
        fn tidy_keeps_the_number_of_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1..50usize) {
            prop_assert_eq!(tidied(&bytes, std::iter::repeat(size)).len(), bytes.len());
        }
    }
}

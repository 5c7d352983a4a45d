//! A cheap check that a segment has the beginning and, where the container gives it, the end of its format. It does not
//! verify every frame.
//!
//! ffmpeg reports a segment complete even if the disk was full and half of it is missing. Reading all of it again would
//! cost as much as recording it, so footage looks for the traces of a full disk, a killed ffmpeg or a lost write: an empty
//! file, another signature, boxes that go beyond the end of the file.
//!
//! | container | checked | source |
//! | --- | --- | --- |
//! | Matroska | the EBML header | RFC 8794 §11.2.1 |
//! | MPEG-TS | packets of 188 bytes that begin with 0x47: the first and the last | ISO/IEC 13818-1 §2.4.3.2 |
//! | MP4 | the chain of boxes, and that a fragment or a `mdat` is among them | ISO/IEC 14496-12 §4.2 |

use std::io::{self, Read, Seek, SeekFrom};

use super::name::Container;
use crate::mp4::{Structure, structure};

const EBML: [u8; 4] = [0x1A, 0x45, 0xDF, 0xA3];
const TS_PACKET_BYTES: u64 = 188;
const TS_SYNC: u8 = 0x47;
/// The bytes that ffmpeg writes before the first frame of an MP4 file: a file of this length has no frame.
const MIN_BYTES: u64 = 64;

/// What is wrong with a segment of `length` bytes; `None` if nothing is.
///
/// # Errors
/// The file cannot be read.
pub fn fault(container: Container, file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<String>> {
    if length < MIN_BYTES {
        return Ok(Some(if length == 0 { "it is empty".into() } else { format!("it has {length} bytes") }));
    }
    file.seek(SeekFrom::Start(0))?;
    match container {
        Container::Mkv => {
            let mut front = [0; 4];
            file.read_exact(&mut front)?;
            Ok((front != EBML).then(|| "it does not begin with a Matroska header".into()))
        }
        Container::Ts => {
            let mut byte = [0];
            file.read_exact(&mut byte)?;
            let is_first = byte[0] == TS_SYNC;
            let last = (length / TS_PACKET_BYTES).saturating_sub(1) * TS_PACKET_BYTES;
            file.seek(SeekFrom::Start(last))?;
            file.read_exact(&mut byte)?;
            Ok((!is_first || byte[0] != TS_SYNC).then(|| "it is no MPEG transport stream".into()))
        }
        Container::Mp4 => Ok(match structure(file, length)? {
            Structure::Whole => None,
            Structure::Broken(why) => Some(why),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn is_fine(container: Container, bytes: &[u8]) -> bool {
        fault(container, &mut Cursor::new(bytes), bytes.len() as u64).expect("memory can be read").is_none()
    }

    #[test]
    fn container_signatures_are_distinguished() {
        let mkv = [&EBML[..], &[0; 200]].concat();
        let mut ts = vec![0; 188 * 3];
        ts.iter_mut().step_by(188).for_each(|byte| *byte = TS_SYNC);
        let mp4 = [&100_u32.to_be_bytes()[..], b"ftyp", &[0; 92]].concat();
        let all = [(Container::Mkv, mkv), (Container::Ts, ts), (Container::Mp4, mp4)];
        for (container, bytes) in &all {
            for (of, other) in &all {
                assert_eq!(is_fine(*container, other), container == of, "{of:?} as {container:?}");
            }
            assert!(!is_fine(*container, &bytes[..10]));
            assert!(!is_fine(*container, &[]));
            assert!(!is_fine(*container, &vec![0; 4096]));
        }
        assert!(!is_fine(Container::Mp4, &all[2].1[..99]));
    }
}

//! A cheap check that a segment has the beginning and, where the container gives it, the end of its format. It does not
//! verify every frame.
//!
//! Reading all of a segment again would cost as much as recording it, so footage looks for the traces of a full disk or a lost
//! write: an empty file, another signature, boxes that go beyond the end of the file.
//!
//! | container | checked | source |
//! | --- | --- | --- |
//! | Matroska | the EBML header | RFC 8794 §11.2.1 |
//! | MPEG-TS | packets of 188 bytes that begin with 0x47: the first and the last | ISO/IEC 13818-1 §2.4.3.2 |
//! | MP4 | the chain of boxes, and that a fragment or a `mdat` is among them | ISO/IEC 14496-12 §4.2 |

use std::io::{self, Read, Seek, SeekFrom};

use super::name::Container;
use crate::media::ts;
use crate::mp4::{Structure, structure};

const EBML: [u8; 4] = [0x1A, 0x45, 0xDF, 0xA3];
const TS_PACKET_BYTES: u64 = ts::PACKET_BYTES as u64;
/// Fewer bytes than any container has before its first frame.
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
            let is_first = byte[0] == ts::SYNC_BYTE;
            let last = (length / TS_PACKET_BYTES).saturating_sub(1) * TS_PACKET_BYTES;
            file.seek(SeekFrom::Start(last))?;
            file.read_exact(&mut byte)?;
            Ok((!is_first || byte[0] != ts::SYNC_BYTE).then(|| "it is no MPEG transport stream".into()))
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
        ts.iter_mut().step_by(188).for_each(|byte| *byte = ts::SYNC_BYTE);
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

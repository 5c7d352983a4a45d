//! One JPEG out of a range of a `.pic` file.
//!
//! A `.pic` file holds JPEGs one after the other; some begin with 8 B of prefix, the letters `vuFj` and a number, and
//! the range of the index may be longer than the JPEG in it. The end follows from the JPEG's own structure (ITU-T T.81,
//! Annex B), for the two bytes FF D9 may occur earlier, in the thumbnail of an Exif segment, and later, in the remains of
//! another picture.

/// The largest picture that footage reads: far more than any camera makes, and little memory.
pub const MAX_PICTURE_LEN: u64 = 64 << 20;

/// Encrypted pictures begin with this.
const ENCRYPTED: &[u8] = b"hikencodepicture";
/// The greatest offset of a picture in its range: some firmware pads it by a few bytes.
const MAX_PREFIX: usize = 512;

const START_OF_IMAGE: u8 = 0xD8;
const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;

/// Why a range holds no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Stored encrypted.
    #[error("the picture is encrypted: turn image encryption off in the camera to have the next ones")]
    Encrypted,
    /// Never written, or overwritten by something else.
    #[error("there is no JPEG at its start")]
    NoJpeg,
    /// The ring has moved on within it, or the camera failed while writing.
    #[error("the JPEG has no end")]
    NoEnd {
        /// Its offset in the range: viewers may show the part that is there.
        start: usize,
    },
}

/// The JPEG in `range`.
///
/// # Errors
/// If there is none, or it is encrypted or incomplete.
pub fn cut(range: &[u8]) -> Result<&[u8], PictureError> {
    let front = &range[..range.len().min(MAX_PREFIX)];
    let start = find(front, &[0xFF, START_OF_IMAGE, 0xFF]);
    let before = &front[..start.unwrap_or(front.len())];
    if find(before, ENCRYPTED).is_some() {
        return Err(PictureError::Encrypted);
    }
    let start = start.ok_or(PictureError::NoJpeg)?;
    let jpeg = &range[start..];
    let no_end = PictureError::NoEnd { start };
    let length = match end(jpeg).ok_or(no_end)? {
        End::At(length) => length,
        // Viewers may show such a picture all the same; it ends with the last FF D9.
        End::Unknown => {
            jpeg.windows(2).rposition(|pair| pair == [0xFF, END_OF_IMAGE]).map(|at| at + 2).ok_or(no_end)?
        }
    };
    Ok(&jpeg[..length])
}

/// Where a JPEG ends.
enum End {
    /// After so many bytes.
    At(usize),
    /// The markers do not lead to an end.
    Unknown,
}

/// Goes from marker to marker to the end of the JPEG at the front of `bytes`; `None` if the bytes end first.
fn end(bytes: &[u8]) -> Option<End> {
    let mut at = 2;
    loop {
        let [0xFF, marker] = *bytes.get(at..)?.first_chunk()? else {
            return Some(End::Unknown);
        };
        match marker {
            END_OF_IMAGE => return Some(End::At(at + 2)),
            0xFF => at += 1,                                    // fill byte
            0x01 | 0xD0..=0xD7 => at += 2,                      // no body
            0x00 | START_OF_IMAGE => return Some(End::Unknown), // no marker here
            _ => {
                let length = usize::from(u16::from_be_bytes(*bytes.get(at + 2..)?.first_chunk()?));
                if length < 2 {
                    return Some(End::Unknown);
                }
                at += 2 + length;
                if marker == START_OF_SCAN {
                    at += scan_len(bytes.get(at..)?)?;
                }
            }
        }
    }
}

/// The length of the coded data at the front of `bytes`: up to the next marker that is not a restart.
fn scan_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xFF | 0xD0..=0xD7))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A JPEG in structure: an Exif segment with a whole JPEG as its thumbnail, a scan with a restart and a stuffed FF.
    fn jpeg() -> Vec<u8> {
        let thumbnail = [0xFF, 0xD8, 0xFF, 0xDA, 0, 2, 7, 0xFF, 0xD9];
        let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1, 0, 2 + 9];
        bytes.extend(thumbnail);
        bytes.extend([0xFF, 0xDA, 0, 4, 1, 2]);
        bytes.extend([9, 0xFF, 0x00, 0xFF, 0xD0, 8, 0xFF, 0xD9]);
        bytes
    }

    #[test]
    fn an_exif_thumbnail_does_not_end_the_jpeg() {
        assert_eq!(cut(&jpeg()), Ok(&jpeg()[..]));
    }

    #[test]
    fn remnants_of_another_picture_are_cut_off() {
        let mut range = jpeg();
        range.extend([0, 0, 3, 0xFF, 0xD9, 0]);
        assert_eq!(cut(&range), Ok(&jpeg()[..]));
    }

    #[test]
    fn bytes_before_a_jpeg_are_cut_off() {
        let mut range = b"vuFj\x12\x34\x56\x78".to_vec();
        range.extend(jpeg());
        assert_eq!(cut(&range), Ok(&jpeg()[..]));
    }

    #[test]
    fn an_encrypted_picture_is_refused() {
        let mut range = b"hikencodepicture".to_vec();
        range.extend(b"0123456789abcdef0123456789abcdef");
        range.extend(jpeg());
        assert_eq!(cut(&range), Err(PictureError::Encrypted));
        range.splice(0..0, *b"vuFj\0\0\0\0");
        assert_eq!(cut(&range), Err(PictureError::Encrypted));
    }

    #[test]
    fn a_jpeg_with_a_damaged_structure_ends_at_its_last_end_marker() {
        let mut range = jpeg();
        range[2..6].copy_from_slice(&[0xFF, 0xE1, 0, 0]);
        assert_eq!(cut(&range), Ok(&range[..]));
    }

    #[test]
    fn bytes_that_are_no_jpeg_are_refused() {
        assert_eq!(cut(&[]), Err(PictureError::NoJpeg));
        assert_eq!(cut(&[0; 4096]), Err(PictureError::NoJpeg));
    }

    #[test]
    fn a_picture_cut_off_anywhere_is_refused() {
        for length in 3..jpeg().len() {
            assert_eq!(cut(&jpeg()[..length]), Err(PictureError::NoEnd { start: 0 }), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_picture_bytes_give_a_jpeg_or_none(mut bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..30usize, whole: bool) {
            if whole {
                let at = at.min(bytes.len());
                bytes.splice(at..at, jpeg());
            }
            if let Ok(jpeg) = cut(&bytes) {
                prop_assert!(jpeg.starts_with(&[0xFF, 0xD8, 0xFF]) && jpeg.ends_with(&[0xFF, 0xD9]));
            }
        }
    }
}

//! A file that was never closed, and ends in the middle of a box.

use std::io::{self, Read, Seek, SeekFrom};

/// How many bytes of an open file play, of `length` that it has: all but a `moof` that is cut off at its end. ffmpeg opens no
/// file that ends in one, though it reads as much of a frame as there is.
///
/// # Errors
/// The file cannot be read.
pub fn playable_bytes(file: &mut (impl Read + Seek), length: u64) -> io::Result<u64> {
    let mut at = 0;
    while length - at >= 8 {
        let mut header = [0; 8];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut header)?;
        let [s0, s1, s2, s3, kind @ ..] = header;
        let size = u64::from(u32::from_be_bytes([s0, s1, s2, s3]));
        // No box of an open file is larger than 4 GiB, or states no size.
        if size < 8 || (size > length - at && kind != *b"moof") {
            return Ok(length);
        }
        if size > length - at {
            return Ok(at);
        }
        at += size;
    }
    Ok(at)
}

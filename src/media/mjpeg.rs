//! JPEGs out of an HTTP response, as cameras send them: `multipart/x-mixed-replace`, or something like it.
//!
//! What is around a picture is not believed: boundaries are missing, doubled, quoted or other ones than announced,
//! `Content-Length` lies, headers lack. A JPEG says itself where it begins and ends (ITU-T T.81, Annex B), so the reader
//! goes from marker to marker, past thumbnails in segments, through the scan to the end. A `Content-Length`, or a boundary
//! where there is none, only helps where a camera leaves that end out.
//!
//! Written by hand: crates for multipart refuse such streams, and those that decode JPEG want a whole picture.

use memchr::memmem;

/// The largest picture that is read.
pub const MAX_PICTURE_BYTES: usize = 16 << 20;
/// After so much that is no picture, the response holds none.
const MAX_BYTES_BETWEEN: usize = 1 << 20;
/// So much in front of a picture is looked at for its headers.
const MAX_HEADER_BYTES: usize = 4 << 10;
/// In front of the scan of a picture there are at most so many bytes, in so many segments.
const MAX_FRONT_BYTES: usize = 1 << 20;
const MAX_SEGMENTS: usize = 512;

const START_OF_PICTURE: [u8; 3] = [0xFF, 0xD8, 0xFF];
/// The marker behind the last scan.
pub const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];

/// Why nothing more can be read from a response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MjpegError {
    /// Something else than JPEGs.
    #[error("cannot read pictures: there is no JPEG in 1 MiB of what the camera sends as {0:?}")]
    NoPicture(String),
    /// A picture does not end.
    #[error("cannot read pictures: one is larger than 16 MiB")]
    TooLarge,
}

/// Width and height of a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JpegSize {
    /// In pixels.
    pub width: u32,
    /// In pixels; 0 where only the end of the first scan says it.
    pub height: u32,
}

impl JpegSize {
    /// The size of a whole picture; `None` if it is none.
    #[must_use]
    pub fn of(picture: &[u8]) -> Option<Self> {
        let mut rest = picture.strip_prefix(&START_OF_PICTURE[..2])?;
        loop {
            let marker = *rest.get(1).filter(|_| rest[0] == 0xFF)?;
            match marker {
                0xFF => rest = &rest[1..],
                0x01 | 0xD0..=0xD7 => rest = &rest[2..],
                _ if is_frame_header(marker) => return Self::of_frame_header(rest),
                0xDA | 0xD9 => return None,
                _ => rest = rest.get(2 + segment_length(rest)?..)?,
            }
        }
    }

    /// The size in a frame header, which begins with its marker.
    pub(super) fn of_frame_header(segment: &[u8]) -> Option<Self> {
        let [_, _, _, _, _, height_high, height_low, width_high, width_low] = *segment.first_chunk()?;
        let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
        Some(Self { width: side(width_high, width_low), height: side(height_high, height_low) })
    }
}

/// Reads pictures out of the body of a response, whose chunks are already joined.
pub struct MjpegReader {
    content_type: String,
    bytes: Vec<u8>,
    /// Where in `bytes` the picture begins, or what is in front of the next one.
    start: usize,
    /// The picture whose beginning has come.
    walk: Option<Walk>,
    bytes_between: usize,
    truncated_pictures: u64,
}

/// How far a picture has been followed. Places count from its beginning.
struct Walk {
    at: usize,
    stage: Stage,
    segments: usize,
    has_frame_header: bool,
    /// The part whose headers are right in front of it.
    part: Option<Part>,
}

struct Part {
    content_length: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Segments in front of the first scan.
    Front,
    /// Coded data.
    Scan,
}

/// What a look at a picture shows.
enum Step {
    /// It goes on with bytes that have not come.
    More,
    /// It ends here.
    End(usize),
    /// It has no scan, or no right one: the next picture begins behind this place at the earliest.
    Broken(usize),
    /// Within its scan another picture begins.
    Next(usize),
}

impl MjpegReader {
    /// A reader of a response with this `Content-Type`, which only an error names.
    #[must_use]
    pub fn new(content_type: Option<&str>) -> Self {
        Self {
            content_type: content_type.unwrap_or("no type").chars().take(80).collect(),
            bytes: Vec::new(),
            start: 0,
            walk: None,
            bytes_between: 0,
            truncated_pictures: 0,
        }
    }

    /// How many pictures ended too early, and were left out.
    #[must_use]
    pub fn truncated_pictures(&self) -> u64 {
        self.truncated_pictures
    }

    /// Takes what has come, and appends each picture that is complete with it.
    ///
    /// # Errors
    /// If there is no picture in it: nothing more can be read then.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Vec<u8>>) -> Result<(), MjpegError> {
        self.bytes.extend(bytes);
        while self.step(out)? {}
        self.bytes.drain(..self.start);
        self.start = 0;
        Ok(())
    }

    /// The response is over: appends the last picture if only its end marker lacks.
    pub fn finish(&mut self, out: &mut Vec<Vec<u8>>) {
        let Some(walk) = self.walk.take() else { return };
        if walk.stage == Stage::Scan && walk.part.is_some_and(|part| part.content_length == Some(self.bytes.len())) {
            self.take(self.bytes.len(), out);
        } else {
            self.truncated_pictures += 1;
        }
    }

    /// Goes on to the next place where something is decided; whether there was one.
    fn step(&mut self, out: &mut Vec<Vec<u8>>) -> Result<bool, MjpegError> {
        let Some(walk) = &mut self.walk else { return self.find_picture() };
        let picture = &self.bytes[self.start..];
        match walk.step(picture) {
            Step::More if picture.len() > MAX_PICTURE_BYTES => return Err(MjpegError::TooLarge),
            Step::More => return Ok(false),
            Step::End(end) if end > MAX_PICTURE_BYTES => return Err(MjpegError::TooLarge),
            Step::End(end) => self.take(end, out),
            Step::Broken(end) => {
                self.truncated_pictures += 1;
                self.leave(end);
            }
            Step::Next(at) => {
                if let Some(end) = walk.end_without_marker(&picture[..at]) {
                    self.take(end, out);
                } else {
                    self.truncated_pictures += 1;
                    self.leave(at);
                }
            }
        }
        Ok(true)
    }

    /// Looks for the beginning of a picture; whether there is one.
    fn find_picture(&mut self) -> Result<bool, MjpegError> {
        let between = &self.bytes[self.start..];
        let Some(at) = memmem::find(between, &START_OF_PICTURE) else {
            // Of what is no picture, the last bytes may be headers.
            let passed = between.len().saturating_sub(MAX_HEADER_BYTES);
            self.start += passed;
            self.bytes_between += passed;
            if self.bytes_between > MAX_BYTES_BETWEEN {
                return Err(MjpegError::NoPicture(self.content_type.clone()));
            }
            return Ok(false);
        };
        self.bytes_between = self.bytes_between.saturating_add(at);
        let headers = &between[at.saturating_sub(MAX_HEADER_BYTES)..at];
        self.walk = Some(Walk {
            at: 2,
            stage: Stage::Front,
            segments: 0,
            has_frame_header: false,
            part: without_blank_line(headers).map(|headers| Part { content_length: content_length(headers) }),
        });
        self.start += at;
        Ok(true)
    }

    /// The first `end` bytes are a picture.
    fn take(&mut self, end: usize, out: &mut Vec<Vec<u8>>) {
        let mut picture = self.bytes[self.start..][..end].to_vec();
        if !picture.ends_with(&END_OF_IMAGE) {
            picture.extend(END_OF_IMAGE);
        }
        out.push(picture);
        self.bytes_between = 0;
        self.leave(end);
    }

    /// The first `end` bytes are done with.
    fn leave(&mut self, end: usize) {
        self.start += end;
        self.walk = None;
    }
}

impl Walk {
    fn step(&mut self, picture: &[u8]) -> Step {
        loop {
            let step = match self.stage {
                Stage::Front => self.front(picture),
                Stage::Scan => self.scan(picture),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// The next segment in front of the first scan. One that does not lead to a marker is broken. Where pictures have no
    /// headers, the next one may begin within it, and so may a thumbnail.
    fn front(&mut self, picture: &[u8]) -> Option<Step> {
        let broken = Some(Step::Broken(if self.part.is_some() { self.at } else { 2 }));
        if self.segments > MAX_SEGMENTS || self.at > MAX_FRONT_BYTES {
            return broken;
        }
        let rest = picture.get(self.at..).unwrap_or_default();
        let [first, marker, ..] = *rest else { return Some(Step::More) };
        match marker {
            _ if first != 0xFF => return broken,
            0xFF => self.at += 1,
            0x01 | 0xD0..=0xD7 => self.at += 2,
            0x00 | 0xD8 => return broken,
            // Tables without a picture.
            0xD9 => return Some(Step::Broken(self.at + 2)),
            _ => {
                if rest.len() < 4 {
                    return Some(Step::More);
                }
                let Some(length) = segment_length(rest) else { return broken };
                let end = 2 + length;
                // With the marker behind it, which may be the rest of a beginning.
                if let Some(next) = next_part(&rest[..rest.len().min(end + 2)]) {
                    return Some(Step::Broken(self.at + next));
                }
                if rest.len() < end + 2 {
                    return Some(Step::More);
                }
                self.has_frame_header |= is_frame_header(marker);
                self.segments += 1;
                self.at += end;
                if marker == 0xDA {
                    if !self.has_frame_header {
                        return broken;
                    }
                    self.stage = Stage::Scan;
                }
            }
        }
        None
    }

    /// On to the next marker within or behind a scan.
    fn scan(&mut self, picture: &[u8]) -> Option<Step> {
        let rest = picture.get(self.at..).unwrap_or_default();
        let Some(skipped) = memchr::memchr(0xFF, rest) else {
            self.at = self.at.max(picture.len());
            return Some(Step::More);
        };
        self.at += skipped;
        let rest = &rest[skipped..];
        let Some(marker) = rest.get(1) else { return Some(Step::More) };
        match marker {
            0xFF => self.at += 1,
            0xD9 => return Some(Step::End(self.at + 2)),
            0xD8 => return Some(Step::Next(self.at)),
            // Of progressive pictures: tables, comments, another scan. What leads to no marker is broken data.
            0xC4 | 0xDA..=0xDD | 0xE0..=0xEF | 0xFE => {
                if rest.len() < 4 {
                    return Some(Step::More);
                }
                let Some(length) = segment_length(rest) else {
                    self.at += 2;
                    return None;
                };
                match rest.get(2 + length) {
                    None => return Some(Step::More),
                    Some(0xFF) => self.at += 2 + length,
                    Some(_) if *marker == 0xDA && matches!(length, 8 | 10 | 12 | 14) => self.at += 2 + length,
                    Some(_) => self.at += 2,
                }
            }
            _ => self.at += 2,
        }
        None
    }

    /// Where a picture without an end marker ends, if `bytes` are all up to the next picture: where its `Content-Length`
    /// says and a boundary follows, or at the boundary if there is no length.
    fn end_without_marker(&self, bytes: &[u8]) -> Option<usize> {
        let end = if let Some(length) = self.part.as_ref()?.content_length {
            length
        } else {
            let from = bytes.len().saturating_sub(MAX_HEADER_BYTES);
            let at = from + memmem::rfind(&bytes[from..], b"\n--")?;
            if at > 0 && bytes[at - 1] == b'\r' { at - 1 } else { at }
        };
        let behind = bytes.get(end..)?;
        let behind = behind.strip_prefix(b"\r").unwrap_or(behind);
        (behind.starts_with(b"\n--") && end >= 2).then_some(end)
    }
}

/// Where in a segment the picture of another part begins, behind a blank line: the one before is truncated.
fn next_part(segment: &[u8]) -> Option<usize> {
    memmem::find_iter(segment, &START_OF_PICTURE).find(|at| without_blank_line(&segment[..*at]).is_some())
}

/// Headers, without the blank line at their end; `None` if there is none.
fn without_blank_line(headers: &[u8]) -> Option<&[u8]> {
    let headers = headers.strip_suffix(b"\n")?;
    headers.strip_suffix(b"\r").unwrap_or(headers).strip_suffix(b"\n")
}

/// The `Content-Length` in the headers of a part.
fn content_length(headers: &[u8]) -> Option<usize> {
    let lines = headers.rsplit(|byte| *byte == b'\n');
    lines.map_while(|line| std::str::from_utf8(line).ok().map(str::trim)).take_while(|line| !line.is_empty()).find_map(
        |line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        },
    )
}

/// The length in a segment that begins with its marker; `None` if it cannot be.
fn segment_length(segment: &[u8]) -> Option<usize> {
    let [_, _, high, low] = *segment.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    (length >= 2).then_some(length)
}

fn is_frame_header(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
}

#[cfg(test)]
mod tests;

//! JPEG (RFC 2435): the payload is the scan alone; what is in front of it in a file is made again.

use std::time::Instant;

use super::stream::{Beginning, Depacketizer, MAX_FRAME_BYTES, Output, Payload};
use super::{Format, fmtp};
use crate::media::mjpeg::{END_OF_IMAGE, JpegSize};
use crate::media::{Codec, Shape, Track};

mod tables;
#[cfg(test)]
mod tests;

/// What ONVIF (Streaming Specification, 5.1.3) calls a header extension with marker segments, for pictures whose size, or
/// whose tables, have no room in RFC 2435.
const ONVIF_EXTENSION: u16 = 0xFFD8;

/// Quantization tables are kept for as many values of Q as exist for them.
const FIRST_Q_WITH_TABLES: u8 = 128;
/// Tables under this Q change from picture to picture.
const Q_OF_ONE_PICTURE: u8 = 255;

/// Puts pictures together.
struct Jpegs {
    /// Stated in the SDP, for pictures that are too large to say it.
    sdp_size: Option<JpegSize>,
    track: Option<Track>,
    open: Option<Picture>,
    /// The time stamp of a picture that is left out.
    left_out: Option<i64>,
    has_begun: bool,
    /// The tables last sent with each Q from 128 on, and which of them are of 16 bits.
    tables: Vec<Option<Tables>>,
}

#[derive(Clone)]
struct Tables {
    /// A bit for each table, the lowest for the first.
    is_wide: u8,
    bytes: Vec<u8>,
}

/// The picture that is being put together.
struct Picture {
    ticks: i64,
    arrived: Instant,
    size: JpegSize,
    header_bytes: usize,
    data: Vec<u8>,
}

pub(super) fn begin(format: &Format) -> Beginning {
    let sdp_size = fmtp::parameter(&format.fmtp, "x-dimensions").and_then(|text| {
        let (width, height) = text.split_once(',')?;
        Some(JpegSize { width: width.trim().parse().ok()?, height: height.trim().parse().ok()? })
    });
    (Box::new(Jpegs { sdp_size, track: None, open: None, left_out: None, has_begun: false, tables: Vec::new() }), None)
}

/// The fields of the headers in front of a payload (RFC 2435, 3.1).
struct Header<'a> {
    offset: usize,
    kind: u8,
    q: u8,
    /// 0 where it has no room.
    size: JpegSize,
    /// In blocks; 0 is none.
    restart_interval: u16,
    rest: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[_, high, middle, low, kind, q, width, height], mut rest) = bytes.split_first_chunk()?;
        let mut restart_interval = 0;
        if (64..128).contains(&kind) {
            let (&[interval_high, interval_low, _, _], behind) = rest.split_first_chunk()?;
            restart_interval = u16::from_be_bytes([interval_high, interval_low]);
            rest = behind;
        }
        Some(Self {
            offset: usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()?,
            kind,
            q,
            size: JpegSize { width: 8 * u32::from(width), height: 8 * u32::from(height) },
            restart_interval,
            rest,
        })
    }

    /// The tables in band (3.1.8), which are behind the headers of the first packet of a picture. `None` if they are cut.
    fn take_tables(&mut self) -> Option<Tables> {
        let (&[_, is_wide, high, low], behind) = self.rest.split_first_chunk()?;
        let (bytes, behind) = behind.split_at_checked(u16::from_be_bytes([high, low]).into())?;
        self.rest = behind;
        Some(Tables { is_wide, bytes: bytes.to_vec() })
    }
}

impl Jpegs {
    /// Begins a picture with its first packet; whether that makes sense.
    fn begin_picture(&mut self, mut header: Header, payload: &Payload, out: &mut Output) -> bool {
        // The types that say how they are sampled: 4:2:2 and 4:2:0, and both with restart intervals.
        if header.kind & !64 > 1 {
            return false;
        }
        let sent = match header.q {
            FIRST_Q_WITH_TABLES.. => match header.take_tables() {
                Some(tables) => Some(tables),
                None => return false,
            },
            _ => None,
        };
        let extension = payload.extension.filter(|(id, _)| *id == ONVIF_EXTENSION).map_or(&[][..], |(_, bytes)| bytes);
        let extra = Segments::read(extension);
        let Some(tables) = self.tables_of(header.q, sent).or_else(|| extra.has_tables.then(Tables::none)) else {
            return false;
        };
        let is_known = |size: &JpegSize| size.width > 0 && size.height > 0;
        let Some(size) = extra.size.or(Some(header.size).filter(is_known)).or(self.sdp_size).filter(is_known) else {
            out.counts.pictures_without_size += 1;
            return true;
        };
        let mut data = Vec::with_capacity(1024 + header.rest.len());
        extra.write(&header, size, &tables, &mut data);
        let header_bytes = data.len();
        data.extend(header.rest);
        self.open = Some(Picture { ticks: payload.ticks, arrived: payload.arrived, size, header_bytes, data });
        true
    }

    /// The tables of a picture: sent with it, sent before, or made of Q.
    fn tables_of(&mut self, q: u8, sent: Option<Tables>) -> Option<Tables> {
        let Some(index) = q.checked_sub(FIRST_Q_WITH_TABLES) else { return Some(Tables::of_quality(q)) };
        let sent = sent.filter(Tables::is_whole);
        if q == Q_OF_ONE_PICTURE {
            return sent;
        }
        let index = usize::from(index);
        if self.tables.len() <= index {
            self.tables.resize(index + 1, None);
        }
        if sent.is_some() {
            self.tables[index] = sent;
        }
        self.tables[index].clone()
    }

    /// Counts a picture as dropped, once.
    fn drop_picture(&mut self, ticks: i64, out: &mut Output) {
        if self.left_out.replace(ticks) != Some(ticks) {
            out.counts.dropped_frames += 1;
        }
    }

    fn end_picture(&mut self, mut picture: Picture, out: &mut Output) {
        // Some end what they send with padding, or with the marker that is due.
        if !picture.data.ends_with(&END_OF_IMAGE) {
            picture.data.extend(END_OF_IMAGE);
        }
        let JpegSize { width, height } = picture.size;
        let track = Track { codec: Codec::Jpeg, shape: Shape::Video { width, height } };
        let is_new = self.track.as_ref() != Some(&track);
        if is_new {
            self.track = Some(track.clone());
        }
        out.independent(picture.ticks, picture.arrived, picture.data, is_new.then_some(track));
    }
}

impl Depacketizer for Jpegs {
    fn push(&mut self, payload: &Payload, out: &mut Output) {
        let open = self.open.take();
        let Some(header) = Header::parse(payload.bytes) else {
            out.counts.malformed_packets += u64::from(!payload.bytes.is_empty());
            self.open = open;
            return;
        };
        if header.offset == 0 {
            match open {
                // Without a marker; its end can only be missing if a packet is.
                Some(open) if !payload.after_gap && open.ticks != payload.ticks => self.end_picture(open, out),
                Some(open) => self.drop_picture(open.ticks, out),
                None => {}
            }
            if !self.begin_picture(header, payload, out) {
                out.counts.malformed_packets += 1;
            }
            if self.open.is_none() {
                self.left_out = Some(payload.ticks);
            }
        } else {
            let rest = header.rest;
            let fits = |open: &Picture| {
                let end = open.data.len() - open.header_bytes;
                open.ticks == payload.ticks && header.offset == end && open.data.len() + rest.len() <= MAX_FRAME_BYTES
            };
            match open {
                Some(mut open) if fits(&open) => {
                    open.data.extend(rest);
                    self.open = Some(open);
                }
                Some(open) => {
                    self.drop_picture(open.ticks, out);
                    self.drop_picture(payload.ticks, out);
                }
                // Who joins in the middle of a picture has lost nothing.
                None if self.has_begun => self.drop_picture(payload.ticks, out),
                None => self.left_out = Some(payload.ticks),
            }
        }
        self.has_begun = true;
        if payload.marker
            && let Some(picture) = self.open.take()
        {
            self.end_picture(picture, out);
        }
    }

    fn finish(&mut self, out: &mut Output) {
        // Its marker has not come.
        out.counts.dropped_frames += u64::from(self.open.take().is_some());
    }
}

impl Tables {
    fn none() -> Self {
        Self { is_wide: 0, bytes: Vec::new() }
    }

    /// RFC 2435, appendix A.
    fn of_quality(q: u8) -> Self {
        let factor = u32::from(q.clamp(1, 99));
        let scale = if factor < 50 { 5000 / factor } else { 200 - 2 * factor };
        let scaled = |value: &u8| u8::try_from(((u32::from(*value) * scale + 50) / 100).clamp(1, 255)).unwrap_or(255);
        Self { is_wide: 0, bytes: tables::LUMA.iter().chain(&tables::CHROMA).map(scaled).collect() }
    }

    fn is_whole(&self) -> bool {
        self.each().next().is_some()
    }

    /// Each table, and whether its numbers have 16 bits.
    fn each(&self) -> impl Iterator<Item = (bool, &[u8])> {
        let mut rest = self.bytes.as_slice();
        (0..4).map_while(move |number| {
            let is_wide = self.is_wide >> number & 1 == 1;
            let (table, behind) = rest.split_at_checked(if is_wide { 128 } else { 64 })?;
            rest = behind;
            Some((is_wide, table))
        })
    }
}

/// Marker segments of a header extension.
#[derive(Default)]
struct Segments<'a> {
    bytes: Vec<&'a [u8]>,
    size: Option<JpegSize>,
    has_tables: bool,
    has_codes: bool,
    has_interval: bool,
}

impl<'a> Segments<'a> {
    fn read(mut rest: &'a [u8]) -> Self {
        let mut segments = Self::default();
        while let [0xFF, marker, ..] = *rest {
            if matches!(marker, 0xD8 | 0xFF) {
                rest = &rest[if marker == 0xFF { 1 } else { 2 }..];
                continue;
            }
            let Some([high, low]) = rest.get(2..).and_then(|rest| rest.first_chunk()) else { break };
            let Some((segment, behind)) = rest.split_at_checked(2 + usize::from(u16::from_be_bytes([*high, *low])))
            else {
                break;
            };
            match marker {
                0xC0 | 0xC1 => segments.size = JpegSize::of_frame_header(segment),
                0xC4 => segments.has_codes = true,
                0xDA => break,
                0xDB => segments.has_tables = true,
                0xDD => segments.has_interval = true,
                _ => {}
            }
            segments.bytes.push(segment);
            rest = behind;
        }
        segments
    }

    /// Writes all that stands in front of a scan (ITU-T T.81, B.2; JFIF 1.02), these segments before others.
    fn write(&self, header: &Header, size: JpegSize, tables: &Tables, out: &mut Vec<u8>) {
        out.extend(b"\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00");
        self.bytes.iter().for_each(|segment| out.extend(*segment));
        let mut is_wide = false;
        let mut count = 0;
        if !self.has_tables {
            for (number, (wide, table)) in (0_u8..).zip(tables.each()) {
                out.extend([0xFF, 0xDB, 0, if wide { 131 } else { 67 }, u8::from(wide) << 4 | number]);
                out.extend(table);
                is_wide |= wide;
                count += 1;
            }
        }
        if header.restart_interval > 0 && !self.has_interval {
            out.extend([0xFF, 0xDD, 0, 4]);
            out.extend(header.restart_interval.to_be_bytes());
        }
        if self.size.is_none() {
            // Only the sequential process has tables of 16 bits.
            out.extend([0xFF, if is_wide { 0xC1 } else { 0xC0 }, 0, 17, 8]);
            let two_bytes = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX).to_be_bytes();
            out.extend(two_bytes(size.height));
            out.extend(two_bytes(size.width));
            let luma_sampling = if header.kind & 1 == 0 { 0x21 } else { 0x22 };
            // One table is of all components.
            let chroma_table = u8::from(count > 1 || self.has_tables);
            out.extend([3, 1, luma_sampling, 0, 2, 0x11, chroma_table, 3, 0x11, chroma_table]);
        }
        if !self.has_codes {
            for (class_and_number, lengths, values) in tables::CODES {
                out.extend([0xFF, 0xC4]);
                out.extend(u16::try_from(3 + lengths.len() + values.len()).unwrap_or(0).to_be_bytes());
                out.push(class_and_number);
                out.extend(lengths);
                out.extend(values);
            }
        }
        out.extend([0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    }
}

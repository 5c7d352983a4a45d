//! From the packets of one stream to its frames.

use std::time::Instant;

use super::access_unit::AccessUnits;
use super::packet::RtpPacket;
use super::sequence::{Order, Transport};
use super::timestamp::Unwrapper;
use super::{Format, aac, jpeg, latm, mpeg_audio, samples};
use crate::media::Track;
use crate::media::nal::Standard;

/// The largest frame that is put together; what is larger is dropped.
pub const MAX_FRAME_BYTES: usize = 16 << 20;

/// One frame, or the samples of one packet.
///
/// **Losses.** A frame of which bytes are missing is dropped and [counted](Counts::dropped_frames): what is recorded was
/// sent. The frames after it are whole, and are kept as the server sent them; those that may refer to what is missing, up
/// to the next key frame, are [marked](Frame::is_damaged).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When it is shown, in ticks of the format's clock. Frames come in the order of decoding.
    pub ticks: i64,
    /// When its first packet arrived.
    pub arrived: Instant,
    /// Whether decoding can begin here. Always true for audio and JPEG.
    pub is_key: bool,
    /// In the form of its [`Codec`](crate::media::Codec).
    pub data: Vec<u8>,
    /// What the track holds from this frame on, when that is first known and whenever it has changed.
    pub codec: Option<Track>,
    /// Whether a frame that this one may refer to is missing.
    pub is_damaged: bool,
}

/// What went wrong in a stream so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that never came.
    pub lost_packets: u64,
    /// Frames that came in part, or were larger than [`MAX_FRAME_BYTES`].
    pub dropped_frames: u64,
    /// Packets that make no sense.
    pub malformed_packets: u64,
    /// JPEGs left out because the server states no size: RTP has no room for more than 2040 pixels.
    pub pictures_without_size: u64,
}

/// A format that footage cannot take out of RTP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {media} {encoding:?} from RTP: {reason}")]
pub struct Unsupported {
    media: String,
    encoding: String,
    reason: &'static str,
}

/// What a payload is read with.
pub(super) trait Depacketizer: Send {
    /// Takes the payload of the next packet.
    fn push(&mut self, payload: &Payload, out: &mut Output);

    /// Gives a frame for which nothing more has come for a while.
    fn expire(&mut self, now: Instant, out: &mut Output) {
        let _ = (now, out);
    }

    /// Gives the last frame, of which no packet comes any more.
    fn finish(&mut self, out: &mut Output) {
        let _ = out;
    }
}

/// The payload of a packet.
pub(super) struct Payload<'a> {
    pub(super) ticks: i64,
    pub(super) marker: bool,
    /// Whether packets before it are missing, or may be: it is the first one.
    pub(super) after_gap: bool,
    pub(super) arrived: Instant,
    pub(super) extension: Option<(u16, &'a [u8])>,
    pub(super) bytes: &'a [u8],
}

/// Where frames go.
pub(super) struct Output<'a> {
    pub(super) frames: &'a mut Vec<Frame>,
    pub(super) counts: &'a mut Counts,
}

impl Output<'_> {
    /// A frame that needs no other.
    pub(super) fn independent(&mut self, ticks: i64, arrived: Instant, data: Vec<u8>, codec: Option<Track>) {
        self.frames.push(Frame { ticks, arrived, is_key: true, data, codec, is_damaged: false });
    }
}

/// What a format begins with: its depacketizer, and its track as far as the SDP says it.
pub(super) type Beginning = (Box<dyn Depacketizer>, Option<Track>);

/// One stream: packets in, frames out.
pub struct Stream {
    payload_type: u8,
    order: Order,
    clock: Unwrapper,
    depacketizer: Box<dyn Depacketizer>,
    track: Option<Track>,
    /// Whether a frame has told the track.
    is_announced: bool,
    counts: Counts,
}

impl Stream {
    /// A stream of this format.
    ///
    /// # Errors
    /// If footage has no depacketizer for it.
    pub fn new(format: &Format, transport: Transport) -> Result<Self, Unsupported> {
        let beginning: Result<Beginning, &'static str> = match format.encoding.as_str() {
            "H264" => Ok(AccessUnits::begin(Standard::H264, format)),
            "H265" | "HEVC" => Ok(AccessUnits::begin(Standard::H265, format)),
            "JPEG" => Ok(jpeg::begin(format)),
            "MPEG4-GENERIC" => aac::begin(format),
            "MP4A-LATM" => latm::begin(format),
            "MPA" => Ok(mpeg_audio::begin()),
            _ => samples::begin(format).ok_or("footage has no depacketizer for it"),
        };
        let (depacketizer, track) = beginning.map_err(|reason| Unsupported {
            media: format.media.clone(),
            encoding: format.encoding.clone(),
            reason,
        })?;
        Ok(Self {
            payload_type: format.payload_type,
            order: Order::new(transport),
            clock: Unwrapper::default(),
            depacketizer,
            track,
            is_announced: false,
            counts: Counts::default(),
        })
    }

    /// Takes the bytes of a packet that arrived at `now`, and appends the frames that are complete with it.
    pub fn push(&mut self, bytes: &[u8], now: Instant, out: &mut Vec<Frame>) {
        let Some(packet) = RtpPacket::parse(bytes) else {
            self.counts.malformed_packets += 1;
            return;
        };
        // Comfort noise and redundancy, and what a server sends by mistake on this channel.
        let is_ours = packet.payload_type == self.payload_type;
        self.with(
            out,
            |order, deliver| {
                if is_ours {
                    order.push(&packet, bytes, now, deliver);
                } else {
                    order.pass(&packet, deliver);
                }
            },
            |_, _| {},
        );
    }

    /// Appends what waits no longer for packets that may still come. To be called after the packets of every read, and
    /// when for some time there was none.
    pub fn expire(&mut self, now: Instant, out: &mut Vec<Frame>) {
        self.with(
            out,
            |order, deliver| order.expire(now, deliver),
            |depacketizer, output| depacketizer.expire(now, output),
        );
    }

    /// Appends what is left when no more packets come.
    pub fn finish(&mut self, out: &mut Vec<Frame>) {
        self.with(out, |order, deliver| order.release_all(deliver), |depacketizer, output| depacketizer.finish(output));
    }

    /// What the track holds, as far as the SDP and the frames so far say.
    #[must_use]
    pub fn track(&self) -> Option<&Track> {
        self.track.as_ref()
    }

    /// What went wrong so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { lost_packets: self.order.lost(), ..self.counts }
    }

    /// The ticks of the packet that came last in the order of sending.
    #[must_use]
    pub fn latest_ticks(&self) -> Option<i64> {
        self.clock.latest()
    }

    /// The ticks of a time stamp in a [report](super::rtcp::Report::Sender) of this stream's sender; `None` before the
    /// first packet.
    #[must_use]
    pub fn ticks_of(&self, timestamp: u32) -> Option<i64> {
        self.clock.nearest(timestamp)
    }

    /// Depacketizes what `order` delivers, then lets the depacketizer do `last`.
    fn with(
        &mut self,
        out: &mut Vec<Frame>,
        order: impl FnOnce(&mut Order, &mut dyn FnMut(&RtpPacket, bool, Instant)),
        last: impl FnOnce(&mut dyn Depacketizer, &mut Output),
    ) {
        let before = out.len();
        let mut output = Output { frames: out, counts: &mut self.counts };
        order(&mut self.order, &mut |packet, after_gap, arrived| {
            let payload = Payload {
                ticks: self.clock.next(packet.timestamp),
                marker: packet.marker,
                after_gap,
                arrived,
                extension: packet.extension,
                bytes: packet.payload,
            };
            self.depacketizer.push(&payload, &mut output);
        });
        last(self.depacketizer.as_mut(), &mut output);
        for frame in &mut out[before..] {
            match &frame.codec {
                Some(track) => self.track = Some(track.clone()),
                None if !self.is_announced => frame.codec.clone_from(&self.track),
                None => {}
            }
            self.is_announced |= frame.codec.is_some();
        }
    }
}

//! RTP: packets of a stream, and what they carry.
//!
//! A [`Stream`] takes the packets of one [`Format`] as they come from the network and gives its frames:
//!
//! | | |
//! | --- | --- |
//! | [`packet`], [`rtcp`] | the bytes of one packet |
//! | `sequence` | order, losses |
//! | `timestamp` | 32 bits that wrap |
//! | `access_unit` | H.264 (RFC 6184) and H.265 (RFC 7798) |
//! | `jpeg` | JPEG (RFC 2435) |
//! | `aac`, `latm` | AAC (RFC 3640; RFC 6416) |
//! | `samples` | G.711, G.722, G.726, L16 (RFC 3551), Opus (RFC 7587) |
//! | `mpeg_audio` | MPEG audio (RFC 2250) |
//!
//! All of it is pure: it reads no socket and no clock, and it panics on nothing. What a camera sends that makes no sense is
//! skipped and [counted](Counts).
//!
//! Written by hand: `rtp-types` 0.1 needs `thiserror` 1 beside the 2 that is here, `rtcp-types` 0.3 brings 4,000 lines for
//! two kinds of report, and both refuse packets for fields that do not matter here; the depacketizers of `retina` cannot
//! be used without its client, and bound no memory.

mod aac;
mod access_unit;
mod fmtp;
mod jpeg;
mod latm;
mod mpeg_audio;
pub mod packet;
pub mod rtcp;
mod samples;
mod sequence;
mod stream;
mod timestamp;

pub use sequence::Transport;
pub use stream::{Counts, Frame, MAX_FRAME_BYTES, Stream, Unsupported};

#[cfg(test)]
mod tests;

/// One stream as an SDP describes it: a medium, with one of its formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// `video`, `audio`, `application`: as the SDP has it, in lower case.
    pub media: String,
    /// The payload type of its packets.
    pub payload_type: u8,
    /// The encoding's name of `a=rtpmap`, in upper case; for a static payload type without `a=rtpmap`, that of RFC 3551.
    pub encoding: String,
    /// Ticks of its time stamps in a second; above 0.
    pub clock_rate_hz: u32,
    /// Channels of audio; 1 unless `a=rtpmap` has a number.
    pub channels: u16,
    /// What stands behind the payload type in `a=fmtp`; empty without one.
    pub fmtp: String,
}

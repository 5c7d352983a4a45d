//! RTP: packets of a stream, and what they carry.

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

//! Packets of video and audio, and the containers that hold them.
//!
//! A source makes [`Packet`]s of [`Track`]s: RTP ([`rtp`]) or a Matroska pipe. A [`Muxer`] turns those of one segment into
//! the bytes of its file, in such an order that what has been written plays, also when the next byte never comes.

#[cfg(test)]
mod arbitrary;
mod audio;
mod ebml;
pub mod mjpeg;
pub mod mkv;
pub mod mp4;
pub mod nal;
mod reorder;
pub mod rtp;
pub mod timeline;
pub mod ts;

/// What one track of a source holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// How it is coded.
    pub codec: Codec,
    /// What its frames or samples are like.
    pub shape: Shape,
}

/// The frames or samples of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Frames.
    Video {
        /// In pixels; 0 where a source does not say it.
        width: u32,
        /// In pixels; 0 where a source does not say it.
        height: u32,
    },
    /// Samples.
    Audio {
        /// Of what is heard: 16,000 for G.722, although its RTP clock ticks 8,000 times a second.
        sample_rate_hz: u32,
        /// 1 is mono.
        channels: u16,
    },
}

/// How a track is coded, with what a decoder must know before the first packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264: NAL units with lengths of four bytes in front of them. Parameter sets stand in the configuration alone.
    H264 {
        /// An `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15), with every parameter set.
        config: Vec<u8>,
    },
    /// H.265, in the same form.
    H265 {
        /// An `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15), with every parameter set.
        config: Vec<u8>,
    },
    /// A JPEG a packet.
    Jpeg,
    /// AAC, raw access units.
    Aac {
        /// An `AudioSpecificConfig` (ISO/IEC 14496-3).
        config: Vec<u8>,
    },
    /// G.711 A-law.
    ALaw,
    /// G.711 µ-law.
    MuLaw,
    /// G.722.
    G722,
    /// G.726 with the first sample of a byte in its high bits, as `WAVE_FORMAT_G726_ADPCM` has it.
    G726 {
        /// Of one sample: 2 to 5.
        bits: u8,
    },
    /// Linear samples of 16 bits, the high byte first.
    L16,
    /// Opus.
    Opus {
        /// An `OpusHead` (RFC 7845, 5.1).
        head: Vec<u8>,
    },
    /// MPEG audio, layer II.
    Mp2,
    /// MPEG audio, layer III.
    Mp3,
    /// Whatever else a Matroska pipe holds: only Matroska holds it again.
    Other {
        /// Its `CodecID`.
        matroska_id: String,
        /// Its `CodecPrivate`, empty where there is none.
        private: Vec<u8>,
        /// Its `BitDepth`, which linear samples cannot be read without; 0 where there is none.
        bit_depth: u16,
    },
}

impl Codec {
    /// As a person knows it: `H.264`, `PCMA`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::H264 { .. } => "H.264",
            Self::H265 { .. } => "H.265",
            Self::Jpeg => "JPEG",
            Self::Aac { .. } => "AAC",
            Self::ALaw => "PCMA",
            Self::MuLaw => "PCMU",
            Self::G722 => "G.722",
            Self::G726 { .. } => "G.726",
            Self::L16 => "L16",
            Self::Opus { .. } => "Opus",
            Self::Mp2 => "MP2",
            Self::Mp3 => "MP3",
            Self::Other { matroska_id, .. } => matroska_id,
        }
    }

    /// As ffmpeg names it: `h264`, `pcm_alaw`.
    #[must_use]
    pub fn ffmpeg_name(&self) -> &str {
        match self {
            Self::H264 { .. } => "h264",
            Self::H265 { .. } => "hevc",
            Self::Jpeg => "mjpeg",
            Self::Aac { .. } => "aac",
            Self::ALaw => "pcm_alaw",
            Self::MuLaw => "pcm_mulaw",
            Self::G722 => "adpcm_g722",
            Self::G726 { .. } => "adpcm_g726",
            Self::L16 => "pcm_s16be",
            Self::Opus { .. } => "opus",
            Self::Mp2 => "mp2",
            Self::Mp3 => "mp3",
            Self::Other { matroska_id, .. } => matroska_id,
        }
    }
}

/// One frame, or a few samples, of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Which track of the source: its index.
    pub track: usize,
    /// When it is shown, in nanoseconds from a zero that all tracks share. Packets come in the order of decoding, so with
    /// B-frames this goes back.
    pub pts_ns: i64,
    /// Whether decoding can begin here. Always true for audio and JPEG.
    pub is_key: bool,
    /// What it holds, in the form of its [`Codec`].
    pub data: Vec<u8>,
}

/// Bytes that replace those at a place of a file that was written before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// From the beginning of the file.
    pub offset_bytes: u64,
    /// As many bytes are replaced as there are here.
    pub bytes: Vec<u8>,
}

/// Writes the file of one segment.
///
/// Every call appends to `out` what comes next in the file: after [`flush`](Muxer::flush), what has been appended so far
/// plays up to the last packet that the container allows ([`Muxer::flush`] of each says which).
pub trait Muxer: Send {
    /// Takes the next packet. Packets come in the order of decoding; `pts_ns` counts from the beginning of the segment and
    /// is never negative. The first packet of the video track is a key frame.
    fn push(&mut self, packet: &Packet, out: &mut Vec<u8>);

    /// Appends what was held back, as far as it can be played once it is written.
    fn flush(&mut self, out: &mut Vec<u8>);

    /// Appends what is left, and says what to change in what was written: durations, an index.
    fn finish(&mut self, out: &mut Vec<u8>) -> Vec<Patch>;
}

//! Matroska, both ways (RFC 9559): [`MkvMuxer`] writes a segment, [`MkvDemuxer`] reads what ffmpeg writes into a pipe. Pure.
//!
//! What a killed recorder leaves plays: the head says all that a player needs, and behind it stand whole clusters. What only
//! the end knows (duration, index, size) replaces elements that mean nothing.

mod codec;
mod demux;
mod mux;

pub use demux::{DemuxError, DemuxEvent, MAX_BLOCK_BYTES, MAX_TRACKS, MAX_TRACKS_BYTES, MkvDemuxer};
pub use mux::MkvMuxer;

const NANOS_PER_MILLI: i64 = 1_000_000;

/// Values of `TrackType`.
const VIDEO_TRACK: u64 = 1;
const AUDIO_TRACK: u64 = 2;

#[cfg(test)]
mod tests;

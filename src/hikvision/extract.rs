//! One segment into an MP4 file, through ffmpeg.
//!
//! The range is read once and fed to ffmpeg through a pipe, behind an IMKH header (see [`imkh_header`](super::stream::imkh_header)) and with
//! its stuffing tidied ([`Tidy`](super::stream::Tidy)); ffmpeg writes the result once. It copies video and AAC, and encodes G.711,
//! which MP4 cannot hold, as AAC.
//!
//! The camera may overwrite the range at any time. It writes upwards through a ring file, so it overwrites the head of a
//! segment before the rest: if the head is the segment's before and after the range is read, so was the whole range.
//! ffmpeg accepts a range that is cut short, so the duration of the result is compared with the index.

mod feed;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use ffmpeg_sidecar::command::FfmpegCommand;

use super::mp4::{self, Mp4Error, Track, TrackKind};
use super::read_at::{self, OpenFile};
use super::segment::Segment;
use super::stream::{AudioCodec, HEAD_LEN, Head, Mismatch, VideoCodec};
use crate::ffmpeg::{self, command::Log};
use crate::units::human_duration;
use feed::Feed;

/// By how much the time from the first frame of a result to its last may differ from the index, by the frames' clock.
const FRAME_TOLERANCE: Duration = Duration::from_secs(1);
/// The same where the index has the wall clock only: cameras set it while they record, and SQLite has whole seconds.
const WALL_TOLERANCE: Duration = Duration::from_secs(3);
/// Enough for speech at 8 kHz, and less than the most that AAC takes there.
const AUDIO_BITRATE: &str = "32k";

/// How to extract.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// The ffmpeg to run.
    pub ffmpeg: &'a Path,
    /// How long one run may take.
    pub timeout: Duration,
    /// Whether the pass is to stop.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
}

/// The result of an extraction, verified to be of the requested segment: the ring had not moved on.
#[derive(Debug)]
pub struct Extracted {
    /// Of its video.
    pub duration: Duration,
    /// Whether it has audio.
    pub audio: AudioOutcome,
    /// Why part of the segment is missing; `None` if it is complete.
    pub damage: Option<ExtractError>,
}

/// Whether the result has the segment's audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioOutcome {
    /// The segment has none.
    None,
    /// It is in the file.
    Kept,
    /// It could not be converted; the last lines of ffmpeg's stderr.
    Lost(String),
}

/// Why a segment was extracted in part or not at all.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The ring moved on before or during the extraction.
    #[error("the segment is gone: {0}")]
    Gone(Mismatch),
    /// The ring file cannot be read.
    #[error("cannot read the ring file at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// ffmpeg cannot be started.
    #[error("cannot run ffmpeg")]
    Start(#[source] io::Error),
    /// ffmpeg failed.
    #[error("ffmpeg failed ({status}): {said:?}")]
    Failed {
        /// How it ended.
        status: String,
        /// The last lines of its stderr.
        said: String,
        /// Whether a signal that footage did not send ended it.
        was_killed: bool,
    },
    /// ffmpeg took too long and was killed.
    #[error("ffmpeg took longer than {} and was killed", human_duration(*.0))]
    Timeout(Duration),
    /// The pass is to stop; ffmpeg was killed.
    #[error("stopped")]
    Stopped,
    /// The output of ffmpeg is no MP4 file.
    #[error(transparent)]
    Mp4(#[from] Mp4Error),
    /// There is no video in the result.
    #[error("ffmpeg found no video in the segment")]
    NoVideo,
    /// Part of the segment is missing in the result.
    #[error("the result lasts {} ms, the segment {} ms", .result.as_millis(), .segment.as_millis())]
    Duration {
        /// How long the result lasts.
        result: Duration,
        /// How long the index says.
        segment: Duration,
    },
}

/// Extracts `segment` of `ring_file` to `output`, which is overwritten. Calls `progress` with the bytes of each read.
///
/// # Errors
/// If no part of the segment can be extracted. It leaves no file then, or a useless one.
pub fn extract(
    ring_file: &Path,
    segment: &Segment,
    output: &Path,
    settings: &Settings<'_>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Extracted, ExtractError> {
    let offset = segment.span.start();
    let ring_file = read_at::open(ring_file).map_err(|source| ExtractError::Read { offset, source })?;
    let head = verified_head(&ring_file, segment)?;
    let feed = Feed { ring_file: &ring_file, span: segment.span, head: &head, settings, progress };
    let ran = match feed.run(command(settings.ffmpeg, &head, output, true)) {
        // ffmpeg may fail on the audio only: try again without it.
        Err(ExtractError::Failed { said, .. }) if head.audio.is_some() => {
            feed.run(command(settings.ffmpeg, &head, output, false)).map(|()| Some(said))
        }
        result => result.map(|()| None),
    };
    let (said, damage) = match ran {
        Ok(said) => (said, None),
        Err(error @ (ExtractError::Read { .. } | ExtractError::Failed { was_killed: false, .. })) => {
            (None, Some(error))
        }
        Err(error) => return Err(error),
    };
    verified_head(&ring_file, segment)?;

    let movie = match movie(output) {
        Ok(movie) => movie,
        Err(error) => return Err(damage.unwrap_or(error)),
    };
    let audio = match (said, movie.has_audio) {
        (Some(said), _) => AudioOutcome::Lost(said),
        (None, true) => AudioOutcome::Kept,
        (None, false) => AudioOutcome::None,
    };
    let damage = damage.or_else(|| check_duration(movie.until_last_frame, segment).err());
    Ok(Extracted { duration: movie.duration, audio, damage })
}

/// The contents of an MP4 file.
struct Movie {
    /// Of the video.
    duration: Duration,
    /// From its first frame to its last, as indexes count it.
    until_last_frame: Duration,
    /// Whether it has an audio track.
    has_audio: bool,
}

fn movie(file: &Path) -> Result<Movie, ExtractError> {
    let tracks = mp4::tracks(&File::open(file).and_then(OpenFile::new).map_err(Mp4Error::Read)?)?;
    let of_kind = |kind| tracks.iter().find(|track: &&Track| track.kind == kind);
    let video = of_kind(TrackKind::Video).ok_or(ExtractError::NoVideo)?;
    Ok(Movie {
        duration: video.duration,
        until_last_frame: video.duration.saturating_sub(video.last_frame),
        has_audio: of_kind(TrackKind::Audio).is_some(),
    })
}

/// The head of the range, if the range still holds the segment.
fn verified_head(ring_file: &File, segment: &Segment) -> Result<Head, ExtractError> {
    let offset = segment.span.start();
    let length = usize::try_from(segment.span.len()).unwrap_or(usize::MAX).min(HEAD_LEN);
    let mut bytes = vec![0; length];
    let n = ring_file.read_at(&mut bytes, offset).map_err(|source| ExtractError::Read { offset, source })?;
    let head = Head::parse(&bytes[..n]).map_err(ExtractError::Gone)?;
    head.verify(segment).map_err(ExtractError::Gone)?;
    Ok(head)
}

/// Whether the result has all of the segment. Both durations go from the first frame to the last: with a camera set to one
/// frame in 16 s, the video lasts 16 s more.
fn check_duration(result: Duration, segment: &Segment) -> Result<(), ExtractError> {
    let is_near = |segment: Duration, tolerance| result.abs_diff(segment) <= tolerance;
    match segment.frame_duration() {
        Some(frames) if is_near(frames, FRAME_TOLERANCE) => Ok(()),
        None if segment.is_as_long(result, WALL_TOLERANCE) => Ok(()),
        _ => Err(ExtractError::Duration { result, segment: segment.duration() }),
    }
}

fn command(ffmpeg: &Path, head: &Head, output: &Path, with_audio: bool) -> FfmpegCommand {
    let mut ffmpeg = ffmpeg::command::command(ffmpeg, Log::Errors);
    ffmpeg.args(["-protocol_whitelist", "pipe"]).format("mpeg").input("pipe:0").map("0:v:0").codec_video("copy");
    if head.video == Some(VideoCodec::Hevc) {
        // QuickTime plays HEVC under this name only.
        ffmpeg.args(["-tag:v", "hvc1"]);
    }
    if with_audio {
        ffmpeg.map("0:a:0?");
        match head.audio {
            Some(AudioCodec::Aac) => ffmpeg.codec_audio("copy"),
            Some(AudioCodec::G711ALaw | AudioCodec::G711MuLaw) => {
                ffmpeg.codec_audio("aac").args(["-b:a", AUDIO_BITRATE])
            }
            Some(AudioCodec::Other(_)) | None => ffmpeg.codec_audio("aac"),
        };
    }
    // With the protocol's name in front, no file name can be taken for an option or for another protocol.
    let mut file = OsString::from("file:");
    file.push(output);
    ffmpeg.args(["-movflags", "+faststart"]).format("mp4").overwrite().output(file);
    ffmpeg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hikvision::segment::FrameClock;

    #[test]
    fn a_short_mp4_is_detected() {
        let start = "2025-09-07T14:30:15".parse().unwrap();
        let end = "2025-09-07T14:31:15".parse().unwrap();
        let segment = |frames| Segment { end, frames, ..Segment::at(start) };
        let seconds = Duration::from_secs;
        assert!(check_duration(seconds(61), &segment(None)).is_ok());
        assert!(check_duration(seconds(56), &segment(None)).is_err());
        // Summer time has begun or ended meanwhile.
        for end in ["2025-09-07T15:31:15", "2025-09-07T13:31:15"] {
            let segment = Segment { end: end.parse().unwrap(), ..segment(None) };
            assert!(check_duration(seconds(61), &segment).is_ok(), "{end}");
            assert!(check_duration(seconds(56), &segment).is_err(), "{end}");
            assert!(check_duration(seconds(30), &segment).is_err(), "{end}");
        }
        // This firmware writes no frame clock.
        let none = FrameClock { first_45k: 0, last_45k: 0 };
        assert!(check_duration(seconds(61), &segment(Some(none))).is_ok());
        assert!(check_duration(seconds(56), &segment(Some(none))).is_err());
        // The wall clock was set back by twenty seconds meanwhile.
        let frames = FrameClock { first_45k: 0, last_45k: 80 * 45_000 };
        assert!(check_duration(seconds(80), &segment(Some(frames))).is_ok());
        assert!(check_duration(seconds(60), &segment(Some(frames))).is_err());
    }
}

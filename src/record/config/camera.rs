//! How one camera is recorded: its options, resolved.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::Environment;
use super::options::CameraOptions;
use crate::record::name::Container;
use crate::record::schedule::Entry;
use crate::record::url::CameraUrl;
use crate::retention::Keep;
use crate::units::{BitRate, ByteSize, short_duration};
use crate::zone::Tz;

/// How a camera is recorded. What is compared when a configuration is read again.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// Where its frames come from.
    pub url: CameraUrl,
    /// The directory of its folder.
    pub destination: PathBuf,
    /// The length of a segment, cut at boundaries of the clock of its zone.
    pub segment: Duration,
    /// What segments are packed in.
    pub container: Container,
    /// What becomes of its video.
    pub video: Video,
    /// What becomes of its audio.
    pub audio: Audio,
    /// Frames per second, where they are encoded; none is as they come.
    pub fps: Option<f64>,
    /// The bit rate, where frames are encoded.
    pub bitrate: BitRate,
    /// How RTSP carries its packets.
    pub transport: Transport,
    /// What comes from its URL, as ffmpeg names it; none is for ffmpeg to find out.
    pub format: Option<String>,
    /// How long ffmpeg waits for an answer of the camera.
    pub timeout: Duration,
    /// Without a new frame for so long, ffmpeg is started again.
    pub stall_timeout: Duration,
    /// Whether our clock stamps its frames, and not its own, which may jump.
    pub wallclock: bool,
    /// Options of ffmpeg's for reading.
    pub input_options: Vec<String>,
    /// Options of ffmpeg's for writing.
    pub output_options: Vec<String>,
    /// The zone of its names, boundaries and schedule.
    pub zone: Tz,
    /// How long its segments are kept.
    pub keep: Keep,
    /// How much of them is kept.
    pub keep_bytes: Option<ByteSize>,
    /// The program that is run for each closed segment, with its arguments.
    pub on_segment: Vec<String>,
    /// HTTP requests to it by the time of day.
    pub schedule: Vec<Entry>,
}

impl Camera {
    /// Whether it sends picture after picture, which have no time of their own.
    #[must_use]
    pub fn has_pictures(&self) -> bool {
        self.format.as_deref().is_some_and(is_of_pictures)
    }
}

fn is_of_pictures(format: &str) -> bool {
    matches!(format, "mpjpeg" | "mjpeg")
}

/// What becomes of the video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Video {
    /// As they come.
    Copy,
    /// Encoded anew: for cameras that send JPEG after JPEG.
    H264,
}

/// What becomes of the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Audio {
    /// As it comes.
    Copy,
    /// Encoded anew, for containers that cannot hold what cameras send.
    Aac,
    /// Left out.
    None,
}

/// How RTSP carries its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// In the connection: nothing is lost on the way.
    Tcp,
    /// In datagrams.
    Udp,
    /// In datagrams to a group.
    Multicast,
    /// In HTTP, through proxies.
    Http,
}

impl Transport {
    /// Its name in ffmpeg.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Multicast => "udp_multicast",
            Self::Http => "http",
        }
    }
}

const DEFAULT_SEGMENT: Duration = Duration::from_hours(1);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_STALL_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_BITRATE: BitRate = BitRate(1_000_000);
/// Ages of whole days count calendar days, and keep at least yesterday.
const DAY: Duration = Duration::from_hours(24);

/// A key and what is wrong with it, or with its absence.
pub(super) type Wrong = (&'static str, String);

impl CameraOptions {
    /// The camera, with the built-in defaults for what is absent; `None` is a camera that is turned off.
    ///
    /// # Errors
    /// What is missing or does not fit together.
    pub(super) fn resolve(self, environment: &Environment) -> Result<Option<Camera>, Wrong> {
        let url = self.url.ok_or_else(|| ("", "it has no url".to_owned()))?;
        let format = match self.format.as_deref() {
            Some("auto") => None,
            Some(named) => Some(named.to_owned()),
            None => url.is_http().then(|| "mpjpeg".to_owned()),
        };
        let is_jpeg = format.as_deref().is_some_and(is_of_pictures);
        let container = self.container.unwrap_or_default();
        // Cameras send G.711, which MP4 refuses and a transport stream cannot name.
        let fitting_audio = match container {
            _ if is_jpeg => Audio::None,
            Container::Mkv => Audio::Copy,
            Container::Ts | Container::Mp4 => Audio::Aac,
        };
        let no_destination = || ("", "it has no destination: name one here or in [defaults]".to_owned());
        let camera = Camera {
            url,
            destination: environment.base.join(self.destination.ok_or_else(no_destination)?),
            segment: self.segment.unwrap_or(DEFAULT_SEGMENT),
            container,
            video: self.video.unwrap_or(if is_jpeg { Video::H264 } else { Video::Copy }),
            audio: self.audio.unwrap_or(fitting_audio),
            fps: self.fps,
            bitrate: self.bitrate.unwrap_or(DEFAULT_BITRATE),
            transport: self.transport.unwrap_or(Transport::Tcp),
            format,
            timeout: self.timeout.unwrap_or(DEFAULT_TIMEOUT),
            stall_timeout: self.stall_timeout.unwrap_or(DEFAULT_STALL_TIMEOUT),
            wallclock: self.wallclock.unwrap_or(true),
            input_options: self.input_options.unwrap_or_default(),
            output_options: self.output_options.unwrap_or_default(),
            zone: self.timezone.unwrap_or(environment.zone),
            keep: self.keep.unwrap_or(Keep::Forever),
            keep_bytes: self.keep_bytes,
            on_segment: self.on_segment.unwrap_or_default(),
            schedule: self.schedule.unwrap_or_default(),
        };
        camera.check()?;
        Ok(self.enabled.unwrap_or(true).then_some(camera))
    }
}

impl Camera {
    /// What does not fit together.
    fn check(&self) -> Result<(), Wrong> {
        if self.video == Video::Copy && self.has_pictures() && self.container != Container::Mkv {
            let container = self.container.extension();
            return Err(("video", format!("JPEG pictures do not fit into {container}: write \"h264\"")));
        }
        if let Keep::For(age) = self.keep
            && age <= self.segment
            && age < DAY
        {
            let (age, segment) = (short_duration(age), short_duration(self.segment));
            let message =
                format!("{age} is no more than a segment ({segment}): each would be removed as soon as it is closed");
            return Err(("keep", message));
        }
        Ok(())
    }
}

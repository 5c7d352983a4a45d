//! The resolved options of one camera.

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

/// How to record a camera. A reload compares the old and the new value.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// The URL of its stream.
    pub url: CameraUrl,
    /// The directory that contains its folder.
    pub destination: PathBuf,
    /// The length of a segment, cut at boundaries of the clock of its zone.
    pub segment: Duration,
    /// The container of its segments.
    pub container: Container,
    /// Whether to copy or encode its video.
    pub video: Video,
    /// Whether to copy, encode or drop its audio.
    pub audio: Audio,
    /// Frames per second of encoded video; `None` is the camera's rate.
    pub fps: Option<f64>,
    /// The bit rate of encoded video.
    pub bitrate: BitRate,
    /// The transport of RTSP; unset it is TCP, and UDP where the camera refuses that.
    pub transport: Option<Transport>,
    /// What reads it.
    pub engine: Engine,
    /// The format of its stream, by ffmpeg's name; `None` lets ffmpeg probe it.
    pub format: Option<String>,
    /// How long ffmpeg waits for the camera to answer.
    pub timeout: Duration,
    /// The time without a new frame after which ffmpeg is restarted.
    pub stall_timeout: Duration,
    /// Whether this host's clock stamps its frames instead of its own, which may jump.
    pub wallclock: bool,
    /// ffmpeg's input options.
    pub input_options: Vec<String>,
    /// ffmpeg's output options.
    pub output_options: Vec<String>,
    /// The zone of its names, boundaries and schedule.
    pub zone: Tz,
    /// How long to keep its segments.
    pub keep: Keep,
    /// How many bytes of them to keep.
    pub keep_bytes: Option<ByteSize>,
    /// The program to run for each closed segment, with its arguments.
    pub on_segment: Vec<String>,
    /// HTTP requests to it by the time of day.
    pub schedule: Vec<Entry>,
}

impl Camera {
    /// The transport of RTSP, unless the camera refuses it.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport.unwrap_or(Transport::Tcp)
    }

    /// Why only ffmpeg can read it: a key of its configuration, and what about it.
    #[must_use]
    pub fn native_obstacle(&self) -> Option<(&'static str, String)> {
        let is_rtsp = self.url.scheme() == "rtsp";
        let is_jpeg = self.url.scheme() == "http" && self.has_pictures();
        let of = |key, why: &str| Some((key, why.to_owned()));
        if !is_rtsp && !is_jpeg {
            return Some(("url", format!("{} is read by ffmpeg only", self.url.scheme())));
        }
        if !self.input_options.is_empty() {
            return of("input_options", "they are options of ffmpeg");
        }
        if self.video == Video::Copy && !self.output_options.is_empty() {
            return of("output_options", "they are options of ffmpeg");
        }
        if is_rtsp && self.format.is_some() {
            return of("format", "it is an option of ffmpeg");
        }
        if is_rtsp && self.video != Video::Copy {
            return of("video", "ffmpeg encodes it");
        }
        if is_jpeg && self.audio != Audio::None {
            return of("audio", "ffmpeg looks for it");
        }
        match self.transport {
            Some(Transport::Multicast | Transport::Http) => of("transport", "it is one of ffmpeg only"),
            _ => None,
        }
    }

    /// Whether it sends a series of JPEGs, which have no timestamps.
    #[must_use]
    pub fn has_pictures(&self) -> bool {
        self.format.as_deref().is_some_and(is_of_pictures)
    }
}

fn is_of_pictures(format: &str) -> bool {
    matches!(format, "mpjpeg" | "mjpeg")
}

/// Whether to copy or encode the video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Video {
    /// Copy it.
    Copy,
    /// Encode it as H.264: for cameras that send a series of JPEGs.
    H264,
}

/// Whether to copy, encode or drop the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Audio {
    /// Copy it.
    Copy,
    /// Encode it as AAC, for containers that cannot hold the camera's codec.
    Aac,
    /// Drop it.
    None,
}

/// What reads a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub enum Engine {
    /// footage where it can, else ffmpeg.
    #[default]
    Auto,
    /// footage.
    Native,
    /// ffmpeg.
    Ffmpeg,
}

/// The transport of RTSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// Interleaved in the TCP connection: no packet is lost.
    Tcp,
    /// UDP.
    Udp,
    /// UDP multicast.
    Multicast,
    /// HTTP tunnel, through proxies.
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
        // Cameras send G.711, which MP4 and MPEG-TS cannot hold.
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
            transport: self.transport,
            engine: self.engine.unwrap_or_default(),
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
        if self.engine == Engine::Native
            && let Some((key, why)) = self.native_obstacle()
        {
            return Err((key, format!("does not go with engine = \"native\": {why}")));
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

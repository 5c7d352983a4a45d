//! What is configured for one camera.

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveTime;
use toml::de::DeValue;

use super::Surroundings;
use super::section::{
    Section, bare_number, boolean, number_or_text, one_of, rate, seconds, size, text, text_as, words,
};
use crate::login;
use crate::record::name::Container;
use crate::record::schedule::Entry;
use crate::record::url::{CameraUrl, shown};
use crate::retention::{Keep, parse_quota};
use crate::units::{ByteSize, short_duration};
use crate::zone::Tz;

/// How a camera is recorded. What is compared when a configuration is read again.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// Where its frames come from.
    pub url: CameraUrl,
    /// The directory of its folder.
    pub destination: PathBuf,
    /// How long a segment is; cut at the clock marks of its zone.
    pub segment: Duration,
    /// What segments are packed in.
    pub container: Container,
    /// What becomes of its frames.
    pub video: Video,
    /// What becomes of its sound.
    pub audio: Audio,
    /// Frames in a second, where they are encoded; none is as they come.
    pub fps: Option<f64>,
    /// Bits in a second, where frames are encoded.
    pub bitrate: ByteSize,
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
    /// The zone of its names, marks and schedule.
    pub zone: Tz,
    /// How long its segments are kept.
    pub keep: Keep,
    /// How much of them is kept.
    pub keep_bytes: Option<ByteSize>,
    /// The program that is run for each closed segment, with its arguments.
    pub on_segment: Vec<String>,
    /// What it is told by the clock.
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

/// What becomes of the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Video {
    /// As they come.
    Copy,
    /// Encoded anew: for cameras that send JPEG after JPEG.
    H264,
}

/// What becomes of the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audio {
    /// As it comes.
    Copy,
    /// Encoded anew, for containers that cannot hold what cameras send.
    Aac,
    /// Left out.
    None,
}

/// How RTSP carries its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// The keys of a camera, and of `[defaults]`.
pub const CAMERA_KEYS: [&str; 21] = [
    "url",
    "destination",
    "enabled",
    "segment",
    "container",
    "video",
    "audio",
    "fps",
    "bitrate",
    "transport",
    "format",
    "timeout",
    "stall_timeout",
    "wallclock",
    "input_options",
    "output_options",
    "timezone",
    "keep",
    "keep_bytes",
    "on_segment",
    "schedule",
];

const DEFAULT_SEGMENT: Duration = Duration::from_hours(1);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_STALL_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_BITRATE: ByteSize = ByteSize(1_000_000);
const LONGEST_SEGMENT: Duration = Duration::from_hours(24);
/// Ages of whole days count calendar days, and keep at least yesterday.
const DAY: Duration = Duration::from_hours(24);
const SHORTEST_SEGMENT: Duration = Duration::from_secs(1);

/// A key and what is wrong with it, or with its absence.
pub(super) type Wrong = (&'static str, String);

/// Reads a camera from its own section, and what that leaves open from the general one. `None` is a camera that is turned
/// off, or of which values are wrong, which the sections then know.
pub(super) fn read(
    own: &mut Section<'_>,
    general: &mut Section<'_>,
    around: &Surroundings,
) -> Result<Option<Camera>, Wrong> {
    /// Takes a key from whichever section has it.
    macro_rules! take {
        ($key:literal, $read:expr) => {
            if own.has($key) { own.take($key, $read) } else { general.take($key, $read) }
        };
    }
    let url: Option<CameraUrl> = own.take("url", text_as);
    let has_url = own.has("url");
    let is_enabled = take!("enabled", boolean).unwrap_or(true);
    let destination = take!("destination", path);
    let is_http = url.as_ref().is_some_and(CameraUrl::is_http);
    let format = take!("format", |value| text(value).map(str::to_owned));
    let format = match format.as_deref() {
        Some("auto") => None,
        Some(named) => Some(named.to_owned()),
        None => is_http.then(|| "mpjpeg".to_owned()),
    };
    let is_jpeg = format.as_deref().is_some_and(is_of_pictures);
    let container = take!("container", |value| one_of(value, &Container::ALL.map(|known| (known.extension(), known))));
    let container = container.unwrap_or_default();
    let video = take!("video", |value| one_of(value, &[("copy", Video::Copy), ("h264", Video::H264)]));
    let audio =
        take!("audio", |value| one_of(value, &[("copy", Audio::Copy), ("aac", Audio::Aac), ("none", Audio::None)]));
    // Cameras send G.711, which MP4 refuses and a transport stream cannot name.
    let fitting = match container {
        _ if is_jpeg => Audio::None,
        Container::Mkv => Audio::Copy,
        Container::Ts | Container::Mp4 => Audio::Aac,
    };
    let transports = [
        ("tcp", Transport::Tcp),
        ("udp", Transport::Udp),
        ("multicast", Transport::Multicast),
        ("http", Transport::Http),
    ];
    let camera = Camera {
        segment: take!("segment", segment_length).unwrap_or(DEFAULT_SEGMENT),
        container,
        video: video.unwrap_or(if is_jpeg { Video::H264 } else { Video::Copy }),
        audio: audio.unwrap_or(fitting),
        fps: take!("fps", rate),
        bitrate: take!("bitrate", bit_rate).unwrap_or(DEFAULT_BITRATE),
        transport: take!("transport", |value| one_of(value, &transports)).unwrap_or(Transport::Tcp),
        format,
        timeout: take!("timeout", seconds).unwrap_or(DEFAULT_TIMEOUT),
        stall_timeout: take!("stall_timeout", seconds).unwrap_or(DEFAULT_STALL_TIMEOUT),
        wallclock: take!("wallclock", boolean).unwrap_or(true),
        input_options: take!("input_options", words).unwrap_or_default(),
        output_options: take!("output_options", words).unwrap_or_default(),
        zone: take!("timezone", text_as).unwrap_or(around.zone),
        keep: take!("keep", size::<Keep>).unwrap_or(Keep::Forever),
        keep_bytes: take!("keep_bytes", |value| parse_quota(&number_or_text(value)?)),
        on_segment: take!("on_segment", words).unwrap_or_default(),
        schedule: take!("schedule", schedule).unwrap_or_default(),
        destination: around.base.join(destination.clone().unwrap_or_default()),
        url: match url {
            Some(url) => url,
            None if has_url => return Ok(None),
            None => return Err(("", "it has no url".into())),
        },
    };
    if destination.is_none() {
        return Err(("", "it has no destination: name one here or in [defaults]".into()));
    }
    if camera.video == Video::Copy && is_jpeg && camera.container != Container::Mkv {
        return Err(("video", format!("JPEG pictures do not fit into {}: write \"h264\"", container.extension())));
    }
    if let Keep::For(age) = camera.keep
        && age <= camera.segment
        && age < DAY
    {
        return Err((
            "keep",
            format!(
                "{} is no more than a segment ({}): each would be removed as soon as it is closed",
                short_duration(age),
                short_duration(camera.segment)
            ),
        ));
    }
    Ok(is_enabled.then_some(camera))
}

fn path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    match text(value)? {
        "" => Err("a directory is needed".into()),
        path => Ok(path.into()),
    }
}

fn segment_length(value: &DeValue<'_>) -> Result<Duration, String> {
    // A bare 5 hardly means segments of five seconds.
    if let Some(few @ 1..10) = bare_number(value) {
        return Err(format!("{few} would be seconds: write \"{few}m\", or \"{few}s\""));
    }
    let length = seconds(value)?;
    if length > LONGEST_SEGMENT || length < SHORTEST_SEGMENT || length.subsec_nanos() != 0 {
        return Err("a segment is of whole seconds, and at most a day long".into());
    }
    Ok(length)
}

/// Bits in a second: `1M`, `800k`.
fn bit_rate(value: &DeValue<'_>) -> Result<ByteSize, String> {
    const LEAST_BARE: u64 = 32_000;
    // visdcam counts in kbit.
    if let Some(few @ 1..LEAST_BARE) = bare_number(value) {
        return Err(format!("{few} would be bits in a second: write \"{few}k\" for kbit"));
    }
    let rate: Result<ByteSize, String> = size(value);
    match rate {
        Ok(rate) if rate.0 >= 1000 => Ok(rate),
        _ => Err("bits in a second are needed, such as \"1M\" or \"800k\"".into()),
    }
}

fn schedule(value: &DeValue<'_>) -> Result<Vec<Entry>, String> {
    const FORM: &str = "entries are needed, such as [{ at = \"06:00\", get = \"http://CAMERA:8080/day\" }]";
    let entries = value.as_array().ok_or(FORM)?;
    entries
        .iter()
        .map(|entry| {
            let table = entry.get_ref().as_table().filter(|table| table.len() == 2).ok_or(FORM)?;
            let part = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str()).ok_or(FORM);
            let (at, get) = (part("at")?, part("get")?);
            let at = NaiveTime::parse_from_str(at, "%H:%M").or_else(|_| NaiveTime::parse_from_str(at, "%H:%M:%S"));
            let is_http = get.starts_with("http://") || get.starts_with("https://");
            if !is_http {
                return Err(format!("{:?} is no http or https URL", shown(get)));
            }
            if login::is_cut(get) {
                return Err(format!("the host of a URL ends inside the password: {}", login::ESCAPES));
            }
            Ok(Entry { at: at.map_err(|_| "a time of day is needed, such as \"06:00\"")?, get: get.to_owned().into() })
        })
        .collect()
}

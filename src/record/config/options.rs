//! The options of the command line and the keys of the configuration, as values that may be absent. A camera's own options
//! win over the defaults of the configuration ([`CameraOptions::or`]), and these over the built-in ones.

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveTime;
use clap::ValueEnum;
use toml::de::DeValue;

use super::camera::{Audio, Engine, Transport, Video};
use super::section::{Section, boolean, integer, number_or_text, text, text_as};
use crate::disk::WhenFull;
use crate::login;
use crate::record::name::Container;
use crate::record::schedule::Entry;
use crate::record::url::{CameraUrl, shown};
use crate::retention::{Keep, parse_quota, parse_retention_size};
use crate::units::{BitRate, ByteSize, parse_seconds};
use crate::zone::Tz;

/// Defines a struct of options by its keys, which the configuration and the command line share. The function after the type
/// parses it from a value of the configuration.
macro_rules! options {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $key:ident: $kind:ty = $read:expr,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $key: Option<$kind>,)*
        }

        impl $name {
            /// The names of all keys.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];

            /// These options; where one is absent, that of `defaults`.
            #[must_use]
            pub fn or(self, defaults: Self) -> Self {
                Self { $($key: self.$key.or(defaults.$key),)* }
            }

            /// The first key that is present.
            #[must_use]
            pub fn first_key(&self) -> Option<&'static str> {
                [$(self.$key.as_ref().map(|_| stringify!($key))),*].into_iter().flatten().next()
            }

            /// Takes all keys of a section, which collects the problems.
            pub(super) fn read(section: &mut Section<'_>) -> Self {
                Self { $($key: section.take(stringify!($key), $read),)* }
            }
        }
    };
}

options! {
    /// The options of one camera.
    CameraOptions {
        /// `rtsp://…`, `http://…`
        url: CameraUrl = text_as,
        /// The directory that contains its folder.
        destination: PathBuf = |value| directory(text(value)?),
        /// Whether to record it.
        enabled: bool = boolean,
        /// The length of a segment.
        segment: Duration = |value| segment_length(&number_or_text(value)?),
        /// The format of segments.
        container: Container = |value| one_of(text(value)?),
        /// Whether to copy or encode its video.
        video: Video = |value| one_of(text(value)?),
        /// Whether to copy, encode or drop its audio.
        audio: Audio = |value| one_of(text(value)?),
        /// Frames per second of encoded video.
        fps: f64 = |value| frame_rate(&number_or_text(value)?),
        /// The bit rate of encoded video.
        bitrate: BitRate = |value| number_or_text(value)?.parse(),
        /// What reads it.
        engine: Engine = |value| one_of(text(value)?),
        /// The transport of RTSP.
        transport: Transport = |value| one_of(text(value)?),
        /// The format of its stream, by ffmpeg's name; `auto` lets ffmpeg probe it.
        format: String = |value| text(value).map(str::to_owned),
        /// How long it may take to answer.
        timeout: Duration = |value| parse_seconds(&number_or_text(value)?),
        /// The time without a new frame after which ffmpeg is restarted.
        stall_timeout: Duration = |value| parse_seconds(&number_or_text(value)?),
        /// Whether this host's clock stamps its frames.
        wallclock: bool = boolean,
        /// ffmpeg's input options.
        input_options: Vec<String> = word_list,
        /// ffmpeg's output options.
        output_options: Vec<String> = word_list,
        /// The zone of its names, boundaries and schedule.
        timezone: Tz = text_as,
        /// How long to keep its segments.
        keep: Keep = |value| number_or_text(value)?.parse(),
        /// How many bytes of them to keep.
        keep_bytes: ByteSize = |value| parse_quota(&number_or_text(value)?),
        /// The program to run for each closed segment, with its arguments.
        on_segment: Vec<String> = word_list,
        /// HTTP requests to it by the time of day.
        schedule: Vec<Entry> = schedule,
    }
}

options! {
    /// The options that apply to all cameras.
    GeneralOptions {
        /// Where to serve metrics: `127.0.0.1:8080`.
        listen: String = |value| text(value).map(str::to_owned),
        /// Whether to log hints about settings of the system.
        hints: bool = boolean,
        /// The ffmpeg to use.
        ffmpeg: PathBuf = text_as,
        /// How full a disk may get, in percent as `df` counts.
        max_used_disk: u8 = percent,
        /// How much of a disk stays free.
        min_free: ByteSize = |value| parse_retention_size(&number_or_text(value)?),
        /// Whether to evict or pause on a full disk.
        when_full: WhenFull = |value| one_of(text(value)?),
    }
}

/// A value out of a fixed set of names.
///
/// # Errors
/// All names.
pub fn one_of<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| {
        let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<String> = names.map(|name| format!("{:?}", name.get_name())).collect();
        format!("{text:?} is none of {}", names.join(", "))
    })
}

/// A directory.
///
/// # Errors
/// It is empty.
pub fn directory(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("a directory is needed".into()) } else { Ok(text.into()) }
}

/// The length of a segment: whole seconds, at most a day.
///
/// # Errors
/// How to write it.
pub fn segment_length(text: &str) -> Result<Duration, String> {
    const RANGE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
    // A user who writes a bare 5 hardly means segments of five seconds.
    if let Ok(few @ 1..10_u64) = text.trim().parse() {
        return Err(format!("{few} would be seconds: write \"{few}m\", or \"{few}s\""));
    }
    let length = parse_seconds(text)?;
    if RANGE.contains(&length) && length.subsec_nanos() == 0 {
        Ok(length)
    } else {
        Err("a segment has whole seconds, and at most a day".into())
    }
}

/// Frames per second.
///
/// # Errors
/// How to write it.
pub fn frame_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.1..=240.0).contains(rate));
    rate.ok_or_else(|| "a number of frames per second is needed, from 0.1 to 240".to_owned())
}

/// Space-separated words.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// An array of texts, or one text of space-separated words.
fn word_list(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match value {
        DeValue::Array(values) => values.iter().map(|value| text(value.get_ref()).map(str::to_owned)).collect(),
        _ => text(value).map(words),
    }
}

fn percent(value: &DeValue<'_>) -> Result<u8, String> {
    let percent = u8::try_from(integer(value)?).ok().filter(|percent| (5..=98).contains(percent));
    percent.ok_or_else(|| "a percentage from 5 to 98 is needed".to_owned())
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

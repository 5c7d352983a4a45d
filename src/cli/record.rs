//! What people type for `footage record`.

use std::fmt::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::groups::{Disk, Ffmpeg, Full, Lock, Metrics, Output, Share, WhenFull};
use crate::error::{Error, Result};
use crate::record::name::CameraName;
use crate::record::{Action, Settings, Source};
use crate::retention::{Keep, parse_quota};
use crate::secret::Secret;
use crate::units::parse_seconds;
use crate::zone::Tz;

/// `footage record`
#[derive(Debug, Args)]
#[command(mut_arg("shard", |arg| arg.help_heading("Running")))]
#[command(mut_arg("metrics_file", |arg| arg.help("Write Prometheus metrics to this file, every ten seconds")))]
#[command(mut_arg("metrics_instance", |arg| {
    arg.help("The Pushgateway's instance [default: CONFIG, or the camera's name]")
}))]
pub struct Record {
    /// The configuration: a TOML file that names the cameras
    #[arg(value_name = "CONFIG", env = "FOOTAGE_CONFIG", required_unless_present = "url")]
    pub config: Option<PathBuf>,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub camera: Camera,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub disk: Disk,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub full: Full,
    /// Try every camera once and print a table; exits with 3 when one of them fails
    #[arg(long, help_heading = "Running", conflicts_with_all = ["stop", "reload"])]
    pub check: bool,
    /// Stop the recorder of this configuration, and wait until it has ended
    #[arg(long, help_heading = "Running", conflicts_with = "reload")]
    pub stop: bool,
    /// Have the recorder of this configuration read it again; as SIGHUP does
    #[arg(long, help_heading = "Running")]
    pub reload: bool,
    /// Record for this long, then end: 1h
    #[arg(
        long = "for",
        value_name = "TIME",
        value_parser = parse_seconds,
        env = "FOOTAGE_FOR",
        help_heading = "Running"
    )]
    pub lasts: Option<Duration>,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub share: Share,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub ffmpeg: Ffmpeg,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub lock: Lock,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub output: Output,
    /// Serve metrics over HTTP here: 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS", env = "FOOTAGE_LISTEN", help_heading = "Metrics")]
    pub listen: Option<String>,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub metrics: Metrics,
}

/// One camera without a file. Its keys are those of the file, which reads them: what is read here too is refused as other
/// commands refuse it.
#[derive(Debug, Args)]
#[command(next_help_heading = "One camera, without CONFIG")]
pub struct Camera {
    /// Record this camera: rtsp://…, or http://… for JPEG after JPEG
    #[arg(
        long,
        value_name = "URL",
        env = "FOOTAGE_URL",
        hide_env_values = true,
        requires = "destination",
        conflicts_with = "config"
    )]
    pub url: Option<Secret>,
    /// What the camera is called: its folder in the destination [default: camera]
    #[arg(long, value_name = "NAME", value_parser = read(CameraName::from_str), env = "FOOTAGE_NAME")]
    pub name: Option<String>,
    /// Where the recordings go: DIR/NAME/2026-11-21/…
    #[arg(short, long, value_name = "DIR", env = "FOOTAGE_DESTINATION")]
    pub destination: Option<String>,
    /// How long a segment is, cut at marks of the clock [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = read(parse_seconds), env = "FOOTAGE_SEGMENT")]
    pub segment: Option<String>,
    /// What segments are packed in: mkv, ts or mp4 [default: mkv]
    #[arg(long, value_name = "FORMAT", env = "FOOTAGE_CONTAINER")]
    pub container: Option<String>,
    /// copy, or h264 to encode [default: copy; h264 for JPEG]
    #[arg(long, value_name = "CODING", env = "FOOTAGE_VIDEO")]
    pub video: Option<String>,
    /// copy, aac or none [default: copy; aac for ts and mp4]
    #[arg(long, value_name = "CODING", env = "FOOTAGE_AUDIO")]
    pub audio: Option<String>,
    /// Frames in a second, where they are encoded
    #[arg(long, value_name = "N", env = "FOOTAGE_FPS")]
    pub fps: Option<String>,
    /// Bits in a second, where frames are encoded [default: 1M]
    #[arg(long, value_name = "BITS", env = "FOOTAGE_BITRATE")]
    pub bitrate: Option<String>,
    /// How RTSP is carried: tcp, udp, multicast or http [default: tcp]
    #[arg(long, value_name = "WAY", env = "FOOTAGE_TRANSPORT")]
    pub transport: Option<String>,
    /// How long the camera may take to answer [default: 10s]
    #[arg(short, long, value_name = "TIME", value_parser = read(parse_seconds), env = "FOOTAGE_TIMEOUT")]
    pub timeout: Option<String>,
    /// Start ffmpeg again when no frame came for this long [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = read(parse_seconds), env = "FOOTAGE_STALL_TIMEOUT")]
    pub stall_timeout: Option<String>,
    /// The zone of names and marks, such as Asia/Kolkata [default: this machine's]
    #[arg(long, value_name = "ZONE", value_parser = read(Tz::from_str), env = "FOOTAGE_TIMEZONE")]
    pub timezone: Option<String>,
    /// Remove recordings older than this: 2w, 30 (days), 36h
    #[arg(short, long, value_name = "AGE", value_parser = read(Keep::from_str), env = "FOOTAGE_KEEP")]
    pub keep: Option<String>,
    /// Remove the oldest recordings when all are more than this, such as 500GB
    #[arg(long, value_name = "SIZE", value_parser = read(parse_quota), env = "FOOTAGE_KEEP_BYTES")]
    pub keep_bytes: Option<String>,
    /// Run this program for each closed segment, as words apart by blanks
    #[arg(long, value_name = "PROGRAM", env = "FOOTAGE_ON_SEGMENT")]
    pub on_segment: Option<String>,
    /// Options of ffmpeg for reading, as words apart by blanks
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true, env = "FOOTAGE_INPUT_OPTIONS")]
    pub input_options: Option<String>,
}

/// Refuses what `parse` refuses, and keeps the text.
fn read<T>(parse: fn(&str) -> Result<T, String>) -> impl Fn(&str) -> Result<String, String> + Clone {
    move |text| parse(text).map(|_| text.to_owned())
}

impl Record {
    /// What tells this recorder from others: where its cameras come from, and its share of them.
    #[must_use]
    pub fn told_apart_by(&self) -> [String; 2] {
        [self.name(), self.share.shard.to_string()]
    }

    /// The destination that was typed, where one was; a configuration that cannot be read names none.
    #[must_use]
    pub fn destinations(&self) -> Vec<PathBuf> {
        self.camera.destination.iter().map(PathBuf::from).collect()
    }

    /// What was typed, resolved into what the pass works with.
    ///
    /// # Errors
    /// [`Error::Usage`]
    pub fn settings(&self) -> Result<Settings> {
        let options = self.camera.options();
        let source = match &self.config {
            Some(path) => {
                let name = self.camera.name.as_ref().map(|_| "name");
                if let Some(option) = name.or(options.first().map(|(option, _)| *option)) {
                    let option = option.replace('_', "-");
                    return Err(Error::Usage(format!(
                        "--{option} goes with --url: in a file it stands as a key of its own"
                    )));
                }
                Source::File(path.clone(), self.general())
            }
            None => Source::Options((self.general() + &self.camera.text(&options)).into()),
        };
        let action = match () {
            () if self.stop => Action::Stop,
            () if self.reload => Action::Reload,
            () if self.check => Action::Check,
            () if self.output.dry_run => Action::Show,
            () => Action::Record,
        };
        Ok(Settings {
            action,
            config: source.read()?,
            source,
            shard: self.share.shard,
            lasts: self.lasts,
            ffmpeg: self.ffmpeg.ffmpeg.clone(),
            lock_file: self.lock.lock_file.clone(),
            is_from_cron: self.output.cron,
            sinks: self.metrics.sinks(&self.name())?,
        })
    }
}

impl Record {
    /// What metrics call it.
    fn name(&self) -> String {
        self.config.as_ref().map_or_else(|| self.camera.name().to_owned(), |path| path.display().to_string())
    }

    /// The text of a file that says what holds for all cameras; it wins over CONFIG.
    fn general(&self) -> String {
        let action = self.full.when_full.map(|action| match action {
            WhenFull::Stop => "stop",
            WhenFull::DeleteOldest => "delete-oldest",
        });
        let all = [
            ("listen", self.listen.clone()),
            ("max_used_disk", self.disk.max_used_disk.map(|percent| percent.to_string())),
            ("min_free", self.disk.min_free.map(|size| format!("{}B", size.0))),
            ("when_full", action.map(str::to_owned)),
        ];
        all.iter().filter_map(|(key, value)| Some(format!("{key} = {}\n", quoted(value.as_ref()?)))).collect()
    }
}

impl Camera {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("camera")
    }

    /// The keys that were typed, but the URL; the name is none.
    fn options(&self) -> Vec<(&'static str, &String)> {
        let all = [
            ("destination", &self.destination),
            ("segment", &self.segment),
            ("container", &self.container),
            ("video", &self.video),
            ("audio", &self.audio),
            ("fps", &self.fps),
            ("bitrate", &self.bitrate),
            ("transport", &self.transport),
            ("timeout", &self.timeout),
            ("stall_timeout", &self.stall_timeout),
            ("timezone", &self.timezone),
            ("keep", &self.keep),
            ("keep_bytes", &self.keep_bytes),
            ("on_segment", &self.on_segment),
            ("input_options", &self.input_options),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))).collect()
    }

    /// The file that says the same.
    fn text(&self, options: &[(&'static str, &String)]) -> String {
        let mut text = format!("[cameras.{}]\n", quoted(self.name()));
        let url = self.url.iter().map(|url| ("url", url.reveal()));
        for (key, value) in url.chain(options.iter().map(|(key, value)| (*key, value.as_str()))) {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
        text
    }
}

/// A text as TOML has it: what JSON escapes, TOML escapes in the same way.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_read_again() {
        for text in ["yard", "a\"b\\c", "tab\there", "é\u{7f}\u{1}🎥\n"] {
            let read = toml::de::DeTable::parse(&format!("{} = {}", quoted(text), quoted(text))).map(|table| {
                let (key, value) = table
                    .get_ref()
                    .iter()
                    .next()
                    .map(|(k, v)| (k.get_ref().to_string(), v.get_ref().as_str().map(str::to_owned)))
                    .expect("a key");
                (key, value.expect("a text"))
            });
            let _ = read
                .map(|read| assert_eq!(read, (text.to_owned(), text.to_owned())))
                .map_err(|error| panic!("{error}"));
        }
    }
}

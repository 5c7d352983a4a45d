//! The command line of `footage record`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::groups::{Disk, Ffmpeg, Full, Lock, Metrics, Output, Share, Tls};
use crate::error::{Error, Result};
use crate::record::config::options::{
    CameraOptions, GeneralOptions, directory, frame_rate, one_of, segment_length, words,
};
use crate::record::config::{Audio, Engine, Invalid, Problem, Transport, Video};
use crate::record::name::{CameraName, Container};
use crate::record::{Action, Settings, Source};
use crate::retention::{Keep, parse_quota};
use crate::secret::Secret;
use crate::units::{BitRate, ByteSize, parse_seconds};
use crate::zone::Tz;

/// `footage record`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[command(mut_arg("shard", |arg| arg.help_heading("Running")))]
#[command(mut_arg("metrics_file", |arg| arg.help("Write Prometheus metrics to this file, every ten seconds")))]
#[command(mut_arg("metrics_instance", |arg| {
    arg.help("The Pushgateway's instance [default: CONFIG or NAME]")
}))]
pub struct Record {
    /// Configuration: a TOML file that names the cameras
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
    /// Try every camera one time and print a table; exit with 3 if one fails
    #[arg(long, help_heading = "Running", conflicts_with_all = ["stop", "reload", "pause", "resume"])]
    pub check: bool,
    /// Stop the recorder of this configuration, and wait for its end
    #[arg(long, help_heading = "Running", conflicts_with_all = ["reload", "pause", "resume"])]
    pub stop: bool,
    /// Make the recorder of this configuration read it again, as SIGHUP does
    #[arg(long, help_heading = "Running", conflicts_with_all = ["pause", "resume"])]
    pub reload: bool,
    /// Stop the recorder, and start none until --resume, not even from cron
    #[arg(long, help_heading = "Running", conflicts_with = "resume")]
    pub pause: bool,
    /// End a --pause
    #[arg(long, help_heading = "Running")]
    pub resume: bool,
    /// Record for this long, then exit: 1h
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
    pub tls: Tls,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub output: Output,
    /// Serve metrics over HTTP on this address: 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS", env = "FOOTAGE_LISTEN", help_heading = "Metrics")]
    pub listen: Option<String>,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub metrics: Metrics,
}

/// The value of an option, or what is wrong with it: all that is wrong with a camera is shown at once.
type Checked<T> = Result<T, String>;

fn checked<T>(parse: fn(&str) -> Checked<T>) -> impl Fn(&str) -> Result<Checked<T>, Infallible> + Clone {
    move |text| Ok(parse(text))
}

/// One camera without a file; the options are those of the file.
#[derive(Debug, Args)]
#[command(next_help_heading = "One camera, without CONFIG")]
pub struct Camera {
    /// Record this camera: rtsp://…, or http://… for MJPEG
    #[arg(
        long,
        value_name = "URL",
        env = "FOOTAGE_URL",
        hide_env_values = true,
        requires = "destination",
        conflicts_with = "config"
    )]
    pub url: Option<Secret>,
    /// Name of the camera, and of its folder [default: camera]
    #[arg(long, value_name = "NAME", env = "FOOTAGE_NAME")]
    pub name: Option<CameraName>,
    /// Store recordings in DIR/NAME/2026-11-21/…
    #[arg(short, long, value_name = "DIR", value_parser = checked(directory), env = "FOOTAGE_DESTINATION")]
    pub destination: Option<Checked<PathBuf>>,
    /// Length of a segment, cut at boundaries of the clock [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = checked(segment_length), env = "FOOTAGE_SEGMENT")]
    pub segment: Option<Checked<Duration>>,
    /// Format of segments: mkv, ts or mp4 [default: mkv]
    #[arg(long, value_name = "FORMAT", value_parser = checked(one_of::<Container>), env = "FOOTAGE_CONTAINER")]
    pub container: Option<Checked<Container>>,
    /// Video codec: copy, or h264 to encode [default: copy; h264 for JPEG]
    #[arg(long, value_name = "CODING", value_parser = checked(one_of::<Video>), env = "FOOTAGE_VIDEO")]
    pub video: Option<Checked<Video>>,
    /// Audio codec: copy, aac or none [default: copy; aac for ts and mp4]
    #[arg(long, value_name = "CODING", value_parser = checked(one_of::<Audio>), env = "FOOTAGE_AUDIO")]
    pub audio: Option<Checked<Audio>>,
    /// Frames per second of encoded video
    #[arg(long, value_name = "N", value_parser = checked(frame_rate), env = "FOOTAGE_FPS")]
    pub fps: Option<Checked<f64>>,
    /// Bit rate of encoded video [default: 1M]
    #[arg(long, value_name = "BITS", value_parser = checked(BitRate::from_str), env = "FOOTAGE_BITRATE")]
    pub bitrate: Option<Checked<BitRate>>,
    /// What reads the camera: auto, native or ffmpeg [default: auto]
    #[arg(long, value_name = "ENGINE", value_parser = checked(one_of::<Engine>), env = "FOOTAGE_ENGINE")]
    pub engine: Option<Checked<Engine>>,
    /// Transport of RTSP: tcp, udp, multicast or http [default: tcp, else udp]
    #[arg(long, value_name = "WAY", value_parser = checked(one_of::<Transport>), env = "FOOTAGE_TRANSPORT")]
    pub transport: Option<Checked<Transport>>,
    /// Wait this long for an answer of the camera [default: 10s]
    #[arg(short, long, value_name = "TIME", value_parser = parse_seconds, env = "FOOTAGE_TIMEOUT")]
    pub timeout: Option<Duration>,
    /// Reconnect after this time without a packet [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_seconds, env = "FOOTAGE_STALL_TIMEOUT")]
    pub stall_timeout: Option<Duration>,
    /// Time zone of names: Asia/Kolkata [default: this machine's]
    ///
    /// Segments begin at full hours, or other boundaries, of this zone.
    #[arg(long, value_name = "ZONE", env = "FOOTAGE_TIMEZONE")]
    pub timezone: Option<Tz>,
    /// Remove recordings older than this: 2w, 30 (days), 36h
    #[arg(short, long, value_name = "AGE", env = "FOOTAGE_KEEP")]
    pub keep: Option<Keep>,
    /// Remove the oldest recordings beyond this total size: 500GB
    #[arg(long, value_name = "SIZE", value_parser = parse_quota, env = "FOOTAGE_KEEP_BYTES")]
    pub keep_bytes: Option<ByteSize>,
    /// Run this program, space-separated words, for each closed segment
    #[arg(long, value_name = "PROGRAM", env = "FOOTAGE_ON_SEGMENT")]
    pub on_segment: Option<String>,
    /// Add these input options of ffmpeg, space-separated words
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true, env = "FOOTAGE_INPUT_OPTIONS")]
    pub input_options: Option<String>,
}

impl Record {
    /// What distinguishes this recorder from others: where its cameras come from, and its shard.
    pub(super) fn recorder_identity(&self) -> [String; 2] {
        [self.name(), self.share.shard.to_string()]
    }

    /// The destination of the command line; those of a configuration are known when it is read.
    #[must_use]
    pub fn destinations(&self) -> Vec<PathBuf> {
        self.camera.destination.iter().flatten().cloned().collect()
    }

    /// The settings of the pass.
    ///
    /// # Errors
    /// [`Error::Usage`]
    pub fn settings(&self) -> Result<Settings> {
        let (camera, problems) = self.camera.options();
        let source = match &self.config {
            Some(path) => {
                let name = self.camera.name.as_ref().map(|_| "name");
                let wrong = problems.first().map(|problem| problem.key.as_str());
                if let Some(key) = name.or(camera.first_key()).or(wrong) {
                    return Err(Error::Usage(format!(
                        "--{} goes with --url: in a file it stands as a key of its own",
                        key.replace('_', "-")
                    )));
                }
                Source::File(path.clone(), self.general())
            }
            None if !problems.is_empty() => return Err(Error::Usage(Invalid(problems).to_string())),
            None => Source::Options { name: self.camera.name(), camera: Box::new(camera), general: self.general() },
        };
        let action = match () {
            () if self.stop => Action::Stop,
            () if self.reload => Action::Reload,
            () if self.pause => Action::Pause,
            () if self.resume => Action::Resume,
            () if self.check => Action::Check,
            () if self.output.dry_run => Action::Show,
            () => Action::Record,
        };
        let network = self.tls.network(None)?;
        Ok(Settings {
            action,
            config: source.read()?,
            source,
            shard: self.share.shard,
            lasts: self.lasts,
            ffmpeg: self.ffmpeg.ffmpeg.clone(),
            lock_file: self.lock.lock_file.clone(),
            is_from_cron: self.output.cron,
            sinks: self.metrics.sinks(&self.name(), network.clone())?,
            network,
        })
    }
}

impl Record {
    /// What metrics call it.
    fn name(&self) -> String {
        self.config.as_ref().map_or_else(|| self.camera.name().to_string(), |path| path.display().to_string())
    }

    /// The options that are not about one camera; they override CONFIG.
    fn general(&self) -> GeneralOptions {
        GeneralOptions {
            listen: self.listen.clone(),
            max_used_disk: self.disk.max_used_disk,
            min_free: self.disk.min_free,
            when_full: self.full.when_full,
            ..GeneralOptions::default()
        }
    }
}

impl Camera {
    fn name(&self) -> CameraName {
        self.name.clone().unwrap_or_default()
    }

    /// The options, and what is wrong with them.
    fn options(&self) -> (CameraOptions, Vec<Problem>) {
        let mut problems = Vec::new();
        let options = CameraOptions {
            url: take("url", self.url.as_ref().map(|url| url.reveal().parse()).as_ref(), &mut problems),
            destination: take("destination", self.destination.as_ref(), &mut problems),
            segment: take("segment", self.segment.as_ref(), &mut problems),
            container: take("container", self.container.as_ref(), &mut problems),
            video: take("video", self.video.as_ref(), &mut problems),
            audio: take("audio", self.audio.as_ref(), &mut problems),
            fps: take("fps", self.fps.as_ref(), &mut problems),
            bitrate: take("bitrate", self.bitrate.as_ref(), &mut problems),
            engine: take("engine", self.engine.as_ref(), &mut problems),
            transport: take("transport", self.transport.as_ref(), &mut problems),
            timeout: self.timeout,
            stall_timeout: self.stall_timeout,
            timezone: self.timezone,
            keep: self.keep,
            keep_bytes: self.keep_bytes,
            on_segment: self.on_segment.as_deref().map(words),
            input_options: self.input_options.as_deref().map(words),
            ..CameraOptions::default()
        };
        (options, problems)
    }
}

/// The value of an option; what is wrong with it goes to `problems`.
fn take<T: Clone>(key: &str, value: Option<&Checked<T>>, problems: &mut Vec<Problem>) -> Option<T> {
    match value? {
        Ok(value) => Some(value.clone()),
        Err(message) => {
            problems.push(Problem { line: None, key: key.to_owned(), message: message.clone() });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        record: Record,
    }

    fn settings(arguments: &[&str]) -> Result<Settings> {
        Line::try_parse_from([&["footage"], arguments].concat()).expect("a command line").record.settings()
    }

    #[test]
    fn options_of_url_and_a_configuration_with_the_same_keys_are_the_same_camera() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("footage.toml");
        let destination = dir.path().join("a \"b\" é");
        let destination = destination.to_str().expect("UTF-8");
        let all = [
            ("destination", destination),
            ("segment", "10m"),
            ("container", "ts"),
            ("video", "h264"),
            ("audio", "none"),
            ("fps", "7.5"),
            ("bitrate", "800k"),
            ("engine", "ffmpeg"),
            ("transport", "udp"),
            ("timeout", "3"),
            ("stall_timeout", "1m"),
            ("timezone", "Asia/Kolkata"),
            ("keep", "2w"),
            ("keep_bytes", "5GB"),
            ("on_segment", "program 'a b' c"),
            ("input_options", "-a \\ -b"),
        ];
        let mut options: Vec<String> = ["--url", "rtsp://u:p@cam/1", "--name", "yard"].map(str::to_owned).into();
        let mut lines = vec!["[cameras.yard]".to_owned(), "url = \"rtsp://u:p@cam/1\"".to_owned()];
        for (key, value) in all {
            options.push(format!("--{}={value}", key.replace('_', "-")));
            lines.push(format!("{key} = {}", serde_json::Value::from(value)));
        }
        std::fs::write(&file, lines.join("\n")).expect("written");
        let by_options = settings(&options.iter().map(String::as_str).collect::<Vec<_>>()).expect("options");
        let by_file = settings(&[file.to_str().expect("UTF-8")]).expect("a configuration");
        assert_eq!(by_options.config, by_file.config);
        assert_eq!(by_options.config.cameras.len(), 1);
    }

    #[test]
    fn all_wrong_options_of_url_are_named_at_once() {
        let error = settings(&[
            "--url=gopher://u:hunter2@cam",
            "--destination=",
            "--segment=5",
            "--container=avi",
            "--fps=0",
            "--bitrate=9",
        ]);
        let error = error.expect_err("wrong options").to_string();
        insta::assert_snapshot!(error, @r#"
        --url: "gopher" is no protocol of cameras: rtsp, rtsps, http, https, rtmp, rtmps, srt, udp, tcp, rtp are
        --destination: a directory is needed
        --segment: 5 would be seconds: write "5m", or "5s"
        --container: "avi" is none of "mkv", "ts", "mp4"
        --fps: a number of frames per second is needed, from 0.1 to 240
        --bitrate: 9 would be bits per second: write "9k" for kbit
        "#);
        let error = settings(&["--url=http://cam", "--destination=d", "--video=copy", "--container=ts"]);
        let error = error.expect_err("what does not fit").to_string();
        assert_eq!(error, "--video: JPEG pictures do not fit into ts: write \"h264\"");
    }

    #[test]
    fn max_used_disk_min_free_when_full_and_listen_override_config() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("footage.toml");
        let text = "listen = \"a:1\"\nmax_used_disk = 50\nmin_free = \"1GB\"\nwhen_full = \"stop\"\nhints = false\n\
            [cameras.yard]\nurl = \"rtsp://cam/1\"\ndestination = \"d\"\n";
        std::fs::write(&file, text).expect("written");
        let file = file.to_str().expect("UTF-8");
        let config = settings(&[file, "--listen=b:2", "--when-full=delete-oldest", "--max-used-disk=60"]);
        let config = config.expect("a configuration").config;
        assert_eq!((config.listen.as_deref(), config.delete_oldest, config.wants_hints), (Some("b:2"), true, false));
        assert_eq!((config.guard.max_used_percent, config.guard.min_free), (Some(60), Some(ByteSize(1_000_000_000))));
    }
}

//! `--check`: tests each camera once, several at a time.

mod native;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::command;
use super::config::{Audio, Camera, Config, Engine, Video};
use super::container::{self, Misfit};
use super::feed::{Kind, NO_FFMPEG};
use super::ffmpeg_log::FfmpegLog;
use super::name::CameraName;
use crate::child;
use crate::error::Result;
use crate::failure::FailureReason;
use crate::ffmpeg::Ffmpeg;
use crate::ffmpeg::command::has_frame;
use crate::login;
use crate::media::{Codec, Shape, Track};
use crate::network::Network;
use crate::pass::{Context, Failure, Report};
use crate::pass_name::PassName;
use crate::stdout;
use crate::text::{Alike, alike, printable};
use crate::units::human_duration;
use crate::workers::{self, Queue};

/// How many cameras to test at once.
const AT_ONCE: usize = 8;
/// The time of ffmpeg beyond the camera's timeout: it analyzes the stream for some seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tests each camera once and prints the streams that it sends.
pub(super) fn run(
    config: &Config,
    ffmpeg: Option<&Ffmpeg>,
    network: &Network,
    context: &Context,
    report: &mut Report,
) -> Result<()> {
    let queue = Queue::default();
    config.cameras.iter().for_each(|camera| queue.put(camera));
    queue.close();
    let stop = &context.stop;
    let threads = AT_ONCE.min(config.cameras.len());
    let try_one = |(name, camera)| {
        (!stop.is_requested()).then(|| (name, probe(camera, ffmpeg, network, &|| stop.is_requested())))
    };
    let mut results: Vec<(&CameraName, Result<String, String>)> =
        workers::run(&queue, threads, try_one, |results| results.iter().flatten().collect());
    context.stop.check()?;
    results.sort_by_key(|(name, _)| *name);
    if context.json {
        let row = |(name, result): &(&CameraName, Result<String, String>)| {
            let message = result.as_ref().unwrap_or_else(|why| why);
            json!({ "camera": name.as_str(), "ok": result.is_ok(), "message": message })
        };
        stdout::json(&json!({ "pass": PassName::Record, "cameras": results.iter().map(row).collect::<Vec<_>>() }));
    }
    if !context.json {
        let rows: Vec<(&str, &Result<String, String>)> =
            results.iter().map(|(name, result)| (name.as_str(), result)).collect();
        for line in table(&rows) {
            stdout::line(&printable(&line));
        }
    }
    let failures = results.into_iter().filter_map(|(name, result)| Some((name, result.err()?)));
    report.failures.extend(failures.map(|(name, message)| Failure {
        name: name.to_string(),
        reason: FailureReason::Camera,
        message,
    }));
    Ok(())
}

/// A line for each camera; one for all that fail for the same cause.
fn table(rows: &[(&str, &Result<String, String>)]) -> Vec<String> {
    let failing = rows.iter().filter_map(|(name, result)| Some((*name, result.as_ref().err()?.as_str())));
    let (alike, apart): (Vec<Alike<'_>>, Vec<Alike<'_>>) =
        alike(failing).into_iter().partition(|alike| alike.names.len() > 1);
    let is_apart = |name: &str| apart.iter().any(|alike| alike.names == [name]);
    let shown = || rows.iter().filter(|(name, result)| result.is_ok() || is_apart(name));
    let width = shown().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let own = shown().map(|(name, result)| match result {
        Ok(text) => format!("{name:width$}  ok     {text}"),
        Err(text) => format!("{name:width$}  FAILS  {text}"),
    });
    own.chain(alike.iter().map(|alike| format!("{}: {}", alike.who(rows.len(), "camera"), alike.cause))).collect()
}

/// The streams of a camera: `h264 640x360 15 fps, pcm_alaw 8000 Hz`. Or why it sends none.
fn probe(
    camera: &Camera,
    ffmpeg: Option<&Ffmpeg>,
    network: &Network,
    is_stopped: &dyn Fn() -> bool,
) -> Result<String, String> {
    let with_ffmpeg = |ffmpeg: &Ffmpeg| probe_with_ffmpeg(camera, ffmpeg, is_stopped);
    let came = match (Kind::of(camera, false), ffmpeg) {
        (kind, None) if kind.takes_ffmpeg() => Err(NO_FFMPEG.to_owned()),
        (Kind::Ffmpeg, Some(ffmpeg)) => with_ffmpeg(ffmpeg),
        (kind, ffmpeg) => match (native::probe(camera, kind, ffmpeg, network, is_stopped), ffmpeg) {
            (Err(reason), Some(ffmpeg)) if reason.wants_ffmpeg && camera.engine == Engine::Auto => {
                with_ffmpeg(ffmpeg).map(|came| format!("{came}; read by ffmpeg: {}", reason.why))
            }
            (came, _) => came.map_err(|reason| reason.why),
        },
    };
    // A password of digits with an unescaped `/` or `?` behind it reads as a port.
    let is_cut = login::may_be_cut(camera.url.secret());
    came.map_err(|why| if is_cut { format!("{why}; {}", login::ESCAPES) } else { why })
}

/// What comes, and what the container cannot hold of it: then `…; audio PCMA: mp4 cannot hold it, left out`.
fn summary(camera: &Camera, came: String, tracks: &[Track]) -> Result<String, String> {
    let mut text = came;
    for track in tracks {
        match container::misfit(camera.container, track) {
            None => {}
            Some(Misfit::Video(why)) => return Err(why),
            Some(Misfit::Audio(_)) => {
                let (codec, container) = (track.codec.name(), camera.container.extension());
                text = format!("{text}; audio {codec}: {container} cannot hold it, left out");
            }
        }
    }
    Ok(text)
}

fn probe_with_ffmpeg(camera: &Camera, ffmpeg: &Ffmpeg, is_stopped: &dyn Fn() -> bool) -> Result<String, String> {
    let mut command = Command::from(command::probe(camera, &ffmpeg.path, ffmpeg.version));
    command.env("AV_LOG_FORCE_NOCOLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child::spawn(&mut command).map_err(|error| format!("cannot run ffmpeg: {error}"))?;
    let stderr = child.stderr.take();
    let stdout = child.stdout.take();
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = pipe.map(|pipe| pipe.take(256 << 10).read_to_end(&mut text));
            text
        })
    };
    let said = read(stderr.map(|pipe| Box::new(pipe) as _));
    let packets = read(stdout.map(|pipe| Box::new(pipe) as _));
    let began = Instant::now();
    let waited = child::wait(&mut child, camera.timeout + PATIENCE, is_stopped);
    let is_late = !matches!(waited, Ok((_, None)));
    let said = said.join().unwrap_or_default();
    let packets = packets.join().unwrap_or_default();
    let text = camera.url.redact(&String::from_utf8_lossy(&said));
    if has_frame(&packets) {
        let came = streams(&text).unwrap_or_else(|| "frames come".to_owned());
        let tracks = copied(camera, &came);
        return summary(camera, came, &tracks);
    }
    let mut errors = FfmpegLog::default();
    errors.take(&said, &camera.url, began, &mut |_, _| {});
    let late = || format!("nothing came within {}", human_duration(began.elapsed()));
    let why = if is_late { None } else { errors.reason() };
    Err(why.map_or_else(late, ToOwned::to_owned))
}

/// The tracks among what comes that are copied and that some container cannot hold.
fn copied(camera: &Camera, came: &str) -> Vec<Track> {
    let video = [Codec::Jpeg];
    let audio = [Codec::ALaw, Codec::MuLaw, Codec::G722, Codec::G726 { bits: 4 }, Codec::L16];
    let comes = |codec: &Codec| came.split(", ").any(|stream| stream.split(' ').next() == Some(codec.ffmpeg_name()));
    let video = video.into_iter().filter(|_| camera.video == Video::Copy);
    let audio = audio.into_iter().filter(|_| camera.audio == Audio::Copy);
    let video = video.map(|codec| Track { codec, shape: Shape::Video { width: 0, height: 0 } });
    let audio = audio.map(|codec| Track { codec, shape: Shape::Audio { sample_rate_hz: 0, channels: 0 } });
    video.chain(audio).filter(|track| comes(&track.codec)).collect()
}

/// The streams of the input in ffmpeg's log: `Stream #0:0: Video: h264 (High), yuv420p(progressive), 640x360, 15 fps`.
fn streams(text: &str) -> Option<String> {
    let input = text.split("Output #").next()?;
    let mut found = Vec::new();
    for line in input.lines() {
        let Some((_, rest)) = line.split_once("Stream #") else { continue };
        let (kind, rest) = match (rest.split_once("Video: "), rest.split_once("Audio: ")) {
            (Some((_, rest)), _) => ("video", rest),
            (_, Some((_, rest))) => ("audio", rest),
            _ => continue,
        };
        let mut fields = rest.split(", ").map(str::trim);
        let coding = fields.next()?.split(' ').next()?.trim_end_matches(',').to_owned();
        let is_telling = |field: &str| {
            let word = field.split(' ').next().unwrap_or_default();
            let is_size =
                word.split_once('x').is_some_and(|(w, h)| w.parse::<u32>().is_ok() && h.parse::<u32>().is_ok());
            (kind == "video" && is_size) || field.ends_with(" fps") || field.ends_with(" Hz")
        };
        let telling = fields.filter(|field| is_telling(field));
        let telling = telling.map(|field| {
            if field.ends_with("fps") || field.ends_with("Hz") {
                field
            } else {
                field.split(' ').next().unwrap_or(field)
            }
        });
        found.push(std::iter::once(coding.as_str()).chain(telling).collect::<Vec<_>>().join(" "));
    }
    (!found.is_empty()).then(|| found.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_with_one_cause_share_a_line() {
        let (good, refused, away) =
            (Ok("h264".to_owned()), Err("401 Unauthorized".to_owned()), Err("refused".to_owned()));
        let names: Vec<String> = (1..=60).map(|n| format!("cam{n}")).collect();
        let all: Vec<_> = names.iter().map(|name| (name.as_str(), &refused)).collect();
        assert_eq!(table(&all), ["60 of 60 cameras: 401 Unauthorized"]);
        let mixed = [("barn", &refused), ("door", &away), ("gate", &good), ("yard", &refused)];
        assert_eq!(
            table(&mixed),
            ["door  FAILS  refused", "gate  ok     h264", "2 of 4 cameras (barn, yard): 401 Unauthorized"]
        );
    }

    #[test]
    fn check_summarizes_streams() {
        let said = "[info] Input #0, rtsp, from 'rtsp://cam/live':\n  Duration: N/A, start: 0.1, bitrate: N/A\n\
            [info]   Stream #0:0: Video: h264 (High), yuv420p(progressive), 640x360 [SAR 1:1 DAR 16:9], 15 fps, 15 tbr, 90k tbn\n\
            [info]   Stream #0:1: Audio: pcm_alaw, 8000 Hz, mono, s16, 64 kb/s\n\
            [info] Output #0, framecrc, to 'pipe:1':\n[info]   Stream #0:0: Video: h264, yuv420p, 640x360, 15 fps\n";
        assert_eq!(streams(said).as_deref(), Some("h264 640x360 15 fps, pcm_alaw 8000 Hz"));
        assert_eq!(streams(""), None);
    }
}

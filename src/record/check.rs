//! `--check`: each camera is tried once, several at a time.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::command;
use super::config::{Camera, Config};
use super::name::CameraName;
use super::said::Said;
use crate::child;
use crate::error::Result;
use crate::ffmpeg::Ffmpeg;
use crate::pass::{Context, Failure, Report};
use crate::stdout;
use crate::text::printable;
use crate::units::human_duration;

/// So many are tried at once.
const AT_ONCE: usize = 8;
/// How long ffmpeg may take beside the time for the camera's answers: it looks at the stream for some seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tries each camera once and prints what comes from it.
pub(super) fn run(config: &Config, ffmpeg: &Ffmpeg, context: &Context, report: &mut Report) -> Result<()> {
    let (sender, results) = mpsc::channel();
    let queue = Mutex::new(config.cameras.iter());
    let stop = &context.stop;
    let mut results: Vec<(&CameraName, Result<String, String>)> = std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(config.cameras.len()) {
            let (sender, queue, ffmpeg) = (sender.clone(), &queue, &ffmpeg);
            scope.spawn(move || {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((name, camera)) = next.filter(|_| !stop.is_requested()) else { return };
                    let _ = sender.send((name, probe(camera, ffmpeg, &|| stop.is_requested())));
                }
            });
        }
        drop(sender);
        results.iter().collect()
    });
    context.stop.check()?;
    results.sort_by_key(|(name, _)| *name);
    if context.json {
        let row = |(name, result): &(&CameraName, Result<String, String>)| {
            let message = result.as_ref().unwrap_or_else(|why| why);
            json!({ "camera": name.as_str(), "ok": result.is_ok(), "message": message })
        };
        stdout::json(&json!({ "pass": "record", "cameras": results.iter().map(row).collect::<Vec<_>>() }));
    }
    let width = results.iter().map(|(name, _)| name.as_str().chars().count()).max().unwrap_or(0);
    for (name, result) in results {
        let (word, text) = match &result {
            Ok(text) => ("ok", text),
            Err(text) => ("FAILS", text),
        };
        if !context.json {
            stdout::line(&printable(&format!("{name:width$}  {word:5}  {text}")));
        }
        if let Err(message) = result {
            report.failures.push(Failure { name: name.to_string(), reason: "camera".into(), message });
        }
    }
    Ok(())
}

/// What comes from a camera: `h264 640x360 15 fps, pcm_alaw 8000 Hz`. Or why nothing does.
fn probe(camera: &Camera, ffmpeg: &Ffmpeg, is_stopped: &dyn Fn() -> bool) -> Result<String, String> {
    let mut command = Command::new(&ffmpeg.path);
    command.args(command::probe(camera, ffmpeg.version)).env("AV_LOG_FORCE_NOCOLOR", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
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
    let has_frame = packets.split(|byte| *byte == b'\n').any(|line| line.first().is_some_and(u8::is_ascii_digit));
    if has_frame {
        return Ok(streams(&text).unwrap_or_else(|| "frames come".to_owned()));
    }
    let mut errors = Said::default();
    errors.take(&said, &camera.url, began, &mut |_, _| {});
    let late = || format!("nothing came within {}", human_duration(began.elapsed()));
    let why = if is_late { None } else { errors.last_words() };
    Err(why.map_or_else(late, ToOwned::to_owned))
}

/// What ffmpeg says of the streams of its input: `Stream #0:0: Video: h264 (High), yuv420p(progressive), 640x360, 15 fps`.
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
    fn streams_are_told_in_short() {
        let said = "[info] Input #0, rtsp, from 'rtsp://cam/live':\n  Duration: N/A, start: 0.1, bitrate: N/A\n\
            [info]   Stream #0:0: Video: h264 (High), yuv420p(progressive), 640x360 [SAR 1:1 DAR 16:9], 15 fps, 15 tbr, 90k tbn\n\
            [info]   Stream #0:1: Audio: pcm_alaw, 8000 Hz, mono, s16, 64 kb/s\n\
            [info] Output #0, framecrc, to 'pipe:1':\n[info]   Stream #0:0: Video: h264, yuv420p, 640x360, 15 fps\n";
        assert_eq!(streams(said).as_deref(), Some("h264 640x360 15 fps, pcm_alaw 8000 Hz"));
        assert_eq!(streams(""), None);
    }
}

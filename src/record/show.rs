//! The command lines of ffmpeg, for `--dry-run`.

use super::command;
use super::config::{Camera, Config};
use super::feed::{Kind, NO_FFMPEG};
use super::name::CameraName;
use crate::ffmpeg::Ffmpeg;
use crate::pass::{Context, Report};
use crate::steps::{self, Step};

/// Prints for each camera what reads it, without secrets: ffmpeg's command line, or that none runs.
pub(super) fn plan(config: &Config, ffmpeg: Option<&Ffmpeg>, context: &Context, report: &mut Report) {
    let steps: Vec<Step> = config.cameras.iter().map(|(name, camera)| step(name, camera, ffmpeg)).collect();
    steps::show(report, &steps, context.json);
}

fn step(name: &CameraName, camera: &Camera, ffmpeg: Option<&Ffmpeg>) -> Step {
    let kind = Kind::of(camera, false);
    let arguments = |ffmpeg: &Ffmpeg| match kind {
        Kind::EncodedJpeg => command::encoder_arguments(camera, ffmpeg.version),
        _ => command::arguments(camera, ffmpeg.version),
    };
    let ffmpeg = ffmpeg.filter(|_| kind.takes_ffmpeg());
    let command = ffmpeg.map(|ffmpeg| command::shown(camera, &ffmpeg.path, &arguments(ffmpeg)));
    Step {
        engine: Some(if kind.takes_ffmpeg() { "ffmpeg" } else { "native" }),
        source: Some(camera.url.to_string()),
        directory: Some(camera.destination.join(name.as_str()).display().to_string()),
        container: Some(camera.container.extension()),
        reason: (kind.takes_ffmpeg() && command.is_none()).then(|| NO_FFMPEG.to_owned()),
        command,
        ..Step::new("record", name.as_str())
    }
}

//! The command lines of ffmpeg, for `--dry-run`.

use super::command;
use super::config::{Camera, Config};
use super::name::{CameraName, RunId};
use crate::ffmpeg::Ffmpeg;
use crate::pass::{Context, Report};
use crate::steps::{self, Step};

/// Prints ffmpeg's command line for each camera, without secrets.
pub(super) fn commands(config: &Config, ffmpeg: &Ffmpeg, context: &Context, report: &Report) {
    let step = |(name, camera): (&CameraName, &Camera)| {
        let dir = camera.destination.join(name.as_str());
        let arguments = command::arguments(camera, &dir, RunId(0), ffmpeg.version);
        let command = Some(command::shown(camera, &camera.zone.posix(context.now.to_utc()), &ffmpeg.path, &arguments));
        Step { command, ..Step::new("record", name.as_str()) }
    };
    let steps: Vec<Step> = config.cameras.iter().map(step).collect();
    steps::show(report, &steps, context.json);
}

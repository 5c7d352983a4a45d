//! What would be run, for `--dry-run`.

use std::fmt;

use super::config::Config;
use super::name::Token;
use super::{Settings, command};
use crate::error::Result;
use crate::ffmpeg;
use crate::pass::Context;
use crate::stdout;

/// A command line for each camera.
struct Line<'a> {
    camera: &'a str,
    command: String,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.camera, self.command)
    }
}

/// Prints ffmpeg's command line for each camera, without secrets.
pub(super) fn commands(settings: &Settings, config: &Config, context: &Context) -> Result<()> {
    let ffmpeg = ffmpeg::find(settings.ffmpeg.as_deref().or(config.ffmpeg.as_deref()), &context.stop)?;
    let lines = config.cameras.iter().map(|(name, camera)| {
        let dir = camera.destination.join(name.as_str());
        let arguments = command::arguments(camera, &dir, Token(0), ffmpeg.version, context.now.to_utc());
        Line { camera: name.as_str(), command: command::shown(camera, &ffmpeg.path, &arguments) }
    });
    if context.json {
        let object: serde_json::Map<_, _> = lines.map(|line| (line.camera.to_owned(), line.command.into())).collect();
        stdout::line(&serde_json::Value::Object(object));
    } else {
        lines.for_each(|line| stdout::line(&line));
    }
    Ok(())
}

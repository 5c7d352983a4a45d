//! The configuration: the cameras, and how to record each. Pure: text in, values out.
//!
//! ```toml
//! listen = "127.0.0.1:8080"
//!
//! [defaults]
//! destination = "/srv/cameras"
//! keep = "2w"
//!
//! [cameras.yard]
//! url = "rtsp://user:password@192.168.1.20/stream1"
//!
//! [cameras.gate]
//! url = "http://192.168.1.21:81/stream"
//! fps = 10
//! ```
//!
//! A key of `[defaults]` applies to every camera that does not override it. Errors name key and line, and all of them are
//! shown at once; an unknown key is an error, since it is probably a misspelt one.
//!
//! One camera can be configured by options of the command line, too. Both become [`CameraOptions`], which resolve to a
//! [`Camera`].

mod camera;
pub mod options;
mod section;
mod syntax;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use self::camera::{Audio, Camera, Engine, Transport, Video};
use self::options::{CameraOptions, GeneralOptions};
use self::section::Section;
use super::name::CameraName;
use crate::disk::{Guard, WhenFull};
use crate::zone::Tz;

/// A configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The address to serve metrics on: `127.0.0.1:8080`.
    pub listen: Option<String>,
    /// Whether to log hints about settings of the system that do not suit a recorder.
    pub wants_hints: bool,
    /// The ffmpeg to use.
    pub ffmpeg: Option<PathBuf>,
    /// How full the disks of the destinations may get.
    pub guard: Guard,
    /// On a full disk, remove the oldest segments; otherwise recording pauses.
    pub delete_oldest: bool,
    /// The cameras, by name.
    pub cameras: BTreeMap<CameraName, Camera>,
}

/// The environment that options depend on.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Relative paths are relative to this.
    pub base: PathBuf,
    /// The zone of cameras that name none.
    pub zone: Tz,
}

/// Something that is wrong in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; none for an option of the command line.
    pub line: Option<usize>,
    /// The key with its section, `cameras.yard.segment`; of an option the key alone.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) if self.key.is_empty() => write!(f, "line {line}: {}", self.message),
            Some(line) => write!(f, "line {line}: {}: {}", self.key, self.message),
            None => write!(f, "--{}: {}", self.key.replace('_', "-"), self.message),
        }
    }
}

/// All that is wrong in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub Vec<Problem>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// The sections; other keys at the top are those of [`GeneralOptions`].
const SECTIONS: [&str; 2] = ["defaults", "cameras"];

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(source: &str, environment: &Environment) -> Result<Self, Invalid> {
        Self::parse_with(source, GeneralOptions::default(), environment)
    }

    /// Reads a configuration, whose general keys `options` override.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse_with(source: &str, options: GeneralOptions, environment: &Environment) -> Result<Self, Invalid> {
        let reader = Reader { source, environment };
        let document = DeTable::parse(source).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let line = reader.line(span.start);
            // The parser quotes the text that it cannot parse, which may be a password: use only its message.
            let syntax::Stop { key, message } = syntax::stop(source, span, error.message());
            Invalid(vec![Problem { line, key, message }])
        })?;
        let mut problems = Vec::new();
        let (general, cameras) = reader.read(document.get_ref(), &mut problems);
        if problems.is_empty() {
            return Ok(Self::new(options.or(general), cameras));
        }
        problems.sort_by_key(|problem| problem.line);
        Err(Invalid(problems))
    }

    /// The configuration of one camera whose options were given on the command line.
    ///
    /// # Errors
    /// Options that are missing or contradict each other.
    pub fn of_camera(
        name: CameraName,
        camera: CameraOptions,
        general: GeneralOptions,
        environment: &Environment,
    ) -> Result<Self, Invalid> {
        match camera.resolve(environment) {
            Ok(camera) => Ok(Self::new(general, camera.map(|camera| (name, camera)).into_iter().collect())),
            Err((key, message)) => Err(Invalid(vec![Problem { line: None, key: key.to_owned(), message }])),
        }
    }

    fn new(general: GeneralOptions, cameras: BTreeMap<CameraName, Camera>) -> Self {
        Self {
            listen: general.listen,
            wants_hints: general.hints.unwrap_or(true),
            ffmpeg: general.ffmpeg,
            guard: Guard { max_used_percent: general.max_used_disk, min_free: general.min_free },
            delete_oldest: general.when_full == Some(WhenFull::DeleteOldest),
            cameras,
        }
    }

    /// The destinations, each once.
    #[must_use]
    pub fn destinations(&self) -> Vec<&Path> {
        let mut destinations: Vec<&Path> = self.cameras.values().map(|camera| camera.destination.as_path()).collect();
        destinations.sort_unstable();
        destinations.dedup();
        destinations
    }
}

/// The text of the configuration, for the line numbers of problems.
struct Reader<'a> {
    source: &'a str,
    environment: &'a Environment,
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> Option<usize> {
        Some(self.source.get(..offset)?.matches('\n').count() + 1)
    }

    /// Reads the general keys and the cameras that are enabled.
    fn read(
        &self,
        document: &DeTable<'_>,
        problems: &mut Vec<Problem>,
    ) -> (GeneralOptions, BTreeMap<CameraName, Camera>) {
        let known = [GeneralOptions::KEYS, &SECTIONS].concat();
        let mut top = Section::new(self, String::new(), document, &known);
        let general = GeneralOptions::read(&mut top);
        let nothing = DeTable::new();
        let defaults = top.table("defaults").unwrap_or(&nothing);
        let tables = top.table("cameras").unwrap_or(&nothing);
        top.finish(problems);
        if let Some((key, _)) = defaults.get_key_value("url") {
            let message = "each camera has its own: move it to [cameras.NAME]";
            problems.push(self.problem("defaults.url", key.span().start, message));
        }
        let mut wrong_defaults = Vec::new();
        let defaults = self.defaults(defaults, tables, &mut wrong_defaults);
        let mut cameras = BTreeMap::new();
        for (name, value) in tables {
            let known = problems.len();
            let options = self.camera(name, value, problems).map(|(parsed, own)| (parsed, own.or(defaults.clone())));
            // A problem that is already listed may be the cause of another.
            let Some((parsed, options)) = options.filter(|_| problems.len() == known && wrong_defaults.is_empty())
            else {
                continue;
            };
            match options.resolve(self.environment) {
                Ok(camera) => cameras.extend(camera.map(|camera| (parsed, camera))),
                Err((about, message)) => {
                    let table = value.get_ref().as_table();
                    let key = table.and_then(|table| table.get_key_value(about)).map(|(key, _)| key.span().start);
                    let path = if about.is_empty() { String::new() } else { format!(".{about}") };
                    let line = key.unwrap_or(name.span().start);
                    problems.push(self.problem(&format!("cameras.{}{path}", name.get_ref()), line, message));
                }
            }
        }
        if tables.is_empty() && problems.is_empty() {
            problems.push(self.problem("cameras", 0, "no camera: add [cameras.NAME] and its url"));
        }
        problems.append(&mut wrong_defaults);
        (general, cameras)
    }

    /// Reads `[defaults]`, except the values that every camera overrides.
    fn defaults(&self, defaults: &DeTable<'_>, cameras: &DeTable<'_>, problems: &mut Vec<Problem>) -> CameraOptions {
        let mut section = Section::new(self, "defaults".into(), defaults, CameraOptions::KEYS);
        section.skip("url");
        let overrides = |value: &DeValue<'_>, key: &str| value.as_table().is_none_or(|camera| camera.contains_key(key));
        for key in CameraOptions::KEYS {
            if cameras.iter().all(|(_, camera)| overrides(camera.get_ref(), key)) {
                section.skip(key);
            }
        }
        let options = CameraOptions::read(&mut section);
        section.finish(problems);
        options
    }

    /// Reads a camera's own keys.
    fn camera(
        &self,
        name: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        problems: &mut Vec<Problem>,
    ) -> Option<(CameraName, CameraOptions)> {
        let key = format!("cameras.{}", name.get_ref());
        let parsed: CameraName = match name.get_ref().parse() {
            Ok(parsed) => parsed,
            Err(message) => {
                problems.push(self.problem(&key, name.span().start, message));
                return None;
            }
        };
        let Some(table) = value.get_ref().as_table() else {
            problems.push(self.problem(&key, value.span().start, "a table with the camera's url is needed"));
            return None;
        };
        let mut section = Section::new(self, key, table, CameraOptions::KEYS);
        let options = CameraOptions::read(&mut section);
        section.finish(problems);
        Some((parsed, options))
    }

    fn problem(&self, key: &str, offset: usize, message: impl Into<String>) -> Problem {
        Problem { line: self.line(offset), key: key.to_owned(), message: message.into() }
    }
}

#[cfg(test)]
mod tests;

//! The configuration: which cameras, and how each is recorded. Pure: text in, values out.
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
//! A key of `[defaults]` holds for every camera that does not say otherwise. What is wrong is told with its key and line,
//! all of it at once; a key that is not known is wrong too, since it is a key that is known with a letter wrong.

mod camera;
mod section;
mod syntax;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use self::camera::{Audio, CAMERA_KEYS, Camera, Transport, Video};
use self::section::{Section, text, text_as};
use super::name::CameraName;
use crate::disk::Guard;
use crate::retention::parse_retention_size;
use crate::zone::Tz;

/// A configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Where to serve metrics: `127.0.0.1:8080`.
    pub listen: Option<String>,
    /// Whether to tell about settings of the system that do not suit a recorder.
    pub wants_hints: bool,
    /// The ffmpeg to use.
    pub ffmpeg: Option<PathBuf>,
    /// How full the disks of the destinations may get.
    pub guard: Guard,
    /// On a full disk the oldest segments go. Else recording pauses.
    pub delete_oldest: bool,
    /// The cameras, by name.
    pub cameras: BTreeMap<CameraName, Camera>,
}

/// What the text does not say.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Relative paths are relative to this.
    pub base: PathBuf,
    /// The zone of cameras that name none.
    pub zone: Tz,
    /// Whether the text was made of options: then no line is told, and keys are told as options.
    pub is_options: bool,
}

/// Something that is wrong in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; none where it was made of options.
    pub line: Option<usize>,
    /// The key with its section: `cameras.yard.segment`.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) if self.key.is_empty() => write!(f, "line {line}: {}", self.message),
            Some(line) => write!(f, "line {line}: {}: {}", self.key, self.message),
            None => {
                let option = self.key.rsplit('.').next().unwrap_or_default().replace('_', "-");
                write!(f, "--{option}: {}", self.message)
            }
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

/// The keys that stand before all sections, and the sections.
const TOP_KEYS: [&str; 8] =
    ["listen", "hints", "ffmpeg", "max_used_disk", "min_free", "when_full", "defaults", "cameras"];

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(source: &str, surroundings: &Surroundings) -> Result<Self, Invalid> {
        let reader = Reader { source, surroundings };
        let document = DeTable::parse(source).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let line = reader.line(span.start);
            // The parser quotes what it cannot read, and that may be a password: only its words are taken.
            let syntax::Stop { key, message } = syntax::stop(source, span, error.message());
            Invalid(vec![Problem { line, key, message }])
        })?;
        let mut problems = Vec::new();
        let config = reader.config(document.get_ref(), &mut problems);
        if problems.is_empty() {
            return Ok(config);
        }
        problems.sort_by_key(|problem| problem.line);
        // What is wrong in the defaults is found again with each camera.
        problems.dedup();
        Err(Invalid(problems))
    }

    /// Takes what holds for all cameras from another text, where that says it: from options.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn override_with(&mut self, source: &str) -> Result<(), Invalid> {
        let surroundings = Surroundings { base: PathBuf::new(), zone: Tz::UTC, is_options: true };
        let reader = Reader { source, surroundings: &surroundings };
        let mut problems = Vec::new();
        if let Ok(document) = DeTable::parse(source) {
            let mut top = Section::new(&reader, String::new(), document.get_ref(), &TOP_KEYS);
            self.take_general(&mut top);
            top.finish(&mut problems);
        }
        if problems.is_empty() { Ok(()) } else { Err(Invalid(problems)) }
    }

    fn take_general(&mut self, top: &mut Section<'_>) {
        let percent = |value: &DeValue<'_>| match section::integer(value)? {
            percent @ 5..=98 => u8::try_from(percent).map_err(|error| error.to_string()),
            _ => Err("a percentage from 5 to 98 is needed".into()),
        };
        let min_free = |value: &DeValue<'_>| parse_retention_size(&section::number_or_text(value)?);
        let actions = [("stop", false), ("delete-oldest", true)];
        self.listen = top.take("listen", |value| text(value).map(str::to_owned)).or(self.listen.take());
        self.wants_hints = top.take("hints", section::boolean).unwrap_or(self.wants_hints);
        self.ffmpeg = top.take("ffmpeg", text_as).or(self.ffmpeg.take());
        self.guard.max_used_percent = top.take("max_used_disk", percent).or(self.guard.max_used_percent);
        self.guard.min_free = top.take("min_free", min_free).or(self.guard.min_free);
        let delete_oldest = top.take("when_full", |value| section::one_of(value, &actions));
        self.delete_oldest = delete_oldest.unwrap_or(self.delete_oldest);
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

/// The text that is read, for the lines of what is wrong.
struct Reader<'a> {
    source: &'a str,
    surroundings: &'a Surroundings,
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> Option<usize> {
        let before = self.source.get(..offset)?;
        (!self.surroundings.is_options).then(|| before.matches('\n').count() + 1)
    }

    fn config(&self, document: &DeTable<'_>, problems: &mut Vec<Problem>) -> Config {
        let mut top = Section::new(self, String::new(), document, &TOP_KEYS);
        let mut config = Config { wants_hints: true, ..Config::default() };
        config.take_general(&mut top);
        let nothing = DeTable::new();
        let defaults = top.table("defaults").unwrap_or(&nothing);
        let cameras = top.table("cameras");
        top.finish(problems);
        if defaults.contains_key("url") {
            problems.push(self.problem(
                "defaults.url",
                span(defaults, "url"),
                "each camera has its own: it belongs there",
            ));
        }
        for (name, value) in cameras.into_iter().flatten() {
            self.camera(name, value, defaults, &mut config, problems);
        }
        if cameras.is_none_or(DeTable::is_empty) && problems.is_empty() {
            problems.push(self.problem("cameras", 0, "there is no camera: write [cameras.NAME] and its url"));
        }
        // Where there is no camera to read them with.
        let mut own = Section::new(self, "defaults".into(), defaults, &CAMERA_KEYS);
        own.ignore_all();
        own.finish(problems);
        config
    }

    fn camera(
        &self,
        name: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        defaults: &DeTable<'_>,
        config: &mut Config,
        problems: &mut Vec<Problem>,
    ) {
        let key = format!("cameras.{}", name.get_ref());
        let parsed: CameraName = match name.get_ref().parse() {
            Ok(parsed) => parsed,
            Err(message) => return problems.push(self.problem(&key, name.span().start, message)),
        };
        let Some(table) = value.get_ref().as_table() else {
            return problems.push(self.problem(&key, value.span().start, "a table with the camera's url is needed"));
        };
        let mut own = Section::new(self, key.clone(), table, &CAMERA_KEYS);
        let mut general = Section::new(self, "defaults".into(), defaults, &CAMERA_KEYS);
        general.ignore_all();
        let known = problems.len();
        let camera = camera::read(&mut own, &mut general, self.surroundings);
        own.finish(problems);
        general.finish(problems);
        match camera {
            Ok(Some(camera)) => drop(config.cameras.insert(parsed, camera)),
            Err((about, message)) if problems.len() == known => {
                let line = table.get_key_value(about).map_or(name.span().start, |(key, _)| key.span().start);
                let key = if about.is_empty() { key } else { format!("{key}.{about}") };
                problems.push(self.problem(&key, line, message));
            }
            Ok(None) | Err(_) => {}
        }
    }

    fn problem(&self, key: &str, offset: usize, message: impl Into<String>) -> Problem {
        Problem { line: self.line(offset), key: key.to_owned(), message: message.into() }
    }
}

fn span(table: &DeTable<'_>, key: &str) -> usize {
    table.get_key_value(key).map_or(0, |(key, _)| key.span().start)
}

#[cfg(test)]
mod tests;

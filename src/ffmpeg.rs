//! ffmpeg, the one program that is needed beside this one: found, and asked for its version.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::child;
use crate::error::{Error, Result};
use crate::stop::Stop;
use crate::units::human_duration;

/// The oldest major version that is taken: the first with HEVC in MP4 as players want it, and what the oldest of the
/// NAS packages installs.
const MIN_MAJOR: u32 = 4;
/// How long `ffmpeg -version` may take, on a NAS whose disks sleep.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a stop is looked for meanwhile.
const TICK: Duration = Duration::from_millis(100);
/// As much of what it says as is read; the version is at its front.
const MAX_ANSWER_BYTES: u64 = 64 << 10;
/// Majors that the NAS packages may have, newest first.
const PACKAGES: std::ops::RangeInclusive<u32> = MIN_MAJOR..=12;

/// An ffmpeg that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ffmpeg {
    /// The program.
    pub path: PathBuf,
    /// What it says it is.
    pub version: Version,
}

/// A version of ffmpeg, as far as its options depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// A version of these numbers.
    #[must_use]
    pub fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Whether it is this one or newer.
    #[must_use]
    pub fn is_at_least(self, major: u32, minor: u32) -> bool {
        self >= Self { major, minor }
    }

    /// Builds from the repository (`N-109421-g…`) count as new: they have no number, and nobody keeps an old one.
    fn of(text: &str) -> Self {
        let mut numbers = text.trim_start_matches('n').split(|c: char| !c.is_ascii_digit()).map(str::parse);
        match numbers.next() {
            Some(Ok(major)) => Self { major, minor: numbers.next().and_then(Result::ok).unwrap_or(0) },
            _ => Self { major: u32::MAX, minor: 0 },
        }
    }
}

/// Finds an ffmpeg that is new enough. `named` is what `--ffmpeg` says; nothing else is tried then. Else it is the one
/// in PATH, or where that is missing or too old (Synology's own), one that a package installed, newest first.
///
/// # Errors
/// [`Error::Usage`]: none is there, or none is new enough.
pub fn find(named: Option<&Path>, stop: &Stop) -> Result<Ffmpeg> {
    let mut refusals = Vec::new();
    for candidate in candidates(named) {
        match version(&candidate, stop) {
            Ok(version) if Version::of(&version).is_at_least(MIN_MAJOR, 0) => {
                log::info!("using {} (version {version})", candidate.display());
                return Ok(Ffmpeg { path: candidate, version: Version::of(&version) });
            }
            Ok(version) => refusals
                .push(format!("{} is version {version}, and {MIN_MAJOR} or newer is needed", candidate.display())),
            Err(why) => refusals.push(format!("{} {why}", candidate.display())),
        }
        stop.check()?;
    }
    let advice = match named {
        Some(_) => "name another with --ffmpeg",
        None => "install it, or name it with --ffmpeg",
    };
    if refusals.is_empty() {
        refusals.push("there is none in PATH".to_owned());
    }
    Err(Error::Usage(format!("ffmpeg is needed: {}; {advice}", refusals.join("; "))))
}

fn candidates(named: Option<&Path>) -> Vec<PathBuf> {
    let in_path = |name: &Path| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
    };
    if let Some(named) = named {
        // As a shell does it: a bare name is looked for, a path is taken.
        let is_bare = named.components().count() == 1 && !named.is_absolute();
        let found = if is_bare { in_path(named) } else { None };
        return vec![found.unwrap_or_else(|| named.to_owned())];
    }
    let packages = PACKAGES.rev().flat_map(|major| {
        [format!("/usr/local/bin/ffmpeg{major}"), format!("/var/packages/ffmpeg{major}/target/bin/ffmpeg")]
    });
    let packages = packages.chain(["/usr/local/ffmpeg/bin/ffmpeg".to_owned()]);
    let packages = packages.map(PathBuf::from).filter(|file| file.is_file());
    in_path(Path::new("ffmpeg")).into_iter().chain(packages).collect()
}

/// The version that a program says it is, or in words why it says none.
fn version(program: &Path, stop: &Stop) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg("-version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = child::spawn(&mut command).map_err(|error| format!("cannot be run: {error}"))?;
    let stdout = child.stdout.take();
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout.map(|stdout| stdout.take(MAX_ANSWER_BYTES).read_to_end(&mut text));
        let _ = sender.send(read.map(|_| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default());
    });
    let began = Instant::now();
    let answer = loop {
        match answer.recv_timeout(TICK) {
            Ok(answer) => break Some(answer),
            Err(_) if began.elapsed() < PATIENCE && !stop.is_requested() => {}
            Err(_) => break None,
        }
    };
    // Whether it hangs or has said all: it is not needed any more. It is not reaped yet, so its number is its own.
    child::signal(&child, Signal::KILL);
    let _ = child.wait();
    let answer = answer.ok_or_else(|| format!("does not say its version within {}", human_duration(PATIENCE)))?;
    parse_version(&answer).ok_or_else(|| "does not say what version of ffmpeg it is".to_owned())
}

/// `5.1.9-0+deb12u1` of `ffmpeg version 5.1.9-0+deb12u1 Copyright (c) …`.
fn parse_version(answer: &str) -> Option<String> {
    let version = answer.lines().next()?.strip_prefix("ffmpeg version ")?.split_whitespace().next()?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared() {
        let said = "ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers\nbuilt with gcc";
        assert_eq!(parse_version(said).as_deref(), Some("5.1.9-0+deb12u1"));
        assert_eq!(parse_version("avconv version 11"), None);
        assert_eq!(parse_version(""), None);
        for (version, is_new) in [
            ("5.1.9", true),
            ("4.0", true),
            ("n7.1", true),
            ("N-109421-g1234567", true),
            ("2.8.17", false),
            ("3.4", false),
        ] {
            assert_eq!(Version::of(version).is_at_least(MIN_MAJOR, 0), is_new, "{version}");
        }
        for (version, is_new) in [("4.3.7", false), ("4.4", true), ("n4.4.1", true), ("5", true), ("git-2020", true)] {
            assert_eq!(Version::of(version).is_at_least(4, 4), is_new, "{version}");
        }
    }

    #[test]
    fn what_is_no_ffmpeg_is_named() {
        let error = find(Some(Path::new("/bin/true")), &Stop::default()).expect_err("true is no ffmpeg");
        assert!(error.to_string().contains("/bin/true does not say"), "{error}");
        let error = find(Some(Path::new("no-such-program")), &Stop::default()).expect_err("it is not there");
        assert!(error.to_string().contains("no-such-program cannot be run"), "{error}");
    }
}

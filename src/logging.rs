//! The log on stderr: text for people, JSON for machines, level prefixes for the journal.

use std::io::Write;

use chrono::{SecondsFormat, Utc};
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::progress::Progress;
use crate::text::{printable, printable_json};

/// `--log-format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Text lines.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The log level.
#[must_use]
pub fn level(verbose: u8, quiet: bool) -> LevelFilter {
    match (quiet, verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Warn,
        (false, 1) => LevelFilter::Info,
        (false, _) => LevelFilter::Debug,
    }
}

/// The target of a pass's summary: one line that is shown at every level, where a summary is wanted.
pub const SUMMARY: &str = "footage::summary";

/// The target of the lines that summarize removals: shown without `-v` too, which has a line for each file, and not
/// with `--quiet`.
pub const REMOVALS: &str = "footage::removed";

/// Installs the log for this process. Lines of other crates (ureq) are left out: they hold addresses and headers.
pub fn init(format: Format, level: LevelFilter, wants_summary: bool, progress: Progress) {
    let journal = std::env::var("JOURNAL_STREAM").is_ok_and(|stream| is_stderr(&stream));
    let stamped = level >= LevelFilter::Debug;
    let log = Logger { format, level, wants_summary, journal, stamped, progress };
    if log::set_boxed_logger(Box::new(log)).is_ok() {
        log::set_max_level(if wants_summary || level == LevelFilter::Warn {
            level.max(LevelFilter::Info)
        } else {
            level
        });
    }
}

/// Whether stderr is this stream, which systemd names by its device and inode, as decimal numbers: its journal, which reads "<4>"
/// as the level. The variable alone is not enough: child processes with another stderr inherit it.
fn is_stderr(stream: &str) -> bool {
    let Some((device, inode)) = stream.split_once(':') else { return false };
    rustix::fs::fstat(std::io::stderr())
        .is_ok_and(|stderr| device.parse() == Ok(stderr.st_dev) && inode.parse() == Ok(stderr.st_ino))
}

struct Logger {
    format: Format,
    level: LevelFilter,
    wants_summary: bool,
    journal: bool,
    stamped: bool,
    progress: Progress,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        if metadata.target() == REMOVALS {
            return self.level == LevelFilter::Warn;
        }
        let is_summary = self.wants_summary && metadata.target() == SUMMARY;
        is_summary || (metadata.level() <= self.level && metadata.target().starts_with(env!("CARGO_PKG_NAME")))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "a log line carries the time at which it is written")]
        let now = || Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let line = match self.format {
            Format::Json => printable_json(
                &serde_json::json!({
                    "timestamp": now(),
                    "level": record.level().as_str(),
                    "logger": record.target(),
                    "message": record.args().to_string(),
                })
                .to_string(),
            ),
            Format::Text if self.journal => {
                format!("<{}>{}", syslog_level(record.level()), printable(&record.args().to_string()))
            }
            Format::Text => {
                let stamp = if self.stamped { now() + " " } else { String::new() };
                let level = match record.level() {
                    Level::Error => "error: ",
                    Level::Warn => "warning: ",
                    _ => "",
                };
                format!("{stamp}{level}{}", printable(&record.args().to_string()))
            }
        };
        // A closed stderr must not end a pass.
        self.progress.suspend(|| {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        });
    }

    fn flush(&self) {}
}

fn syslog_level(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_wins_over_verbose() {
        assert_eq!(level(0, false), LevelFilter::Warn);
        assert_eq!(level(1, false), LevelFilter::Info);
        assert_eq!(level(9, false), LevelFilter::Debug);
        assert_eq!(level(2, true), LevelFilter::Error);
    }
}

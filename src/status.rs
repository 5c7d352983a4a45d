//! `footage status`: the state of every pass and camera, for people, scripts and Zabbix. It reads and never writes.
//!
//! Every pass leaves its last report in its destination, a recorder its current state; both hold a lock as long as
//! they run. From these, the file names and the disk, `status` finds what runs, what arrived last and what is
//! wrong.
//!
//! | module | idea |
//! | --- | --- |
//! | [`read`] | destinations found, their reports and locks read |
//! | [`newest`] | the newest recording in a tree, by its name |
//! | [`judge`] | what was read in, rows and problems out |
//! | [`row_state`] | the states of a row, and whether they are wrong |
//! | [`rows`] | the result, as values |
//! | [`show`] | a table, as wide as the terminal |

pub mod judge;
pub mod newest;
pub mod read;
pub mod row_state;
pub mod rows;
pub mod show;

use std::path::PathBuf;
use std::time::Duration;

use chrono::DateTime;

use crate::disk::Guard;
use crate::error::{Error, Result};
use crate::machine::Throttling;
use crate::sensors::Look;
use crate::stdout;
use crate::zone::Tz;

/// What to look at, and what to report as wrong.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Destinations, or directories that hold some.
    pub directories: Vec<PathBuf>,
    /// Cameras that a configuration of `record` names: each should be recorded.
    pub expected: Vec<Expected>,
    /// `--max-age`: the newest footage must not be older.
    pub max_age: Option<Duration>,
    /// `--max-pass-age`: the last run of each pass must not have ended longer ago.
    pub max_pass_age: Option<Duration>,
    /// `--max-used-disk`, `--min-free`
    pub guard: Guard,
    /// What to print.
    pub output: Output,
    /// `--cron`: print nothing unless something is wrong.
    pub only_when_wrong: bool,
}

/// A camera that should be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its name.
    pub camera: String,
    /// The destination that holds its directory, as [`resolved`](crate::store::resolved) returns it.
    pub destination: PathBuf,
}

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// A table for people.
    #[default]
    Table,
    /// `--json`
    Json,
    /// `--zabbix-discovery`
    ZabbixDiscovery,
}

/// Set once anything is wrong.
const WRONG: u8 = 3;

/// Prints the state of every pass and camera; returns the exit code: 0 when nothing is wrong, 3 when something is.
///
/// # Errors
/// [`Error::Source`] when no pass has left anything, [`Error::Io`] when a directory cannot be read.
pub fn run(settings: &Settings, now: DateTime<Tz>) -> Result<u8> {
    let machine = Look::begin();
    let places = read::places(settings, now)?;
    if places.iter().all(|place| place.passes.is_empty() && place.unreported.is_empty()) && settings.expected.is_empty()
    {
        let named: Vec<String> = settings.directories.iter().map(|path| path.display().to_string()).collect();
        return Err(Error::Source(format!(
            "no footage pass has left a report in {}: name the destination of a pass, a directory that holds some, or the \
             configuration of footage record",
            named.join(", ")
        )));
    }
    let mut status = judge::judge(&places, settings, now.timestamp());
    if settings.output != Output::ZabbixDiscovery && !(settings.only_when_wrong && status.ok) {
        status.machine = machine.end();
        status.warnings.extend(status.machine.raspberry_pi.iter().flat_map(Throttling::warnings));
    }
    match settings.output {
        Output::ZabbixDiscovery => {
            stdout::json(&show::zabbix_discovery(&status));
            return Ok(0);
        }
        _ if settings.only_when_wrong && status.ok => {}
        Output::Table => stdout::line(&show::table(&status, now.timestamp(), width_of_stdout())),
        Output::Json => stdout::json(&serde_json::to_string_pretty(&status).unwrap_or_default()),
    }
    Ok(if status.ok { 0 } else { WRONG })
}

/// The width of the terminal; none where stdout is no terminal.
fn width_of_stdout() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

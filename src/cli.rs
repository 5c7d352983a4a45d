//! What people type, and what it resolves to: flag, then environment, then default.

pub mod hikvision;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{FalseyValueParser, OsStringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, Args, CommandFactory, Parser, Subcommand};
use ureq::http::header::{HeaderName, HeaderValue};

use crate::dashcam;
use crate::dashcam::address::Address;
use crate::dashcam::name::{Format, Grouping};
use crate::dashcam::policy::{Code, Policy, Priority, Protect};
use crate::disk::Guard;
use crate::error::{Error, Result};
use crate::logging;
use crate::metrics::{Sinks, parse_pushgateway_url};
use crate::retention::{KeepRule, KeepRules};
use crate::units::{ByteSize, parse_duration, parse_rate, parse_seconds};

/// Brings camera footage to one place and keeps it in order.
///
/// Each command is one pass: run it from cron, a shell or a NAS task scheduler. A second run finds nothing to do; a
/// killed one is carried on by the next.
#[derive(Debug, Parser)]
#[command(
    name = "footage",
    version,
    max_term_width = 100,
    infer_long_args = true,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The command line as it is parsed: an empty variable of the environment, as compose files make them, counts as
    /// not set.
    #[must_use]
    pub fn without_empty_variables() -> clap::Command {
        let unset = |arg: Arg| match arg.get_env() {
            Some(name) if std::env::var_os(name).is_some_and(|value| value.is_empty()) => arg.env(None),
            _ => arg,
        };
        let command = Self::command();
        let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |sub| sub.mut_args(unset)))
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch the recordings of a BlackVue dashcam
    ///
    /// Fetches what is not here yet, resuming what was cut off, and removes what --keep says. Exit codes: 0 done or
    /// nothing to do, 1 failed, 2 wrong usage, 3 done but some files failed, 75 not now (the camera is away or
    /// another pass is running; 0 with --cron), 128+n on signal n.
    #[command(args_override_self = true)]
    Dashcam(Box<Dashcam>),
    /// Extract clean files from the storage of Hikvision and EZVIZ cameras
    ///
    /// Reads what the cameras write to an NFS share or a card, and extracts every segment that is still there once, as
    /// MP4 and JPEG files named by the camera's clock. The storage is only read. Exit codes: 0 done or nothing to do, 1
    /// failed, 2 wrong usage, 3 done but some segments failed, 75 not now (the storage is not there or another pass is
    /// running; 0 with --cron), 128+n on signal n.
    #[command(args_override_self = true)]
    Hikvision(Box<hikvision::Hikvision>),
    /// Print a completion script for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// Print the manual page, for `man -l -`
    Man {
        /// The page of this command
        command: Option<String>,
    },
}

/// Options that every pass has.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Common {
    /// Say more; -vv says everything
    #[arg(short, long, action = ArgAction::Count, env = "FOOTAGE_VERBOSE", help_heading = "Output")]
    pub verbose: u8,
    /// Say only errors
    #[arg(short, long, env = "FOOTAGE_QUIET", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub quiet: bool,
    /// Run from cron: silent unless footage arrived or something is wrong
    #[arg(long, env = "FOOTAGE_CRON", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub cron: bool,
    /// Print the plan and change nothing
    #[arg(long, env = "FOOTAGE_DRY_RUN", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub dry_run: bool,
    /// Print the report, or with --dry-run the plan, as JSON on stdout
    #[arg(long, env = "FOOTAGE_JSON", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub json: bool,
    /// How the log on stderr is written
    #[arg(long, value_name = "FORMAT", default_value = "text", env = "FOOTAGE_LOG_FORMAT", help_heading = "Output")]
    pub log_format: logging::Format,
    /// Write Prometheus metrics to this file
    #[arg(long, value_name = "PATH", env = "FOOTAGE_METRICS_FILE", help_heading = "Metrics")]
    pub metrics_file: Option<PathBuf>,
    /// Push Prometheus metrics to this Pushgateway
    #[arg(
        long,
        value_name = "URL",
        env = "FOOTAGE_METRICS_PUSHGATEWAY_URL",
        hide_env_values = true,
        help_heading = "Metrics"
    )]
    pub metrics_pushgateway_url: Option<String>,
    /// The Pushgateway's job, by default the one blackvuesync used, so that its stale metrics are replaced
    #[arg(
        long,
        value_name = "NAME",
        default_value = "blackvuesync",
        env = "FOOTAGE_METRICS_JOB",
        help_heading = "Metrics"
    )]
    pub metrics_job: String,
    /// The Pushgateway's instance [default: the first ADDRESS]
    #[arg(long, value_name = "NAME", env = "FOOTAGE_METRICS_INSTANCE", help_heading = "Metrics")]
    pub metrics_instance: Option<String>,
    /// Where the time of the last fetch is kept for the metrics [default: in DEST/.footage]
    #[arg(long, value_name = "PATH", env = "FOOTAGE_METRICS_STATE_FILE", help_heading = "Metrics")]
    pub metrics_state_file: Option<PathBuf>,
    /// Repeat the pass after this time, until stopped
    #[arg(long, value_name = "TIME", value_parser = parse_seconds, env = "FOOTAGE_EVERY", help_heading = "Running")]
    pub every: Option<Duration>,
    /// Put the lock here instead of DEST/.footage, for a share that cannot lock
    #[arg(long, value_name = "PATH", env = "FOOTAGE_LOCK_FILE", help_heading = "Running")]
    pub lock_file: Option<PathBuf>,
}

/// `footage dashcam`
#[derive(Debug, Args)]
pub struct Dashcam {
    /// The camera: a host, host:port, IPv6 address or URL, or the directory of its mounted card; further ones are
    /// other ways to the same camera, tried in order
    #[arg(required = true, value_name = "ADDRESS", env = "FOOTAGE_ADDRESS", hide_env_values = true)]
    pub addresses: Vec<String>,
    /// Where the recordings go
    #[arg(
        short,
        long,
        value_name = "DEST",
        default_value = ".",
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        env = "FOOTAGE_DESTINATION"
    )]
    pub destination: PathBuf,
    /// Sort recordings into directories by day, week (its Monday), month or year
    #[arg(short, long, default_value = "none", env = "FOOTAGE_GROUPING")]
    pub grouping: Grouping,
    /// What to fetch first: oldest, newest, or by type (manual, events, normal, parking)
    #[arg(short, long, default_value = "date", env = "FOOTAGE_PRIORITY")]
    pub priority: Priority,
    /// Fetch only these: types, perhaps with a direction, such as P,NF
    #[arg(short, long, value_name = "CODES", env = "FOOTAGE_INCLUDE", help_heading = "Which recordings")]
    pub include: Vec<List<Code>>,
    /// Do not fetch these; wins over --include
    #[arg(short, long, value_name = "CODES", env = "FOOTAGE_EXCLUDE", help_heading = "Which recordings")]
    pub exclude: Vec<List<Code>>,
    /// Also fetch the N recordings before and after each that --include selects, of the same direction
    #[arg(long, value_name = "N", default_value_t = 0, env = "FOOTAGE_CONTEXT", help_heading = "Which recordings")]
    pub context: usize,
    /// Leave out sidecars: t thumbnails, 3 accelerometer, g GPS
    #[arg(long, value_name = "TYPES", env = "FOOTAGE_SKIP_METADATA", help_heading = "Which recordings")]
    pub skip_metadata: Option<SkipMetadata>,
    /// Remove recordings older than this, and fetch none: 2w, 30 (days), 36h; E=90d or M=forever for one type
    #[arg(short, long, value_name = "AGE", value_parser = parse_keep, env = "FOOTAGE_KEEP", help_heading = "Retention")]
    pub keep: Vec<List<KeepRule>>,
    /// Remove the oldest recordings when all are more than this, such as 500GB; the newest are then fetched first
    #[arg(long, value_name = "SIZE", env = "FOOTAGE_KEEP_BYTES", help_heading = "Retention")]
    pub keep_bytes: Option<ByteSize>,
    /// Never remove these: codes such as E,M, or a moment such as
    /// `20181029_131513`, which is marked for good
    #[arg(long, value_name = "WHAT", env = "FOOTAGE_PROTECT", help_heading = "Retention")]
    pub protect: Vec<List<Protect>>,
    /// Stop before the disk is fuller than this, as df counts
    #[arg(
        short = 'u',
        long,
        value_name = "PERCENT",
        default_value_t = 90,
        value_parser = clap::value_parser!(u8).range(5..=98),
        env = "FOOTAGE_MAX_USED_DISK",
        help_heading = "Retention"
    )]
    pub max_used_disk: u8,
    /// Stop before less than this is free
    #[arg(long, value_name = "SIZE", env = "FOOTAGE_MIN_FREE", help_heading = "Retention")]
    pub min_free: Option<ByteSize>,
    /// What to do when there is no room; with delete-oldest the newest are fetched first
    #[arg(long, value_name = "ACTION", default_value = "stop", env = "FOOTAGE_WHEN_FULL", help_heading = "Retention")]
    pub when_full: WhenFull,
    /// How long to wait for the camera, in seconds, at each step
    #[arg(
        short,
        long,
        value_name = "SECONDS",
        default_value = "10",
        value_parser = parse_seconds,
        env = "FOOTAGE_TIMEOUT",
        help_heading = "Camera"
    )]
    pub timeout: Duration,
    /// How long to leave a file alone that the camera could not give
    #[arg(
        long,
        value_name = "AGE",
        default_value = "1d",
        value_parser = parse_duration,
        env = "FOOTAGE_RETRY_FAILED_AFTER",
        help_heading = "Camera"
    )]
    pub retry_failed_after: Duration,
    /// Fetch no faster than this, such as 20M bytes in a second
    #[arg(long, value_name = "RATE", value_parser = parse_rate, env = "FOOTAGE_LIMIT_RATE", help_heading = "Camera")]
    pub limit_rate: Option<ByteSize>,
    /// Add a header to every request, as 'Name: value'
    #[arg(long, value_name = "HEADER", env = "FOOTAGE_HEADER", hide_env_values = true, help_heading = "Camera")]
    pub header: Vec<String>,
    /// Compare everything here with the camera, and fetch again what is short or broken
    #[arg(long, env = "FOOTAGE_VERIFY", value_parser = FalseyValueParser::new(), help_heading = "Camera")]
    pub verify: bool,
    /// The peer's header for the isolation of its tests.
    #[arg(long, hide = true)]
    pub affinity_key: Option<String>,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub common: Common,
}

/// `--when-full`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum WhenFull {
    /// End the pass and say how much is missing.
    #[default]
    Stop,
    /// Remove the oldest unprotected recordings for newer ones.
    DeleteOldest,
}

/// A comma-separated list; blanks are left out, as in the peer's.
#[derive(Debug, Clone)]
pub struct List<T>(Vec<T>);

impl<T: FromStr<Err = String>> FromStr for List<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn flat<T: Clone>(lists: &[List<T>]) -> Vec<T> {
    lists.iter().flat_map(|list| list.0.iter().cloned()).collect()
}

/// `--keep`, where a kind is the type letter of a recording.
fn parse_keep(text: &str) -> Result<List<KeepRule>, String> {
    let rules: List<KeepRule> = text.parse()?;
    for kind in rules.0.iter().filter_map(|rule| rule.kind.as_deref()) {
        if kind.len() != 1 || !kind.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("{kind:?} is not a type of recording: write one capital letter, such as E=90d"));
        }
    }
    Ok(rules)
}

/// `--skip-metadata`
#[derive(Debug, Clone)]
pub struct SkipMetadata(Vec<Format>);

impl FromStr for SkipMetadata {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let format = |letter| Format::ALL.into_iter().find(|format| format.skip_letter() == Some(letter));
        text.chars()
            .map(|letter| format(letter).ok_or_else(|| format!("{letter:?} is no sidecar: t, 3 and g are")))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// A header of `--header`, as `'Name: value'`. Its value may be a secret: no error shows it.
fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("--header: write it as 'Name: value'")?;
    let name = HeaderName::from_str(name.trim()).map_err(|_| "--header: its name has letters that no header has")?;
    Ok((name, header_value(value)?))
}

fn header_value(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::from_str(text.trim()).map_err(|_| "--header: its value has letters that no header has")?;
    value.set_sensitive(true);
    Ok(value)
}

impl Dashcam {
    /// What was typed, resolved into what the pass works with. What may hold a password is read here and not by the
    /// parser of the command line, which shows what it refuses.
    ///
    /// # Errors
    /// [`Error::Usage`]
    pub fn settings(&self) -> Result<dashcam::Settings> {
        let delete_oldest = self.when_full == WhenFull::DeleteOldest;
        let mut headers: Vec<_> =
            self.header.iter().map(|text| parse_header(text)).collect::<Result<_, _>>().map_err(Error::Usage)?;
        if let Some(key) = &self.affinity_key {
            headers.push((HeaderName::from_static("x-affinity-key"), header_value(key).map_err(Error::Usage)?));
        }
        let addresses: Vec<Address> =
            self.address_words().iter().map(|word| word.parse()).collect::<Result<_, _>>().map_err(Error::Usage)?;
        Ok(dashcam::Settings {
            addresses,
            destination: if self.destination.as_os_str().is_empty() { ".".into() } else { self.destination.clone() },
            policy: Policy {
                grouping: self.grouping,
                keep: KeepRules(flat(&self.keep)),
                keep_bytes: self.keep_bytes,
                priority: self.priority,
                newest_first: delete_oldest || self.keep_bytes.is_some(),
                include: flat(&self.include),
                exclude: flat(&self.exclude),
                context: self.context,
                skip: self.skip_metadata.clone().map(|skip| skip.0).unwrap_or_default(),
                protect: flat(&self.protect),
                retry_failed_after: self.retry_failed_after,
            },
            guard: Guard { max_used_percent: Some(self.max_used_disk), min_free: self.min_free },
            delete_oldest,
            timeout: self.timeout,
            headers,
            limit_rate: self.limit_rate,
            verify: self.verify,
        })
    }

    /// The ADDRESSes. In the environment they stand in one variable, apart by spaces, unless all of it is a directory.
    fn address_words(&self) -> Vec<String> {
        match (self.addresses.as_slice(), std::env::var("FOOTAGE_ADDRESS")) {
            ([one], Ok(variable)) if *one == variable && !Path::new(one).is_dir() => {
                one.split_whitespace().map(str::to_owned).collect()
            }
            (words, _) => words.to_vec(),
        }
    }
}

impl Common {
    /// Where metrics go; `source` is the default instance.
    ///
    /// # Errors
    /// [`Error::Usage`]
    pub fn sinks(&self, source: &str) -> Result<Sinks> {
        let url = self.metrics_pushgateway_url.as_deref().map(parse_pushgateway_url);
        Ok(Sinks {
            file: self.metrics_file.clone(),
            pushgateway_url: url.transpose().map_err(Error::Usage)?,
            job: self.metrics_job.clone(),
            instance: self.metrics_instance.clone().unwrap_or_else(|| source.to_owned()),
        })
    }
}

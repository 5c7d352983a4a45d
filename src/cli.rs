//! What people type, and what it resolves to: flag, then environment, then default.

pub mod dashcam;
pub mod hikvision;
pub mod record;
pub mod status;
pub mod upload;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, Args, CommandFactory, Parser, Subcommand};

use crate::disk::Guard;
use crate::error::{Error, Result};
use crate::logging;
use crate::metrics::{Sinks, parse_pushgateway_url};
use crate::units::{ByteSize, parse_seconds};

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
    Dashcam(Box<dashcam::Dashcam>),
    /// Extract clean files from the storage of Hikvision and EZVIZ cameras
    ///
    /// Reads what the cameras write to an NFS share or a card, and extracts every segment that is still there once, as
    /// MP4 and JPEG files named by the camera's clock. The storage is only read. Exit codes: 0 done or nothing to do, 1
    /// failed, 2 wrong usage, 3 done but some segments failed, 75 not now (the storage is not there or another pass is
    /// running; 0 with --cron), 128+n on signal n.
    #[command(args_override_self = true)]
    Hikvision(Box<hikvision::Hikvision>),
    /// Record IP cameras with ffmpeg, and keep it alive
    ///
    /// Runs until it is stopped, with one ffmpeg for each camera of CONFIG, or for the one of --url. Exit codes: 0 its
    /// time was up (--for), 1 failed, 2 wrong usage or configuration, 3 done but some cameras gave nothing, 75 it runs
    /// already (0 with --cron), 128+n on signal n.
    #[command(args_override_self = true)]
    Record(Box<record::Record>),
    /// Tell how all of it stands: what runs, what arrived last, what is wrong
    ///
    /// Reads what the other commands have left in their destinations, and the names of the footage there; writes nothing.
    /// Exit codes: 0 all is well, 1 there is nothing to tell of or a directory cannot be read, 2 wrong usage, 3
    /// something is wrong.
    #[command(args_override_self = true)]
    Status(status::Status),
    /// Upload closed files to an S3 bucket, prove them, then perhaps remove them
    ///
    /// Sends what is not in the bucket yet to AWS, Backblaze B2 or any S3 server, carries on what was interrupted, and
    /// compares hashes and sizes before a file counts. Keys come from the AWS files and variables. Exit codes: 0 done or
    /// nothing to do, 1 failed, 2 wrong usage, 3 done but some files failed, 75 not now (the server cannot be reached or
    /// another pass is running; 0 with --cron), 128+n on signal n.
    #[command(args_override_self = true)]
    Upload(Box<upload::Upload>),
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
pub struct Common {
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub output: Output,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub metrics: Metrics,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub running: Running,
}

/// What is said, and how.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Output {
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
}

/// Where metrics go.
#[derive(Debug, Args)]
pub struct Metrics {
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
    /// The Pushgateway's job
    #[arg(long, value_name = "NAME", default_value = "footage", env = "FOOTAGE_METRICS_JOB", help_heading = "Metrics")]
    pub metrics_job: String,
    /// The Pushgateway's instance [default: the source]
    #[arg(long, value_name = "NAME", env = "FOOTAGE_METRICS_INSTANCE", help_heading = "Metrics")]
    pub metrics_instance: Option<String>,
    /// Where the time of the last fetch is kept for the metrics [default: in DEST/.footage]
    #[arg(long, value_name = "PATH", env = "FOOTAGE_METRICS_STATE_FILE", help_heading = "Metrics")]
    pub metrics_state_file: Option<PathBuf>,
}

/// When a pass runs, and what keeps a second one out.
#[derive(Debug, Args)]
pub struct Running {
    /// Repeat the pass after this time, until stopped
    #[arg(long, value_name = "TIME", value_parser = parse_seconds, env = "FOOTAGE_EVERY", help_heading = "Running")]
    pub every: Option<Duration>,
    /// Put the lock here instead of DEST/.footage, for a share that cannot lock
    #[arg(long, value_name = "PATH", env = "FOOTAGE_LOCK_FILE", help_heading = "Running")]
    pub lock_file: Option<PathBuf>,
}

/// How full a destination's disk may get.
#[derive(Debug, Args)]
pub struct Disk {
    /// Stop before the disk is fuller than this, as df counts
    #[arg(
        short = 'u',
        long,
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(5..=98),
        env = "FOOTAGE_MAX_USED_DISK",
        help_heading = "Retention"
    )]
    pub max_used_disk: Option<u8>,
    /// Stop before less than this is free
    #[arg(long, value_name = "SIZE", env = "FOOTAGE_MIN_FREE", help_heading = "Retention")]
    pub min_free: Option<ByteSize>,
}

impl Disk {
    /// What the options say.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard { max_used_percent: self.max_used_disk, min_free: self.min_free }
    }
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

impl Metrics {
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

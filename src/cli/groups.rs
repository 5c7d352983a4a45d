//! Options that several commands share. A command changes help or default of one by `mut_arg` in its own file.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};

use crate::disk::{Guard, WhenFull};
use crate::error::{Error, Result};
use crate::logging;
use crate::metrics::{Sinks, parse_pushgateway_url};
use crate::network::{CaBundle, Network};
use crate::proxy::Proxies;
use crate::rate::Timetable;
use crate::record::shard::Shard;
use crate::retention::{self, parse_keep, parse_retention_size};
use crate::secret::Secret;
use crate::units::{ByteSize, Interval, parse_age, parse_seconds};

/// Options of every pass that is repeated.
#[derive(Debug, Args)]
pub struct Common {
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub running: Running,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub tls: Tls,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub output: Output,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub metrics: Metrics,
    /// Store the last arrival here [default: in DIR/.footage]
    ///
    /// The time at which footage last arrived, for the metrics.
    #[arg(long, value_name = "PATH", env = "FOOTAGE_METRICS_STATE_FILE", help_heading = "Metrics")]
    pub metrics_state_file: Option<PathBuf>,
}

/// When a pass runs.
#[derive(Debug, Args)]
pub struct Running {
    /// Repeat the pass after this time, until stopped: 15m
    #[arg(long, value_name = "TIME", env = "FOOTAGE_EVERY", help_heading = "Running")]
    pub every: Option<Interval>,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub lock: Lock,
}

/// The lock.
#[derive(Debug, Args)]
pub struct Lock {
    /// Put the lock here, for a network share that cannot lock
    #[arg(long, value_name = "PATH", env = "FOOTAGE_LOCK_FILE", help_heading = "Running")]
    pub lock_file: Option<PathBuf>,
}

/// Whom TLS trusts.
#[derive(Debug, Args)]
pub struct Tls {
    /// Trust the certificates of this PEM file instead of Mozilla's
    ///
    /// Of authorities, such as your own. The default is the file of `SSL_CERT_FILE`, else the built-in list of Mozilla.
    #[arg(long, value_name = "FILE", env = "FOOTAGE_CA_BUNDLE", help_heading = "Running")]
    pub ca_bundle: Option<PathBuf>,
}

impl Tls {
    /// The proxies of the environment, and the certificates to trust: those of the option, else of `of_pass`, else of
    /// `SSL_CERT_FILE`, else Mozilla's.
    ///
    /// # Errors
    /// [`Error::Usage`]: the file of the option has no certificate. Other files are read when TLS needs them.
    pub fn network(&self, of_pass: Option<CaBundle>) -> Result<Network> {
        let typed = self.ca_bundle.clone().map(|path| CaBundle { path, named_by: "--ca-bundle" });
        let of_environment = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty());
        let of_environment = of_environment.map(|path| CaBundle { path: path.into(), named_by: "SSL_CERT_FILE" });
        // What is not UTF-8 is no proxy, and an error.
        let variable = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
        let network = Network::new(Proxies::of_environment(variable), typed.or(of_pass).or(of_environment));
        if self.ca_bundle.is_some() {
            network.check_bundle().map_err(Error::Usage)?;
        }
        Ok(network)
    }
}

/// What is printed and logged.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Output {
    /// Print the plan and change nothing
    #[arg(long, env = "FOOTAGE_DRY_RUN", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub dry_run: bool,
    /// Print the report, plan, list or check as JSON on stdout
    #[arg(long, env = "FOOTAGE_JSON", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub json: bool,
    /// Run from cron: log only changes and problems
    ///
    /// Silent unless footage arrives, footage is removed or something is wrong. A condition that lasts is logged the first
    /// time only.
    #[arg(long, env = "FOOTAGE_CRON", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub cron: bool,
    /// Log more; -vv logs everything
    #[arg(short, long, action = ArgAction::Count, env = "FOOTAGE_VERBOSE", help_heading = "Output")]
    pub verbose: u8,
    /// Log only errors
    #[arg(short, long, env = "FOOTAGE_QUIET", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub quiet: bool,
    /// Format of the log on stderr
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
    pub metrics_pushgateway_url: Option<Secret>,
    /// The Pushgateway's job
    #[arg(long, value_name = "NAME", default_value = "footage", env = "FOOTAGE_METRICS_JOB", help_heading = "Metrics")]
    pub metrics_job: String,
    /// The Pushgateway's instance [default: the source]
    #[arg(long, value_name = "NAME", env = "FOOTAGE_METRICS_INSTANCE", help_heading = "Metrics")]
    pub metrics_instance: Option<String>,
}

impl Metrics {
    /// Where metrics go; `source` is the default instance.
    ///
    /// # Errors
    /// [`Error::Usage`]
    pub fn sinks(&self, source: &str, network: Network) -> Result<Sinks> {
        let url = self.metrics_pushgateway_url.as_ref().map(parse_pushgateway_url);
        let url = url.transpose().map_err(Error::Usage)?;
        url.iter().try_for_each(|url| network.check(url.reveal())).map_err(Error::Usage)?;
        Ok(Sinks {
            file: self.metrics_file.clone(),
            pushgateway_url: url,
            network,
            job: self.metrics_job.clone(),
            instance: self.metrics_instance.clone().unwrap_or_else(|| source.to_owned()),
        })
    }
}

/// How long recordings are kept.
#[derive(Debug, Args)]
pub struct Keep {
    /// Remove recordings older than this: 2w, 30 (days), 36h
    #[arg(short, long, value_name = "AGE", value_parser = parse_keep, env = "FOOTAGE_KEEP", help_heading = "Retention")]
    pub keep: Option<retention::Keep>,
}

/// How full a destination's disk may get.
#[derive(Debug, Args)]
pub struct Disk {
    /// Limit the use of the disk, as df counts
    #[arg(
        short = 'u',
        long,
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(5..=98),
        env = "FOOTAGE_MAX_USED_DISK",
        help_heading = "Retention"
    )]
    pub max_used_disk: Option<u8>,
    /// Keep this much of the disk free: 10GB
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = parse_retention_size,
        env = "FOOTAGE_MIN_FREE",
        help_heading = "Retention"
    )]
    pub min_free: Option<ByteSize>,
}

impl Disk {
    /// The limits that the options set.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard { max_used_percent: self.max_used_disk, min_free: self.min_free }
    }
}

/// What to do on a full disk.
#[derive(Debug, Args)]
pub struct Full {
    /// What to do on a full disk
    #[arg(long, value_name = "ACTION", env = "FOOTAGE_WHEN_FULL", help_heading = "Retention")]
    pub when_full: Option<WhenFull>,
}

/// Timeout and retry.
#[derive(Debug, Args)]
pub struct Tries {
    /// Wait this long for an answer
    #[arg(
        short,
        long,
        value_name = "TIME",
        default_value = "10s",
        value_parser = parse_seconds,
        env = "FOOTAGE_TIMEOUT",
        help_heading = "Running"
    )]
    pub timeout: Duration,
    /// Skip a file that failed for this long
    #[arg(
        long,
        value_name = "AGE",
        default_value = "1d",
        value_parser = parse_age,
        env = "FOOTAGE_RETRY_FAILED_AFTER",
        help_heading = "Running"
    )]
    pub retry_failed_after: Duration,
}

/// Parallel work.
#[derive(Debug, Args)]
pub struct Jobs {
    /// Process this many files at once
    #[arg(short, long, value_name = "N", env = "FOOTAGE_JOBS", help_heading = "Running")]
    pub jobs: Option<NonZeroUsize>,
}

/// Bandwidth.
#[derive(Debug, Args)]
pub struct Rate {
    /// Limit the total bandwidth: 500K (bytes per second)
    ///
    /// By the time of day: '06:00,512K 23:00,off'. With pause no transfer starts.
    #[arg(long, value_name = "RATE", env = "FOOTAGE_LIMIT_RATE", help_heading = "Running")]
    pub limit_rate: Option<Timetable>,
}

/// The program that extracts or records.
#[derive(Debug, Args)]
pub struct Ffmpeg {
    /// Use this ffmpeg, version 4 or newer [default: found]
    ///
    /// The default is the one in PATH, or of a NAS package.
    #[arg(long, value_name = "PATH", env = "FOOTAGE_FFMPEG", help_heading = "Running")]
    pub ffmpeg: Option<PathBuf>,
}

/// The cameras of one host of several.
#[derive(Debug, Args)]
pub struct Share {
    /// Record this host's shard of the cameras of CONFIG: 2/5
    ///
    /// 2/5 is the second of five hosts, each of which records a part of the cameras.
    #[arg(long, value_name = "N/OF", default_value = "1/1", env = "FOOTAGE_SHARD")]
    pub shard: Shard,
}

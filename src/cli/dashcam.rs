//! The command line of `footage dashcam`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use clap::builder::{FalseyValueParser, OsStringValueParser, TypedValueParser};
use ureq::http::header::{HeaderName, HeaderValue};

use super::groups::{Common, Disk, Full, Rate, Tries};
use super::{List, directory, flat};
use crate::dashcam;
use crate::dashcam::address::Address;
use crate::dashcam::name::{Format, Grouping};
use crate::dashcam::policy::{Code, Policy, Priority, Protect};
use crate::disk::WhenFull;
use crate::error::{Error, Result};
use crate::retention::{KeepRule, KeepRules, parse_quota};
use crate::secret::Secret;
use crate::units::ByteSize;

/// `footage dashcam`
#[derive(Debug, Args)]
#[command(mut_arg("max_used_disk", |arg| arg.default_value("90")))]
#[command(mut_arg("when_full", |arg| arg.default_value("stop")))]
#[command(mut_arg("timeout", |arg| arg.help("Wait this long for an answer of the camera")))]
#[command(mut_arg("metrics_job", |arg| arg.default_value("blackvuesync").help(
    "The Pushgateway's job"
)))]
#[command(mut_arg("metrics_instance", |arg| arg.help("The Pushgateway's instance [default: the first ADDRESS]")))]
pub struct Dashcam {
    /// Address of the camera, or directory of its mounted card
    ///
    /// A host, host:port, IPv6 address or URL. Further addresses are other ways to the same camera, tried in order.
    #[arg(required = true, value_name = "ADDRESS", env = "FOOTAGE_ADDRESS", hide_env_values = true)]
    pub addresses: Vec<Secret>,
    /// Store recordings in this directory
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = ".",
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        env = "FOOTAGE_DESTINATION"
    )]
    pub destination: PathBuf,
    /// Group recordings into directories by date
    #[arg(short, long, default_value = "none", env = "FOOTAGE_GROUPING")]
    pub grouping: Grouping,
    /// Fetch the oldest, the newest or certain types first
    ///
    /// date is oldest first, rdate newest first, type manual, events, normal, then parking.
    #[arg(short, long, default_value = "date", env = "FOOTAGE_PRIORITY")]
    pub priority: Priority,
    /// Add a header to every request, as 'Name: value'
    #[arg(long, value_name = "HEADER", env = "FOOTAGE_HEADER", hide_env_values = true)]
    pub header: Vec<Secret>,
    /// Fetch only these types, with or without a direction: P,NF
    #[arg(short, long, value_name = "CODES", env = "FOOTAGE_INCLUDE", help_heading = "Which recordings")]
    pub include: Vec<List<Code>>,
    /// Do not fetch these types; overrides --include
    #[arg(short, long, value_name = "CODES", env = "FOOTAGE_EXCLUDE", help_heading = "Which recordings")]
    pub exclude: Vec<List<Code>>,
    /// Also fetch N recordings around each included one
    ///
    /// N before and N after it, of the same direction.
    #[arg(long, value_name = "N", default_value_t = 0, env = "FOOTAGE_CONTEXT", help_heading = "Which recordings")]
    pub context: usize,
    /// Skip sidecars: t thumbnails, 3 accelerometer, g GPS
    #[arg(long, value_name = "TYPES", env = "FOOTAGE_SKIP_METADATA", help_heading = "Which recordings")]
    pub skip_metadata: Option<SkipMetadata>,
    /// Remove recordings older than this: 2w, 30 (days), 36h
    ///
    /// Older ones are not fetched either. E=90d or M=forever applies to one type.
    #[arg(short, long, value_name = "AGE", value_parser = parse_keep, env = "FOOTAGE_KEEP", help_heading = "Retention")]
    pub keep: Vec<List<KeepRule>>,
    /// Remove the oldest recordings beyond this total size: 500GB
    ///
    /// Then the newest recordings are fetched first.
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = parse_quota,
        env = "FOOTAGE_KEEP_BYTES",
        help_heading = "Retention"
    )]
    pub keep_bytes: Option<ByteSize>,
    /// Never remove these: types such as E,M, or a time
    ///
    /// A time such as `20181029_131513` is protected permanently, by a file beside the recording.
    #[arg(long, value_name = "WHAT", env = "FOOTAGE_PROTECT", help_heading = "Retention")]
    pub protect: Vec<List<Protect>>,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub disk: Disk,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub full: Full,
    /// Compare recordings here with the camera; refetch damaged ones
    ///
    /// Compares lengths and MP4 structure with the camera, content with a card.
    #[arg(long, env = "FOOTAGE_VERIFY", value_parser = FalseyValueParser::new(), help_heading = "Comparing")]
    pub verify: bool,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub tries: Tries,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub rate: Rate,
    /// The peer's header for the isolation of its tests.
    #[arg(long, hide = true)]
    pub affinity_key: Option<String>,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub common: Common,
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
            .filter(|letter| !matches!(letter, ' ' | ','))
            .map(|letter| format(letter).ok_or_else(|| format!("{letter:?} is no sidecar: t, 3 and g are")))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// A header of `--header`, as `'Name: value'`. Its value may be a secret, so no error shows it.
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
    /// The settings of the pass. Values that may hold a password are parsed here and not by clap, whose errors show them.
    ///
    /// # Errors
    /// [`Error::Usage`]
    pub fn settings(&self) -> Result<dashcam::Settings> {
        let delete_oldest = self.full.when_full == Some(WhenFull::DeleteOldest);
        let mut headers: Vec<_> = self
            .header
            .iter()
            .map(|text| parse_header(text.reveal()))
            .collect::<Result<_, _>>()
            .map_err(Error::Usage)?;
        if let Some(key) = &self.affinity_key {
            headers.push((HeaderName::from_static("x-affinity-key"), header_value(key).map_err(Error::Usage)?));
        }
        let addresses: Vec<Address> =
            self.address_words().iter().map(|word| word.parse()).collect::<Result<_, _>>().map_err(Error::Usage)?;
        let network = self.common.tls.network(None)?;
        for address in &addresses {
            if let Address::Http(url) = address {
                network.check(&url.base).map_err(Error::Usage)?;
            }
        }
        Ok(dashcam::Settings {
            addresses,
            destination: directory(Some(&self.destination)),
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
                retry_failed_after: self.tries.retry_failed_after,
            },
            guard: self.disk.guard(),
            delete_oldest,
            timeout: self.tries.timeout,
            headers,
            network,
            timetable: self.rate.limit_rate.clone().unwrap_or_default(),
            verify: self.verify,
        })
    }

    /// The ADDRESSes. In the environment they are space-separated, unless the whole value is a directory.
    fn address_words(&self) -> Vec<String> {
        match (self.addresses.as_slice(), std::env::var("FOOTAGE_ADDRESS")) {
            ([one], Ok(variable)) if one.reveal() == variable && !Path::new(&variable).is_dir() => {
                variable.split_whitespace().map(str::to_owned).collect()
            }
            (words, _) => words.iter().map(|word| word.reveal().to_owned()).collect(),
        }
    }
}

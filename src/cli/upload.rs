//! The command line of `footage upload`.

use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use super::directories;
use super::groups::{Common, Jobs, Keep, Rate, Tries};
use crate::error::{Error, Result};
use crate::home;
use crate::host_zone::HostZone;
use crate::network::CaBundle;
use crate::retention::parse_retention_age;
use crate::store::read_small;
use crate::units::parse_seconds;
use crate::upload::credentials::KeySource;
use crate::upload::key::{ObjectKey, Template};
use crate::upload::pattern::Patterns;
use crate::upload::profile::{Addressing, Environment, S3Options, resolve};
use crate::upload::{Mode, Settings};
use crate::zone::Tz;

/// `footage upload`
#[derive(Debug, Args)]
#[command(mut_arg("metrics_instance", |arg| arg.help("The Pushgateway's instance [default: the first DIR]")))]
#[command(mut_arg("keep", |arg| {
    arg.help("Remove verified recordings older than this: 2w, 30 (days), 36h")
}))]
#[command(mut_arg("timeout", |arg| arg.default_value("30s").help("Wait this long for an answer of the server")))]
#[command(mut_arg("jobs", |arg| arg.default_value("4").help("Process this many files, or parts of files, at once")))]
pub struct Upload {
    /// Directories to upload, with all their folders
    #[arg(required = true, value_name = "DIR", env = "FOOTAGE_DIR")]
    pub sources: Vec<PathBuf>,
    /// Upload to this bucket: `s3://bucket` or `s3://bucket/prefix`
    #[arg(long, value_name = "URL", env = "FOOTAGE_TO", hide_env_values = true)]
    pub to: String,
    /// Profile of ~/.aws [default: `AWS_PROFILE`, else default]
    #[arg(long, value_name = "NAME", env = "FOOTAGE_PROFILE", help_heading = "Bucket")]
    pub profile: Option<String>,
    /// Region of the bucket [default: as the AWS CLI finds it]
    #[arg(long, value_name = "REGION", env = "FOOTAGE_REGION", help_heading = "Bucket")]
    pub region: Option<String>,
    /// URL of the server [default: as the AWS CLI finds it, else AWS]
    ///
    /// Such as `https://s3.ca-east-006.backblazeb2.com`.
    #[arg(long, value_name = "URL", env = "FOOTAGE_ENDPOINT_URL", hide_env_values = true, help_heading = "Bucket")]
    pub endpoint_url: Option<String>,
    /// How requests name the bucket
    ///
    /// auto is virtual for AWS, path elsewhere.
    #[arg(long, value_name = "STYLE", default_value = "auto", env = "FOOTAGE_ADDRESSING", help_heading = "Bucket")]
    pub addressing: Addressing,
    /// Storage class of new objects, such as `STANDARD_IA`
    #[arg(long, value_name = "CLASS", env = "FOOTAGE_STORAGE_CLASS", help_heading = "Bucket")]
    pub storage_class: Option<String>,
    /// Server-side encryption of new objects: AES256 or aws:kms
    #[arg(long, value_name = "HOW", env = "FOOTAGE_SSE", help_heading = "Bucket")]
    pub sse: Option<String>,
    /// Upload files with these names
    #[arg(
        long,
        value_name = "PATTERNS",
        default_value = "*.ts,*.mkv,*.mp4",
        env = "FOOTAGE_PATTERN",
        help_heading = "Which files"
    )]
    pub pattern: Patterns,
    /// Skip files that changed within this time
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        value_parser = parse_min_age,
        env = "FOOTAGE_MIN_AGE",
        help_heading = "Which files"
    )]
    pub min_age: Duration,
    /// Key of an object after the prefix
    ///
    /// Fields of strftime, {camera}, {name}, {ext} and {path}.
    #[arg(long, value_name = "TEMPLATE", default_value = "{path}", env = "FOOTAGE_KEY", help_heading = "Keys")]
    pub key: Template,
    /// Time zone of times in keys: Asia/Kolkata [default: this machine's]
    #[arg(long, value_name = "ZONE", env = "FOOTAGE_TIMEZONE", help_heading = "Keys")]
    pub timezone: Option<Tz>,
    /// Remove each file once it is verified
    #[arg(long, env = "FOOTAGE_DELETE", value_parser = FalseyValueParser::new(), help_heading = "Retention")]
    pub delete: bool,
    /// Remove files that were verified this long ago: 2d, 12h
    #[arg(
        long,
        value_name = "AGE",
        value_parser = parse_retention_age,
        env = "FOOTAGE_DELETE_AFTER",
        conflicts_with = "delete",
        help_heading = "Retention"
    )]
    pub delete_after: Option<Duration>,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub keep: Keep,
    /// Compare all files with the bucket by hash and size; upload nothing
    #[arg(
        long,
        env = "FOOTAGE_VERIFY",
        value_parser = FalseyValueParser::new(),
        conflicts_with = "reconcile",
        help_heading = "Comparing"
    )]
    pub verify: bool,
    /// Compare the journal with the bucket's listing; upload nothing
    ///
    /// Corrects the journal, so that the next pass uploads what the bucket has lost.
    #[arg(long, env = "FOOTAGE_RECONCILE", value_parser = FalseyValueParser::new(), help_heading = "Comparing")]
    pub reconcile: bool,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub tries: Tries,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub rate: Rate,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub jobs: Jobs,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub common: Common,
}

/// A length of time, also zero; a number without a unit is seconds.
fn parse_min_age(text: &str) -> Result<Duration, String> {
    if matches!(text.trim(), "0" | "0s") { Ok(Duration::ZERO) } else { parse_seconds(text) }
}

/// The bucket and the prefix of `--to`. Errors do not repeat it, as it may hold a password.
fn parse_to(text: &str) -> Result<(String, String), String> {
    let refuse = |why: &str| format!("--to: {why}: write s3://bucket or s3://bucket/prefix");
    let rest = text.strip_prefix("s3://").ok_or_else(|| refuse("it does not begin with s3://"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_bucket = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if bucket.len() < 3 || bucket.len() > 63 || !bucket.chars().all(is_bucket) || bucket.contains("..") {
        return Err(refuse("a bucket's name has 3 to 63 letters, digits, dots and hyphens"));
    }
    let prefix = prefix.trim_matches('/');
    if prefix.contains(char::is_control) {
        return Err(refuse("the prefix has a line end or another control character in it"));
    }
    if !prefix.is_empty() {
        ObjectKey::new(prefix.to_owned()).map_err(|error| refuse(&format!("the prefix {error}")))?;
    }
    Ok((bucket.to_owned(), prefix.to_owned()))
}

/// Refuses the URL of a bucket as the endpoint, as some providers show it: keys would begin with the bucket's name.
fn check_endpoint(endpoint_url: Option<&str>, bucket: &str) -> Result<()> {
    let address = endpoint_url.and_then(|url| url.split_once("://")).map(|(_, address)| address);
    match address.and_then(|address| address.split_once('/')) {
        Some((host, path)) if path == bucket => Err(Error::Usage(format!(
            "--endpoint-url ends with the bucket: write https://{host}, the bucket belongs into --to alone"
        ))),
        _ => Ok(()),
    }
}

impl Upload {
    /// The settings of the pass.
    ///
    /// # Errors
    /// [`Error::Usage`]
    pub fn settings(&self) -> Result<Settings> {
        let (bucket, prefix) = parse_to(&self.to).map_err(Error::Usage)?;
        let sources = directories(&self.sources, "FOOTAGE_DIR");
        check_apart(&sources)?;
        let (credentials_path, config_path) =
            (aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), aws_file("AWS_CONFIG_FILE", "config"));
        let text = |path: &Option<PathBuf>| {
            let bytes = path.as_deref().and_then(read_small).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let options = S3Options {
            profile: self.profile.clone(),
            region: self.region.clone(),
            endpoint_url: self.endpoint_url.clone(),
            addressing: self.addressing,
        };
        let environment = Environment {
            variable: &|name| std::env::var(name).ok(),
            credentials: &text(&credentials_path),
            config: &text(&config_path),
        };
        let unreadable = [&credentials_path, &config_path].into_iter().flatten().find_map(|path| {
            let error = std::fs::File::open(path).err().filter(|error| error.kind() != io::ErrorKind::NotFound)?;
            Some(format!("; cannot read {}: {error}", path.display()))
        });
        let access = resolve(&options, environment)
            .map_err(|why| Error::Usage(format!("{why}{}", unreadable.unwrap_or_default())))?;
        check_endpoint(access.endpoint_url.as_deref(), &bucket)?;
        let others_can_read =
            |path: &PathBuf| path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
        let is_from_file = matches!(access.keys, KeySource::Fixed { is_from_file: true, .. });
        let exposed_credentials = credentials_path.filter(|path| is_from_file && others_can_read(path));
        let network = self.common.tls.network(access.ca_bundle.clone().map(in_home))?;
        network.check(access.endpoint_url.as_deref().unwrap_or("https://s3.amazonaws.com/")).map_err(Error::Usage)?;
        let headers = [("x-amz-storage-class", &self.storage_class), ("x-amz-server-side-encryption", &self.sse)];
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        Ok(Settings {
            sources,
            bucket,
            prefix,
            access,
            network,
            exposed_credentials,
            patterns: self.pattern.clone(),
            min_age: self.min_age,
            template: self.key.clone(),
            zone: self.timezone.unwrap_or_else(|| HostZone::read().zone),
            delete_after: if self.delete { Some(Duration::ZERO) } else { self.delete_after },
            keep: self.keep.keep,
            jobs: self.jobs.jobs.map_or(1, NonZeroUsize::get),
            timetable: self.rate.limit_rate.clone().unwrap_or_default(),
            timeout: self.tries.timeout,
            retry_failed_after: self.tries.retry_failed_after,
            compare: match (self.verify, self.reconcile) {
                (true, _) => Some(Mode::Verify),
                (_, true) => Some(Mode::Reconcile),
                _ => None,
            },
            headers: headers.collect(),
        })
    }
}

/// Refuses a directory inside another: its files would be uploaded twice.
fn check_apart(sources: &[PathBuf]) -> Result<()> {
    let real: Vec<PathBuf> =
        sources.iter().map(|source| source.canonicalize().unwrap_or_else(|_| source.clone())).collect();
    // The pass refuses a file by itself: probably a shell has put it there for the * of --pattern.
    for (n, source) in real.iter().enumerate().filter(|(_, source)| !source.is_file()) {
        if let Some(outer) = real.iter().enumerate().find(|(m, outer)| *m != n && source.starts_with(outer)) {
            let text = format!("{} is in {}: name one of them", sources[n].display(), sources[outer.0].display());
            return Err(Error::Usage(text));
        }
    }
    Ok(())
}

/// A bundle whose path may begin with `~/`.
fn in_home(bundle: CaBundle) -> CaBundle {
    match (bundle.path.strip_prefix("~"), home::directory()) {
        (Ok(inside), Some(home)) => CaBundle { path: Path::join(&home, inside), ..bundle },
        _ => bundle,
    }
}

/// A file of the AWS CLI: the path in a variable, else in `~/.aws`.
fn aws_file(variable: &str, name: &str) -> Option<PathBuf> {
    let home = home::directory();
    match std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from) {
        Some(path) => match (path.strip_prefix("~"), &home) {
            (Ok(inside), Some(home)) => Some(home.join(inside)),
            _ => Some(path),
        },
        None => home.map(|home: PathBuf| Path::join(&home, ".aws").join(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_has_a_bucket_and_a_prefix() {
        for (text, bucket, prefix) in [
            ("s3://footage", "footage", ""),
            ("s3://footage/", "footage", ""),
            ("s3://my.footage-1/a b/c/", "my.footage-1", "a b/c"),
        ] {
            assert_eq!(parse_to(text), Ok((bucket.to_owned(), prefix.to_owned())), "{text}");
        }
        for text in [
            "s3://footage/a//b",
            "s3://footage/a/../b",
            "s3://footage/a\n",
            "footage",
            "s3://",
            "s3:///x",
            "s3://ab",
            "http://footage/x",
            "s3://a..b",
            "s3://user:secret@footage/x",
        ] {
            assert!(!parse_to(text).expect_err(text).contains("secret"));
        }
    }

    #[test]
    fn overlapping_directories_are_refused() {
        let dir = |text: &str| PathBuf::from(text);
        assert!(check_apart(&[dir("/nowhere/a"), dir("/nowhere/ab")]).is_ok());
        assert!(check_apart(&[dir("/nowhere/a/b"), dir("/nowhere/a")]).is_err());
        assert!(check_apart(&[dir("/nowhere/a"), dir("/nowhere/a")]).is_err());
    }
}

//! The command line of `footage status`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use super::directories;
use super::groups::{Disk, Share};
use crate::error::Result;
use crate::record::Source;
use crate::record::config::Camera;
use crate::record::config::options::GeneralOptions;
use crate::record::name::CameraName;
use crate::record::shard::Shard;
use crate::status::{Expected, Output, Settings};
use crate::store::resolved;
use crate::units::parse_age;

/// `footage status`
#[derive(Debug, Args)]
#[command(mut_arg("shard", |arg| {
    arg.help("Expect only this shard of the cameras of CONFIG: 2/5").long_help(None::<&str>).help_heading("What is wrong")
}))]
#[command(mut_arg("max_used_disk", |arg| {
    arg.help("Maximum use of a disk, as df counts").help_heading("What is wrong")
}))]
#[command(mut_arg("min_free", |arg| arg.help("Minimum free space of a disk: 10GB").help_heading("What is wrong")))]
pub struct Status {
    /// Destinations, directories of them, or CONFIG of record
    ///
    /// All cameras of a configuration are expected to be recorded.
    #[arg(value_name = "DIR|CONFIG", default_value = ".", env = "FOOTAGE_DESTINATION")]
    pub places: Vec<PathBuf>,
    /// Maximum age of a camera's newest recording: 2d, 12h
    ///
    /// Also the maximum wait of a file for its upload, and the maximum time for which its server is away.
    #[arg(long, value_name = "AGE", value_parser = parse_age, env = "FOOTAGE_MAX_AGE", help_heading = "What is wrong")]
    pub max_age: Option<Duration>,
    /// Maximum time since the last run of each command: 1h
    ///
    /// A command that is running now counts as recent.
    #[arg(long, value_name = "AGE", value_parser = parse_age, env = "FOOTAGE_MAX_PASS_AGE", help_heading = "What is wrong")]
    pub max_pass_age: Option<Duration>,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub disk: Disk,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub share: Share,
    /// Print the state as JSON on stdout
    #[arg(long, env = "FOOTAGE_JSON", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub json: bool,
    /// Print passes and cameras for Zabbix's low-level discovery; exit with 0
    #[arg(long, env = "FOOTAGE_ZABBIX_DISCOVERY", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub zabbix_discovery: bool,
    /// Run from cron: silent unless something is wrong
    #[arg(long, env = "FOOTAGE_CRON", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub cron: bool,
}

impl Status {
    /// The settings: what to look at.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::error::Error::Usage): a configuration cannot be read, or something in it is wrong.
    pub fn settings(&self) -> Result<Settings> {
        let output = match (self.zabbix_discovery, self.json) {
            (true, _) => Output::ZabbixDiscovery,
            (false, true) => Output::Json,
            (false, false) => Output::Table,
        };
        let (mut places, mut expected) = (Vec::new(), Vec::new());
        for place in directories(&self.places, "FOOTAGE_DESTINATION") {
            if place.is_file() {
                expected.extend(cameras(&place, self.share.shard)?);
            } else {
                places.push(place);
            }
        }
        Ok(Settings {
            directories: places,
            expected,
            max_age: self.max_age,
            max_pass_age: self.max_pass_age,
            guard: self.disk.guard(),
            output,
            only_when_wrong: self.cron,
        })
    }
}

/// The cameras of a configuration in this shard, and their destinations.
fn cameras(path: &Path, shard: Shard) -> Result<Vec<Expected>> {
    let config = Source::File(path.to_owned(), GeneralOptions::default()).read()?;
    let of_share = config.cameras.iter().filter(|(name, _)| shard.has(name.as_str()));
    let expected = |(name, camera): (&CameraName, &Camera)| Expected {
        camera: name.as_str().to_owned(),
        destination: resolved(&camera.destination),
    };
    Ok(of_share.map(expected).collect())
}

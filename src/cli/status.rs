//! What people type for `footage status`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::disk::Guard;
use crate::error::Result;
use crate::record::Source;
use crate::record::config::Camera;
use crate::record::name::CameraName;
use crate::record::shard::Shard;
use crate::status::read::key;
use crate::status::{Expected, Output, Settings};
use crate::units::{ByteSize, parse_duration};

/// `footage status`
#[derive(Debug, Args)]
pub struct Status {
    /// Destinations, or directories that hold some; or the configuration of footage record, whose cameras should all be
    /// recorded
    #[arg(value_name = "DIR|CONFIG", default_value = ".", env = "FOOTAGE_DESTINATION")]
    pub places: Vec<PathBuf>,
    /// It is wrong when the newest recording of a camera is older than this, or a file waits longer to be uploaded: 2d, 12h
    #[arg(long, value_name = "AGE", value_parser = parse_duration, env = "FOOTAGE_MAX_AGE")]
    pub max_age: Option<Duration>,
    /// With CONFIG only the cameras of this share, as footage record has it: 2/5
    #[arg(long, value_name = "N/OF", env = "FOOTAGE_SHARD")]
    pub shard: Option<Shard>,
    /// It is wrong when a disk is fuller than this, as df counts
    #[arg(
        short = 'u',
        long,
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(5..=98),
        env = "FOOTAGE_MAX_USED_DISK"
    )]
    pub max_used_disk: Option<u8>,
    /// It is wrong when less than this is free
    #[arg(long, value_name = "SIZE", env = "FOOTAGE_MIN_FREE")]
    pub min_free: Option<ByteSize>,
    /// Run from cron: silent when all is well
    #[arg(long, env = "FOOTAGE_CRON", value_parser = FalseyValueParser::new())]
    pub cron: bool,
    /// Print everything as JSON
    #[arg(long, env = "FOOTAGE_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Print the passes and cameras for Zabbix's low-level discovery, and exit with 0
    #[arg(long, env = "FOOTAGE_ZABBIX_DISCOVERY", value_parser = FalseyValueParser::new())]
    pub zabbix_discovery: bool,
}

impl Status {
    /// What was typed, resolved into what there is to look at.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::error::Error::Usage): a configuration cannot be read, or something in it is wrong.
    pub fn settings(&self) -> Result<Settings> {
        let output = match (self.zabbix_discovery, self.json) {
            (true, _) => Output::ZabbixDiscovery,
            (false, true) => Output::Json,
            (false, false) => Output::Table,
        };
        let (mut directories, mut expected) = (Vec::new(), Vec::new());
        for place in &self.places {
            if place.is_file() {
                expected.extend(cameras(place, self.shard.unwrap_or_default())?);
            } else {
                directories.push(place.clone());
            }
        }
        Ok(Settings {
            directories,
            expected,
            max_age: self.max_age,
            guard: Guard { max_used_percent: self.max_used_disk, min_free: self.min_free },
            output,
            only_when_wrong: self.cron,
        })
    }
}

/// The cameras that a configuration gives to this share, and the destinations that they are recorded to.
fn cameras(path: &Path, shard: Shard) -> Result<Vec<Expected>> {
    let config = Source::File(path.to_owned(), String::new()).read()?;
    let of_share = config.cameras.iter().filter(|(name, _)| shard.has(name.as_str()));
    let expected = |(name, camera): (&CameraName, &Camera)| Expected {
        camera: name.as_str().to_owned(),
        destination: key(&camera.destination),
    };
    Ok(of_share.map(expected).collect())
}

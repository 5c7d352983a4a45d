//! What people type for `footage status`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::disk::Guard;
use crate::error::Result;
use crate::status::{Output, Settings};
use crate::units::{ByteSize, parse_duration};

/// `footage status`
#[derive(Debug, Args)]
pub struct Status {
    /// Destinations, or directories that hold some; or the configuration of footage record, whose cameras should all be
    /// recorded
    #[arg(value_name = "DIR|CONFIG", default_value = ".", env = "FOOTAGE_DESTINATION")]
    pub places: Vec<PathBuf>,
    /// It is wrong when the newest recording of a camera is older than this: 2d, 12h
    #[arg(long, value_name = "AGE", value_parser = parse_duration, env = "FOOTAGE_MAX_AGE")]
    pub max_age: Option<Duration>,
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
    /// [`Error::Usage`](crate::error::Error::Usage)
    pub fn settings(&self) -> Result<Settings> {
        let output = match (self.zabbix_discovery, self.json) {
            (true, _) => Output::ZabbixDiscovery,
            (false, true) => Output::Json,
            (false, false) => Output::Table,
        };
        Ok(Settings {
            directories: self.places.clone(),
            expected: Vec::new(),
            max_age: self.max_age,
            guard: Guard { max_used_percent: self.max_used_disk, min_free: self.min_free },
            output,
        })
    }
}

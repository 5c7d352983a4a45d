//! What the command lines of all passes have in common: how each becomes a pass, and the options of what surrounds it.

use std::path::{Path, PathBuf};

use super::dashcam::Dashcam;
use super::groups::{Common, Output};
use super::hikvision::Hikvision;
use super::record::Record;
use super::upload::Upload;
use crate::error::Result;
use crate::metrics::Sinks;
use crate::pass::Pass;
use crate::units::Interval;
use crate::{dashcam, hikvision, record, upload};

/// The command line of a pass.
pub trait PassArgs {
    /// The pass that it asks for.
    type Pass: Pass;

    /// What was typed, resolved into the pass.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::error::Error::Usage)
    fn pass(&self) -> Result<Self::Pass>;

    /// Where the metrics of the pass go.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::error::Error::Usage)
    fn sinks(&self, pass: &Self::Pass) -> Result<Sinks>;

    /// The directories as they were typed, for a trace when [`pass`](Self::pass) fails.
    fn dirs(&self) -> Vec<PathBuf>;

    /// The options of what surrounds the pass.
    fn run_options(&self) -> RunOptions<'_>;

    /// What distinguishes this pass from others of its kind, where it is repeated by cron but has no directory of its own
    /// in which a report would remember what was logged.
    fn identity(&self) -> Option<Vec<String>> {
        None
    }
}

/// The options of what surrounds a pass.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions<'a> {
    /// What is logged and printed, and how.
    pub output: &'a Output,
    /// `--every`
    pub every: Option<Interval>,
    /// `--lock-file`
    pub lock_file: Option<&'a Path>,
    /// `--metrics-state-file`
    pub metrics_state_file: Option<&'a Path>,
}

impl<'a> From<&'a Common> for RunOptions<'a> {
    fn from(common: &'a Common) -> Self {
        Self {
            output: &common.output,
            every: common.running.every,
            lock_file: common.running.lock.lock_file.as_deref(),
            metrics_state_file: common.metrics_state_file.as_deref(),
        }
    }
}

impl PassArgs for Dashcam {
    type Pass = dashcam::Settings;

    fn pass(&self) -> Result<Self::Pass> {
        self.settings()
    }

    fn sinks(&self, pass: &Self::Pass) -> Result<Sinks> {
        self.common.metrics.sinks(&pass.source(), pass.network.clone())
    }

    fn dirs(&self) -> Vec<PathBuf> {
        vec![self.destination.clone()]
    }

    fn run_options(&self) -> RunOptions<'_> {
        (&self.common).into()
    }
}

impl PassArgs for Hikvision {
    type Pass = hikvision::Settings;

    fn pass(&self) -> Result<Self::Pass> {
        self.settings()
    }

    fn sinks(&self, pass: &Self::Pass) -> Result<Sinks> {
        self.common.metrics.sinks(&pass.source(), self.common.tls.network(None)?)
    }

    fn dirs(&self) -> Vec<PathBuf> {
        self.destination.iter().cloned().collect()
    }

    fn run_options(&self) -> RunOptions<'_> {
        (&self.common).into()
    }
}

impl PassArgs for Record {
    type Pass = record::Settings;

    fn pass(&self) -> Result<Self::Pass> {
        self.settings()
    }

    /// None: it delivers its own for as long as it records.
    fn sinks(&self, _: &Self::Pass) -> Result<Sinks> {
        Ok(Sinks::default())
    }

    fn dirs(&self) -> Vec<PathBuf> {
        self.destinations()
    }

    fn run_options(&self) -> RunOptions<'_> {
        RunOptions { output: &self.output, every: None, lock_file: None, metrics_state_file: None }
    }

    fn identity(&self) -> Option<Vec<String>> {
        Some(self.recorder_identity().into())
    }
}

impl PassArgs for Upload {
    type Pass = upload::Settings;

    fn pass(&self) -> Result<Self::Pass> {
        self.settings()
    }

    fn sinks(&self, pass: &Self::Pass) -> Result<Sinks> {
        self.common.metrics.sinks(&pass.source(), pass.network.clone())
    }

    fn dirs(&self) -> Vec<PathBuf> {
        self.sources.clone()
    }

    fn run_options(&self) -> RunOptions<'_> {
        (&self.common).into()
    }
}

//! Runs that wrote no report: those that ended early, and those that cron does not start any more.

use super::{Judge, Left, Pass, Place, short, whole};
use crate::error::EndReason;
use crate::pass_name::PassName;
use crate::status::row_state::RowState;
use crate::status::rows::Row;
use crate::trace::Trace;

/// A run of a pass that could not write its report to its destination.
#[derive(Debug, Clone)]
pub struct Unreported {
    /// The subcommand.
    pub kind: PassName,
    /// The trace that it wrote elsewhere.
    pub trace: Trace,
}

impl Unreported {
    fn message(&self) -> String {
        let Trace { uid, message, reason, .. } = &self.trace;
        let advice =
            if *reason == EndReason::Away { "; no run has written anything here yet: check the path" } else { "" };
        format!("the last run (of user {uid}) left no report: {message}{advice}")
    }

    pub(super) fn state(&self) -> RowState {
        if self.trace.reason == EndReason::Away { RowState::Away } else { RowState::Failed }
    }

    pub(super) fn since(&self) -> i64 {
        whole(self.trace.start_timestamp_seconds)
    }
}

impl Judge<'_> {
    /// The newest run of a pass without a report, unless a later one wrote one.
    pub(super) fn unreported<'a>(place: &'a Place, pass: &Pass) -> Option<&'a Unreported> {
        let reported = match &pass.left {
            Left::Report(report) => report.start_timestamp_seconds,
            // A second recorder that cannot start does not affect the running one.
            Left::RecorderStatus(_) if pass.lock.is_held == Some(true) => return None,
            Left::RecorderStatus(live) => live.updated_timestamp_seconds,
            Left::Nothing | Left::Unreadable => 0.0,
        };
        newest(place, pass.kind).filter(|run| run.trace.start_timestamp_seconds > reported)
    }

    pub(super) fn tell_unreported(&mut self, run: &Unreported) {
        self.wrong(Some(run.kind), None, run.message());
    }

    /// Passes known only by a run that wrote no report.
    pub(super) fn never_reported(&mut self, place: &Place) {
        let mut kinds: Vec<PassName> = place.unreported.iter().map(|run| run.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.retain(|kind| place.passes.iter().all(|pass| pass.kind != *kind));
        for run in kinds.into_iter().filter_map(|kind| newest(place, kind)) {
            self.tell_unreported(run);
            self.status.rows.push(Row {
                state: run.state(),
                state_since_timestamp_seconds: Some(run.since()),
                last_run_timestamp_seconds: Some(run.since()),
                ..Row::new(place.path.clone(), run.kind)
            });
        }
    }

    /// `--max-pass-age`, of a pass that does not run now: its last report has the time.
    pub(super) fn pass_age(&mut self, pass: &Pass, reported: i64) {
        let age = self.now - reported;
        let limit = self.settings.max_pass_age.map(|limit| i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
        if limit.is_some_and(|limit| age > limit) {
            let text = format!("the last run ended {} ago: does cron still start it?", short(age));
            self.wrong(Some(pass.kind), None, text);
        }
    }
}

fn newest(place: &Place, kind: PassName) -> Option<&Unreported> {
    let of_kind = place.unreported.iter().filter(|run| run.kind == kind);
    of_kind.max_by(|a, b| a.trace.start_timestamp_seconds.total_cmp(&b.trace.start_timestamp_seconds))
}

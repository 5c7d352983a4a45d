//! What was read in, rows and problems out.

mod unreported;

use std::path::PathBuf;

use chrono::DateTime;

pub use self::unreported::Unreported;
use super::newest::Newest;
use super::row_state::{RowState, Severity};
use super::rows::{Disk, Problem, Row, Status};
use super::{Expected, Settings};
use crate::contact;
use crate::disk::Space;
use crate::error::EndReason;
use crate::live::{CameraStatus, EVERY, RecorderStatus, State};
use crate::lock::Holder;
use crate::pass::Report;
use crate::pass_name::PassName;
use crate::units::{count, short_duration};

/// A recorder that has not written its state for longer hangs.
const HUNG_AFTER: i64 = 6 * EVERY.as_secs().cast_signed();

/// How long a camera may take to start or to stop before that is wrong.
const GRACE: i64 = 60;

/// A destination and the contents of its `.footage`.
#[derive(Debug, Clone)]
pub struct Place {
    /// As the user named it.
    pub path: PathBuf,
    /// Without links, to compare.
    pub resolved: PathBuf,
    /// Its disk.
    pub space: Option<Space>,
    /// The passes that left a lock or a report.
    pub passes: Vec<Pass>,
    /// Runs that could not write their report here.
    pub unreported: Vec<Unreported>,
}

/// A pass that left a lock or a report.
#[derive(Debug, Clone)]
pub struct Pass {
    /// The subcommand.
    pub kind: PassName,
    /// Its lock.
    pub lock: Holder,
    /// Its report.
    pub left: Left,
    /// The newest recording of each of its cameras; a pass with one camera does not name it.
    pub newest: Vec<(String, Option<Newest>)>,
    /// Of a recorder: since when it is paused by `--pause`, if it is.
    pub paused: Option<String>,
}

/// What a pass left.
#[derive(Debug, Clone)]
pub enum Left {
    /// A lock and no report.
    Nothing,
    /// A file that is not a report.
    Unreadable,
    /// The report of the last run.
    Report(Box<Report>),
    /// The state of a recorder, running or ended.
    RecorderStatus(Box<RecorderStatus>),
}

/// Judges everything at the time `now`, in seconds since 1970.
#[must_use]
pub fn judge(places: &[Place], settings: &Settings, now: i64) -> Status {
    let mut judge = Judge { settings, now, place: PathBuf::new(), resolved: PathBuf::new(), status: Status::default() };
    for place in places {
        judge.place.clone_from(&place.path);
        judge.resolved.clone_from(&place.resolved);
        judge.disk(place);
        for pass in &place.passes {
            judge.pass(pass, Judge::unreported(place, pass));
        }
        judge.never_reported(place);
        judge.missing(place);
    }
    judge.status.ok = judge.status.problems.is_empty();
    judge.status
}

struct Judge<'a> {
    settings: &'a Settings,
    now: i64,
    /// The destination that is being judged.
    place: PathBuf,
    /// The same without links.
    resolved: PathBuf,
    status: Status,
}

impl Judge<'_> {
    fn disk(&mut self, place: &Place) {
        self.status.places.push(Disk {
            place: place.path.clone(),
            disk_used_ratio: place.space.map(Space::used_ratio),
            disk_free_bytes: place.space.map(|space| space.available),
        });
        // One byte more: a disk without free space is wrong whatever the options say.
        if let Some(shortage) = place.space.and_then(|space| self.settings.guard.shortage(space, 1)) {
            self.wrong(None, None, format!("the disk is too full: {}", shortage.reason));
        }
        if place.passes.is_empty()
            && place.unreported.is_empty()
            && !self.settings.expected.iter().any(|camera| camera.destination == place.resolved)
        {
            self.wrong(None, None, "no footage pass has left a report here".to_owned());
        }
    }

    fn wrong(&mut self, pass: Option<PassName>, camera: Option<&str>, message: String) {
        let camera = camera.map(str::to_owned);
        self.status.problems.push(Problem { place: self.place.clone(), pass, camera, message });
    }

    fn pass(&mut self, pass: &Pass, unreported: Option<&Unreported>) {
        let first = self.status.rows.len();
        let known = self.status.problems.len();
        let row = Row { pid: pass.lock.pid, ..Row::new(self.place.clone(), pass.kind) };
        let running_since = pass.lock.since.as_deref().and_then(seconds);
        match &pass.left {
            Left::RecorderStatus(live) => self.recorder(pass, live, &row),
            Left::Report(report) => self.report(pass, report, unreported, &row),
            _ if pass.lock.is_held == Some(true) => {
                self.status.rows.push(Row {
                    state: RowState::Running,
                    state_since_timestamp_seconds: running_since,
                    ..row
                });
            }
            left => {
                let problem = match (left, pass.lock.is_held) {
                    (Left::Unreadable, _) => "its report is unreadable",
                    (_, Some(_)) => GONE,
                    _ => "no report was written",
                };
                self.wrong(Some(pass.kind), None, problem.to_owned());
                self.status.rows.push(Row {
                    state: RowState::Unknown,
                    pid: None,
                    state_since_timestamp_seconds: running_since,
                    ..row
                });
            }
        }
        if let Some(run) = unreported {
            self.tell_unreported(run);
        }
        for row in &mut self.status.rows[first..] {
            let is_its = |problem: &Problem| problem.camera == row.camera;
            let is_recorded = row.pass != PassName::Record
                || row.camera.is_none()
                || pass.paused.is_some()
                || !row.state.is_without_recorder();
            row.ok = is_recorded && !self.status.problems[known..].iter().any(is_its);
        }
    }

    fn report(&mut self, pass: &Pass, report: &Report, unreported: Option<&Unreported>, row: &Row) {
        let started = time(report.start_timestamp_seconds);
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds of a time")]
        let ended = started.map(|at| at + report.duration_seconds as i64);
        let locked = pass.lock.since.as_deref().and_then(seconds);
        let (is_running, reason) = (pass.lock.is_held == Some(true), report.ended.as_ref().map(|ended| ended.reason));
        // A run that ends writes the time at which it took the lock into its report, or leaves a trace.
        let ended_without = unreported.map(Unreported::since);
        let died = pass.lock.is_held == Some(false) && locked > started.max(ended_without);
        let (state, since) = match reason {
            _ if is_running => (RowState::Running, locked),
            _ if died => (RowState::Gone, locked),
            _ if unreported.is_some() => unreported.map(|run| (run.state(), Some(run.since()))).unwrap_or_default(),
            None if report.failures.is_empty() => (RowState::Done, ended),
            None => (RowState::Partly, ended),
            Some(EndReason::Away) => (RowState::Away, ended),
            Some(EndReason::Stopped) => (RowState::Stopped, ended),
            Some(_) => (RowState::Failed, ended),
        };
        if died {
            self.wrong(Some(pass.kind), None, GONE.to_owned());
        }
        if let Some(ended) = &report.ended
            && !matches!(ended.reason, EndReason::Away | EndReason::Stopped)
        {
            self.wrong(Some(pass.kind), None, ended.message.clone());
        }
        if let [first, rest @ ..] = report.failures.as_slice() {
            let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            let files = count(rest.len() + 1, "file");
            let text = format!(
                "{files} failed: {}: {}{more}; all else is done, and a later run tries again",
                first.name, first.message
            );
            self.wrong(Some(pass.kind), None, text);
        }
        if let Some(text) = self.contact(pass.kind, report) {
            self.wrong(Some(pass.kind), None, text);
        }
        if !is_running && let Some(ended) = ended {
            self.pass_age(pass, ended);
        }
        let cameras: Vec<_> = pass.newest.iter().filter(|(name, _)| !name.is_empty()).collect();
        for (camera, newest) in &pass.newest {
            let camera = Some(camera.as_str()).filter(|camera| !camera.is_empty());
            self.age(pass.kind, camera, newest.as_ref(), None);
        }
        // Files of `upload` that wait for a retry are pending like all others that are not in the bucket.
        let waiting = if pass.kind == PassName::Upload { 0 } else { report.waiting_files };
        let pending = report.open_files + waiting + report.left_out_recordings + report.pending_files;
        let limit = self.settings.max_age.map(|limit| i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
        let since_then = started.map_or(0, |started| (self.now - started).max(0));
        let oldest = report.oldest_pending_seconds.map(|then| whole(then).saturating_add(since_then));
        if let Some(oldest) = oldest.filter(|oldest| limit.is_some_and(|limit| *oldest > limit)) {
            self.wrong(Some(pass.kind), None, format!("a file waits for {} to be uploaded", short(oldest)));
        }
        self.status.rows.push(Row {
            source: report.source.clone(),
            state,
            state_since_timestamp_seconds: since,
            pid: row.pid.filter(|_| is_running),
            last_run_timestamp_seconds: ended,
            last_arrival_timestamp_seconds: report.last_arrival_timestamp_seconds.map(whole),
            exit_code: Some(report.exit_code),
            newest: pass.newest.iter().fold(None, |newest, (_, of_one)| Newest::or(newest, of_one.clone())),
            files: Some(to_u64(report.arrived_files)),
            pending_files: Some(to_u64(pending)),
            failed_files: Some(to_u64(report.failures.len())),
            first_reached_timestamp_seconds: report.memory.contact.first_reached_timestamp_seconds.map(whole),
            missed_passes: Some(report.memory.contact.missed_passes),
            ..row.clone()
        });
        self.status.rows.extend(cameras.into_iter().map(|(camera, newest)| Row {
            camera: Some(camera.clone()),
            source: report.source.clone(),
            state,
            state_since_timestamp_seconds: since,
            newest: newest.clone(),
            pid: None,
            ..row.clone()
        }));
    }

    /// What is wrong with a camera, storage or server that was unreachable in the last run. A dashcam drives away, but one that
    /// never answered is misconfigured; a server is not expected to be unreachable for long.
    fn contact(&self, pass: PassName, report: &Report) -> Option<String> {
        let ended = report.ended.as_ref().filter(|ended| ended.reason == EndReason::Away)?;
        if report.memory.contact.was_never_reached() {
            return Some(format!("{}; {}", ended.message, contact::advice(pass)));
        }
        #[expect(clippy::cast_precision_loss, reason = "a time of our days")]
        let away = report.memory.contact.away_too_long(self.now as f64, self.settings.max_age)?;
        let runs = count(usize::try_from(report.memory.contact.missed_passes).unwrap_or(usize::MAX), "run");
        (pass == PassName::Upload).then(|| format!("away for {} ({runs}): {}", short_duration(away), ended.message))
    }

    fn recorder(&mut self, pass: &Pass, live: &RecorderStatus, row: &Row) {
        let silent = self.now - whole(live.updated_timestamp_seconds);
        let is_alive = pass.lock.is_held.unwrap_or(live.ended.is_none() && silent <= HUNG_AFTER);
        let is_done = !is_alive && live.is_done();
        let (state, since) = match &live.ended {
            _ if is_alive && silent > HUNG_AFTER => (RowState::Hung, live.updated_timestamp_seconds),
            _ if is_alive => (RowState::Running, live.start_timestamp_seconds),
            Some(_) if is_done && live.cameras.iter().any(|camera| camera.was_failing) => {
                (RowState::Partly, live.updated_timestamp_seconds)
            }
            Some(_) if is_done => (RowState::Done, live.updated_timestamp_seconds),
            Some(_) => (RowState::Stopped, live.updated_timestamp_seconds),
            None => (RowState::Gone, live.updated_timestamp_seconds),
        };
        match (state, &live.ended) {
            (RowState::Hung, _) => {
                self.wrong(Some(pass.kind), None, format!("no heartbeat for {}", short(silent)));
            }
            // No camera was being recorded here when it ended.
            (RowState::Stopped | RowState::Gone, _) if live.cameras.is_empty() => {}
            // As requested, until --resume.
            (RowState::Stopped, _) if pass.paused.is_some() => {}
            (RowState::Stopped, Some(ended)) => {
                self.wrong(Some(pass.kind), None, format!("nothing is recorded: {}", ended.message));
            }
            (RowState::Gone, _) => self.wrong(Some(pass.kind), None, format!("nothing is recorded: {GONE}")),
            _ => {}
        }
        if let Some(since) = &pass.paused {
            let place = self.place.display();
            self.status.warnings.push(format!(
                "{place}: recording is paused since {since}; footage record --resume with its CONFIG ends that"
            ));
        }
        if is_done {
            self.pass_age(pass, whole(live.updated_timestamp_seconds));
        }
        if let Some(error) = &live.config_error {
            self.wrong(Some(pass.kind), None, format!("the new configuration was refused: {error}"));
        }
        let sum = |of: fn(&CameraStatus) -> u64| Some(live.cameras.iter().map(of).sum());
        let bitrates = live.cameras.iter().filter(|_| is_alive).filter_map(|camera| camera.bits_per_second);
        self.status.rows.push(Row {
            source: live.config.clone().or_else(|| live.shard.clone()).unwrap_or_else(|| "--url".into()),
            state,
            state_since_timestamp_seconds: time(since),
            pid: is_alive.then_some(live.pid),
            newest: pass.newest.iter().fold(None, |newest, (_, of_one)| Newest::or(newest, of_one.clone())),
            bits_per_second: bitrates.reduce(|a, b| a + b),
            usage: live.usage.filter(|_| is_alive),
            files: sum(|camera| camera.segments),
            pending_files: sum(pending),
            failed_files: sum(failed),
            ..row.clone()
        });
        for camera in &live.cameras {
            let newest =
                pass.newest.iter().find(|(name, _)| *name == camera.name).and_then(|(_, newest)| newest.as_ref());
            if is_alive {
                self.camera(camera);
            } else if is_done {
                self.done(camera);
            }
            if is_alive || is_done {
                self.age(pass.kind, Some(&camera.name), newest, Some(whole(live.start_timestamp_seconds)));
            }
            let state = match state {
                _ if is_alive => camera.state.into(),
                _ if is_done && camera.was_failing => RowState::Failed,
                _ if is_done => RowState::Done,
                gone => gone,
            };
            self.status.rows.push(Row {
                camera: Some(camera.name.clone()),
                source: camera.source.clone(),
                state,
                state_since_timestamp_seconds: time(if is_alive {
                    camera.state_since_timestamp_seconds
                } else {
                    since
                }),
                newest: newest.cloned(),
                last_arrival_timestamp_seconds: camera.last_frame_timestamp_seconds.map(whole),
                frames_per_second: camera.frames_per_second.filter(|_| is_alive),
                bits_per_second: camera.bits_per_second.filter(|_| is_alive),
                usage: camera.ffmpeg_usage.filter(|_| is_alive),
                files: Some(camera.segments),
                pending_files: Some(pending(camera)),
                failed_files: Some(failed(camera)),
                pid: None,
                ..row.clone()
            });
        }
    }

    fn camera(&mut self, camera: &CameraStatus) {
        let error = camera.last_error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        if camera.unclosed_segments > 0 {
            let text = format!("{} cannot be closed{error}", count(to_usize(camera.unclosed_segments), "segment"));
            self.wrong(Some(PassName::Record), Some(&camera.name), text);
        }
        let lasts = self.now - whole(camera.state_since_timestamp_seconds);
        // A camera that never starts is restarted again and again.
        let came =
            camera.restarts == 0 || camera.last_frame_timestamp_seconds.is_some_and(|at| self.now - whole(at) <= GRACE);
        let is_wrong = match RowState::from(camera.state).severity() {
            Severity::Ok => false,
            Severity::Conditional => lasts > GRACE || camera.state == State::Starting && !came,
            Severity::Wrong => true,
        };
        if !is_wrong {
            return;
        }
        let text = format!("{} for {}{error}", camera.state.as_str(), short(lasts));
        self.wrong(Some(PassName::Record), Some(&camera.name), text);
    }

    /// A camera whose recorder ended as requested. Those of a configuration should still be recorded.
    fn done(&mut self, camera: &CameraStatus) {
        let is_its = |expected: &Expected| expected.camera == camera.name && expected.destination == self.resolved;
        let text = if camera.was_failing {
            let error = camera.last_error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            format!("it was failing when --for elapsed{error}")
        } else if self.settings.expected.iter().any(is_its) {
            "not being recorded: --for of the recorder has elapsed".to_owned()
        } else {
            return;
        };
        self.wrong(Some(PassName::Record), Some(&camera.name), text);
    }

    /// Whether the newest recording is new enough; a pass that started at `since` may have none yet.
    fn age(&mut self, pass: PassName, camera: Option<&str>, newest: Option<&Newest>, since: Option<i64>) {
        let Some(limit) = self.settings.max_age else { return };
        match newest {
            Some(newest) if newest.age_seconds <= limit.as_secs() => {}
            Some(newest) => {
                let age = short_duration(std::time::Duration::from_secs(newest.age_seconds));
                self.wrong(Some(pass), camera, format!("the newest recording is {age} old"));
            }
            None if since.is_some_and(|since| self.now - since <= limit.as_secs().cast_signed()) => {}
            None => self.wrong(Some(pass), camera, "no recording".to_owned()),
        }
    }

    /// Cameras that should be recorded here and are not.
    fn missing(&mut self, place: &Place) {
        let is_recorded = |expected: &Expected| {
            let mut lives = place.passes.iter().filter_map(|pass| match &pass.left {
                Left::RecorderStatus(live) => Some(live),
                _ => None,
            });
            lives.any(|live| live.camera(&expected.camera).is_some())
        };
        if place.passes.iter().any(|pass| pass.paused.is_some()) {
            return;
        }
        for expected in self.settings.expected.iter().filter(|expected| expected.destination == place.resolved) {
            if !is_recorded(expected) {
                self.wrong(Some(PassName::Record), Some(&expected.camera), "not being recorded".to_owned());
                let camera = Some(expected.camera.clone());
                let row = Row { camera, state: RowState::Missing, ..Row::new(place.path.clone(), PassName::Record) };
                self.status.rows.push(row);
            }
        }
    }
}

const GONE: &str = "killed, or the power failed";

fn pending(camera: &CameraStatus) -> u64 {
    u64::from(camera.open_segment_start_timestamp_seconds.is_some()) + camera.unclosed_segments
}

fn failed(camera: &CameraStatus) -> u64 {
    camera.torn_segments + camera.damaged_segments + camera.hook_failures + camera.schedule_failures
}

/// Seconds since 1970 of an RFC 3339 time.
fn seconds(rfc3339: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(rfc3339).ok().map(|at| at.timestamp())
}

#[expect(clippy::cast_possible_truncation, reason = "a time that is out of range saturates")]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}

/// A time for the output; zero is none.
fn time(seconds: f64) -> Option<i64> {
    Some(whole(seconds)).filter(|at| *at > 0)
}

fn short(seconds: i64) -> String {
    short_duration(std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

//! Runs a pass of any kind: signals, locks, the last report and the new one, exit code, summary, metrics.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use chrono::{DateTime, SecondsFormat};
use footage::cli::pass::RunOptions;
use footage::contact::{self, Contact};
use footage::error::{Error, Result};
use footage::host_zone::HostZone;
use footage::lock::Lock;
use footage::metrics::Sinks;
use footage::notices::{ENDED, Notices};
use footage::pass::{Context, Ended, Pass, Report};
use footage::progress::Progress;
use footage::stop::Stop;
use footage::store::{MAX_STATE_BYTES, Store, read_small, read_state, resolved, write_atomically, write_even_if_full};
use footage::trace::Trace;
use footage::units::{Interval, timestamp_seconds};
use footage::zone::Tz;
use footage::{host_zone, logging, stdout};

/// Runs a pass of any kind.
pub(crate) struct Runner<'a, P> {
    pub(crate) pass: &'a P,
    pub(crate) sinks: Sinks,
    pub(crate) options: RunOptions<'a>,
    /// From cron: the conditions that earlier runs logged, where the directories are not known yet.
    pub(crate) notices: Option<Notices>,
}

impl<P: Pass> Runner<'_, P> {
    /// Runs the pass once, or with `--every` until stopped.
    pub(crate) fn run(&self) -> ExitCode {
        let progress =
            Progress::new(!self.options.output.quiet && !self.options.output.cron && !self.changes_nothing());
        let level = logging::level(self.options.output.verbose, self.options.output.quiet);
        let wants_summary = !self.options.output.quiet && (progress.is_shown() || self.options.output.cron);
        logging::init(self.options.output.log_format, level, wants_summary, progress.clone());
        // Starting the signal thread takes a quarter of the time of a listing, which a signal may end at once. The kernel does
        // not end the first process of a container so.
        let listens = !self.pass.is_listing() || std::process::id() == 1;
        let stop = match listens.then(Stop::on_signals).transpose() {
            Ok(stop) => stop.unwrap_or_default(),
            Err(error) => {
                log::error!("cannot listen for signals: {error}");
                return ExitCode::FAILURE;
            }
        };
        if let Some(hint) = self.options.every.and_then(Interval::hint) {
            log::warn!("{hint}");
        }
        self.name_unknown_variables();
        loop {
            let began = Instant::now();
            let code = self.run_once(&stop, &progress);
            let Some(every) = self.options.every else { return ExitCode::from(code) };
            if code == 2 {
                return ExitCode::from(code);
            }
            let pause = every.duration.saturating_sub(began.elapsed());
            if let Err(stopped) = stop.sleep(pause) {
                return ExitCode::from(stopped.exit_code());
            }
        }
    }

    /// Warns of variables without an option; from cron only the first time while they are set.
    fn name_unknown_variables(&self) {
        let kept = self.options.output.cron.then(|| Notices::of_user("variables", &[P::NAME.to_string()]));
        let notices = kept.unwrap_or_default();
        match footage::cli::variables::unknown() {
            Some(text) => notices.warn(&text, &text),
            None => notices.clear(),
        }
    }

    fn stores(&self) -> Vec<Store> {
        self.pass.dirs().iter().map(|dir| Store::at(dir)).collect()
    }

    fn changes_nothing(&self) -> bool {
        self.options.output.dry_run || self.pass.is_read_only()
    }

    /// Reads, then locks the directories. A failure to read is returned beside the locks where earlier passes have left
    /// their state: it is reported there.
    fn begin(&self, now: DateTime<Tz>) -> Result<Begun<P::Input>> {
        match self.pass.read() {
            Err(error) if matches!(error, Error::Usage(_)) || !self.stores().iter().all(Store::has_state_dir) => {
                Err(error)
            }
            input => self.lock(now).map(|(stores, locks)| Begun { stores, locks, input }),
        }
    }

    /// The directories, created and locked. A dry run leaves them as they are and looks without a lock.
    fn lock(&self, now: DateTime<Tz>) -> Result<(Vec<Store>, Vec<Lock>)> {
        if self.changes_nothing() {
            return Ok((self.stores(), Vec::new()));
        }
        let stores: Vec<Store> = self.pass.dirs().iter().map(|dir| Store::create(dir)).collect::<Result<_>>()?;
        let own = match self.options.lock_file {
            Some(path) => vec![path.to_owned()],
            None => stores.iter().map(|store| store.state_path(&format!("{}.lock", P::NAME))).collect(),
        };
        let since = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut peer = P::PEER_LOCK.zip(stores.first()).map(|(name, store)| store.root().join(name));
        let locks = own.iter().map(|own| Lock::acquire(own, peer.take().as_deref(), &since)).collect::<Result<_>>()?;
        Ok((stores, locks))
    }

    /// Reads the last report and writes the new one, both under the lock.
    fn run_once(&self, stop: &Stop, progress: &Progress) -> u8 {
        let began = Instant::now();
        let HostZone { zone, problem } = HostZone::read();
        let now = host_zone::now(zone);
        let nothing = |error| Begun { stores: self.stores(), locks: Vec::new(), input: Err(error) };
        let Begun { stores, locks, input } = self.begin(now).unwrap_or_else(nothing);
        let state = State { runner: self, stores };
        let last = state.load();
        let context = Context {
            now,
            changes_nothing: self.changes_nothing(),
            json: self.options.output.json,
            stop: stop.clone(),
            progress: progress.clone(),
            notices: Notices::new(last.memory.logged.clone(), self.options.output.cron),
        };
        self.log_zone_problem(problem.as_deref(), &context);
        let mut report = Report::begin(P::NAME, self.pass.source(), &self.pass.peers(), now, &last);
        let outcome = input.and_then(|input| self.pass.run(input, &state.stores, &context, &mut report));
        stop.forget_hooks();
        report.removals.log();
        report.count_contact(&outcome);
        report.more_alike().iter().for_each(|line| log::warn!("{line}"));
        self.log_end(&outcome, &context, &report.memory.contact);
        report.exit_code = self.exit_code(&outcome, &report);
        report.ended = outcome.as_ref().err().map(Ended::by);
        report.duration_seconds = began.elapsed().as_secs_f64();
        if self.changes_nothing() {
            return and_printed(report.exit_code);
        }
        let finished = timestamp_seconds(&host_zone::now(zone));
        if report.has_news() {
            report.last_arrival_timestamp_seconds = Some(finished);
        }
        report.memory.logged = context.notices.for_next_pass(&outcome);
        // Before anything that may take long, or be cut short by a signal.
        let saved = report.clone();
        state.save(&saved, &outcome);
        self.print(&mut report, &outcome, progress);
        self.sinks.deliver(&report, finished, self.pass.push_timeout(), &context.notices);
        report.memory.logged = context.notices.for_next_pass(&outcome);
        if report != saved {
            state.save(&report, &outcome);
        }
        drop(locks);
        report.exit_code
    }

    /// The summary, and the report with `--json`.
    fn print(&self, report: &mut Report, outcome: &Result<()>, progress: &Progress) {
        let is_news = report.has_news() || (outcome.is_ok() && progress.is_shown());
        if is_news || (outcome.is_ok() && !self.options.output.cron) {
            log::info!(target: logging::SUMMARY, "{}", report.summary());
        }
        if self.options.output.json {
            stdout::json(&serde_json::to_string(&report).unwrap_or_default());
        }
        report.exit_code = and_printed(report.exit_code);
    }

    /// Logs the error that ended a pass in one line. From cron a normal end is silent, and a lasting error is logged the first
    /// time only.
    fn log_end(&self, outcome: &Result<()>, context: &Context, contact: &Contact) {
        let Err(error) = outcome else {
            self.notices.iter().for_each(Notices::clear);
            return;
        };
        let text = error.with_causes();
        let goes_well = error.is_not_now() || matches!(error, Error::Stopped(_));
        self.notices.iter().filter(|_| goes_well).for_each(Notices::clear);
        match error {
            Error::Stopped(_) => log::info!("{text}"),
            Error::Away(_) if !self.changes_nothing() && !self.stores().iter().all(Store::has_state_dir) => {
                self.warn_of_unused_destination(&text);
            }
            Error::Away(_) if !self.changes_nothing() && contact.was_never_reached() => {
                let key = format!("never-reached:{}", self.pass.peers().join(" "));
                context.notices.warn(&key, format_args!("{text}; {}", contact::advice(P::NAME)));
            }
            _ if error.is_not_now() && self.options.output.cron => log::info!("{text}"),
            _ if error.is_not_now() => log::warn!("{text}"),
            _ if self.notices.as_ref().is_some_and(|notices| notices.note(&text) != Some(true)) => log::info!("{text}"),
            _ => context.notices.error(&format!("{ENDED}{}", error.reason()), text),
        }
    }

    /// Warns of a missing source when no pass has used the destination yet: a typing error, or a share that is not mounted.
    fn warn_of_unused_destination(&self, text: &str) {
        let places: Vec<PathBuf> = self.pass.dirs().iter().map(|dir| resolved(dir)).collect();
        let earlier = places.iter().filter_map(|place| Some(Trace::last(P::NAME, place)?.message)).collect();
        let notices = Notices::new(earlier, self.options.output.cron);
        let places = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
        notices.warn(text, format_args!("{text}; no pass has written to {places} yet: check the path"));
    }

    /// Logs a problem with the time zone of this machine, which the log and the days of retention use.
    fn log_zone_problem(&self, problem: Option<&str>, context: &Context) {
        // A recorder has no destination yet whose report would remember it.
        let is_news = self.notices.is_none() || is_zone_news(problem);
        match problem {
            Some(problem) if is_news => context.notices.warn("zone", problem),
            Some(problem) => log::info!("{problem}"),
            None => {}
        }
    }

    fn exit_code(&self, outcome: &Result<()>, report: &Report) -> u8 {
        match outcome {
            Err(error) if error.is_not_now() && self.options.output.cron => 0,
            Err(error) => error.exit_code(),
            Ok(()) if report.failures.is_empty() => 0,
            Ok(()) => 3,
        }
    }
}

/// A pass that has read its input, with its locked directories.
struct Begun<Input> {
    stores: Vec<Store>,
    locks: Vec<Lock>,
    input: Result<Input>,
}

/// What one pass leaves for the next, and for `status`: its report, in each of its destinations.
struct State<'a, P> {
    runner: &'a Runner<'a, P>,
    stores: Vec<Store>,
}

/// blackvuesync's own file and word for when footage last arrived.
const PEER_STATE_FILE: &str = ".blackvuesync.metrics-state.json";
const PEER_STATE_KEY: &str = "last_successful_file_pull_timestamp_seconds";

impl<P: Pass> State<'_, P> {
    /// The last report, from the first destination.
    fn load(&self) -> Report {
        let first = self.stores.first();
        let bytes = first.and_then(|store| read_state(&Self::path(store), MAX_STATE_BYTES));
        let mut report: Report = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let named =
            self.runner.options.metrics_state_file.and_then(read_small).and_then(|bytes| peer_timestamp(&bytes));
        let peers = || first.and_then(|store| read_state(&store.root().join(PEER_STATE_FILE), MAX_STATE_BYTES));
        report.last_arrival_timestamp_seconds = named
            .or(report.last_arrival_timestamp_seconds)
            .or_else(|| peers().and_then(|bytes| peer_timestamp(&bytes)));
        report
    }

    /// Writes the report. A failure is a warning, unless the pass already logged an error, and keeps the exit code: the footage
    /// is here.
    fn save(&self, report: &Report, outcome: &Result<()>) {
        // The holder of the lock writes its own report, which this one would replace.
        if matches!(outcome, Err(Error::Busy { .. })) {
            return;
        }
        let text = serde_json::to_string_pretty(report).unwrap_or_default() + "\n";
        let mut written = Ok(());
        let mut is_somewhere = false;
        for store in &self.stores {
            let here = store.has_state_dir().then(|| write_even_if_full(&Self::path(store), text.as_bytes()));
            Self::trace(store.root(), report, outcome, here.as_ref().map(Result::as_ref));
            is_somewhere |= here.is_some();
            written = written.and(here.unwrap_or(Ok(())));
        }
        for place in self.runner.pass.own_dirs() {
            Self::trace(&place, report, outcome, outcome.is_ok().then_some(Ok(&())));
        }
        let named = self.runner.options.metrics_state_file.filter(|_| is_somewhere);
        if let (Some(path), Some(at)) = (named, report.last_arrival_timestamp_seconds) {
            let text = serde_json::json!({ PEER_STATE_KEY: at }).to_string() + "\n";
            written = written.and(write_atomically(path, text.as_bytes()));
        }
        if let Err(error) = written {
            let level = if outcome.is_ok() { log::Level::Warn } else { log::Level::Info };
            log::log!(level, "the report was not written: {}", error.with_causes());
        }
    }

    /// Leaves a trace where no report could be `left`, for `status`; a report takes its place.
    fn trace(place: &Path, report: &Report, outcome: &Result<()>, left: Option<Result<&(), &Error>>) {
        let place = resolved(place);
        let error = match (outcome, left) {
            (_, Some(Ok(()))) => return Trace::forget(P::NAME, &place),
            (Err(Error::Stopped(_)), _) | (Ok(()), None) => return,
            (Err(error), _) | (Ok(()), Some(Err(error))) => error,
        };
        let trace = Trace {
            pass: P::NAME,
            place,
            start_timestamp_seconds: report.start_timestamp_seconds,
            reason: error.reason(),
            message: error.with_causes(),
            uid: 0,
        };
        trace.leave();
    }

    fn path(store: &Store) -> PathBuf {
        store.state_path(&format!("{}.json", P::NAME))
    }
}

fn peer_timestamp(bytes: &[u8]) -> Option<f64> {
    serde_json::from_slice::<serde_json::Value>(bytes).ok()?.get(PEER_STATE_KEY)?.as_f64()
}

/// Whether a problem with the zone of this machine is a new one, for a command that cron repeats and that keeps no report.
pub(crate) fn is_zone_news(problem: Option<&str>) -> bool {
    let notices = Notices::of_user("zone", &[]);
    let Some(problem) = problem else {
        notices.clear();
        return false;
    };
    notices.note(problem) == Some(true)
}

/// The exit code of a pass; a failure to write to stdout makes 0 and 3 a 1.
fn and_printed(code: u8) -> u8 {
    let Some(failure) = stdout::take_failure() else { return code };
    log::error!("{failure}");
    if matches!(code, 0 | 3) { 1 } else { code }
}

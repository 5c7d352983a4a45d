//! Parse, run the pass, turn its outcome into an exit code, a summary, a report and metrics.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::{DateTime, Local, SecondsFormat};
use clap::{CommandFactory, FromArgMatches};
use footage::cli::hikvision::Hikvision;
use footage::cli::{Cli, Command, Common, Dashcam};
use footage::error::{Error, Result};
use footage::lock::Lock;
use footage::metrics::{Sinks, ended};
use footage::pass::{Context, ENDED, Report, Told};
use footage::progress::Progress;
use footage::stop::Stop;
use footage::store::{Store, read_small, write_atomically, write_even_if_full};
use footage::{dashcam, hikvision, logging, stdout};

fn main() -> ExitCode {
    let mut matches = Cli::without_empty_variables().get_matches();
    let cli = Cli::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Dashcam(args) => run_dashcam(&args),
        Command::Hikvision(args) => run_hikvision(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "footage", &mut script);
            print(&script)
        }
        Command::Man { command } => man(command.as_deref()),
    }
}

fn run_dashcam(args: &Dashcam) -> ExitCode {
    let settings = args.settings().unwrap_or_else(|error| usage(&error));
    let runner = Runner {
        pass: "dashcam",
        source: settings.source(),
        sinks: args.common.sinks(&settings.source()).unwrap_or_else(|error| usage(&error)),
        timeout: settings.timeout,
        destination: settings.destination.clone(),
        changes_nothing: args.common.dry_run,
        common: &args.common,
        peer_lock: Some(dashcam::PEER_LOCK),
        check: &|| dashcam::check(&settings),
    };
    runner.run(|store, context, report| dashcam::run(&settings, store, context, report))
}

fn run_hikvision(args: &Hikvision) -> ExitCode {
    let settings = args.settings().unwrap_or_else(|error| usage(&error));
    let runner = Runner {
        pass: "hikvision",
        source: settings.source(),
        sinks: args.common.sinks(&settings.source()).unwrap_or_else(|error| usage(&error)),
        timeout: PUSH_TIMEOUT,
        destination: settings.destination.clone(),
        changes_nothing: args.common.dry_run || settings.is_list,
        common: &args.common,
        peer_lock: None,
        check: &|| hikvision::check(&settings),
    };
    runner.run(|store, context, report| hikvision::run(&settings, store, context, report))
}

/// How long a Pushgateway may take, where the pass has no timeout for the network of its own.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// Says what is wrong as the parser of the command line does, and exits with 2.
fn usage(error: &Error) -> ! {
    Cli::command().error(clap::error::ErrorKind::ValueValidation, error).exit()
}

/// What surrounds a pass of whatever kind.
struct Runner<'a> {
    pass: &'static str,
    source: String,
    sinks: Sinks,
    /// Of a push of metrics.
    timeout: Duration,
    destination: PathBuf,
    /// A dry run or a listing: no state is kept and no metrics are delivered.
    changes_nothing: bool,
    common: &'a Common,
    /// The lock file of a peer tool in the destination: respected, never made.
    peer_lock: Option<&'static str>,
    /// What must be so before anything is made in the destination.
    check: &'a dyn Fn() -> Result<()>,
}

impl Runner<'_> {
    /// Runs the pass once, or with `--every` until stopped.
    fn run(&self, mut pass: impl FnMut(&Store, &Context, &mut Report) -> Result<()>) -> ExitCode {
        let progress = Progress::new(!self.common.quiet && !self.common.cron && !self.changes_nothing);
        let level = logging::level(self.common.verbose, self.common.quiet);
        let wants_summary = !self.common.quiet && (progress.is_shown() || self.common.cron);
        logging::init(self.common.log_format, level, wants_summary, progress.clone());
        let stop = match Stop::on_signals() {
            Ok(stop) => stop,
            Err(error) => {
                log::error!("cannot listen for signals: {error}");
                return ExitCode::FAILURE;
            }
        };
        loop {
            let began = Instant::now();
            let code = self.once(&stop, &progress, &mut pass);
            let Some(every) = self.common.every else { return ExitCode::from(code) };
            if code == 2 {
                return ExitCode::from(code);
            }
            let pause = every.saturating_sub(began.elapsed());
            if let Err(stopped) = stop.sleep(pause) {
                return ExitCode::from(stopped.exit_code());
            }
        }
    }

    /// The destination, locked. A dry run leaves it as it is and looks without a lock.
    fn open(&self, now: DateTime<Local>) -> Result<(Store, Option<Lock>)> {
        let store = Store::at(&self.destination);
        if self.changes_nothing {
            return Ok((store, None));
        }
        match (self.check)() {
            // Where earlier passes have left their state, the pass finds it out once more, under the lock.
            Err(error) if matches!(error, Error::Usage(_)) || !store.has_state_dir() => return Err(error),
            _ => {}
        }
        let store = Store::create(&self.destination)?;
        let own = self.common.lock_file.clone().unwrap_or_else(|| store.state_path(&format!("{}.lock", self.pass)));
        let peer = self.peer_lock.map(|name| store.root().join(name));
        let lock = Lock::acquire(&own, peer.as_deref(), &now.to_rfc3339_opts(SecondsFormat::Secs, true))?;
        Ok((store, Some(lock)))
    }

    /// What a pass remembers is read, and left for the next, under the lock.
    fn once(
        &self,
        stop: &Stop,
        progress: &Progress,
        pass: &mut impl FnMut(&Store, &Context, &mut Report) -> Result<()>,
    ) -> u8 {
        let began = Instant::now();
        let now = clock();
        let (store, lock) = match self.open(now) {
            Ok((store, lock)) => (store, Ok(lock)),
            Err(error) => (Store::at(&self.destination), Err(error)),
        };
        let state = State { runner: self, store };
        let last = state.load();
        let context = Context {
            now,
            dry_run: self.changes_nothing,
            json: self.common.json,
            stop: stop.clone(),
            progress: progress.clone(),
            told: Told::new(last.told.clone(), self.common.cron),
        };
        let mut report = Report::begin(self.pass, self.source.clone(), now, &last);
        let (lock, outcome) = match lock {
            Ok(lock) => (lock, pass(&state.store, &context, &mut report)),
            Err(error) => (None, Err(error)),
        };
        stop.forget_hooks();
        self.tell(&outcome, &context);
        report.exit_code = self.exit_code(&outcome, &report);
        report.ended = outcome.as_ref().err().map(ended);
        report.duration_seconds = began.elapsed().as_secs_f64();
        if self.changes_nothing {
            return and_printed(report.exit_code);
        }
        let finished = seconds(clock());
        if report.files_fetched > 0 {
            report.last_fetch_timestamp_seconds = Some(finished);
        }
        report.told = context.told.keys(&outcome);
        // Before anything that may take long, or be cut short by a signal.
        let saved = report.clone();
        state.save(&saved, &outcome);
        self.print(&mut report, &outcome, progress);
        self.sinks.deliver(&report, finished, self.timeout, &context.told);
        report.told = context.told.keys(&outcome);
        if report != saved {
            state.save(&report, &outcome);
        }
        drop(lock);
        report.exit_code
    }

    /// The summary, and the report with `--json`.
    fn print(&self, report: &mut Report, outcome: &Result<()>, progress: &Progress) {
        let is_news = report.files_fetched > 0 || (outcome.is_ok() && progress.is_shown());
        if is_news || (outcome.is_ok() && !self.common.cron) {
            log::info!(target: logging::SUMMARY, "{}", report.summary());
        }
        if self.common.json {
            stdout::line(&serde_json::to_string(&report).unwrap_or_default());
        }
        report.exit_code = and_printed(report.exit_code);
    }

    /// One line for what ended a pass. From cron what is normal is silent, and what lasts is told once.
    fn tell(&self, outcome: &Result<()>, context: &Context) {
        let Err(error) = outcome else { return };
        let text = error.with_causes();
        match error {
            Error::Stopped(_) => log::info!("{text}"),
            _ if error.is_not_now() && self.common.cron => log::info!("{text}"),
            _ if error.is_not_now() => log::warn!("{text}"),
            _ => context.told.error(&format!("{ENDED}{}", error.reason()), text),
        }
    }

    fn exit_code(&self, outcome: &Result<()>, report: &Report) -> u8 {
        match outcome {
            Err(error) if error.is_not_now() && self.common.cron => 0,
            Err(error) => error.exit_code(),
            Ok(()) if report.failures.is_empty() => 0,
            Ok(()) => 3,
        }
    }
}

/// What one pass leaves for the next, and for `status`: its report.
struct State<'a> {
    runner: &'a Runner<'a>,
    store: Store,
}

/// blackvuesync's own file and word for when footage last arrived.
const PEER_STATE_FILE: &str = ".blackvuesync.metrics-state.json";
const PEER_STATE_KEY: &str = "last_successful_file_pull_timestamp_seconds";

impl State<'_> {
    fn load(&self) -> Report {
        let mut report: Report =
            read_small(&self.path()).and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let named = self.runner.common.metrics_state_file.as_deref().and_then(peer_timestamp);
        report.last_fetch_timestamp_seconds = named
            .or(report.last_fetch_timestamp_seconds)
            .or_else(|| peer_timestamp(&self.store.root().join(PEER_STATE_FILE)));
        report
    }

    /// Failing to leave a report is told, unless there is worse to tell, and changes nothing: the footage is here.
    fn save(&self, report: &Report, outcome: &Result<()>) {
        // The holder of the lock writes its own report; ours would only say that we left.
        if !self.store.has_state_dir() || matches!(outcome, Err(Error::Busy { .. })) {
            return;
        }
        let text = serde_json::to_string_pretty(report).unwrap_or_default() + "\n";
        let mut written = write_even_if_full(&self.path(), text.as_bytes());
        if let (Some(path), Some(at)) = (&self.runner.common.metrics_state_file, report.last_fetch_timestamp_seconds) {
            let text = serde_json::json!({ PEER_STATE_KEY: at }).to_string() + "\n";
            written = written.and(write_atomically(path, text.as_bytes()));
        }
        if let Err(error) = written {
            let level = if outcome.is_ok() { log::Level::Warn } else { log::Level::Info };
            log::log!(level, "the report was not written: {}", error.with_causes());
        }
    }

    fn path(&self) -> PathBuf {
        self.store.state_path(&format!("{}.json", self.runner.pass))
    }
}

fn peer_timestamp(path: &Path) -> Option<f64> {
    let text = read_small(path)?;
    serde_json::from_slice::<serde_json::Value>(&text).ok()?.get(PEER_STATE_KEY)?.as_f64()
}

#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
fn clock() -> DateTime<Local> {
    Local::now()
}

fn seconds(at: DateTime<Local>) -> f64 {
    let micros = at.timestamp_micros();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0)).as_secs_f64()
}

/// The exit code of a pass, which has not done all when what was asked for on stdout did not get there.
fn and_printed(code: u8) -> u8 {
    let Some(failure) = stdout::take_failure() else { return code };
    log::error!("{failure}");
    if matches!(code, 0 | 3) { 1 } else { code }
}

/// Prints what is all that was asked for.
fn print(text: &[u8]) -> ExitCode {
    stdout::line(&String::from_utf8_lossy(text).trim_end());
    let Some(failure) = stdout::take_failure() else { return ExitCode::SUCCESS };
    let _ = writeln!(std::io::stderr(), "error: {failure}");
    ExitCode::FAILURE
}

fn man(command: Option<&str>) -> ExitCode {
    let mut cli = Cli::command();
    cli.build();
    let page = match command {
        None => Some(cli),
        Some(name) => cli.find_subcommand(name).cloned(),
    };
    let mut text = Vec::new();
    match page.map(|page| {
        clap_mangen::Man::new(page).source(concat!("footage ", env!("CARGO_PKG_VERSION"))).render(&mut text)
    }) {
        Some(Ok(())) => print(&text),
        _ => Cli::command().error(clap::error::ErrorKind::InvalidSubcommand, "there is no such command").exit(),
    }
}

//! Parse, then run the pass.

mod runner;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser};
use footage::cli::dashcam::Dashcam;
use footage::cli::groups::Output;
use footage::cli::hikvision::Hikvision;
use footage::cli::record::Record;
use footage::cli::status::Status;
use footage::cli::upload::Upload;
use footage::cli::{self, Cli, Command, variables};
use footage::error::Error;
use footage::host_zone::HostZone;
use footage::manual;
use footage::metrics::Sinks;
use footage::once::Once;
use footage::store::resolved;
use footage::text::{printable, printable_lines};
use footage::trace::Trace;
use footage::units::timestamp_seconds;
use footage::zone::Tz;
use footage::{dashcam, hikvision, record, status, stdout, upload};
use runner::{Options, Runner};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn main() -> ExitCode {
    leave_no_core_file();
    write_too_much_without_dying();
    match Cli::try_parse().unwrap_or_else(|error| misread(&error)).command {
        Command::Dashcam(args) => run_dashcam(&args),
        Command::Hikvision(args) => run_hikvision(&args),
        Command::Record(args) => run_record(&args),
        Command::Status(args) => run_status(&args),
        Command::Upload(args) => run_upload(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "footage", &mut script);
            print(&script)
        }
        Command::Man { page } => man(page.as_deref()),
    }
}

/// Has neither us nor what we start leave our memory behind in a file, with the passwords in it. One byte is too little for
/// any file, and tells the kernel to start no program that collects them either: `core(5)`. To forbid all looking into
/// this process (`PR_SET_DUMPABLE`) would hide from `--stop` who holds a lock.
fn leave_no_core_file() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(maximum.map_or(1, |most| most.min(1))), maximum });
}

/// A limit of this user for files (`ulimit -f`) makes a write fail, and is told. By itself the signal kills. Programs that we
/// start have it as ever: a handler is not handed down.
fn write_too_much_without_dying() {
    if getrlimit(Resource::Fsize).current.is_some() {
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    }
}

fn run_dashcam(args: &Dashcam) -> ExitCode {
    let settings = args.settings().and_then(|settings| {
        let sinks = args.common.metrics.sinks(&settings.source())?;
        Ok((settings, sinks))
    });
    let (settings, sinks) = settings.unwrap_or_else(|error| {
        refuse(&error, "dashcam", std::slice::from_ref(&args.destination), &args.common.output)
    });
    let runner = Runner {
        pass: "dashcam",
        source: settings.source(),
        peers: settings.peers(),
        sinks,
        timeout: settings.timeout,
        places: vec![settings.destination.clone()],
        own_places: Vec::new(),
        changes_nothing: args.common.output.dry_run,
        is_listing: false,
        options: (&args.common).into(),
        peer_lock: Some(dashcam::PEER_LOCK),
        once: None,
        check: &|| dashcam::check(&settings),
    };
    runner.run(|stores, context, report| dashcam::run(&settings, &stores[0], context, report))
}

fn run_hikvision(args: &Hikvision) -> ExitCode {
    let settings = args.settings().and_then(|settings| {
        let sinks = args.common.metrics.sinks(&settings.source())?;
        Ok((settings, sinks))
    });
    let (settings, sinks) =
        settings.unwrap_or_else(|error| refuse(&error, "hikvision", args.destination.as_slice(), &args.common.output));
    let runner = Runner {
        pass: "hikvision",
        source: settings.source(),
        peers: settings.peers(),
        sinks,
        timeout: PUSH_TIMEOUT,
        places: vec![settings.destination.clone()],
        own_places: Vec::new(),
        changes_nothing: args.common.output.dry_run || settings.is_list,
        is_listing: settings.is_list,
        options: (&args.common).into(),
        peer_lock: None,
        once: None,
        check: &|| hikvision::check(&settings),
    };
    runner.run(|stores, context, report| hikvision::run(&settings, &stores[0], context, report))
}

fn run_record(args: &Record) -> ExitCode {
    // Cron starts it every minute, and a configuration with something wrong in it names no destination.
    let once = args.output.cron.then(|| Once::about("record", &args.told_apart_by()));
    let settings = args.settings().unwrap_or_else(|error| match &once {
        Some(once) if !once.is_new(&error.with_causes()) => std::process::exit(error.exit_code().into()),
        _ => refuse(&error, "record", &args.destinations(), &args.output),
    });
    let runner = Runner {
        pass: "record",
        source: settings.source.to_string(),
        peers: Vec::new(),
        // It delivers its own, as it lasts.
        sinks: Sinks::default(),
        timeout: PUSH_TIMEOUT,
        // It locks them itself: a configuration that is read again may have others.
        places: Vec::new(),
        own_places: settings.config.destinations().into_iter().map(Path::to_owned).collect(),
        changes_nothing: settings.changes_nothing(),
        is_listing: false,
        options: Options { output: &args.output, every: None, lock_file: None, metrics_state_file: None },
        peer_lock: None,
        once,
        check: &|| Ok(()),
    };
    runner.run(|_, context, report| record::run(&settings, context, report))
}

fn run_status(args: &Status) -> ExitCode {
    let settings = args.settings().unwrap_or_else(|error| usage(&error));
    if !args.cron {
        name_unknown_variables();
    }
    let HostZone { zone, problem } = HostZone::read();
    let is_news = !args.cron || runner::is_zone_news(problem.as_deref());
    if let Some(problem) = problem.filter(|_| is_news) {
        let _ = writeln!(std::io::stderr(), "warning: {}", printable(&problem));
    }
    let outcome = status::run(&settings, runner::clock(zone));
    let (code, failure) = match (outcome, stdout::take_failure()) {
        (Ok(code), None) => return ExitCode::from(code),
        (Ok(_), Some(failure)) => (1, failure),
        (Err(error), _) => (error.exit_code(), error.with_causes()),
    };
    let _ = writeln!(std::io::stderr(), "error: {}", printable(&failure));
    ExitCode::from(code)
}

fn run_upload(args: &Upload) -> ExitCode {
    let settings = args.settings().and_then(|settings| {
        let sinks = args.common.metrics.sinks(&settings.source())?;
        Ok((settings, sinks))
    });
    let (settings, sinks) =
        settings.unwrap_or_else(|error| refuse(&error, "upload", &args.sources, &args.common.output));
    let runner = Runner {
        pass: "upload",
        source: settings.source(),
        peers: vec![settings.server()],
        sinks,
        timeout: PUSH_TIMEOUT,
        places: settings.sources.clone(),
        own_places: Vec::new(),
        changes_nothing: args.common.output.dry_run || args.verify,
        is_listing: false,
        options: (&args.common).into(),
        peer_lock: None,
        once: None,
        check: &|| upload::check(&settings),
    };
    runner.run(|stores, context, report| upload::run(&settings, stores, context, report))
}

/// How long a Pushgateway may take, where the pass has no timeout for the network of its own.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// Refuses the options of a pass. Cron may throw away what it says: `status` finds the trace.
fn refuse(error: &Error, pass: &str, places: &[PathBuf], output: &Output) -> ! {
    if output.cron && !output.dry_run {
        leave_traces(pass, places, error.reason(), &error.to_string());
    }
    usage(error)
}

/// The command line cannot be read, or asks for help. From cron it leaves a trace, as far as clap can tell where.
fn misread(error: &clap::Error) -> ! {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if error.use_stderr()
        && let Some((pass, places)) = cli::asked_from_cron(&words)
    {
        leave_traces(&pass, &places, "usage", &without_values(error));
    }
    // The argument that is missing may be in a variable with a letter wrong.
    if error.use_stderr() {
        name_unknown_variables();
    }
    error.exit()
}

/// What clap finds wrong, without what was typed as a value: it may be a password, and others can read a trace.
fn without_values(error: &clap::Error) -> String {
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => word.split(['=', ' ']).next().filter(|word| word.starts_with('-')),
        _ => None,
    };
    let option = option.map(|option| format!(": {option}")).unwrap_or_default();
    format!("{}{option}", error.kind())
}

fn leave_traces(pass: &str, places: &[PathBuf], reason: &str, message: &str) {
    for place in places {
        let trace = Trace {
            pass: pass.to_owned(),
            place: resolved(place),
            start_timestamp_seconds: timestamp_seconds(&runner::clock(Tz::UTC)),
            reason: reason.to_owned(),
            message: message.to_owned(),
            uid: 0,
        };
        trace.leave();
    }
}

/// Says what is wrong as the parser of the command line does, and exits with 2. How commands are called is not told
/// beside it: what is wrong is a value, perhaps one of a file.
fn usage(error: &Error) -> ! {
    name_unknown_variables();
    let text = printable_lines(&error.to_string());
    clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{text}\n")).exit()
}

/// Where there is no log yet.
fn name_unknown_variables() {
    if let Some(text) = variables::unknown() {
        let _ = writeln!(std::io::stderr(), "warning: {}", printable(&text));
    }
}

/// Prints what is all that was asked for.
fn print(text: &[u8]) -> ExitCode {
    stdout::line(&String::from_utf8_lossy(text).trim_end());
    let Some(failure) = stdout::take_failure() else { return ExitCode::SUCCESS };
    let _ = writeln!(std::io::stderr(), "error: {failure}");
    ExitCode::FAILURE
}

/// Prints the page of a command, with its options first, or of a chapter of the manual.
fn man(name: Option<&str>) -> ExitCode {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let command = name.map_or(Some(&cli), |name| cli.find_subcommand(name));
    let chapter = name.and_then(manual::chapter);
    let mut page = Vec::new();
    if let Some(command) = command {
        let options = clap_mangen::Man::new(command.clone()).source(concat!("footage ", env!("CARGO_PKG_VERSION")));
        if let Err(error) = options.render(&mut page) {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            return ExitCode::FAILURE;
        }
    }
    let text = match (command, chapter) {
        (None, Some(chapter)) => chapter.page(),
        (Some(_), Some(chapter)) => chapter.section(),
        _ if name.is_none() => manual::contents(),
        _ => String::new(),
    };
    page.extend(text.into_bytes());
    print(manual::to_ascii(&String::from_utf8_lossy(&page)).as_bytes())
}

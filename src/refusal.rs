//! A command line that cannot be run: what is wrong with it on stderr, exit code 2, and from cron a trace for `status`.

use std::io::Write;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use footage::cli::groups::Output;
use footage::cli::{self, variables};
use footage::error::{EndReason, Error};
use footage::host_zone;
use footage::pass_name::PassName;
use footage::store::resolved;
use footage::text::{printable, printable_lines};
use footage::trace::Trace;
use footage::units::timestamp_seconds;
use footage::zone::Tz;

/// Refuses the options of a pass. Cron may discard stderr: `status` finds the trace.
pub(crate) fn refuse(error: &Error, pass: PassName, dirs: &[PathBuf], output: &Output) -> ! {
    if output.cron && !output.dry_run {
        leave_traces(pass, dirs, error.reason(), &error.to_string());
    }
    usage(error)
}

/// Prints clap's error, or the help that was asked for, and exits.
pub(crate) fn misread(error: &clap::Error) -> ! {
    if error.use_stderr() {
        let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        if let Some((pass, dirs)) = cli::asked_from_cron(&words) {
            leave_traces(pass, &dirs, EndReason::Usage, &without_values(error));
        }
        // The argument that is missing may be in a misspelt variable.
        warn_of_unknown_variables();
    }
    error.exit()
}

/// Prints an error as clap does, and exits with 2. The usage of the command is left out: what is wrong is a value, perhaps
/// one of a file.
pub(crate) fn usage(error: &Error) -> ! {
    warn_of_unknown_variables();
    let text = printable_lines(&error.to_string());
    clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{text}\n")).exit()
}

/// For commands without a log.
pub(crate) fn warn_of_unknown_variables() {
    if let Some(text) = variables::unknown() {
        let _ = writeln!(std::io::stderr(), "warning: {}", printable(&text));
    }
}

/// What clap finds wrong, without typed values: one may be a password, and other users can read a trace.
fn without_values(error: &clap::Error) -> String {
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => word.split(['=', ' ']).next().filter(|word| word.starts_with('-')),
        _ => None,
    };
    let option = option.map(|option| format!(": {option}")).unwrap_or_default();
    format!("{}{option}", error.kind())
}

fn leave_traces(pass: PassName, dirs: &[PathBuf], reason: EndReason, message: &str) {
    for dir in dirs {
        let trace = Trace {
            pass,
            place: resolved(dir),
            start_timestamp_seconds: timestamp_seconds(&host_zone::now(Tz::UTC)),
            reason,
            message: message.to_owned(),
            uid: 0,
        };
        trace.leave();
    }
}

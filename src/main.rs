//! Parse, then run the pass.

mod limits;
mod refusal;
mod runner;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use footage::cli::pass::PassArgs;
use footage::cli::status::Status;
use footage::cli::{Cli, Command, pages};
use footage::error::with_causes;
use footage::host_zone::HostZone;
use footage::notices::Notices;
use footage::pass::Pass;
use footage::text::printable;
use footage::{host_zone, panics, status, stdout};
use runner::Runner;

fn main() -> ExitCode {
    panics::end_the_program();
    limits::leave_no_core_file();
    limits::survive_file_size_limit();
    match Cli::try_parse().unwrap_or_else(|error| refusal::misread(&error)).command {
        Command::Dashcam(args) => run(&*args),
        Command::Hikvision(args) => run(&*args),
        Command::Record(args) => run(&*args),
        Command::Status(args) => run_status(&args),
        Command::Upload(args) => run(&*args),
        Command::Completions { shell } => print(&pages::completions(shell)),
        Command::Man { page } => {
            pages::man(page.as_deref()).map_or_else(|error| fail(1, &with_causes(&error)), |page| print(&page))
        }
    }
}

fn run<A: PassArgs>(args: &A) -> ExitCode {
    let (options, name) = (args.run_options(), A::Pass::NAME);
    let notices =
        args.identity().filter(|_| options.output.cron).map(|identity| Notices::of_user(name.as_str(), &identity));
    match args.pass().and_then(|pass| Ok((args.sinks(&pass)?, pass))) {
        Ok((sinks, pass)) => Runner { pass: &pass, sinks, options, notices }.run(),
        Err(error) if notices.is_some_and(|notices| notices.note(&error.with_causes()) != Some(true)) => {
            error.exit_code().into()
        }
        Err(error) => refusal::refuse(&error, name, &args.dirs(), options.output),
    }
}

fn run_status(args: &Status) -> ExitCode {
    let settings = args.settings().unwrap_or_else(|error| refusal::usage(&error));
    if !args.cron {
        refusal::warn_of_unknown_variables();
    }
    let HostZone { zone, problem } = HostZone::read();
    let is_new = !args.cron || runner::is_zone_news(problem.as_deref());
    if let Some(problem) = problem.filter(|_| is_new) {
        let _ = writeln!(std::io::stderr(), "warning: {}", printable(&problem));
    }
    match status::run(&settings, host_zone::now(zone)) {
        Ok(code) => printed(code),
        Err(error) => fail(error.exit_code(), &error.with_causes()),
    }
}

/// Prints the one result that was asked for.
fn print(text: &str) -> ExitCode {
    stdout::line(&text.trim_end());
    printed(0)
}

/// The exit code of a command that has printed its result, unless stdout failed.
fn printed(code: u8) -> ExitCode {
    stdout::take_failure().map_or(code.into(), |failure| fail(1, &failure))
}

fn fail(code: u8, why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {}", printable(why));
    code.into()
}

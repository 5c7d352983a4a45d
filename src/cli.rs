//! The command line, resolved into settings: option, then environment, then default.

pub mod dashcam;
pub mod groups;
pub mod hikvision;
pub mod pages;
pub mod pass;
pub mod record;
pub mod status;
pub mod upload;
pub mod variables;

use std::ffi::OsStr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::manual;
use crate::pass_name::PassName;

/// Brings camera footage to one place and keeps it in order.
///
/// Each command is one pass: run it from cron, a shell or a NAS task scheduler. A second run finds nothing to do; a
/// killed one is carried on by the next.
#[derive(Debug, Parser)]
#[command(name = "footage", version, max_term_width = 100, infer_long_args = true, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch the recordings of a BlackVue dashcam
    ///
    /// Fetches recordings that are not here yet, resumes partial files, and removes recordings older than --keep. Exit
    /// codes: 0 done or nothing to do, 1 failed, 2 wrong usage, 3 done but some files failed, 75 not now (the camera is
    /// away or another pass is running; 0 with --cron), 128+n on signal n.
    #[command(args_override_self = true)]
    Dashcam(Options<dashcam::Dashcam>),
    /// Extract MP4 and JPEG files from the storage of Hikvision and EZVIZ cameras
    ///
    /// Reads the storage on an NFS share or a card, writes nothing to it, and extracts every segment once, named by the
    /// camera's clock. Exit codes: 0 done or nothing to do, 1 failed, 2 wrong usage, 3 done but some segments failed, 75
    /// not now (the storage is not there or another pass is running; 0 with --cron), 128+n on signal n.
    #[command(args_override_self = true)]
    Hikvision(Options<hikvision::Hikvision>),
    /// Record RTSP and MJPEG cameras continuously
    ///
    /// Runs until it is stopped, with one ffmpeg for each camera of CONFIG, or for the one of --url, and restarts an ffmpeg
    /// that ends or stalls. --max-used-disk, --min-free, --when-full, --ffmpeg and --listen override CONFIG. Exit codes: 0
    /// the time of --for is over, 1 failed, 2 wrong usage or configuration, 3 done but some cameras sent nothing, 75 it
    /// runs already (0 with --cron), 128+n on signal n.
    #[command(args_override_self = true)]
    Record(Options<record::Record>),
    /// Show the state of every pass and camera
    ///
    /// Reads the state that the other commands keep in their destinations, and the names of the footage there; writes
    /// nothing. Exit codes: 0 all is well, 1 there is no state to show or a directory cannot be read, 2 wrong usage, 3
    /// something is wrong.
    ///
    /// States of a command: running, done, partly, away, failed, stopped, gone, hung, unknown. States of a camera: starting,
    /// recording, waiting, stalled, paused, stopping, missing. A camera whose recorder has ended has the recorder's state.
    #[command(args_override_self = true)]
    Status(Options<status::Status>),
    /// Upload closed files to an S3 bucket, verify them there, and remove them on request
    ///
    /// Uploads files that are not in the bucket yet to AWS, Backblaze B2 or any S3 server, resumes interrupted uploads, and
    /// verifies each file by hash and size. Credentials come from the files and variables of the AWS CLI. Exit codes: 0
    /// done or nothing to do, 1 failed, 2 wrong usage, 3 done but some files failed, 75 not now (the server cannot be
    /// reached or another pass is running; 0 with --cron), 128+n on signal n.
    #[command(args_override_self = true)]
    Upload(Options<upload::Upload>),
    /// Print a completion script for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// Print a manual page, for `man -l -`
    Man {
        /// A command or a chapter of the manual [default: the list of both]
        #[arg(value_parser = page_names(), hide_possible_values = true)]
        page: Option<String>,
    },
}

/// The names of all manual pages.
fn page_names() -> PossibleValuesParser {
    manual::CHAPTERS.iter().map(|chapter| chapter.name).chain(["completions", "man"]).into()
}

/// The last line of the help.
const VARIABLES: &str = "Options can also be set in the environment: --json as FOOTAGE_JSON=1. The command line wins.";

/// The options of a command, built only when the command is used: without the two hundred of the others a start takes half a
/// millisecond less.
///
/// An empty variable of the environment, as compose files set them, counts as not set. So does one that turns a switch off: clap
/// would count the switch as given, and refuse those that conflict with it.
#[derive(Debug)]
pub struct Options<T>(Box<T>);

impl<T: Args> Args for Options<T> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.defer(|command| {
            // A group of options comes with a description of its own.
            let (about, long_about) = (command.get_about().cloned(), command.get_long_about().cloned());
            T::augment_args(command)
                .about(about.unwrap_or_default())
                .long_about(long_about.unwrap_or_default())
                .after_help(VARIABLES)
                .mut_args(|arg| match arg.get_env().and_then(std::env::var_os) {
                    Some(value) if value.is_empty() || is_switch(&arg) && is_off(&value) => arg.env(None),
                    _ => arg,
                })
                // They are named after the options and would make the help a third longer. Those of arguments are shown.
                .mut_args(|arg| if arg.is_positional() { arg.hide_env_values(true) } else { arg.hide_env(true) })
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

fn is_switch(arg: &clap::Arg) -> bool {
    matches!(arg.get_action(), clap::ArgAction::SetTrue)
}

/// Whether clap's `FalseyValueParser` takes it for no.
fn is_off(value: &OsStr) -> bool {
    let words = ["n", "no", "f", "false", "off", "0"];
    value.to_str().is_some_and(|value| words.contains(&value.to_lowercase().as_str()))
}

impl<T: FromArgMatches> FromArgMatches for Options<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(|options| Self(Box::new(options)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T> Deref for Options<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A comma-separated list; spaces around its items are ignored.
#[derive(Debug, Clone)]
pub struct List<T>(Vec<T>);

impl<T: FromStr<Err = String>> FromStr for List<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn flat<T: Clone>(lists: &[List<T>]) -> Vec<T> {
    lists.iter().flat_map(|list| list.0.iter().cloned()).collect()
}

/// The pass of a `--cron` command line that clap cannot parse, and its destinations. clap stops at the first unknown word, so
/// this looks at each word.
#[must_use]
pub fn asked_from_cron(words: &[String]) -> Option<(PassName, Vec<PathBuf>)> {
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(words).ok()?;
    let (command, read) = matches.subcommand()?;
    let pass = PassName::from_text(command)?;
    let is_set = || read.try_get_one::<bool>("cron").ok().flatten().is_some_and(|cron| *cron);
    if !words.iter().any(|word| word == "--cron") && !is_set() {
        return None;
    }
    let raw = |id| read.try_get_raw(id).ok().flatten().into_iter().flatten().map(PathBuf::from).collect::<Vec<_>>();
    let places = match (pass, typed_destination(words)) {
        (PassName::Upload, _) => directories(&raw("sources"), "FOOTAGE_DIR"),
        (_, Some(destination)) => vec![destination.into()],
        _ => raw("destination"),
    };
    (!places.is_empty()).then_some((pass, places))
}

/// The last `--destination` of a command line, in any of its forms.
fn typed_destination(words: &[String]) -> Option<&str> {
    let named = |word: &str| word.len() > "--d".len() && "--destination".starts_with(word);
    let with_next = words.iter().zip(words.iter().skip(1).map(Some).chain([None]));
    let found = with_next.filter_map(|(word, next)| match word.split_once('=') {
        Some((option, value)) if named(option) => Some(value),
        _ if word == "-d" || named(word) => next.map(String::as_str),
        _ if !word.starts_with("--") => word.strip_prefix("-d").filter(|value| !value.is_empty()),
        _ => None,
    });
    found.last()
}

/// The directories of a command line. In the environment, `variable` holds all of them, colon-separated as in PATH, unless its
/// whole value is an existing path.
fn directories(typed: &[PathBuf], variable: &str) -> Vec<PathBuf> {
    match (typed, std::env::var_os(variable)) {
        ([one], Some(value)) if *one.as_os_str() == value && !one.exists() => {
            std::env::split_paths(&value).map(trimmed).filter(|path| !path.as_os_str().is_empty()).collect()
        }
        (typed, _) => typed.to_vec(),
    }
}

/// An item of a list without the spaces around it, unless they belong to the name of an existing file.
fn trimmed(path: PathBuf) -> PathBuf {
    match path.to_str() {
        Some(text) if !path.exists() => PathBuf::from(text.trim()),
        _ => path,
    }
}

/// A directory; the current one if it is absent or empty.
fn directory(typed: Option<&Path>) -> PathBuf {
    typed.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_and_destination_are_found_in_a_command_line_with_mistakes() {
        let asked = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            asked_from_cron(&words)
        };
        for (line, pass, place) in [
            ("footage dashcam 1.2.3.4 --kep 2w -d out --cron", PassName::Dashcam, "out"),
            ("footage dashcam --cron -dout --min-free much 1.2.3.4", PassName::Dashcam, "out"),
            ("footage hikvision in --destination=out --no-such --cron", PassName::Hikvision, "out"),
            ("footage record --cron --url rtsp://a/ --dest out --segmnt 1h", PassName::Record, "out"),
            ("footage upload out --too s3://bucket --cron", PassName::Upload, "out"),
        ] {
            assert_eq!(asked(line), Some((pass, vec![PathBuf::from(place)])), "{line}");
        }
        for line in
            ["footage dashcam 1.2.3.4 --kep 2w -d out", "footage record conf.toml --cron --segmnt 1h", "footage --cron"]
        {
            assert_eq!(asked(line), None, "{line}");
        }
    }
}

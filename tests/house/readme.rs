//! The README says what the program does: its options, its exit codes, and commands that can be typed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use clap::Parser;
use footage::cli::Cli;
use footage::live::{CameraLive, Live};
use footage::metrics;
use footage::pass::Report;

use super::support::Scratch;
use super::{assert_none, root};

/// Also what `.ci/run` runs.
const TEST_COMMAND: &str = "sh tests/setup && cargo test";

/// The commands, where their options stand, and about how many there are.
const COMMANDS: [(&str, &str, usize); 5] = [
    ("dashcam", "### Options", 20),
    ("hikvision", "### Options of hikvision", 20),
    ("record", "### Options of record", 35),
    ("upload", "### Options of upload", 20),
    ("status", "### Options of status", 8),
];

/// The commands that share one table of exit codes.
const PASSES: [&str; 4] = ["dashcam", "hikvision", "record", "upload"];

#[test]
fn every_option_is_in_the_table_with_its_default() {
    for (command, heading, count) in COMMANDS {
        let options = options(&help(command));
        assert!(options.len() >= count, "--help of {command} is read wrongly");
        assert_none(&apart(&options, &table(heading)));
    }
}

/// Where `--help` and the table of a command do not say the same.
fn apart(options: &[Shown], rows: &[Vec<String>]) -> Vec<String> {
    let mut broken = Vec::new();
    for option in options {
        let Some(row) = rows.iter().find(|row| words(&row[0]).contains(&option.long)) else {
            broken.push(format!("{} is in --help and not in the table", option.long));
            continue;
        };
        let named = words(&row[0]);
        for name in option.short.iter().chain(&option.value).filter(|name| !named.contains(name)) {
            broken.push(format!("the row of {} does not say {name}", option.long));
        }
        if let Some(default) = &option.default
            && !row[1..].iter().any(|cell| cell == default || cell.contains(&format!("`{default}`")))
        {
            broken.push(format!("the row of {} does not say its default, `{default}`", option.long));
        }
    }
    let order: Vec<&String> = options.iter().map(|option| &option.long).filter(|long| !is_last(long)).collect();
    let rows_order = rows.iter().filter_map(|row| words(&row[0]).into_iter().find(|word| word.starts_with("--")));
    let rows_order: Vec<String> = rows_order.filter(|long| !is_last(long)).collect();
    if broken.is_empty() && !rows_order.iter().eq(order.iter().copied()) {
        broken.push(format!("the table has another order than --help: {rows_order:?} and {order:?}"));
    }
    let known: BTreeSet<&String> = options.iter().map(|option| &option.long).collect();
    let shown: Vec<String> = rows.iter().flat_map(|row| words(&row[0])).filter(|word| word.starts_with("--")).collect();
    let unknown = shown.iter().filter(|long| !known.contains(long));
    broken.extend(unknown.map(|long| format!("{long} is in the table and not in --help")));
    broken
}

/// In the table these two are the last; `--help` has them with the first.
fn is_last(long: &str) -> bool {
    ["--help", "--version"].contains(&long)
}

/// Of which two commands mean two things: the end of a time, and a bucket.
const TWO_MEANINGS: &str = "--to";

#[test]
fn an_option_is_the_same_in_every_command() {
    let (mut first, mut broken) = (BTreeMap::new(), Vec::new());
    for (command, ..) in COMMANDS {
        for option in options(&help(command)).into_iter().filter(|option| option.long != TWO_MEANINGS) {
            let Shown { long, short, value, .. } = option;
            let is = (short, value);
            let (other, was) = first.entry(long.clone()).or_insert_with(|| (command, is.clone()));
            if *was != is {
                broken.push(format!("{long} is {was:?} in {other} and {is:?} in {command}"));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn every_metric_is_in_a_table() {
    let of_passes = ["dashcam", "hikvision", "upload"].map(|pass| {
        let report = Report { pass: pass.to_owned(), disk_used_ratio: Some(0.5), ..Report::default() };
        (pass, "## Metrics", metrics::render(&report, 0.0))
    });
    let camera = CameraLive { name: "yard".to_owned(), ..CameraLive::default() };
    let live = Live { cameras: vec![camera], ..Live::default() };
    let of_record = ("record", "### Metrics of record", live.to_prometheus());
    let mut broken = Vec::new();
    for (command, heading, text) in of_passes.into_iter().chain([of_record]) {
        let prefix = format!("# HELP footage_{command}_");
        let names = text.lines().filter_map(|line| line.strip_prefix(&prefix)?.split(' ').next());
        let shown: BTreeSet<String> = table(heading).iter().flat_map(|row| words(&row[0])).collect();
        broken.extend(
            names
                .filter(|name| !shown.contains(*name))
                .map(|name| format!("{name} is not in the table under {heading}")),
        );
    }
    assert_none(&broken);
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    for command in PASSES {
        the_exit_codes_are_those_of(command);
    }
}

fn the_exit_codes_are_those_of(command: &str) {
    let help = help(command).split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, codes) = help.split_once("Exit codes: ").expect("the help tells the exit codes");
    let (codes, _) = codes.split_once(". ").expect("in one sentence");
    let told: BTreeSet<&str> = codes.split(", ").filter_map(|code| code.split(' ').next()).collect();
    assert!(told.contains("75") && told.contains("128+n"), "{told:?}");

    let shown: Vec<String> = table("## Exit codes").iter().map(|row| row[0].replace(['`', ' '], "")).collect();
    let shown: BTreeSet<&str> = shown.iter().map(String::as_str).collect();
    assert_eq!(shown, told);
}

#[test]
fn the_commands_can_be_typed() {
    let mut broken = Vec::new();
    let scratch = Scratch::new();
    for block in blocks(&readme(), "sh") {
        let script = scratch.write("block", &block);
        let parsed = super::support::Program::new("sh").arg("-n").arg(script).run();
        if parsed.code != Some(0) {
            broken.push(format!("not a shell script: {}\n{block}", parsed.stderr.trim()));
        }
        for line in block.replace("\\\n", " ").lines() {
            for file in line.split_whitespace().filter(|word| word.starts_with("tests/")) {
                if !root().join(file).exists() {
                    broken.push(format!("{file} is not there: {line}"));
                }
            }
            for command in commands(line).iter().filter(|command| command[0] == "footage") {
                match Cli::try_parse_from(command) {
                    Err(error) if error.exit_code() != 0 => broken.push(format!("{line}\n{error}")),
                    _ => {}
                }
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn ci_runs_the_readmes_test_command() {
    assert!(blocks(&readme(), "sh").iter().any(|block| block.lines().any(|line| line == TEST_COMMAND)));
    let ci = fs::read_to_string(root().join(".ci/run")).expect(".ci/run is there");
    assert!(ci.contains(TEST_COMMAND), ".ci/run does not run {TEST_COMMAND:?}");
}

#[test]
fn commands_are_read_as_a_shell_reads_them() {
    let line = "cd x && footage dashcam \"$CAMERA\" --header 'A: b c' >log 2>&1 # footage --nonsense";
    let read = [vec!["cd", "x"], vec!["footage", "dashcam", "$CAMERA", "--header", "A: b c"]];
    assert_eq!(commands(line), read);
    assert!(Cli::try_parse_from(&commands(line)[1]).is_ok());
    assert!(Cli::try_parse_from(["footage", "dashcam", "camera", "--nonsense"]).is_err());
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md is there")
}

fn help(command: &str) -> String {
    Scratch::new().footage([command, "--help"]).run().expect_code(0).stdout
}

/// An option as `--help` shows it.
struct Shown {
    long: String,
    short: Option<String>,
    value: Option<String>,
    default: Option<String>,
}

fn options(help: &str) -> Vec<Shown> {
    let mut options: Vec<Shown> = Vec::new();
    for line in help.lines().map(str::trim) {
        if line.starts_with('-') && line.contains("--") {
            let words = words(line);
            let find = |is: fn(&str) -> bool| words.iter().find(|word| is(word)).cloned();
            let long = find(|word| word.starts_with("--")).expect("a long name");
            let short = find(|word| word.len() == 2 && word.starts_with('-'));
            options.push(Shown { long, short, value: find(|word| !word.starts_with('-')), default: None });
        } else if let Some(default) = line.strip_prefix("[default: ").and_then(|rest| rest.strip_suffix(']')) {
            // Else it is that of an argument.
            if let Some(option) = options.last_mut() {
                option.default = Some(default.to_owned());
            }
        }
    }
    options
}

/// `-d`, `--destination` and `DEST` of "`-d`, `--destination DEST`" or "-d, --destination <DEST>".
fn words(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The rows of the first table under a heading, without its head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let readme = readme();
    let below = readme.lines().skip_while(|line| line.trim_end() != heading);
    let rows = below.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| {
        let row = row.trim().trim_matches('|').replace("\\|", "\0");
        row.split('|').map(|cell| cell.replace('\0', "|").trim().to_owned()).collect()
    };
    let rows: Vec<Vec<String>> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "README.md has no table under {heading:?}");
    rows
}

/// The fenced blocks of a language.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks: Vec<String> = markdown
        .split(&fence)
        .skip(1)
        .map(|rest| rest.split_once("```").map_or(rest, |(block, _)| block).to_owned())
        .collect();
    assert!(!blocks.is_empty(), "README.md has no {fence:?} block");
    blocks
}

/// The commands of a line as words, without redirections and comments: as much of a shell as a README needs.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote) = (None::<String>, None);
    for c in line.chars().chain([' ']) {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (' ' | '|' | '&' | ';', None) => {
                if let Some(word) = word.take().filter(|word| !word.contains(['>', '<'])) {
                    commands.last_mut().expect("one at least").push(word);
                }
                if c != ' ' {
                    commands.push(Vec::new());
                }
            }
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    // The rest of `2>&1`.
    commands.retain(|command| !command.is_empty() && command.as_slice() != ["1"]);
    commands
}

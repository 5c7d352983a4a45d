//! The README and the manual say what the program does: its options, its exit codes, and commands that can be typed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use clap::{CommandFactory, Parser};
use footage::cli::Cli;
use footage::live::{CameraStatus, RecorderStatus};
use footage::pass::Report;
use footage::pass_name::PassName;
use footage::record::config::{Config, Environment};
use footage::status::row_state::RowState;
use footage::zone::Tz;
use footage::{manual, metrics};

use super::{Source, assert_none, root};
use crate::support::{Program, Scratch};

/// Also what `.ci/run` runs.
const TEST_COMMAND: &str = "sh tests/setup && cargo test";

/// The commands, where their own options stand, and about how many they have, the shared ones among them.
const COMMANDS: [(&str, &str, usize); 5] = [
    ("dashcam", "## Options of dashcam", 20),
    ("hikvision", "## Options of hikvision", 20),
    ("record", "## Options of record", 35),
    ("upload", "## Options of upload", 20),
    ("status", "## Options of status", 8),
];

/// The commands that share tables: of options, with a column that names those which have it, and of exit codes.
const PASSES: [&str; 4] = ["dashcam", "hikvision", "record", "upload"];
const SHARED: &str = "## Options of several passes";

#[test]
fn every_option_is_in_a_table_with_its_default() {
    let shared = table(SHARED);
    for (command, heading, count) in COMMANDS {
        let options = options(&help(command));
        assert!(options.len() >= count, "--help of {command} is read wrongly");
        let rows: Vec<Vec<String>> = shared.iter().filter(|row| is_of(row, command)).cloned().collect();
        let (of_several, own): (Vec<Shown>, Vec<Shown>) =
            options.into_iter().partition(|option| rows.iter().any(|row| words(&row[0]).contains(&option.long)));
        assert_none(&apart(&of_several, &rows));
        assert_none(&apart(&own, &table(heading)));
    }
}

/// Whether a row of the table of several passes is one of this command.
fn is_of(row: &[String], command: &str) -> bool {
    PASSES.contains(&command) && (row[1] == "all" || words(&row[1]).iter().any(|of| of == command))
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

/// Commands to a recorder; a variable for one that a user forgot would be a command too.
const ORDERS: [&str; 5] = ["--check", "--stop", "--reload", "--pause", "--resume"];

#[test]
fn every_option_can_come_from_the_environment() {
    let (cli, mut broken) = (whole(), Vec::new());
    for (command, ..) in COMMANDS {
        let arguments = cli.find_subcommand(command).expect("a command").get_arguments();
        let arguments: Vec<_> = arguments.filter(|argument| !argument.is_hide_set()).collect();
        assert!(arguments.len() > 5, "{command} has {} options", arguments.len());
        for argument in arguments {
            let Some(long) = argument.get_long() else { continue };
            let option = format!("--{long}");
            if is_last(&option) || ORDERS.contains(&option.as_str()) {
                continue;
            }
            let variable = format!("FOOTAGE_{}", long.replace('-', "_").to_uppercase());
            if argument.get_env().is_none_or(|name| name != variable.as_str()) {
                broken.push(format!("{option} of {command} is not {variable}"));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn every_metric_is_in_a_table() {
    let of_passes = [PassName::Dashcam, PassName::Hikvision, PassName::Upload].map(|pass| {
        let report = Report { pass: Some(pass), disk_used_ratio: Some(0.5), ..Report::default() };
        (pass.as_str(), "## Metrics of passes", metrics::render(&report, 0.0))
    });
    let camera = CameraStatus { name: "yard".to_owned(), ..CameraStatus::default() };
    let live = RecorderStatus { cameras: vec![camera], ..RecorderStatus::default() };
    let of_record = ("record", "## Metrics of record", live.to_prometheus());
    let mut told: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (command, heading, text) in of_passes.into_iter().chain([of_record]) {
        let prefix = format!("# HELP footage_{command}_");
        let names = text.lines().filter_map(|line| line.strip_prefix(&prefix)?.split(' ').next());
        told.entry(heading).or_default().extend(names.map(str::to_owned));
    }
    let mut broken = Vec::new();
    for (heading, told) in told {
        let rows = table(heading);
        // Behind a name its labels stand.
        let quoted = rows.iter().flat_map(|row| row[0].split('`').skip(1).step_by(2));
        let shown: BTreeSet<String> = quoted.filter_map(|name| name.split('{').next()).map(str::to_owned).collect();
        let missing = told.difference(&shown).map(|name| format!("{name} is not in the table under {heading}"));
        let unknown = shown.difference(&told).map(|name| format!("{name} under {heading} is no metric"));
        broken.extend(missing.chain(unknown));
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
fn readme_shell_blocks_are_valid_shell() {
    let mut broken = Vec::new();
    let scratch = Scratch::new();
    for block in blocks("sh") {
        let script = scratch.write("block", &block);
        let parsed = Program::new("sh").arg("-n").arg(script).run();
        if parsed.code != Some(0) {
            broken.push(format!("not a shell script: {}\n{block}", parsed.stderr.trim()));
        }
        for file in block.split_whitespace().filter(|word| word.starts_with("tests/")) {
            if !root().join(file).exists() {
                broken.push(format!("{file} is not there: {block}"));
            }
        }
    }
    assert_none(&broken);
}

/// In blocks of every kind: scripts, crontabs, units, files of containers and of Zabbix, and what was seen at a terminal.
#[test]
fn readme_commands_are_accepted() {
    let (mut broken, mut count) = (Vec::new(), 0);
    for (language, block) in fenced(&all_text()) {
        let block = if language == "crontab" { as_cron_runs_it(&block) } else { block };
        for line in block.replace("\\\n", " ").lines() {
            for command in commands(line).iter().filter_map(|words| footage_in(words)) {
                count += 1;
                match Cli::try_parse_from(command) {
                    Err(error) if error.exit_code() != 0 => broken.push(format!("{language}: {line}\n{error}")),
                    _ => {}
                }
            }
        }
    }
    assert_none(&broken);
    assert!(count > 40, "only {count} commands are found");
}

/// Without the backslashes that keep cron from ending a command at a `%`.
fn as_cron_runs_it(block: &str) -> String {
    const ESCAPED: char = '\u{1}';
    let kept = block.replace(r"\%", &ESCAPED.to_string());
    assert!(!kept.contains('%'), "cron ends the command at the %: {block}");
    kept.replace(ESCAPED, "%")
}

#[test]
fn row_states_are_in_the_manual_and_in_status_help() {
    let all: Vec<[&str; 2]> = RowState::ALL.iter().map(|state| [state.as_str(), state.severity().as_str()]).collect();
    let rows = table("## States");
    let shown: Vec<[&str; 2]> = rows.iter().map(|row| [row[0].trim_matches('`'), row[2].as_str()]).collect();
    assert_eq!(shown, all, "src/manual/status.md");

    let help = help("status").split_whitespace().collect::<Vec<_>>().join(" ");
    let lists = help.split("States of a ").skip(1).filter_map(|rest| rest.split(": ").nth(1)?.split('.').next());
    let listed: Vec<&str> = lists.flat_map(|list| list.split(", ")).collect();
    assert_eq!(listed, all.iter().map(|[state, _]| *state).collect::<Vec<_>>(), "status --help");
}

#[test]
fn every_pass_name_is_a_command() {
    let cli = whole();
    let missing = PassName::ALL.iter().filter(|pass| cli.find_subcommand(pass.as_str()).is_none());
    assert_none(&missing.map(|pass| format!("{pass} is no command")).collect::<Vec<_>>());
}

#[test]
fn readme_examples_can_be_run() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml is there");
    let text = all_text();
    let examples: Vec<&str> =
        text.split("--example ").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
    assert!(examples.len() >= 3, "{examples:?}");
    for example in examples {
        assert!(manifest.contains(&format!("name = \"{example}\"")), "there is no example {example}");
    }
}

#[test]
fn the_chapter_of_a_command_begins_with_its_crontab_line() {
    for (command, ..) in COMMANDS {
        let (initial, rest) = command.split_at(1);
        let title = format!("# {}{rest}\n\n```crontab\n", initial.to_uppercase());
        let path = format!("src/manual/{command}.md");
        let chapter = pages().into_iter().find(|page| page.path == path).expect("a chapter").text;
        let below = chapter.strip_prefix(&title).unwrap_or_else(|| panic!("{command} does not begin with {title:?}"));
        let line = below.lines().next().unwrap_or_default();
        let words: Vec<&str> = line.split(' ').collect();
        // cron looks for programs in /usr/bin and /bin alone.
        assert_eq!(words[5..7], ["/usr/local/bin/footage", command], "{words:?}");
        assert!(words.contains(&"--cron"), "{words:?}");
        assert!(readme().contains(&format!("\n##{title}{line}\n")), "README.md has another line for {command}");
    }
}

#[test]
fn readme_is_a_page() {
    const MAX_LINES: usize = 220;
    let lines = readme().lines().count();
    assert!(lines <= MAX_LINES, "README.md has {lines} lines, at most {MAX_LINES}: the rest belongs into src/manual");
}

#[test]
fn readme_and_rustdoc_have_every_chapter() {
    let chapters: Vec<&str> = manual::CHAPTERS.iter().map(|chapter| chapter.name).collect();
    let readme = readme();
    let missing = chapters.iter().filter(|name| !readme.contains(&format!("(src/manual/{name}.md)")));
    assert_none(&missing.map(|name| format!("README.md has no link to {name}.md")).collect::<Vec<_>>());

    let modules = fs::read_to_string(root().join("src/manual.rs")).expect("src/manual.rs is there");
    assert!(modules.contains(&format!("\nmodules! {{ {} }}\n", chapters.join(" "))), "{chapters:?}");
}

/// groff is an oracle: it warns of an unknown request, of a character that it has no glyph for, and of much else.
#[test]
fn groff_has_no_warning_for_a_manual_page() {
    let scratch = Scratch::new();
    let mut names: Vec<&str> = manual::CHAPTERS.iter().map(|chapter| chapter.name).collect();
    names.extend(["", "completions", "man"]);
    let mut broken = Vec::new();
    for name in names {
        let page = scratch.footage(["man", name].into_iter().filter(|word| !word.is_empty())).run().expect_code(0);
        let file = scratch.write("page", &page.stdout);
        let groff = Program::new("groff").args(["-man", "-ww", "-z"]).arg(&file).run();
        if groff.code != Some(0) || !groff.stderr.is_empty() {
            broken.push(format!("{name}: {groff}"));
        }
    }
    assert_none(&broken);
}

#[test]
fn container_variables_are_options() {
    let containers: Vec<String> = blocks("text").into_iter().filter(|block| block.starts_with("FROM ")).collect();
    assert!(containers.len() >= 2, "{containers:?}");
    for block in containers {
        let entry = block.lines().find_map(|line| line.strip_prefix("ENTRYPOINT ")).expect("an entry point");
        let entry: Vec<String> = serde_json::from_str(entry).expect("a list of words");
        assert_eq!(entry[0], "/footage");
        let variables = block.lines().filter_map(|line| line.strip_prefix("ENV ")).flat_map(str::split_whitespace);
        let variables: Vec<(&str, &str)> = variables.filter_map(|variable| variable.split_once('=')).collect();
        let ours: Vec<_> = variables.into_iter().filter(|(name, _)| name.starts_with("FOOTAGE_")).collect();
        assert!(!ours.is_empty(), "{block}");
        let typed = ["footage".to_owned(), entry[1].clone()].into_iter();
        let typed = typed.chain(ours.iter().map(|(name, value)| typed_for(&entry[1], name, value)));
        if let Err(error) = Cli::try_parse_from(typed) {
            panic!("{block}\n{error}");
        }
    }
}

/// The command line with the options of all commands, which are made when they are needed.
fn whole() -> clap::Command {
    let mut cli = Cli::command();
    cli.build();
    cli
}

/// What is typed in place of a variable.
fn typed_for(command: &str, variable: &str, value: &str) -> String {
    let cli = whole();
    let command = cli.find_subcommand(command).expect("a command");
    let argument = command.get_arguments().find(|argument| argument.get_env().is_some_and(|name| name == variable));
    let argument = argument.unwrap_or_else(|| panic!("{variable} is no variable of {}", command.get_name()));
    argument.get_long().map_or_else(|| value.to_owned(), |long| format!("--{long}={value}"))
}

#[test]
fn readme_environment_variables_exist() {
    let cli = whole();
    let known = cli.get_subcommands().flat_map(clap::Command::get_arguments).filter_map(clap::Arg::get_env);
    let known: BTreeSet<&str> = known.filter_map(|name| name.to_str()).collect();
    let text = all_text();
    let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
    let told = text.split(|c| !is_name(c)).filter(|word| word.len() > "FOOTAGE_".len() && word.starts_with("FOOTAGE_"));
    // Those of `on_segment` go the other way.
    let told: BTreeSet<&str> = told.filter(|name| !name.starts_with("FOOTAGE_SEGMENT_")).collect();
    assert!(told.len() > 10, "{told:?}");
    let unknown: Vec<String> = told.difference(&known).map(|name| format!("{name} is no variable")).collect();
    assert_none(&unknown);
}

#[test]
fn readme_configurations_are_accepted() {
    let environment = Environment { base: "/etc".into(), zone: Tz::UTC };
    for block in blocks("toml") {
        if let Err(invalid) = Config::parse(&block, &environment) {
            panic!("{block}\n{invalid}");
        }
    }
    for block in blocks("json") {
        if let Err(error) = serde_json::from_str::<serde_json::Value>(&block) {
            panic!("{block}\n{error}");
        }
    }
}

#[test]
fn readme_links_have_targets() {
    let pages = pages();
    let anchors: BTreeMap<&str, BTreeSet<String>> =
        pages.iter().map(|page| (page.path.as_str(), anchors(&page.text))).collect();
    let (mut dead, mut count) = (Vec::new(), 0);
    for page in &pages {
        let links = page.text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.starts_with("https://")) {
            count += 1;
            let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let path = match (file, folder) {
                ("", _) => page.path.clone(),
                (file, "") => file.to_owned(),
                (file, folder) => format!("{folder}/{file}"),
            };
            let is_there = root().join(&path).exists()
                && anchor.is_none_or(|anchor| anchors.get(path.as_str()).is_some_and(|of| of.contains(anchor)));
            if !is_there {
                dead.push(format!("{}: {link} leads nowhere", page.path));
            }
        }
    }
    assert_none(&dead);
    assert!(count > 30, "only {count} links are found");
}

/// What a repository site makes of the headings.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let headings =
        markdown.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#').trim());
    let is_kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    headings.map(|text| text.to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn ci_runs_the_readmes_test_command() {
    assert!(blocks("sh").iter().any(|block| block.lines().any(|line| line == TEST_COMMAND)));
    let ci = fs::read_to_string(root().join(".ci/run")).expect(".ci/run is there");
    assert!(ci.contains(TEST_COMMAND), ".ci/run does not run {TEST_COMMAND:?}");
}

#[test]
fn readme_commands_are_split_as_a_shell_does() {
    let line = "cd x && footage dashcam \"$CAMERA\" --header 'A: b c' >log 2>&1 # footage --nonsense";
    let read = [vec!["cd", "x"], vec!["footage", "dashcam", "$CAMERA", "--header", "A: b c"]];
    assert_eq!(commands(line), read);
    assert!(Cli::try_parse_from(&commands(line)[1]).is_ok());
    assert!(Cli::try_parse_from(["footage", "dashcam", "camera", "--nonsense"]).is_err());
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md is there")
}

/// The README and the chapters of the manual, their paths from the root.
pub(crate) fn pages() -> Vec<Source> {
    let chapters = manual::CHAPTERS.iter().map(|chapter| format!("src/manual/{}.md", chapter.name));
    let read = |path: String| Source { text: fs::read_to_string(root().join(&path)).expect("it is there"), path };
    ["README.md".to_owned()].into_iter().chain(chapters).map(read).collect()
}

fn all_text() -> String {
    pages().into_iter().map(|page| page.text).collect::<Vec<_>>().join("\n")
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
    // The description before it may have a line that begins with an option.
    for line in help.lines().skip_while(|line| !line.starts_with("Usage:")).map(str::trim) {
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

/// The rows of the first table under a heading, without its head. A heading that stands in two pages hides one of them.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = all_text();
    assert_eq!(text.lines().filter(|line| line.trim_end() == heading).count(), 1, "{heading:?}");
    let below = text.lines().skip_while(|line| line.trim_end() != heading);
    let rows = below.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| {
        let row = row.trim().trim_matches('|').replace("\\|", "\0");
        row.split('|').map(|cell| cell.replace('\0', "|").trim().to_owned()).collect()
    };
    let rows: Vec<Vec<String>> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "no table under {heading:?}");
    rows
}

/// The fenced blocks, with their languages.
fn fenced(markdown: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut is_within = false;
    for line in markdown.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_within = !is_within;
            if is_within {
                blocks.push((language.to_owned(), String::new()));
            }
        } else if is_within {
            let (_, block) = blocks.last_mut().expect("within one");
            *block += line;
            block.push('\n');
        }
    }
    blocks
}

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let of_all = fenced(&all_text()).into_iter();
    let blocks: Vec<String> = of_all.filter(|(of, _)| of == language).map(|(_, block)| block).collect();
    assert!(!blocks.is_empty(), "no block of {language}");
    blocks
}

/// A command of ours in the words of a line, wherever it stands: behind the times of a crontab, a prompt, `ExecStart=`.
fn footage_in(words: &[String]) -> Option<Vec<String>> {
    let is_ours = |word: &str| {
        word.strip_suffix("footage").is_some_and(|before| before.is_empty() || before.ends_with(['/', ',', '=']))
    };
    let cli = Cli::command();
    let at = words.windows(2).position(|pair| is_ours(&pair[0]) && cli.find_subcommand(&pair[1]).is_some())?;
    Some(["footage".to_owned()].into_iter().chain(words[at + 1..].iter().cloned()).collect())
}

/// The commands of a line as words, without redirections and comments: as much of a shell as a manual needs.
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

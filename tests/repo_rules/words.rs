//! Manual, changelog, code and tests are written in words that the field uses: they can be looked up, and say who does what.

use std::path::Path;

use clap::CommandFactory;
use footage::cli::Cli;

use super::readme::pages;
use super::{Source, assert_none, root, sources};

/// What is not written, and what is written instead.
const COINAGES: &[(&str, &str)] = &[
    // Sentences without a doer.
    ("anybody", "any process, other users"),
    ("everybody", "all users"),
    ("nobody", "no process, no recorder"),
    ("somebody", "a user, another process"),
    ("whoever", "the user who"),
    ("is told", "footage reports, logs or prints"),
    ("are told", "footage reports, logs or prints"),
    ("is said", "footage logs"),
    ("are said", "footage logs"),
    ("said once", "logged the first time only"),
    ("told once", "logged the first time only"),
    ("come to stand", "get its final name"),
    ("comes to stand", "gets its final name"),
    ("came to stand", "got its final name"),
    ("what there is", "the part that arrived"),
    ("means harm", "attacker"),
    // Words that mean something else, or nothing, to others.
    ("apart by blanks", "space-separated"),
    ("apart by colons", "colon-separated"),
    ("at marks", "at boundaries"),
    ("its mark", "its boundary"),
    ("its marks", "its boundaries"),
    ("marks of the clock", "boundaries of the clock"),
    ("errand", "task"),
    ("proven", "verified"),
    ("proves", "verifies"),
    ("sound", "audio"),
    ("spoilt", "mismatched"),
    ("torn", "incomplete"),
    ("troubles", "problems"),
    ("watchman", "watchdog"),
    // Sentences that no one would write.
    ("does not say otherwise", "does not override"),
    ("do not say otherwise", "do not override"),
    ("how all of it stands", "the state of every pass"),
    ("is called as", "takes the name of"),
    ("there is no such", "unknown"),
    ("this one leaves", "exiting"),
    ("was read again", "reload"),
    ("what is special of", "notes on"),
];

/// Words that mean something else in one file: the user `nobody`, and fields of the journal.
const EXEMPT: &[(&str, &str)] = &[
    ("src/upload/journal/line.rs", "proven"),
    ("src/upload/journal/line.rs", "spoilt"),
    ("tests/dashcam_faults/permissions.rs", "nobody"),
    ("tests/upload/deleting.rs", "proven"),
    ("tests/upload_faults/changing.rs", "proven"),
];

#[test]
fn the_manual_and_the_changelog_have_no_coinages() {
    assert_none(&coined(&pages()));
    assert_none(&coined(&sources(root()).into_iter().filter(|file| file.path == "CHANGELOG.md").collect::<Vec<_>>()));
}

#[test]
fn source_files_have_no_coinages() {
    assert_none(&coined(&sources(root()).into_iter().filter(is_checked).collect::<Vec<_>>()));
}

/// Code, the tests among it. This file has all of them.
fn is_checked(file: &Source) -> bool {
    let path = Path::new(&file.path);
    let is_code = path.extension().is_some_and(|extension| extension == "rs");
    is_code && (path.starts_with("src") || path.starts_with("tests")) && path != Path::new("tests/repo_rules/words.rs")
}

/// The longest text of an option in `-h`, which has 100 columns for name, text and default.
const MAX_HELP_CHARS: usize = 72;

#[test]
fn the_help_has_no_coinages_and_one_line_for_an_option() {
    let mut cli = Cli::command();
    cli.build();
    let (mut texts, mut long) = (Vec::new(), Vec::new());
    for command in cli.get_subcommands_mut() {
        let name = command.get_name().to_owned();
        texts.push(Source { path: format!("{name} --help"), text: command.render_long_help().to_string() });
        let helps = command.get_arguments().filter_map(|argument| Some((argument.get_id(), argument.get_help()?)));
        let helps = helps.map(|(id, help)| (id, help.to_string())).filter(|(_, help)| help.len() > MAX_HELP_CHARS);
        long.extend(helps.map(|(id, help)| format!("{name} -h: {id} takes {} characters: {help}", help.len())));
    }
    assert!(texts.len() > 6, "{} commands", texts.len());
    assert_none(&long);
    assert_none(&coined(&texts));
}

#[test]
fn coinages_are_found_as_words_in_any_case() {
    let page = |text: &str| [Source { path: "page.md".to_owned(), text: text.to_owned() }];
    assert_eq!(coined(&page("Fine.\nNobody knows.")), ["page.md:2: \"nobody\": write \"no process, no recorder\""]);
    assert_eq!(coined(&page("It is\ntold.")).len(), 1, "over the end of a line");
    assert_eq!(coined(&page("`torn_segments_total`, `unproven` and a soundbar")), [""; 0]);
}

/// Where each coinage occurs: as whole words, also over the end of a line.
fn coined(files: &[Source]) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for file in files {
        // Of the same length, so that an offset in it is one in the file.
        let text = file.text.to_ascii_lowercase().replace('\n', " ");
        for (coinage, better) in COINAGES.iter().filter(|(coinage, _)| !EXEMPT.contains(&(file.path.as_str(), coinage)))
        {
            let places = text.match_indices(coinage).map(|(at, _)| at);
            let alone =
                places.filter(|at| !text[..*at].ends_with(is_word) && !text[at + coinage.len()..].starts_with(is_word));
            found.extend(alone.map(|at| {
                let line = file.text[..at].matches('\n').count() + 1;
                format!("{}:{line}: {coinage:?}: write {better:?}", file.path)
            }));
        }
    }
    found
}

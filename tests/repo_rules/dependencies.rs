//! The list of dependencies in the guide is that of `Cargo.toml`.

use std::fs;

use super::root;

/// The lines of a section, which begins with `title` and ends where a line begins with `end`.
fn section<'a>(text: &'a str, title: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().skip_while(move |line| *line != title).skip(1).take_while(move |line| !line.starts_with(end))
}

/// The crates of `[dependencies]`.
fn of_manifest(text: &str) -> Vec<&str> {
    section(text, "[dependencies]", "[").filter_map(|line| Some(line.split_once('=')?.0.trim())).collect()
}

/// The crates of the table, each with what it is for.
fn of_table(text: &str) -> Vec<(&str, &str)> {
    let rows = section(text, "//! # Dependencies", "//! #")
        .filter_map(|line| line.strip_prefix("//! | `")?.strip_suffix(" |"));
    rows.filter_map(|row| row.split_once("` | ")).collect()
}

#[test]
fn the_guide_lists_each_dependency_of_cargo_toml_and_its_purpose() {
    let read = |path| fs::read_to_string(root().join(path)).expect("a file of ours");
    let (manifest, guide) = (read("Cargo.toml"), read("src/lib.rs"));
    let table = of_table(&guide);
    let listed: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
    let mut expected = of_manifest(&manifest);
    expected.sort_unstable();
    assert!(expected.len() > 20, "{expected:?}");
    assert_eq!(listed, expected);
    assert!(table.iter().all(|(_, purpose)| !purpose.trim().is_empty()), "{table:?}");
}

#[test]
fn a_dependency_that_is_not_listed_is_found() {
    assert_eq!(of_manifest("[dependencies]\na-b = \"1\"\nc = { version = \"2\" }\n\n[x]\nd = 1\n"), ["a-b", "c"]);
    assert_eq!(
        of_table("//! # Dependencies\n//!\n//! | crate | for |\n//! | `a` | this |\n//! # Next\n//! | `b` | c |"),
        [("a", "this")]
    );
}

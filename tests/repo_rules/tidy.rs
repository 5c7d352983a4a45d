//! What stands where, and how long it may be.

use super::{assert_none, entries, root, sources};

#[test]
fn the_top_level_is_short() {
    const KNOWN: [&str; 8] =
        ["Cargo.toml", "Cargo.lock", "src", "tests", "findings", "README.md", "COPYING", "CHANGELOG.md"];
    let names = entries(root()).filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    // Beside them what a build leaves, and what a package of crates.io has.
    let is_made = |name: &String| ["target", "Cargo.toml.orig"].contains(&name.as_str());
    let is_known = |name: &String| name.starts_with('.') || is_made(name) || KNOWN.contains(&name.as_str());
    let strange: Vec<String> = names.filter(|name| !is_known(name)).collect();
    assert_none(&strange);
}

#[test]
fn source_files_have_at_most_so_many_lines() {
    const MAX_LINES: usize = 800;
    let long = sources(&root().join("src")).into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > MAX_LINES).then(|| format!("src/{}: {lines} lines, at most {MAX_LINES}", source.path))
    });
    assert_none(&long.collect::<Vec<_>>());
}

#[test]
fn the_guide_leads_to_every_module() {
    let guide = std::fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs is there");
    let modules = guide.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let is_there =
        |module: &&str| [format!("[`{module}`]"), format!("[`{module}::")].iter().any(|it| guide.contains(it));
    let broken: Vec<String> =
        modules.filter(|module| !is_there(module)).map(|module| format!("{module} is not in the guide")).collect();
    assert_none(&broken);
}

#[test]
fn src_has_no_unwrap_expect_or_panic() {
    const PANICS: [&str; 6] = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!("];
    let mut broken = Vec::new();
    for source in sources(&root().join("src")) {
        let tests_from = source.text.find("#[cfg(test)]\nmod tests {").unwrap_or(source.text.len());
        let is_tests = source.path.ends_with("tests.rs");
        for (n, line) in source.text[..tests_from].lines().enumerate().filter(|_| !is_tests) {
            if PANICS.iter().any(|word| line.contains(word)) {
                broken.push(format!("src/{}:{}: {}", source.path, n + 1, line.trim()));
            }
        }
    }
    assert_none(&broken);
}

/// Else it fails for every user but root.
#[test]
fn a_test_that_needs_root_says_so() {
    // In two pieces, so that this test does not.
    let needing = [("small_", "tmpfs"), ("\"chro", "ot\""), ("\"unsh", "are\"")].map(|(a, b)| format!("{a}{b}"));
    let mut broken = Vec::new();
    for source in sources(&root().join("tests")) {
        for test in source.text.split("#[test]\n").skip(1) {
            let (test, _) = test.split_once("\n}\n").unwrap_or((test, ""));
            if needing.iter().any(|word| test.contains(word)) && !test.contains("as_root!();") {
                broken.push(format!("tests/{}: {}", source.path, test.lines().next().unwrap_or_default()));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn no_file_names_a_developers_machine() {
    // In two pieces, so that this file does not.
    let homes = [("/ro", "ot/"), ("/Use", "rs/"), ("/ho", "me/")].map(|(a, b)| format!("{a}{b}"));
    let mut broken = Vec::new();
    for source in sources(root()) {
        for (n, line) in source.text.lines().enumerate() {
            if homes.iter().any(|home| line.contains(home)) {
                broken.push(format!("{}:{}: {}", source.path, n + 1, line.trim()));
            }
        }
    }
    assert_none(&broken);
}

//! The rules of the repository: how the code is layered, where things are, how the binary is linked, that the README and
//! the manual say what the program does, and in which words.

mod binary;
mod dependencies;
mod layers;
mod readme;
mod setup;
mod tidy;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
struct Source {
    /// Relative to the directory that was read.
    path: String,
    text: String,
}

/// The text files below `dir`, without what git and cargo keep.
fn sources(dir: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for path in entries(&next) {
            let relative = path.strip_prefix(dir).expect("below it").display().to_string();
            if path.is_dir() {
                if ![".git", "target"].contains(&relative.as_str()) {
                    dirs.push(path);
                }
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push(Source { path: relative, text });
            }
        }
    }
    assert!(!found.is_empty(), "nothing in {}", dir.display());
    found
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("cannot read {}: {e}", dir.display()));
    entries.map(|entry| entry.expect("readable").path())
}

/// All at once: who breaks a rule in three places wants to see three.
#[track_caller]
fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

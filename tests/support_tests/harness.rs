//! Movies, programs, trees, mounts.

use super::SOON;
use crate::support::{Node, Program, Scratch, as_root, mp4, small_tmpfs, tree};
use std::time::Duration;

/// Panics unless the boxes chain exactly to the end; returns their names.
pub(super) fn assert_chains(movie: &[u8]) -> Vec<String> {
    let (mut at, mut names) = (0, Vec::new());
    while at < movie.len() {
        let number = |from: usize, len: usize| movie[from..from + len].iter().fold(0, |n, b| n << 8 | usize::from(*b));
        names.push(String::from_utf8_lossy(&movie[at + 4..at + 8]).into_owned());
        at += match number(at, 4) {
            0 => movie.len() - at,
            1 => number(at + 8, 8),
            size => size,
        };
    }
    assert_eq!(at, movie.len(), "{names:?}");
    names
}

#[test]
fn mp4_fixtures_are_intact_or_broken_as_named() {
    let intact = ["ftyp", "free", "moov", "mdat"];
    assert_eq!(assert_chains(&mp4::movie(mp4::MIN_SIZE, 0)), intact);
    assert_eq!(assert_chains(&mp4::movie(5000, 1)), intact);
    assert_eq!(assert_chains(&mp4::with_size64(5000, 1)), intact);
    assert_eq!(assert_chains(&mp4::with_open_end(5000, 1)), intact);
    assert_eq!(assert_chains(&mp4::two_movies(500, 600, 1)), [intact, intact].concat());
    assert_eq!(mp4::movie(5000, 1).len(), 5000);
    assert_ne!(mp4::movie(5000, 1), mp4::movie(5000, 2));
    assert_eq!(mp4::zero_tail(mp4::movie(5000, 1), 9)[4991..], [0; 9]);
    let scratch = Scratch::new();
    let real = std::fs::read(mp4::real(scratch.path(), "a.mp4", 2)).expect("a movie");
    assert!(assert_chains(&real).contains(&"moov".into()));
}

#[test]
fn program_harness_runs_the_binary() {
    as_root!();
    let scratch = Scratch::new();
    scratch.footage(["--help"]).run().expect_code(0);
    let sleeper = || Program::new("sh").args(["-c", "echo ready; echo up >&2; exec sleep 600"]).spawn();
    let running = sleeper();
    running.wait_for_stdout("ready", SOON);
    running.wait_for_stderr("up", SOON);
    assert!(!running.ends_within(Duration::from_millis(10)));
    running.term();
    assert_eq!(running.wait_timeout(SOON).signal, Some(15));

    let mount = small_tmpfs(64 << 10);
    let path = mount.path().join(".hidden/file");
    std::fs::create_dir(mount.path().join(".hidden")).expect("a directory");
    assert!(std::fs::write(&path, vec![0; 1 << 20]).is_err(), "the file system is small");
    std::fs::write(&path, b"abc").expect("a small file");
    let seen = tree(mount.path());
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [(".hidden".into(), Node::Dir), (".hidden/file".into(), Node::of(b"abc"))]
    );
    mount.make_read_only();
    assert!(std::fs::write(&path, b"abcd").is_err(), "the file system is read-only");
    mount.detach();
    assert!(tree(mount.path()).is_empty());
}

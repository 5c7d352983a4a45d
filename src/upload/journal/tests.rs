use std::fs;

use super::*;

const FILE: Identity = Identity { size: 40, mtime: 1_700_000_000_123_456_789, ino: 7 };

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::create(dir.path()).expect("created");
    (dir, store)
}

fn load(store: &Store) -> Journal {
    Journal::load(store, "b/p").expect("a journal")
}

fn part(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("a number")
}

#[test]
fn journal_lines_are_read_back() {
    let (_dir, store) = store();
    let mut journal = load(&store);
    journal.verify("a \"b\"\n.ts", FILE, "k/é", "etag", 5);
    journal.begin("large", FILE, "k/large", &Begun { id: "id-1".into(), at: 6, ..Begun::default() });
    journal.part("large", part(2), "two");
    journal.part("large", part(1), "one");
    journal.fail("f", FILE, "k/f", 7);
    journal.mismatch("s", "k/s", "bad");
    journal.sweep(8);
    journal.verify("gone", FILE, "k/gone", "etag", 5);
    journal.over("gone");
    assert!(journal.take_failure().is_none());

    let check = |journal: &Journal| {
        assert!(journal.get("a \"b\"\n.ts").expect("known").verifies(&FILE));
        assert!(!journal.get("a \"b\"\n.ts").expect("known").verifies(&Identity { size: 41, ..FILE }));
        let large = journal.get("large").and_then(|record| record.begun.as_ref()).expect("begun");
        assert_eq!((large.id.as_str(), large.parts.len()), ("id-1", 2));
        assert_eq!(large.parts[&part(1)], "one");
        assert_eq!(journal.get("f").and_then(|record| record.failed), Some(7));
        assert_eq!(journal.get("s").map(|record| record.mismatched.clone()), Some(vec!["bad".to_owned()]));
        assert_eq!(journal.swept(), Some(8));
        assert!(!journal.get("gone").is_some_and(|record| record.verifies(&FILE)));
    };
    check(&journal);
    check(&load(&store));

    // What says nothing any more goes; the rest stays as it is.
    let other = Journal::load(&store, "other").expect("a journal");
    assert_eq!(other.records().count(), 0);
    let mut other = other;
    other.verify("a \"b\"\n.ts", FILE, "elsewhere", "x", 1);
    let mut journal = load(&store);
    for _ in 0..3000 {
        journal.fail("f", FILE, "k/f", 7);
    }
    let before = fs::metadata(store.state_path("upload.journal")).expect("there").len();
    journal.tidy(|file| file != "gone");
    let after = fs::metadata(store.state_path("upload.journal")).expect("there").len();
    assert!(after * 10 < before, "{before} to {after}");
    let journal = load(&store);
    check(&journal);
    assert_eq!(journal.get("gone"), None);
    let other = Journal::load(&store, "other").expect("a journal");
    assert_eq!(other.get("a \"b\"\n.ts").map(|record| record.key.as_str()), Some("elsewhere"));
}

#[test]
fn a_truncated_journal_line_affects_no_other() {
    let (_dir, store) = store();
    let mut journal = load(&store);
    journal.verify("a", FILE, "k/a", "etag", 5);
    journal.verify("b", FILE, "k/b", "etag", 5);
    let path = store.state_path("upload.journal");
    let whole = fs::read(&path).expect("read");
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).expect("written");
        let mut journal = load(&store);
        journal.verify("c", FILE, "k/c", "etag", 5);
        assert!(journal.take_failure().is_none());
        let journal = load(&store);
        assert!(journal.get("c").is_some_and(|record| record.verifies(&FILE)), "cut at {cut}");
        assert!(!journal.get("b").is_some_and(|record| record.verifies(&FILE)), "cut at {cut}");
    }
    fs::write(&path, [0; 100]).expect("written");
    load(&store).verify("c", FILE, "k/c", "etag", 5);
    assert!(load(&store).get("c").is_some());
}

#[test]
fn a_foreign_file_is_not_used_as_a_journal() {
    let (dir, store) = store();
    let path = store.state_path("upload.journal");
    fs::write(&path, "my notes\n").expect("written");
    Journal::load(&store, "b/p").expect_err("no journal of ours");
    fs::remove_file(&path).expect("removed");
    let notes = dir.path().join("notes");
    fs::write(&notes, "").expect("written");
    std::os::unix::fs::symlink(&notes, &path).expect("linked");
    let mut journal = load(&store);
    journal.verify("a", FILE, "k/a", "etag", 5);
    assert!(journal.take_failure().is_some());
    assert_eq!(fs::read(&notes).expect("read"), b"");
    // What could not be written is known all the same, until the end of the pass.
    assert!(journal.get("a").is_some_and(|record| record.verifies(&FILE)));
}

/// Of the new content of a name the bucket has nothing yet: with `--delete` it would be lost.
#[test]
fn a_later_journal_line_replaces_an_older_verification() {
    const NEW: Identity = Identity { size: 41, ..FILE };
    let happens: [fn(&mut Journal); 5] = [
        |journal| journal.start("a", NEW, "k", 6),
        |journal| journal.begin("a", NEW, "k", &Begun { id: "id".into(), at: 6, ..Begun::default() }),
        |journal| journal.mismatch("a", "k", "bad"),
        |journal| journal.fail("a", NEW, "k", 6),
        |journal| journal.over("a"),
    ];
    for (n, happens) in happens.into_iter().enumerate() {
        let (_dir, store) = store();
        let mut journal = load(&store);
        journal.verify("a", FILE, "k", "etag", 5);
        happens(&mut journal);
        for journal in [journal, load(&store)] {
            let record = journal.get("a").expect("known");
            assert!(!record.verifies(&FILE) && !record.verifies(&NEW), "{n}: {record:?}");
        }
    }
}

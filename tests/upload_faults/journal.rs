//! The state of a pass may be lost or truncated, or have no space.

use std::fs;
use std::path::{Path, PathBuf};

use super::{SOON, assert_recovers};
use crate::support::rng::seeded;
use crate::support::uploads::{MTIME, MULTIPART, Uploads, content, set_mtime};
use crate::support::{Node, as_root, small_tmpfs};

/// Three files that are in the bucket, and one of which the first part is.
fn in_the_middle() -> Uploads {
    let uploads = Uploads::with(&["a.ts", "b.ts", "c.ts"]);
    uploads.quiet_pass(&[]);
    uploads.file("big.ts", content("big", MULTIPART * 2));
    let gate = uploads.s3.proxy.hold("PUT partNumber=2&", 1000);
    let pass = uploads.footage(&["--jobs", "1"]).spawn();
    gate.wait_reached(SOON);
    pass.kill();
    pass.wait();
    uploads.s3.proxy.clear_log();
    uploads
}

fn state_files(uploads: &Uploads) -> Vec<PathBuf> {
    let files = fs::read_dir(uploads.src(".footage")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file() && path.extension().is_none_or(|extension| extension != "lock")).collect()
}

#[track_caller]
fn assert_nothing_is_sent_twice(uploads: &Uploads) {
    let sent = uploads.s3.proxy.requests_for("PUT !big.ts");
    assert!(sent.is_empty(), "{sent:#?}");
}

#[test]
fn a_deleted_journal_uploads_nothing_twice() {
    let uploads = in_the_middle();
    fs::remove_dir_all(uploads.src(".footage")).unwrap();
    uploads.pass(&[]).expect_code(0);
    assert_nothing_is_sent_twice(&uploads);
    uploads.assert_uploaded();
    uploads.assert_done(&[]);
    uploads.pass(&["--delete"]).expect_code(0);
    uploads.assert_uploaded();
}

#[test]
fn a_truncated_journal_is_read() {
    let mut random = seeded(5);
    for round in 0..8 {
        let uploads = in_the_middle();
        for path in state_files(&uploads) {
            let mut bytes = fs::read(&path).unwrap();
            let at = usize::try_from(random.below(bytes.len() as u64 + 1)).unwrap();
            match round % 4 {
                0 => bytes.truncate(at),
                1 => bytes[at..].fill(0),
                2 => bytes.splice(at..at, random.bytes(100)).for_each(drop),
                _ => bytes.extend_from_slice(b"{\"half\": "),
            }
            fs::write(&path, bytes).unwrap();
        }
        let output = uploads.pass(&["--delete"]);
        assert_eq!(output.code, Some(0), "round {round}: {output}");
        assert_nothing_is_sent_twice(&uploads);
        uploads.assert_uploaded();
        uploads.assert_done(&["--delete"]);
    }
}

#[test]
fn a_forged_journal_deletes_no_unverified_file() {
    // Written by a pass to another bucket: its verifications do not apply to this one.
    let (uploads, other) = (Uploads::with(&["a.ts"]), Uploads::with(&["a.ts"]));
    other.quiet_pass(&[]);
    for path in state_files(&other) {
        fs::create_dir_all(uploads.src(".footage")).unwrap();
        fs::copy(&path, uploads.src(".footage").join(path.file_name().unwrap())).unwrap();
    }
    uploads.pass(&["--delete"]).expect_code(0);
    uploads.assert_uploaded();

    // The same folder to another prefix, or bucket.
    let uploads = Uploads::with(&["a.ts"]);
    uploads.quiet_pass(&[]);
    uploads.pass(&["--to", "s3://footage/elsewhere", "--delete"]).expect_code(0);
    assert_eq!(uploads.keys(), ["cams/a.ts", "elsewhere/a.ts"]);
    assert!(!uploads.src("a.ts").exists());
}

#[test]
fn a_journal_that_is_no_regular_file_is_refused() {
    let uploads = in_the_middle();
    for path in state_files(&uploads) {
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
    }
    let output = uploads.pass(&["--delete"]);
    assert!(matches!(output.code, Some(0 | 1 | 3)), "{output}");
    uploads.assert_safe();
    for path in state_files(&uploads) {
        let _ = fs::remove_dir(path);
    }
}

/// A camera's RAM disk is full: uploading is what makes room.
#[test]
fn delete_works_on_a_full_disk() {
    as_root!();
    let uploads = Uploads::new();
    let disk = small_tmpfs(4 << 20);
    let names = ["a.ts", "b.ts", "c.ts"];
    for name in names {
        let path = disk.path().join(name);
        fs::write(&path, content(name, 1 << 20)).unwrap();
        set_mtime(&path, MTIME);
    }
    // To the last byte.
    let _ = fs::write(disk.path().join("full"), vec![0; 4 << 20]);
    let pass = || uploads.footage_from(&[disk.path().to_str().unwrap()], &["--delete"]).run();
    let there = |name: &str| disk.path().join(name).exists();
    let mut last = None;
    for _ in 0..3 {
        last = Some(pass());
        for name in names {
            let stored = uploads.objects().get(&format!("cams/{name}")).cloned();
            assert!(there(name) || stored == Some(Node::of(&content(name, 1 << 20))), "{name} is lost; {last:?}");
        }
    }
    let left: Vec<&str> = names.into_iter().filter(|name| there(name)).collect();
    assert!(left.is_empty(), "{left:?} are still there; {}", last.unwrap());
    assert_eq!(uploads.objects().len(), 3);
}

#[test]
fn upload_from_a_read_only_directory() {
    as_root!();
    let uploads = Uploads::new();
    let disk = small_tmpfs(4 << 20);
    let path = disk.path().join("a.ts");
    fs::write(&path, content("a", 1000)).unwrap();
    set_mtime(&path, MTIME);
    disk.make_read_only();
    let output = uploads.footage_from(&[disk.path().to_str().unwrap()], &[]).run();
    assert!(matches!(output.code, Some(0 | 1)), "{output}");
    assert!(Path::new(&path).exists());
    assert!(output.code == Some(1) || uploads.keys() == ["cams/a.ts"], "{output}");
}

#[test]
fn a_journal_left_by_sigkill_is_used() {
    let uploads = in_the_middle();
    uploads.pass(&[]).expect_code(0);
    assert!(uploads.s3.proxy.requests_for("PUT partNumber=1&").is_empty());
    assert_recovers(&uploads);
}

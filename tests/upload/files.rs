//! Which files are closed.

use std::fs::{self, File};
use std::time::SystemTime;

use super::SOON;
use crate::support::Program;
use crate::support::uploads::{MTIME, Uploads, content, set_mtime};

#[test]
fn pattern_that_matches_nothing_is_a_warning() {
    let uploads = Uploads::with(&["cam1/a.mp4", "b.ts"]);
    for pattern in [".mp4", "*.{mp4,ts}", "*.mp4 *.ts", "'*.mp4'", r".*\.mp4"] {
        let output = uploads.pass(&["--pattern", pattern]).expect_code(2);
        assert!(output.stderr.contains("*.ts,*.mp4") || output.stderr.contains("'*.mp4'"), "{output}");
    }
    let said = |name: &str| format!("nothing to upload: none of 2 files fits --pattern mp4 (\"{name}\")");
    let is_said =
        |output: &crate::support::Output| ["a.mp4", "b.ts"].iter().any(|name| output.stderr.contains(&said(name)));
    for (options, expected) in [(&["--cron"][..], true), (&["--cron"], false), (&[], true), (&["--dry-run"], true)] {
        let output = uploads.pass(&[&["--pattern", "mp4"], options].concat()).expect_code(0);
        assert_eq!(is_said(&output), expected, "{output}");
    }
    // What stays behind of others, where uploads go well, is no news.
    uploads.quiet_pass(&["--pattern", "*.mp4", "--delete"]);
    uploads.pass(&["--pattern", "*.mp4", "--delete", "--cron"]).expect_silence();
    File::options()
        .write(true)
        .open(uploads.src("b.ts"))
        .and_then(|file| file.set_modified(SystemTime::now()))
        .unwrap();
    let output = uploads.pass(&["--min-age", "1d", "-v"]).expect_code(0);
    assert!(output.stderr.contains("the only file is younger than --min-age"), "{output}");
    let output = uploads.footage_from(&["src", "src/b.ts"], &[]).run().expect_code(2);
    assert!(output.stderr.contains("needs quotes"), "{output}");
}

#[test]
fn failures_with_one_cause_are_counted_after_the_fifth() {
    use std::os::unix::ffi::OsStrExt;
    let uploads = Uploads::with(&["a.ts"]);
    for n in b'0'..b'8' {
        std::fs::write(
            uploads.scratch.join("src").join(std::ffi::OsStr::from_bytes(&[n, 0xff, b'.', b't', b's'])),
            "x",
        )
        .unwrap();
    }
    let cause = "its name is not UTF-8, as a key must be";
    let output = uploads.pass(&["--cron"]).expect_code(3);
    assert_eq!(output.stderr.matches(cause).count(), 6, "{output}");
    assert!(output.stderr.contains(&format!("warning: and 3 more: {cause}")), "{output}");
    assert_eq!(uploads.report(3, &[])["failures"].as_array().map(Vec::len), Some(8));
    let output = uploads.pass(&["--cron"]).expect_code(3);
    assert!(!output.stderr.contains(cause), "{output}");
    let output = uploads.pass(&["-v"]).expect_code(3);
    assert_eq!(output.stderr.matches(&format!(": {cause}")).count(), 9, "{output}");
}

#[test]
fn pattern_selects_files_and_hidden_files_are_skipped() {
    let uploads = Uploads::with(&["a.ts", "b.mkv", "sub/c.mp4"]);
    for name in ["d.jpg", ".e.ts", ".hidden/f.ts", "g.ts.part", "h"] {
        uploads.file(name, "x");
        uploads.forget(name);
    }
    std::os::unix::fs::symlink(uploads.src("a.ts"), uploads.src("link.ts")).unwrap();
    uploads.quiet_pass(&[]);
    uploads.assert_uploaded();

    let uploads = Uploads::with(&["a.jpg", "b.png"]);
    uploads.file("c.ts", "x");
    uploads.forget("c.ts");
    uploads.quiet_pass(&["--pattern", "*.jpg,b.*"]);
    uploads.assert_uploaded();
}

#[test]
fn a_file_younger_than_min_age_waits() {
    let uploads = Uploads::with(&["a.ts"]);
    let path = uploads.src("a.ts");
    File::options().write(true).open(&path).and_then(|file| file.set_modified(SystemTime::now())).unwrap();
    uploads.assert_done(&["--min-age", "1h"]);
    assert!(uploads.objects().is_empty());
    set_mtime(&path, MTIME);
    uploads.quiet_pass(&["--min-age", "1h"]);
    uploads.assert_uploaded();
}

#[test]
fn an_open_file_waits() {
    for how in ["exec 3>>src/a.ts", "exec 3<src/a.ts", "exec 3<>src/a.ts; rm -f src/.x"] {
        let uploads = Uploads::with(&["a.ts", "b.ts"]);
        let holder = Program::new("sh").args(["-c", &format!("{how}; echo held; exec sleep 600")]);
        let holder = holder.current_dir(uploads.scratch.path()).spawn();
        holder.wait_for_stdout("held", SOON);
        uploads.quiet_pass(&["--delete"]);
        assert_eq!(uploads.keys(), ["cams/b.ts"], "{how}");
        assert!(uploads.src("a.ts").exists());
        // It is open, and no closed file that waits.
        let report = uploads.report(0, &[]);
        assert_eq!((&report["open_files"], &report["pending_files"]), (&1.into(), &0.into()), "{report}");
        assert!(report["oldest_pending_seconds"].is_null(), "{report}");
        drop(holder);
        uploads.quiet_pass(&["--delete"]);
        uploads.assert_uploaded();
        assert!(!uploads.src("a.ts").exists());
    }
}

#[test]
fn an_empty_file_is_logged_once_and_is_neither_open_nor_pending() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.file("empty.ts", "");
    uploads.forget("empty.ts");
    let output = uploads.pass(&["--cron", "--delete"]).expect_code(0);
    assert!(output.stderr.matches("is empty and not uploaded: src/empty.ts").count() == 1, "{output}");
    assert_eq!(uploads.pass(&["--cron", "--delete"]).expect_code(0).stderr, "");
    let report = uploads.report(0, &[]);
    assert_eq!((&report["open_files"], &report["pending_files"]), (&0.into(), &0.into()), "{report}");
    assert!(uploads.src("empty.ts").exists());
    uploads.assert_uploaded();

    // Another program may still write it.
    let holder = Program::new("sh").args(["-c", "exec 3>>src/empty.ts; echo held; exec sleep 600"]);
    let holder = holder.current_dir(uploads.scratch.path()).spawn();
    holder.wait_for_stdout("held", SOON);
    let report = uploads.report(0, &[]);
    assert_eq!((&report["open_files"], &report["pending_files"]), (&1.into(), &0.into()), "{report}");
    drop(holder);
}

#[test]
fn a_memory_mapped_file_is_open() {
    let uploads = Uploads::with(&["a.ts"]);
    let script = "import mmap, sys, time\nfile = open('src/a.ts', 'r+b')\nm = mmap.mmap(file.fileno(), 0)\nfile.close()\n\
                  print('held', flush=True)\ntime.sleep(600)";
    let holder = Program::new("python3").args(["-c", script]).current_dir(uploads.scratch.path()).spawn();
    holder.wait_for_stdout("held", SOON);
    uploads.assert_done(&["--delete"]);
    drop(holder);
    uploads.quiet_pass(&[]);
    uploads.assert_uploaded();
}

#[test]
fn a_missing_directory_is_exit_code_75() {
    let uploads = Uploads::with(&["a.ts"]);
    fs::rename(uploads.src(""), uploads.scratch.join("elsewhere")).unwrap();
    uploads.pass(&[]).expect_code(75);
    uploads.pass(&["--cron"]).expect_code(0);
    assert!(!uploads.src("").exists(), "a folder is made where a disk is mounted at other times");
    assert!(uploads.s3.proxy.requests().is_empty());
}

#[test]
fn only_new_files_are_uploaded_by_the_next_pass() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.quiet_pass(&[]);
    uploads.s3.proxy.clear_log();
    uploads.file("b.ts", content("b", 2000));
    uploads.quiet_pass(&[]);
    uploads.assert_uploaded();
    let requests = uploads.s3.proxy.requests();
    assert!(requests.iter().all(|request| request.is("b.ts")), "{requests:#?}");
}

#[test]
fn a_file_larger_than_s3_allows_fails_at_once() {
    let uploads = Uploads::with(&["a.ts"]);
    let path = uploads.src("huge.ts");
    File::create(&path).and_then(|file| file.set_len(6 << 40)).unwrap();
    set_mtime(&path, MTIME);
    let output = uploads.footage(&["--delete"]).spawn().wait_timeout(SOON).expect_code(3);
    assert!(output.stderr.contains("huge.ts"), "{output}");
    assert!(path.exists());
    uploads.assert_uploaded();
}

//! Files that change while they are sent.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use super::SOON;
use crate::support::Node;
use crate::support::uploads::{MTIME, MULTIPART, Uploads, content, set_mtime};

const SIZES: [usize; 2] = [600_000, MULTIPART * 2 + 600_000];

/// Lets `change` happen when a part of the file has been sent, and returns what the pass then ended with. Whatever it was,
/// the next pass brings the file as it is then.
#[track_caller]
fn changed_in_mid_upload(what: &str, options: &[&str], change: impl Fn(&Path)) {
    for size in SIZES {
        for at in [100_000, 599_000] {
            let uploads = Uploads::with(&["other.ts"]);
            let path = uploads.file("a.ts", content("a", size));
            let gate = uploads.s3.proxy.hold("PUT a.ts", at);
            let pass = uploads.footage(&[options, &["--timeout", "10"]].concat()).spawn();
            gate.wait_reached(SOON);
            change(&path);
            gate.open();
            let output = pass.wait();
            assert!(matches!(output.code, Some(0 | 3)), "{what}, {size}: {output}");
            let changed = fs::read(&path).ok();
            if let Some(bytes) = &changed {
                set_mtime(&path, MTIME + 3600);
                assert!(!bytes.is_empty(), "{what}: the test's own change");
            }
            for (key, node) in uploads.objects() {
                let Node::File { len, .. } = node else { continue };
                assert!(len > 0, "{what}, {size}: {key} is empty in the bucket");
            }
            let output = uploads.pass(options);
            assert_eq!(output.code, Some(0), "{what}, {size}, at {at}: the next pass does not finish: {output}");
            let stored = uploads.objects().get("cams/a.ts").cloned();
            if let Some(bytes) = changed {
                assert!(stored == Some(Node::of(&bytes)), "{what}, {size}, at {at}: {stored:?}; {output}");
            } else {
                // The file is gone: the bucket has either all of it or nothing.
                assert!(stored.is_none() || stored == Some(Node::of(&content("a", size))), "{what}: {stored:?}");
            }
            assert_eq!(uploads.s3.open_uploads(), 0, "{what}, {size}");
            uploads.assert_done(options);
        }
    }
}

fn append(path: &Path) {
    File::options().append(true).open(path).and_then(|mut file| file.write_all(&content("more", 50_000))).unwrap();
}

#[test]
fn a_file_that_grows_during_its_upload() {
    changed_in_mid_upload("grows", &[], append);
    changed_in_mid_upload("grows, --delete", &["--delete"], append);
}

#[test]
fn a_file_that_shrinks_during_its_upload() {
    let shrink = |path: &Path| File::options().write(true).open(path).and_then(|file| file.set_len(50_000)).unwrap();
    changed_in_mid_upload("shrinks", &["--delete"], shrink);
}

#[test]
fn a_file_overwritten_during_its_upload() {
    changed_in_mid_upload("written over", &["--delete"], |path| {
        let len = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
        File::options().write(true).open(path).and_then(|mut file| file.write_all(&content("other", len))).unwrap();
    });
}

#[test]
fn a_file_replaced_during_its_upload() {
    changed_in_mid_upload("replaced", &["--delete"], |path| {
        let len = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
        let new = path.with_extension("new");
        fs::write(&new, content("other", len)).and_then(|()| fs::rename(&new, path)).unwrap();
    });
}

#[test]
fn a_file_removed_during_its_upload() {
    changed_in_mid_upload("vanishes", &[], |path| fs::remove_file(path).unwrap());
    changed_in_mid_upload("vanishes, --delete", &["--delete"], |path| fs::remove_file(path).unwrap());
}

/// Files are removed together, a moment after they are verified. The file under the name by then may be another.
#[test]
fn delete_spares_a_file_replaced_after_verification() {
    for len in [1000, 2000] {
        let uploads = Uploads::with(&["a.ts", "b.ts"]);
        let gate = uploads.s3.proxy.hold("PUT b.ts", 500);
        let pass = uploads.footage(&["--delete", "--jobs", "2"]).spawn();
        gate.wait_reached(SOON);
        let deadline = Instant::now() + SOON;
        while !fs::read_to_string(uploads.src(".footage/upload.journal")).is_ok_and(|text| text.contains("proven")) {
            assert!(Instant::now() < deadline, "it is never verified");
        }
        let other = uploads.scratch.write("src/new", content("other", len));
        set_mtime(&other, MTIME);
        fs::rename(&other, uploads.src("a.ts")).unwrap();
        gate.open();
        pass.wait().expect_code(0);
        assert!(!uploads.src("b.ts").exists());
        assert!(fs::read(uploads.src("a.ts")).is_ok_and(|bytes| bytes == content("other", len)), "{len}");
    }
}

/// A writer that opens the file again after it was sent would lose its footage with the file.
#[test]
fn delete_spares_a_file_opened_during_its_upload() {
    let uploads = Uploads::with(&["a.ts"]);
    let gate = uploads.s3.proxy.hold("PUT a.ts", 500);
    let pass = uploads.footage(&["--delete"]).spawn();
    gate.wait_reached(SOON);
    let mut writer = File::options().append(true).open(uploads.src("a.ts")).unwrap();
    gate.open();
    pass.wait().expect_code(0);
    assert!(uploads.src("a.ts").exists());
    writer.write_all(b"more").unwrap();
    drop(writer);
    let output = uploads.pass(&["--delete"]);
    assert!(matches!(output.code, Some(0 | 3)), "{output}");
    let stored = uploads.objects()["cams/a.ts"].clone();
    let grown = [content("a.ts", 1000), b"more".to_vec()].concat();
    assert!(uploads.src("a.ts").exists() || stored == Node::of(&grown), "what was written is lost");
}

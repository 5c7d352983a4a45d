//! Another user may write to a source, and has planted symlinks and forged state there: nothing outside of it is sent, written or
//! removed.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::uploads::{MTIME, Uploads, set_mtime};
use crate::support::{peak_kib, tree};

#[test]
fn symlinks_are_not_uploaded() {
    let uploads = Uploads::with(&["cam1/a.ts"]);
    for name in ["outside/b.ts", "outside/deep/c.ts"] {
        set_mtime(&uploads.scratch.write(name, "precious"), MTIME);
    }
    let outside = uploads.scratch.join("outside");
    let before = tree(&outside);
    symlink(&outside, uploads.src("cam2")).unwrap();
    symlink(outside.join("b.ts"), uploads.src("cam1/b.ts")).unwrap();
    for options in [&["--delete"][..], &["--verify"], &["--reconcile"]] {
        uploads.pass(options);
        assert_eq!(uploads.keys(), ["cams/cam1/a.ts"], "{options:?}");
        assert_eq!(tree(&outside), before, "{options:?}");
    }
}

#[test]
fn a_symlink_in_place_of_a_state_file_is_not_written_through() {
    for (link, code) in [
        (".footage/upload.lock", 2),
        (".footage/upload.journal", 0),
        (".footage/.upload.journal.tmp", 0),
        (".footage/upload.json", 0),
        (".footage/.upload.json.tmp", 0),
    ] {
        for target in ["precious", ""] {
            let uploads = Uploads::with(&["a.ts"]);
            let precious = uploads.scratch.write("precious", target);
            fs::create_dir(uploads.src(".footage")).unwrap();
            symlink(&precious, uploads.src(link)).unwrap();
            let output = uploads.pass(&[]).expect_code(code);
            assert_eq!(fs::read_to_string(&precious).unwrap(), target, "{link}: {output}");
        }
    }
    let uploads = Uploads::with(&["a.ts"]);
    fs::create_dir(uploads.scratch.join("outside")).unwrap();
    symlink(uploads.scratch.join("outside"), uploads.src(".footage")).unwrap();
    uploads.pass(&[]).expect_code(1);
    assert!(tree(uploads.scratch.join("outside")).is_empty());
}

#[test]
fn a_state_file_of_absurd_length_is_not_read() {
    for name in ["upload.journal", "upload.json"] {
        let uploads = Uploads::with(&["a.ts"]);
        let path = uploads.scratch.write(format!("src/.footage/{name}"), "{\"journal\":\"footage upload\"");
        fs::File::options().write(true).open(path).and_then(|file| file.set_len(600 << 20)).unwrap();
        let peak = uploads.scratch.join("peak");
        uploads.footage(&[]).measured(&peak).run().expect_code(0);
        uploads.assert_uploaded();
        assert!(peak_kib(&peak) < 64 << 10, "{name}: {} KiB", peak_kib(&peak));
    }
}

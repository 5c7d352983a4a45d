//! Names that are hard to sign, to list, or to print.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::uploads::{MTIME, Uploads, set_mtime};

#[test]
fn any_file_name_is_uploaded_and_listed() {
    let names = [
        "with space.ts",
        " leading and trailing .ts",
        "a+b.ts",
        "100%.ts",
        "%41.ts",
        "%2F.ts",
        "#1.ts",
        "what?.ts",
        "a&b=c;d,e.ts",
        "quote'\"`.ts",
        "back\\slash.ts",
        "<xml>&amp;.ts",
        "[a]{b}(c).ts",
        "*!~$@^|.ts",
        "-dash.ts",
        "do..ts...ts",
        "line\nbreak.ts",
        "tab\tand\u{1}control.ts",
        "überwachung.ts",
        "u\u{308}berwachung.ts",
        "カメラ.ts",
        "😀.ts",
        "folder with +/and %/#.ts",
    ];
    let uploads = Uploads::with(&names);
    uploads.quiet_pass(&[]);
    uploads.assert_uploaded();
    uploads.assert_done(&[]);
    // Without its journal it has to ask for each.
    std::fs::remove_dir_all(uploads.src(".footage")).unwrap();
    uploads.s3.proxy.clear_log();
    uploads.quiet_pass(&[]);
    assert!(uploads.s3.proxy.requests_for("PUT").is_empty());
    uploads.assert_uploaded();
    // A name that has a line break stays one line.
    let output = uploads.pass(&["--key", "again/{path}", "--dry-run"]).expect_code(0);
    assert!(!output.stdout.contains("line\nbreak"), "{output}");
}

#[test]
fn a_file_name_that_is_not_utf_8_blocks_no_other_file() {
    let uploads = Uploads::with(&["a.ts"]);
    let path = uploads.src("").join(OsStr::from_bytes(b"b\xff.ts"));
    std::fs::write(&path, "x").unwrap();
    set_mtime(&path, MTIME);
    uploads.pass(&["--delete"]).expect_code(3);
    uploads.assert_uploaded();
    assert!(path.exists());
}

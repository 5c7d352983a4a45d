//! `--verify` and `--reconcile` compare the bucket with the sources; and multipart uploads that no client will complete.

use std::fs;

use serde_json::Value;

use crate::support::s3_proxy::{Answer, Fault, Times, When};
use crate::support::tree;
use crate::support::uploads::{BUCKET, MTIME, MULTIPART, Uploads, content, set_mtime};

/// Five files of which the bucket has three as they are, one as another program stored it, and one not at all; and one
/// object that is not footage's.
fn apart() -> Uploads {
    let uploads = Uploads::with(&["same.ts", "replaced.ts", "removed.ts", "rotten.ts"]);
    uploads.file("big.ts", content("big", MULTIPART + 1000));
    uploads.quiet_pass(&[]);
    let bucket = uploads.s3.bucket(BUCKET);
    fs::remove_file(bucket.join("cams/removed.ts")).unwrap();
    for name in ["replaced.ts", "others.ts"] {
        uploads.scratch.write("other", content("other", 1000));
        let put = ["-X", "PUT", "--data-binary", "@other", "-f"];
        let path = format!("/{BUCKET}/cams/{name}");
        uploads.s3.curl(&path, &put).current_dir(uploads.scratch.path()).run().expect_code(0);
    }
    // As a disk does that fails: the time stays as it was.
    let mut bytes = content("rotten.ts", 1000);
    bytes[500] ^= 1;
    fs::write(uploads.src("rotten.ts"), bytes).unwrap();
    set_mtime(&uploads.src("rotten.ts"), MTIME);
    uploads.file("new.ts", "new");
    uploads.s3.proxy.clear_log();
    uploads
}

/// What a comparison that ends with this code has found, by path.
#[track_caller]
fn findings(uploads: &Uploads, code: i32, options: &[&str]) -> Vec<(String, String)> {
    let output = uploads.pass(&[options, &["--json"]].concat()).expect_code(code);
    let first = output.stdout.lines().next().unwrap_or_default();
    let found: Value = serde_json::from_str(first).unwrap_or_else(|e| panic!("{e}: {output}"));
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_else(|| panic!("{output}")).to_owned();
    let rows = found["findings"].as_array().unwrap_or_else(|| panic!("{output}"));
    let mut rows: Vec<_> = rows.iter().map(|row| (text(row, "path"), text(row, "status"))).collect();
    rows.sort();
    assert_eq!(found["only_in_bucket"], 1, "{output}");
    rows
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(path, status)| ((*path).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn verify_compares_everything_and_changes_nothing() {
    let uploads = apart();
    let files = |uploads: &Uploads| {
        let mut files = tree(uploads.src(""));
        files.retain(|path, _| !path.starts_with(".footage"));
        files
    };
    let (before, objects) = (files(&uploads), uploads.objects());
    let journal = fs::read(uploads.src(".footage/upload.journal")).unwrap();
    let expected =
        pairs(&[("new.ts", "missing"), ("removed.ts", "lost"), ("replaced.ts", "differs"), ("rotten.ts", "differs")]);
    assert_eq!(findings(&uploads, 3, &["--verify"]), expected);
    let output = uploads.pass(&["--verify"]).expect_code(3);
    assert!(output.stdout.contains("removed.ts") && !output.stdout.contains("same.ts"), "{output}");
    assert_eq!(files(&uploads), before);
    assert_eq!(uploads.objects(), objects);
    assert!(fs::read(uploads.src(".footage/upload.journal")).unwrap() == journal);
    let requests = uploads.s3.proxy.requests();
    assert!(requests.iter().all(|request| ["GET", "HEAD"].contains(&request.method.as_str())), "{requests:#?}");
}

#[test]
fn verify_without_differences_exits_with_0() {
    let uploads = Uploads::with(&["a.ts", "with space+%.ts"]);
    uploads.file("big.ts", content("big", MULTIPART + 1000));
    uploads.quiet_pass(&[]);
    let output = uploads.pass(&["--verify"]).expect_code(0);
    assert!(output.stdout.contains("3 same") && output.stdout.contains("by hash and size"), "{output}");
    let output = uploads.pass(&["--reconcile", "-v"]).expect_code(0);
    assert!(output.stderr.contains("3 unchanged by ETag and size; content not compared"), "{output}");
    // It needs no journal.
    fs::remove_dir_all(uploads.src(".footage")).unwrap();
    uploads.pass(&["--verify"]).expect_code(0);
}

/// This server says that its listings encode keys, and they do not: a plus would be read as a space, and there is one in every
/// name that `record` gives.
#[test]
fn a_listing_without_its_announced_url_encoding_loses_no_key() {
    let uploads = Uploads::with(&["2026-10-25_02-30-00+0200.ts", "2026-10-25_02-30-00+0100.ts"]);
    uploads.quiet_pass(&[]);
    for comparison in ["--verify", "--reconcile"] {
        let output = uploads.pass(&[comparison, "--json"]).expect_code(0);
        let first: Value = serde_json::from_str(output.stdout.lines().next().unwrap_or_default()).unwrap();
        assert_eq!((&first["files"]["same"], &first["only_in_bucket"]), (&2.into(), &0.into()), "{output}");
    }
    fs::remove_dir_all(uploads.src(".footage")).unwrap();
    let output = uploads.pass(&["--reconcile"]).expect_code(0);
    assert!(output.stdout.contains("2 found"), "{output}");
}

#[test]
fn reconcile_finds_what_the_bucket_has_lost_and_the_next_pass_sends_it_again() {
    let uploads = apart();
    let expected = pairs(&[("new.ts", "missing"), ("removed.ts", "lost"), ("replaced.ts", "lost")]);
    assert_eq!(findings(&uploads, 3, &["--reconcile"]), expected);
    assert!(uploads.s3.proxy.requests().iter().all(|request| ["GET", "HEAD"].contains(&request.method.as_str())));
    // An object that another program has stored under the key stays.
    uploads.pass(&["--delete"]).expect_code(3);
    let objects = uploads.objects();
    assert_eq!(objects["cams/removed.ts"], crate::support::Node::of(&content("removed.ts", 1000)));
    assert_eq!(objects["cams/replaced.ts"], crate::support::Node::of(&content("other", 1000)));
    assert!(uploads.src("replaced.ts").exists() && !uploads.src("removed.ts").exists());
}

#[test]
fn reconcile_notes_objects_that_the_journal_lacks() {
    let uploads = Uploads::with(&["a.ts", "with space+%.ts"]);
    uploads.file("big.ts", content("big", MULTIPART + 1000));
    uploads.quiet_pass(&[]);
    fs::remove_dir_all(uploads.src(".footage")).unwrap();
    let output = uploads.pass(&["--reconcile"]).expect_code(0);
    assert!(output.stdout.contains("3 found"), "{output}");
    uploads.assert_done(&[]);
}

/// An ETag of AWS's KMS looks like an MD5 and is none, and a listing does not tell which it is.
#[test]
fn verify_accepts_encrypted_objects() {
    const ETAG: &str = "0123456789abcdef0123456789abcdef";
    for size in [1000, MULTIPART + 1000] {
        let uploads = Uploads::new();
        uploads.file("a.ts", content("a", size));
        uploads.s3.proxy.fault("HEAD", Fault::Encrypt, Times::Always);
        uploads.s3.proxy.fault("PUT", Fault::Encrypt, Times::Always);
        uploads.quiet_pass(&[]);
        let body = format!(
            "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>cams/a.ts</Key><Size>{size}</Size>\
             <ETag>&quot;{ETAG}&quot;</ETag></Contents></ListBucketResult>"
        );
        let list = Answer { body, ..Answer::error(200, "").at(When::Refused) };
        uploads.s3.proxy.fault("GET list-type", list.into(), Times::Always);
        let output = uploads.pass(&["--verify"]).expect_code(0);
        // By the SHA-256 that is stored beside an object, other than beside one that came in parts.
        let has_sha256 = size < MULTIPART;
        assert!(output.stdout.contains(if has_sha256 { "1 same" } else { "1 unproven" }), "{output}");
        let output = uploads.pass(&["--reconcile"]).expect_code(0);
        assert!(output.stdout.contains("1 same"), "{output}");
        uploads.assert_done(&[]);
        uploads.file("a.ts", content("rotten", size));
        let output = uploads.pass(&["--verify"]).expect_code(if has_sha256 { 3 } else { 0 });
        assert!(output.stdout.contains(if has_sha256 { "1 differs" } else { "1 unproven" }), "{output}");
        // What is of another length is another all the same.
        uploads.file("a.ts", content("a", size + 1));
        let output = uploads.pass(&["--verify"]).expect_code(3);
        assert!(output.stdout.contains("1 differs"), "{output}");
    }
}

/// If a server refuses HEAD for one object, such as one encrypted with a customer's key, the others are compared all the same.
#[test]
fn verify_compares_an_object_by_its_listing_where_head_says_nothing() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.quiet_pass(&[]);
    uploads.file("b.ts", "new");
    let body = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>cams/a.ts</Key><Size>1000</Size>\
         <ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag></Contents></ListBucketResult>";
    let list = Answer { body: body.to_owned(), ..Answer::error(200, "").at(When::Refused) };
    uploads.s3.proxy.fault("GET list-type", list.into(), Times::Always);
    uploads.s3.proxy.fault("HEAD a.ts", Fault::error(400, "InvalidRequest"), Times::Always);
    let output = uploads.pass(&["--verify"]).expect_code(3);
    assert!(output.stdout.contains("1 differs, 1 missing"), "{output}");
}

#[test]
fn verify_fails_when_it_cannot_list() {
    for options in [["--verify"], ["--reconcile"]] {
        let uploads = Uploads::with(&["a.ts"]);
        uploads.quiet_pass(&[]);
        uploads.s3.proxy.fault("GET list-type", Answer::error(403, "AccessDenied").into(), Times::Always);
        uploads.pass(&options).expect_code(1);
        uploads.s3.proxy.clear_faults();
        uploads.s3.proxy.fault("GET list-type", Answer::error(503, "SlowDown").into(), Times::First(1));
        uploads.pass(&options).expect_code(0);
        // A listing that breaks off is none: nothing may be taken for lost.
        uploads.s3.proxy.clear_faults();
        let half = Answer { body: "<ListBucketResult><Contents><Key>x".into(), ..Answer::error(200, "") };
        uploads.s3.proxy.fault("GET list-type", half.into(), Times::Always);
        let output = uploads.pass(&options);
        assert!(matches!(output.code, Some(1 | 3 | 75)) && !output.stdout.contains("lost"), "{output}");
        uploads.s3.proxy.clear_faults();
        uploads.assert_done(&[]);
    }
}

#[test]
fn an_upload_that_was_abandoned_long_ago_is_aborted() {
    for (initiated, left) in [("2020-01-01T00:00:00.000Z", 0), ("2999-01-01T00:00:00.000Z", 1)] {
        let uploads = Uploads::with(&["a.ts", "b.ts"]);
        let begin = ["-X", "POST", "-f"];
        let output = uploads.s3.curl(&format!("/{BUCKET}/cams/a.ts?uploads="), &begin).run().expect_code(0);
        let (_, id) = output.stdout.split_once("<UploadId>").unwrap();
        let (id, _) = id.split_once('<').unwrap();
        assert_eq!(uploads.s3.open_uploads(), 1);
        // The server cannot list them.
        let body = format!(
            "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>cams/a.ts</Key>\
             <UploadId>{id}</UploadId><Initiated>{initiated}</Initiated></Upload><Upload><Key>cams/another/program.ts</Key>\
             <UploadId>x</UploadId><Initiated>{initiated}</Initiated></Upload></ListMultipartUploadsResult>"
        );
        let list = Answer { body, ..Answer::error(200, "").at(When::Refused) };
        uploads.s3.proxy.fault("GET uploads", list.into(), Times::Always);
        uploads.quiet_pass(&[]);
        uploads.assert_uploaded();
        uploads.pass(&["--reconcile"]).expect_code(0);
        assert_eq!(uploads.s3.open_uploads(), left, "begun {initiated}");
        assert!(uploads.s3.proxy.requests_for("DELETE program.ts").is_empty());
    }
}

/// An object that another program has stored, beside one of a file that was uploaded and removed.
#[test]
fn reconcile_lists_keys_that_no_file_and_no_journal_has() {
    let uploads = Uploads::with(&["a.ts", "gone + 1.ts"]);
    uploads.quiet_pass(&[]);
    fs::remove_file(uploads.src("gone + 1.ts")).unwrap();
    uploads.scratch.write("other", "x");
    let put = ["-X", "PUT", "--data-binary", "@other", "-f"];
    for key in ["cams/strange.txt", "camsite/elsewhere.txt"] {
        let path = format!("/{BUCKET}/{key}");
        uploads.s3.curl(&path, &put).current_dir(uploads.scratch.path()).run().expect_code(0);
    }
    let output = uploads.pass(&["--reconcile", "--json"]).expect_code(0);
    let found: Value = serde_json::from_str(output.stdout.lines().next().unwrap_or_default()).unwrap();
    assert_eq!(found["only_in_bucket"], 2, "{output}");
    assert_eq!(found["unknown_objects"], 1, "{output}");
    assert_eq!(found["unknown_keys"], serde_json::json!(["cams/strange.txt"]), "{output}");
    let output = uploads.pass(&["--reconcile"]).expect_code(0);
    assert!(output.stdout.contains("2 objects in the bucket alone, 1 of them unknown"), "{output}");
}

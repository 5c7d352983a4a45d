//! Large files go up in parts.

use std::collections::BTreeMap;
use std::fs;

use super::SOON;
use crate::support::s3_proxy::{Answer, Fault, Times};
use crate::support::uploads::{MTIME, MULTIPART, Uploads, content, set_mtime};

const BIG: usize = 40 << 20;

/// How often each part has reached the server, by the uploads' ids.
fn parts(uploads: &Uploads) -> BTreeMap<u32, usize> {
    let mut parts = BTreeMap::new();
    for request in uploads.s3.proxy.requests_for("PUT partNumber=") {
        if request.has_reached_server {
            *parts.entry(request.part_number().unwrap()).or_default() += 1;
        }
    }
    parts
}

#[test]
fn multipart_begins_at_sixteen_mebibytes() {
    let uploads = Uploads::new();
    uploads.file("below.ts", content("below", MULTIPART - 1));
    uploads.file("big.ts", content("big", BIG));
    uploads.quiet_pass(&[]);
    uploads.assert_uploaded();
    assert_eq!(uploads.s3.proxy.requests_for("POST below.ts").len(), 0);
    assert_eq!(uploads.s3.proxy.requests_for("POST big.ts ?uploads").len(), 1);
    let parts = parts(&uploads);
    assert!(parts.len() >= 2 && parts.values().all(|times| *times == 1), "{parts:?}");
    let lengths: Vec<u64> = uploads.s3.proxy.requests_for("PUT partNumber=").iter().map(|put| put.body_bytes).collect();
    assert_eq!(lengths.iter().sum::<u64>(), BIG as u64);
    let short = lengths.iter().filter(|length| **length < 5 << 20).count();
    assert!(short <= 1, "only the last part may be short: {lengths:?}");
    assert_eq!(uploads.s3.open_uploads(), 0);
    uploads.assert_done(&[]);
}

#[test]
fn parts_are_uploaded_in_parallel() {
    let uploads = Uploads::new();
    uploads.file("big.ts", content("big", BIG));
    let gates = [1, 2].map(|part| uploads.s3.proxy.hold(&format!("PUT partNumber={part}&"), 1000));
    let pass = uploads.footage(&["--jobs", "2"]).spawn();
    for gate in gates {
        gate.wait_reached(SOON);
    }
    pass.wait().expect_code(0);
    uploads.assert_uploaded();
}

/// Runs a pass until its second part stands at a gate, and kills it there. Then the first part has been stored.
fn interrupted() -> Uploads {
    interrupted_at(2)
}

/// The same with any of its three parts.
fn interrupted_at(part: u32) -> Uploads {
    let uploads = Uploads::new();
    uploads.file("big.ts", content("big", BIG));
    let gate = uploads.s3.proxy.hold(&format!("PUT partNumber={part}&"), 1000);
    let pass = uploads.footage(&["--jobs", "1"]).spawn();
    gate.wait_reached(SOON);
    pass.kill();
    pass.wait();
    gate.open();
    assert_eq!(uploads.s3.open_uploads(), 1);
    uploads.s3.proxy.clear_log();
    uploads
}

#[test]
fn the_next_pass_sends_only_the_missing_parts() {
    let uploads = interrupted();
    uploads.quiet_pass(&[]);
    uploads.assert_uploaded();
    assert_eq!(uploads.s3.proxy.requests_for("POST ?uploads").len(), 0, "begun anew");
    assert_eq!(uploads.s3.proxy.requests_for("PUT partNumber=1&").len(), 0, "part 1 was there");
    assert_eq!(uploads.s3.open_uploads(), 0);
}

/// s3rver, fauxqs, s3s-fs and others: the journal has the parts.
#[test]
fn list_parts_refused_continues_from_the_journal() {
    for (status, code) in
        [(405, "MethodNotAllowed"), (404, "NoSuchKey"), (500, "InternalError"), (501, "NotImplemented")]
    {
        let uploads = interrupted();
        uploads.s3.proxy.fault("GET uploadId=", Fault::error(status, code), Times::Always);
        uploads.quiet_pass(&[]);
        uploads.assert_uploaded();
        assert_eq!(parts(&uploads), BTreeMap::from([(2, 1), (3, 1)]), "{status}");
        assert!(uploads.s3.proxy.requests_for("GET uploadId=").len() <= 2, "{status}");
        assert_eq!(uploads.s3.open_uploads(), 0);
        uploads.assert_done(&[]);
    }
}

#[test]
fn parts_that_the_server_has_lost_are_sent_again_where_it_lists_none() {
    let uploads = interrupted();
    uploads.s3.proxy.fault("GET uploadId=", Fault::error(405, "MethodNotAllowed"), Times::Always);
    uploads.s3.proxy.fault("POST uploadId=", Fault::error(400, "InvalidPart"), Times::First(1));
    uploads.quiet_pass(&[]);
    uploads.assert_uploaded();
    assert_eq!(parts(&uploads).get(&1), Some(&1));
    assert_eq!(uploads.s3.open_uploads(), 0);
    uploads.assert_done(&[]);
}

/// One that a server always refuses to complete is not sent anew in every pass, but after `--retry-failed-after`.
#[test]
fn an_upload_that_stalls_is_begun_anew_after_retry_failed_after() {
    let uploads = interrupted();
    uploads.s3.proxy.fault("POST uploadId=", Fault::error(400, "InvalidRequest"), Times::Always);
    for _ in 0..4 {
        uploads.pass(&[]).expect_code(3);
    }
    assert_eq!(parts(&uploads), BTreeMap::from([(2, 1), (3, 1)]));
    uploads.s3.proxy.clear_faults();
    uploads.s3.proxy.clear_log();
    // It was begun some seconds ago.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    uploads.quiet_pass(&["--retry-failed-after", "1s"]);
    uploads.assert_uploaded();
    assert_eq!(parts(&uploads), BTreeMap::from([(1, 1), (2, 1), (3, 1)]));
    assert_eq!(uploads.s3.open_uploads(), 0, "the first one was not aborted");
    uploads.assert_done(&[]);
}

/// S3 lists a thousand parts at once; this server one.
#[test]
fn parts_listed_in_pages_are_not_sent_again() {
    let uploads = interrupted_at(3);
    let journal = fs::read_to_string(uploads.src(".footage/upload.journal")).unwrap();
    let lines = journal.lines().skip(1).map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let etags: BTreeMap<u64, String> =
        lines.filter_map(|line| Some((line["part"].as_u64()?, line["etag"].as_str()?.to_owned()))).collect();
    for (matcher, part, is_truncated) in [("GET uploadId=", 1, true), ("GET part-number-marker=1&", 2, false)] {
        let body = format!(
            "<ListPartsResult><IsTruncated>{is_truncated}</IsTruncated><NextPartNumberMarker>{part}</NextPartNumberMarker><Part>\
             <PartNumber>{part}</PartNumber><Size>{MULTIPART}</Size><ETag>&quot;{}&quot;</ETag></Part></ListPartsResult>",
            etags[&part]
        );
        let page = Answer { body, ..Answer::error(200, "") };
        uploads.s3.proxy.fault(matcher, page.into(), Times::First(1));
    }
    uploads.quiet_pass(&[]);
    uploads.assert_uploaded();
    assert_eq!(parts(&uploads), BTreeMap::from([(3, 1)]));
}

#[test]
fn a_multipart_upload_of_a_changed_file_is_restarted() {
    let uploads = interrupted();
    uploads.file("big.ts", content("changed", BIG));
    set_mtime(&uploads.src("big.ts"), MTIME + 60);
    uploads.quiet_pass(&[]);
    uploads.assert_uploaded();
    assert_eq!(uploads.s3.open_uploads(), 0, "the first one was not aborted");
}

#[test]
fn a_multipart_upload_under_another_key_is_aborted() {
    for jobs in ["1", "4"] {
        let uploads = interrupted();
        uploads.quiet_pass(&["--key", "other/{path}", "--jobs", jobs]);
        assert_eq!(uploads.s3.open_uploads(), 0, "the first one was not aborted");
        uploads.assert_done(&["--key", "other/{path}"]);
    }
}

#[test]
fn a_multipart_upload_of_a_removed_file_is_aborted() {
    let uploads = interrupted();
    fs::remove_file(uploads.src("big.ts")).unwrap();
    uploads.quiet_pass(&[]);
    assert_eq!(uploads.s3.open_uploads(), 0, "its upload was not aborted");
    uploads.assert_done(&[]);
}

#[test]
fn no_such_upload_restarts_the_multipart_upload() {
    let uploads = interrupted();
    for matcher in ["PUT uploadId=", "GET uploadId="] {
        uploads.s3.proxy.fault(matcher, Fault::error(404, "NoSuchUpload"), Times::First(1));
    }
    uploads.pass(&[]).expect_code(0);
    uploads.assert_uploaded();
    assert_eq!(parts(&uploads).get(&1), Some(&1), "part 1 was lost with its upload");
    uploads.assert_done(&[]);
}

#[test]
fn a_multipart_upload_that_cannot_be_completed_does_not_stop_the_others() {
    let uploads = Uploads::with(&["a.ts", "z.ts"]);
    uploads.file("big.ts", content("big", MULTIPART));
    let refused = Answer::error(400, "InvalidPart");
    uploads.s3.proxy.fault("POST uploadId=", refused.into(), Times::Always);
    uploads.pass(&["--delete"]).expect_code(3);
    assert_eq!(uploads.keys(), ["cams/a.ts", "cams/z.ts"]);
    assert!(uploads.src("big.ts").exists());
    uploads.s3.proxy.clear_faults();
    uploads.pass(&["--delete"]).expect_code(0);
    uploads.assert_uploaded();
    assert_eq!(uploads.s3.open_uploads(), 0);
}

/// Then an ETag verifies nothing, and a hash that was stored with the object has to.
#[test]
fn an_encrypting_server_is_verified_by_size_and_stored_sha256() {
    for size in [1000, MULTIPART + 1000] {
        let uploads = Uploads::new();
        uploads.file("a.ts", content("a", size));
        uploads.s3.proxy.fault("", Fault::Encrypt, Times::Always);
        uploads.quiet_pass(&["--sse", "aws:kms", "--storage-class", "STANDARD", "--delete"]);
        uploads.assert_uploaded();
        assert!(!uploads.src("a.ts").exists());
        let begun =
            uploads.s3.proxy.requests().into_iter().find(|request| ["PUT", "POST"].contains(&request.method.as_str()));
        let begun = begun.unwrap();
        assert_eq!(begun.header("x-amz-server-side-encryption"), Some("aws:kms"));
        assert_eq!(begun.header("x-amz-storage-class"), Some("STANDARD"));
        uploads.assert_done(&["--delete"]);

        // Of the same size, and without a hash: it may be anything.
        let uploads = Uploads::new();
        uploads.file("a.ts", content("a", size));
        uploads.scratch.write("other", content("other", size));
        let put = ["-X", "PUT", "--data-binary", "@other", "-f"];
        uploads.s3.curl("/footage/cams/a.ts", &put).current_dir(uploads.scratch.path()).run().expect_code(0);
        uploads.s3.proxy.fault("", Fault::Encrypt, Times::Always);
        let output = uploads.pass(&["--delete"]).expect_code(3);
        assert!(output.stderr.contains("cannot be compared") && uploads.src("a.ts").exists(), "{output}");
    }
}

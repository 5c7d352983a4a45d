//! Servers and networks that break off and lie.

use std::thread;
use std::time::{Duration, Instant};

use super::{SOON, assert_recovers};
use crate::support::s3_proxy::{Answer, Fault, Times, When};
use crate::support::uploads::{MULTIPART, Uploads, content};

/// Sent in one request, with and without asking first; and in parts.
const SIZES: [usize; 3] = [300_000, 3 << 20, MULTIPART + 300_000];

fn uploads(size: usize) -> Uploads {
    let uploads = Uploads::with(&["other.ts"]);
    uploads.file("a.ts", content("a", size));
    uploads
}

/// A fault that passes costs one more try, and the pass does all that it had to.
#[track_caller]
fn assert_tried_again(what: &str, matcher: &str, fault: &Fault, sizes: &[usize]) {
    thread::scope(|scope| {
        for size in sizes {
            scope.spawn(move || {
                let uploads = uploads(*size);
                uploads.s3.proxy.fault(matcher, fault.clone(), Times::First(1));
                let output = uploads.pass(&["--delete", "--timeout", "5"]);
                assert_eq!(output.code, Some(0), "{what}, {size} bytes: {output}");
                assert_recovers(&uploads);
            });
        }
    });
}

#[test]
fn status_500_and_503_are_retried() {
    for (status, code) in
        [(500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable"), (429, "TooManyRequests")]
    {
        for when in [When::Early, When::Refused] {
            let fault = Answer::error(status, code).at(when).into();
            assert_tried_again(&format!("{status} {when:?}"), "PUT a.ts", &fault, &SIZES);
        }
    }
}

#[test]
fn an_error_status_before_a_connection_reset_is_read() {
    let fault = Answer::error(503, "SlowDown").at(When::Rude).into();
    assert_tried_again("rude", "PUT a.ts", &fault, &SIZES);
}

/// Each byte comes within the timeout: of the head of an answer, and of a listing.
#[test]
fn an_answer_below_the_minimum_rate_times_out() {
    let uploads = uploads(300_000);
    uploads.s3.proxy.fault("HEAD a.ts", Fault::Drip, Times::First(1));
    let output = uploads.pass(&["--timeout", "0.2", "-v"]).expect_code(0);
    assert!(output.stderr.contains("no answer within --timeout; trying again"), "{output}");
    uploads.s3.proxy.fault("GET list-type=2", Fault::Drip, Times::First(1));
    let output = uploads.pass(&["--timeout", "0.2", "--verify", "-v"]).expect_code(0);
    assert!(output.stderr.contains("broke off: slower than 1.0 kB/s for "), "{output}");
}

#[test]
fn a_connection_reset_in_a_body_is_retried() {
    for after in [0, 1, 150_000, 299_999] {
        assert_tried_again(&format!("reset after {after}"), "PUT a.ts", &Fault::ResetRequest { after }, &SIZES);
    }
}

#[test]
fn a_reply_lost_after_the_put_is_retried() {
    assert_tried_again("lost reply", "PUT a.ts", &Fault::LoseReply, &SIZES);
}

#[test]
fn a_reply_that_never_arrives_times_out() {
    assert_tried_again("no reply", "PUT a.ts", &Fault::NoReply, &SIZES[..1]);
}

#[test]
fn a_server_that_stops_reading_times_out() {
    assert_tried_again("stops reading", "PUT a.ts", &Fault::StopReading { after: 1000 }, &SIZES[2..]);
}

#[test]
fn a_bit_flip_in_transfer_is_detected() {
    for at in [0, 299_999] {
        assert_tried_again("flipped", "PUT a.ts", &Fault::FlipByte { at }, &SIZES);
    }
}

#[test]
fn a_wrong_etag_is_no_verification() {
    let wrong = Some("\"d41d8cd98f00b204e9800998ecf8427e\"".to_owned());
    for size in SIZES {
        let uploads = uploads(size);
        let fault = Fault::Header { name: "etag", value: wrong.clone() };
        uploads.s3.proxy.fault("PUT a.ts", fault, Times::Always);
        let output = uploads.pass(&["--delete"]);
        assert_eq!(output.code, Some(3), "{size} bytes: {output}");
        assert!(uploads.src("a.ts").exists() && !uploads.src("other.ts").exists());
        assert_recovers(&uploads);
    }
}

#[test]
fn an_object_with_another_sha256_is_no_verification() {
    for size in SIZES {
        let uploads = uploads(size);
        let fault = Fault::Header { name: "etag", value: Some("\"d41d8cd98f00b204e9800998ecf8427e\"".into()) };
        uploads.s3.proxy.fault("HEAD a.ts", fault, Times::Always);
        let output = uploads.pass(&["--delete"]);
        assert_eq!(output.code, Some(3), "{size} bytes: {output}");
        assert!(uploads.src("a.ts").exists() && !uploads.src("other.ts").exists());
        assert_recovers(&uploads);
    }
}

#[test]
fn an_object_of_another_size_is_no_verification() {
    // The server has taken the file, and says afterwards that it has less.
    let uploads = uploads(SIZES[0]);
    let fault = Fault::Header { name: "content-length", value: Some("299999".into()) };
    uploads.pass(&["--pattern", "other.ts"]).expect_code(0);
    uploads.s3.proxy.fault("HEAD a.ts", fault, Times::Always);
    let output = uploads.pass(&["--delete"]);
    assert_eq!(output.code, Some(3), "{output}");
    assert!(uploads.src("a.ts").exists());
    assert_recovers(&uploads);
}

#[test]
fn complete_multipart_upload_errors_are_handled() {
    let error = |when| Answer { status: 200, ..Answer::error(200, "InternalError").at(when) };
    for (what, fault) in [
        ("an error with 200", error(When::Refused).into()),
        ("an error with 200 after the store", error(When::Done).into()),
        ("a lost reply", Fault::LoseReply),
        ("a reset", Fault::ResetRequest { after: 10 }),
        ("a reply that breaks off", Fault::CutReply { after: 100 }),
        ("500", Fault::error(500, "InternalError")),
        ("500 after the store", Answer::error(500, "InternalError").at(When::Done).into()),
    ] {
        let uploads = uploads(SIZES[2]);
        uploads.s3.proxy.fault("POST uploadId=", fault, Times::First(1));
        let output = uploads.pass(&["--delete"]);
        assert_eq!(output.code, Some(0), "{what}: {output}");
        let sent: u64 = uploads.s3.proxy.requests_for("PUT partNumber=").iter().map(|put| put.body_bytes).sum();
        assert!(sent < 2 * SIZES[2] as u64, "{what}: all parts were sent again");
        assert_recovers(&uploads);
    }
}

#[test]
fn create_multipart_upload_is_retried() {
    for fault in [Fault::error(503, "SlowDown"), Fault::ResetRequest { after: 0 }] {
        assert_tried_again("begin", "POST ?uploads", &fault, &SIZES[2..]);
    }
    // The id of an upload whose reply was lost is unknown; a server can list it.
    let uploads = uploads(SIZES[2]);
    uploads.s3.proxy.fault("POST ?uploads", Fault::LoseReply, Times::First(1));
    uploads.pass(&["--delete"]).expect_code(0);
    uploads.assert_uploaded();
}

#[test]
fn head_requests_that_fail_are_retried() {
    for (what, fault) in
        [("reset", Fault::LoseReply), ("503", Fault::error(503, "SlowDown")), ("cut", Fault::CutReply { after: 0 })]
    {
        assert_tried_again(what, "HEAD a.ts", &fault, &SIZES);
    }
}

#[test]
fn retry_after_is_respected() {
    let uploads = uploads(SIZES[0]);
    let answer = Answer::error(503, "SlowDown").with("Retry-After", "2");
    uploads.s3.proxy.fault("PUT a.ts", answer.into(), Times::First(1));
    let began = Instant::now();
    uploads.pass(&[]).expect_code(0);
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    uploads.assert_uploaded();
}

#[test]
fn status_500_for_every_request_deletes_nothing() {
    let uploads = uploads(SIZES[0]);
    uploads.s3.proxy.fault("", Fault::error(500, "InternalError"), Times::Always);
    let output = uploads.pass(&["--delete"]);
    assert!(matches!(output.code, Some(1 | 3 | 75)), "{output}");
    assert!(uploads.src("a.ts").exists() && uploads.src("other.ts").exists());
    assert_recovers(&uploads);
}

#[test]
fn a_server_that_becomes_unreachable_loses_no_file() {
    let mut uploads = uploads(SIZES[2]);
    let gate = uploads.s3.proxy.hold("PUT a.ts", 1000);
    let pass = uploads.footage(&["--delete"]).spawn();
    gate.wait_reached(SOON);
    uploads.s3.crash();
    gate.open();
    let output = pass.wait();
    assert!(matches!(output.code, Some(1 | 3 | 75)), "{output}");
    assert!(uploads.src("a.ts").exists());
    uploads.s3.come_back();
    assert_recovers(&uploads);
}

#[test]
fn an_unreachable_server_is_exit_code_75() {
    let mut uploads = uploads(SIZES[0]);
    uploads.s3.crash();
    for endpoint in ["http://no-such-host.invalid", "http://127.0.0.1:9"] {
        let output = uploads.pass(&["--delete", "--endpoint-url", endpoint]).expect_code(75);
        assert!(output.stderr.lines().count() == 1, "{output}");
        let output = uploads.pass(&["--delete", "--endpoint-url", endpoint, "--cron"]).expect_code(0);
        assert_eq!(output.stderr, "");
    }
    uploads.s3.come_back();
    assert_recovers(&uploads);
}

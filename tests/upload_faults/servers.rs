//! Servers that differ from S3: their ETags, and what they refuse.

use super::{SOON, assert_recovers};
use crate::support::s3_proxy::{Answer, Fault, Times, When};
use crate::support::uploads::{BUCKET, MULTIPART, Uploads, content};

const BIG: usize = MULTIPART + (1 << 20);

fn one_big() -> Uploads {
    let uploads = Uploads::new();
    uploads.file("big.ts", content("big", BIG));
    uploads
}

fn etag(value: &str) -> Fault {
    Fault::Header { name: "etag", value: Some(value.into()) }
}

fn md5_of(bytes: &[u8]) -> String {
    use md5::{Digest, Md5};
    format!("{:032x}", u128::from_be_bytes(Md5::digest(bytes).into()))
}

/// Cloudflare R2: the finished object has the usual ETag all the same.
#[test]
fn opaque_etags_of_parts_are_verified_in_the_first_pass() {
    let uploads = one_big();
    uploads.s3.proxy.fault("PUT partNumber=", etag("\"ABiZ0y2ZiIGWQkI1OaJrmD2kGTPCvHeyTAUy3wFYNH\""), Times::Always);
    uploads.quiet_pass(&["--delete"]);
    assert!(!uploads.src("big.ts").exists());
    assert_recovers(&uploads);
}

/// s3rver and rclone serve s3: HEAD has another ETag than the answer to `CompleteMultipartUpload`.
#[test]
fn an_etag_that_is_the_md5_of_the_whole_is_verified_in_the_first_pass() {
    let uploads = one_big();
    uploads.s3.proxy.fault("HEAD", etag(&format!("\"{}\"", md5_of(&content("big", BIG)))), Times::Always);
    uploads.quiet_pass(&["--delete"]);
    assert!(!uploads.src("big.ts").exists());
    assert_recovers(&uploads);

    let uploads = one_big();
    uploads.s3.proxy.fault("HEAD", etag(&format!("\"{}\"", md5_of(b"other"))), Times::Always);
    uploads.pass(&["--delete"]).expect_code(3);
    assert_recovers(&uploads);
}

#[test]
fn a_weak_etag_is_compared() {
    for size in [1000, BIG] {
        let uploads = Uploads::new();
        uploads.file("a.ts", content("a", size));
        uploads.s3.proxy.fault("PUT", etag(&format!("W/\"{}\"", md5_of(&content("a", size)))), Times::Always);
        uploads.s3.proxy.fault("PUT partNumber=", etag("W/\"opaque\""), Times::Always);
        uploads.s3.proxy.fault("HEAD", etag(&format!("W/\"{}\"", md5_of(&content("a", size)))), Times::Always);
        uploads.quiet_pass(&["--delete"]);
        assert_recovers(&uploads);
    }
}

#[test]
fn status_417_is_answered_without_expect() {
    let uploads = Uploads::new();
    for name in ["a.ts", "b.ts", "c.ts"] {
        uploads.file(name, content(name, 2 << 20));
    }
    uploads.s3.proxy.fault("PUT", Answer::error(417, "").at(When::Early).into(), Times::First(1));
    uploads.quiet_pass(&["--jobs", "1", "--delete"]);
    let expects: Vec<bool> =
        uploads.s3.proxy.requests_for("PUT").iter().map(|put| put.header("expect").is_some()).collect();
    assert_eq!(expects, [true, false, false, false]);
    assert_recovers(&uploads);
}

/// fauxqs: what was sent after `100 Continue` meets a reset connection.
#[test]
fn status_413_after_100_continue_is_named() {
    for size in [3 << 20, BIG] {
        let uploads = Uploads::with(&["small.ts"]);
        uploads.file("a.ts", content("a", size));
        uploads.s3.proxy.fault("PUT a.ts", Answer::error(413, "").at(When::Continued).into(), Times::Always);
        let output = uploads.pass(&["--delete"]).expect_code(3);
        assert!(output.stderr.contains("413") && output.stderr.contains("size"), "{output}");
        assert!(uploads.keys().contains(&"cams/small.ts".to_owned()));
        assert_recovers(&uploads);
    }
}

/// fauxqs accepts 11 MiB, other servers and proxies what they are set to.
#[test]
fn status_413_makes_parts_smaller_also_in_the_next_pass() {
    for size in [MULTIPART - 1, BIG] {
        let uploads = Uploads::new();
        uploads.file("a.ts", content("a", size));
        let too_large: Fault = Answer::error(413, "").at(When::Continued).into();
        uploads.s3.proxy.fault("PUT", too_large, Times::First(1));
        // The usual parts, of which the second may be on its way, are two.
        let gate = uploads.s3.proxy.hold("PUT partNumber=3&", 1000);
        let pass = uploads.footage(&["--jobs", "1"]).spawn();
        gate.wait_reached(SOON);
        pass.kill();
        pass.wait();
        gate.open();
        uploads.s3.proxy.clear_log();
        uploads.quiet_pass(&["--delete"]);
        let parts = uploads.s3.proxy.requests_for("PUT partNumber=");
        assert!(parts.iter().all(|part| part.body_bytes <= 5 << 20), "{parts:#?}");
        assert!(uploads.s3.proxy.requests_for("PUT partNumber=1&").is_empty(), "part 1 was there");
        assert!(!uploads.src("a.ts").exists());
        assert_recovers(&uploads);
    }
}

#[test]
fn a_full_bucket_ends_the_pass() {
    for (status, code) in [(403, "QuotaExceeded"), (507, "XMinioStorageFull"), (507, ""), (400, "BucketQuotaExceeded")]
    {
        let uploads = Uploads::with(&["a.ts", "b.ts", "c.ts"]);
        uploads.s3.proxy.fault("PUT", Fault::error(status, code), Times::Always);
        let output = uploads.pass(&["--delete", "--jobs", "1"]).expect_code(1);
        assert!(output.stderr.contains("full") && output.stderr.lines().count() == 1, "{output}");
        assert_eq!(uploads.s3.proxy.requests_for("PUT").len(), 1);
        assert_recovers(&uploads);
    }
}

#[test]
fn an_expired_token_is_named() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.s3.proxy.fault("", Fault::error(400, "ExpiredToken"), Times::Always);
    let output = uploads.pass(&[]).expect_code(1);
    assert!(output.stderr.contains("expired"), "{output}");
    assert_recovers(&uploads);
}

/// Supabase, and servers behind a path of a reverse proxy. What is signed is compared in `upload::s3::location`.
#[test]
fn an_endpoint_url_with_a_path_precedes_the_bucket() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.s3.proxy.be_quick([]);
    let endpoint = format!("{}/storage/v1/s3/", uploads.s3.endpoint());
    uploads.footage(&["--endpoint-url", &endpoint]).run().expect_code(0);
    uploads.footage(&["--endpoint-url", &endpoint, "--verify"]).run().expect_code(0);
    let targets: Vec<String> = uploads.s3.proxy.requests().into_iter().map(|request| request.target).collect();
    assert!(targets.contains(&"/storage/v1/s3/footage/cams/a.ts".to_owned()), "{targets:?}");
    assert!(targets.iter().all(|target| target.starts_with("/storage/v1/s3/footage")), "{targets:?}");

    let bucket = format!("{}/{BUCKET}", uploads.s3.endpoint());
    let output = uploads.footage(&["--endpoint-url", &bucket]).run().expect_code(2);
    assert!(output.stderr.contains("--to"), "{output}");
}

#[test]
fn virtual_addressing_of_an_ip_address_is_path_style() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.quiet_pass(&["--addressing", "virtual"]);
    uploads.assert_uploaded();
}

#[test]
fn a_prefix_that_no_key_can_have_is_a_usage_error() {
    let uploads = Uploads::with(&["a.ts"]);
    for prefix in ["a//b", "a/../b", ".", &"x".repeat(1100)] {
        let to = format!("s3://{BUCKET}/{prefix}");
        let output = uploads.footage(&["--to", &to]).run().expect_code(2);
        assert!(output.stderr.contains("--to"), "{output}");
    }
    assert!(uploads.s3.proxy.requests().is_empty());
}

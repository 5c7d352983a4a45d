//! Buckets that are missing, forbidden, or elsewhere.

use super::assert_recovers;
use crate::support::s3_proxy::{Answer, Fault, Times, When};
use crate::support::uploads::{MULTIPART, Uploads, content};

#[test]
fn no_such_bucket_ends_the_pass() {
    let uploads = Uploads::with(&["a.ts", "b.ts"]);
    for matcher in ["", "!HEAD"] {
        let missing = Answer::error(404, "NoSuchBucket").at(When::Early);
        uploads.s3.proxy.fault(matcher, missing.into(), Times::Always);
        let output = uploads.pass(&["--delete", "--jobs", "1"]).expect_code(1);
        assert!(output.stderr.contains("footage") && output.stderr.contains("bucket"), "{output}");
        assert!(uploads.s3.proxy.requests().len() <= 4);
        uploads.s3.proxy.clear_faults();
        uploads.s3.proxy.clear_log();
    }
    assert_recovers(&uploads);
}

#[test]
fn a_bucket_region_redirect_is_followed() {
    for names in [1, 5] {
        let uploads = Uploads::new();
        for n in 0..names {
            uploads.file(&format!("{n}.ts"), content("n", 1000 + n));
        }
        uploads.file("big.ts", content("big", MULTIPART));
        uploads.s3.proxy.only_region("ca-east-006");
        uploads.pass(&["--jobs", "1"]).expect_code(0);
        uploads.assert_uploaded();
        let turned_away = uploads.s3.proxy.requests_for("").iter().filter(|request| request.status == 301).count();
        assert!(turned_away <= 2, "each file asks for the way anew: {turned_away}");
        assert_recovers(&uploads);
    }
}

#[test]
fn a_bucket_region_redirect_loop_ends() {
    let uploads = Uploads::with(&["a.ts"]);
    let elsewhere = Answer::error(301, "PermanentRedirect").with("x-amz-bucket-region", "nowhere-1");
    uploads.s3.proxy.fault("", elsewhere.into(), Times::Always);
    uploads.pass(&["--delete"]).expect_code(1);
    assert!(uploads.s3.proxy.requests().len() <= 6, "{:#?}", uploads.s3.proxy.requests());
    assert_recovers(&uploads);
}

/// A signature is for one host: it does not follow to another one.
#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let (uploads, other) = (Uploads::with(&["a.ts"]), Uploads::new());
    let away = Answer::error(307, "TemporaryRedirect").with("Location", format!("{}/footage/x", other.s3.endpoint()));
    uploads.s3.proxy.fault("", away.at(When::Early).into(), Times::Always);
    let output = uploads.pass(&["--delete"]);
    assert!(matches!(output.code, Some(1 | 3)), "{output}");
    assert!(other.s3.proxy.requests().is_empty());
    assert_recovers(&uploads);
}

#[test]
fn an_endpoint_that_is_no_s3_server_ends_the_pass() {
    let uploads = Uploads::with(&["a.ts"]);
    for (status, body) in [(200, "<html>It works!</html>"), (200, ""), (404, "not found"), (204, "")] {
        let page = Answer { when: When::Refused, status, headers: Vec::new(), body: body.into() };
        uploads.s3.proxy.fault("", page.into(), Times::Always);
        let output = uploads.pass(&["--delete"]);
        assert!(matches!(output.code, Some(1 | 3)), "{status} {body:?}: {output}");
        assert!(uploads.src("a.ts").exists(), "{status} {body:?}: {output}");
        uploads.s3.proxy.clear_faults();
    }
    uploads.s3.proxy.fault("PUT", Fault::Header { name: "etag", value: None }, Times::Always);
    let output = uploads.pass(&["--delete"]);
    assert!(uploads.src("a.ts").exists() || output.code == Some(0), "{output}");
    assert_recovers(&uploads);
}

#[test]
fn a_wrong_region_is_one_error_before_any_file_fails() {
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; \
                     expecting 'eu-west-3'</Message></Error>";
    let unknown =
        "<Error><Code>InvalidRegionName</Code><Message>the region must be one of: wnam, eu-west-3</Message></Error>";
    let moved = "<Error><Code>PermanentRedirect</Code><Endpoint>x.s3.eu-west-3.amazonaws.com</Endpoint></Error>";
    for (status, body) in [(400, malformed), (400, unknown), (301, moved), (307, moved)] {
        let uploads = Uploads::with(&["a.ts", "b.ts", "c.ts", "d.ts", "e.ts", "f.ts"]);
        let answer = Answer { when: When::Early, status, headers: Vec::new(), body: body.into() };
        uploads.s3.proxy.fault("", answer.into(), Times::Always);
        let output = uploads.pass(&["--delete"]).expect_code(1);
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        assert!(output.stderr.contains("eu-west-3") && output.stderr.contains("--region"), "{output}");
        let report = uploads.report(1, &[]);
        assert_eq!(report["failures"], serde_json::json!([]), "{report}");
        assert_recovers(&uploads);
    }
}

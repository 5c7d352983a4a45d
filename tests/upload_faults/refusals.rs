//! Who is refused stops at once and keeps everything.

use super::assert_recovers;
use crate::support::s3_proxy::{Answer, Fault, Times, When};
use crate::support::uploads::{MULTIPART, Uploads, content};

#[test]
fn access_denied_ends_the_pass_at_once() {
    for (code, said) in [
        ("RequestTimeTooSkewed", "clock"),
        ("InvalidAccessKeyId", "key"),
        ("SignatureDoesNotMatch", "key"),
        ("AccessDenied", "footage"),
        ("ExpiredToken", ""),
    ] {
        for when in [When::Early, When::Refused] {
            let uploads = Uploads::with(&["a.ts", "b.ts", "c.ts", "d.ts", "e.ts"]);
            uploads.s3.proxy.fault("", Answer::error(403, code).at(when).into(), Times::Always);
            let output = uploads.pass(&["--delete", "--jobs", "1"]).expect_code(1);
            assert!(output.stderr.contains(said), "{code}: {output}");
            let requests = uploads.s3.proxy.requests();
            // HEAD cannot say why; one more request may ask.
            assert!(requests.len() <= 2, "{code}: it went on after it was refused: {requests:#?}");
            for name in ["a.ts", "b.ts", "c.ts", "d.ts", "e.ts"] {
                assert!(uploads.src(name).exists());
            }
            assert_recovers(&uploads);
        }
    }
}

#[test]
fn access_denied_for_a_part_ends_the_pass_and_keeps_the_parts() {
    let uploads = Uploads::new();
    uploads.file("big.ts", content("big", MULTIPART * 2));
    uploads.s3.proxy.fault("PUT partNumber=2&", Fault::error(403, "AccessDenied"), Times::Always);
    uploads.pass(&["--delete", "--jobs", "1"]).expect_code(1);
    assert_eq!(uploads.s3.proxy.requests_for("PUT partNumber=2&").len(), 1);
    uploads.s3.proxy.clear_faults();
    uploads.s3.proxy.clear_log();
    uploads.pass(&["--delete"]).expect_code(0);
    assert!(uploads.s3.proxy.requests_for("PUT partNumber=1&").is_empty());
    assert_recovers(&uploads);
}

#[test]
fn wrong_access_keys_are_refused_by_a_real_server() {
    for (variable, value) in [("AWS_ACCESS_KEY_ID", "AKIANOBODY"), ("AWS_SECRET_ACCESS_KEY", "wrong")] {
        let uploads = Uploads::with(&["a.ts", "b.ts"]);
        let output = uploads.footage(&["--delete", "--jobs", "1"]).env(variable, value).run().expect_code(1);
        assert!(!output.stderr.contains(value), "{output}");
        assert!(uploads.s3.proxy.requests().len() <= 2);
        assert_recovers(&uploads);
    }
}

/// With --cron it is logged once for as long as it lasts.
#[test]
fn with_cron_a_lasting_access_denied_is_logged_the_first_time_only() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.s3.proxy.fault("", Fault::error(403, "AccessDenied"), Times::Always);
    assert_ne!(uploads.pass(&["--cron"]).expect_code(1).stderr, "");
    assert_eq!(uploads.pass(&["--cron"]).expect_code(1).stderr, "");
    assert_recovers(&uploads);
}

#[test]
fn upload_to_a_server_with_b2_rules() {
    let uploads = Uploads::with(&["a.ts", "with space+.ts"]);
    uploads.s3.proxy.be_b2();
    uploads.file("b.ts", content("b", 3 << 20));
    uploads.file("big.ts", content("big", MULTIPART * 2));
    uploads.quiet_pass(&[]);
    let refused: Vec<_> = uploads.s3.proxy.requests().into_iter().filter(|request| request.status >= 400).collect();
    assert!(refused.iter().all(|request| request.status == 404 && request.method == "HEAD"), "{refused:#?}");
    uploads.assert_uploaded();
    assert_recovers(&uploads);
}

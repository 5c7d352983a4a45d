//! A server as the attacker.

use super::assert_recovers;
use crate::support::peak_kib;
use crate::support::s3_proxy::{Answer, Fault, Times};
use crate::support::tls::SelfSigned;
use crate::support::uploads::Uploads;

/// Each of them is a few letters, and takes much more than that in memory.
#[test]
fn an_xml_answer_of_absurdly_many_elements_is_bounded_in_memory() {
    let many = "<a/>".repeat(3 << 20);
    for (matcher, status, root, options) in [
        ("GET list-type", 200, "ListBucketResult", &["--verify"][..]),
        ("PUT", 400, "Error", &[]),
        ("PUT", 403, "Error", &[]),
    ] {
        let uploads = Uploads::with(&["a.ts"]);
        let body = format!("<{root}>{many}</{root}>");
        uploads.s3.proxy.fault(matcher, Answer { body, ..Answer::error(status, "") }.into(), Times::Always);
        let peak = uploads.scratch.join("peak");
        let output = uploads.footage(options).measured(&peak).run();
        assert!(matches!(output.code, Some(1 | 3 | 75)), "{matcher} {status}: {output}");
        // The answer itself is up to 16 MiB.
        assert!(peak_kib(&peak) < 100 << 10, "{matcher} {status}: {} KiB", peak_kib(&peak));
        assert_recovers(&uploads);
    }
}

#[test]
fn error_messages_of_a_server_are_cut() {
    let uploads = Uploads::with(&["a.ts"]);
    for (status, code) in [(400, "InvalidArgument"), (403, "AccessDenied"), (400, &*"X".repeat(100_000))] {
        let words = "because of this ".repeat(100_000);
        let body = format!("<Error><Code>{code}</Code><Message>{words}</Message></Error>");
        uploads.s3.proxy.fault("PUT", Answer { body, ..Answer::error(status, "") }.into(), Times::Always);
        let output = uploads.pass(&["-vv", "--json"]);
        assert!(matches!(output.code, Some(1 | 3)), "{output}");
        assert!(output.stderr.contains("because of this") && output.stderr.len() < 8000, "{}", output.stderr.len());
        assert!(output.stdout.len() < 8000, "{}", output.stdout.len());
        uploads.s3.proxy.clear_faults();
    }
    assert_recovers(&uploads);
}

#[test]
fn a_listing_whose_continuation_token_repeats_ends() {
    let uploads = Uploads::with(&["a.ts"]);
    let body = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>\
                <Contents><Key>cams/b.ts</Key><Size>1</Size></Contents></ListBucketResult>";
    let listing = Answer { body: body.into(), ..Answer::error(200, "") };
    uploads.s3.proxy.fault("GET list-type", listing.into(), Times::Always);
    for options in ["--verify", "--reconcile"] {
        let output = uploads.pass(&[options]).expect_code(1);
        assert!(output.stderr.contains("repeats itself"), "{output}");
    }
    assert!(uploads.s3.proxy.requests_for("GET list-type").len() <= 6);
    assert_recovers(&uploads);
}

#[test]
fn an_untrusted_certificate_gets_no_request() {
    let uploads = Uploads::with(&["a.ts"]);
    let server = SelfSigned::start();
    for options in [&[][..], &["--verify"]] {
        let output = uploads.pass(&[&["--endpoint-url", &server.url("")], options].concat());
        assert!(output.code == Some(1) && output.stderr.contains("its certificate is"), "{output}");
        server.assert_not_trusted();
    }
    assert_recovers(&uploads);
}

/// Each page is another one, and its key is new: no token comes twice.
#[test]
fn an_endless_listing_ends() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.s3.proxy.fault("GET list-type", Fault::EndlessListing, Times::Always);
    for options in ["--verify", "--reconcile"] {
        uploads.s3.proxy.clear_log();
        let output = uploads.pass(&[options]).expect_code(1);
        assert!(output.stderr.contains("does not end: 1000 objects on 1000 pages"), "{output}");
        assert_eq!(uploads.s3.proxy.requests_for("GET list-type").len(), 1000);
    }
    assert_recovers(&uploads);
}

//! Keys and secrets are used and never shown.

use std::path::Path;

use crate::support::modes::{UMASKS, assert_modes};
use crate::support::s3::{ACCESS_KEY, SECRET_KEY};
use crate::support::s3_proxy::{Answer, Fault, Times};
use crate::support::tree;
use crate::support::uploads::{MULTIPART, Uploads, content};

const TOKEN: &str = "FwoGZXIvYXdzEXAMPLETOKEN";

#[track_caller]
fn assert_clean(text: &str, place: &str) {
    for secret in [ACCESS_KEY, SECRET_KEY, TOKEN, "Signature=", "AWS4-HMAC"] {
        assert!(!text.contains(secret), "{secret} in {place}:\n{text}");
    }
}

/// What AWS says of a wrong signature: it repeats all that it was given.
fn talkative() -> Answer {
    let mut answer = Answer::error(403, "SignatureDoesNotMatch");
    answer.body = format!(
        "<Error><Code>SignatureDoesNotMatch</Code><Message>for {ACCESS_KEY} and {TOKEN}</Message>\
         <AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256</StringToSign></Error>"
    );
    answer
}

#[test]
fn no_output_and_no_file_of_a_pass_holds_a_secret() {
    for (behaviour, matcher, fault) in [
        ("no fault", "NOTHING", Fault::LoseReply),
        ("talkative", "PUT", talkative().into()),
        ("redirects", "PUT", Answer::error(307, "TemporaryRedirect").with("Location", "http://127.0.0.1:9/x").into()),
        ("in parts", "POST uploadId=", Fault::error(400, "InvalidPart")),
        ("breaks off", "PUT", Fault::ResetRequest { after: 10 }),
    ] {
        let uploads = Uploads::with(&["a.ts"]);
        if behaviour == "in parts" {
            uploads.file("big.ts", content("big", MULTIPART));
        }
        uploads.s3.proxy.fault(matcher, fault, Times::Always);
        for format in ["text", "json"] {
            let options = ["-vv", "--json", "--log-format", format, "--metrics-file", "metrics"];
            let output = uploads.footage(&options).env("AWS_SESSION_TOKEN", TOKEN).run();
            assert!(output.stderr.len() > 10, "{behaviour}: there is something to look at");
            assert_clean(&output.stdout, &format!("stdout, {behaviour}"));
            assert_clean(&output.stderr, &format!("stderr, {behaviour}"));
            for path in tree(uploads.scratch.path()).into_keys().filter(|path| !path.starts_with(Path::new("s3"))) {
                let bytes = std::fs::read(uploads.scratch.join(&path)).unwrap_or_default();
                assert_clean(&String::from_utf8_lossy(&bytes), &path.display().to_string());
            }
        }
        let sent = uploads.s3.proxy.requests();
        assert!(sent.iter().all(|request| request.header("x-amz-security-token") == Some(TOKEN)), "{behaviour}");
    }
}

#[test]
fn errors_about_to_and_endpoint_redact_passwords() {
    let uploads = Uploads::with(&["a.ts"]);
    for options in [
        ["--endpoint-url", &format!("http://user:{TOKEN}@127.0.0.1:9")],
        ["--to", &format!("s3://user:{TOKEN}@footage/x")],
        ["--metrics-pushgateway-url", &format!("ftp://user:{TOKEN}@push")],
    ] {
        let output = uploads.pass(&options).expect_code(2);
        assert_clean(&output.stderr, "stderr");
    }
}

#[test]
fn process_arguments_hold_no_secret() {
    let uploads = Uploads::with(&["a.ts"]);
    let gate = uploads.s3.proxy.hold("PUT", 500);
    let pass = uploads.footage(&[]).spawn();
    gate.wait_reached(super::SOON);
    let arguments = std::fs::read(format!("/proc/{}/cmdline", pass.id())).unwrap();
    assert_clean(&String::from_utf8_lossy(&arguments), "the arguments");
    gate.open();
    pass.wait().expect_code(0);
}

#[test]
fn file_modes_follow_the_umask() {
    for umask in UMASKS {
        let uploads = Uploads::with(&["a.ts"]);
        uploads.footage(&["--delete"]).under_umask(umask).run().expect_code(0);
        assert_modes(&uploads.src(".footage"), 3, umask);
    }
}

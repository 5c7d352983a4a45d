//! Whom TLS trusts: `--ca-bundle`, `AWS_CA_BUNDLE`, `ca_bundle`, `SSL_CERT_FILE`; and why a certificate is refused.

use crate::support::camera::{Api, Camera};
use crate::support::tls::{Authority, TlsRelay, own_signed};
use crate::support::uploads::Uploads;
use crate::support::{Output, Scratch};

/// A bucket behind TLS.
struct Bench {
    uploads: Uploads,
}

impl Bench {
    fn new() -> Self {
        Self { uploads: Uploads::with(&["a.ts"]) }
    }

    fn relay(&self, certificate: &crate::support::tls::Certificate) -> TlsRelay {
        TlsRelay::start(certificate, self.uploads.s3.proxy.address().port())
    }

    fn pass(&self, url: &str, variables: &[(&str, &str)], options: &[&str]) -> Output {
        let program = self.uploads.footage(&[&["--endpoint-url", url], options].concat());
        variables.iter().fold(program, |program, (name, value)| program.env(name, value)).run()
    }
}

#[test]
fn ca_bundle_is_found_in_options_aws_and_ssl_cert_file_in_this_order() {
    let bench = Bench::new();
    let authority = Authority::new(&bench.uploads.scratch);
    let relay = bench.relay(&authority.sign("nas", "IP:127.0.0.1"));
    let ours = authority.path.display().to_string();
    let other = own_signed(&bench.uploads.scratch, "other", "/CN=Other", &[]).path.display().to_string();
    let write_config =
        |path: &str| bench.uploads.scratch.write("home/.aws/config", format!("[default]\nca_bundle={path}\n"));

    let refused = bench.pass(&relay.url(), &[], &[]).expect_code(1);
    assert!(refused.stderr.contains("is not trusted") && refused.stderr.contains("--ca-bundle"), "{refused}");

    // Each is the first that is set; what comes later does not count, nor do Mozilla's.
    let places = ["--ca-bundle", "FOOTAGE_CA_BUNDLE", "AWS_CA_BUNDLE", "ca_bundle", "SSL_CERT_FILE"];
    for (first, place) in places.iter().enumerate() {
        for is_right in [true, false] {
            let path = |n: usize| if (n == first) == is_right { &ours } else { &other };
            write_config(if first <= 3 { path(3) } else { "" });
            let mut variables: Vec<(&str, &str)> = vec![("SSL_CERT_FILE", path(4))];
            if first <= 2 {
                variables.push(("AWS_CA_BUNDLE", path(2)));
            }
            if first <= 1 {
                variables.push(("FOOTAGE_CA_BUNDLE", path(1)));
            }
            let options: &[&str] = if first == 0 { &["--ca-bundle", path(0), "--verify"] } else { &["--verify"] };
            // There is nothing in the bucket: 3.
            let code = if is_right { 3 } else { 1 };
            let passed = bench.pass(&relay.url(), &variables, options).expect_code(code);
            assert_eq!(passed.stderr.contains("not trusted"), !is_right, "{place} {passed}");
        }
    }
    write_config("~/../ca.pem");
    bench.pass(&relay.url(), &[], &[]).expect_silence_but_for_removals();
    bench.uploads.assert_uploaded();
}

#[test]
fn a_certificate_is_refused_with_its_cause() {
    let bench = Bench::new();
    let authority = Authority::new(&bench.uploads.scratch);
    let ours = authority.path.display().to_string();
    for (certificate, texts) in [
        (
            authority.sign_by_a_clock("+100d", "future", "IP:127.0.0.1"),
            ["is not valid yet", "clock of this machine says"],
        ),
        (authority.sign_by_a_clock("-100d", "past", "IP:127.0.0.1"), ["expired at", "renew"]),
        (authority.sign("other-name", "DNS:nas.example.com"), ["another name than 127.0.0.1", "nas.example.com"]),
    ] {
        let relay = bench.relay(&certificate);
        let refused = bench.pass(&relay.url(), &[], &["--ca-bundle", &ours]).expect_code(1);
        assert!(texts.iter().all(|text| refused.stderr.contains(text)), "{texts:?} {refused}");
        assert_eq!(refused.stderr.lines().count(), 1, "{refused}");
    }
    let plain = bench.uploads.s3.server_endpoint().replace("http://", "https://");
    let refused = bench.pass(&plain, &[], &["--ca-bundle", &ours]).expect_code(1);
    assert!(refused.stderr.contains("does not speak TLS") && refused.stderr.contains("write http://"), "{refused}");
    assert!(bench.uploads.keys().is_empty());
}

#[test]
fn a_bundle_without_certificates_is_wrong_usage() {
    let bench = Bench::new();
    let scratch = &bench.uploads.scratch;
    let der = scratch.write("ca.der", [0x30, 0x82, 1, 2]).display().to_string();
    let empty = scratch.write("empty.pem", "").display().to_string();
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let damaged = scratch.write("damaged.pem", damaged).display().to_string();
    let missing = scratch.join("missing.pem").display().to_string();
    for (path, why) in [
        (&missing, "cannot read"),
        (&empty, "has no certificate"),
        (&damaged, "has no certificate"),
        (&der, "openssl x509 -inform der"),
    ] {
        for (name, variables, options) in [
            ("--ca-bundle", &[][..], &["--ca-bundle", path.as_str()][..]),
            ("AWS_CA_BUNDLE", &[("AWS_CA_BUNDLE", path.as_str())][..], &[][..]),
            ("SSL_CERT_FILE", &[("SSL_CERT_FILE", path.as_str())][..], &[][..]),
        ] {
            let refused = bench.pass("https://127.0.0.1:1", variables, options).expect_code(2);
            let named = refused.stderr.contains(name) && refused.stderr.contains(path.as_str());
            assert!(named && refused.stderr.contains(why), "{refused}");
        }
    }
    // Without TLS no bundle is read, other than one that is asked for.
    bench.pass(&bench.uploads.s3.endpoint(), &[("SSL_CERT_FILE", &missing)], &[]).expect_silence_but_for_removals();
    bench.pass(&bench.uploads.s3.endpoint(), &[], &["--ca-bundle", &missing]).expect_code(2);
}

#[test]
fn ca_bundle_is_trusted_by_dashcam_and_for_pushgateways() {
    let scratch = Scratch::new();
    let camera = Camera::start(Api::Old);
    camera.add_recording("20181029_131513_NF", 5000);
    let port = camera.address().rsplit_once(':').expect("a port").1.parse().expect("a number");
    let authority = Authority::new(&scratch);
    let relay = TlsRelay::start(&authority.sign("cam", "IP:127.0.0.1,DNS:localhost"), port);
    let url = relay.url();
    let refused = scratch.footage(["dashcam", &url, "-d", "dest"]).run().expect_code(1);
    assert!(refused.stderr.contains("--ca-bundle"), "{refused}");
    let bundle = authority.path.display().to_string();
    // The camera answers for a Pushgateway with 404, which is an answer.
    let push = format!("https://localhost:{}", relay.port());
    let options = ["-d", "dest", "--ca-bundle", &bundle, "--metrics-pushgateway-url", &push];
    let passed = scratch.footage(["dashcam", &url]).args(options).run().expect_code(0);
    assert!(passed.stderr.contains("the metrics were not pushed: http status: "), "{passed}");
    assert!(scratch.join("dest/20181029_131513_NF.mp4").exists());
}

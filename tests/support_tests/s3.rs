//! The S3 server and the proxy in front of it, seen by curl.

use std::fs;

use super::{EMPTY_REPLY, PARTIAL_FILE, RECEIVE_ERROR, SOON, TIMEOUT};
use crate::support::s3::S3;
use crate::support::s3_proxy::{Answer, Fault, Times, When};
use crate::support::{Output, Scratch, seeded};

const SEND_ERROR: i32 = 55;
const SIZE: usize = 300_000;
const PATH: &str = "/bucket/cam%201/a%2Bb.ts";
const KEY: &str = "cam 1/a+b.ts";

/// Uploads the file without asking first whether it is wanted, as `-T` does.
const PUT: [&str; 4] = ["-X", "PUT", "--data-binary", "@file"];

struct Bench {
    s3: S3,
    scratch: Scratch,
}

impl Bench {
    fn new() -> Self {
        let scratch = Scratch::new();
        scratch.write("file", seeded(1).bytes(SIZE));
        Self { s3: S3::start(&scratch, "bucket"), scratch }
    }

    fn with(matcher: &str, fault: impl Into<Fault>) -> Self {
        let bench = Self::new();
        bench.s3.proxy.fault(matcher, fault.into(), Times::Always);
        bench
    }

    fn curl(&self, path: &str, options: &[&str]) -> Output {
        let common = ["-D", "head", "-o", "body"];
        self.s3.curl(path, &[&common, options].concat()).current_dir(self.scratch.path()).run()
    }

    fn put(&self) -> Output {
        self.curl(PATH, &PUT)
    }

    fn head(&self) -> String {
        fs::read_to_string(self.scratch.join("head")).unwrap_or_default()
    }

    fn body(&self) -> Vec<u8> {
        fs::read(self.scratch.join("body")).unwrap_or_default()
    }

    fn stored(&self) -> Option<Vec<u8>> {
        fs::read(self.s3.bucket("bucket").join(KEY)).ok()
    }
}

#[test]
fn s3_server_returns_put_objects() {
    let mut bench = Bench::new();
    let sent = seeded(1).bytes(SIZE);
    for way in [&PUT[..], &["-T", "file"]] {
        bench.curl(PATH, way).expect_code(0);
        assert_eq!(bench.head().contains("100 Continue"), way == ["-T", "file"]);
        assert!(bench.head().contains("HTTP/1.1 200 OK"), "{}", bench.head());
        assert!(bench.stored().as_ref() == Some(&sent));
    }
    bench.s3.crash();
    bench.s3.come_back();
    bench.curl(PATH, &[]).expect_code(0);
    assert!(bench.body() == sent);
    bench.curl("/bucket?list-type=2", &[]).expect_code(0);
    assert!(String::from_utf8_lossy(&bench.body()).contains("<Key>cam 1/a+b.ts</Key>"));
    assert_eq!(bench.s3.objects("bucket").into_keys().collect::<Vec<_>>(), [KEY]);

    let log = bench.s3.proxy.requests();
    assert_eq!(log.iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["PUT", "PUT", "GET", "GET"]);
    assert!(log.iter().all(|request| request.status == 200 && request.has_reached_server && request.finished));
    assert_eq!((log[0].target.as_str(), log[0].body_bytes), (PATH, SIZE as u64));
    assert_eq!(log[0].signed_by(), Some((crate::support::s3::ACCESS_KEY, "us-east-1")));
    assert!(log[0].is("PUT a%2Bb cam") && !log[0].is("PUT a%2Bb !cam") && !log[0].is("GET cam"));
}

#[test]
fn s3_server_checks_signatures() {
    let bench = Bench::new();
    for options in [&["-u", "AKIAFOOTAGETESTS:wrong"][..], &["-u", "AKIANOBODY:x"], &["-H", "x-amz-content-sha256: 00"]]
    {
        bench.curl(PATH, &[options, &PUT].concat()).expect_code(0);
        let head = bench.head();
        assert!(head.starts_with("HTTP/1.1 4"), "{options:?} {head}");
        assert!(bench.stored().is_none());
    }
}

#[test]
fn s3_proxy_replaces_answers() {
    let slow_down = Answer::error(503, "SlowDown").with("Retry-After", "7");
    for (when, code, reaches) in
        [(When::Early, 0, false), (When::Refused, 0, false), (When::Done, 0, true), (When::Rude, SEND_ERROR, false)]
    {
        let bench = Bench::with("PUT a%2Bb", slow_down.clone().at(when));
        let output = bench.put();
        // A short file may be sent whole before the reset comes.
        assert!(output.code == Some(code) || when == When::Rude, "{when:?} {output}");
        assert_eq!(bench.stored().is_some(), reaches, "{when:?}");
        if when != When::Rude {
            assert!(bench.head().contains("Retry-After: 7\r\n"), "{when:?} {}", bench.head());
            assert!(String::from_utf8_lossy(&bench.body()).contains("<Code>SlowDown</Code>"));
        }
        assert_eq!(bench.s3.proxy.requests()[0].has_reached_server, reaches, "{when:?}");
    }
}

#[test]
fn s3_proxy_breaks_off_requests() {
    let bench = Bench::with("PUT", Fault::ResetRequest { after: 100_000 });
    let output = bench.put();
    assert!([Some(SEND_ERROR), Some(RECEIVE_ERROR)].contains(&output.code), "{output}");
    let log = bench.s3.proxy.requests();
    assert_eq!((log[0].body_bytes, log[0].status, log[0].has_reached_server), (100_000, 0, false));
    assert!(bench.stored().is_none());

    let bench = Bench::with("PUT", Fault::StopReading { after: 0 });
    bench.curl(PATH, &[&PUT[..], &["-m", "1"]].concat()).expect_code(TIMEOUT);
    assert!(bench.stored().is_none());

    let bench = Bench::with("PUT", Fault::FlipByte { at: 70_000 });
    bench.put().expect_code(0);
    let mut flipped = seeded(1).bytes(SIZE);
    flipped[70_000] ^= 1;
    assert!(bench.stored() == Some(flipped));
}

#[test]
fn s3_proxy_breaks_off_replies() {
    let bench = Bench::with("PUT", Fault::LoseReply);
    let output = bench.put();
    assert!([EMPTY_REPLY, RECEIVE_ERROR].map(Some).contains(&output.code), "{output}");
    assert!(bench.stored().is_some());

    let bench = Bench::with("PUT", Fault::NoReply);
    bench.curl(PATH, &[&PUT[..], &["-m", "1"]].concat()).expect_code(TIMEOUT);
    assert!(bench.stored().is_some());

    let bench = Bench::with("GET", Fault::CutReply { after: 1234 });
    bench.put().expect_code(0);
    bench.curl(PATH, &[]).expect_code(PARTIAL_FILE);
    assert!(bench.body() == seeded(1).bytes(SIZE)[..1234]);

    let bench = Bench::with("PUT", Fault::Header { name: "etag", value: Some("\"wrong\"".into()) });
    bench.put().expect_code(0);
    assert!(bench.head().contains("etag: \"wrong\"\r\n") && bench.head().matches("tag:").count() == 1);
}

#[test]
fn memory_s3_server_keeps_lengths_and_etags() {
    let bench = Bench::new();
    let known = (0..2500).map(|n| (format!("/bucket/known/{n:04}.ts"), vec![0; n]));
    bench.s3.proxy.be_quick(known);
    bench.put().expect_code(0);
    assert_eq!(bench.s3.proxy.kept(), 2501);
    assert!(bench.stored().is_none(), "the real server was asked");
    bench.curl(PATH, &["-I"]).expect_code(0);
    assert!(
        bench.head().contains("Content-Length: 300000\r\n") && bench.head().contains("ETag: \""),
        "{}",
        bench.head()
    );
    let page = |query: &str| {
        bench.curl(&format!("/bucket?list-type=2{query}&prefix=known%2F"), &[]).expect_code(0);
        let text = String::from_utf8(bench.body()).expect("XML");
        let next =
            text.split_once("<NextContinuationToken>").map(|(_, rest)| rest.split('<').next().unwrap_or_default());
        (text.matches("<Key>known/").count(), next.map(str::to_owned))
    };
    assert_eq!(page(""), (1000, Some("known/0999.ts".into())));
    assert_eq!(page("&continuation-token=known%2F1999.ts"), (500, None));
}

#[test]
fn s3_proxy_gate_pauses_a_body() {
    let bench = Bench::new();
    let gate = bench.s3.proxy.hold("PUT", 150_000);
    let put = bench.s3.curl(PATH, &PUT).current_dir(bench.scratch.path()).spawn();
    gate.wait_reached(SOON);
    assert_eq!(bench.s3.proxy.requests()[0].body_bytes, 150_000);
    assert!(bench.stored().is_none());
    gate.open();
    put.wait().expect_code(0);
    assert!(bench.stored().is_some());
}

#[test]
fn b2_rules_refuse_what_b2_refuses() {
    let bench = Bench::new();
    bench.s3.proxy.be_b2();
    for header in [
        "x-amz-checksum-crc32: AAAAAA==",
        "x-amz-sdk-checksum-algorithm: CRC32",
        "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "If-None-Match: *",
    ] {
        bench.curl(PATH, &[&PUT[..], &["-H", header]].concat()).expect_code(0);
        let head = bench.head();
        assert!(head.contains(" 400 ") || head.contains(" 501 "), "{header} {head}");
    }
    assert!(bench.stored().is_none());
    bench.put().expect_code(0);
    assert!(bench.stored().is_some());
}

#[test]
fn a_bucket_is_in_one_region() {
    let bench = Bench::new();
    bench.s3.proxy.only_region("ca-east-006");
    bench.put().expect_code(0);
    let head = bench.head();
    assert!(head.starts_with("HTTP/1.1 301 ") && head.contains("x-amz-bucket-region: ca-east-006\r\n"), "{head}");
    assert!(bench.stored().is_none());
    bench.curl(PATH, &[&PUT[..], &["--aws-sigv4", "aws:amz:ca-east-006:s3"]].concat()).expect_code(0);
    assert!(bench.stored().is_some());
}

//! Metrics, as a file and to a Pushgateway.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::SystemTime;

use base64::Engine;

use super::{Bench, NAME, SOON};
use crate::support::camera::{Api, Fault, How, Listing, Times};
use crate::support::raw::RawServer;

/// What a Pushgateway was sent.
pub(super) struct Pushed {
    method: String,
    pub(super) path: String,
    content_type: String,
    authorization: Option<String>,
    pub(super) body: String,
}

/// A Pushgateway that answers every request with one status.
pub(super) struct Gateway {
    pub(super) address: String,
    pushed: Receiver<Pushed>,
}

impl Gateway {
    pub(super) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let (sender, pushed) = channel();
        // It ends with the test: the test does not wait for its last accept.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(&stream);
                let mut line = String::new();
                let mut next = || {
                    line.clear();
                    reader.read_line(&mut line).map(|_| line.trim_end().to_owned()).unwrap_or_default()
                };
                let first = next();
                let mut words = first.split(' ').map(str::to_owned);
                let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let mut headers = BTreeMap::new();
                loop {
                    let header = next();
                    let Some((name, value)) = header.split_once(':') else { break };
                    headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
                }
                let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
                let mut body = vec![0; length];
                let _ = reader.read_exact(&mut body);
                let _ = write!(&stream, "HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let body = String::from_utf8_lossy(&body).into_owned();
                let content_type = headers.remove("content-type").unwrap_or_default();
                let authorization = headers.remove("authorization");
                if sender.send(Pushed { method, path, content_type, authorization, body }).is_err() {
                    return;
                }
            }
        });
        Self { address, pushed }
    }

    #[track_caller]
    pub(super) fn next(&self) -> Pushed {
        self.pushed.recv_timeout(SOON).expect("a push")
    }
}

/// Reads Prometheus text strictly: each metric has its HELP and its TYPE before its samples, all in one place, no
/// sample comes twice, and counters alone end in `_total`. Returns the values by name and labels.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    assert!(text.ends_with('\n'), "the last line ends too");
    let (mut helped, mut typed, mut samples) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no text: {line}"));
            assert!(is_name(name) && !help.trim().is_empty() && helped.insert(name.to_owned()), "{line}");
            name.clone_into(&mut current);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
            assert!(name == current && typed.insert(name.to_owned()), "a TYPE follows its HELP, once: {line}");
            assert!(["gauge", "counter"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
            let value: f64 = value.parse().unwrap_or_else(|e| panic!("{e}: {line}"));
            assert!(value.is_finite(), "{line}");
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("no end: {line}"))),
                None => (series, ""),
            };
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (name, value) = label.split_once('=').unwrap_or_else(|| panic!("no label: {line}"));
                assert!(is_name(name) && value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
            }
            assert!(name == current && typed.contains(name), "a sample stands below its TYPE: {line}");
            assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    assert_eq!(helped, typed, "no HELP without a TYPE");
    samples
}

/// A pass with these options and its metrics, without `footage_dashcam_`.
fn metrics(bench: &Bench, options: &[&str], code: i32) -> BTreeMap<String, f64> {
    bench.pass(&[options, &["--metrics-file", "metrics.prom"]].concat()).expect_code(code);
    let text = std::fs::read_to_string(bench.scratch.join("metrics.prom")).expect("metrics");
    let named = |(name, value): (String, f64)| {
        let name = name.strip_prefix("footage_dashcam_").unwrap_or_else(|| panic!("{name} has no prefix"));
        (name.to_owned(), value)
    };
    parse(&text).into_iter().map(named).collect()
}

#[track_caller]
fn assert_values(metrics: &BTreeMap<String, f64>, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        assert_eq!(metrics.get(*name), Some(value), "{name} of {metrics:#?}");
    }
}

fn now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64()
}

/// A number as Prometheus has it; the ones here are small.
fn float(number: u64) -> f64 {
    f64::from(u32::try_from(number).expect("a small number"))
}

#[test]
fn metrics_of_a_pass_without_failures() {
    let bench = Bench::with([NAME, "20181028_131613_PF"]);
    let began = now();
    let seen = metrics(&bench, &["-i", "N"], 0);
    assert_values(
        &seen,
        &[
            ("last_run_success", 1.0),
            ("last_run_exit_code", 0.0),
            ("seen_recordings", 2.0),
            ("selected_recordings", 1.0),
            ("last_run_arrived_files", 4.0),
            ("last_run_transferred_bytes", float(bench.camera.body_bytes_served())),
            ("failed_marker_files", 0.0),
            ("last_run_failure{reason=\"away\"}", 0.0),
            ("last_run_failed_files{reason=\"http\"}", 0.0),
            ("last_run_removed_files{reason=\"expired\"}", 0.0),
        ],
    );
    for name in ["last_run_timestamp_seconds", "last_arrival_timestamp_seconds"] {
        assert!((began..now() + 1.0).contains(&seen[name]), "{name}");
    }
    assert!((0.0..60.0).contains(&seen["last_run_duration_seconds"]) && seen["last_run_duration_seconds"] > 0.0);
    assert!((0.0..=1.0).contains(&seen["disk_used_ratio"]));

    let again = metrics(&bench, &["-i", "N"], 0);
    assert_values(
        &again,
        &[("last_run_arrived_files", 0.0), ("last_run_transferred_bytes", 0.0), ("last_run_success", 1.0)],
    );
    assert_values(&again, &[("last_arrival_timestamp_seconds", seen["last_arrival_timestamp_seconds"])]);
    assert!(again.keys().eq(seen.keys()), "the same series at every pass");
}

#[test]
fn every_blackvuesync_metric_has_an_equivalent() {
    let bench = Bench::with([NAME]);
    let seen = metrics(&bench, &[], 0);
    for name in [
        "last_run_timestamp_seconds",
        "last_run_success",
        "last_run_exit_code",
        "last_run_failure{reason=\"away\"}",
        "last_arrival_timestamp_seconds",
        "last_run_failed_files{reason=\"http\"}",
        "last_run_arrived_files",
        "last_run_duration_seconds",
        "seen_recordings",
        "selected_recordings",
        "last_run_transferred_bytes",
        "disk_used_ratio",
        "failed_marker_files",
    ] {
        assert!(seen.contains_key(name), "{name} of {seen:#?}");
    }
}

#[test]
fn failure_metrics_have_a_reason_label() {
    let bench = Bench::with([NAME, "20181028_131613_PF", "20181028_131713_EF"]);
    bench.camera.fault("GET NF.mp4", Fault::Status(500), Times::Always);
    bench.camera.fault("GET PF.mp4", Fault::Status(204), Times::Always);
    bench.put_recording("", "20180101_000000_MF");
    let seen = metrics(&bench, &["-k", "M=1d"], 3);
    assert_values(
        &seen,
        &[
            ("last_run_success", 0.0),
            ("last_run_exit_code", 3.0),
            ("last_run_failed_files{reason=\"http\"}", 1.0),
            ("last_run_failed_files{reason=\"empty\"}", 1.0),
            ("last_run_removed_files{reason=\"expired\"}", 4.0),
        ],
    );
    let waiting = metrics(&bench, &[], 0);
    assert_values(&waiting, &[("failed_marker_files", 2.0), ("waiting_files", 2.0)]);
    assert_values(&seen, &[("failed_marker_files", 2.0)]);
}

#[test]
fn metrics_of_a_pass_that_ended_early() {
    let bench = Bench::with([NAME]);
    bench.camera.depart(How::Refused);
    for (options, code) in [(&[][..], 75), (&["--cron"], 0)] {
        let seen = metrics(&bench, options, code);
        assert_values(&seen, &[("last_run_success", 0.0), ("last_run_exit_code", f64::from(code))]);
        assert_values(&seen, &[("last_run_failure{reason=\"away\"}", 1.0)]);
    }
    bench.camera.come_back();
    bench.camera.set_listing(Listing::Raw(b"nonsense".to_vec()));
    let seen = metrics(&bench, &[], 1);
    assert_values(&seen, &[("last_run_failure{reason=\"source\"}", 1.0), ("last_run_failure{reason=\"away\"}", 0.0)]);
    let full = metrics(&Bench::with([NAME]), &["--min-free", "1000TB"], 1);
    assert_values(&full, &[("last_run_failure{reason=\"disk\"}", 1.0)]);
}

#[test]
fn metrics_file_is_replaced_atomically() {
    let bench = Bench::with([NAME]);
    bench.scratch.write("metrics.prom", "x".repeat(100_000));
    assert_values(&metrics(&bench, &[], 0), &[("last_run_success", 1.0)]);
    let left: Vec<_> = std::fs::read_dir(bench.scratch.path()).expect("a directory").flatten().collect();
    assert_eq!(left.len(), 2, "the destination and the metrics, no temporary file");
}

#[test]
fn pushgateway_requests_are_those_of_blackvuesync() {
    let base64 = |text: &str| base64::engine::general_purpose::URL_SAFE.encode(text);
    let bench = Bench::with([NAME]);
    let gateway = Gateway::start(200);
    let url = format!("http://{}/", gateway.address);
    let push = |options: &[&str]| {
        let output = bench.pass(&[options, &["--metrics-pushgateway-url", &url]].concat()).expect_code(0);
        assert_eq!(output.stderr, "", "{output}");
        gateway.next()
    };
    let pushed = push(&[]);
    assert_eq!(pushed.method, "PUT");
    let instance = base64(&bench.camera.address());
    assert_eq!(pushed.path, format!("/metrics/job/blackvuesync/instance@base64/{instance}"));
    assert!(pushed.content_type.starts_with("text/plain"), "{}", pushed.content_type);
    assert_values(&parse(&pushed.body), &[("footage_dashcam_last_run_arrived_files", 4.0)]);
    assert_eq!(push(&["--metrics-job", "car", "--metrics-instance", "front"]).path, "/metrics/job/car/instance/front");
    assert_eq!(
        push(&["--metrics-job", "a/b", "--metrics-instance", "my car"]).path,
        format!("/metrics/job@base64/{}/instance@base64/{}", base64("a/b"), base64("my car"))
    );
    // As parts of a path these would lead elsewhere.
    assert_eq!(
        push(&["--metrics-job", "..", "--metrics-instance", "."]).path,
        format!("/metrics/job@base64/{}/instance@base64/{}", base64(".."), base64("."))
    );
}

#[test]
fn a_pushgateway_may_stand_behind_a_path_and_a_password() {
    let bench = Bench::with([NAME]);
    let gateway = Gateway::start(202);
    let url = format!("http://user:pass@{}/push", gateway.address);
    bench.quiet_pass(&["--metrics-pushgateway-url", &url, "--metrics-instance", "car"]);
    let pushed = gateway.next();
    assert_eq!(pushed.path, "/push/metrics/job/blackvuesync/instance/car");
    assert_eq!(pushed.authorization.as_deref(), Some("Basic dXNlcjpwYXNz"));
}

#[test]
fn a_pushgateway_redirect_is_logged_and_not_followed() {
    for status in [301, 302, 307, 308] {
        let bench = Bench::with([NAME]);
        let other = Gateway::start(200);
        let to = format!("http://{}/", other.address);
        let answer = format!("HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let gateway = RawServer::start(move |_| answer.clone().into_bytes());
        let url = format!("http://user:pass@{}", gateway.address());
        let output = bench.pass(&["--metrics-pushgateway-url", &url]).expect_code(0);
        assert!(output.stderr.starts_with("warning: the metrics were not pushed: "), "{status}: {output}");
        assert_eq!(gateway.requests().len(), 1, "{status}");
        assert!(other.pushed.try_recv().is_err(), "{status}");
    }
}

#[test]
fn metrics_that_cannot_be_delivered_change_no_exit_code() {
    let refused = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let gateway = Gateway::start(500);
    for (option, value) in [
        ("--metrics-pushgateway-url", format!("http://{refused}")),
        ("--metrics-pushgateway-url", format!("http://{}", gateway.address)),
        ("--metrics-file", "missing/metrics.prom".to_owned()),
    ] {
        let bench = Bench::new(Api::Old);
        bench.add([NAME]);
        let output = bench.pass(&[option, &value]).expect_code(0);
        assert!(output.stderr.starts_with("warning: the metrics were not "), "{output}");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        assert_eq!(bench.recordings(), [NAME]);
        bench.camera.depart(How::Refused);
        bench.pass(&[option, &value]).expect_code(75);
    }
}

#[test]
fn a_silent_pushgateway_holds_a_pass_no_longer_than_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("bound"));
    let bench = Bench::with([NAME]);
    let output = bench.footage(&["--metrics-pushgateway-url", &url, "-t", "0.5"]).spawn().wait_timeout(SOON);
    assert!(output.expect_code(0).stderr.contains("not pushed: no answer within 0.5s"));
}

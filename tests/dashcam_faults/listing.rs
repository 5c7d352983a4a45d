//! Listings from a camera that is large, broken, or an enemy.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use super::{Bench, NAME, SIZE, SOON, visible};
use crate::support::camera::{Api, Camera, Listing};
use crate::support::{Output, Program, Scratch, mp4, tree};

/// The memory limit of a pass, whatever the camera sends, in KiB.
const BOUND_KIB: u64 = 128 << 10;

fn bench_of(api: Api) -> Bench {
    let bench = Bench { camera: Camera::start(api), scratch: Scratch::new() };
    bench.camera.add(NAME, mp4::movie(SIZE, 1));
    bench
}

/// A pass that the kernel gives no more memory than this.
fn bounded(bench: &Bench, options: &[&str]) -> Program {
    let limited = format!("ulimit -d {BOUND_KIB}; exec \"$0\" \"$@\"");
    Program::new("sh")
        .args(["-c", &limited, env!("CARGO_BIN_EXE_footage"), "dashcam", &bench.camera.address(), "-d", "dest"])
        .args(options)
        .current_dir(bench.scratch.path())
}

#[test]
fn a_listing_of_thirty_thousand_recordings() {
    const ALL: usize = 30_000;
    const NEW: usize = 50;
    let bench = Bench::empty();
    let names = bench.camera.generate(ALL, 1000);
    fs::create_dir(bench.dest()).expect("made");
    let (new, held): (Vec<_>, Vec<_>) = names.iter().enumerate().partition(|(i, _)| i % (ALL / NEW) == 0);
    for (_, name) in held {
        File::create(bench.dest().join(name)).expect("made");
    }
    let last = new.last().expect("some").1;
    let gate = bench.camera.hold(&format!("GET {last}"), 500);
    let began = Instant::now();
    let pass = bench.pass(&["--skip-metadata", "t3g"]).spawn();
    gate.wait_reached(SOON);
    let peak = peak_kib(pass.id());
    gate.open();
    pass.wait().expect_code(0);
    let took = began.elapsed();
    for (_, name) in new {
        assert_eq!(fs::read(bench.dest().join(name)).expect("fetched"), bench.camera.bytes(name), "{name}");
    }
    assert_eq!(bench.starts().len(), NEW);
    assert!(peak < 32 << 10, "{peak} KiB");
    assert!(took < Duration::from_secs(15), "{took:?}");
}

/// The most memory that a process has had.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// Names that are none, the same in both listings.
fn hostile_names() -> Vec<String> {
    let valid = "20181029_131613_NF.mp4";
    // The first few are shown.
    let mut names: Vec<String> = [
        "20181029_131613_NF.mp4\0.mp4",
        "20181029_1316\x1b[2J13_NF.mp4",
        "20181029_131613_NF.mp4\x07",
        "20181029_131613_N\u{202e}F.mp4",
        "../20181029_131613_NF.mp4",
        "../../../../etc/passwd",
        "/Record/../../20181029_131613_NF.mp4",
        "/Record/../20181029_131613_NF.mp4/../../x.mp4",
        "/etc/20181029_131613_NF.mp4",
        "20181029_131613_NF.mp4/",
        "20181029_131613_NF.mp4/x",
        "..",
        ".",
        "/",
        ".footage/dashcam.lock",
        ".20181029_131613_NF.mp4.part",
        "20181029_131613_NF.mp4.failed",
        "20181029_131613_NF\0.mp4",
        "２０１８1029_131613_NF.mp4",
        "20181329_131613_NF.mp4",
        "20180230_131613_NF.mp4",
        "20190229_131613_NF.mp4",
        "20181029_246060_NF.mp4",
        "20181029_131660_NF.mp4",
        "99999999_999999_NF.mp4",
        "20181029_131613_NF.mp4.mp4",
        "20181029_131613_NFLS.mp4",
        "20181029_131613_nf.mp4",
        "20181029_131613_.mp4",
        "20181029_131613_NF.MP4",
        "20181029_131613_NF.sh",
        "20181029_131613_NF.thm",
        "-d",
        "%2e%2e%2f20181029_131613_NF.mp4",
        "C:\\20181029_131613_NF.mp4",
    ]
    .map(String::from)
    .into();
    names.push("A".repeat(3000));
    names.push(format!("{}.mp4", "9".repeat(3000)));
    names.push(format!("{}{valid}", "../".repeat(1000)));
    names.push(format!("/Record/{}/{valid}", "x".repeat(3000)));
    names
}

#[test]
fn hostile_names_in_a_listing_are_warnings() {
    for api in [Api::Old, Api::New] {
        let bench = bench_of(api);
        bench.scratch.write("beside", "precious");
        let names = hostile_names().into_iter().chain([NAME.into()]);
        let listing = match api {
            Api::Old => names.map(|name| format!("n:/Record/{name},s:1000000")).collect::<Vec<_>>().join("\r\n"),
            Api::New => serde_json::json!({"filelist": names.collect::<Vec<_>>()}).to_string(),
        };
        bench.camera.set_listing(Listing::Raw(listing.into_bytes()));
        let before = tree(bench.scratch.path());
        let output = bench.run(0);

        bench.assert_mirrored();
        let mut after = tree(bench.scratch.path());
        after.retain(|path, _| !path.starts_with("dest"));
        assert_eq!(after, before, "{api:?}");
        assert_warned(&output);
        for request in bench.camera.requests() {
            let asked_for_it = request.path.contains(NAME.strip_suffix("_NF.mp4").expect("a name"));
            let known = ["/accessible", "/blackvue_vod.cgi", "/vodList", "/vodMetadata"];
            assert!(asked_for_it || known.contains(&request.path.as_str()), "{}", request.path);
        }
        // The second pass has nothing to do, and nothing new stands anywhere.
        let all = visible(bench.scratch.path());
        bench.run(0);
        assert_eq!(visible(bench.scratch.path()), all);
    }
}

/// A few lines, none of them long, and nothing in them that a terminal obeys.
#[track_caller]
fn assert_warned(output: &Output) {
    let lines: Vec<_> = output.stderr.lines().collect();
    assert!((1..=10).contains(&lines.len()), "{output}");
    assert!(lines.iter().all(|line| line.starts_with("warning: ") && line.chars().count() < 250), "{output}");
    let obeyed = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!output.stderr.contains(obeyed), "{output:?}");
}

#[test]
fn impossible_dates_in_a_listing_do_not_end_a_pass() {
    let bench = bench_of(Api::Old);
    // These exist, however unlikely: retention and grouping must be able to reckon with them.
    for name in ["00010101_000000_NF.mp4", "99991231_235959_NF.mp4", "00000101_000000_NF.mp4"] {
        bench.camera.add(name, mp4::movie(1000, 7));
    }
    for grouping in ["none", "daily", "weekly", "monthly", "yearly"] {
        let output = bench.pass(&["--grouping", grouping, "--keep", "forever"]).run();
        assert_eq!(output.code, Some(0), "{grouping}: {output}");
        assert_eq!(visible(&bench.dest()).len(), 4, "{grouping}: {output}");
        fs::remove_dir_all(bench.dest()).expect("removed");
    }
}

#[test]
fn an_invalid_listing_is_an_error_that_shows_its_first_line() {
    for text in ["<html>\n<body>Login</body>", "\0\0\0\0", "v:1.00\r\nn:/Record/foo.mp4,s:1\r\n", "{\"error\": 1}", "{"]
    {
        let bench = bench_of(Api::Old);
        bench.camera.set_listing(Listing::Raw(text.into()));
        let output = bench.run(1);
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        let first = text.lines().next().unwrap_or_default();
        assert!(output.stderr.contains(&format!("{first:?}")), "{first:?} is not in {output}");
    }
}

#[test]
fn an_empty_listing_is_no_error() {
    for (api, listing) in [(Api::Old, "v:1.00\r\n"), (Api::New, r#"{"filelist":[]}"#)] {
        let bench = bench_of(api);
        bench.camera.set_listing(Listing::Raw(listing.into()));
        bench.run(0);
        bench.assert_nothing_visible();
    }
}

#[test]
fn an_endless_listing_is_bounded() {
    let megabytes = |bytes: &[u8]| bytes.repeat((40 << 20) / bytes.len());
    let wrapped = |head: &str, middle: &[u8], tail: &str| {
        Listing::Raw([head.as_bytes(), &middle.repeat((30 << 20) / middle.len()), tail.as_bytes()].concat())
    };
    let mut beyond = Vec::new();
    for (what, api, listing) in [
        ("entries", Api::Old, Listing::Endless),
        ("entries", Api::New, Listing::Endless),
        ("one line", Api::Old, Listing::Raw(megabytes(b"n"))),
        ("empty lines", Api::Old, Listing::Raw(megabytes(b"\n"))),
        ("bad lines", Api::Old, Listing::Raw(megabytes(b"n:x\n"))),
        ("opening brackets", Api::New, Listing::Raw(megabytes(b"["))),
        ("one name", Api::New, wrapped(r#"{"filelist":[{"filename":""#, b"x", r#""}]}"#)),
        ("one entry's other field", Api::New, wrapped(r#"{"filelist":[{"filename":"x","y":["#, b"1,", "1]}]}")),
        ("one entry of entries", Api::New, wrapped(r#"{"filelist":[["#, b"[],", "[]]]}")),
        ("another field", Api::New, wrapped(r#"{"other":["#, b"{},", r#"{}],"filelist":[]}"#)),
        ("keys", Api::New, wrapped(r#"{"filelist":[{"#, br#""k":1,"#, r#""k":1}]}"#)),
    ] {
        let bench = bench_of(api);
        bench.camera.set_listing(listing);
        let began = Instant::now();
        let output = bounded(&bench, &["--timeout", "5"]).run();
        let took = began.elapsed();
        let ended_well = [Some(0), Some(1)].contains(&output.code) && output.stderr.len() < 2000;
        if !ended_well || took > Duration::from_secs(15) {
            beyond.push(format!("{what}, {api:?}: {took:?}, {output}"));
        }
        bench.assert_nothing_visible();
    }
    assert!(beyond.is_empty(), "{}", beyond.join("\n"));
}

/// Never silent for long, never at an end.
#[test]
fn an_endless_listing_that_trickles_is_bounded() {
    for api in [Api::Old, Api::New] {
        let bench = bench_of(api);
        bench.camera.set_listing(Listing::Endless);
        bench.camera.rate_limit(2000);
        let began = Instant::now();
        let output = bench.pass(&["--timeout", "0.1"]).run();
        assert!([Some(1), Some(75)].contains(&output.code), "{api:?}: {output}");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(8), "{api:?}: {took:?}");
    }
}

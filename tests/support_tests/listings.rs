//! The answers of a camera without faults.

use super::{Bench, NAME, SIZE, whole};
use crate::support::camera::{Api, Listing, Metadata, Style};
use crate::support::{Program, seeded};

#[test]
fn older_api_camera_lists_and_serves() {
    let bench = Bench::new(Api::Old);
    bench.curl("/blackvue_vod.cgi", &[]).run().expect_code(0);
    bench.assert_body(b"v:1.00\r\nn:/Record/20181029_131513_NF.mp4,s:1000000\r\n");
    bench.curl("/accessible", &[]).run().expect_code(0);
    assert!(bench.head().starts_with("HTTP/1.1 404 "));

    bench.get(&[]).expect_code(0);
    bench.assert_body(&whole());
    assert!(bench.head().contains("Content-Length: 300000\r\n"));
    for sidecar in ["20181029_131513_NF.thm", "20181029_131513_N.gps", "20181029_131513_N.3gf"] {
        bench.curl(&format!("/Record/{sidecar}"), &[]).run().expect_code(0);
        bench.assert_body(&bench.camera.bytes(sidecar));
    }

    let log = bench.camera.requests_for(&format!("GET {NAME}"));
    assert_eq!((log.len(), log[0].status, log[0].body_bytes_sent), (1, 200, SIZE));
    assert!(log[0].header("user-agent").is_some_and(|agent| agent.starts_with("curl/")));
    let sidecars: usize =
        bench.camera.names().iter().filter(|name| *name != NAME).map(|name| bench.camera.bytes(name).len()).sum();
    assert_eq!(bench.camera.body_bytes_served(), SIZE + sidecars as u64);
}

#[test]
fn newer_api_camera_lists_and_serves() {
    let bench = Bench::new(Api::New);
    bench.curl("/accessible", &["-f"]).run().expect_code(0);
    bench.curl("/blackvue_vod.cgi", &[]).run().expect_code(0);
    assert!(bench.head().starts_with("HTTP/1.1 415 "));
    bench.assert_body(b"mp4 only");
    bench.curl("/vodList", &[]).run().expect_code(0);
    bench.assert_body(br#"{"filelist":[{"filename":"20181029_131513_NF.mp4"}]}"#);
    bench.curl(&format!("/{NAME}"), &[]).run().expect_code(0);
    bench.assert_body(&whole());

    for manner in [Metadata::Nested, Metadata::TopLevel, Metadata::Unpadded, Metadata::Wrapped, Metadata::DataUrl] {
        bench.camera.set_metadata(manner);
        let asked = format!(r#"{{"file":"{NAME}","types":["thumbnail"]}}"#);
        bench.curl("/vodMetadata", &["-f", "-d", &asked]).run().expect_code(0);
        let answer: serde_json::Value = serde_json::from_slice(&bench.body()).expect("JSON");
        let nested = if manner == Metadata::TopLevel { &answer } else { &answer["metadata"] };
        let text = nested["thumbnail"].as_str().expect("a thumbnail").replace("data:image/jpeg;base64,", "");
        bench.scratch.write("base64", text);
        let decoded =
            Program::new("sh").arg("-c").arg("base64 -d base64 >raw; true").current_dir(bench.scratch.path()).run();
        decoded.expect_code(0);
        let raw = std::fs::read(bench.scratch.join("raw")).expect("decoded");
        assert_eq!(raw, bench.camera.bytes("20181029_131513_NF.thm"), "{manner:?}");
    }
    assert_eq!(bench.camera.requests_for("POST 20181029_131513_NF").len(), 5);
}

#[test]
fn camera_listings_have_many_forms() {
    let bench = Bench::new(Api::Old);
    let odd = Style {
        version: "v:2.00".into(),
        line_end: "\n".into(),
        size: "7".into(),
        prefix: "/mnt/sd".into(),
        trailing_empty: true,
        ..Style::default()
    };
    bench.camera.set_listing(Listing::Of(odd));
    bench.curl("/blackvue_vod.cgi", &[]).run().expect_code(0);
    bench.assert_body(b"v:2.00\nn:/mnt/sd/Record/20181029_131513_NF.mp4,s:7\nn:,s:7\n");
    bench.camera.set_listing(Listing::Raw(b"\0\xFF".to_vec()));
    bench.curl("/blackvue_vod.cgi", &[]).run().expect_code(0);
    bench.assert_body(b"\0\xFF");
    bench.camera.set_listing(Listing::Endless);
    let endless = Program::new("sh")
        .arg("-c")
        .arg("curl -s $URL | head -c 10000000 | wc -lc")
        .env("URL", format!("http://{}/blackvue_vod.cgi", bench.camera.address()))
        .run();
    assert!(endless.stdout.contains("10000000"), "{endless}");

    let bench = Bench::new(Api::New);
    let plain = Style { plain_strings: true, prefix: "/Record/".into(), ..Style::default() };
    bench.camera.set_listing(Listing::Of(plain));
    bench.curl("/vodList", &[]).run().expect_code(0);
    bench.assert_body(br#"{"filelist":["/Record/20181029_131513_NF.mp4"]}"#);
}

#[test]
fn camera_lists_large_cards_and_serves_files_from_disk() {
    let bench = Bench::new(Api::Old);
    let names = bench.camera.generate(30_000, 3 << 30);
    assert_eq!(bench.camera.names().len(), 4 * 30_000 + 4);
    bench.curl("/blackvue_vod.cgi", &[]).run().expect_code(0);
    let listing = String::from_utf8_lossy(&bench.body()).into_owned();
    assert_eq!(listing.lines().count(), 30_002);
    let last = names.last().expect("30,000 names");
    bench.curl(&format!("/Record/{last}"), &["-r", "3221225470-"]).run().expect_code(0);
    assert_eq!(bench.body().len(), 2);

    let file = bench.scratch.write("card/file", seeded(1).bytes(3_000_000));
    bench.camera.add_file("20200101_000000_EF.mp4", &file);
    bench.curl("/Record/20200101_000000_EF.mp4", &["-r", "17-"]).run().expect_code(0);
    bench.assert_body(&seeded(1).bytes(3_000_000)[17..]);
}

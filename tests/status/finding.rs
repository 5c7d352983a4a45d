//! Where it looks.

use super::{Bench, problems};
use crate::support::tree;

#[test]
fn status_without_any_destination_is_an_error_with_a_remedy() {
    let bench = Bench::new();
    let output = bench.status(&[]).expect_code(1);
    assert_eq!(output.stdout, "");
    assert_eq!(
        output.stderr,
        "error: no footage pass has left a report in .: name the destination of a pass, a directory that holds some, or \
         the configuration of footage record\n"
    );
    let output = bench.status(&["nowhere"]).expect_code(1);
    assert!(output.stderr.starts_with("error: cannot read nowhere: "), "{output}");
    assert!(tree(bench.scratch.path()).is_empty());
}

#[test]
fn destinations_are_found_one_level_below() {
    let bench = Bench::new();
    for place in ["all/a", "all/b", "all/deeper/c", "d"] {
        bench.fetch(place).expect_code(0);
    }
    bench.scratch.write("all/notes.txt", "mine");
    let places = |arguments: &[&str]| {
        let status = bench.json(arguments, 0);
        let places = status["places"].as_array().unwrap().iter();
        places.map(|place| place["place"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(places(&["all"]), ["all/a", "all/b"]);
    assert_eq!(places(&["."]), ["d"]);
    assert_eq!(places(&["d", "all", "all/b"]), ["d", "all/a", "all/b"], "each is listed once");
    std::os::unix::fs::symlink("all/a", bench.scratch.join("link")).unwrap();
    assert_eq!(places(&["link", "all/a/"]), ["link"]);
    // In a container the destination is known from the environment.
    let output = bench.scratch.footage(["status", "--json"]).env("FOOTAGE_DESTINATION", "all/b").run().expect_code(0);
    assert!(output.stdout.contains("\"place\": \"all/b\""), "{output}");
    // The destination itself may hold some.
    bench.fetch("all").expect_code(0);
    assert_eq!(places(&["all"]), ["all", "all/a", "all/b"]);
}

#[test]
fn a_directory_without_a_report_is_wrong_beside_one_that_has_some() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    bench.scratch.write("empty/notes.txt", "mine");
    let status = bench.json(&["dest", "empty"], 3);
    assert_eq!(problems(&status), ["- -: no footage pass has left a report here"]);
    assert_eq!(status["problems"][0]["place"], "empty");
}

#[test]
fn configured_cameras_without_a_recorder_are_missing() {
    let bench = Bench::new();
    let camera = |name: &str| format!("[cameras.{name}]\nurl = \"rtsp://me:pass-word@127.0.0.1:9/{name}\"\n");
    let config = format!("[defaults]\ndestination = \"dest\"\n{}{}", camera("yard"), camera("gate"));
    bench.scratch.write("conf/footage.toml", config);
    for _ in 0..2 {
        let status = bench.json(&["conf/footage.toml"], 3);
        assert_eq!(problems(&status), ["record gate: not being recorded", "record yard: not being recorded"]);
        assert_eq!(status["rows"][0]["state"], "missing");
        // Also when the user has created the destination.
        std::fs::create_dir_all(bench.scratch.join("conf/dest")).unwrap();
    }
    // Each shard misses its own cameras; it may have none.
    let missed =
        |shard| bench.status(&["conf/footage.toml", "--shard", shard]).stdout.matches("not being recorded").count();
    assert_eq!(missed("1/2") + missed("2/2"), 2);
    let table = bench.status(&["conf/footage.toml"]).expect_code(3);
    assert!(table.stdout.contains("not being recorded") && !format!("{table}").contains("pass-word"), "{table}");
}

#[test]
fn status_of_a_wrong_configuration_exits_with_2() {
    let bench = Bench::new();
    bench.scratch.write("bad.toml", "[cameras.yard]\nurl = \"rtsp://me:pass-word@camera/\"\ncolour = \"pass-word\"\n");
    let output = bench.status(&["bad.toml"]).expect_code(2);
    assert!(output.stderr.contains("bad.toml") && output.stderr.contains("line 3"), "{output}");
    assert!(!format!("{output}").contains("pass-word"), "{output}");
}

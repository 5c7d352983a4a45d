//! What it looks like, and where it goes.

use serde_json::json;

use super::Bench;
use crate::support::Program;

#[test]
fn the_table_has_readable_columns() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    let table = bench.status(&["dest"]).expect_code(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("dest: ") && lines[0].contains(" % used, ") && lines[0].ends_with(" free"), "{table}");
    assert_eq!(lines[1].split_whitespace().take(5).collect::<Vec<_>>(), ["PASS", "CAMERA", "STATE", "FOR", "NEWEST"]);
    let expected = ["dashcam", &bench.camera.address(), "done"];
    assert_eq!(lines[2].split_whitespace().take(3).collect::<Vec<_>>(), expected);
    assert!(lines[4].starts_with("machine: load ") && lines[4].contains(" memory used"), "{table}");
    assert_eq!((lines[3], &lines[5..]), ("", &["", "all is well"][..]));
}

#[test]
fn the_table_fits_the_terminal() {
    let bench = Bench::new();
    let long = format!("{}-{}", "a-long-name", "b".repeat(60));
    let now = chrono::Utc::now().timestamp();
    let camera = json!({"camera": &long, "state": "recording", "state_since_timestamp_seconds": now, "frames_per_second": 15.0, "bits_per_second": 512_000.0});
    let live = json!({"start_timestamp_seconds": now, "updated_timestamp_seconds": now, "config": "footage.toml", "cameras": [camera]});
    bench.scratch.write("dest/.footage/record.json", live.to_string());
    for columns in [60, 80, 130] {
        let command = format!("stty cols {columns} rows 40; {} status dest", env!("CARGO_BIN_EXE_footage"));
        let script = Program::new("script").args(["-qec", &command, "/dev/null"]).current_dir(bench.scratch.path());
        let shown = script.env("TERM", "xterm").run().stdout;
        let rows: Vec<&str> = shown.lines().filter(|line| line.contains("record ")).collect();
        let widest = rows.iter().map(|row| row.trim_end().chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= columns), "{columns} columns:\n{shown}");
        assert!(shown.contains("a-long-name") && (columns > 120) == shown.contains("PENDING"), "{columns}:\n{shown}");
    }
    let piped = bench.status(&["dest"]).expect_code(0).stdout;
    assert!(piped.contains(&long), "complete where stdout is no terminal: {piped}");
}

#[test]
fn zabbix_discovery_lists_every_row() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    bench
        .scratch
        .write("dest/.footage/record.json", r#"{"cameras": [{"camera": "yard", "source": "rtsp://camera/"}]}"#);
    // Also when something is wrong: Zabbix queries what exists.
    let output = bench.status(&["--zabbix-discovery", "dest"]).expect_code(0);
    let discovered: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let entries = discovered["data"].as_array().unwrap();
    let word = |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap().to_owned();
    let found: Vec<_> = entries.iter().map(|entry| (word(entry, "{#PASS}"), word(entry, "{#CAMERA}"))).collect();
    let found: Vec<_> = found.iter().map(|(pass, camera)| (pass.as_str(), camera.as_str())).collect();
    assert_eq!(found, [("dashcam", ""), ("record", ""), ("record", "yard")]);
    assert_eq!(
        (word(&entries[2], "{#SOURCE}"), word(&entries[0], "{#PLACE}")),
        ("rtsp://camera/".into(), "dest".into())
    );
    bench.status(&["--zabbix-discovery"]).expect_code(0);
    bench.status(&["--zabbix-discovery", "dest/.footage"]).expect_code(1);
}

/// The JSON paths of the manual compare texts: to Zabbix, null is the text `null`, and not an empty one.
#[test]
fn zabbix_discovery_keys_can_be_queried() {
    let bench = Bench::new();
    for place in ["all/one", "all/other"] {
        bench.fetch(place).expect_code(0);
    }
    let cameras = r#"{"cameras": [{"camera": "yard"}, {"camera": "gate"}]}"#;
    bench.scratch.write("all/other/.footage/record.json", cameras);
    let told = |option| serde_json::from_str::<serde_json::Value>(&bench.status(&[option, "all"]).stdout).unwrap();
    let (discovered, status) = (told("--zabbix-discovery"), told("--json"));
    let discovered = discovered["data"].as_array().unwrap();
    assert_eq!(discovered.len(), 5, "{discovered:?}");
    for entry in discovered {
        let is_meant = |row: &&serde_json::Value| {
            [("place", "{#PLACE}"), ("pass", "{#PASS}"), ("camera", "{#CAMERA}")]
                .iter()
                .all(|(key, field)| row[key].as_str().is_some_and(|text| entry[field] == text))
        };
        let rows: Vec<_> = status["rows"].as_array().unwrap().iter().filter(is_meant).collect();
        assert_eq!(rows.len(), 1, "{entry}: {rows:?}");
    }
}

#[test]
fn cron_prints_only_wrong_rows() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    for options in [&["--cron"][..], &["--cron", "--json"]] {
        let quiet = bench.status(&[options, &["dest"]].concat()).expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
        let loud = bench.status(&[options, &["dest", "--max-age", "1s"]].concat()).expect_code(3);
        assert!(loud.stdout.contains("the newest recording is 1m old"), "{loud}");
    }
}

#[test]
fn a_failing_stdout_is_an_error() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    let command = format!("{} status dest >/dev/full", env!("CARGO_BIN_EXE_footage"));
    let output = Program::new("sh").args(["-c", &command]).current_dir(bench.scratch.path()).run().expect_code(1);
    assert!(output.stderr.starts_with("error: cannot write to stdout: "), "{output}");
}

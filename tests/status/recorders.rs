//! What recorders have left, and whether they live.

use std::fs::File;

use serde_json::{Value, json};

use super::{Bench, problems};

/// A recorder's state, written so many seconds ago.
fn state(silent: i64) -> Value {
    let now = chrono::Utc::now().timestamp();
    json!({
        "pid": std::process::id(),
        "start_timestamp_seconds": now - 7200,
        "updated_timestamp_seconds": now - silent,
        "config": "footage.toml",
        "cameras": [
            {"camera": "yard", "state": "recording", "state_since_timestamp_seconds": now - 7000, "frames_per_second": 15.0, "bits_per_second": 512_000.0,
             "segments": 7, "open_segment_start_timestamp_seconds": now - 100, "torn_segments": 1},
            {"camera": "gate", "state": "recording", "state_since_timestamp_seconds": now - 7000, "frames_per_second": 25.0, "bits_per_second": 1_000_000.0},
        ],
    })
}

fn write(bench: &Bench, state: &Value) {
    bench.scratch.write("dest/.footage/record.json", state.to_string());
}

/// Holds the recorder's lock, as a recorder would.
fn hold(bench: &Bench) -> File {
    let path = bench.scratch.write("dest/.footage/record.lock", "pid 7 since 2026-11-21T10:00:00Z\n");
    let file = File::open(path).unwrap();
    file.lock().unwrap();
    file
}

#[test]
fn a_recorder_is_as_alive_as_its_lock() {
    let bench = Bench::new();
    let lock = hold(&bench);
    write(&bench, &state(3));
    let status = bench.json(&["dest"], 0);
    let rows = status["rows"].as_array().unwrap();
    assert_eq!(
        rows.iter().map(|row| row["state"].as_str().unwrap()).collect::<Vec<_>>(),
        ["running", "recording", "recording"]
    );
    assert_eq!((&rows[0]["bits_per_second"], &rows[0]["files"]), (&1_512_000.0.into(), &7.into()));
    assert_eq!(
        (&rows[1]["frames_per_second"], &rows[1]["pending_files"], &rows[1]["failed_files"]),
        (&15.0.into(), &1.into(), &1.into())
    );

    // Its state lives on when it does not.
    drop(lock);
    let status = bench.json(&["dest"], 3);
    assert_eq!(problems(&status), ["record -: nothing is recorded: killed, or the power failed"]);
    for row in status["rows"].as_array().unwrap() {
        assert_eq!(
            (&row["state"], &row["ok"], &row["frames_per_second"], &row["pid"]),
            (&"gone".into(), &false.into(), &().into(), &().into())
        );
    }

    // One that holds on and does nothing any more.
    let _lock = hold(&bench);
    write(&bench, &state(600));
    assert_eq!(problems(&bench.json(&["dest"], 3)), ["record -: no heartbeat for 10m"]);
}

#[test]
fn lock_file_elsewhere_is_checked() {
    let bench = Bench::new();
    let elsewhere = bench.scratch.write("elsewhere.lock", "pid 7 since 2026-11-21T10:00:00Z\n");
    let mut state = state(3);
    state["lock_file"] = elsewhere.to_str().unwrap().into();
    write(&bench, &state);
    bench.json(&["dest"], 3);
    let file = File::open(&elsewhere).unwrap();
    file.lock().unwrap();
    bench.json(&["dest"], 0);
}

#[test]
fn shards_of_one_destination_have_their_own_rows() {
    let bench = Bench::new();
    let mut other = state(3);
    other["cameras"] = json!([{"camera": "barn", "state": "recording"}]);
    write(&bench, &state(3));
    bench.scratch.write("dest/.footage/record-2-of-2.json", other.to_string());
    let _lock = hold(&bench);
    let status = bench.json(&["dest"], 0);
    let of = |name: &str| {
        status["rows"].as_array().unwrap().iter().find(|row| row["camera"] == name).unwrap()["state"].clone()
    };
    // Of the other share there is no lock, and its heartbeat is all there is to go by.
    assert_eq!((of("yard"), of("barn")), ("recording".into(), "recording".into()));
}

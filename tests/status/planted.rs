//! Any user who may write to a destination can have written the state files there.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::Bench;
use crate::support::peak_kib;

/// A destination in which this is the state of a recorder.
fn recorded(bench: &Bench, state: impl AsRef<[u8]>) {
    bench.scratch.write("dest/.footage/record.json", state);
}

#[test]
fn a_state_file_sends_no_terminal_control_characters() {
    const ORDERS: &str = "\u{1b}[2J\u{9b}2J\r";
    let bench = Bench::new();
    let camera = json!({
        "name": ORDERS, "source": ORDERS, "directory": format!("/{ORDERS}"), "state": "waiting", "last_error": ORDERS,
        "last_segment": { "path": format!("/{ORDERS}") },
    });
    let live =
        json!({ "pid": 1, "config": ORDERS, "config_error": ORDERS, "cameras": [camera], "ended": [ORDERS, ORDERS] });
    recorded(&bench, live.to_string());
    let report = json!({
        "pass": "dashcam", "source": ORDERS, "ended": [ORDERS, ORDERS],
        "failures": [{ "name": ORDERS, "reason": ORDERS, "message": ORDERS }],
    });
    bench.scratch.write("dest/.footage/dashcam.json", report.to_string());
    bench.scratch.write("dest/.footage/dashcam.lock", format!("pid 1 since {ORDERS}"));
    for options in [&["dest"][..], &["dest", "--cron"], &["."], &["dest", "--json"]] {
        let output = bench.status(options).expect_code(3);
        assert!(!format!("{output}").contains(['\u{1b}', '\u{9b}', '\r']), "{options:?}: {output:?}");
    }
    let output = bench.status(&["dest", "--zabbix-discovery"]).expect_code(0);
    assert!(!format!("{output}").contains(['\u{1b}', '\u{9b}', '\r']), "{output:?}");
}

#[test]
fn a_state_file_of_absurd_length_or_depth_is_not_read() {
    let bench = Bench::new();
    let many = |of: &str| format!("{{\"cameras\":[{}{{}}]}}", format!("{of},").repeat(5 << 20));
    let deep = "[".repeat(1 << 20);
    let texts = [many("{}"), many("0"), format!("{{\"pid\":{deep}"), format!("{{\"cameras\":{deep}")];
    for text in &texts {
        recorded(&bench, text);
        let peak = bench.scratch.join("peak");
        bench.scratch.footage(["status", "dest"]).measured(&peak).run().expect_code(3);
        assert!(peak_kib(&peak) < 100 << 10, "{:.40}: {} KiB", text, peak_kib(&peak));
    }
    let path = bench.scratch.join("dest/.footage/record.json");
    fs::File::options().write(true).open(path).and_then(|file| file.set_len(600 << 20)).unwrap();
    let peak = bench.scratch.join("peak");
    bench.scratch.footage(["status", "dest"]).measured(&peak).run();
    assert!(peak_kib(&peak) < 100 << 10, "{} KiB", peak_kib(&peak));
}

#[test]
fn a_state_file_behind_a_symlink_is_not_shown() {
    let bench = Bench::new();
    let report = json!({ "pass": "dashcam", "source": "forged", "ended": ["disk", "of forged"] });
    let theirs = bench.scratch.write("theirs", report.to_string());
    recorded(&bench, json!({ "cameras": [] }).to_string());
    symlink(theirs, bench.scratch.join("dest/.footage/dashcam.json")).unwrap();
    let output = bench.status(&["dest", "--json"]);
    assert!(!output.stdout.contains("forged"), "{output}");
}

/// Another user of this machine can make folders beside those of ours.
#[test]
fn traces_that_others_may_have_written_are_not_read() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    let place = fs::canonicalize(bench.scratch.join("dest")).unwrap();
    let trace = json!({
        "pass": "dashcam", "place": place, "start_timestamp_seconds": 4e9, "reason": "usage", "message": "\u{1b}[2J lies",
    });
    let uid = rustix::process::geteuid().as_raw();
    let folder = |name: String| bench.scratch.temporary().join(name);
    let plant = |folder: &std::path::Path, text: &str| {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("trace-dashcam-1"), text).unwrap();
    };
    // Of another user by its name, open to all, and behind a link.
    plant(&folder(format!("footage-{}", uid + 1)), &trace.to_string());
    let open = folder(format!("footage-{uid}"));
    plant(&open, &trace.to_string());
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    bench.json(&["dest"], 0);
    fs::rename(&open, folder("elsewhere".into())).unwrap();
    symlink(folder("elsewhere".into()), &open).unwrap();
    bench.json(&["dest"], 0);
    // One's own is read, and orders nothing.
    fs::remove_file(&open).unwrap();
    for text in ["", "{", "{\"pass\": 7}", &format!("\"{}\"", "a".repeat(1 << 20))] {
        plant(&open, text);
        bench.json(&["dest"], 0);
    }
    plant(&open, &trace.to_string());
    let output = bench.status(&["dest"]).expect_code(3);
    assert!(output.stdout.contains(" lies") && !output.stdout.contains('\u{1b}'), "{output:?}");
}

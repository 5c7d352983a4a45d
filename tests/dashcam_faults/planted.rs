//! Another user may write to the destination, and has planted symlinks and forged state there: nothing outside of it is removed,
//! written or given away for that.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Bench, NAME, SIZE, wait_until};
use crate::support::{mp4, peak_kib, tree};

/// One that is here, and old; and one of which a part is here.
const OLD: &str = "20181028_131513_NF.mp4";
const BEGUN: &str = "20181029_131613_NF.mp4";

/// The remembered names of a destination, once its own directory is among them.
fn remembered(bench: &Bench) -> PathBuf {
    let memory = bench.dest().join(".footage/dashcam.held");
    wait_until("the destination is remembered", || {
        bench.run(0);
        fs::read(&memory).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(r#""dirs":{"":"#))
    });
    memory
}

/// Writes another group into what is remembered of the destination as it is now.
fn plant(memory: &Path, dest: &Path, group: &str) {
    let bytes = fs::read(memory).expect("there");
    let end = bytes.iter().position(|byte| *byte == b'\n').expect("a header");
    let mut header: Value = serde_json::from_slice(&bytes[..end]).expect("JSON");
    let now = fs::symlink_metadata(dest).expect("there");
    let stamp = json!({
        "device": now.dev(), "inode": now.ino(),
        "mtime": [now.mtime(), now.mtime_nsec()], "ctime": [now.ctime(), now.ctime_nsec()],
    });
    let bytes_of = header["dirs"][""]["bytes"].as_u64().unwrap_or(0);
    header["dirs"][""] = json!({ "stamp": stamp, "bytes": bytes_of, "rest": [[group], [], []] });
    fs::write(memory, [header.to_string().as_bytes(), &bytes[end..]].concat()).expect("written");
}

#[test]
fn a_cached_group_directory_that_became_a_symlink_is_not_trusted() {
    for (group, is_link) in [("../outside", false), ("/outside", false), ("2018-10-28", true)] {
        let bench = Bench::new();
        let outside = bench.scratch.join("outside");
        let group = if group.starts_with('/') { outside.display().to_string() } else { group.to_owned() };
        bench.scratch.write(format!("outside/{OLD}"), mp4::movie(SIZE, 2));
        bench.scratch.write(format!("outside/.{BEGUN}.part"), "foreign");
        let before = tree(&outside);
        let memory = remembered(&bench);
        if is_link {
            symlink(&outside, bench.dest().join(&group)).expect("linked");
        }
        bench.camera.add(BEGUN, mp4::movie(SIZE, 3));
        for options in [&["--keep", "1d"][..], &[]] {
            plant(&memory, &bench.dest(), &group);
            let output = bench.pass(options).run().expect_code(0);
            assert_eq!(tree(&outside), before, "{group} {options:?}: {output}");
        }
        assert!(bench.dest().join(BEGUN).is_file(), "{group}");
    }
}

/// Our own files in a destination, and what else is read of it.
const STATE: [&str; 6] = [
    ".footage/dashcam.json",
    ".footage/dashcam.partials",
    ".footage/dashcam.held",
    ".footage/dashcam.absent",
    ".blackvuesync.metrics-state.json",
    "20181029_131613_NF.mp4.failed",
];

/// A file of any length costs nothing to make.
#[test]
fn a_state_file_of_absurd_length_is_not_read() {
    for name in STATE {
        let bench = Bench::new();
        bench.camera.add(BEGUN, mp4::movie(SIZE, 3));
        let path = bench.scratch.write(format!("dest/{name}"), "{");
        fs::File::options().write(true).open(path).and_then(|file| file.set_len(600 << 20)).expect("a sparse file");
        let peak = bench.scratch.join("peak");
        bench.pass(&[]).measured(&peak).run().expect_code(0);
        assert!(peak_kib(&peak) < 64 << 10, "{name}: {} KiB", peak_kib(&peak));
        assert!(bench.dest().join(NAME).is_file() && bench.dest().join(BEGUN).is_file(), "{name}");
    }
}

/// A file behind a symlink is foreign: it is not copied into a report that others may read.
#[test]
fn a_state_file_that_is_a_symlink_is_not_read() {
    for name in [".footage/dashcam.json", ".blackvuesync.metrics-state.json"] {
        let bench = Bench::empty();
        let text =
            r#"{"last_arrival_timestamp_seconds": 12345.0, "last_successful_file_pull_timestamp_seconds": 12345.0}"#;
        let theirs = bench.scratch.write("theirs", text);
        fs::create_dir_all(bench.dest().join(".footage")).expect("made");
        symlink(&theirs, bench.dest().join(name)).expect("linked");
        let output = bench.pass(&["--json"]).run().expect_code(0);
        assert!(!output.stdout.contains("12345"), "{name}: {output}");
        assert_eq!(fs::read_to_string(&theirs).expect("still there"), text);
    }
}

//! Our own folder and files in a destination, and foreign files in their place.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{Bench, SIZE, SOON, wait_until};
use crate::support::camera::{Fault, How, Times};
use crate::support::{Program, as_root, mp4, small_tmpfs};

const OTHER: &str = "20181029_131613_NF.mp4";

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("made");
}

// Links.

/// Names that are foreseeable, and that a pass creates.
#[test]
fn symlinks_under_lock_and_temporary_names_are_not_written_through() {
    for (link, code) in [
        (".footage/dashcam.lock", 2),
        (".blackvuesync.lock", 2),
        (".footage/.dashcam.json.tmp", 3),
        (".footage/.dashcam.partials.tmp", 3),
        (".footage/dashcam.partials.tmp", 3),
        (".footage/.dashcam.held.tmp", 3),
        (".20181029_131513_NF.mp4.failed.tmp", 3),
    ] {
        let bench = Bench::new();
        bench.camera.fault("GET .mp4", Fault::Status(500), Times::Nth(1));
        bench.camera.add(OTHER, mp4::movie(SIZE, 2));
        for target in ["precious", ""] {
            let precious = bench.scratch.write("precious", target);
            fs::create_dir_all(bench.dest().join(".footage")).expect("made");
            let _ = fs::remove_file(bench.dest().join(link));
            symlink(&precious, bench.dest().join(link)).expect("linked");
            let output = bench.pass(&[]).run();
            assert_eq!(fs::read_to_string(&precious).expect("still there"), target, "{link}: {output}");
            if target == "precious" {
                output.expect_code(code);
            }
        }
    }
}

#[test]
fn a_symlink_in_place_of_the_footage_folder_is_not_followed() {
    let bench = Bench::new();
    let outside = bench.scratch.join("outside");
    fs::create_dir_all(&outside).expect("made");
    fs::create_dir_all(bench.dest()).expect("made");
    symlink(&outside, bench.dest().join(".footage")).expect("linked");
    let output = bench.run(1);
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    assert!(output.stderr.contains("dest/.footage: not a directory, or a symbolic link"), "{output}");
    assert_eq!(fs::read_dir(&outside).expect("listed").count(), 0);
}

#[test]
fn a_foreign_file_is_not_used_as_a_lock_file() {
    let bench = Bench::new();
    let notes = bench.scratch.write("notes.txt", "precious");
    let output = bench.pass(&["--lock-file", "notes.txt"]).run().expect_code(2);
    assert!(output.stderr.contains("notes.txt holds something that is not a lock"), "{output}");
    assert_eq!(fs::read_to_string(&notes).expect("still there"), "precious");
    let output = bench.pass(&["--lock-file", "."]).run();
    assert!(output.code != Some(0), "{output}");
    // Empty, as `touch` makes it, or ours.
    bench.scratch.write("empty", "");
    bench.pass(&["--lock-file", "empty"]).run().expect_code(0);
    assert!(fs::read_to_string(bench.scratch.join("empty")).expect("read").starts_with("pid "));
    bench.pass(&["--lock-file", "empty"]).run().expect_code(0);
}

// Pipes.

/// No process writes to it: a pass that reads it would block for ever.
#[test]
fn a_fifo_in_place_of_a_state_file_does_not_block() {
    for (name, code) in [
        (".footage/dashcam.json", 0),
        (".footage/dashcam.partials", 0),
        (".footage/dashcam.held", 0),
        (".footage/dashcam.absent", 0),
        (".footage/dashcam.lock", 2),
        (".blackvuesync.metrics-state.json", 0),
        (".blackvuesync.lock", 1),
    ] {
        let bench = Bench::new();
        fs::create_dir_all(bench.dest().join(".footage")).expect("made");
        pipe(&bench.dest().join(name));
        let pass = bench.pass(&[]).spawn();
        assert!(pass.ends_within(SOON.min(Duration::from_secs(20))), "{name}");
        pass.wait().expect_code(code);
    }
}

// Standard output.

/// `footage` with these arguments and with stdout redirected as the shell does.
fn redirected(bench: &Bench, arguments: &str, to: &str) -> crate::support::Output {
    let footage = env!("CARGO_BIN_EXE_footage");
    let script = format!("{footage} {arguments} {to}");
    Program::new("sh").args(["-c", &script]).current_dir(bench.scratch.path()).env("TZ", "UTC").run()
}

/// A report that is cut short must not look like one.
#[test]
fn a_failing_stdout_is_an_error() {
    let bench = Bench::new();
    let dashcam = format!("dashcam {} -d dest", bench.camera.address());
    for arguments in [&format!("{dashcam} --dry-run"), &format!("{dashcam} --json"), "completions bash", "man"] {
        let output = redirected(&bench, arguments, ">/dev/full").expect_code(1);
        assert!(output.stderr.contains("error: cannot write to stdout: "), "{output}");
        assert_eq!(output.stderr.matches("cannot write").count(), 1, "{output}");
    }
    bench.assert_mirrored();
}

#[test]
fn a_closed_stdout_pipe_is_no_error() {
    let bench = Bench::new();
    let dry_run = format!("dashcam {} -d dest --dry-run", bench.camera.address());
    for arguments in [dry_run.as_str(), "completions bash"] {
        let script = format!("(sleep 0.2; {} {arguments}; echo code $? >&2) | true", env!("CARGO_BIN_EXE_footage"));
        let output = Program::new("sh").args(["-c", &script]).current_dir(bench.scratch.path()).run();
        assert_eq!(output.stderr, "code 0\n", "{output}");
    }
}

// What was said.

/// The camera that leaves in between has not made any room.
#[test]
fn a_full_disk_is_logged_the_first_time_only_also_with_an_unreachable_camera() {
    let bench = Bench::new();
    let options = ["--cron", "--min-free", "1000TB", "--timeout", "0.3"];
    let output = bench.pass(&options).run().expect_code(1);
    assert!(output.stderr.contains("not enough room"), "{output}");
    bench.camera.depart(How::Refused);
    bench.pass(&options).run().expect_code(0);
    bench.camera.come_back();
    let output = bench.pass(&options).run().expect_code(1);
    assert_eq!(output.stderr, "");
    // Once there was room, it is news again.
    bench.pass(&["--cron"]).run().expect_code(0);
    bench.camera.add(OTHER, mp4::movie(SIZE, 2));
    let output = bench.pass(&options).run().expect_code(1);
    assert!(output.stderr.contains("not enough room"), "{output}");
}

/// There is no room for a second copy of the report either.
#[test]
fn a_disk_of_zero_bytes_is_logged_the_first_time_only() {
    as_root!();
    let bench = Bench::new();
    let mount = small_tmpfs(1 << 20);
    let pass = || {
        let address = bench.camera.address();
        bench.scratch.footage(["dashcam", &address, "--cron", "-d"]).arg(mount.path()).run()
    };
    pass().expect_code(0);
    bench.camera.add(OTHER, mp4::movie(SIZE, 2));
    fs::write(mount.path().join("ballast"), vec![1; 2 << 20]).expect_err("the file system is small");
    let output = pass().expect_code(1);
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    assert!(output.stderr.contains("not enough room"), "{output}");
    for _ in 0..2 {
        let output = pass().expect_code(1);
        assert_eq!(output.stderr, "");
    }
    let report = fs::read_to_string(mount.path().join(".footage/dashcam.json")).expect("read");
    assert!(report.contains("ended:disk") && report.ends_with("}\n"), "{report}");
    fs::remove_file(mount.path().join("ballast")).expect("removed");
    pass().expect_code(0);
    let report = fs::read_to_string(mount.path().join(".footage/dashcam.json")).expect("read");
    assert!(!report.contains("ended:disk"), "{report}");
}

// The report.

/// A Pushgateway that accepts and never answers.
#[test]
fn the_report_is_written_under_the_lock_before_metrics_are_pushed() {
    let bench = Bench::new();
    let gateway = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", gateway.local_addr().expect("its address"));
    let pass = bench.pass(&["--metrics-pushgateway-url", &url, "--timeout", "60"]).spawn();
    let _push = gateway.accept().expect("a push");
    let report = || fs::read_to_string(bench.dest().join(".footage/dashcam.json")).expect("the report");
    assert!(report().contains("\"arrived_files\": 1"), "{}", report());
    let before = report();
    bench.run(75);
    pass.term();
    pass.wait().expect_code(143);
    assert_eq!(report(), before);
}

/// A log line about metrics is also logged the first time only.
#[test]
fn an_unreachable_pushgateway_is_logged_the_first_time_only() {
    let bench = Bench::new();
    let options = ["--cron", "--metrics-pushgateway-url", "http://127.0.0.1:1"];
    let output = bench.pass(&options).run().expect_code(0);
    assert!(output.stderr.contains("not pushed: Connection refused"), "{output}");
    let output = bench.pass(&options).run().expect_code(0);
    assert_eq!(output.stderr, "");
}

#[test]
fn dry_run_creates_no_file() {
    let bench = Bench::new();
    bench.pass(&["--dry-run", "--lock-file", "lock"]).run().expect_code(0);
    assert!(!bench.dest().exists() && !bench.scratch.join("lock").exists());
}

// Directories.

/// A foreign directory, named like a group. The tests run as root, who may read it until it drops that capability.
#[test]
fn an_unreadable_directory_is_logged_the_first_time_only() {
    let bench = Bench::new();
    let closed = bench.dest().join("2018");
    fs::create_dir_all(&closed).expect("made");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("closed");
    let pass = || {
        Program::new("setpriv")
            .args(["--bounding-set", "-dac_override,-dac_read_search", env!("CARGO_BIN_EXE_footage"), "dashcam"])
            .args([&bench.camera.address(), "-d", "dest", "--cron"])
            .current_dir(bench.scratch.path())
            .run()
    };
    let output = pass().expect_code(0);
    assert!(output.stderr.contains("cannot read 2018 in the destination: permission denied"), "{output}");
    assert!(bench.dest().join(super::NAME).is_file());
    assert_eq!(pass().expect_code(0).stderr, "");
    fs::set_permissions(bench.dest(), fs::Permissions::from_mode(0o300)).expect("closed");
    let output = pass().expect_code(1);
    assert!(output.stderr.contains("cannot list"), "{output}");
    fs::set_permissions(bench.dest(), fs::Permissions::from_mode(0o755)).expect("opened");
}

/// A pass caches the names in directories that have not changed; the cache must never be wrong.
#[test]
fn the_directory_cache_is_never_stale() {
    let bench = Bench::empty();
    let recordings = ["20181028_131513_NF", "20181029_131513_NF", "20181029_131613_NF"];
    for recording in recordings {
        bench.camera.add_recording(recording, SIZE);
    }
    let pass = || bench.pass(&["--grouping", "daily"]).run().expect_code(0);
    pass();
    // The cache only has directories that have not changed for two seconds: run passes until it has both days.
    let memory = bench.dest().join(".footage/dashcam.held");
    wait_until("both days are remembered", || {
        pass();
        let bytes = fs::read(&memory).unwrap_or_default();
        let header = String::from_utf8_lossy(&bytes).lines().next().map(str::to_owned).unwrap_or_default();
        header.contains("2018-10-28") && header.contains("2018-10-29")
    });
    let remembered = fs::read(&memory).expect("there");
    bench.camera.clear_log();
    pass();
    assert_eq!(fs::read(&memory).expect("there"), remembered, "nothing has changed");
    assert_eq!(bench.camera.body_bytes_served(), 0);

    // One goes, one is moved away, a whole day goes: all of it comes back.
    let dest = bench.dest();
    let harm: [&dyn Fn(); 3] = [
        &|| fs::remove_file(dest.join("2018-10-29/20181029_131513_NF.mp4")).expect("removed"),
        &|| {
            let moved = dest.join("2018-10-29/holiday.mp4");
            fs::rename(dest.join("2018-10-29/20181029_131613_NF.mp4"), moved).expect("moved");
        },
        &|| fs::remove_dir_all(dest.join("2018-10-28")).expect("removed"),
    ];
    for harm in harm {
        harm();
        pass();
        for recording in recordings {
            let path = dest.join(format!("{}-{}-{}", &recording[..4], &recording[4..6], &recording[6..8]));
            let name = format!("{recording}.mp4");
            assert_eq!(fs::read(path.join(&name)).expect("back"), bench.camera.bytes(&name));
        }
    }
    // A journal that lies is not believed.
    fs::write(&memory, &remembered[..remembered.len() - 8]).expect("truncated");
    pass();
}

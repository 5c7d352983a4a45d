//! One pass at a time: of ours, and of the peer that may still be in the same crontab.

use std::collections::BTreeMap;
use std::fs::{self, File};

use rustix::fs::{FlockOperation, flock};

use super::{Bench, NAME, SOON};
use crate::support::{Output, Program, Running, mp4};

/// Locks a file as the peer does, which `flock` does not see.
const LOCKF: &str = "
import fcntl, sys, time
file = open('dest/.blackvuesync.lock', 'w')
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
print('held', flush=True)
time.sleep(600)
";

fn peer(bench: &Bench) -> Program {
    Program::new("python3").args(["-c", LOCKF]).current_dir(bench.scratch.path())
}

/// The peer, with its lock taken.
fn peer_at_work(bench: &Bench) -> Running {
    fs::create_dir_all(bench.dest()).expect("made");
    let peer = peer(bench).spawn();
    peer.wait_for_stdout("held", SOON);
    peer
}

/// Asserts that a pass leaves without a question to the camera, with one line that says why; from cron without it.
#[track_caller]
fn assert_leaves(bench: &Bench, options: &[&str], lock: &str) {
    bench.camera.clear_log();
    let output = bench.pass(options).run().expect_code(75);
    assert_eq!((output.stdout.as_str(), output.stderr.lines().count()), ("", 1), "{output}");
    assert!(output.stderr.contains(lock), "{output}");
    let output = bench.pass(&[options, &["--cron"]].concat()).run().expect_code(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    assert_eq!(bench.camera.requests().len(), 0);
}

#[test]
fn a_held_lock_is_left_alone() {
    let bench = Bench::new();
    let path = bench.scratch.write("dest/.footage/dashcam.lock", "pid 1 since then\n");
    let holder = File::options().write(true).open(&path).expect("the lock file");
    flock(&holder, FlockOperation::LockExclusive).expect("free");
    assert_leaves(&bench, &[], "dest/.footage/dashcam.lock (pid 1 since then)");
    assert_eq!(fs::read_to_string(&path).expect("there"), "pid 1 since then\n");
    drop(holder);
    bench.run(0);
    bench.assert_mirrored();
    assert!(path.exists(), "it is never deleted");
}

#[test]
fn the_lock_error_names_the_holder() {
    let bench = Bench::new();
    let gate = bench.camera.hold("GET .mp4", 1000);
    let pass = bench.pass(&[]).spawn();
    gate.wait_reached(SOON);
    let report = bench.dest().join(".footage/dashcam.json");
    assert_leaves(&bench, &[], &format!("(pid {} since ", pass.id()));
    assert!(!report.exists(), "the one that leaves has nothing to report");
    gate.open();
    pass.wait().expect_code(0);
    bench.assert_mirrored();
}

#[test]
fn lock_file_elsewhere_is_a_lock() {
    let bench = Bench::new();
    let options = ["--lock-file", "elsewhere.lock"];
    let gate = bench.camera.hold("GET .mp4", 1000);
    let pass = bench.pass(&options).spawn();
    gate.wait_reached(SOON);
    assert_leaves(&bench, &options, "elsewhere.lock");
    gate.open();
    pass.wait().expect_code(0);
    assert!(!bench.dest().join(".footage/dashcam.lock").exists());
}

#[test]
fn the_lock_admits_one_of_two_passes_fifty_times() {
    let bench = Bench::new();
    bench.camera.add("20181029_131613_NF.mp4", mp4::movie(70_000, 2));
    let mut met = 0;
    for round in 0..50 {
        let passes = [bench.pass(&[]).spawn(), bench.pass(&[]).spawn()];
        let outputs: [Output; 2] = passes.map(Running::wait);
        let codes = outputs.each_ref().map(|output| output.code);
        let [first, second] = &outputs;
        assert!(codes.contains(&Some(0)), "round {round}: {first}\n{second}");
        assert!(codes.iter().all(|code| [Some(0), Some(75)].contains(code)), "round {round}: {first}\n{second}");
        met += usize::from(codes.contains(&Some(75)));
        bench.assert_mirrored();
        let mut gets = BTreeMap::new();
        for request in bench.camera.requests_for("GET .mp4") {
            *gets.entry(request.path).or_insert(0) += 1;
        }
        assert!(gets.len() == 2 && gets.values().all(|times| *times == 1), "round {round}: {gets:?}");
        bench.camera.clear_log();
        fs::remove_dir_all(bench.dest()).expect("removed");
    }
    assert!(met > 0, "they never met");
}

#[test]
fn the_blackvuesync_lock_is_respected() {
    let bench = Bench::new();
    let peer = peer_at_work(&bench);
    assert_leaves(&bench, &[], "dest/.blackvuesync.lock");
    bench.assert_nothing_visible();
    peer.kill();
    peer.wait();
    // Its file stays, but the lock is free.
    bench.run(0);
    bench.assert_mirrored();
}

#[test]
fn the_lock_keeps_blackvuesync_away() {
    let bench = Bench::new();
    peer_at_work(&bench).kill(); // which makes the file
    let gate = bench.camera.hold("GET .mp4", 1000);
    let pass = bench.pass(&[]).spawn();
    gate.wait_reached(SOON);
    let output = peer(&bench).run();
    assert!(output.stderr.contains("BlockingIOError"), "{output}");
    gate.open();
    pass.wait().expect_code(0);
}

#[test]
fn the_blackvuesync_lock_is_not_created() {
    let bench = Bench::new();
    bench.run(0);
    assert!(bench.dest().join(NAME).exists());
    assert!(!bench.dest().join(".blackvuesync.lock").exists());
}

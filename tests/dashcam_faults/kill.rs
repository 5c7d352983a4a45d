//! `kill -9`: at any time, the next pass continues, and fetches nothing twice except the data in transit.

use std::fs;
use std::time::Duration;

use super::{Bench, OVERLAP, SOON};
use crate::support::{Node, mp4, seeded, tree};

const KILLS: u64 = 50;
/// The latest moment of a kill.
const LIFE: Duration = Duration::from_millis(120);
const RATE: u64 = 4 << 20;
/// Three recordings of this size take the camera longer than all those lives together.
const VIDEO: u64 = 8 << 20;

/// What one kill can cost: bytes that the camera has sent and that are not on disk. They are in its own send buffer
/// (8 KiB here, the kernel doubles what is asked for), in the kernel's receive buffer (128 KiB, which a program that is kept
/// waiting and then takes all at once makes grow: twice that) and in the one read that the program has not written yet
/// (256 KiB); or they are a file of up to 64 KiB, which starts over. A partial that starts over soon costs more than that.
const IN_FLIGHT: u64 = (8 + 256 + 256 + 64) << 10;

#[test]
fn fifty_sigkills_cost_only_the_bytes_in_flight() {
    let bench = Bench::empty();
    for minute in 10..13 {
        bench.camera.add_recording(&format!("20181029_13{minute}13_NF"), VIDEO);
    }
    bench.camera.send_buffer(4 << 10);
    bench.camera.rate_limit(RATE);
    let mut moments = seeded(9);
    let mut lost = 0;
    for kill in 0..KILLS {
        let pass = bench.pass(&["--timeout", "60"]).spawn();
        let life = Duration::from_micros(moments.below(u64::try_from(LIFE.as_micros()).expect("short")));
        let ended = pass.ends_within(life);
        pass.kill();
        let output = pass.wait();
        assert!(!ended, "{output}");
        bench.camera.wait_for(|log| log.iter().all(|request| request.finished), SOON);
        assert_whole_files_only(&bench, kill);
        let lost_so_far = bench.camera.body_bytes_served() - bytes_on_disk(&bench);
        let in_flight = lost_so_far.saturating_sub(lost);
        assert!(in_flight <= IN_FLIGHT, "{in_flight} bytes lost by kill {kill} after {life:?}");
        lost = lost_so_far;
    }
    let resumed = bench.camera.requests_for("GET .mp4").iter().filter(|get| get.range_start.is_some()).count();
    assert!(resumed >= 10, "the kills came too early: only {resumed} transfers were resumed");
    bench.camera.rate_limit(u64::MAX);
    bench.run(0);
    bench.assert_mirrored();
    let all: u64 = bench.camera.names().iter().map(|name| bench.camera.bytes(name).len() as u64).sum();
    let served = bench.camera.body_bytes_served();
    // Each kill that left a partial also costs the overlap.
    let compared = OVERLAP * (KILLS + 1);
    assert!(served <= all + lost + compared, "{served} bytes served, {all} are there, {lost} were in flight");
}

/// Of recordings, whole and partial.
fn bytes_on_disk(bench: &Bench) -> u64 {
    let Ok(files) = fs::read_dir(bench.dest()) else { return 0 };
    let metadata = files.map(|file| file.and_then(|file| file.metadata()).expect("no process removes it"));
    metadata.filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// Between the first file and the last there are moments when nothing is transferred: the proof, the publishing, the
/// journal. Small files make a pass that consists of them.
#[test]
fn sigkill_between_files_leaves_complete_files() {
    let bench = Bench::empty();
    for minute in 10..40 {
        bench.camera.add(&format!("20181029_13{minute}13_NF.mp4"), mp4::movie(66_000, minute));
    }
    let mut moments = seeded(10);
    let mut passes = 0;
    loop {
        let pass = bench.pass(&[]).spawn();
        let life = Duration::from_micros(5000 + moments.below(25_000));
        let ended = pass.ends_within(life);
        pass.kill();
        let output = pass.wait();
        assert_whole_files_only(&bench, passes);
        if ended {
            output.expect_code(0);
            break;
        }
        passes += 1;
        if passes == KILLS {
            bench.run(0);
            break;
        }
    }
    bench.assert_mirrored();
    assert!(passes > 2, "only {passes} kills before all was here");
}

/// What is visible is as on the camera, at any moment.
#[track_caller]
fn assert_whole_files_only(bench: &Bench, kill: u64) {
    for (path, node) in super::visible(&bench.dest()) {
        let bytes = bench.camera.bytes(&path.display().to_string());
        assert_eq!(node, Node::of(&bytes), "{} after kill {kill}", path.display());
    }
    // And of our own files nothing piles up.
    let ours = tree(bench.dest().join(".footage"));
    assert!(ours.len() <= 10, "after kill {kill}: {ours:?}");
}

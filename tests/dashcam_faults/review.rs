//! Found by reading the code: what no list of faults had named.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::{Bench, NAME, SIZE, SOON, visible, wait_for_length};
use crate::support::camera::{Fault, Times};
use crate::support::{Mount, Node, as_root, mp4, small_tmpfs};

/// The camera overwrites its oldest clip, and the oldest is fetched first: a complete file is the only copy.
#[test]
fn a_recording_overwritten_after_its_last_byte_is_published() {
    for status in [404, 500, 302] {
        let bench = Bench::new();
        let bytes = bench.camera.bytes(NAME);
        bench.camera.fault("HEAD .mp4", Fault::Status(status), Times::Always);
        bench.camera.fault("GET .mp4", Fault::Status(status), Times::Nth(2));
        bench.run(0);
        assert_eq!(visible(&bench.dest()), [(NAME.into(), Node::of(&bytes))].into(), "{status}");
    }
}

/// Killed between the last byte and the publishing, and the camera has gone on without it.
#[test]
fn a_complete_partial_of_an_overwritten_recording_is_published() {
    let bench = Bench::new();
    let bytes = bench.camera.bytes(NAME);
    let gate = bench.camera.hold("GET .mp4", SIZE);
    let pass = bench.pass(&[]).spawn();
    gate.wait_reached(SOON);
    wait_for_length(&bench.partial(), SIZE);
    pass.kill();
    pass.wait();
    gate.open();
    bench.camera.remove(NAME);
    bench.camera.add_recording("20181029_150000_NF", SIZE);
    bench.run(0);
    assert_eq!(visible(&bench.dest()).get(std::path::Path::new(NAME)), Some(&Node::of(&bytes)));
    assert!(!bench.partial().exists());
}

/// A partial whose recording left the camera is kept, and logged the first time only.
#[test]
fn a_partial_of_an_overwritten_recording_is_kept_and_logged() {
    let bench = Bench::new();
    bench.cut_at(SIZE / 2);
    bench.camera.remove(NAME);
    let output = bench.run(0);
    assert!(output.stderr.contains("no longer on the camera"), "{output}");
    assert_eq!(fs::metadata(bench.partial()).expect("kept").len(), SIZE / 2);
}

/// A kill between `link` and `unlink`, where a file system has no better way to publish.
#[test]
fn a_published_file_is_not_written_through_a_hard_link() {
    let bench = Bench::new();
    bench.run(0);
    let published = bench.dest().join(NAME);
    fs::hard_link(&published, bench.partial()).expect("linked");
    let before = fs::read(&published).expect("read");
    let short = &before[..before.len() - 1000];
    fs::OpenOptions::new().write(true).open(&published).and_then(|file| file.set_len(short.len() as u64)).expect("cut");
    bench.camera.fault("GET .mp4", Fault::Cut { after: 1000 }, Times::Always);
    bench.pass(&["--verify"]).run();
    assert_eq!(fs::read(&published).expect("read"), short, "the visible file was written in place");
    bench.camera.clear_faults();
    bench.pass(&["--verify"]).run().expect_code(0);
    bench.assert_mirrored();
    assert_eq!(fs::metadata(&published).expect("there").nlink(), 1);
}

/// Snapshots, or a player that holds the files open: removing frees nothing, and must not go on for ever.
#[test]
fn when_full_delete_oldest_stops_when_removals_free_nothing() {
    const RECORDING: u64 = 400_000;
    as_root!();
    let bench = Bench::empty();
    let mount: Mount = small_tmpfs(2_000_000);
    let mut held_open = Vec::new();
    for minute in 10..14 {
        let path = mount.path().join(format!("20181028_13{minute}13_NF.mp4"));
        fs::write(&path, mp4::movie(RECORDING, minute)).expect("written");
        held_open.push(fs::File::open(&path).expect("open"));
    }
    bench.camera.add(NAME, mp4::movie(RECORDING, 1));
    let dest = mount.path().to_owned();
    let recordings = || visible(&dest).len();
    for pass in 0..3 {
        let arguments = ["dashcam", &bench.camera.address(), "--when-full", "delete-oldest", "-u", "90"];
        let output = bench.scratch.footage(arguments).env("FOOTAGE_DESTINATION", &dest).run().expect_code(1);
        assert!(output.stderr.contains("frees nothing"), "{output}");
        assert_eq!(recordings(), 3, "after pass {pass}");
    }
    drop(held_open);
    let arguments = ["dashcam", &bench.camera.address(), "--when-full", "delete-oldest", "-u", "90"];
    bench.scratch.footage(arguments).env("FOOTAGE_DESTINATION", &dest).run().expect_code(0);
    assert!(dest.join(NAME).exists());
}

/// It broke off before, so it came last, when older ones had filled the quota: not a reason to give it up.
#[test]
fn keep_bytes_does_not_leave_out_the_newest_recording_fetched_last() {
    let bench = Bench::empty();
    for minute in 10..14 {
        bench.camera.add_recording(&format!("20181029_13{minute}13_NF"), SIZE);
    }
    let newest = "20181029_131313_NF.mp4";
    let options = ["--keep-bytes", "700kB", "--skip-metadata", "t3g"];
    bench.camera.fault(&format!("GET {newest}"), Fault::Cut { after: 1000 }, Times::Always);
    bench.pass(&options).run();
    bench.camera.clear_faults();
    for _ in 0..3 {
        bench.pass(&options).run();
    }
    assert!(bench.dest().join(newest).exists(), "{:?}", visible(&bench.dest()));
}

/// A sidecar that the camera writes a moment after the recording.
#[test]
fn a_sidecar_that_comes_later_is_fetched() {
    let bench = Bench::empty();
    bench.camera.add_recording("20181029_131513_NF", SIZE);
    let gps = bench.camera.bytes("20181029_131513_N.gps");
    bench.camera.remove("20181029_131513_N.gps");
    bench.run(0);
    bench.camera.add("20181029_131513_N.gps", gps);
    bench.run(0);
    bench.assert_mirrored();
}

/// Of two damaged copies the longer is worth more.
#[test]
fn verify_keeps_the_longer_rescue_copy() {
    let bench = Bench::of(mp4::garbage_after(mp4::movie(SIZE, 1), 5));
    bench.run(3);
    let damaged = bench.dest().join(format!(".{NAME}.damaged"));
    let before = fs::metadata(&damaged).expect("set aside").len();
    bench.camera.add(NAME, mp4::truncated(mp4::movie(SIZE, 1), 70_000));
    bench.pass(&["--retry-failed-after", "1s"]).run();
    std::fs::write(bench.dest().join(format!("{NAME}.failed")), "2018-10-29T13:15:13").expect("written");
    bench.run(3);
    assert_eq!(fs::metadata(&damaged).expect("kept").len(), before);
    assert!(!bench.partial().exists());
}

/// As after a power loss: a pass that is killed in this boot does not make unsynced data of an earlier boot trusted.
#[test]
fn sigkill_after_a_power_loss_makes_no_byte_certain() {
    let bench = Bench::new();
    bench.cut_at(SIZE / 2);
    let journal = fs::read_to_string(bench.journal()).expect("a journal");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot id");
    fs::write(bench.journal(), journal.replace(boot.trim(), "another boot")).expect("written");
    // Zeros in the middle, the end as it should be.
    let mut bytes = bench.camera.bytes(NAME)[..usize::try_from(SIZE / 2).expect("small")].to_vec();
    bytes[100_000..120_000].fill(0);
    fs::write(bench.partial(), bytes).expect("written");
    let gate = bench.camera.hold("GET .mp4", 1);
    let pass = bench.pass(&[]).spawn();
    gate.wait_reached(SOON);
    wait_for_length(&bench.partial(), 1);
    pass.kill();
    pass.wait();
    gate.open();
    bench.run(0);
    bench.assert_mirrored();
}

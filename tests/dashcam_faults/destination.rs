//! A destination that is read-only, full, or gone, and one in which another file has a needed name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Bench, NAME, SIZE, SOON, visible, wait_for_length};
use crate::support::camera::{Camera, Fault, Times};
use crate::support::{Mount, Node, Output, as_root, mp4, small_tmpfs, tree};

const OTHER: &str = "20181029_131613_NF.mp4";
const MIB: u64 = 1 << 20;

/// A camera with two recordings and a file system of its own for the destination.
struct Disk {
    bench: Bench,
    mount: Mount,
}

impl Disk {
    fn new(size: u64) -> Self {
        let bench = Bench::new();
        bench.camera.add(OTHER, mp4::movie(SIZE, 2));
        Self { bench, mount: small_tmpfs(size) }
    }

    /// A pass to the mounted file system; the later of two `-d` would be refused.
    fn pass(&self, options: &[&str]) -> crate::support::Program {
        let address = self.bench.camera.address();
        let dest = self.mount.path();
        self.bench.scratch.footage(["dashcam", &address, "--timeout", "5", "-d"]).arg(dest).args(options)
    }

    fn partial(&self) -> std::path::PathBuf {
        self.mount.path().join(format!(".{NAME}.part"))
    }

    /// Fills the remaining space.
    fn fill(&self) {
        let ballast = self.mount.path().join("ballast");
        fs::write(&ballast, vec![1; 4 << 20]).expect_err("the file system is small");
    }

    fn visible(&self) -> Vec<String> {
        visible(self.mount.path()).into_keys().map(|path| path.display().to_string()).collect()
    }
}

#[track_caller]
fn assert_one_line_with(output: &Output, words: &[&str]) {
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    for word in words {
        assert!(output.stderr.contains(word), "{word:?} is not in {output}");
    }
}

// Read-only.

#[test]
fn a_read_only_destination_is_an_error_that_names_it() {
    as_root!();
    let disk = Disk::new(8 * MIB);
    disk.mount.make_read_only();
    let output = disk.pass(&[]).run().expect_code(1);
    assert_one_line_with(&output, &["cannot ", &disk.mount.path().display().to_string(), "ead-only file system"]);
    // From cron too: this is wrong, not "not now".
    let output = disk.pass(&["--cron"]).run().expect_code(1);
    assert!(!output.stderr.is_empty());
    assert_eq!(disk.bench.camera.starts_of_everything(), 0, "nothing is fetched that cannot be kept");
}

#[test]
fn a_destination_that_became_read_only_keeps_what_it_has() {
    as_root!();
    let disk = Disk::new(8 * MIB);
    disk.pass(&[]).run().expect_code(0);
    let before = tree(disk.mount.path());
    disk.bench.camera.add("20181029_131713_NF.mp4", mp4::movie(SIZE, 3));
    disk.mount.make_read_only();
    let output = disk.pass(&[]).run().expect_code(1);
    assert!(output.stderr.contains("ead-only file system"), "{output}");
    assert_eq!(tree(disk.mount.path()), before);
}

impl Camera {
    fn starts_of_everything(&self) -> usize {
        self.requests_for("GET .mp4").len()
    }
}

#[test]
fn a_destination_that_is_a_file_is_refused() {
    let bench = Bench::new();
    bench.scratch.write("dest", "not a directory");
    let output = bench.pass(&[]).run().expect_code(2);
    assert_one_line_with(&output, &["dest", "not a directory"]);
}

#[test]
fn a_destination_is_created_with_its_parents() {
    let bench = Bench::new();
    let address = bench.camera.address();
    bench.scratch.footage(["dashcam", &address, "-d", "a/b/c"]).run().expect_code(0);
    assert_eq!(visible(&bench.scratch.join("a/b/c")).len(), 1);
}

// Full.

#[test]
fn a_recording_larger_than_the_free_space_is_not_begun() {
    as_root!();
    let disk = Disk::new(MIB);
    disk.bench.camera.add(NAME, mp4::movie(2 * MIB, 1));
    let output = disk.pass(&[]).run().expect_code(1);
    assert_one_line_with(&output, &["not enough room", &disk.mount.path().display().to_string()]);
    assert_eq!(disk.visible(), [""; 0]);
}

/// Other programs write as well: the space at the beginning is gone in the middle.
#[test]
fn a_disk_that_fills_up_in_mid_run_loses_nothing() {
    as_root!();
    let disk = Disk::new(MIB);
    let gate = disk.bench.camera.hold(&format!("GET {NAME}"), 100_000);
    let pass = disk.pass(&[]).spawn();
    gate.wait_reached(SOON);
    wait_for_length(&disk.partial(), 100_000);
    disk.fill();
    gate.open();
    let output = pass.wait().expect_code(1);
    assert!(output.stderr.contains("No space left") || output.stderr.contains("no storage space"), "{output}");
    assert_eq!(disk.visible(), ["ballast"]);

    fs::remove_file(disk.mount.path().join("ballast")).expect("removed");
    disk.pass(&[]).run().expect_code(0);
    assert_eq!(disk.visible(), [NAME, OTHER]);
    let whole = Node::of(&disk.bench.camera.bytes(NAME));
    assert_eq!(tree(disk.mount.path())[Path::new(NAME)], whole);
    let start = disk.bench.camera.requests_for(&format!("GET {NAME}"))[1].range_start;
    assert!(start >= Some(100_000), "resumed at {start:?}");
}

/// Without an announced length it can only be seen on the way.
#[test]
fn a_recording_of_unknown_length_on_a_full_disk_is_not_published() {
    as_root!();
    let disk = Disk::new(MIB);
    disk.bench.camera.add(NAME, mp4::movie(2 * MIB, 1));
    disk.bench.camera.fault("GET .mp4", Fault::Chunked, Times::Always);
    let output = disk.pass(&[]).run().expect_code(1);
    assert!(output.stderr.contains("not enough room"), "{output}");
    assert_eq!(disk.visible(), [""; 0]);
}

/// A recording that announces no length may have no end: the limit holds all the same.
#[test]
fn a_recording_of_unknown_length_respects_min_free() {
    as_root!();
    let disk = Disk::new(8 * MIB);
    disk.bench.camera.add(NAME, mp4::movie(6 * MIB, 1));
    disk.bench.camera.fault("GET .mp4", Fault::Chunked, Times::Always);
    for options in [&["--min-free", "5MiB"][..], &["--max-used-disk", "40"], &["--keep-bytes", "2MiB"]] {
        let output = disk.pass(options).run();
        let space = rustix::fs::statvfs(disk.mount.path()).expect("mounted");
        let free = space.f_bavail * space.f_frsize;
        assert!(free > 4 * MIB, "{options:?}: {free} bytes are free; {output}");
        // What is known not to fit is left, and the other one comes.
        output.expect_code(i32::from(options[0] != "--keep-bytes"));
        assert!(!disk.visible().contains(&NAME.to_owned()));
        let _ = fs::remove_file(disk.partial());
    }
    disk.pass(&["--min-free", "1MiB"]).run().expect_code(0);
    assert_eq!(disk.visible(), [NAME, OTHER]);
}

#[test]
fn a_full_disk_does_not_matter_when_there_is_nothing_to_fetch() {
    as_root!();
    let disk = Disk::new(MIB);
    disk.pass(&[]).run().expect_code(0);
    disk.fill();
    disk.pass(&[]).run().expect_code(0);
}

/// The pass that would make room must not need any.
#[test]
fn retention_works_on_a_full_disk() {
    as_root!();
    for options in [&["--keep", "1d"][..], &["--when-full", "delete-oldest"]] {
        let disk = Disk::new(MIB);
        fs::write(disk.mount.path().join("20180101_000000_NF.mp4"), mp4::movie(700_000, 3)).expect("written");
        disk.fill();
        let output = disk.pass(options).run();
        assert!(!disk.visible().contains(&"20180101_000000_NF.mp4".into()), "{options:?}: {output}");
    }
}

// Vanishing.

#[test]
fn a_destination_that_is_moved_away_is_not_created_again() {
    for (grouping, dir) in [("none", ""), ("daily", "2018-10-29")] {
        let bench = Bench::new();
        bench.camera.add(OTHER, mp4::movie(SIZE, 2));
        let gate = bench.camera.hold(&format!("GET {NAME}"), 100_000);
        let pass = bench.pass(&["--grouping", grouping]).spawn();
        gate.wait_reached(SOON);
        wait_for_length(&bench.dest().join(dir).join(format!(".{NAME}.part")), 100_000);
        fs::rename(bench.dest(), bench.scratch.join("moved")).expect("moved");
        gate.open();
        let output = pass.wait().expect_code(1);
        assert!(output.stderr.contains("vanished"), "{output}");
        assert!(!bench.dest().exists());
        assert!(visible(&bench.scratch.join("moved")).is_empty(), "{output}");

        fs::rename(bench.scratch.join("moved"), bench.dest()).expect("moved back");
        bench.pass(&["--grouping", grouping]).run().expect_code(0);
        assert_eq!(visible(&bench.dest()).len(), 2);
        assert_eq!(bench.camera.body_bytes_served(), 2 * SIZE);
    }
}

/// A network share vanishes: its mount point remains, a directory on the system's own disk, which must not fill.
#[test]
fn an_unmounted_share_leaves_its_mount_point_empty() {
    as_root!();
    for (grouping, dir) in [("none", ""), ("daily", "2018-10-29")] {
        let disk = Disk::new(8 * MIB);
        let gate = disk.bench.camera.hold(&format!("GET {NAME}"), 100_000);
        let pass = disk.pass(&["--grouping", grouping]).spawn();
        gate.wait_reached(SOON);
        wait_for_length(&disk.mount.path().join(dir).join(format!(".{NAME}.part")), 100_000);
        disk.mount.detach();
        gate.open();
        let output = pass.wait().expect_code(1);
        assert!(tree(disk.mount.path()).is_empty(), "{:?}", tree(disk.mount.path()));
        assert!(output.stderr.contains("vanished"), "{output}");
    }
}

/// The same while the pass requests the listing: the destination seems empty then, and every recording new.
#[test]
fn an_unmounted_share_before_the_first_file_leaves_its_mount_point_empty() {
    as_root!();
    for (size, grouping) in [(SIZE, "none"), (SIZE, "daily"), (20_000, "none")] {
        let disk = Disk::new(8 * MIB);
        disk.bench.camera.add(NAME, mp4::movie(size, 1));
        disk.bench.camera.add(OTHER, mp4::movie(size, 2));
        disk.pass(&["--grouping", grouping]).run().expect_code(0);
        let gate = disk.bench.camera.hold("/blackvue_vod.cgi", 0);
        let pass = disk.pass(&["--grouping", grouping]).spawn();
        gate.wait_reached(SOON);
        disk.mount.detach();
        gate.open();
        let output = pass.wait();
        assert!(tree(disk.mount.path()).is_empty(), "{size}, {grouping}: {:?}; {output}", tree(disk.mount.path()));
        output.expect_code(1);
    }
}

// In the way.

/// The user keeps the recording elsewhere: it counts as fetched, and is not changed.
#[test]
fn a_symlink_under_a_final_name_counts_as_the_recording() {
    for target_exists in [true, false] {
        let bench = Bench::new();
        bench.camera.add(OTHER, mp4::movie(SIZE, 2));
        let elsewhere = bench.scratch.join("elsewhere.mp4");
        if target_exists {
            fs::write(&elsewhere, "precious").expect("written");
        }
        fs::create_dir(bench.dest()).expect("made");
        symlink(&elsewhere, bench.dest().join(NAME)).expect("linked");
        bench.run(0);
        assert_eq!(tree(bench.dest())[Path::new(NAME)], Node::Link(elsewhere.clone()));
        assert_eq!(elsewhere.exists(), target_exists);
        assert!(bench.dest().join(OTHER).is_file());
        assert_eq!(bench.starts().len(), 1);
    }
}

/// One recording cannot be kept. That is no reason to keep none.
#[test]
fn a_directory_under_a_final_name_fails_one_recording() {
    let bench = Bench::new();
    bench.camera.add(OTHER, mp4::movie(SIZE, 2));
    let in_the_way = bench.dest().join(NAME);
    fs::create_dir_all(in_the_way.join("inner")).expect("made");
    let output = bench.pass(&[]).run();
    assert!(in_the_way.join("inner").is_dir());
    assert!(bench.dest().join(OTHER).is_file(), "{output}");
    output.expect_code(3);
    // And not again at every pass, as long as it stands there.
    bench.pass(&[]).run();
    assert!(bench.camera.body_bytes_served() <= 2 * SIZE, "{:?}", bench.starts());
}

/// A file that appeared under the final name during the pass is foreign, and is kept.
#[test]
fn a_file_that_appears_under_a_final_name_is_not_overwritten() {
    let bench = Bench::new();
    bench.camera.add(OTHER, mp4::movie(SIZE, 2));
    let gate = bench.camera.hold(&format!("GET {NAME}"), 100_000);
    let pass = bench.pass(&[]).spawn();
    gate.wait_reached(SOON);
    fs::write(bench.dest().join(NAME), "precious").expect("written");
    gate.open();
    pass.wait();
    assert_eq!(fs::read(bench.dest().join(NAME)).expect("a file"), b"precious");
    // What else there is comes, now or on the next pass.
    bench.pass(&[]).run();
    assert!(bench.dest().join(OTHER).is_file());
}

#[test]
fn a_symlink_in_place_of_a_group_directory_is_not_followed() {
    let bench = Bench::new();
    bench.camera.add("20181030_131513_NF.mp4", mp4::movie(SIZE, 2));
    let outside = bench.scratch.join("outside");
    fs::create_dir_all(&outside).expect("made");
    fs::create_dir_all(bench.dest()).expect("made");
    symlink(&outside, bench.dest().join("2018-10-29")).expect("linked");
    let output = bench.pass(&["--grouping", "daily"]).run();
    assert!(tree(&outside).is_empty(), "{output}");
    assert!(output.stderr.contains("2018-10-29"), "{output}");
    assert!(
        bench.dest().join("2018-10-30/20181030_131513_NF.mp4").is_file(),
        "the other day has no part in it: {output}"
    );
}

/// Every name that is written to, other than by the rename of a whole file.
#[test]
fn symlinks_under_state_file_names_are_not_written_through() {
    let mut overwritten = Vec::new();
    for (link, options) in [
        ("20181029_131513_NF.mp4.failed", &[][..]),
        ("20181029_131513.protected", &["--protect", "20181029_131513"]),
        (".footage/dashcam.json", &[]),
        (".footage/dashcam.partials", &[]),
        (".footage/dashcam.absent", &[]),
    ] {
        let bench = Bench::new();
        bench.camera.fault(&format!("GET {NAME}"), Fault::Status(500), Times::Always);
        bench.camera.add(OTHER, mp4::movie(SIZE, 2));
        let precious = bench.scratch.write("precious", "precious");
        fs::create_dir_all(bench.dest().join(".footage")).expect("made");
        symlink(&precious, bench.dest().join(link)).expect("linked");
        bench.pass(options).run();
        assert!(bench.dest().join(OTHER).is_file(), "{link}");
        if fs::read_to_string(&precious).expect("it is still there") != "precious" {
            overwritten.push(link);
        }
    }
    assert_eq!(overwritten, [""; 0]);
}

// A limit of this user.

#[test]
fn ulimit_f_is_an_error_and_ends_no_process() {
    let bench = Bench::new();
    // In blocks of 512 bytes or of 1 KiB, as the shell has it: less than a recording.
    let output = bench.pass(&[]).under_shell("ulimit -f 100").run().expect_code(1);
    assert_one_line_with(&output, &["cannot write", "File too large", "ulimit -f"]);
    assert!(visible(&bench.dest()).is_empty());
    bench.run(0);
    bench.assert_mirrored();
}

//! `--keep-bytes`, the disk guard, and the ring.

use super::{Bench, NAME, SIZE, set};
use crate::support::camera::{Api, How};
use crate::support::{Mount, Output, as_root, small_tmpfs};

const MB: u64 = 1_000_000;

/// Recordings of a minute each, oldest first, without sidecars.
const DRIVE: [&str; 6] = [
    "20181029_100000_NF",
    "20181029_100100_NF",
    "20181029_100200_NF",
    "20181029_100300_NF",
    "20181029_100400_NF",
    "20181029_100500_NF",
];

/// A camera with large recordings, and a destination on a small disk of its own.
struct Small {
    bench: Bench,
    mount: Mount,
}

impl Small {
    fn new(disk: u64, recording: u64, names: &[&str]) -> Self {
        let bench = Bench::new(Api::Old);
        for name in names {
            bench.camera.add_recording(name, recording);
        }
        Self { bench, mount: small_tmpfs(disk) }
    }

    /// A pass with these options and no sidecars, whose sizes would blur the numbers.
    fn pass(&self, options: &[&str]) -> Output {
        let arguments = ["dashcam", &self.bench.camera.address(), "--skip-metadata", "t3g"];
        let dest = self.mount.path();
        self.bench.scratch.footage(arguments).args(options).env("FOOTAGE_DESTINATION", dest).run()
    }

    fn held(&self) -> Vec<String> {
        super::files(self.mount.path()).into_iter().collect()
    }

    fn write(&self, name: &str, bytes: u64) {
        let bytes = vec![7; usize::try_from(bytes).expect("small")];
        std::fs::write(self.mount.path().join(name), bytes).expect("there is room");
    }
}

fn videos(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name}.mp4")).collect()
}

fn report(output: &Output) -> serde_json::Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("no report: {e}; {output}"))
}

#[test]
fn keep_bytes_evicts_the_oldest_recordings() {
    let bench = Bench::new(Api::Old);
    for name in DRIVE {
        bench.put_recording("2018", name);
    }
    // Each holds 100,000 bytes and 13 kB of sidecars.
    let report = bench.report(&["--keep-bytes", "350kB"]);
    assert_eq!(bench.recordings(), DRIVE[3..].iter().map(|name| format!("2018/{name}")).collect::<Vec<_>>());
    assert_eq!(report["removed_files"], serde_json::json!({"over-quota": 12}));
    assert!(report["removed_bytes"].as_u64() > Some(3 * SIZE), "{report}");
}

/// What is half here, or damaged, takes room too.
#[test]
fn keep_bytes_counts_all_groupings() {
    for other in [".20181029_100400_NF.mp4.part", ".20181029_100400_NF.mp4.damaged", ".20181029_100400_NF.mp4"] {
        for (bytes, left) in [(10_000, &DRIVE[..3]), (50_000, &DRIVE[1..3])] {
            let bench = Bench::new(Api::Old);
            for name in &DRIVE[..3] {
                bench.put_recording("", name);
            }
            bench.put(other, vec![7; bytes]);
            bench.pass(&["--keep-bytes", "360kB"]).expect_code(0);
            let recordings: Vec<_> = bench.recordings().into_iter().filter(|name| !name.starts_with('.')).collect();
            assert_eq!(recordings, left, "{other} {bytes}");
        }
    }
}

#[test]
fn keep_bytes_keeps_the_newest_and_fetches_nothing_again() {
    let bench = Bench::with(DRIVE);
    let options = ["--keep-bytes", "250kB", "--skip-metadata", "t3g"];
    bench.quiet_pass(&options);
    assert_eq!(bench.recordings(), DRIVE[4..]);
    bench.camera.clear_log();
    for _ in 0..2 {
        bench.quiet_pass(&options);
        assert_eq!(bench.recordings(), DRIVE[4..]);
    }
    assert_eq!(bench.camera.body_bytes_served(), 0);
    // A newer one takes the place of the oldest.
    bench.add(["20181029_110000_NF"]);
    bench.quiet_pass(&options);
    assert_eq!(bench.recordings(), [DRIVE[5], "20181029_110000_NF"]);
    bench.camera.clear_log();
    bench.quiet_pass(&options);
    assert_eq!(bench.camera.body_bytes_served(), 0);
}

#[test]
fn recordings_left_out_by_keep_bytes_are_fetched_when_it_is_gone() {
    let bench = Bench::with(DRIVE);
    bench.quiet_pass(&["--keep-bytes", "250kB", "--skip-metadata", "t3g"]);
    assert_eq!(bench.recordings(), DRIVE[4..]);
    bench.quiet_pass(&["--skip-metadata", "t3g"]);
    assert_eq!(bench.recordings(), DRIVE, "nothing limits this pass: all of the camera is asked for");
}

#[test]
fn a_larger_keep_bytes_fetches_more() {
    let bench = Bench::with(DRIVE);
    bench.quiet_pass(&["--keep-bytes", "250kB", "--skip-metadata", "t3g"]);
    bench.quiet_pass(&["--keep-bytes", "450kB", "--skip-metadata", "t3g"]);
    assert_eq!(bench.recordings(), DRIVE[2..]);
}

#[test]
fn a_recording_larger_than_keep_bytes_does_not_block_the_others() {
    let bench = Bench::with(&DRIVE[..2]);
    bench.camera.add_recording("20181029_120000_NF", 10 * SIZE);
    let options = ["--keep-bytes", "250kB", "--skip-metadata", "t3g"];
    bench.pass(&options).expect_code(0);
    assert_eq!(bench.recordings(), DRIVE[..2]);
}

#[test]
fn keep_bytes_counts_protected_recordings_and_keeps_them() {
    let bench = Bench::new(Api::Old);
    for name in ["20181029_100000_EF", "20181029_100100_NF", "20181029_100200_NF"] {
        bench.put_recording("", name);
    }
    bench.quiet_pass(&["--keep-bytes", "250kB", "--protect", "E"]);
    assert_eq!(bench.recordings(), ["20181029_100000_EF", "20181029_100200_NF"]);
}

#[test]
fn keep_bytes_counts_recordings_and_nothing_else() {
    let bench = Bench::new(Api::Old);
    bench.put_recording("", NAME);
    bench.put("holiday.mp4", vec![0; 1_000_000]);
    bench.put("Events/20181029_100000_NF.mp4", vec![0; 1_000_000]);
    let before = bench.held();
    bench.quiet_pass(&["--keep-bytes", "200kB"]);
    assert_eq!(bench.held(), before);
}

#[test]
fn keep_bytes_is_enforced_while_the_camera_is_away() {
    let bench = Bench::new(Api::Old);
    for name in DRIVE {
        bench.put_recording("", name);
    }
    bench.camera.depart(How::Refused);
    bench.pass(&["--keep-bytes", "1B"]).expect_code(75);
    assert_eq!(bench.held(), set([""; 0]));
}

#[test]
fn a_full_disk_ends_the_pass_and_names_the_missing_bytes() {
    as_root!();
    for (options, option) in [(&["-u", "50"][..], "--max-used-disk"), (&["--min-free", "1MB"], "--min-free")] {
        let small = Small::new(2 * MB, 400_000, &DRIVE);
        let output = small.pass(options).expect_code(1);
        // As df counts: 2 MB hold two of 400 kB below either limit.
        assert_eq!(small.held(), videos(&DRIVE[..2]), "{option}");
        assert!(output.stderr.starts_with("error: not enough room"), "{output}");
        assert!(output.stderr.contains(option) && output.stderr.contains("free "), "{output}");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
    }
}

#[test]
fn min_free_is_checked_only_when_there_is_something_to_write() {
    as_root!();
    let small = Small::new(2 * MB, 400_000, &DRIVE[..3]);
    assert_eq!(small.pass(&[]).expect_code(0).stderr, "");
    let output = small.pass(&["-u", "5", "--min-free", "1TB"]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
}

#[test]
fn keep_is_applied_before_min_free() {
    as_root!();
    let small = Small::new(2 * MB, 400_000, &["20181029_100000_NF"]);
    small.write("20180101_000000_NF.mp4", 1_600_000);
    small.bench.camera.remove("20181029_100000_NF.mp4");
    let recent = super::ago(super::today(), 1, "120000") + "_NF";
    small.bench.camera.add_recording(&recent, 400_000);
    let output = small.pass(&["-k", "2w"]).expect_code(0);
    assert_eq!(output.stderr, "20180101_000000_NF.mp4: removed (expired)\n", "{output}");
    assert_eq!(small.held(), [format!("{recent}.mp4")]);
}

#[test]
fn when_full_stop_is_the_default_and_removes_nothing() {
    as_root!();
    let small = Small::new(2 * MB, 400_000, &DRIVE);
    small.write("20180101_000000_NF.mp4", 1_000_000);
    small.pass(&[]).expect_code(1);
    assert!(small.held().contains(&"20180101_000000_NF.mp4".into()));
}

#[test]
fn with_cron_a_full_disk_is_logged_the_first_time_only() {
    as_root!();
    let small = Small::new(2 * MB, 1_500_000, &DRIVE[..2]);
    small.pass(&["--cron"]).expect_code(1);
    assert_eq!(small.pass(&["--cron"]).expect_code(1).stderr, "");
}

#[test]
fn when_full_delete_oldest_keeps_the_newest_and_fetches_nothing_again() {
    as_root!();
    let small = Small::new(2 * MB, 400_000, &DRIVE);
    small.write("holiday.txt", 10_000);
    small.write("20180101_000000_NF.mp4", 900_000);
    small.write("20180101_000000_NF.mp4.bak", 10_000);
    let options = ["--when-full", "delete-oldest", "--json"];
    let output = small.pass(&options).expect_code(0);
    assert_eq!(output.stderr, "20180101_000000_NF.mp4: removed (disk-full)\n", "{output}");
    let users = ["20180101_000000_NF.mp4.bak".to_owned(), "holiday.txt".into()];
    let mut expected = [videos(&DRIVE[2..]), users.to_vec()].concat();
    expected.sort();
    assert_eq!(small.held(), expected);
    assert_eq!(report(&output)["removed_files"]["disk-full"], 1);
    small.bench.camera.clear_log();
    for _ in 0..2 {
        small.pass(&options).expect_code(0);
        assert_eq!(small.held(), expected);
    }
    assert_eq!(small.bench.camera.body_bytes_served(), 0);

    small.bench.camera.add_recording("20181029_110000_NF", 400_000);
    small.pass(&options).expect_code(0);
    assert!(!small.held().contains(&"20181029_100200_NF.mp4".into()));
    assert!(small.held().contains(&"20181029_110000_NF.mp4".into()));
}

#[test]
fn when_full_delete_oldest_spares_protected_recordings() {
    as_root!();
    let small = Small::new(2 * MB, 400_000, &DRIVE);
    small.write("20180101_000000_EF.mp4", 900_000);
    small.pass(&["--when-full", "delete-oldest", "--protect", "E"]).expect_code(0);
    let expected = [vec!["20180101_000000_EF.mp4".to_owned()], videos(&DRIVE[4..])].concat();
    assert_eq!(small.held(), expected);
}

#[test]
fn when_full_delete_oldest_removes_from_all_groupings() {
    as_root!();
    let small = Small::new(2 * MB, 400_000, &DRIVE[..4]);
    for (place, dir) in ["2018", "2018-01", "2018-01-02", "2018-01-01"].iter().enumerate() {
        std::fs::create_dir(small.mount.path().join(dir)).expect("a directory");
        small.write(&format!("{dir}/2018010{}_000000_NF.mp4", place + 1), 300_000);
    }
    small.pass(&["--when-full", "delete-oldest", "-g", "monthly"]).expect_code(0);
    let expected: Vec<_> = videos(&DRIVE[..4]).iter().map(|name| format!("2018-10/{name}")).collect();
    assert_eq!(small.held(), expected);
    assert!(!small.mount.path().join("2018-01-02").exists(), "what became empty goes");
}

#[test]
fn when_full_delete_oldest_logs_that_nothing_is_left_to_remove() {
    as_root!();
    // The disk is full of the user's own files: the ring has nothing to give.
    let small = Small::new(2 * MB, 400_000, &DRIVE[..3]);
    small.write("holiday.mp4", 1_900_000);
    let output = small.pass(&["--when-full", "delete-oldest"]);
    assert_eq!(output.code, Some(1), "recordings are not fetched, and no error says so: {output}");
    assert!(output.stderr.contains("not enough room"), "{output}");
    std::fs::remove_file(small.mount.path().join("holiday.mp4")).expect("room is made");
    small.pass(&["--when-full", "delete-oldest"]).expect_code(0);
    assert_eq!(small.held(), videos(&DRIVE[..3]));
}

#[test]
fn recordings_removed_by_delete_oldest_are_fetched_when_there_is_space_again() {
    as_root!();
    let small = Small::new(2 * MB, 400_000, &DRIVE[..3]);
    small.write("holiday.mp4", 1_900_000);
    small.pass(&["--when-full", "delete-oldest"]);
    std::fs::remove_file(small.mount.path().join("holiday.mp4")).expect("room is made");
    small.pass(&["--when-full", "delete-oldest"]).expect_code(0);
    assert_eq!(small.held(), videos(&DRIVE[..3]), "a moment's want of room must not lose footage for good");
}

#[test]
fn recordings_left_out_for_disk_space_are_counted_at_every_pass() {
    let bench = Bench::with(DRIVE);
    let options = ["--keep-bytes", "250kB", "--skip-metadata", "t3g"];
    for _ in 0..2 {
        assert_eq!(bench.report(&options)["left_out_recordings"], 4);
    }
}

#[test]
fn a_deleted_footage_folder_breaks_nothing() {
    let bench = Bench::with(DRIVE);
    let options = ["--keep-bytes", "250kB", "--skip-metadata", "t3g"];
    bench.quiet_pass(&options);
    std::fs::remove_dir_all(bench.dest().join(".footage")).expect("removed");
    bench.quiet_pass(&options);
    assert_eq!(bench.recordings(), DRIVE[4..]);
}

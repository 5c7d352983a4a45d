//! What arrived is not fetched again, and what does not belong together is not put together.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use super::{Bench, NAME, OVERLAP, SIZE, SOON, resumed, visible, wait_for_length, wait_until};
use crate::support::camera::{Api, Camera, Fault, How, Times};
use crate::support::{Node, Scratch, mp4, seeded, tree};

/// Where most tests cut: in the payload, far from everything.
const CUT: u64 = 123_457;

#[test]
fn a_body_cut_by_a_clean_close_is_resumed() {
    let (first, second) = (100_000, 200_000);
    // The first and the last byte; in and around the heads of boxes (`ftyp` ends at 24, `free` at 32, `moov` at 148,
    // then 8 bytes of `mdat`); where the first movie ends, which alone would be a complete file; the limit of 64 KiB.
    let mut points = vec![0, 1, 7, 8, 23, 24, 25, 32, 147, 148, 149, 156, 157, 65_535, 65_536, 65_537];
    points.extend([first - 1, first, first + 1, first + 24, first + 148, first + 156, first + second - 1]);
    let mut random = seeded(2018);
    points.extend((0..5).map(|_| random.below(first + second)));
    for point in points {
        let bench = Bench::of(mp4::two_movies(first, second, 1));
        bench.cut_at(point);
        bench.assert_nothing_visible();
        bench.run(0);
        bench.assert_mirrored();
        assert_eq!(bench.starts(), [None, resumed(point)], "cut at {point}");
        assert_eq!(bench.camera.body_bytes_served(), first + second + point.min(OVERLAP), "cut at {point}");
    }
}

#[test]
fn a_body_that_breaks_off_repeatedly_is_completed_in_one_pass() {
    let after = 70_000;
    for (fault, times) in [
        (Fault::Cut { after }, Times::Always),
        (Fault::Reset { after }, Times::Always),
        (Fault::Stall { after }, Times::First(1)), // each costs a timeout
    ] {
        let bench = Bench::new();
        bench.camera.fault("GET .mp4", fault.clone(), times);
        bench.pass(&["--timeout", "1"]).run().expect_code(0);
        bench.assert_mirrored();
        let again = OVERLAP * (bench.starts().len() as u64 - 1);
        assert_eq!(bench.camera.body_bytes_served(), SIZE + again, "{fault:?}: {:?}", bench.starts());
    }
}

#[test]
fn a_partial_from_the_newer_api_is_resumed() {
    let bench = Bench { camera: Camera::start(Api::New), scratch: Scratch::new() };
    bench.camera.add(NAME, mp4::movie(SIZE, 1));
    bench.cut_at(CUT);
    bench.run(0);
    bench.assert_mirrored();
    assert_eq!(bench.starts(), [None, resumed(CUT)]);
    assert_eq!(bench.camera.body_bytes_served(), SIZE + OVERLAP);
}

#[test]
fn a_wrong_content_range_restarts_from_the_beginning() {
    for fault in [
        Fault::LyingRange { start_delta: -10, total_delta: 0 },
        Fault::LyingRange { start_delta: 7, total_delta: 0 },
        Fault::LyingRange { start_delta: 0, total_delta: 5 },
        Fault::LyingRange { start_delta: 0, total_delta: -5 },
        Fault::NoRange,
    ] {
        let bench = Bench::new();
        bench.cut_at(CUT);
        bench.camera.fault("GET .mp4", fault.clone(), Times::Always);
        bench.run(0);
        bench.assert_mirrored();
        assert_eq!(bench.starts()[1], resumed(CUT), "{fault:?}");
    }
}

/// The shifted bytes break the chain of boxes.
#[test]
fn wrong_bytes_in_mp4_box_headers_are_fetched_again() {
    let bench = Bench::of(mp4::two_movies(SIZE / 2, SIZE / 2, 1));
    bench.cut_at(CUT);
    bench.camera.fault("GET .mp4", Fault::WrongBytes, Times::Always);
    bench.run(0);
    bench.assert_mirrored();
}

/// The shifted bytes are all payload: no box shows it, only a comparison with the bytes of the partial file.
#[test]
fn wrong_bytes_inside_an_mp4_box_are_fetched_again() {
    let bench = Bench::new();
    bench.cut_at(CUT);
    bench.camera.fault("GET .mp4", Fault::WrongBytes, Times::Always);
    bench.run(0);
    bench.assert_mirrored();
}

#[test]
fn another_recording_under_the_same_name_restarts_the_partial() {
    // Longer; shorter, still beyond the cut; shorter than the cut (416 with another total).
    for size in [SIZE + 1, SIZE - 1, CUT, CUT - 1] {
        let bench = Bench::new();
        bench.cut_at(CUT);
        bench.camera.add(NAME, mp4::movie(size, 2));
        bench.run(0);
        bench.assert_mirrored();
    }
}

#[test]
fn an_etag_detects_another_recording_of_the_same_length() {
    for name in ["ETag", "Last-Modified"] {
        for (value, now, starts) in
            [("\"a\"", "\"a\"", &[None, resumed(CUT)][..]), ("\"a\"", "\"b\"", &[None, resumed(CUT), None][..])]
        {
            let bench = Bench::new();
            bench.camera.fault(".mp4", Fault::Header { name, value: value.into() }, Times::Always);
            bench.cut_at(CUT);
            bench.camera.clear_faults();
            bench.camera.fault(".mp4", Fault::Header { name, value: now.into() }, Times::Always);
            if now != value {
                bench.camera.add(NAME, mp4::movie(SIZE, 2));
            }
            bench.run(0);
            bench.assert_mirrored();
            assert_eq!(bench.starts(), starts, "{name}: {value} then {now}");
        }
    }
}

/// The rest is the overlap: all of it is here already, although no answer had announced the length.
#[test]
fn a_complete_partial_of_unknown_length_is_published() {
    let bench = Bench::new();
    bench.cut_at(CUT);
    edit_journal(&bench, |record| record["total"] = Value::Null);
    fs::write(bench.partial(), bench.camera.bytes(NAME)).expect("written");
    bench.run(0);
    bench.assert_mirrored();
    assert_eq!(bench.starts().last(), Some(&resumed(SIZE)));
    assert_eq!(bench.camera.body_bytes_served(), CUT + OVERLAP);
}

#[test]
fn a_partial_longer_than_the_recording_starts_over() {
    for total_is_known in [true, false] {
        let bench = Bench::new();
        bench.cut_at(CUT);
        if !total_is_known {
            edit_journal(&bench, |record| record["total"] = Value::Null);
        }
        fs::write(bench.partial(), [bench.camera.bytes(NAME), vec![7; 1000]].concat()).expect("written");
        bench.run(0);
        bench.assert_mirrored();
    }
}

/// The camera leaves between the last byte and the question for the length: only that question is left.
#[test]
fn a_complete_partial_is_published_without_another_byte() {
    let bench = Bench::new();
    bench.camera.fault("HEAD .mp4", Fault::SilentClose, Times::Always);
    bench.leave_after_a_loss();
    bench.run(75);
    bench.assert_nothing_visible();
    bench.camera.clear_faults();
    bench.run(0);
    bench.assert_mirrored();
    assert_eq!(bench.starts(), [None]);
}

#[test]
fn a_partial_is_found_in_the_directory_of_another_grouping() {
    let bench = Bench::new();
    bench.cut_at(CUT);
    bench.pass(&["--grouping", "daily"]).run().expect_code(0);
    let whole = Node::of(&bench.camera.bytes(NAME));
    assert_eq!(visible(&bench.dest()), [(Path::new("2018-10-29").join(NAME), whole)].into());
    assert_eq!(bench.camera.body_bytes_served(), SIZE + OVERLAP);
    assert!(!bench.partial().exists());
}

#[test]
fn a_lost_partial_or_journal_costs_bytes_and_nothing_else() {
    let journals: [fn(&Bench); 6] = [
        |bench| fs::remove_file(bench.partial()).expect("removed"),
        |bench| fs::remove_file(bench.journal()).expect("removed"),
        |bench| fs::remove_dir_all(bench.dest().join(".footage")).expect("removed"),
        |bench| fs::write(bench.journal(), "").expect("written"),
        |bench| fs::write(bench.journal(), b"\0\xff{\"not\": a journal").expect("written"),
        |bench| edit_journal(bench, |record| record["total"] = "many".into()),
    ];
    for (number, damage) in journals.iter().enumerate() {
        let bench = Bench::new();
        bench.cut_at(CUT);
        damage(&bench);
        bench.run(0);
        bench.assert_mirrored();
        assert_eq!(bench.starts(), [None, None], "damage {number}");
    }
}

/// A file cannot be written there; the other recordings have nothing to do with it.
#[test]
fn a_directory_in_place_of_a_partial_fails_one_recording() {
    let bench = Bench::new();
    let other = "20181029_131613_NF.mp4";
    bench.camera.add(other, mp4::movie(SIZE, 2));
    fs::create_dir_all(bench.partial().join("inner")).expect("made");
    bench.run(3);
    assert_eq!(visible(&bench.dest()), [(other.into(), Node::of(&bench.camera.bytes(other)))].into());
    assert!(bench.partial().join("inner").is_dir());
}

#[test]
fn a_symlink_in_place_of_a_partial_is_not_written_through() {
    for target_exists in [true, false] {
        let bench = Bench::new();
        let precious = bench.scratch.join("precious");
        if target_exists {
            fs::write(&precious, "precious").expect("written");
        }
        fs::create_dir_all(bench.dest()).expect("made");
        symlink(&precious, bench.partial()).expect("linked");
        let before = outside(&bench);
        bench.pass(&[]).run();
        assert_eq!(outside(&bench), before);
    }
}

/// The same after a cut: the journal knows the partial, and its place was taken since.
#[test]
fn a_symlink_in_place_of_a_known_partial_is_not_written_through() {
    let bench = Bench::new();
    bench.cut_at(CUT);
    let elsewhere = bench.scratch.join("elsewhere");
    fs::rename(bench.partial(), &elsewhere).expect("moved");
    symlink(&elsewhere, bench.partial()).expect("linked");
    let before = outside(&bench);
    bench.pass(&[]).run();
    assert_eq!(outside(&bench), before);
}

/// As after a power loss: another boot, and zeros where nothing was synced.
#[test]
fn a_power_loss_costs_the_bytes_after_the_last_fsync() {
    const SYNC_STEP: u64 = 32 << 20;
    let bench = Bench::empty();
    let name = bench.camera.generate(1, 40 << 20).remove(0);
    let partial = bench.dest().join(format!(".{name}.part"));
    let gate = bench.camera.hold("GET .mp4", 38 << 20);
    let pass = bench.pass(&[]).spawn();
    gate.wait_reached(SOON);
    wait_for_length(&partial, 38 << 20);
    pass.kill();
    pass.wait();
    gate.open();

    let synced = journal(&bench)[&name]["synced"].as_u64().expect("a number");
    assert!((SYNC_STEP..38 << 20).contains(&synced), "{synced} bytes synced");
    let journal = fs::read_to_string(bench.journal()).expect("a journal");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot id");
    assert!(journal.contains(boot.trim()));
    fs::write(bench.journal(), journal.replace(boot.trim(), "another boot")).expect("written");
    let lost = fs::OpenOptions::new().write(true).open(&partial).expect("a partial");
    lost.set_len(synced).expect("cut");
    lost.set_len(38 << 20).expect("grown with zeros");

    bench.camera.clear_log();
    bench.run(0);
    bench.assert_mirrored();
    assert_eq!(bench.starts(), [resumed(synced)]);
    assert_eq!(bench.camera.requests_for("GET .mp4")[0].body_bytes_sent, (40 << 20) - synced + OVERLAP);
}

/// Before the first sync nothing is certain, also when the file system says the partial is long.
#[test]
fn a_partial_is_restarted_after_a_power_loss_before_the_first_fsync() {
    let bench = Bench::new();
    bench.cut_at(CUT);
    edit_journal(&bench, |record| record["boot"] = "another boot".into());
    let length = usize::try_from(CUT).expect("a small number");
    fs::write(bench.partial(), mp4::zero_tail(bench.camera.bytes(NAME)[..length].to_vec(), 90_000)).expect("written");
    bench.run(0);
    bench.assert_mirrored();
    assert_eq!(bench.starts(), [None, None]);
}

/// Two reboots: what the first one made uncertain does not become certain by being resumed once.
#[test]
fn bytes_uncertain_after_a_power_loss_stay_uncertain() {
    let bench = Bench::new();
    bench.cut_at(CUT);
    edit_journal(&bench, |record| record["boot"] = "another boot".into());
    fs::write(bench.partial(), vec![0; 200_000]).expect("written");
    // This pass does not come further than the first one did.
    bench.cut_at(1000);
    bench.run(0);
    bench.assert_mirrored();
}

#[test]
fn a_partial_resumed_repeatedly_costs_only_the_overlap() {
    let bench = Bench::new();
    let step = 43_210;
    let mut passes = 0;
    for stop in (step..SIZE).step_by(usize::try_from(step).expect("a small number")) {
        // Of what a pass is given, the first bytes are the overlap.
        let again = if passes == 0 { 0 } else { OVERLAP };
        let gate = bench.camera.hold("GET .mp4", step + again);
        passes += 1;
        let pass = bench.pass(&[]).spawn();
        gate.wait_reached(SOON);
        wait_until("the bytes are on disk", || fs::metadata(bench.partial()).is_ok_and(|file| file.len() == stop));
        bench.camera.depart(How::Reset);
        pass.wait().expect_code(75);
        gate.open();
        bench.camera.come_back();
        bench.assert_nothing_visible();
    }
    bench.run(0);
    bench.assert_mirrored();
    assert_eq!(bench.camera.body_bytes_served(), SIZE + OVERLAP * passes);
}

fn journal(bench: &Bench) -> Value {
    let bytes = fs::read(bench.journal()).expect("a journal");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Changes what the journal says of `NAME`.
fn edit_journal(bench: &Bench, edit: impl FnOnce(&mut Value)) {
    let mut journal = journal(bench);
    edit(&mut journal[NAME]);
    fs::write(bench.journal(), journal.to_string()).expect("written");
}

/// Everything beside the destination.
fn outside(bench: &Bench) -> std::collections::BTreeMap<std::path::PathBuf, Node> {
    tree(bench.scratch.path()).into_iter().filter(|(path, _)| !path.starts_with("dest")).collect()
}

//! Which recordings are fetched, and in which order.

use std::collections::BTreeSet;

use super::{Bench, set};
use crate::support::camera::Api;

/// Everything that a pass fetches with these options; if that is nothing, the pass logs it.
fn fetched(recordings: &[&str], options: &[&str]) -> BTreeSet<String> {
    let bench = Bench::with(recordings);
    let output = bench.pass(options).expect_code(0);
    let fetched: BTreeSet<String> = bench.recordings().into_iter().collect();
    assert_eq!(output.stderr.contains("nothing to fetch: "), fetched.is_empty(), "{output}");
    assert!(output.stderr.is_empty() || fetched.is_empty(), "{output}");
    fetched
}

#[test]
fn include_and_exclude_that_match_nothing_are_warnings() {
    for (options, said, is_wrong) in [
        (&["--include", "E"][..], "all 2 recordings are of other types or directions than --include E", false),
        (&["--include", "NR,P"], "than --include NR,P", false),
        (&["--exclude", "N"], "all 2 recordings are left out by --exclude N", false),
        (&["--include", "NF,NR", "--exclude", "N"], "--exclude N leaves nothing of --include NF,NR", true),
        (&["--include", "Z"], "--include Z fits no recording: types are MEIBOATRXGDLYFNP, directions FRIO", true),
        (&["--include", "NZ"], "--include NZ fits no recording", true),
        (&["--exclude", "Z"], "--exclude Z fits no recording", true),
        (&["--protect", "Z"], "--protect Z fits no recording", true),
        (&["--keep", "Z=2w"], "--keep Z fits no recording", true),
    ] {
        let bench = Bench::with(["20181029_100000_NF", "20181029_100100_NF"]);
        for run in 0..2 {
            let output = bench.pass(&[options, &["--cron"]].concat()).expect_code(0);
            // From cron footage is silent about a missing event, and warns once of what is wrong.
            assert_eq!(output.stderr.contains(said), is_wrong && run == 0, "{options:?}: {output}");
        }
        let bench = Bench::with(["20181029_100000_NF", "20181029_100100_NF"]);
        let output = bench.pass(&[options, &["--dry-run"]].concat()).expect_code(0);
        assert!(output.stderr.contains(said), "{options:?}: {output}");
        let output = bench.pass(&[options, &["-v"]].concat()).expect_code(0);
        assert!(output.stderr.contains(said), "{options:?}: {output}");
    }
}

#[test]
fn keep_older_than_all_recordings_warns_about_the_camera_clock() {
    let names = ["20180101_100000_NF", "20171231_100000_NF", "20171230_100000_NF"];
    let said =
        "nothing to fetch: all 3 recordings are older than --keep 2w (newest 2018-01-01): is the camera's clock right?";
    let bench = Bench::with(names);
    for (options, is_said) in [(&["--cron"][..], true), (&["--cron"], false), (&[], true), (&["--dry-run"], true)] {
        let output = bench.pass(&[&["--keep", "14"], options].concat()).expect_code(0);
        assert_eq!(output.stderr.contains(said), is_said, "{output}");
    }
    // With the clock set, all is well, and what is old is left out without a word.
    let new = super::ago(super::today(), 1, "100000_NF");
    bench.add([&new]);
    bench.quiet_pass(&["--keep", "2w"]);
    bench.quiet_pass(&["--keep", "2w"]);
    let output = bench.pass(&["--keep", "2w,E=90d", "--exclude", &new[16..]]).expect_code(0);
    assert!(output.stderr.contains("nothing to fetch: "), "{output}");
}

const MIXED: [&str; 7] = [
    "20181029_100000_NF",
    "20181029_100000_NR",
    "20181029_100100_EF",
    "20181029_100100_ER",
    "20181029_100200_PF",
    "20181029_100300_MF",
    "20181029_100400_NF",
];

#[test]
fn include_and_exclude_match_as_in_blackvuesync() {
    for (options, expected) in [
        (&["-i", "P"][..], &[4][..]),
        (&["-i", "P,NF"], &[0, 4, 6]),
        (&["-i", "P, NF,"], &[0, 4, 6]),
        (&["-i", ""], &[0, 1, 2, 3, 4, 5, 6]),
        (&["-e", "N"], &[2, 3, 4, 5]),
        (&["-e", "NR,E"], &[0, 4, 5, 6]),
        (&["-i", "N,E", "-e", "NR"], &[0, 2, 3, 6]),
        (&["-i", "N", "-e", "N"], &[]),
        (&["-i", "D"], &[]),
        (&["-i", "NO"], &[]),
    ] {
        let expected: BTreeSet<_> = expected.iter().map(|index| MIXED[*index].to_owned()).collect();
        assert_eq!(fetched(&MIXED, options), expected, "{options:?}");
    }
}

#[test]
fn include_accepts_unknown_type_letters() {
    let bench = Bench::with(["20181029_100000_QF", "20181029_100000_NF"]);
    bench.pass(&["-i", "Q"]).expect_code(0);
    assert_eq!(bench.recordings(), ["20181029_100000_QF"]);
}

#[test]
fn excluded_recordings_are_counted_as_seen() {
    let bench = Bench::with(MIXED);
    let report = bench.report(&["-i", "E"]);
    assert_eq!((&report["seen_recordings"], &report["selected_recordings"]), (&7.into(), &2.into()));
}

#[test]
fn exclude_keeps_recordings_fetched_before() {
    let bench = Bench::with(MIXED);
    bench.quiet_pass(&[]);
    bench.quiet_pass(&["-e", "N,P"]);
    assert_eq!(bench.recordings().len(), 7);
}

#[test]
fn context_fetches_the_neighbours_of_an_event() {
    let minutes = ["00", "01", "02", "03", "04", "05", "06"];
    let drive: Vec<String> = minutes
        .iter()
        .flat_map(|minute| {
            let kind = if *minute == "03" { 'E' } else { 'N' };
            ["F", "R"].map(|direction| format!("20181029_10{minute}00_{kind}{direction}"))
        })
        .collect();
    let drive: Vec<&str> = drive.iter().map(String::as_str).collect();
    let at = |minutes: &[&str], directions: &[&str]| -> BTreeSet<String> {
        let of = |name: &&&str| {
            minutes.contains(&&name[11..13]) && directions.iter().any(|direction| name.ends_with(direction))
        };
        drive.iter().filter(of).map(|name| (*name).to_owned()).collect()
    };
    let both = ["F", "R"];
    assert_eq!(fetched(&drive, &["-i", "E"]), at(&["03"], &both));
    assert_eq!(fetched(&drive, &["-i", "E", "--context", "0"]), at(&["03"], &both));
    assert_eq!(fetched(&drive, &["-i", "E", "--context", "1"]), at(&["02", "03", "04"], &both));
    assert_eq!(fetched(&drive, &["-i", "E", "--context", "2"]), at(&["01", "02", "03", "04", "05"], &both));
    assert_eq!(fetched(&drive, &["-i", "E", "--context", "99"]), at(&minutes, &both));
    assert_eq!(fetched(&drive, &["-i", "EF", "--context", "1"]), at(&["02", "03", "04"], &["F"]));
    // Excluded is excluded, also as a neighbour.
    assert_eq!(
        fetched(&drive, &["-i", "E", "--context", "1", "-e", "NR"]),
        &at(&["02", "03", "04"], &["F"]) | &at(&["03"], &["R"])
    );
}

#[test]
fn context_of_the_first_and_last_recording_is_one_sided() {
    let names =
        ["20181029_100000_EF", "20181029_100100_NF", "20181029_100200_NF", "20181029_100300_NF", "20181029_100400_EF"];
    let expected = set([names[0], names[1], names[3], names[4]]);
    assert_eq!(fetched(&names, &["-i", "E", "--context", "1"]), expected);
}

#[test]
fn priority_sets_the_order() {
    // By day: an older event, a newer manual one, parking first of all, and one moment with all directions.
    let names = [
        "20181029_100000_PF",
        "20181029_110000_EF",
        "20181029_120000_NF",
        "20181029_120000_NR",
        "20181029_120000_NI",
        "20181029_120000_NO",
        "20181029_130000_MF",
    ];
    let order = |options: &[&str]| {
        let bench = Bench::with(names);
        bench.quiet_pass(options);
        bench.asked().iter().map(|name| name[9..].replace("0000_", "")).collect::<Vec<_>>()
    };
    let by_date = ["10PF", "11EF", "12NF", "12NR", "12NI", "12NO", "13MF"];
    assert_eq!(order(&[]), by_date);
    assert_eq!(order(&["-p", "date"]), by_date);
    assert_eq!(order(&["-p", "rdate"]), ["13MF", "12NF", "12NR", "12NI", "12NO", "11EF", "10PF"]);
    assert_eq!(order(&["-p", "type"]), ["13MF", "11EF", "12NF", "12NR", "12NI", "12NO", "10PF"]);
}

#[test]
fn priority_type_fetches_in_the_documented_order() {
    let order = "MEIBOATRXGDLYFNP";
    // On the card in the opposite order of time.
    let names: Vec<_> =
        order.chars().rev().enumerate().map(|(minute, kind)| format!("20181029_10{minute:02}00_{kind}F")).collect();
    let bench = Bench::with(&names);
    bench.quiet_pass(&["--priority", "type"]);
    let kinds: String = bench.asked().iter().filter_map(|name| name.chars().nth(16)).collect();
    assert_eq!(kinds, order);
}

#[test]
fn each_recording_is_fetched_with_its_sidecars_before_the_next() {
    let bench = Bench::with(["20181029_100000_NF", "20181029_100100_NF"]);
    bench.quiet_pass(&[]);
    let log = bench.camera.requests_for("GET /Record/");
    let minutes: Vec<_> = log.iter().map(|request| request.path["/Record/".len()..][11..13].to_owned()).collect();
    assert_eq!(minutes, ["00", "00", "00", "00", "01", "01", "01", "01"]);
    assert!(log[0].path.contains(".mp4") && log[4].path.contains(".mp4"), "the recording itself comes first");
}

#[test]
fn skip_metadata_leaves_out_sidecars() {
    for (letters, expected) in [
        ("t", &["N.3gf", "N.gps", "NF.mp4"][..]),
        ("3", &["N.gps", "NF.mp4", "NF.thm"]),
        ("g", &["N.3gf", "NF.mp4", "NF.thm"]),
        ("t3g", &["NF.mp4"]),
        ("g3t", &["NF.mp4"]),
        ("", &["N.3gf", "N.gps", "NF.mp4", "NF.thm"]),
    ] {
        for api in [Api::Old, Api::New] {
            let bench = Bench::new(api);
            bench.add(["20181029_100000_NF"]);
            bench.quiet_pass(&["--skip-metadata", letters]);
            let expected = expected.iter().filter(|name| api == Api::Old || **name != "N.3gf");
            assert_eq!(bench.held(), expected.map(|name| format!("20181029_100000_{name}")).collect(), "{letters}");
        }
    }
    // They come when they are wanted after all.
    let bench = Bench::with(["20181029_100000_NF"]);
    bench.quiet_pass(&["--skip-metadata", "t3g"]);
    bench.quiet_pass(&[]);
    bench.assert_like_camera("");
    assert_eq!(bench.asked().len(), 1);
}

#[test]
fn a_second_pass_fetches_nothing() {
    for api in [Api::Old, Api::New] {
        for options in [&[][..], &["-g", "daily"], &["-i", "E", "--context", "1"], &["-k", "9999w"], &["-p", "type"]] {
            let bench = Bench::new(api);
            bench.add(MIXED);
            bench.quiet_pass(options);
            bench.camera.clear_log();
            bench.quiet_pass(options);
            assert_eq!(bench.camera.requests_for("20181029").len(), 0, "{options:?}");
            let plan = bench.pass(&[options, &["--dry-run"]].concat()).stdout;
            assert!(plan.starts_with("0 files to fetch, 0 files to remove"), "{options:?} {plan}");
        }
    }
}

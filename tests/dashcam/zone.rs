//! The camera's clock is taken to show what this machine's does, far from UTC too.

use chrono::{Duration, NaiveDateTime, Utc};

use super::{Bench, NAME};
use crate::support::camera::{Fault, Times};

/// Zones as POSIX writes them, the sign the other way round, and their hours ahead of UTC. In one of the two the date is
/// not that of UTC, at any time of day.
const ZONES: [(&str, i64); 2] = [("<+14>-14", 14), ("<-11>11", -11)];

/// What a clock shows that is so many hours ahead of UTC.
fn clock(ahead: i64) -> NaiveDateTime {
    Utc::now().naive_utc() + Duration::hours(ahead)
}

#[test]
fn keep_in_days_begins_at_local_midnight() {
    for (zone, ahead) in ZONES {
        let attempt = || {
            let day = clock(ahead).date();
            let name = |days: i64, time| (day - Duration::days(days)).format(&format!("%Y%m%d_{time}_NF")).to_string();
            let kept = [name(1, "000000"), name(0, "000000"), name(0, "235959")];
            let bench = Bench::with([""; 0]);
            for recording in kept.iter().chain([&name(2, "235959")]) {
                bench.put_recording("", recording);
            }
            bench.footage(&["-k", "1d"]).env("TZ", zone).run().expect_silence_but_for_removals();
            (day == clock(ahead).date()).then(|| (bench.recordings(), kept))
        };
        let (held, kept) = attempt().or_else(attempt).expect("midnight does not come twice");
        assert_eq!(held, kept, "{zone}");
    }
}

#[test]
fn keep_in_hours_counts_in_local_time() {
    for (zone, ahead) in ZONES {
        let name = |hours| (clock(ahead) - Duration::hours(hours)).format("%Y%m%d_%H%M%S_NF").to_string();
        let (young, old) = (name(11), name(13));
        let bench = Bench::with([&young, &old]);
        bench.footage(&["-k", "12h"]).env("TZ", zone).run().expect_silence();
        assert_eq!(bench.recordings(), [young], "{zone}");
    }
}

/// The peer writes `datetime.now()`, and subtracts that of its next run.
#[test]
fn failed_markers_are_in_local_time() {
    for (zone, ahead) in ZONES {
        let bench = Bench::with([NAME]);
        bench.camera.fault("GET .mp4", Fault::Status(500), Times::Always);
        bench.footage(&[]).env("TZ", zone).run().expect_code(3);
        let path = bench.dest().join(format!("{NAME}.mp4.failed"));
        let marker: NaiveDateTime = std::fs::read_to_string(&path).expect("a marker").parse().expect("a time");
        assert!((clock(ahead) - marker).num_minutes().abs() < 5, "{zone} {marker}");

        bench.camera.clear_faults();
        for (hours, is_due) in [(1, false), (25, true)] {
            std::fs::write(&path, (clock(ahead) - Duration::hours(hours)).to_string().replace(' ', "T"))
                .expect("written");
            bench.footage(&[]).env("TZ", zone).run().expect_silence();
            assert_eq!(bench.recordings().len(), usize::from(is_due), "{zone} {hours}");
        }
    }
}

#[test]
fn an_unreadable_tz_is_a_warning_and_with_cron_the_first_time_only() {
    let bench = Bench::with([NAME]);
    let pass = |options: &[&str]| bench.footage(options).env("TZ", "Mars/Olympus").run().expect_code(0).stderr;
    let warning = "warning: cannot read the time zone of TZ=Mars/Olympus; times are in UTC";
    assert!(pass(&["--cron"]).contains(warning));
    assert_eq!(pass(&["--cron"]), "");
    assert!(pass(&[]).contains(warning));
}

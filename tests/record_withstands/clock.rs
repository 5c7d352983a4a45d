//! Midnight and the two changes of the clock, with ffmpeg's clock set there.

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{Site, expect_sound, wait_for};

/// Records over a moment: ffmpeg's clock begins six seconds before the hour. The names that come out.
fn names_around(cases: &[(&str, &str, &str)]) -> Vec<Vec<String>> {
    let camera = RtspCamera::start(Film::Plain);
    let sites: Vec<(Site, _)> = cases
        .iter()
        .map(|(zone, moment, segment)| {
            let site = Site::new();
            let library = "/usr/lib/*/faketime/libfaketimeMT.so.1";
            let fake =
                format!("LD_PRELOAD=$(echo {library}) FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME='@{moment}' TZ=UTC");
            let script = format!("case \"$1\" in -version) exec ffmpeg -version;; esac\n{fake} exec ffmpeg \"$@\"");
            let faked = site.script("ffmpeg", &script);
            site.configure(&format!("segment = {segment:?}\ntimezone = {zone:?}"), &[("yard", camera.table())]);
            let running = site.start(&["--ffmpeg", &faked]);
            (site, running)
        })
        .collect();
    let mut names = Vec::new();
    for (site, running) in sites {
        let wanted = |site: &Site| !site.closed("yard").is_empty();
        wait_for("a segment before", || wanted(&site).then_some(()));
        wait_for("one after", || (!site.hidden("yard").is_empty()).then_some(()));
        std::thread::sleep(std::time::Duration::from_secs(1));
        running.term();
        running.wait().expect_code(143);
        let closed = site.closed("yard");
        expect_sound(&closed);
        names.push(
            closed.into_iter().map(|it| it.path.strip_prefix(site.dest()).unwrap().display().to_string()).collect(),
        );
    }
    names
}

#[test]
fn midnight_and_the_changes_of_the_clock() {
    let all = names_around(&[
        // Midnight in Pune is half past six in the evening in Greenwich.
        ("Asia/Kolkata", "2026-11-20 18:29:53", "1h"),
        ("UTC", "2026-12-31 23:59:53", "1h"),
        // The clock goes from 03:00 back to 02:00, and from 02:00 on to 03:00.
        ("Europe/Berlin", "2026-10-25 00:59:53", "1h"),
        ("Europe/Berlin", "2026-03-29 00:59:53", "1h"),
    ]);
    let after = [
        "yard/2026-11-21/2026-11-21_00-00-00+0530.mkv",
        "yard/2027-01-01/2027-01-01_00-00-00+0000.mkv",
        "yard/2026-10-25/2026-10-25_02-00-00+0100.mkv",
        "yard/2026-03-29/2026-03-29_03-00-00+0200.mkv",
    ];
    let before = [
        ("yard/2026-11-20/2026-11-20_23-59-5", "+0530.mkv"),
        ("yard/2026-12-31/2026-12-31_23-59-5", "+0000.mkv"),
        ("yard/2026-10-25/2026-10-25_02-59-5", "+0200.mkv"),
        ("yard/2026-03-29/2026-03-29_01-59-5", "+0100.mkv"),
    ];
    for ((names, after), (front, end)) in all.iter().zip(after).zip(before) {
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.iter().any(|name| name == after), "{after}: {names:?}");
        assert!(names.iter().any(|name| name.starts_with(front) && name.ends_with(end)), "{front}…{end}: {names:?}");
    }
}

/// In the night in which the clock goes back every second of an hour comes twice: no name does.
#[test]
fn the_hour_that_comes_twice_has_names_of_its_own_each_time() {
    let all = names_around(&[
        ("Europe/Berlin", "2026-10-25 00:29:53", "30m"),
        ("Europe/Berlin", "2026-10-25 01:29:53", "30m"),
    ]);
    let twice = all.concat();
    assert!(twice.iter().any(|name| name.ends_with("2026-10-25_02-30-00+0200.mkv")), "{twice:?}");
    assert!(twice.iter().any(|name| name.ends_with("2026-10-25_02-30-00+0100.mkv")), "{twice:?}");
}

//! Retention of segments: `keep` and `keep_bytes`.

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{PATIENCE, QUICK, Site, wait_for};

#[test]
fn keep_removes_old_segments_and_nothing_else() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", format!("{}\nkeep = \"2d\"", camera.table()))]);
    let old = ["2020-01-01/2020-01-01_10-00-00+0000.mkv", "2020-01-01/2020-01-01_11-00-00+0530.ts"];
    let not_ours = [
        "2020-01-02/2020-01-02_10-00-00+0000.mkv.bak",
        "2020-01-02/notes.txt",
        "2020-01-03/2020-01-04_10-00-00+0000.mkv",
        "2020-01-05_10-00-00+0000.mkv",
        "holiday/2020-01-06_10-00-00+0000.mkv",
    ];
    let yesterday = (chrono::Utc::now() - chrono::Duration::days(1)).format("%Y-%m-%d/%Y-%m-%d_10-00-00+0000.mkv");
    let yesterday = yesterday.to_string();
    let kept: Vec<&str> = not_ours.iter().copied().chain([yesterday.as_str()]).collect();
    for name in old.iter().chain(&kept) {
        site.scratch.write(format!("dest/yard/{name}"), "old");
    }
    // Another camera's, which is in no configuration any more.
    site.scratch.write("dest/gone/2020-01-01/2020-01-01_10-00-00+0000.mkv", "old");
    let running = site.start(&[]);
    let path = |name: &str| site.dest().join("yard").join(name);
    wait_for("removal", || old.iter().all(|name| !path(name).exists()).then_some(()));
    wait_for("the folder's removal", || (!path("2020-01-01").exists()).then_some(()));
    site.wait_for_closed("yard", site.closed("yard").len() + 2);
    for name in &kept {
        assert!(path(name).exists(), "{name} is gone");
    }
    assert!(site.dest().join("gone/2020-01-01/2020-01-01_10-00-00+0000.mkv").exists());
    drop(running);
}

/// Damaged segments are kept as long as others, also those that appear while it records.
#[test]
fn keep_removes_incomplete_segments_of_the_same_age() {
    let camera = RtspCamera::start(Film::Plain);
    let keys = "keep = \"5s\"\ntimezone = \"Asia/Kolkata\"";
    let site = Site::with(QUICK, &[("yard", format!("{}\n{keys}", camera.table()))]);
    let running = site.start(&[]);
    // It has looked for such already.
    site.wait_for_closed("yard", 3);
    // The clock there is far ahead of the one that these are named by.
    let in_an_hour = chrono::Utc::now().timestamp() + 3600;
    let [old, new] = [1_600_000_000, in_an_hour]
        .map(|epoch| site.scratch.write(format!("dest/yard/.{epoch}-0123abcd.mkv.damaged"), "no video"));
    wait_for("its removal", || (!old.exists()).then_some(()));
    assert!(new.exists());
    drop(running);
}

#[test]
fn keep_bytes_evicts_oldest_first() {
    let camera = RtspCamera::start(Film::Plain);
    // Two seconds are about 65 kB.
    let site = Site::with(QUICK, &[("yard", format!("{}\nkeep_bytes = \"200kB\"", camera.table()))]);
    let running = site.start(&[]);
    let first = site.wait_for_closed("yard", 1);
    wait_for("the first one's removal", || (!first[0].path.exists()).then_some(()));
    let bytes =
        || site.closed("yard").iter().map(|segment| segment.path.metadata().map_or(0, |it| it.len())).sum::<u64>();
    wait_for("the quota", || (bytes() <= 200_000).then_some(()));
    assert!(bytes() >= 100_000, "{:?}, {} bytes", site.closed("yard"), bytes());
    running.term();
    running.wait().expect_code(143);
    assert!(bytes() <= 270_000, "{} bytes", bytes());
}

/// An upload that removes files frees quota: the recorder counts the files that exist.
#[test]
fn keep_bytes_ignores_segments_removed_by_others() {
    let camera = RtspCamera::start(Film::Plain);
    // A second is about 33 kB: room for seven or eight.
    let defaults = QUICK.replace("segment = \"2s\"", "segment = \"1s\"");
    let site = Site::with(&defaults, &[("yard", format!("{}\nkeep_bytes = \"250kB\"", camera.table()))]);
    let running = site.start(&[]);
    // An upload leaves the newest two.
    let mut removed = 0;
    while removed < 12 {
        let closed = site.wait_for_closed("yard", 3);
        for segment in &closed[..closed.len() - 2] {
            std::fs::remove_file(&segment.path).expect("no other process removes it");
            removed += 1;
        }
    }
    // Time for two looks.
    site.wait_for_closed("yard", 6);
    assert_eq!(site.live("yard")["removed_segments"], 0);
    drop(running);
}

#[test]
fn cron_logs_removals_of_each_camera() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", format!("{}\nkeep = \"2d\"", camera.table()))]);
    for hour in 10..15 {
        site.scratch.write(format!("dest/yard/2020-01-01/2020-01-01_{hour}-00-00+0000.mkv"), "old");
    }
    let damaged = site.scratch.write("dest/yard/.1577880000-0123abcd.mkv.damaged", "old");
    let running = site.start(&["--cron"]);
    running.wait_for_stderr("removed (", PATIENCE);
    wait_for("the damaged one's removal", || (!damaged.exists()).then_some(()));
    running.term();
    let output = running.wait();
    let removals = output.removals().join("\n");
    assert!(removals.contains("yard: ") && removals.contains("expired"), "{output}");
    assert!(removals.contains("2020-01-01_14-00-00+0000.mkv"), "{output}");
    assert!(removals.contains("6 files") || removals.contains(".damaged"), "{output}");
}

/// More than the whole disk: to remove everything would not be enough.
#[test]
fn min_free_of_more_than_the_disk_removes_nothing() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    site.prepend("min_free = \"1000TB\"\nwhen_full = \"delete-oldest\"");
    let old = site.scratch.write("dest/yard/2020-01-01/2020-01-01_10-00-00+0000.mkv", "old");
    let running = site.start(&[]);
    running.wait_for_stderr("full", PATIENCE);
    running.term();
    let output = running.wait();
    assert!(old.exists() && output.removals().is_empty(), "{output}");
}

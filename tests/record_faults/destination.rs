//! A destination that is full, missing, not writable, or goes away.

use std::fs;
use std::time::Duration;

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site, closed, expect_sound, live_in, wait_for};
use crate::support::{Mount, as_root, small_tmpfs, small_tmpfs_on};

/// A second of video is about 33 kB.
fn on(mount: &Mount, top: &str) -> (Site, RtspCamera) {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::new();
    let defaults = QUICK.replace("2s\"\nt", "1s\"\nt");
    let dest = mount.path().display();
    site.write(&format!(
        "{top}\n[defaults]\n{defaults}\ndestination = \"{dest}\"\n[cameras.yard]\n{}\n",
        camera.table()
    ));
    (site, camera)
}

#[test]
fn a_full_disk_pauses_recording_until_space_is_free() {
    as_root!();
    let mount = small_tmpfs(1 << 20);
    let filler = mount.path().join("filler");
    fs::write(&filler, vec![1; 850_000]).unwrap();
    let (site, camera) = on(&mount, "");
    let running = site.start(&[]);
    running.wait_for_stderr("full", Duration::from_secs(30));
    let before = closed(mount.path(), "yard").len();
    // It does not try again and again.
    let connections = camera.connections();
    assert!(!running.ends_within(Duration::from_secs(4)), "it waits for room");
    assert!(camera.connections() <= connections + 2, "{} connections", camera.connections());
    fs::remove_file(&filler).unwrap();
    let after =
        wait_for("more segments", || Some(closed(mount.path(), "yard")).filter(|closed| closed.len() >= before + 3));
    running.term();
    let output = running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    let told = output.stderr.lines().filter(|line| line.contains("full")).count();
    assert!((1..=3).contains(&told), "loud, and not without end: {output}");
    // Whatever has a final name plays.
    for segment in &after {
        assert!(segment.frames() > 0, "{}", segment.name);
    }
}

#[test]
fn each_full_disk_is_logged() {
    as_root!();
    let mount = small_tmpfs(8 << 20);
    let (site, _camera) = on(&mount, "min_free = \"4MB\"");
    let filler = mount.path().join("filler");
    let running = site.start(&[]);
    for time in 1..=2 {
        wait_for("recording", || (live_in(mount.path(), "yard")["state"] == "recording").then_some(()));
        fs::write(&filler, vec![1; 5_000_000]).unwrap();
        let told = || running.stderr().lines().filter(|line| line.contains("pauses: it is full")).count();
        wait_for("the log line", || (told() == time).then_some(()));
        fs::remove_file(&filler).unwrap();
        wait_for("going on", || (running.stderr().matches("there is room").count() == time).then_some(()));
    }
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
}

#[test]
fn min_free_pauses_before_the_disk_is_full() {
    as_root!();
    let mount = small_tmpfs(2 << 20);
    let (site, _camera) = on(&mount, "min_free = \"1800kB\"");
    let running = site.start(&[]);
    running.wait_for_stderr("full", Duration::from_secs(30));
    wait_for("its pause", || (live_in(mount.path(), "yard")["state"] == "paused").then_some(()));
    let available = || {
        let space = rustix::fs::statvfs(mount.path()).unwrap();
        space.f_bavail * space.f_frsize
    };
    assert!(available() > 1_300_000, "{} bytes are free", available());
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    expect_sound(&closed(mount.path(), "yard"));
}

#[test]
fn when_full_delete_oldest_removes_the_oldest_closed_segments() {
    as_root!();
    let mount = small_tmpfs(2 << 20);
    let (site, camera) = on(&mount, "when_full = \"delete-oldest\"\nmin_free = \"1800kB\"");
    fs::create_dir_all(mount.path().join("yard/2020-01-01")).unwrap();
    let notes = mount.path().join("yard/2020-01-01/notes.txt");
    fs::write(&notes, "not ours").unwrap();
    let running = site.start(&[]);
    let first = wait_for("a segment", || closed(mount.path(), "yard").first().cloned());
    wait_for("its removal", || (!first.path.exists()).then_some(()));
    let frames = camera.frames();
    camera.wait_for_frames(frames + 75);
    assert_eq!(camera.connections(), 1, "recording was never paused");
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    let kept = closed(mount.path(), "yard");
    assert!((2..=12).contains(&kept.len()), "{kept:?}");
    expect_sound(&kept);
    assert!(notes.exists());
}

/// Whose name comes first in the alphabet has no more to lose than others.
#[test]
fn when_full_delete_oldest_takes_from_more_than_one_camera() {
    as_root!();
    let mount = small_tmpfs(4 << 20);
    let cameras = ["attic", "yard"].map(|name| (name, RtspCamera::start(Film::Plain)));
    let site = Site::new();
    let mut text = format!(
        "when_full = \"delete-oldest\"\nmin_free = \"3300kB\"\n[defaults]\nsegment = \"1s\"\ntimezone = \"UTC\"\ndestination = \"{}\"\n",
        mount.path().display()
    );
    for (name, camera) in &cameras {
        text.extend(["[cameras.", name, "]\n", &camera.table(), "\n"]);
    }
    site.write(&text);
    let running = site.start(&[]);
    for (name, camera) in &cameras {
        let first = wait_for("a segment", || closed(mount.path(), name).first().cloned());
        wait_for("its removal", || (!first.path.exists()).then_some(()));
        camera.wait_for_frames(camera.frames() + 75);
    }
    // Before they end, which closes the open segments.
    let starts = cameras.each_ref().map(|(name, _)| closed(mount.path(), name).first().map(|segment| segment.start()));
    let [Some(attic), Some(yard)] = starts else { panic!("{starts:?}") };
    assert!(attic.abs_diff(yard) <= 3, "one has nothing older than {attic}, the other than {yard}");
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
}

#[test]
fn a_missing_destination_is_created() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", format!("{}\ndestination = \"a/b/c\"", camera.table()))]);
    site.record(&["--for", "4s"]).run().expect_code(0);
    assert!(!closed(&site.scratch.join("a/b/c"), "yard").is_empty());
    // Where it cannot be created, an error is logged.
    let site = Site::with(QUICK, &[("yard", format!("{}\ndestination = \"/proc/nowhere\"", camera.table()))]);
    let output = site.record(&["--for", "4s"]).run().expect_code(1);
    assert!(output.stderr.contains("/proc/nowhere"), "{output}");
    site.scratch.write("file", "");
    site.configure(QUICK, &[("yard", format!("{}\ndestination = \"file\"", camera.table()))]);
    let output = site.record(&["--for", "4s"]).run().expect_code(2);
    assert!(output.stderr.contains("file"), "{output}");
}

#[test]
fn an_empty_mount_point_is_not_filled_instead() {
    as_root!();
    let mount = small_tmpfs(8 << 20);
    let (site, _camera) = on(&mount, "");
    let running = site.start(&[]);
    wait_for("a segment", || closed(mount.path(), "yard").first().cloned());
    mount.detach();
    running.wait_for_stderr("vanished", Duration::from_secs(30));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(fs::read_dir(mount.path()).unwrap().count(), 0);
    running.term();
    running.wait_timeout(Duration::from_secs(10));
    site.expect_nothing_runs();
}

/// Another disk at the same place, as when one that is full was changed for an empty one.
#[test]
fn a_full_disk_does_not_affect_cameras_on_another() {
    as_root!();
    let (yard, gate) = (RtspCamera::start(Film::Plain), RtspCamera::start(Film::Plain));
    let mount = small_tmpfs(8 << 20);
    let to_disk = format!("{}\ndestination = {:?}", gate.table(), mount.path());
    let site = Site::with(QUICK, &[("yard", yard.table()), ("gate", to_disk)]);
    let running = site.start(&[]);
    wait_for("a segment", || closed(mount.path(), "gate").first().cloned());
    mount.detach();
    running.wait_for_stderr("vanished", Duration::from_secs(30));
    let another = small_tmpfs_on(mount.path(), 8 << 20);
    wait_for("a segment there", || closed(another.path(), "gate").first().cloned());
    assert_eq!(yard.connections(), 1);
    // It is locked as the first one was.
    site.record(&[]).run().expect_code(75);
    let told = running.stderr();
    assert_eq!((told.matches("pauses").count(), told.matches("goes on").count()), (1, 1), "{told}");
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    expect_sound(&closed(another.path(), "gate"));
}

#[test]
fn an_unavailable_destination_pauses_only_its_cameras() {
    let camera = RtspCamera::start(Film::Plain);
    let away = format!("{}\ndestination = \"away/cameras\"", camera.table());
    let site = Site::with(QUICK, &[("yard", camera.table()), ("gate", away)]);
    // As where a disk is mounted later.
    let taken = site.scratch.write("away", "no directory");
    let output = site.record(&["--for", "4s"]).run().expect_code(3);
    assert!(output.stderr.contains("away/cameras"), "{output}");
    let running = site.start(&[]);
    site.wait_for_recording("yard");
    let status = site.footage(&["status", "footage.toml"]).run().expect_code(3);
    assert!(status.stdout.contains("gate") && !status.stdout.contains("yard: "), "{status}");
    let cron = site.record(&["--cron"]).run().expect_code(0);
    assert_eq!((cron.stdout.as_str(), cron.stderr.as_str()), ("", ""));
    fs::remove_file(taken).unwrap();
    wait_for("a segment", || closed(&site.scratch.join("away/cameras"), "gate").first().cloned());
    assert_eq!(site.live("yard")["restarts"], 0);
    assert_eq!(
        running.stderr().lines().count(),
        2,
        "logged the first time, and when it was over: {}",
        running.stderr()
    );
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
}

#[test]
fn a_disk_that_became_read_only_is_logged() {
    as_root!();
    let mount = small_tmpfs(8 << 20);
    let (site, _camera) = on(&mount, "");
    let running = site.start(&[]);
    wait_for("a segment", || closed(mount.path(), "yard").first().cloned());
    drop(running);
    site.expect_nothing_runs();
    mount.make_read_only();
    let output = site.record(&["--for", "4s"]).run();
    assert!(output.code.is_some_and(|code| code != 0), "{output}");
    assert!(output.stderr.contains("ead-only"), "{output}");
}

#[test]
fn an_existing_segment_is_never_overwritten() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    // Every name of the next quarter of a minute.
    let now = chrono::Utc::now();
    let names: Vec<String> = (0..15)
        .map(|second| (now + Duration::from_secs(second)).format("%Y-%m-%d/%Y-%m-%d_%H-%M-%S+0000.mkv").to_string())
        .collect();
    for name in &names {
        site.scratch.write(format!("dest/yard/{name}"), "foreign");
    }
    site.record(&["--for", "5s"]).run().expect_code(0);
    for name in &names {
        assert_eq!(fs::read_to_string(site.dest().join("yard").join(name)).unwrap(), "foreign");
    }
    let ours: Vec<_> = site.closed("yard").into_iter().filter(|segment| segment.name.contains("-2.mkv")).collect();
    assert!(!ours.is_empty(), "{:?}", site.closed("yard"));
    expect_sound(&ours);
}

/// A segment that cannot get its final name stays where it is, is logged once, and gets its name as soon as it can.
#[test]
fn a_segment_that_cannot_be_closed_is_logged_once_and_closed_later() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let taken = site.take_days("yard");
    let running = site.start(&[]);
    running.wait_for_stderr("not closed", Duration::from_secs(20));
    camera.wait_for_frames(camera.frames() + 150);
    let waiting = site.hidden("yard").len();
    assert!(waiting >= 5, "{:?}", site.hidden("yard"));
    let told = running.stderr().lines().filter(|line| line.contains("not closed")).count();
    assert_eq!(told, 1, "{}", running.stderr());
    let status = site.footage(&["status", "footage.toml"]).run().expect_code(3);
    assert!(status.stdout.contains("segments cannot be closed: cannot use"), "{status}");
    for path in taken {
        fs::remove_file(path).unwrap();
    }
    site.wait_for_closed("yard", waiting);
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    assert!(site.hidden("yard").is_empty(), "{:?}", site.hidden("yard"));
    expect_sound(&site.closed("yard"));
}

#[test]
fn a_segment_that_cannot_be_removed_is_logged_once() {
    as_root!();
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", format!("{}\nkeep_bytes = \"1kB\"", camera.table()))]);
    let old = site.scratch.write("dest/yard/2020-01-01/2020-01-01_10-00-00+0000.mkv", "");
    let mount = small_tmpfs_on(old.parent().unwrap(), 1 << 20);
    fs::write(&old, vec![1; 10_000]).unwrap();
    mount.make_read_only();
    let running = site.start(&[]);
    running.wait_for_stderr("are not removed", Duration::from_secs(20));
    // Time for some looks.
    site.wait_for_closed("yard", 4);
    running.term();
    let output = running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    assert_eq!(output.stderr.matches("are not removed").count(), 1, "{output}");
}

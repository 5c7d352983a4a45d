//! Cron starts a recorder every minute: a failing start is logged the first time only.

use std::os::unix::fs::PermissionsExt;

use crate::support::Output;
use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site};

/// Starts it as cron does, with this `TMPDIR`.
fn start(site: &Site, temporary: &str, options: &[&str]) -> Output {
    site.record(&[&["--cron"], options].concat()).env("TMPDIR", site.scratch.join(temporary)).run()
}

/// A site with such a directory.
fn site(camera: &RtspCamera) -> Site {
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    std::fs::create_dir(site.scratch.join("tmp")).unwrap();
    site
}

#[test]
fn cron_logs_configuration_errors_the_first_time_only() {
    let camera = RtspCamera::start(Film::Plain);
    let site = site(&camera);
    let runs = site.start(&[]);
    site.wait_for_closed("yard", 1);
    for mistake in ["segmnt = \"1h\"", "segment = \"soon\"", "segment = "] {
        site.configure(QUICK, &[("yard", mistake)]);
        let first = start(&site, "tmp", &[]).expect_code(2);
        assert!(first.stderr.contains("footage.toml"), "{first}");
        for _ in 0..2 {
            assert_eq!(start(&site, "tmp", &[]).expect_code(2).stderr, "", "{mistake}");
        }
        // Without --cron a user reads the output.
        assert_eq!(site.record(&[]).run().expect_code(2).stderr, first.stderr);
    }
    // Once it was right it is logged again.
    site.configure(QUICK, &[("yard", camera.table())]);
    assert_eq!(start(&site, "tmp", &[]).expect_code(0).stderr, "");
    site.configure(QUICK, &[("yard", "segment = ")]);
    assert!(start(&site, "tmp", &[]).expect_code(2).stderr.contains("footage.toml"));
    drop(runs);
}

#[test]
fn cron_logs_a_failing_start_the_first_time_only() {
    let camera = RtspCamera::start(Film::Plain);
    let site = site(&camera);
    site.configure(QUICK, &[("yard", camera.table_for("ffmpeg"))]);
    let nowhere = format!("{}\ndestination = \"/proc/nowhere\"", camera.table());
    let without_ffmpeg = || start(&site, "tmp", &["--ffmpeg", "/nowhere/ffmpeg"]).expect_code(2).stderr;
    assert!(without_ffmpeg().contains("/nowhere/ffmpeg"));
    assert_eq!(without_ffmpeg(), "");
    site.configure(QUICK, &[("yard", &nowhere)]);
    assert!(start(&site, "tmp", &[]).expect_code(1).stderr.contains("/proc/nowhere"));
    assert_eq!(start(&site, "tmp", &[]).expect_code(1).stderr, "");
    site.configure(QUICK, &[("yard", camera.table_for("ffmpeg"))]);
    let started = start(&site, "tmp", &["--for", "5s"]).expect_code(0).stderr;
    assert!(started.lines().all(|line| line.contains(" recorded from 1 camera in ")), "{started}");
    assert!(without_ffmpeg().contains("/nowhere/ffmpeg"));
}

/// It rather logs again than keeps state in a directory where other users may write.
#[test]
fn cron_logs_each_time_where_no_state_can_be_saved() {
    let camera = RtspCamera::start(Film::Plain);
    let site = site(&camera);
    site.configure(QUICK, &[("yard", "segment = ")]);
    let ours = format!("theirs/footage-{}", rustix::process::geteuid().as_raw());
    std::fs::create_dir_all(site.scratch.join(&ours)).unwrap();
    std::fs::set_permissions(site.scratch.join(&ours), std::fs::Permissions::from_mode(0o777)).unwrap();
    for temporary in ["nowhere", "theirs"] {
        for _ in 0..2 {
            assert!(start(&site, temporary, &[]).expect_code(2).stderr.contains("footage.toml"), "{temporary}");
        }
    }
    assert_eq!(std::fs::read_dir(site.scratch.join(&ours)).unwrap().count(), 0);
}

//! `--limit-rate`

use std::time::{Duration, Instant};

use crate::support::uploads::{Uploads, content};

#[track_caller]
fn assert_takes(uploads: &Uploads, options: &[&str], seconds: f64) {
    let began = Instant::now();
    uploads.quiet_pass(options);
    let took = began.elapsed();
    // What is in the kernel's buffers has been sent for the program; the machine may be busy.
    assert!(took >= Duration::from_secs_f64(seconds * 0.8), "{options:?} took only {took:?}");
    assert!(took < Duration::from_secs_f64(seconds * 1.5 + 3.0), "{options:?} took {took:?}");
    uploads.assert_uploaded();
}

/// The rate is that of all workers together.
#[test]
fn limit_rate_bounds_all_uploads_together() {
    let uploads = Uploads::new();
    for name in ["a.ts", "b.ts", "c.ts", "d.ts"] {
        uploads.file(name, content(name, 500_000));
    }
    assert_takes(&uploads, &["--limit-rate", "1M", "--jobs", "4"], 2.0);
}

#[test]
fn limit_rate_timetable_applies_by_time_of_day() {
    let uploads = Uploads::new();
    uploads.file("a.ts", content("a", 1_000_000));
    assert_takes(&uploads, &["--limit-rate", "00:00,500K"], 2.0);
    let uploads = Uploads::new();
    uploads.file("a.ts", content("a", 1_000_000));
    let began = Instant::now();
    uploads.quiet_pass(&["--limit-rate", "00:00,off"]);
    assert!(began.elapsed() < Duration::from_secs(5));
    // Before the first time of day, the last one of yesterday holds: here it is all day long.
    let uploads = Uploads::new();
    uploads.file("a.ts", content("a", 1_000_000));
    assert_takes(&uploads, &["--limit-rate", "23:59,500K"], 2.0);
}

#[test]
fn limit_rate_off_sends_nothing() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.pass(&["--limit-rate", "00:00,pause"]).expect_code(0);
    assert!(uploads.objects().is_empty() && uploads.s3.proxy.requests_for("PUT").is_empty());
    uploads.quiet_pass(&["--limit-rate", "off"]);
    uploads.assert_uploaded();
}

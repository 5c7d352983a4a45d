//! Several starts at once.

use std::time::Duration;

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site, wait_for};

#[test]
fn of_many_starts_at_once_one_records() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    let starts: Vec<_> = (0..8).map(|_| site.start(&["--cron"])).collect();
    site.wait_for_closed("yard", 1);
    let (left, running): (Vec<_>, Vec<_>) =
        starts.into_iter().partition(|start| start.ends_within(Duration::from_millis(50)));
    assert_eq!((left.len(), running.len()), (7, 1));
    for start in left {
        let output = start.wait().expect_code(0);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    }
    assert_eq!(camera.connections(), 1);
    drop(running);
    // The next one finds it free, as cron's does a minute after a crash.
    wait_for("the lock", || (site.record(&["--for", "1s"]).run().code == Some(0)).then_some(()));
}

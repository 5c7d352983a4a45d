//! What `footage upload` must withstand: servers and networks that break off, lie and refuse, files that change under its
//! hands, journals that are truncated, and `kill -9`. After each, every file is still there or its identical object is.

mod attack;
mod buckets;
mod changing;
mod faults;
mod journal;
mod kill;
mod planted;
mod refusals;
mod servers;

use std::time::Duration;

use crate::support::uploads::Uploads;

/// No event takes longer.
const SOON: Duration = Duration::from_secs(30);

/// After a fault: all is safe, the next pass finishes, and another one has nothing to do.
#[track_caller]
fn assert_recovers(uploads: &Uploads) {
    uploads.assert_safe();
    uploads.s3.proxy.clear_faults();
    uploads.pass(&["--delete"]).expect_code(0);
    uploads.assert_uploaded();
    uploads.assert_done(&["--delete"]);
    assert_eq!(uploads.s3.open_uploads(), 0, "an upload in parts was left behind");
}

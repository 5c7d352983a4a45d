//! One configuration for several hosts.

use std::time::Duration;

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site, wait_for};

#[test]
fn two_hosts_record_every_camera_once() {
    let camera = RtspCamera::start(Film::Plain);
    let names = ["yard", "gate", "door", "roof", "hall", "shed", "dock", "lift"];
    let site = Site::with(QUICK, &names.map(|name| (name, camera.table())));
    let hosts = ["1/2", "2/2"].map(|shard| site.start(&["--shard", shard]));
    wait_for("all cameras", || (site.recording().len() == names.len()).then_some(()));
    assert_eq!(camera.connections(), names.len());
    for shard in ["1-of-2", "2-of-2"] {
        let path = site.dest().join(format!(".footage/record-{shard}.json"));
        let cameras = wait_for("its share", || {
            let live: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
            Some(live["cameras"].as_array()?.len())
        });
        assert!((1..names.len()).contains(&cameras), "{shard}: {cameras}");
    }
    // Each share has its own lock.
    site.record(&["--shard", "2/2"]).run().expect_code(75);
    for host in &hosts {
        host.term();
    }
    for host in hosts {
        host.wait_timeout(Duration::from_secs(10)).expect_code(143);
    }
    site.expect_nothing_runs();
}

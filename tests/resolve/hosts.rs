//! `/etc/hosts`, `localhost`, and the order of several addresses.

use std::time::Duration;

use super::{RECORDING, camera, expect_found, expect_unknown};
use crate::support::Scratch;
use crate::support::camera::{Api, Camera};
use crate::support::network::{in_own_network, replace};

#[test]
fn etc_hosts_and_localhost_need_no_server() {
    in_own_network!();
    let (scratch, camera) = (Scratch::new(), camera());
    replace(&scratch, "/etc/resolv.conf", "nameserver 127.0.0.1\n");
    replace(&scratch, "/etc/hosts", "127.0.0.1 cam cam.example\n::1 cam6.local # the other\n");
    for name in ["cam", "CAM.example", "cam6.local", "localhost", "dashcam.localhost", "localhost."] {
        expect_found(&scratch, name, &camera);
    }
    camera.clear_log();
    // A server that is not there refuses at once.
    expect_unknown(&scratch, "cam7", &camera, Duration::from_secs(2));
}

#[test]
fn a_second_address_of_a_host_is_tried_where_the_first_refuses() {
    in_own_network!();
    let scratch = Scratch::new();
    for address in ["127.0.0.2:0", "[::1]:0"] {
        let camera = Camera::start_on(address, Api::Old);
        camera.add_recording(RECORDING, 10_000);
        let scratch_hosts = "2001:db8::7 cam\n192.0.2.7 cam\n127.0.0.1 cam\n127.0.0.2 cam\n::1 cam\n";
        replace(&scratch, "/etc/hosts", scratch_hosts);
        expect_found(&scratch, "cam", &camera);
    }
}

//! Multicast DNS, against avahi on a device of its own, and against a responder that misbehaves.

use std::time::Duration;

use super::{camera, expect_found, expect_unknown};
use crate::support::Scratch;
use crate::support::network::{Device, in_own_network, replace};
use crate::support::responder::{Manner, Responder, here};

const QUICKLY: Duration = Duration::from_secs(3);

/// A host with one cable, and without DNS.
fn site() -> (Scratch, Device) {
    let scratch = Scratch::new();
    replace(&scratch, "/etc/resolv.conf", "nameserver 127.0.0.1\n");
    (scratch, Device::start("lan0", 0, "exec sleep 600"))
}

#[test]
fn avahi_is_found_on_every_interface_by_ipv4_and_ipv6() {
    in_own_network!();
    let (scratch, camera) = (Scratch::new(), camera());
    replace(&scratch, "/etc/resolv.conf", "nameserver 127.0.0.1\n");
    let _first = Device::with_avahi(&scratch, "lan0", 0, "10.77.0.1 dashcam.local\n");
    let second = "10.77.1.1 nas.local\nfd77:1::1 six.local\n";
    let _second = Device::with_avahi(&scratch, "lan1", 1, second);
    for name in ["dashcam.local", "nas.local", "NAS.Local", "nas.local.", "six.local"] {
        expect_found(&scratch, name, &camera);
    }
    camera.clear_log();
    expect_unknown(&scratch, "other.local", &camera, QUICKLY);
    expect_unknown(&scratch, "nas", &camera, QUICKLY);
}

/// The link-local address of a device is one of the link on which it answered.
#[test]
fn avahi_by_a_link_local_address_is_connected_to_on_its_link() {
    in_own_network!();
    let (scratch, camera) = (Scratch::new(), camera());
    replace(&scratch, "/etc/resolv.conf", "nameserver 127.0.0.1\n");
    let _first = Device::start("lan0", 0, "exec sleep 600");
    let _second = Device::with_avahi(&scratch, "lan1", 1, "fe80::77 link.local\n");
    crate::support::Program::new("ip")
        .args(["addr", "add", "fe80::77/64", "dev", "lan1", "nodad"])
        .run()
        .expect_code(0);
    expect_found(&scratch, "link.local", &camera);
}

#[test]
fn mdns_answers_that_are_wrong_are_ignored_and_the_right_one_counts() {
    in_own_network!();
    let (scratch, _cable) = site();
    let camera = camera();
    let manners = [
        Manner::Garbage,
        Manner::OtherName,
        Manner::OtherId,
        Manner::OtherPort,
        Manner::Truncated,
        Manner::Loop,
        Manner::Echo,
        Manner::NoHost,
        Manner::Late(Duration::from_millis(300)),
    ];
    // Nothing listens at the wrong address.
    let responder = Responder::start(here(0), here(0), "10.77.0.99".parse().unwrap(), &manners);
    expect_found(&scratch, "nas.local", &camera);
    let questions = responder.questions();
    assert!(questions.contains(&"nas.local TYPE(A)".to_owned()), "{questions:?}");
    assert!(questions.contains(&"nas.local TYPE(AAAA)".to_owned()), "{questions:?}");
}

#[test]
fn mdns_answers_that_are_wrong_alone_leave_the_name_unknown() {
    in_own_network!();
    let (scratch, _cable) = site();
    let camera = camera();
    let manners = [
        Manner::Garbage,
        Manner::OtherName,
        Manner::OtherId,
        Manner::OtherPort,
        Manner::Truncated,
        Manner::Loop,
        Manner::Echo,
        Manner::NoHost,
        Manner::Late(Duration::from_secs(2)),
    ];
    // The camera would answer there.
    let _responder = Responder::start(here(0), here(0), here(0), &manners);
    expect_unknown(&scratch, "nas.local", &camera, QUICKLY);
}

#[test]
fn mdns_of_small_devices_without_id_and_question_counts() {
    in_own_network!();
    let (scratch, _cable) = site();
    let camera = camera();
    let _responder = Responder::start(here(0), here(0), here(0), &[Manner::Sloppy]);
    expect_found(&scratch, "esp32.local", &camera);
}

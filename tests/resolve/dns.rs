//! DNS, against dnsmasq and against a server that never answers.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use super::{camera, dashcam, expect_found, expect_unknown};
use crate::support::network::{in_own_network, replace, start_dnsmasq};
use crate::support::{Scratch, camera::Camera};

#[test]
fn dns_answers_with_search_domains_aliases_and_both_families() {
    in_own_network!();
    let (scratch, camera) = (Scratch::new(), camera());
    let records = [
        "--host-record=cam.home.example,127.0.0.1",
        "--host-record=six.example,::1",
        "--host-record=both.example,127.0.0.1,::1",
        "--host-record=cam.local,127.0.0.1",
        "--cname=alias.example,both.example",
        "--address=/wild.example/127.0.0.1",
    ];
    let server = start_dnsmasq(&scratch, "search lan home.example\noptions timeout:1\n", &records);
    for name in [
        "cam",
        "cam.home.example",
        "cam.home.example.",
        "six.example",
        "both.example",
        "alias.example",
        "A.Wild.Example",
        "cam.local",
    ] {
        expect_found(&scratch, name, &camera);
    }
    camera.clear_log();
    for name in ["nas", "cam.", "cam.lan.", "six.example.home", "nas.local"] {
        expect_unknown(&scratch, name, &camera, Duration::from_secs(3));
    }
    let asked = server.stderr();
    assert!(asked.contains("query[A] nas.lan") && asked.contains("query[AAAA] nas.home.example"), "{asked}");
}

/// Sixty addresses are more than 512 bytes.
#[test]
fn a_dns_answer_that_is_truncated_is_asked_for_over_tcp() {
    in_own_network!();
    let (scratch, camera) = (Scratch::new(), camera());
    let hosts: Vec<String> = (1..=60).map(|n| format!("127.0.0.{n} many.example\n")).collect();
    let hosts = format!("--addn-hosts={}", scratch.write("many", hosts.concat()).display());
    let server = start_dnsmasq(&scratch, "", &["--edns-packet-max=512", &hosts]);
    expect_found(&scratch, "many.example", &camera);
    assert!(server.stderr().matches("query[A] many.example").count() >= 2, "{}", server.stderr());
}

#[test]
fn a_silent_name_server_leaves_time_for_the_next() {
    in_own_network!();
    let (scratch, camera) = (Scratch::new(), camera());
    let _silent = UdpSocket::bind("127.0.0.2:53").unwrap();
    let _server = start_dnsmasq(&scratch, "", &["--host-record=cam.example,127.0.0.1"]);
    // The first is not there, the second is silent.
    replace(&scratch, "/etc/resolv.conf", "nameserver 127.0.0.3\nnameserver 127.0.0.2\nnameserver 127.0.0.1\n");
    expect_found(&scratch, "cam.example", &camera);
}

#[test]
fn timeout_and_a_signal_end_a_dns_lookup_without_an_answer() {
    in_own_network!();
    let (scratch, camera) = (Scratch::new(), camera());
    let _silent = UdpSocket::bind("127.0.0.2:53").unwrap();
    replace(&scratch, "/etc/resolv.conf", "nameserver 127.0.0.2\n");
    let output = expect_unknown(&scratch, "cam.example", &camera, Duration::from_secs(6));
    assert!(output.stderr.contains("no name server answers"), "{output}");
    // One in .local does not wait for it longer than for others.
    expect_unknown(&scratch, "cam.local", &camera, Duration::from_secs(6));

    let started = Instant::now();
    let running = dashcam(&scratch, "cam.example", &camera).args(["--timeout", "60"]).spawn();
    wait_until_asks(running.id());
    running.term();
    running.wait().expect_code(143);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// Waits until a process has a UDP socket: it asks.
fn wait_until_asks(id: u32) {
    crate::support::site::wait_for("a question", || {
        let sockets = std::fs::read_to_string(format!("/proc/{id}/net/udp")).ok()?;
        // The server at 127.0.0.2:53 as the other end.
        sockets
            .contains("0200007F:0035 07")
            .then_some(())
            .or_else(|| sockets.contains(" 0200007F:0035 01").then_some(()))
    });
}

/// Answers to another question, and bytes that are no answer, must be ignored.
#[test]
fn a_lying_dns_server_is_not_believed() {
    in_own_network!();
    let (scratch, camera): (Scratch, Camera) = (Scratch::new(), camera());
    let server = UdpSocket::bind("127.0.0.2:53").unwrap();
    replace(&scratch, "/etc/resolv.conf", "nameserver 127.0.0.2\noptions timeout:1 attempts:1\n");
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = server.recv_from(&mut buffer) {
            let question = &buffer[..length];
            let record = b"\xC0\x0C\0\x01\0\x01\0\0\0\x0A\0\x04\x7F\0\0\x01";
            let answer =
                |id: [u8; 2], question: &[u8]| [&id[..], b"\x81\x80\0\x01\0\x01\0\0\0\0", question, record].concat();
            let id = [question[0], question[1]];
            let other_name: Vec<u8> =
                question[12..].iter().map(|byte| if *byte == b'c' { b'x' } else { *byte }).collect();
            for lie in [
                answer([!id[0], id[1]], &question[12..]),
                answer(id, &other_name),
                answer(id, &question[12..length - 1]),
                question.to_vec(),
                id.to_vec(),
                Vec::new(),
            ] {
                let _ = server.send_to(&lie, from);
            }
        }
    });
    expect_unknown(&scratch, "cam.example", &camera, Duration::from_secs(4));
}

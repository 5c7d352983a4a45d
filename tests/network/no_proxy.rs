//! `no_proxy` beside curl, and beside Python where curl has no rule: ports.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use footage::proxy::Proxies;

use crate::support::Program;

/// Values of `no_proxy`, and URLs whose direct connection fails at once.
const VALUES: [&str; 14] = [
    "",
    "*",
    "cam.test",
    ".cam.test",
    "CAM.TEST",
    "test",
    "am.test",
    "a.test, cam.test",
    "a.test cam.test",
    "127.0.0.2",
    "127.0.0.0/30",
    "127.0.0.0/8",
    "::1",
    "0.2",
];
const HOSTS: [&str; 7] = ["cam.test", "a.cam.test", "notcam.test", "127.0.0.2", "127.0.0.9", "[::1]", "test"];

/// Whether footage goes through `http_proxy`.
fn ours(no_proxy: &str, url: &str) -> bool {
    let variable = |name: &str| match name {
        "http_proxy" => Some("http://127.0.0.1:1".to_owned()),
        "no_proxy" => Some(no_proxy.to_owned()),
        _ => None,
    };
    Proxies::of_environment(variable).of(&url.parse().unwrap()).unwrap().is_some()
}

#[test]
fn no_proxy_has_the_rules_of_curl() {
    // A proxy that answers everything; without it, nothing answers.
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = proxy.local_addr().expect("our own socket");
    thread::spawn(move || {
        for client in proxy.incoming().flatten() {
            let mut client = client;
            let _ = client.read(&mut [0; 8192]);
            let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    for no_proxy in VALUES {
        // One curl for all hosts: a line for each, 200 through the proxy and 000 without.
        let urls: Vec<String> = HOSTS.iter().map(|host| format!("http://{host}:9/")).collect();
        let curl = Program::new("curl").args(["-s", "-g", "--connect-timeout", "5", "-w", "%{http_code}\n"]);
        let curl = urls.iter().fold(curl, Program::arg).args(["--resolve", "*:9:127.0.0.1"]);
        let curl = curl.env("http_proxy", format!("http://{address}")).env("no_proxy", no_proxy);
        let curl = ["NO_PROXY", "all_proxy", "ALL_PROXY"].into_iter().fold(curl, Program::env_remove);
        let theirs: Vec<bool> = curl.run().stdout.lines().map(|line| line == "200").collect();
        assert_eq!(theirs.len(), HOSTS.len());
        let ours: Vec<bool> = urls.iter().map(|url| ours(no_proxy, url)).collect();
        assert_eq!(ours, theirs, "{no_proxy:?} of {HOSTS:?}");
    }
}

#[test]
fn no_proxy_has_the_ports_of_python() {
    let cases: Vec<(String, String)> = ["cam.test:8080", "test:8080", "127.0.0.2:8080", "cam.test:80", "cam.test"]
        .iter()
        .flat_map(|value| {
            ["cam.test:8080", "a.cam.test:8080", "cam.test:81", "127.0.0.2:8080", "127.0.0.2:81"]
                .map(|host| ((*value).to_owned(), host.to_owned()))
        })
        .collect();
    let script = "import sys, urllib.request as r\n\
                  for value, host in zip(sys.argv[1::2], sys.argv[2::2]):\n \
                  print(bool(r.proxy_bypass_environment(host, {'no': value})))";
    let python = Program::new("/usr/bin/python3").args(["-c", script]);
    let python = cases.iter().fold(python, |python, (value, host)| python.args([value, host])).run().expect_code(0);
    let theirs: Vec<bool> = python.stdout.lines().map(|line| line == "False").collect();
    assert_eq!(theirs.len(), cases.len());
    for ((value, host), is_through) in cases.iter().zip(theirs) {
        assert_eq!(ours(value, &format!("http://{host}/")), is_through, "{value} {host}");
    }
}

//! A network of a test's own: names resolve there as the test says, and no other test is disturbed.
//!
//! The test runs once more in a network namespace and a mount namespace. There it may put its own files over those of `/etc`, and
//! lay cables to devices, which are network namespaces too.

use std::fs;
use std::path::Path;

use rustix::mount::mount_bind;

use super::{Program, Running, Scratch};

/// The first line of a test that needs a network of its own. It returns from the test when that has passed there.
macro_rules! in_own_network {
    () => {
        if $crate::support::network::ran_in_own_network(std::any::type_name_of_val(&|| ())) {
            return;
        }
    };
}
pub(crate) use in_own_network;

/// Set in the namespaces of a test.
const INSIDE: &str = "TEST_HAS_OWN_NETWORK";

/// Runs the test in which a closure of this type stands in namespaces of its own. False inside of them.
#[track_caller]
pub(crate) fn ran_in_own_network(closure: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        let _ = Program::new("ip").args(["link", "set", "lo", "up"]).run().expect_code(0);
        // Else an address of IPv6 cannot be used for its first second.
        for which in ["all", "default"] {
            let path = format!("/proc/sys/net/ipv6/conf/{which}/accept_dad");
            fs::write(&path, "0").unwrap_or_else(|e| panic!("{path}: {e}"));
        }
        return false;
    }
    let name = closure.split_once("::").and_then(|(_, path)| path.strip_suffix("::{{closure}}")).expect("in a test");
    let binary = std::env::current_exe().expect("this test");
    let root = if rustix::process::geteuid().is_root() { &[][..] } else { &["--user", "--map-root-user"] };
    let unshare = Program::new("unshare").args(root).args(["--net", "--mount"]).arg(binary);
    let output = unshare.args(["--exact", name, "--nocapture"]).env(INSIDE, "1").run();
    assert!(
        output.code == Some(0) && output.stdout.contains(" 1 passed"),
        "this test needs network and mount namespaces, and in them it did not pass; {output}"
    );
    true
}

/// Puts a text over a file of the host, as long as the test runs.
#[track_caller]
pub(crate) fn replace(scratch: &Scratch, path: &str, text: &str) {
    let own = scratch.write(Path::new("replaced").join(path.trim_start_matches('/')), text);
    mount_bind(own, path).unwrap_or_else(|e| panic!("cannot mount on {path}: {e}"));
}

/// A device at the other end of a cable, with programs that run on it.
pub(crate) struct Device(Running);

impl Device {
    /// Lays the cable `link` of the networks `10.77.NET.0/24` and `fd77:NET::/64`. This host is number 1 there, the device number 2.
    /// The device runs `command` in a shell, with a `/run` of its own.
    #[track_caller]
    pub(crate) fn start(link: &str, net: u8, command: &str) -> Self {
        let there = format!("{link}-dev");
        ip(&["link", "add", link, "type", "veth", "peer", "name", &there]);
        let script = format!(
            "set -e; mount -t tmpfs tmpfs /run
             until ip link show {there} >/dev/null 2>&1; do sleep 0.05; done
             ip link set lo up; ip addr add 10.77.{net}.2/24 dev {there}; ip addr add fd77:{net}::2/64 dev {there} nodad
             ip link set {there} up
             {command}"
        );
        let device = Program::new("unshare").args(["--net", "--mount", "sh", "-c", &script]).spawn();
        // Its namespaces are there once the shell is.
        let own = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let id = device.id().to_string();
        super::site::wait_for("the device's namespace", || (own(&id)? != own("self")?).then_some(()));
        ip(&["link", "set", &there, "netns", &id]);
        ip(&["addr", "add", &format!("10.77.{net}.1/24"), "dev", link]);
        ip(&["addr", "add", &format!("fd77:{net}::1/64"), "dev", link, "nodad"]);
        ip(&["link", "set", link, "up"]);
        Self(device)
    }

    /// A device whose avahi answers for names: lines of `ADDRESS NAME`.
    #[track_caller]
    pub(crate) fn with_avahi(scratch: &Scratch, link: &str, net: u8, names: &str) -> Self {
        let hosts = scratch.write(format!("{link}/hosts"), names);
        let config = format!("[server]\nhost-name={link}\nenable-dbus=no\n[publish]\npublish-workstation=no\n");
        let config = scratch.write(format!("{link}/avahi.conf"), config);
        let avahi = "/usr/sbin/avahi-daemon";
        assert!(Path::new(avahi).exists(), "{avahi} is not there: run tests/setup");
        // Its user is the one that runs it: in a user namespace there is no other.
        let passwd = scratch.write(format!("{link}/passwd"), "root:x:0:0::/:/bin/sh\navahi:x:0:0::/:/bin/sh\n");
        let group = scratch.write(format!("{link}/group"), "root:x:0:\navahi:x:0:\n");
        let command = format!(
            "mkdir -p /run/avahi-daemon; mount --bind {} /etc/avahi/hosts
             mount --bind {} /etc/passwd; mount --bind {} /etc/group
             exec {avahi} --no-drop-root --no-chroot --no-rlimits --file {}",
            hosts.display(),
            passwd.display(),
            group.display(),
            config.display()
        );
        let device = Self::start(link, net, &command);
        for name in names.lines().filter_map(|line| line.split_whitespace().nth(1)) {
            device.0.wait_for_stderr(&format!("\"{name}\" successfully established"), super::site::PATIENCE);
        }
        device
    }
}

#[track_caller]
fn ip(arguments: &[&str]) {
    Program::new("ip").args(arguments).run().expect_code(0);
}

/// A DNS server on port 53 of 127.0.0.1, which `/etc/resolv.conf` then names, with these further lines.
#[track_caller]
pub(crate) fn start_dnsmasq(scratch: &Scratch, resolv_conf: &str, options: &[&str]) -> Running {
    let dnsmasq = "/usr/sbin/dnsmasq";
    assert!(Path::new(dnsmasq).exists(), "{dnsmasq} is not there: run tests/setup");
    // It stays the user that it is: in a user namespace there is no other.
    let own = ["--no-daemon", "--log-facility=-", "--log-queries", "--conf-file=/dev/null"];
    let server = ["--no-resolv", "--no-hosts", "--listen-address=127.0.0.1", "--bind-interfaces", "--local=//"];
    let running = Program::new(dnsmasq).args(own).args(server).args(options).spawn();
    running.wait_for_stderr("started", super::site::PATIENCE);
    replace(scratch, "/etc/resolv.conf", &format!("nameserver 127.0.0.1\n{resolv_conf}"));
    running
}

//! The binary needs nothing beside it.

use std::fs;

use super::assert_none;
use crate::support::camera::{Api, Camera};
use crate::support::{Program, Scratch, as_root};

const FOOTAGE: &str = env!("CARGO_BIN_EXE_footage");

#[test]
fn the_binary_is_static() {
    let ldd = Program::new("ldd").arg(FOOTAGE).env("LC_ALL", "C").run();
    let said = format!("{}{}", ldd.stdout, ldd.stderr);
    assert!(said.contains("statically linked") || said.contains("not a dynamic executable"), "ldd says: {said}");
}

/// glibc loads the modules of `/etc/nsswitch.conf` into a static program too, and crashes in them. So the binary has no
/// function that would: `src/resolve.rs` finds the addresses of names, `src/home.rs` reads `/etc/passwd`.
#[test]
fn getaddrinfo_and_getpw_are_not_in_the_binary() {
    const LOOKUPS: [&str; 8] =
        ["getaddrinfo", "getnameinfo", "gethostby", "getpw", "getgrnam", "getgrgid", "getservby", "__nss_lookup"];
    let symbols = Program::new("nm").arg(FOOTAGE).run().expect_code(0).stdout;
    assert!(symbols.lines().any(|line| line.ends_with(" main")), "no symbols: {symbols}");
    let name = |line: &str| line.rsplit_once(' ').map(|(_, name)| name.to_owned());
    // In glibc all of its lookups begin so; `gethostbyname3_context` is a part of its DNS module that only they would call.
    let found = symbols.lines().filter_map(name).filter(|name| LOOKUPS.iter().any(|lookup| name.starts_with(lookup)));
    let found: Vec<String> = found.filter(|name| !name.starts_with("gethostbyname3_")).collect();
    assert_none(&found);
}

#[test]
fn the_binary_runs_in_an_empty_root() {
    as_root!();
    let jail = Scratch::new();
    // Not by ourselves: what another test starts meanwhile would have the file open for writing, and it could not be run.
    Program::new("cp").arg(FOOTAGE).arg(jail.join("footage")).run().expect_code(0);
    let footage = |arguments: &[&str]| {
        let chroot = Program::new("chroot").arg(jail.path()).arg("/footage").args(arguments);
        chroot.run().expect_code(0)
    };
    let version = footage(&["--version"]);
    assert_eq!(version.stdout, format!("footage {}\n", env!("CARGO_PKG_VERSION")));

    let camera = Camera::start(Api::Old);
    camera.add_recording("20181029_131513_NF", 100_000);
    footage(&["dashcam", &camera.address(), "-d", "/by-address"]);

    // All that a name needs.
    jail.write("etc/hosts", "127.0.0.1 localhost\n");
    let by_name = camera.address().replace("127.0.0.1", "localhost");
    footage(&["dashcam", &by_name, "-d", "/by-name"]);

    for destination in ["by-address", "by-name"] {
        for name in camera.names() {
            let arrived = fs::read(jail.join(destination).join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(arrived == camera.bytes(&name), "{destination}/{name} differs");
        }
    }
}

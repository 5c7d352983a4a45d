//! Warnings about a configuration that others may read or change, and about cameras whose certificates are not checked.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use crate::support::site::{QUICK, Site};

/// The warnings of a dry run with a configuration of this mode.
fn warnings(table: &str, mode: u32) -> String {
    warnings_with(table, mode, |_| "ffmpeg".to_owned())
}

/// The same with another ffmpeg.
fn warnings_with(table: &str, mode: u32, ffmpeg: impl Fn(&Site) -> String) -> String {
    let site = Site::with(QUICK, &[("yard", table)]);
    set_permissions(site.scratch.join("footage.toml"), Permissions::from_mode(mode)).unwrap();
    site.record(&["--dry-run", "--ffmpeg", &ffmpeg(&site)]).run().expect_code(0).stderr
}

#[test]
fn a_world_readable_configuration_with_a_password_is_a_warning() {
    let open = "url = \"rtsp://127.0.0.1:1/x\"";
    let secrets = [
        "url = \"rtsp://viewer:secret@127.0.0.1:1/x\"".to_owned(),
        "url = \"http://127.0.0.1:1/x?password=secret\"".to_owned(),
        format!("{open}\nschedule = [{{ at = \"06:00\", get = \"http://u:p@127.0.0.1:1/day\" }}]"),
        format!("{open}\ninput_options = [\"-headers\", \"X-Token: secret\"]"),
    ];
    for secret in &secrets {
        let told = warnings(secret, 0o644);
        assert!(told.contains("other users can read the passwords in it") && told.contains("chmod"), "{told}");
        assert_eq!(warnings(secret, 0o640), "");
        assert_eq!(warnings(secret, 0o600), "");
    }
    assert_eq!(warnings(open, 0o644), "");
    assert_eq!(warnings("url = \"rtsp://127.0.0.1:1/x?channel=1\"", 0o644), "");
}

/// It names programs to run, and files to remove.
#[test]
fn a_world_writable_configuration_is_a_warning() {
    let open = "url = \"rtsp://127.0.0.1:1/x\"";
    let told = warnings(open, 0o666);
    assert!(told.contains("world-writable") && told.lines().count() == 1, "{told}");
    assert_eq!(warnings(open, 0o664), "");
}

#[test]
fn cameras_with_unchecked_certificates_share_a_line() {
    let site = Site::with(QUICK, &[("yard", "url = \"https://c/1\""), ("gate", "url = \"https://c/2\"")]);
    set_permissions(site.scratch.join("footage.toml"), Permissions::from_mode(0o600)).unwrap();
    let told = site.record(&["--dry-run"]).run().expect_code(0).stderr;
    assert!(told.starts_with("warning: 2 of 2 cameras (gate, yard): ") && told.lines().count() == 1, "{told}");
}

/// ffmpeg checks no certificate unless an option says so, and over RTSP not even then; from version 9 on it does.
#[test]
fn an_unchecked_certificate_is_a_warning() {
    for scheme in ["https", "rtmps", "rtsps"] {
        let url = format!("url = \"{scheme}://127.0.0.1:1/x\"");
        let told = warnings(&url, 0o600);
        assert!(told.contains("certificate") && told.contains("-tls_verify"), "{told}");
        let version = |number: &str| {
            let says = format!("echo 'ffmpeg version {number} Copyright (c) 2000-2026 the FFmpeg developers'");
            warnings_with(&url, 0o600, |site| site.script("ffmpeg", &says))
        };
        assert_eq!(version("8.1"), told);
        assert_eq!(version("9.0.2"), "");
        for verify in [0, 1] {
            let told = warnings(&format!("{url}\ninput_options = \"-tls_verify {verify}\""), 0o600);
            assert_eq!(told.is_empty(), verify == 0 || scheme != "rtsps", "{scheme} {verify}: {told}");
        }
    }
}

//! What may not be used is named with its owner, and with what to type.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::support::{Output, Program, Scratch};

/// The user `nobody`, on every system.
const UID: u32 = 65534;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

/// A pass as `nobody` over what root has made; as the user of the tests, where that is not root.
fn pass(scratch: &Scratch, command: &[&str]) -> Output {
    let words = scratch.footage(command).into_words();
    let program = if rustix::process::geteuid().is_root() {
        Program::new("setpriv").args([&format!("--reuid={UID}"), "--clear-groups", "sh", "-c", &words])
    } else {
        Program::new("sh").args(["-c", &words])
    };
    program.current_dir(scratch.path()).env("TZ", "UTC").run()
}

#[test]
fn permission_denied_names_the_owner_and_a_command() {
    let is_root = rustix::process::geteuid().is_root();
    let scratch = Scratch::new();
    mode(scratch.path(), 0o755);
    let lock = scratch.write("dest/.footage/dashcam.lock", "");
    let remedy = if is_root { "run it as root, or type: sudo chown -R" } else { "chmod u+rwX" };
    mode(&lock, if is_root { 0o644 } else { 0o000 });
    let output = pass(&scratch, &["dashcam", "127.0.0.1:1", "-d", "dest"]).expect_code(1);
    let said = "cannot open the lock file dest/.footage/dashcam.lock: ";
    assert!(output.stderr.contains(said) && output.stderr.contains(remedy), "{output}");
    if is_root {
        for said in ["it belongs to root (uid 0) and has mode 0644, this is nobody (uid 65534)", "nobody "] {
            assert!(output.stderr.contains(said), "{output}");
        }
        assert!(output.stderr.contains(&format!("{}/.footage", scratch.join("dest").display())), "{output}");
    }

    // A folder that cannot be entered, one that nothing can be made in, a destination that is not there.
    fs::create_dir_all(scratch.join("closed/dest")).expect("ours");
    fs::create_dir(scratch.join("full")).expect("ours");
    mode(&scratch.join("closed"), if is_root { 0o700 } else { 0o000 });
    mode(&scratch.join("full"), 0o555);
    for dest in ["closed/dest", "full", "full/new one"] {
        let output = pass(&scratch, &["dashcam", "127.0.0.1:1", "-d", dest]).expect_code(1);
        let install = is_root && dest == "full/new one";
        let remedy = if install {
            "sudo install -d -o nobody '"
        } else if is_root {
            "sudo chown nobody"
        } else {
            "chmod u+rwX"
        };
        assert!(output.stderr.contains("belongs to") && output.stderr.contains(remedy), "{dest}: {output}");
    }
    mode(&scratch.join("closed"), 0o755);

    let config = scratch.write("footage.toml", "");
    mode(&config, 0o000);
    let output = pass(&scratch, &["record", "footage.toml"]).expect_code(2);
    assert!(output.stderr.contains("it belongs to") && output.stderr.contains("mode 0000"), "{output}");

    if is_root {
        // His own, with a mode that keeps him out.
        chown(scratch.join("full"), Some(UID), None).expect("ours");
        let output = pass(&scratch, &["dashcam", "127.0.0.1:1", "-d", "full"]).expect_code(1);
        assert!(output.stderr.contains("chmod u+rwX") && !output.stderr.contains("sudo"), "{output}");
    }
}

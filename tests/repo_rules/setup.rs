//! `tests/setup` names what is missing and what to do about it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::root;
use crate::support::{Output, Program, Scratch};

/// `tests/setup` without a C compiler, for a user who is not root and has these programs.
fn set_up(has: &[&str]) -> Output {
    let scratch = Scratch::new();
    for (name, script) in
        [("id", "#!/bin/sh\necho 1000\n"), ("apt-get", "#!/bin/sh\nexit 9\n"), ("sudo", "#!/bin/sh\n")]
    {
        if name == "id" || has.contains(&name) {
            let path = scratch.write(name, script);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own file");
        }
    }
    symlink("/usr/bin/dirname", scratch.join("dirname")).expect("a link");
    Program::new("/bin/sh").arg(root().join("tests/setup")).env("PATH", scratch.path()).run()
}

#[test]
fn setup_without_root_prints_the_apt_command() {
    let output = set_up(&["apt-get"]).expect_code(1);
    assert!(output.stderr.contains("please, as root: apt-get update && apt-get install"), "{output}");
    assert!(output.stderr.contains(" gcc libc6-dev"), "{output}");
}

#[test]
fn setup_without_apt_names_the_missing_programs() {
    let output = set_up(&["sudo"]).expect_code(1);
    assert!(output.stderr.contains("please install:") && output.stderr.contains(" gcc libc6-dev"), "{output}");
    assert!(output.stderr.contains("(apt-get is not here)"), "{output}");
}

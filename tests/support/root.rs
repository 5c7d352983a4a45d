//! Tests that mount or `chroot`, for which one must be root, or root of a user namespace of one's own.

use super::Program;

/// The first line of a test that needs root. As another user it is run once more in a user namespace, where it is root
/// and may mount; how that ended is how the test ends.
macro_rules! as_root {
    () => {
        if $crate::support::ran_as_root(std::any::type_name_of_val(&|| ())) {
            return;
        }
    };
}
pub(crate) use as_root;

/// Runs the test in which a closure of this type stands as root. False when it is: then there is nothing to do but go on.
#[track_caller]
pub fn ran_as_root(closure: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return false;
    }
    // `dashcam::room::a_full_disk::{{closure}}`, where the first is the test binary.
    let name = closure.split_once("::").and_then(|(_, path)| path.strip_suffix("::{{closure}}")).expect("in a test");
    let binary = std::env::current_exe().expect("this test");
    let unshare = Program::new("unshare").args(["--user", "--map-root-user", "--mount"]).arg(binary);
    let output = unshare.args(["--exact", name, "--nocapture"]).run();
    assert!(
        output.code == Some(0) && output.stdout.contains(" 1 passed"),
        "this test needs root, and as root of a user namespace (which must be allowed here) it did not pass; {output}"
    );
    true
}

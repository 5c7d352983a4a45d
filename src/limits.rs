//! Limits of this process, set before anything else.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Keeps this process and the programs that it starts from leaving a core file, which would hold passwords. One byte is too
/// little for any file, and tells the kernel to start no program that collects them either: `core(5)`. Forbidding all
/// inspection of this process (`PR_SET_DUMPABLE`) would hide from `--stop` who holds a lock.
pub(crate) fn leave_no_core_file() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(maximum.map_or(1, |most| most.min(1))), maximum });
}

/// Makes a write beyond the user's limit for files (`ulimit -f`) fail with an error; by default the signal kills. Programs that
/// we start keep the default: a handler is not inherited.
pub(crate) fn survive_file_size_limit() {
    if getrlimit(Resource::Fsize).current.is_some() {
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    }
}

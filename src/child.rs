//! A child process that lives no longer than we do.
//!
//! It has a process group of its own, so that what it has started goes with it, and the kernel kills it when we are
//! gone, however that happened: a supervisor that was killed with signal 9 has no say any more, and an ffmpeg that goes
//! on without one fills a disk that nobody watches.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, getpid, getppid, kill_process_group, set_parent_process_death_signal};

/// Variables of the environment that may hold a password of ours.
const SECRETS: [&str; 4] = ["FOOTAGE_ADDRESS", "FOOTAGE_HEADER", "FOOTAGE_METRICS_PUSHGATEWAY_URL", "FOOTAGE_URL"];

/// Keeps from a program what it has no use for.
pub fn without_secrets(command: &mut Command) -> &mut Command {
    SECRETS.into_iter().fold(command, |command, name| command.env_remove(name))
}

/// Starts a program in a process group of its own that is killed when the calling **thread** ends, as that is what the
/// kernel looks at: call it from a thread that lives as long as the child should.
///
/// # Errors
/// The program cannot be started.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let us = getpid();
    let die_with_us = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // We may be gone already, and then no signal comes any more. Our number seen from another namespace is none.
        match getppid() {
            Some(parent) if parent != us => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    };
    without_secrets(command).process_group(0);
    // What runs between fork and exec must not allocate, lock or panic, since another thread may have held the
    // allocator's lock at the fork. These are two system calls on values that are here already; the errors made of them
    // hold a number and no memory. There is no safe way: the kernel takes this request from the child alone, and the
    // request does not survive a fork, so it cannot be made before.
    #[expect(unsafe_code, reason = "only the child itself can ask to be killed with its parent, between fork and exec")]
    unsafe {
        command.pre_exec(die_with_us);
    }
    command.spawn()
}

/// Sends a signal to a child of [`spawn`] and all that it has started. It is not reaped yet, so its number is its own;
/// that it has ended already is no error.
pub fn signal(child: &Child, signal: Signal) {
    let _ = kill_process_group(Pid::from_child(child), signal);
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn it_ends_with_the_thread_that_started_it() {
        let starter = std::thread::spawn(|| spawn(Command::new("sleep").arg("1000").stdout(Stdio::null())));
        let mut child = starter.join().expect("no panic").expect("sleep runs");
        let status = child.wait().expect("our own child");
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    }

    #[test]
    fn a_signal_reaches_what_it_has_started() {
        let mut child =
            spawn(Command::new("sh").args(["-c", "sleep 1000 & wait"]).stdout(Stdio::piped())).expect("a shell");
        let mut stdout = child.stdout.take().expect("a pipe");
        signal(&child, Signal::KILL);
        // It ends only when nobody has the pipe open any more.
        std::io::copy(&mut stdout, &mut std::io::sink()).expect("read to its end");
        child.wait().expect("our own child");
    }
}

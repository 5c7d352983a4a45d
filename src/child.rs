//! A child process that never outlives this one.
//!
//! It has a process group of its own, so that its own children end with it, and the kernel kills it when this process
//! ends in any way: after SIGKILL a supervisor can do nothing any more, and an ffmpeg that continues
//! without one fills a disk unattended.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process_group, set_parent_process_death_signal, waitpgid,
};

/// Environment variables that may hold a password of ours.
const SECRETS: [&str; 4] = ["FOOTAGE_ADDRESS", "FOOTAGE_HEADER", "FOOTAGE_METRICS_PUSHGATEWAY_URL", "FOOTAGE_URL"];

/// Removes variables from a program's environment that it does not need.
fn without_secrets(command: &mut Command) -> &mut Command {
    SECRETS.into_iter().fold(command, |command, name| command.env_remove(name))
}

/// Starts a program in its own process group that is killed when the calling **thread** ends, because the kernel
/// watches the thread: call it from one that lives as long as the child should.
///
/// # Errors
/// The program cannot be started.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let us = getpid();
    let die_with_us = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have ended already, and then no signal comes. Its pid seen from another namespace is 0.
        match getppid() {
            Some(parent) if parent != us => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    };
    without_secrets(command).process_group(0);
    // Code between fork and exec must not allocate, lock or panic, since another thread may have held the
    // allocator's lock at the fork. These are two system calls on existing values; their errors
    // hold a number and no memory. There is no safe way: the kernel accepts this request from the child alone, and the
    // request does not survive a fork, so it cannot be made before.
    #[expect(unsafe_code, reason = "only the child itself can ask to be killed with its parent, between fork and exec")]
    unsafe {
        command.pre_exec(die_with_us);
    }
    command.spawn()
}

/// A child of [`spawn`] with its process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group(Pid);

impl Group {
    /// The process group of a child, whose id is unique until it is reaped: not to be signalled after that.
    #[must_use]
    pub fn of(child: &Child) -> Self {
        Self(Pid::from_child(child))
    }

    /// The child's process.
    #[must_use]
    pub fn leader(self) -> Pid {
        self.0
    }

    /// Sends a signal to the whole group. A group that has ended is no error.
    pub fn signal(self, signal: Signal) {
        let _ = kill_process_group(self.0, signal);
    }
}

/// Sends a signal to a child of [`spawn`] that is not reaped yet, and to its whole group.
pub fn signal(child: &Child, signal: Signal) {
    Group::of(child).signal(signal);
}

/// Why a child was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killed {
    /// Its timeout elapsed.
    Late,
    /// The process is stopping.
    Stopped,
}

/// The interval at which a wait checks the child and the stop flag.
const TICK: Duration = Duration::from_millis(20);

/// Waits for a child of [`spawn`]. On its timeout or a stop, it is killed with its whole group.
///
/// # Errors
/// The system call fails.
pub fn wait(
    child: &mut Child,
    patience: Duration,
    is_stopped: &dyn Fn() -> bool,
) -> io::Result<(ExitStatus, Option<Killed>)> {
    let began = Instant::now();
    let mut killed = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, killed));
        }
        let why =
            if is_stopped() { Some(Killed::Stopped) } else { (began.elapsed() >= patience).then_some(Killed::Late) };
        if killed.is_none() && why.is_some() {
            signal(child, Signal::KILL);
            killed = why;
        }
        std::thread::sleep(TICK);
    }
}

/// How a child ended, in words.
#[must_use]
pub fn described(status: ExitStatus) -> String {
    if is_too_large(status) {
        return "its file became larger than this shell or user may write: ulimit -f".to_owned();
    }
    status.to_string()
}

/// Whether a child was killed because its file became larger than this user's limit.
#[must_use]
pub fn is_too_large(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::XFSZ.as_raw())
}

/// How many bytes of a program's output are kept.
const KEPT_WORDS: usize = 2 << 10;

/// Reads all output of a program, and keeps the end.
#[must_use]
pub fn last_words(mut pipe: impl Read) -> String {
    let mut words = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = pipe.read(&mut piece) {
        words.extend_from_slice(&piece[..n]);
        let extra = words.len().saturating_sub(KEPT_WORDS);
        words.drain(..extra);
    }
    String::from_utf8_lossy(&words).trim().to_owned()
}

/// Processes left running by ended children of [`spawn`]. As the first process of a container we inherit them, and
/// without a wait they stay as zombies.
#[derive(Debug, Default)]
pub struct Orphans(Vec<Pid>);

impl Orphans {
    /// A child has ended and was reaped; its own children may be ours now.
    pub fn inherit(&mut self, ended: &Child) {
        self.0.push(Pid::from_child(ended));
        self.bury();
    }

    /// Reaps those that have ended. A group's id is not reused while one of its processes exists, and a group
    /// without a child of ours is forgotten at once.
    fn bury(&mut self) {
        self.0.retain(|group| {
            loop {
                match waitpgid(*group, WaitOptions::NOHANG) {
                    Ok(Some(_)) => {}
                    Ok(None) => return true,
                    Err(_) => return false,
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_child_ends_with_the_thread_that_started_it() {
        let starter = std::thread::spawn(|| spawn(Command::new("sleep").arg("1000").stdout(Stdio::null())));
        let mut child = starter.join().expect("no panic").expect("sleep runs");
        let status = child.wait().expect("our own child");
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    }

    #[test]
    fn a_child_is_killed_at_its_timeout() {
        let wait = |seconds: &str, patience, is_stopped: bool| {
            let mut child = spawn(Command::new("sleep").arg(seconds)).expect("sleep runs");
            super::wait(&mut child, patience, &|| is_stopped).map(|(_, killed)| killed).expect("our own child")
        };
        assert_eq!(wait("0", Duration::from_mins(1), false), None);
        assert_eq!(wait("1000", Duration::from_millis(10), false), Some(Killed::Late));
        assert_eq!(wait("1000", Duration::from_mins(1), true), Some(Killed::Stopped));
    }

    #[test]
    fn a_child_ended_by_ulimit_f_is_named_in_its_error() {
        let mut child = spawn(Command::new("sh").args(["-c", "kill -XFSZ $$"])).expect("a shell");
        let (status, _) = wait(&mut child, Duration::from_mins(1), &|| false).expect("our own child");
        assert!(described(status).contains("ulimit -f"), "{}", described(status));
    }

    #[test]
    fn the_last_lines_of_stderr_are_kept() {
        let stderr = format!("{}the end\n", "x".repeat(5000));
        let kept = last_words(stderr.as_bytes());
        assert!(kept.len() < 2100 && kept.ends_with("xthe end"), "{kept}");
    }

    #[test]
    fn a_signal_reaches_the_process_group() {
        let mut child =
            spawn(Command::new("sh").args(["-c", "sleep 1000 & wait"]).stdout(Stdio::piped())).expect("a shell");
        let mut stdout = child.stdout.take().expect("a pipe");
        signal(&child, Signal::KILL);
        // It ends only when no process has the pipe open any more.
        std::io::copy(&mut stdout, &mut std::io::sink()).expect("read to its end");
        child.wait().expect("our own child");
    }
}

//! Runs a program and knows how it ended.

use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// No test waits longer for a program; a hang must be a failure that shows its output until then.
const PATIENCE: Duration = Duration::from_mins(2);

/// A program to be run, its standard input empty.
pub struct Program(Command);

impl Program {
    /// The program of this name or path.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self(Command::new(program))
    }

    /// A command line, to be run by a shell in a terminal of its own. What is shown there comes back as stdout.
    pub fn in_terminal(columns: u16, command: &str) -> Self {
        let command = format!("stty cols {columns} rows 40; exec {command}");
        Self::new("script").args(["-qec", &command, "/dev/null"]).env("TERM", "xterm")
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// More arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.0.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Unsets an environment variable.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.0.env_remove(name);
        self
    }

    /// Runs in this directory.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// Writes to this file how much memory the program takes at most, for [`peak_kib`].
    pub fn measured(self, peak: &Path) -> Self {
        let mut time = Command::new("/usr/bin/time");
        time.args(["-q", "-f", "%M", "-o"]).arg(peak);
        self.behind(time)
    }

    /// Writes each `call` of the program and of those that it starts to this file.
    pub fn traced(self, log: &Path, call: &str) -> Self {
        let found = Command::new("strace").arg("-V").output();
        found.expect("strace is missing: run tests/setup");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", &format!("trace={call}"), "-o"]).arg(log);
        self.behind(strace)
    }

    /// The program under this umask.
    pub fn under_umask(self, umask: u32) -> Self {
        self.under_shell(&format!("umask {umask:o}"))
    }

    /// The program as a shell runs it after these commands.
    pub fn under_shell(self, commands: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{commands} && exec \"$@\""), "sh"]);
        self.behind(shell)
    }

    /// This program and its arguments as the last arguments of another one.
    fn behind(self, mut other: Command) -> Self {
        other.arg(self.0.get_program()).args(self.0.get_args());
        if let Some(dir) = self.0.get_current_dir() {
            other.current_dir(dir);
        }
        for (name, value) in self.0.get_envs() {
            match value {
                Some(value) => other.env(name, value),
                None => other.env_remove(name),
            };
        }
        Self(other)
    }

    /// The program and its arguments, as a shell takes them.
    pub fn into_words(self) -> String {
        let words = std::iter::once(self.0.get_program()).chain(self.0.get_args());
        let words = words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''")));
        words.collect::<Vec<_>>().join(" ")
    }

    /// Starts the program.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        self.0.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.0.spawn().unwrap_or_else(|e| panic!("cannot run {:?}: {e}", self.0));
        // A pidfd means this very process and becomes readable when it ends: no stale pid, no polling.
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a pidfd, which Linux 5.3 and later has");
        let stdout = Stream::read(child.stdout.take().expect("a pipe"));
        let stderr = Stream::read(child.stderr.take().expect("a pipe"));
        Running { child, pidfd, stdout, stderr }
    }

    /// Runs the program to its end; panics when that takes longer than two minutes.
    #[track_caller]
    pub fn run(self) -> Output {
        self.spawn().wait()
    }
}

/// The most memory that a program has had which was [`measured`](Program::measured), in KiB.
#[track_caller]
pub fn peak_kib(peak: &Path) -> u64 {
    let text = std::fs::read_to_string(peak).expect("/usr/bin/time is missing: run tests/setup");
    text.trim().parse().unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

/// A program that runs; it is killed when dropped.
pub struct Running {
    child: Child,
    pidfd: OwnedFd,
    stdout: Stream,
    stderr: Stream,
}

impl Running {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// SIGTERM.
    pub fn term(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGINT.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Any signal; one that comes too late is no error.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// Waits for the end; panics with the output so far when that takes longer than two minutes.
    #[track_caller]
    pub fn wait(self) -> Output {
        self.wait_timeout(PATIENCE)
    }

    /// Waits for the end; kills the program and panics with its output when that takes longer than `timeout`.
    #[track_caller]
    pub fn wait_timeout(mut self, timeout: Duration) -> Output {
        let in_time = self.ends_within(timeout);
        if !in_time {
            self.kill();
        }
        let status = self.child.wait().expect("our own child");
        let output = Output::new(status, self.stdout.finish(), self.stderr.finish());
        assert!(in_time, "still running after {timeout:?}; {output}");
        output
    }

    /// Whether the program ends in this time.
    pub fn ends_within(&self, timeout: Duration) -> bool {
        let timeout = Timespec::try_from(timeout).expect("a sensible timeout");
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut ended, Some(&timeout)).expect("polling a pidfd") == 1
    }

    /// Standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    /// Waits until standard output contains `text`, and returns all of it so far; panics after `timeout`, or when the
    /// program ends before.
    #[track_caller]
    pub fn wait_for_stdout(&self, text: &str, timeout: Duration) -> String {
        self.stdout.wait_for(text, timeout)
    }

    /// Waits until standard error contains `text`; panics after `timeout`, or when the program ends before.
    #[track_caller]
    pub fn wait_for_stderr(&self, text: &str, timeout: Duration) {
        self.stderr.wait_for(text, timeout);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program said and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it, otherwise.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    fn new(status: ExitStatus, stdout: String, stderr: String) -> Self {
        Self { code: status.code(), signal: status.signal(), stdout, stderr }
    }

    /// Asserts the exit code, and shows everything otherwise.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}; {self}");
        self
    }

    /// Asserts that it found nothing wrong and said nothing.
    #[track_caller]
    pub fn expect_silence(self) {
        let silent = self.code == Some(0) && self.stdout.is_empty() && self.stderr.is_empty();
        assert!(silent, "expected silence; {self}");
    }

    /// The lines on stderr that tell of removed footage, as no other lines are.
    pub fn removals(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.contains(" removed (") && !line.starts_with("warning: ")).collect()
    }

    /// Asserts that it found nothing wrong and said nothing but what it removed.
    #[track_caller]
    pub fn expect_silence_but_for_removals(self) {
        let silent = self.code == Some(0) && self.stdout.is_empty();
        assert!(silent && self.removals().len() == self.stderr.lines().count(), "expected silence; {self}");
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, signal, stdout, stderr } = self;
        write!(f, "exit code {code:?}, signal {signal:?}\n── stdout\n{stdout}\n── stderr\n{stderr}")
    }
}

/// One of the two output streams, read by a thread of its own as it comes.
struct Stream {
    text: Arc<(Mutex<Text>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    ended: bool,
}

impl Stream {
    fn read(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::<(Mutex<Text>, Condvar)>::default();
        let into = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                let n = pipe.read(&mut buffer).unwrap_or(0);
                let mut text = into.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.bytes.extend_from_slice(&buffer[..n]);
                text.ended = n == 0;
                into.1.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        Self { text, reader: Some(reader) }
    }

    #[track_caller]
    fn wait_for(&self, wanted: &str, timeout: Duration) -> String {
        let contains = |text: &Text| String::from_utf8_lossy(&text.bytes).contains(wanted);
        let (text, changed) = &*self.text;
        let text = text.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |text: &mut Text| !contains(text) && !text.ended;
        let result = changed.wait_timeout_while(text, timeout, waiting);
        let (text, _) = result.unwrap_or_else(PoisonError::into_inner);
        let found = contains(&text);
        let text = String::from_utf8_lossy(&text.bytes).into_owned();
        assert!(found, "{wanted:?} not within {timeout:?} in:\n{text}");
        text
    }

    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        self.so_far()
    }

    fn so_far(&self) -> String {
        let text = self.text.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text.bytes).into_owned()
    }
}

//! The advisory lock on a destination: one pass of each command at a time.
//!
//! The lock file is never deleted. Between the deletion and the next creation two passes could hold locks on two
//! files of the same name, and both would go on.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs2::FileExt;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::Pid;

use crate::error::{At, Error, Result};
use crate::store::open::{obstacle, open_for_writing, open_or_create, open_regular};

/// Held until dropped, or until the process ends in any way.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    since: String,
    file: File,
    _foreign: Option<File>,
}

impl Lock {
    /// Takes the lock without waiting and writes the holder into it: `pid 123 since 2026-11-21T10:00:00Z`.
    ///
    /// `foreign` is the lock file of another tool that may still be in the same crontab, locked by `fcntl`; it is
    /// respected when it exists and never created.
    ///
    /// # Errors
    /// [`Error::Busy`] when another pass holds it, [`Error::CannotLock`] on a file system without locks,
    /// [`Error::Usage`] where a symbolic link or a foreign file is in its place.
    pub fn acquire(path: &Path, foreign: Option<&Path>, now_rfc3339: &str) -> Result<Self> {
        let mut file = open_own(path)?;
        let content = content(&file).at("read the lock file", path)?;
        if !is_ours(&content) {
            return Err(Error::Usage(format!(
                "{} holds something that is not a lock of this program, and is left alone: name another lock file, or \
                 remove it",
                path.display()
            )));
        }
        if let Err(source) = lock_own(&file) {
            return Err(refusal(path, source, content.trim_end_matches('\0').trim()));
        }
        let foreign = foreign.map(lock_foreign).transpose()?.flatten();
        // The holder is only informative: on a full disk the pass that would free space must still start.
        let holder = format!("{HOLDER}{} since {now_rfc3339}\n", std::process::id());
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
        Ok(Self { path: path.to_owned(), since: now_rfc3339.to_owned(), file, _foreign: foreign })
    }

    /// Takes the lock again if its file was deleted or replaced: the old file keeps out no other pass. Returns whether it
    /// did. The directory of the file must exist.
    ///
    /// # Errors
    /// As of [`acquire`](Self::acquire): [`Error::Busy`] when another pass has taken the lock meanwhile.
    pub fn renew(&mut self) -> Result<bool> {
        let ours = self.file.metadata().at("read the lock file", &self.path)?;
        match std::fs::symlink_metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => return Ok(false),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).at("look after the lock", &self.path);
            }
            _ => {}
        }
        self.file = Self::acquire(&self.path, None, &self.since)?.file;
        Ok(true)
    }
}

/// The contents of a lock file, for other processes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holder {
    /// Whether the lock is held; none if unknown: the lock file does not exist or may not be opened.
    pub is_held: Option<bool>,
    /// The pid that holds it, or held it last, as the holder wrote it: in a container that is another number.
    pub pid: Option<u32>,
    /// When it took the lock, RFC 3339.
    pub since: Option<String>,
}

impl Holder {
    /// Reads a lock file without creating or writing it. `flock` has no query, so this tries to take it: a free lock
    /// is held, shared, for an instant, which [`Lock::acquire`] allows for.
    #[must_use]
    pub fn look(path: &Path) -> Self {
        let Ok(file) = open_regular(path) else { return Self::default() };
        let is_held = match FileExt::try_lock_shared(&file) {
            Ok(()) => Some(false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(true),
            Err(_) => None,
        };
        let content = content(&file).unwrap_or_default();
        let (pid, since) = content.trim().strip_prefix(HOLDER).and_then(|rest| rest.split_once(" since ")).unzip();
        Self { is_held, pid: pid.and_then(|pid| pid.parse().ok()), since: since.map(str::to_owned) }
    }

    /// The process that holds the lock at `path`, to send it a signal; none when no process does. It is verified by the
    /// lock being held, and by that process having the file open; the pid alone may have been reused.
    ///
    /// # Errors
    /// The lock is, or may be, held by a process that cannot be seen from here.
    pub fn process(path: &Path) -> Result<Option<Pid>> {
        let holder = Self::look(path);
        if holder.is_held == Some(false) || (holder.is_held.is_none() && !path.exists()) {
            return Ok(None);
        }
        let pid = holder
            .pid
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw)
            .filter(|pid| has_open(*pid, path));
        pid.map(Some).ok_or_else(|| {
            Error::Source(format!(
                "{} is held by a process that is not visible from here: run this as its user, or in its container",
                path.display()
            ))
        })
    }
}

/// Whether a process has this very file open.
fn has_open(pid: Pid, path: &Path) -> bool {
    let Ok(ours) = std::fs::metadata(path) else { return false };
    let open = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).into_iter().flatten().flatten();
    open.filter_map(|entry| std::fs::metadata(entry.path()).ok())
        .any(|theirs| (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()))
}

/// How often and how far apart to retry while another process reads the lock.
const TRIES: u32 = 200;
const LOOK: Duration = Duration::from_millis(5);

fn lock_own(file: &File) -> io::Result<()> {
    for _ in 1..TRIES {
        match FileExt::try_lock_exclusive(file) {
            // A reader holds it shared; if it cannot be had shared either, a pass holds it.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => FileExt::try_lock_shared(file)?,
            other => return other,
        }
        FileExt::unlock(file)?;
        std::thread::sleep(LOOK);
    }
    FileExt::try_lock_exclusive(file)
}

/// The beginning of our lock files.
const HOLDER: &str = "pid ";

/// Whether a lock file with this content is ours: empty, or as a holder writes it. A power loss may leave zeros
/// instead.
fn is_ours(content: &str) -> bool {
    let written = content.trim_end_matches('\0');
    written.starts_with(HOLDER) || HOLDER.starts_with(written)
}

/// Opens or makes our own lock file, which is written to.
fn open_own(path: &Path) -> Result<File> {
    // flock over NFS is emulated with fcntl locks, which need the file open for reading and writing.
    open_or_create(path).map_err(|error| cannot_open(path, error))
}

fn cannot_open(path: &Path, source: io::Error) -> Error {
    match obstacle(&source) {
        Some(what) => Error::Usage(format!("the lock file {} is {what}: remove it, or name another", path.display())),
        None => Error::Io { verb: "open the lock file", path: path.to_owned(), source },
    }
}

/// The beginning of a lock file: ours are shorter.
fn content(file: &File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(200).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn lock_foreign(path: &Path) -> Result<Option<File>> {
    // The peer makes it writable for all and readable for none. It is not written to.
    let file = match open_for_writing(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_open(path, error)),
    };
    match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(errno) => Err(refusal(path, errno.into(), "")),
    }
}

fn refusal(path: &Path, source: io::Error, holder: &str) -> Error {
    let errno = Errno::from_io_error(&source);
    // fcntl returns EACCES or EAGAIN for the same condition.
    if source.kind() == io::ErrorKind::WouldBlock || errno == Some(Errno::ACCESS) {
        let holder = if holder.is_empty() { String::new() } else { format!(" ({holder})") };
        return Error::Busy { path: path.to_owned(), holder };
    }
    match errno {
        Some(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            Error::CannotLock { path: path.to_owned(), source }
        }
        _ => Error::Io { verb: "lock", path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_names_its_holder() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("dashcam.lock");
        let first = Lock::acquire(&path, None, "2026-11-21T10:00:00Z").expect("free");
        let second = Lock::acquire(&path, None, "2026-11-21T10:00:01Z").expect_err("held");
        let text = second.to_string();
        assert!(matches!(second, Error::Busy { .. }));
        assert!(text.contains(&format!("(pid {} since 2026-11-21T10:00:00Z)", std::process::id())), "{text}");
        let us = Pid::from_raw(std::process::id().cast_signed());
        assert_eq!(Holder::process(&path).expect("held by us"), us);
        drop(first);
        assert_eq!(Holder::process(&path).expect("free"), None);
        assert_eq!(Holder::process(&dir.path().join("other.lock")).expect("not there"), None);
        Lock::acquire(&path, None, "2026-11-21T10:00:02Z").expect("free again");
    }

    #[test]
    fn a_lock_whose_file_was_deleted_is_renewed_unless_another_has_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("record.lock");
        let mut lock = Lock::acquire(&path, None, "2026-11-21T10:00:00Z").expect("free");
        assert!(!lock.renew().expect("it is there"));
        std::fs::remove_file(&path).expect("deleted");
        assert!(lock.renew().expect("free"));
        assert_eq!(Holder::look(&path).since.as_deref(), Some("2026-11-21T10:00:00Z"), "it still began then");
        Lock::acquire(&path, None, "2026-11-21T10:00:01Z").expect_err("held anew");
        std::fs::remove_file(&path).expect("deleted");
        let other = Lock::acquire(&path, None, "2026-11-21T10:00:02Z").expect("another one's");
        assert!(matches!(lock.renew(), Err(Error::Busy { .. })));
        drop(other);
        assert!(lock.renew().expect("free"));
    }

    #[test]
    fn a_lock_file_of_zeros_can_be_locked() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("dashcam.lock");
        for left in ["", "\0\0\0\0", "p", "pid 12", "pid 12 since\0\0\0"] {
            std::fs::write(&path, left).expect("written");
            Lock::acquire(&path, None, "2026-11-21T10:00:00Z").expect("ours");
        }
        for theirs in ["mine", "\0mine", "pit 7", "pi\n"] {
            std::fs::write(&path, theirs).expect("written");
            let refused = Lock::acquire(&path, None, "2026-11-21T10:00:00Z").expect_err("theirs");
            assert!(matches!(refused, Error::Usage(_)), "{refused}");
            assert_eq!(std::fs::read_to_string(&path).expect("left alone"), theirs);
        }
    }

    /// Runs a test of this module in a process of its own: where other tests start programs, a child that is between fork and
    /// exec has every lock of this process for a moment. Returns whether that was done.
    fn ran_alone(name: &str) -> bool {
        const ALONE: &str = "FOOTAGE_TEST_ALONE";
        if std::env::var_os(ALONE).is_some() {
            return false;
        }
        let binary = std::env::current_exe().expect("this test");
        let output = std::process::Command::new(binary).args(["--exact", name]).env(ALONE, "1").output().expect("runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && stdout.contains(" 1 passed"), "{stdout}");
        true
    }

    #[test]
    fn a_look_at_a_lock_keeps_no_pass_from_acquiring_it() {
        if ran_alone("lock::tests::a_look_at_a_lock_keeps_no_pass_from_acquiring_it") {
            return;
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("dashcam.lock");
        assert_eq!(Holder::look(&path), Holder::default());
        assert!(!path.exists());
        let lock = Lock::acquire(&path, None, "2026-11-21T10:00:00Z").expect("free");
        let (pid, since) = (Some(std::process::id()), Some("2026-11-21T10:00:00Z".to_owned()));
        assert_eq!(Holder::look(&path), Holder { is_held: Some(true), pid, since: since.clone() });
        drop(lock);
        assert_eq!(Holder::look(&path), Holder { is_held: Some(false), pid, since });

        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = Holder::look(&path);
                    std::thread::yield_now();
                }
            });
            let start = |n| Lock::acquire(&path, None, "2026-11-21T10:00:00Z").err().map(|error| (n, error));
            let refused: Vec<(u32, Error)> = (0..200).filter_map(start).collect();
            // Before anything can fail: the other thread is awaited.
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(refused.is_empty(), "{refused:?}");
        });
    }
}

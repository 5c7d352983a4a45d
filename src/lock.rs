//! The advisory lock on a destination: one pass of a kind at a time.
//!
//! The lock file is never deleted. Between the deletion and the next creation two passes could hold locks on two
//! files of the same name, and both would go on.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use fs2::FileExt;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::error::{At, Error, Result};

/// Held until dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    _foreign: Option<File>,
}

impl Lock {
    /// Takes the lock without waiting and writes the holder into it: `pid 123 since 2026-11-21T10:00:00Z`.
    ///
    /// `foreign` is the lock file of a peer tool that may still be in the same crontab, locked by `fcntl`; it is
    /// respected when it exists and never created.
    ///
    /// # Errors
    /// [`Error::Busy`] when another pass holds it, [`Error::CannotLock`] on a file system without locks,
    /// [`Error::Usage`] where a link or somebody's file stands.
    pub fn acquire(path: &Path, foreign: Option<&Path>, now_rfc3339: &str) -> Result<Self> {
        let mut file = open_own(path)?;
        let content = content(&file).at("read the lock file", path)?;
        if !content.is_empty() && !content.starts_with(HOLDER) {
            return Err(Error::Usage(format!(
                "{} holds something that is not a lock of this program, and is left alone: name another lock file, or \
                 remove it",
                path.display()
            )));
        }
        if let Err(source) = FileExt::try_lock_exclusive(&file) {
            return Err(refusal(path, source, content.trim()));
        }
        let foreign = foreign.map(lock_foreign).transpose()?.flatten();
        // Who holds it is a courtesy: on a full disk the pass that would make room must still start.
        let holder = format!("{HOLDER}{} since {now_rfc3339}\n", std::process::id());
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
        Ok(Self { _file: file, _foreign: foreign })
    }
}

/// The process that holds the lock at `path`, as it wrote it there: none when nobody does. That it is so is proven by the
/// lock being taken, and by that process having the file open; its number alone may be another's by now.
///
/// # Errors
/// The lock is held, and not by a process that can be seen from here.
pub fn holder(path: &Path) -> Result<Option<Pid>> {
    let file =
        match File::options().read(true).write(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.at("open the lock file", path)?,
        };
    match FileExt::try_lock_shared(&file) {
        Ok(()) => return Ok(None),
        Err(error) => match refusal(path, error, "") {
            Error::Busy { .. } => {}
            other => return Err(other),
        },
    }
    let text = content(&file).at("read the lock file", path)?;
    let number = text.strip_prefix(HOLDER).and_then(|rest| rest.split_whitespace().next());
    let pid = number.and_then(|number| number.parse().ok()).and_then(Pid::from_raw);
    let pid = pid.filter(|pid| has_open(*pid, &file));
    pid.map(Some).ok_or_else(|| {
        Error::Source(format!("{} is held, but not by a process that can be found from here", path.display()))
    })
}

/// Whether a process has this very file open.
fn has_open(pid: Pid, file: &File) -> bool {
    let Ok(ours) = file.metadata() else { return false };
    let open = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).into_iter().flatten().flatten();
    open.filter_map(|entry| std::fs::metadata(entry.path()).ok())
        .any(|theirs| (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()))
}

/// How the content of our lock files begins.
const HOLDER: &str = "pid ";

/// Opens or makes our own lock file, which is written to: nothing but a regular file, and not through a link.
fn open_own(path: &Path) -> Result<File> {
    let not_one =
        |what| Error::Usage(format!("the lock file {} is {what}: remove it, or name another", path.display()));
    // flock over NFS is emulated with fcntl locks, which need the file open for reading and writing.
    let opened = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path);
    let file = match opened {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => return Err(not_one("a symbolic link")),
        other => other.at("open the lock file", path)?,
    };
    if file.metadata().at("open the lock file", path)?.is_file() { Ok(file) } else { Err(not_one("no regular file")) }
}

/// The beginning of a lock file: ours are shorter.
fn content(file: &File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(200).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn lock_foreign(path: &Path) -> Result<Option<File>> {
    // The peer makes it writable for all and readable for none. It is not written to, and a pipe is not waited for.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = match File::options().write(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).at("open the lock file", path),
    };
    match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(errno) => Err(refusal(path, errno.into(), "")),
    }
}

fn refusal(path: &Path, source: io::Error, holder: &str) -> Error {
    let errno = Errno::from_io_error(&source);
    // fcntl says EACCES or EAGAIN for the same thing.
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
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("dashcam.lock");
        let first = Lock::acquire(&path, None, "2026-11-21T10:00:00Z").expect("free");
        let second = Lock::acquire(&path, None, "2026-11-21T10:00:01Z").expect_err("held");
        let text = second.to_string();
        assert!(matches!(second, Error::Busy { .. }));
        assert!(text.contains(&format!("(pid {} since 2026-11-21T10:00:00Z)", std::process::id())), "{text}");
        let us = Pid::from_raw(std::process::id().cast_signed());
        assert_eq!(holder(&path).expect("held by us"), us);
        drop(first);
        assert_eq!(holder(&path).expect("free"), None);
        assert_eq!(holder(&dir.path().join("other.lock")).expect("not there"), None);
        Lock::acquire(&path, None, "2026-11-21T10:00:02Z").expect("free again");
    }
}

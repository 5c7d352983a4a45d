//! Opening files in a directory to which others may write too.
//!
//! Another user of a share can put a symbolic link, a pipe or a device where footage expects a file of its own: a link
//! would lead out of the destination, a pipe would block until another process opens it, a device may act on being opened.
//! So no link is followed, `open` does not wait, and only a regular file is returned.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Opens an existing regular file for reading.
///
/// # Errors
/// Those of `open`, and what [`obstacle`] names.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(File::options().read(true), OFlags::NOFOLLOW, path)
}

/// As [`open_regular`], but follows links: for files that users keep where they like.
///
/// # Errors
/// Those of `open`; a pipe, a device or a directory is refused.
pub fn open_behind_links(path: &Path) -> io::Result<File> {
    regular(File::options().read(true), OFlags::empty(), path)
}

/// Opens an existing regular file for writing alone: it may be unreadable for us.
///
/// # Errors
/// As [`open_regular`].
pub fn open_for_writing(path: &Path) -> io::Result<File> {
    regular(File::options().write(true), OFlags::NOFOLLOW, path)
}

/// Opens a regular file for reading and writing with the content it has, and creates it where it is missing.
///
/// # Errors
/// As [`open_regular`].
pub fn open_or_create(path: &Path) -> io::Result<File> {
    regular(File::options().read(true).write(true).create(true).truncate(false), OFlags::NOFOLLOW, path)
}

/// Opens a regular file for appending, and creates it where it is missing.
///
/// # Errors
/// As [`open_regular`].
pub fn open_for_appending(path: &Path) -> io::Result<File> {
    regular(File::options().append(true).create(true), OFlags::NOFOLLOW, path)
}

/// Creates a file for reading and writing.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where anything has that name, a dangling link too (`O_EXCL`).
pub fn create_new(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create_new(true).open(path)
}

/// Whether a file has one name only. Under a second one (a hard link) it may be another user's: it is not overwritten.
///
/// # Errors
/// Those of `fstat`.
pub fn has_one_name(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() == 1)
}

/// What stands at the path in the place of a regular file, where an error of this module says so.
#[must_use]
pub fn obstacle(error: &io::Error) -> Option<&'static str> {
    if Errno::from_io_error(error) == Some(Errno::LOOP) {
        return Some("a symbolic link");
    }
    is_not_regular(error).then_some("no regular file")
}

/// Whether a pipe, a device or a directory was opened in the place of a regular file.
#[must_use]
pub fn is_not_regular(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<NotRegular>())
}

fn regular(options: &mut OpenOptions, flags: OFlags, path: &Path) -> io::Result<File> {
    // Reading and writing a regular file is the same with O_NONBLOCK.
    let file = options.custom_flags((flags | OFlags::NONBLOCK).bits().cast_signed()).open(path)?;
    // The kind by which `Error::is_in_the_way` knows that only this item fails.
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::AlreadyExists, NotRegular)) }
}

#[derive(Debug)]
struct NotRegular;

impl fmt::Display for NotRegular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is no regular file")
    }
}

impl std::error::Error for NotRegular {}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    type Open = fn(&Path) -> io::Result<File>;

    #[test]
    fn open_refuses_links_pipes_and_directories() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "x").expect("written");
        std::os::unix::fs::symlink(path("file"), path("link")).expect("linked");
        let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().expect("mkfifo runs");
        assert!(made.success());
        let existing: [Open; 2] = [open_regular, open_for_writing];
        let creating: [Open; 2] = [open_or_create, open_for_appending];
        for open in existing.into_iter().chain(creating) {
            assert!(open(&path("file")).is_ok());
            let error = open(&path("link")).expect_err("a link");
            assert_eq!(obstacle(&error), Some("a symbolic link"));
            for name in ["pipe", "."] {
                assert!(open(&path(name)).is_err(), "{name}");
            }
        }
        assert_eq!(open_regular(&path("pipe")).err().as_ref().and_then(obstacle), Some("no regular file"));
        assert_eq!(fs::read(path("file")).expect("still there"), b"x", "no open truncates");
        assert!(open_behind_links(&path("link")).is_ok() && open_behind_links(&path("pipe")).is_err());

        for open in existing {
            assert_eq!(open(&path("missing")).expect_err("missing").kind(), io::ErrorKind::NotFound);
        }
        for (number, open) in creating.into_iter().enumerate() {
            assert!(open(&path(&number.to_string())).is_ok());
        }
    }

    #[test]
    fn create_new_refuses_whatever_has_the_name() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name);
        std::os::unix::fs::symlink(path("outside"), path("dangling")).expect("linked");
        let file = create_new(&path("new")).expect("created");
        assert!(has_one_name(&file).expect("read"));
        for name in ["new", "dangling"] {
            assert_eq!(create_new(&path(name)).expect_err(name).kind(), io::ErrorKind::AlreadyExists);
        }
        assert!(!path("outside").exists());
        fs::hard_link(path("new"), path("second")).expect("linked");
        assert!(!has_one_name(&file).expect("read"));
    }
}

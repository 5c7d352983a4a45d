//! What can end a pass.
//!
//! The rules for adding to it:
//!
//! - An [`Error`] ends the whole pass. What fails for one item alone (one recording, one segment) is counted
//!   in the [`Report`](crate::pass::Report) and the pass goes on.
//! - The text names the verb and the thing ("cannot open /footage/x: permission denied"), and says what to do
//!   where that is known. Text that came from a device is printed with `{:?}`.
//! - There is no `From<io::Error>`: it would lose the path. Use [`At::at`].
//! - The source chain is printed once, by `runner` in the binary.

mod reason;

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

pub use self::reason::EndReason;
use crate::permission;
use crate::units::ByteSize;

/// The result of everything that can end a pass.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a pass ended early. [`Error::exit_code`] maps it to what the shell sees.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file-system operation at the destination failed.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// What was tried: "open", "create", "rename".
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Options or configuration that cannot work.
    #[error("{0}")]
    Usage(String),
    /// The source is not there now: off, asleep, driven away, card not inserted.
    #[error("{0}")]
    Away(String),
    /// Another pass holds the destination.
    #[error("another pass holds {}{holder}; exiting", path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// " (pid 123 since …)" as the holder wrote it, or nothing.
        holder: String,
    },
    /// The destination cannot be locked at all.
    #[error(
        "cannot lock {}: its file system does not support locks; \
         name a lock file on a local disk with --lock-file", path.display()
    )]
    CannotLock {
        /// The lock file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The source answered with something no pass can work with.
    #[error("{0}")]
    Source(String),
    /// The disk guard stopped the pass before it wrote.
    #[error("not enough room on the disk of {}: {reason}; free {missing} or more{}", path.display(),
        option.map(|option| format!(", or change {option}")).unwrap_or_default())]
    DiskFull {
        /// The destination.
        path: PathBuf,
        /// What the guard saw, in numbers.
        reason: String,
        /// How much more must be free.
        missing: ByteSize,
        /// The option that set the limit.
        option: Option<&'static str>,
    },
    /// SIGTERM or SIGINT.
    #[error("stopped by signal {0}")]
    Stopped(i32),
}

impl Error {
    /// The exit code of the pass: one table for all passes, documented in the README.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Io { .. } | Self::Source(_) | Self::DiskFull { .. } | Self::CannotLock { .. } => 1,
            Self::Usage(_) => 2,
            Self::Away(_) | Self::Busy { .. } => 75,
            Self::Stopped(signal) => 128_u8.saturating_add(u8::try_from(*signal).unwrap_or(0)),
        }
    }

    /// The kind of this error, for metrics and reports.
    #[must_use]
    pub fn reason(&self) -> EndReason {
        match self {
            Self::Io { .. } | Self::CannotLock { .. } => EndReason::Destination,
            Self::Usage(_) => EndReason::Usage,
            Self::Away(_) => EndReason::Away,
            Self::Busy { .. } => EndReason::Busy,
            Self::Source(_) => EndReason::Source,
            Self::DiskFull { .. } => EndReason::Disk,
            Self::Stopped(_) => EndReason::Stopped,
        }
    }

    /// Whether a file of the user, or a link that is not followed, has the name of one of our files or folders: that item
    /// fails, the others go on.
    #[must_use]
    pub fn is_in_the_way(&self) -> bool {
        use io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory};
        let Self::Io { source, .. } = self else { return false };
        matches!(source.kind(), AlreadyExists | IsADirectory | NotADirectory)
            || Errno::from_io_error(source) == Some(Errno::LOOP)
    }

    /// Whether this is normal for a pass from cron, which is then silent.
    #[must_use]
    pub fn is_not_now(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Busy { .. })
    }

    /// The text with its chain of causes: "cannot open /x: permission denied".
    #[must_use]
    pub fn with_causes(&self) -> String {
        let text = with_causes(self);
        match self {
            Self::Io { path, source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                let hint = permission::hint(path);
                if hint.is_empty() { text } else { format!("{text}; {hint}") }
            }
            _ => text,
        }
    }
}

/// Texts from outside are cut to this length in an error.
const MAX_CHARS: usize = 2000;

/// The text of any error with its chain of causes: "cannot open /x: permission denied".
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        if next.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::FileTooLarge) {
            text.push_str(&too_large());
        }
        cause = next.source();
    }
    if let Some((end, _)) = text.char_indices().nth(MAX_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Whose limit a file is too large for: this user's, or that of the file system (4 GiB of FAT).
fn too_large() -> String {
    match getrlimit(Resource::Fsize).current {
        Some(limit) => format!(": this shell or user may write {} to a file (ulimit -f)", ByteSize(limit)),
        None => ": the file system takes no file of this size".to_owned(),
    }
}

/// Gives an [`io::Error`] its verb and its path.
pub trait At<T> {
    /// `File::open(&p).at("open", &p)?` reads as the error it makes: "cannot open P: …".
    fn at(self, verb: &'static str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T, E: Into<io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, verb: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::Io { verb, path: path.as_ref().to_owned(), source: source.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_exit_code() {
        let io = || io::Error::from(io::ErrorKind::PermissionDenied);
        let path = || PathBuf::from("/footage");
        let cases = [
            (Error::Io { verb: "open", path: path(), source: io() }, 1),
            (Error::Source("listing".into()), 1),
            (Error::CannotLock { path: path(), source: io() }, 1),
            (
                Error::DiskFull {
                    path: path(),
                    reason: "full".into(),
                    missing: ByteSize(1),
                    option: Some("--min-free"),
                },
                1,
            ),
            (Error::Usage("what".into()), 2),
            (Error::Away("gone".into()), 75),
            (Error::Busy { path: path(), holder: String::new() }, 75),
            (Error::Stopped(15), 143),
            (Error::Stopped(2), 130),
        ];
        for (error, code) in cases {
            assert_eq!(error.exit_code(), code, "{error}");
        }
    }

    #[test]
    fn an_error_chain_is_one_line() {
        let error = Error::Io {
            verb: "open",
            path: PathBuf::from("/footage/x"),
            source: io::Error::from(io::ErrorKind::TimedOut),
        };
        assert_eq!(error.with_causes(), "cannot open /footage/x: timed out");
    }
}

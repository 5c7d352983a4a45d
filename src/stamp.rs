//! Decides from the times of a directory alone whether its names have changed.
//!
//! To list 20,000 names costs a file system more than everything else in a pass that has nothing to do, and wakes the
//! disks of a NAS. Every Unix file system changes a directory's times when a name in it comes, goes or changes; so
//! a directory with the same device, inode, mtime and ctime has the same names. There are two exceptions, and both are
//! excluded:
//!
//! - times are coarse: a change just after the listing may have the same time. A directory is cached only when its times
//!   were [`SETTLED`] before the listing.
//! - FAT keeps no times for its root, and network shares are changed by others and answer from caches. Only local file
//!   systems of [`TRUSTED`] are cached.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Longer than the coarsest time stamps, those of ext3.
pub const SETTLED: Duration = Duration::from_secs(2);

/// The `f_type` of ext2/3/4, XFS, Btrfs, F2FS, ZFS and tmpfs: `statfs(2)`.
pub const TRUSTED: [u32; 6] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x2FC1_2FC1, 0x0102_1994];

/// Whether and where times can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trust {
    /// The device of a file system of [`TRUSTED`].
    device: Option<u64>,
}

impl Trust {
    /// In the tree below `root`.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        // As wide as a word of the machine, which may have 32 bits.
        let file_system = rustix::fs::statfs(root).map(|stats| u32::try_from(stats.f_type.cast_unsigned()));
        let is_trusted = file_system.is_ok_and(|kind| kind.is_ok_and(|kind| TRUSTED.contains(&kind)));
        Self { device: if is_trusted { fs::metadata(root).ok().map(|metadata| metadata.dev()) } else { None } }
    }

    /// Whether any time can be.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.device.is_some()
    }

    /// The stamp of a directory, if it can be trusted. One on a file system of its own is not the one that was looked at.
    #[must_use]
    pub fn stamp(self, path: &Path) -> Option<Stamp> {
        let device = self.device?;
        Stamp::of(path).filter(|stamp| stamp.device == device)
    }
}

/// What distinguishes one state of a directory from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    device: u64,
    inode: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stamp {
    /// Of the directory at `path`, if there is one.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether every later change of the directory changes this stamp.
    #[must_use]
    pub fn is_settled(&self, now: SystemTime) -> bool {
        let Some(limit) = now.checked_sub(SETTLED).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()) else {
            return false;
        };
        let limit = i64::try_from(limit.as_secs()).unwrap_or(0);
        self.mtime.0 > 0 && self.mtime.0 < limit && self.ctime.0 < limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_mtimes_are_not_trusted() {
        let stamp = |seconds: i64| Stamp { device: 1, inode: 2, mtime: (seconds, 5), ctime: (seconds, 5) };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        assert!(stamp(900).is_settled(now));
        for seconds in [998, 999, 1000, 2000, 0, -1] {
            assert!(!stamp(seconds).is_settled(now), "{seconds}");
        }
        assert!(!Stamp { ctime: (999, 0), ..stamp(900) }.is_settled(now));
    }
}

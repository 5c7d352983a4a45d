//! A small file system of its own: for a destination that is full, read-only, or gone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

/// A mounted tmpfs; unmounted when dropped.
pub struct Mount {
    path: PathBuf,
    /// Removed with it.
    dir: Option<tempfile::TempDir>,
}

/// Mounts a tmpfs of `size` bytes (whole pages) on a directory of its own.
pub fn small_tmpfs(size: u64) -> Mount {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut mount = small_tmpfs_on(dir.path(), size);
    mount.dir = Some(dir);
    mount
}

/// Mounts a tmpfs of `size` bytes (whole pages) on a directory.
pub fn small_tmpfs_on(dir: &Path, size: u64) -> Mount {
    let options = std::ffi::CString::new(format!("size={size},mode=755")).expect("no NUL in it");
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", dir, "tmpfs", flags, options.as_c_str()).unwrap_or_else(|e| {
        panic!(
            "cannot mount a tmpfs of {size} bytes on {}: {e}. This test fills a small file system and needs \
             the right to mount: run the tests as root, in a container with --cap-add SYS_ADMIN",
            dir.display()
        )
    });
    Mount { path: dir.to_owned(), dir: None }
}

impl Mount {
    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it read-only, also for root. That takes until a process that was killed has closed what it wrote.
    pub fn make_read_only(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        let mut result = mount_remount(self.path(), MountFlags::RDONLY, c"");
        while result == Err(Errno::BUSY) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
            result = mount_remount(self.path(), MountFlags::RDONLY, c"");
        }
        result.expect("remounting our own mount");
    }

    /// Unmounts it, even in use, as a network share vanishes: the empty mount point remains.
    pub fn detach(&self) {
        unmount(self.path(), UnmountFlags::DETACH).expect("unmounting our own mount");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = unmount(self.path(), UnmountFlags::DETACH); // detached already, perhaps
    }
}

//! A disk that hangs: what writes to it waits until it goes on, as with a network share whose server is away.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use super::Program;

/// An ext4 of its own on a loop device; gone when dropped.
pub(crate) struct FreezableDisk {
    dir: tempfile::TempDir,
    /// Its root, also when it is mounted there no more.
    root: Option<File>,
}

impl FreezableDisk {
    /// Mounts an empty one of `size_mib`. None where this machine gives no loop device, as to root of a container: then nothing
    /// here can be made to hang.
    pub(crate) fn new(size_mib: u64) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let image = dir.path().join("image");
        File::create(&image).and_then(|file| file.set_len(size_mib << 20)).expect("a sparse file");
        std::fs::create_dir(dir.path().join("disk")).expect("our own directory");
        Program::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).run().expect_code(0);
        let mut disk = Self { dir, root: None };
        let mounted = Program::new("mount").args(["-o", "loop"]).args([&image, &disk.path()]).run();
        if mounted.code != Some(0) {
            eprintln!("no loop device: {mounted}");
            return None;
        }
        disk.root = Some(File::open(disk.path()).expect("our own disk"));
        Some(disk)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// From now on what writes to it waits.
    pub(crate) fn freeze(&self) {
        assert_eq!(self.fsfreeze("--freeze"), Some(0));
    }

    /// It goes on.
    pub(crate) fn thaw(&self) {
        assert_eq!(self.fsfreeze("--unfreeze"), Some(0));
    }

    /// Takes it away, even in use: what is left is the empty mount point.
    pub(crate) fn detach(&self) {
        let _ = Program::new("umount").arg("--lazy").arg(self.path()).run();
    }

    fn fsfreeze(&self, order: &str) -> Option<i32> {
        let root = self.root.as_ref()?;
        let root = format!("/proc/{}/fd/{}", std::process::id(), root.as_raw_fd());
        Program::new("fsfreeze").arg(order).arg(Path::new(&root)).run().code
    }
}

impl Drop for FreezableDisk {
    fn drop(&mut self) {
        let _ = self.fsfreeze("--unfreeze"); // else what hangs would hang for ever
        self.detach();
    }
}

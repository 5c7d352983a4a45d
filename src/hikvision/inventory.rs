//! The files of one camera in the destination.
//!
//! A folder that has not changed since the last pass is not read again: see [`DirCache`].

mod records;

use std::path::{Path, PathBuf};

use chrono::DateTime;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};

use super::camera_time::CameraTime;
use super::name::{Entry, OutputName, Tag};
use super::plan;
use super::segment::Medium;
use crate::dir_cache::DirCache;
use crate::error::Result;
use crate::store::Store;

/// The files of one camera in the destination.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Extracted videos and pictures, the damaged ones among them.
    pub files: Vec<plan::ExtractedFile>,
    /// Hidden files of a pass that was killed, relative to the destination.
    pub partials: Vec<PathBuf>,
}

impl Inventory {
    /// Reads the folders of a camera. It skips a folder that is a symbolic link, which leads out of the destination:
    /// footage writes and removes nothing there either.
    pub fn read(store: &Store, tag: &Tag, cache: &mut DirCache<Self>) -> Result<Self> {
        let mut inventory = Self::default();
        let is_dir = |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
        for medium in [Medium::Video, Medium::Picture] {
            let folder = OutputName::folder(medium, tag);
            if is_dir(&store.root().join(tag.as_str())) && is_dir(&store.root().join(&folder)) {
                let folder = folder.display().to_string();
                let Self { files, partials } =
                    cache.contents(store, &folder, || Self::read_folder(store, tag, medium))?;
                inventory.files.extend(files);
                inventory.partials.extend(partials);
            }
        }
        Ok(inventory)
    }

    fn read_folder(store: &Store, tag: &Tag, medium: Medium) -> Result<Self> {
        let mut inventory = Self::default();
        let folder = OutputName::folder(medium, tag);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(CWD, store.root().join(&folder), flags, Mode::empty());
        store.for_each_entry(&folder.display().to_string(), |name, kind| {
            let modified = || {
                let stat = statat(dir.as_ref().ok()?, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
                let time = DateTime::from_timestamp(stat.st_mtime, u32::try_from(stat.st_mtime_nsec).ok()?)?;
                Some(CameraTime::from_digits(time.naive_utc()))
            };
            match Entry::parse(name, medium, tag) {
                Some(entry @ (Entry::Whole(_) | Entry::Damaged(_))) if kind.is_file() => {
                    inventory.files.push(plan::ExtractedFile { entry, modified: modified() });
                }
                // A user moved it away and left a link: it counts as extracted.
                Some(entry @ Entry::Whole(_)) if kind.is_symlink() => {
                    inventory.files.push(plan::ExtractedFile { entry, modified: None });
                }
                Some(Entry::Partial(_)) if kind.is_file() => inventory.partials.push(folder.join(name)),
                _ => {}
            }
        })?;
        Ok(inventory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_complete_recordings_of_footage_are_in_the_inventory() {
        let dir = tempfile::tempdir().unwrap();
        let tag = Tag::new("tuin").unwrap();
        let videos = dir.path().join("tuin/video");
        fs::create_dir_all(&videos).unwrap();
        let ours = "2025-09-07_14-30-15-tuin.mp4";
        let damaged = ".2025-09-07_14-30-14-tuin.mp4.damaged";
        let others = [".notes.mp4.part", ".notes.mp4.damaged", "2025-09-07_14-30-15-tuin.mp4.bak"];
        for name in [ours, damaged, ".2025-09-07_14-30-16-tuin.mp4.part"].into_iter().chain(others) {
            fs::write(videos.join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("/nowhere", videos.join("2025-09-07_14-30-17-tuin.mp4")).unwrap();
        fs::create_dir(videos.join("2025-09-07_14-30-18-tuin.mp4")).unwrap();
        // A folder that leads elsewhere is left alone.
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("2025-09-07_14-30-15-tuin.jpg"), "x").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("tuin/images")).unwrap();

        let store = Store::at(dir.path());
        let mut cache = DirCache::afresh(&store, "held", std::time::SystemTime::UNIX_EPOCH);
        let inventory = Inventory::read(&store, &tag, &mut cache).unwrap();
        let mut names: Vec<String> = inventory.files.iter().map(|file| file.entry.file_name(&tag)).collect();
        names.sort();
        assert_eq!(names, [damaged, ours, "2025-09-07_14-30-17-tuin.mp4"]);
        assert_eq!(inventory.partials, [PathBuf::from("tuin/video/.2025-09-07_14-30-16-tuin.mp4.part")]);
    }
}

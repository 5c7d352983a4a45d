//! Cameras found in the inputs, their indexes read.
//!
//! | input | looks like |
//! | --- | --- |
//! | a camera's folder | `info.bin`, `datadir0`, `datadir1`, … |
//! | a flat card (EZVIZ) | index and ring files side by side |
//! | a single datadir | the same; the camera is the folder around it |
//! | a folder of cameras | one of the above in each folder |
//!
//! The source is untrusted, and a camera may be writing to it: footage only reads it, and whatever is wrong with one index,
//! datadir or camera becomes a [`Problem`] beside the recordings of the others. A camera makes no symbolic links, so
//! footage follows none in its folder: it would take another file for footage. The folder itself may be one, which only the
//! owner of the share can have made.

mod info;
mod problem;
mod read;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType};

pub use info::Info;
pub use problem::{IndexFault, Problem};
pub use read::CameraListing;

use super::read_at;
use super::segment::{Medium, RingFile};
use crate::text::natural_order;

/// How often to read an index that the camera keeps writing before using it as it is.
const ATTEMPTS: u32 = 4;

/// The cameras in the inputs.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Each camera once, by name.
    pub cameras: Vec<Camera>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// A camera's storage.
#[derive(Debug)]
pub struct Camera {
    /// The name of its folder, as far as that is text.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// The contents of its `info.bin`.
    pub info: Option<Info>,
    /// Its datadirs, by number.
    pub datadirs: Vec<Datadir>,
}

/// One folder with indexes and ring files.
#[derive(Debug)]
pub struct Datadir {
    /// The number in its name; 0 for a flat card.
    pub number: u32,
    /// Its path.
    pub path: PathBuf,
    /// The camera's files in it.
    files: Names,
}

impl Datadir {
    /// The path of a ring file, whether it exists or not.
    #[must_use]
    pub fn ring_file(&self, medium: Medium, file: u32) -> PathBuf {
        let name = medium.ring_file_name(file);
        self.files.path(&self.path, &name).unwrap_or_else(|| self.path.join(name))
    }

    /// The length of a ring file; anything but a regular file counts as missing. `dir` is this folder, open, so that each of
    /// hundreds of files is looked up by its name alone.
    fn ring_file_len(&self, dir: Option<&File>, medium: Medium, file: u32) -> RingFile {
        let stat = self.files.files.get(&medium.ring_file_name(file)).zip(dir).and_then(|(name, dir)| {
            let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            FileType::from_raw_mode(stat.st_mode).is_file().then_some(stat)
        });
        stat.map_or(RingFile::Missing, |stat| RingFile::Present(u64::try_from(stat.st_size).unwrap_or(0)))
    }
}

/// Finds the cameras in `inputs`.
#[must_use]
pub fn discover<P: AsRef<Path>>(inputs: &[P]) -> Discovery {
    let mut discovery = Discovery::default();
    for input in inputs {
        discovery.add_input(input.as_ref());
    }
    let mut seen = HashSet::new();
    discovery.cameras.retain(|camera| {
        let path = fs::canonicalize(&camera.path).unwrap_or_else(|_| camera.path.clone());
        seen.insert((path, camera.datadirs.first().map(|datadir| datadir.path.clone())))
    });
    discovery.cameras.sort_by(|a, b| natural_order(&a.name, &b.name).then_with(|| a.path.cmp(&b.path)));
    discovery
}

impl Discovery {
    fn add_input(&mut self, input: &Path) {
        // Resolves `.` and `..`, which have no name.
        let input = match fs::canonicalize(input) {
            Ok(input) => input,
            Err(source) => return self.problem_with(input, source),
        };
        if input.is_file() {
            return self.problems.push(Problem::File { path: input });
        }
        match self.camera_in(&input) {
            Ok(Some(camera)) => self.cameras.push(camera),
            Ok(None) => self.add_folder_of_cameras(&input),
            Err(source) => self.problem_with(&input, source),
        }
    }

    fn add_folder_of_cameras(&mut self, input: &Path) {
        let before = (self.cameras.len(), self.problems.len());
        let children = match fs::read_dir(input) {
            Ok(children) => children,
            Err(source) => return self.problem_with(input, source),
        };
        for child in children {
            let child = match child {
                Ok(child) => child.path(),
                Err(source) => return self.problem_with(input, source),
            };
            if !child.is_dir() {
                continue;
            }
            match self.camera_in(&child) {
                Ok(Some(camera)) => self.cameras.push(camera),
                // A NAS keeps folders of its own beside those of the cameras.
                Ok(None) => {}
                Err(source) => self.problem_with(&child, source),
            }
        }
        if before == (self.cameras.len(), self.problems.len()) {
            self.problems.push(Problem::NoCamera { path: input.to_owned() });
        }
    }

    /// The camera whose storage `path` is, if it is one.
    fn camera_in(&mut self, path: &Path) -> io::Result<Option<Camera>> {
        let files = self.names(path)?;
        let numbered: BTreeMap<u32, PathBuf> = files
            .iter()
            .filter_map(|(name, _)| Some((datadir_number(name)?, files.path(path, name)?)))
            .filter(|(_, path)| path.is_dir())
            .collect();
        let info_path = files.path(path, "info.bin").filter(|path| path.is_file());
        if numbered.is_empty() && info_path.is_none() {
            if !files.has_storage() {
                return Ok(None);
            }
            let datadir = Datadir {
                number: file_name(path).and_then(|name| datadir_number(&name)).unwrap_or(0),
                path: path.to_owned(),
                files,
            };
            return Ok(Some(Camera {
                name: camera_name(path),
                path: path.to_owned(),
                info: None,
                datadirs: vec![datadir],
            }));
        }

        let info = info_path.and_then(|path| match read_front(&path) {
            Ok(bytes) => Info::parse(&bytes),
            Err(source) => {
                self.problem_with(&path, source);
                None
            }
        });
        let mut missing = info::missing_datadirs(info.as_ref(), numbered.keys().copied());
        let mut datadirs = Vec::new();
        for (number, path) in numbered {
            match self.names(&path) {
                Ok(files) => datadirs.push(Datadir { number, path, files }),
                Err(source) => self.problem_with(&path, source),
            }
        }
        if datadirs.is_empty() && missing.is_none() {
            missing = Some("all of them".to_owned());
        }
        if let Some(missing) = missing {
            self.problems.push(Problem::MissingDatadirs { path: path.to_owned(), missing });
        }
        Ok(Some(Camera { name: camera_name(path), path: path.to_owned(), info, datadirs }))
    }

    /// The camera's files in a folder. Symbolic links among them become problems.
    fn names(&mut self, folder: &Path) -> io::Result<Names> {
        let names = Names::read(folder)?;
        self.problems.extend(names.links.iter().map(|link| Problem::Link { path: folder.join(link) }));
        Ok(names)
    }

    fn problem_with(&mut self, path: &Path, source: io::Error) {
        self.problems.push(Problem::Folder { path: path.to_owned(), source });
    }
}

/// The names in a folder that can be a camera's.
#[derive(Debug, Default)]
struct Names {
    /// By their lower-case form: on a card, some systems show capitals.
    files: HashMap<String, OsString>,
    /// Symbolic links.
    links: Vec<OsString>,
}

impl Names {
    fn read(folder: &Path) -> io::Result<Self> {
        let mut names = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(text) = name.to_str() else { continue };
            let key = text.to_ascii_lowercase();
            let is_cameras = ["hiv", "index0", "record_db_index0", "event_db_index0", "datadir", "info.bin"]
                .iter()
                .any(|start| key.starts_with(start));
            if !is_cameras {
                continue;
            }
            if entry.file_type()?.is_symlink() {
                names.links.push(name);
            // Where two differ in case only, the one in lower case is the camera's.
            } else if key == text || !names.files.contains_key(&key) {
                names.files.insert(key, name);
            }
        }
        Ok(names)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.files.iter().map(|(key, name)| (key.as_str(), name))
    }

    fn path(&self, folder: &Path, name: &str) -> Option<PathBuf> {
        self.files.get(name).map(|name| folder.join(name))
    }

    /// Whether it has indexes or ring files.
    fn has_storage(&self) -> bool {
        self.files.keys().any(|name| {
            let is_index = read::INDEXES.iter().any(|(index, ..)| index == name);
            let is_ring_file = name
                .strip_prefix("hiv")
                .and_then(|rest| rest.strip_suffix(".mp4").or_else(|| rest.strip_suffix(".pic")))
                .is_some_and(is_number);
            is_index || is_ring_file
        })
    }
}

/// The front of a small file, which can be of any length.
fn read_front(path: &Path) -> io::Result<Vec<u8>> {
    const MAX_BYTES: u64 = 4 << 10;
    let mut bytes = Vec::new();
    read_at::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The number in `datadir12`.
fn datadir_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("datadir")?;
    is_number(digits).then(|| digits.parse().ok())?
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A camera's name: that of its folder, or for a single datadir that of the folder around it.
fn camera_name(path: &Path) -> String {
    let own = file_name(path);
    let name =
        if own.as_deref().and_then(datadir_number).is_some() { path.parent().and_then(file_name).or(own) } else { own };
    name.unwrap_or_else(|| "camera".to_owned())
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

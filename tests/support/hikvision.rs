//! A camera that writes its storage as the format says: binary indexes of either version or SQLite, pictures in either
//! stride, ring files that are filled again and again, and in them real program streams.
//!
//! It is written from the format's description alone and shares nothing with the code under test, so that a
//! misreading in one does not hide the same in the other. What it has recorded and not yet overwritten is the truth
//! that a listing is compared with: [`Storage::live`].

mod crafted;
mod media;
mod ring;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use chrono::NaiveDateTime;

pub(crate) use crafted::{make_endless, make_schema_endless};
pub(crate) use media::{Audio, Clip, Video, jpeg, picture};
pub(crate) use ring::{Instant, Kind, Live, Ring, Stride};

/// How a camera keeps its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    /// `index00.bin`, of this version.
    Binary(u32),
    /// `record_db_index00`.
    Sqlite,
}

/// How a camera lays out its folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `info.bin` and so many datadirs.
    Datadirs(u32),
    /// Everything in one folder.
    Flat,
}

/// What kind of camera.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub(crate) layout: Layout,
    pub(crate) index: Index,
    /// Ring files in each datadir.
    pub(crate) files: u32,
    /// Bytes in each.
    pub(crate) file_len: u32,
    pub(crate) stride: Stride,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            layout: Layout::Datadirs(1),
            index: Index::Binary(2),
            files: 3,
            file_len: 4 << 20,
            stride: Stride::Short,
        }
    }
}

/// A camera's storage on disk.
pub(crate) struct Storage {
    pub(crate) root: PathBuf,
    model: Model,
    videos: Vec<Ring>,
    pictures: Vec<Ring>,
    /// Which datadir is being filled, by kind.
    current: [usize; 2],
    /// PTS of the next segment's first frame: the stream's clock runs on from segment to segment.
    next_pts: u64,
}

impl Storage {
    /// A new, empty storage in `root`.
    pub(crate) fn new(root: &Path, model: Model) -> Self {
        let datadirs = match model.layout {
            Layout::Datadirs(datadirs) => datadirs,
            Layout::Flat => 1,
        };
        let version = match model.index {
            Index::Binary(version) => version,
            Index::Sqlite => 3,
        };
        let ring = |kind| Ring::new(kind, version, model.files, model.file_len, model.stride);
        let storage = Self {
            root: root.to_owned(),
            model,
            videos: (0..datadirs).map(|_| ring(Kind::Video)).collect(),
            pictures: (0..datadirs).map(|_| ring(Kind::Picture)).collect(),
            current: [0, 0],
            next_pts: 4_000_000_000,
        };
        for datadir in 0..storage.videos.len() {
            fs::create_dir_all(storage.datadir(datadir)).unwrap();
        }
        if let Layout::Datadirs(datadirs) = model.layout {
            fs::write(root.join("info.bin"), info_bin("DS-2CD2143G0-I", datadirs)).unwrap();
        }
        storage.write_indexes();
        storage
    }

    /// The folder of a datadir.
    pub(crate) fn datadir(&self, datadir: usize) -> PathBuf {
        match self.model.layout {
            Layout::Datadirs(_) => self.root.join(format!("datadir{datadir}")),
            Layout::Flat => self.root.clone(),
        }
    }

    /// The ring file of a segment or picture.
    pub(crate) fn ring_file(&self, live: &Live) -> PathBuf {
        self.datadir(live.datadir).join(ring_file_name(live.kind, live.file))
    }

    /// The index of a datadir.
    pub(crate) fn index(&self, kind: Kind, datadir: usize) -> PathBuf {
        let name = match (kind, self.model.index) {
            (Kind::Video, Index::Binary(_)) => "index00.bin",
            (Kind::Picture, Index::Binary(_)) => "index00p.bin",
            (Kind::Video, Index::Sqlite) => "record_db_index00",
            (Kind::Picture, Index::Sqlite) => "event_db_index00",
        };
        self.datadir(datadir).join(name)
    }

    /// Records a clip. `start` is the camera's clock, as `2025-09-07 14:30:15.250`.
    pub(crate) fn record(&mut self, clip: &Clip, start: &str) -> Live {
        let end = instant(start).plus_millis(clip.millis());
        self.record_until(clip, start, end)
    }

    /// The same when the camera's clock is set during it: at the end it shows `end`.
    pub(crate) fn record_until(&mut self, clip: &Clip, start: &str, end: Instant) -> Live {
        let start = instant(start);
        let (bytes, pts) = self.mux(clip, start);
        let live = self.write(Kind::Video, &bytes, |ring, len| ring.record(start, end, len, pts));
        self.write_indexes();
        live
    }

    /// Begins to record a clip and leaves it in progress.
    pub(crate) fn begin(&mut self, clip: &Clip, start: &str) {
        let start = instant(start);
        let (bytes, pts) = self.mux(clip, start);
        self.write(Kind::Video, &bytes, |ring, len| ring.begin(start, len, pts));
        self.write_indexes();
    }

    /// Stores a picture, with whatever the camera puts around the JPEG.
    pub(crate) fn store(&mut self, picture: &[u8], at: &str) -> Live {
        let at = instant(at);
        let live = self.write(Kind::Picture, picture, |ring, len| ring.record(at, at, len, (0, 0)));
        self.write_indexes();
        live
    }

    /// What has been recorded and not yet overwritten, videos first, by the camera's clock.
    pub(crate) fn live(&self) -> Vec<Live> {
        let mut live: Vec<Live> = Vec::new();
        for rings in [&self.videos, &self.pictures] {
            for (datadir, ring) in rings.iter().enumerate() {
                live.extend(ring.live().into_iter().map(|live| Live { datadir, ..live }));
            }
        }
        live.sort_by_key(|live| (live.kind == Kind::Picture, live.start, live.datadir, live.file, live.number));
        live
    }

    fn mux(&mut self, clip: &Clip, start: Instant) -> (Vec<u8>, (u64, u64)) {
        let first = self.next_pts;
        let last = first + clip.millis() * 90;
        self.next_pts = last + 3600;
        (clip.mux(start, first), (first, last))
    }

    /// Lets the ring of the current datadir, or of the next one when it is full, place `bytes`, and writes them there.
    fn write(&mut self, kind: Kind, bytes: &[u8], place: impl Fn(&mut Ring, u32) -> Live) -> Live {
        let len = u32::try_from(bytes.len()).unwrap();
        let datadirs = self.videos.len();
        let current = &mut self.current[usize::from(kind == Kind::Picture)];
        let rings = match kind {
            Kind::Video => &mut self.videos,
            Kind::Picture => &mut self.pictures,
        };
        if rings[*current].is_full_for(len) {
            rings[*current].leave();
            *current = (*current + 1) % datadirs;
        }
        let datadir = *current;
        let live = Live { datadir, ..place(&mut rings[datadir], len) };
        let path = self.ring_file(&live);
        let file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
        file.set_len(self.model.file_len.into()).unwrap();
        file.write_all_at(bytes, live.start_offset.into()).unwrap();
        live
    }

    fn write_indexes(&self) {
        for (datadir, ring) in self.videos.iter().enumerate() {
            self.write_index(Kind::Video, datadir, ring);
        }
        for (datadir, ring) in self.pictures.iter().enumerate().filter(|(_, ring)| ring.is_used()) {
            self.write_index(Kind::Picture, datadir, ring);
        }
    }

    fn write_index(&self, kind: Kind, datadir: usize, ring: &Ring) {
        let path = self.index(kind, datadir);
        match self.model.index {
            Index::Binary(_) => {
                fs::write(&path, ring.index()).unwrap();
                let mirror = path.file_name().unwrap().to_str().unwrap().replace("00", "01");
                fs::write(path.with_file_name(mirror), ring.index()).unwrap();
            }
            Index::Sqlite => {
                let _ = fs::remove_file(&path);
                let database = rusqlite::Connection::open(&path).unwrap();
                let sql = format!("PRAGMA synchronous = OFF; BEGIN; {} COMMIT;", ring.sql());
                database.execute_batch(&sql).unwrap();
            }
        }
    }
}

/// `info.bin`.
pub(crate) fn info_bin(serial: &str, datadirs: u32) -> Vec<u8> {
    let mut bytes = vec![0; 68];
    bytes[..serial.len()].copy_from_slice(serial.as_bytes());
    bytes[48..54].copy_from_slice(&[0x44, 0x19, 0xB6, 1, 2, 3]);
    bytes[56..60].copy_from_slice(&4096_u32.to_le_bytes());
    bytes[64..].copy_from_slice(&datadirs.to_le_bytes());
    bytes
}

fn ring_file_name(kind: Kind, file: u32) -> String {
    match kind {
        Kind::Video => format!("hiv{file:05}.mp4"),
        Kind::Picture => format!("hiv{file:05}.pic"),
    }
}

/// The camera's clock at `text`, such as `2025-09-07 14:30:15.250`.
pub(crate) fn instant(text: &str) -> Instant {
    let digits = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").expect(text);
    Instant {
        seconds: digits.and_utc().timestamp().try_into().unwrap(),
        micros: digits.and_utc().timestamp_subsec_micros(),
    }
}

//! The ring files of one datadir and their index, written as a camera does it.

/// Videos or pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Video,
    Picture,
}

/// How long a picture's record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stride {
    /// 80 bytes.
    Short,
    /// 96 bytes, with the camera's id.
    Long,
}

/// The camera's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant {
    pub(crate) seconds: u32,
    pub(crate) micros: u32,
}

impl Instant {
    pub(crate) fn plus_millis(self, millis: u64) -> Self {
        let micros = u64::from(self.seconds) * 1_000_000 + u64::from(self.micros) + millis * 1000;
        Self { seconds: u32::try_from(micros / 1_000_000).unwrap(), micros: u32::try_from(micros % 1_000_000).unwrap() }
    }
}

/// A segment or picture that is closed and not overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) kind: Kind,
    pub(crate) datadir: usize,
    pub(crate) file: u32,
    pub(crate) number: u32,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    pub(crate) start_offset: u32,
    pub(crate) end_offset: u32,
    /// Counts what this ring has recorded.
    pub(crate) serial: u32,
}

const HEADER: usize = 1280;
const FILE_RECORD: usize = 32;
const CHANNEL: u16 = 1;
/// What a camera keeps free at a ring file's end for the info table.
const TAIL: u32 = 4096;

/// The ring files of one datadir and their index.
pub(crate) struct Ring {
    kind: Kind,
    files: u32,
    file_len: u32,
    stride: usize,
    records: usize,
    index: Vec<u8>,
    /// What is in the generation that each file holds now.
    generations: Vec<Vec<Live>>,
    file: u32,
    offset: u32,
    /// Whether `file` still holds the generation before.
    is_turned: bool,
    serial: u32,
    /// Where the segment in progress begins.
    in_progress: Option<(Instant, u32)>,
}

impl Ring {
    pub(crate) fn new(kind: Kind, version: u32, files: u32, file_len: u32, stride: Stride) -> Self {
        let (records, stride) = match (kind, stride) {
            (Kind::Video, _) => (256, 80),
            (Kind::Picture, Stride::Short) => (4096, 80),
            (Kind::Picture, Stride::Long) => (4096, 96),
        };
        let count = files as usize;
        // A little more than needed, as cameras preallocate the index generously.
        let mut index = vec![0; HEADER + count * (FILE_RECORD + records * stride) + 4096];
        index[8..12].copy_from_slice(&version.to_le_bytes());
        index[12..16].copy_from_slice(&files.to_le_bytes());
        for slot in 0..49 {
            put16(&mut index, 24 + slot * 24, 0xFFFF);
        }
        for file in 0..count {
            put32(&mut index, HEADER + file * FILE_RECORD, u32::try_from(file).unwrap());
            put16(&mut index, HEADER + file * FILE_RECORD + 4, 0xFFFF);
        }
        Self {
            kind,
            files,
            file_len,
            stride,
            records,
            index,
            generations: vec![Vec::new(); count],
            file: 0,
            offset: 0,
            is_turned: false,
            serial: 0,
            in_progress: None,
        }
    }

    pub(crate) fn index(&self) -> &[u8] {
        &self.index
    }

    pub(crate) fn is_used(&self) -> bool {
        self.serial > 0
    }

    pub(crate) fn live(&self) -> Vec<Live> {
        self.generations.iter().flatten().copied().collect()
    }

    /// Whether so many bytes more mean that the last file of this datadir is left.
    pub(crate) fn is_full_for(&self, len: u32) -> bool {
        self.file + 1 == self.files && !self.fits(len)
    }

    /// Leaves this datadir for the next: the ring turns to its first file.
    pub(crate) fn leave(&mut self) {
        self.close_file();
    }

    /// Writes a closed segment, or a picture. `pts` is that of the first and the last frame.
    pub(crate) fn record(&mut self, start: Instant, end: Instant, len: u32, pts: (u64, u64)) -> Live {
        let live = self.begin(start, len, pts);
        let live = Live { end, ..live };
        let at = self.record_at(live.file, live.number as usize);
        put_instant(&mut self.index, at + 16, end);
        put32(&mut self.index, at + 36, half(pts.1));
        put32(&mut self.index, at + 44, live.end_offset);
        put32(&mut self.index, at + 68, end.seconds);
        let slot = 24 + usize::from(CHANNEL) * 24;
        put16(&mut self.index, slot + 2, u16::try_from(live.number + 1).unwrap());
        put32(&mut self.index, slot + 8, end.seconds);
        self.in_progress = None;
        // The next one begins at a sector.
        self.offset = live.end_offset.div_ceil(512) * 512;
        self.generations[live.file as usize].push(live);
        live
    }

    /// Begins a segment of `len` bytes and leaves it in progress.
    pub(crate) fn begin(&mut self, start: Instant, len: u32, pts: (u64, u64)) -> Live {
        if !self.fits(len) {
            self.close_file();
        }
        if std::mem::take(&mut self.is_turned) {
            self.generations[self.file as usize].clear();
        }
        let number = self.generations[self.file as usize].len();
        let end_offset = self.offset + len;
        assert!(end_offset <= self.file_len - TAIL, "a ring file of this test is too small for {len} bytes");
        let at = self.record_at(self.file, number);
        self.index[at..at + self.stride].fill(0);
        self.index[at] = 0x0D;
        put32(&mut self.index, at + 4, 98);
        put_instant(&mut self.index, at + 8, start);
        put_instant(&mut self.index, at + 24, start);
        put32(&mut self.index, at + 32, half(pts.0));
        put32(&mut self.index, at + 40, self.offset);
        let version = self.index[8];
        if version == 3 {
            self.index[at + 52..at + 56].copy_from_slice(b"OFNI");
        }
        put32(&mut self.index, at + 64, start.seconds);
        put32(&mut self.index, at + 72, self.file_len - 1024);
        put32(&mut self.index, at + 76, self.file_len - 512);
        if self.stride == 96 {
            self.index[at + 80..at + 89].copy_from_slice(b"BK0000001");
        }

        let slot = 24 + usize::from(CHANNEL) * 24;
        put16(&mut self.index, slot, u16::try_from(self.file).unwrap());
        put16(&mut self.index, slot + 2, u16::try_from(number).unwrap());
        if number == 0 {
            put32(&mut self.index, slot + 4, start.seconds);
            put32(&mut self.index, slot + 8, 0);
        }
        put32(&mut self.index, 16, (self.file + 1) % self.files);
        put32(&mut self.index, 20, self.file);
        let modify_times = u64::from_le_bytes(self.index[..8].try_into().unwrap()) + 1;
        self.index[..8].copy_from_slice(&modify_times.to_le_bytes());
        self.in_progress = Some((start, self.offset));
        self.serial += 1;
        Live {
            kind: self.kind,
            datadir: 0,
            file: self.file,
            number: u32::try_from(number).unwrap(),
            start,
            end: start,
            start_offset: self.offset,
            end_offset,
            serial: self.serial,
        }
    }

    /// The same as a SQLite database.
    pub(crate) fn sql(&self) -> String {
        use std::fmt::Write;
        let mut sql = String::new();
        match self.kind {
            Kind::Video => {
                sql += "CREATE TABLE record_file_idx_tb (file_no INTEGER PRIMARY KEY, status INTEGER);
                    CREATE TABLE record_segment_idx_tb (id INTEGER PRIMARY KEY, file_no INTEGER, record_type INTEGER,
                        start_offset INTEGER, end_offset INTEGER, start_time_tv_sec INTEGER, end_time_tv_sec INTEGER);
                    INSERT INTO record_segment_idx_tb VALUES (NULL, 0, 0, 0, 0, 0, 0);";
                for live in self.live() {
                    write!(
                        sql,
                        "INSERT INTO record_segment_idx_tb VALUES (NULL, {}, 3, {}, {}, {}, {});",
                        live.file, live.start_offset, live.end_offset, live.start.seconds, live.end.seconds
                    )
                    .unwrap();
                }
                if let Some((start, offset)) = self.in_progress {
                    write!(
                        sql,
                        "INSERT INTO record_segment_idx_tb VALUES (NULL, {}, 3, {offset}, 0, {}, 0);",
                        self.file, start.seconds
                    )
                    .unwrap();
                }
            }
            Kind::Picture => {
                sql += "CREATE TABLE event_id (id INTEGER PRIMARY KEY, event_table_name TEXT);
                    INSERT INTO event_id VALUES (1, 'MotionDetectTB');
                    CREATE TABLE MotionDetectTB (id INTEGER PRIMARY KEY, trigger_time INTEGER, file_no INTEGER,
                        pic_offset_0 INTEGER, pic_len_0 INTEGER);";
                for live in self.live() {
                    write!(
                        sql,
                        "INSERT INTO MotionDetectTB VALUES (NULL, {}, {}, {}, {});",
                        live.start.seconds,
                        live.file,
                        live.start_offset,
                        live.end_offset - live.start_offset
                    )
                    .unwrap();
                }
            }
        }
        sql
    }

    fn fits(&self, len: u32) -> bool {
        let records = self.generations[self.file as usize].len();
        (records < self.records || self.is_turned) && self.offset + len <= self.file_len - TAIL
    }

    /// Closes the file: only now does its own record tell of this generation. The next file's old records stay.
    fn close_file(&mut self) {
        let generation = &self.generations[self.file as usize];
        if let (Some(first), Some(last)) = (generation.first(), generation.last()) {
            let at = HEADER + self.file as usize * FILE_RECORD;
            put16(&mut self.index, at + 4, CHANNEL);
            put16(&mut self.index, at + 6, u16::try_from(last.number).unwrap());
            put32(&mut self.index, at + 8, first.start.seconds);
            put32(&mut self.index, at + 12, last.end.seconds);
        }
        self.file = (self.file + 1) % self.files;
        self.offset = 0;
        self.is_turned = true;
        let slot = 24 + usize::from(CHANNEL) * 24;
        put16(&mut self.index, slot, 0xFFFF);
    }

    fn record_at(&self, file: u32, number: usize) -> usize {
        HEADER + self.files as usize * FILE_RECORD + (file as usize * self.records + number) * self.stride
    }
}

/// Half a PTS: 45 kHz in 32 bits.
fn half(pts: u64) -> u32 {
    u32::try_from((pts / 2) & 0xFFFF_FFFF).unwrap()
}

fn put_instant(bytes: &mut [u8], at: usize, instant: Instant) {
    put32(bytes, at, instant.seconds);
    put32(bytes, at + 4, instant.micros);
}

fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

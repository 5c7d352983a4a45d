//! Clean files out of the storage that Hikvision and EZVIZ cameras write themselves, over NFS or to a card.
//!
//! | module | idea |
//! | --- | --- |
//! | [`camera_time`] | the camera's wall clock, which has no zone |
//! | [`segment`] | one closed recording or picture, as any index tells it |
//! | [`index`] | the binary index, and which of its records are live |
//! | [`sqlite`] | the SQLite indexes of newer firmware |
//! | [`stream`] | the head of a program stream: whose it is, and what is in it |
//! | [`picture`] | one JPEG out of a range of a `.pic` file |
//! | [`name`] | what extracted files are called |
//! | [`plan`] | live recordings and held files in, steps out |
//! | [`mp4`] | what ffmpeg has made, checked |
//! | [`extract`] | one segment into an MP4 file, through ffmpeg |
//! | [`read_at`] | bytes that are read at offsets |
//! | [`storage`] | cameras found in the inputs, their indexes read |
//!
//! ## Glossary
//! **Datadir**: one folder of a camera's storage, with its index and its ring files. **Ring file**: a preallocated
//! `hiv00000.mp4` or `hiv00000.pic` that the camera fills and years later fills again. **Generation**: what was written
//! to a ring file between two such starts. **Segment**: one recording inside a ring file, a byte range with a start and
//! an end. **Live**: of the file's present generation, so that its bytes are still there; the rest is **stale**.

pub mod camera_time;
pub mod extract;
pub mod index;
pub mod mp4;
pub mod name;
pub mod picture;
pub mod plan;
pub mod read_at;
pub mod segment;
pub mod sqlite;
pub mod storage;
pub mod stream;

//! What a keeper is asked, and what it tells.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::disk::{Guard, Space};
use crate::error::{Error, Result};
use crate::record::config::Camera;
use crate::record::name::{CameraName, OpenName, SegmentName};
use crate::record::places::Opened;

/// What a keeper is asked to do.
#[derive(Debug)]
pub(in crate::record) enum Job {
    /// A camera is about to be recorded here, or is recorded otherwise.
    Prepare {
        /// Its name.
        camera: CameraName,
        /// How it is recorded.
        settings: Arc<Camera>,
        /// For which beginning of it.
        turn: Turn,
    },
    /// A segment is complete.
    Close {
        /// Whose it is.
        camera: CameraName,
        /// Its hidden name.
        open: OpenName,
        /// What is known of it.
        is: Whole,
    },
    /// A segment could not be completed: what has been written of it is looked after.
    Incomplete {
        /// Whose it is.
        camera: CameraName,
        /// Its hidden name.
        open: OpenName,
    },
    /// A camera is not recorded any more. Comes through the writer, behind its last segment, as what prepares it again does.
    Forget(CameraName),
    /// Looks at the disk, and at what is over, as it was asked last.
    Look,
    /// Writes a file as it was asked last: the state for `status`, metrics.
    Write(PathBuf),
    /// Tells when everything before is done.
    Flush,
}

/// A segment that is complete.
#[derive(Clone, Copy, Debug)]
pub(in crate::record) struct Whole {
    /// When it begins, seconds since 1970.
    pub(in crate::record) start: i64,
    /// How long it lasts.
    pub(in crate::record) duration: Duration,
}

/// What a look at a disk is for.
#[derive(Debug)]
pub(in crate::record) struct Look {
    /// The time.
    pub(in crate::record) now: DateTime<Utc>,
    /// How much is written until the next look, about.
    pub(in crate::record) need: u64,
    /// How full the disk may get.
    pub(in crate::record) guard: Guard,
    /// On a full disk the oldest segments go.
    pub(in crate::record) delete_oldest: bool,
}

/// Which beginning of a camera a folder is made for: what was asked for an earlier one must not begin a later one, whose turn
/// has not come. The number of the recorder, and of its start.
pub(in crate::record) type Turn = (u64, u64);

/// What a keeper tells.
#[derive(Debug)]
pub(in crate::record) enum News {
    /// The camera's folder is there.
    Ready(Turn),
    /// It is not, and cannot be made.
    NotReady(Turn, String),
    /// The disk did not take what was to be written of a camera: why. Nothing is until its source has ended.
    NotWritten(CameraName, String),
    /// A segment stands under its name.
    Closed {
        /// Whose it is.
        camera: CameraName,
        /// How that is recorded, or was.
        settings: Arc<Camera>,
        /// Its name.
        name: SegmentName,
        /// Where it is.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// How long it lasts, where that is known.
        duration: Option<Duration>,
    },
    /// So many segments of a camera cannot be closed now, in words why.
    NotClosed(CameraName, u64, String),
    /// A segment was found to be none.
    Damaged(CameraName),
    /// A segment has gone.
    Removed(CameraName),
    /// How the disk is, and in words why nothing may be written.
    Room {
        /// Its numbers.
        space: Option<Space>,
        /// What is missing.
        full: Option<String>,
    },
    /// The lock was made anew, or the folder of the state.
    Renewed,
    /// The lock was deleted, and another recorder has taken it since.
    Taken(Error),
    /// The destination is another one than it was. This keeper has ended.
    Gone(Error),
    /// Whether a destination that could not be used can be; no keeper tells this.
    Opened(Result<Opened>),
    /// Everything that was asked for is done.
    Flushed {
        /// No segment is left that could not be closed.
        is_all_closed: bool,
    },
}

//! A file to upload, and what can become of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::error::Error;
use crate::failure::{FailureReason, ItemFailure};
use crate::progress::Item;
use crate::upload::key::ObjectKey;
use crate::upload::local::Identity;
use crate::upload::parts::Cut;
use crate::upload::s3::Object;

/// A file to upload.
#[derive(Debug)]
pub(in crate::upload) struct Job {
    /// Where it is.
    pub(in crate::upload) path: PathBuf,
    /// What it was when the pass looked.
    pub(in crate::upload) identity: Identity,
    /// Its key.
    pub(in crate::upload) key: ObjectKey,
    /// `Content-Type`
    pub(in crate::upload) content_type: &'static str,
    /// An earlier pass may have begun an upload of which it did not learn the id.
    pub(in crate::upload) may_have_begun: bool,
    /// ETags of objects of ours that may be replaced.
    pub(in crate::upload) spoilt: Mutex<Vec<String>>,
    /// Its bar.
    pub(in crate::upload) item: Item,
}

/// It is proven to be in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::upload) struct Proof {
    /// The object's ETag.
    pub(in crate::upload) etag: String,
    /// It was there before.
    pub(in crate::upload) was_there: bool,
}

/// A part that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::upload) struct PartDone {
    /// Its ETag.
    pub(in crate::upload) etag: String,
}

/// An upload in parts that can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::upload) struct Open {
    pub(in crate::upload) id: String,
    pub(in crate::upload) cut: Cut,
    /// The ETags of parts that are there.
    pub(in crate::upload) done: BTreeMap<NonZeroU32, String>,
    pub(in crate::upload) is_new: bool,
}

/// How a file can be begun.
#[derive(Debug)]
pub(in crate::upload) enum Start {
    Proven(Proof),
    Parts(Open),
}

/// Why it did not come to that.
#[derive(Debug)]
pub(in crate::upload) enum Failure {
    /// The pass ends.
    Ended(Error),
    /// This file fails; the others go on.
    File(ItemFailure),
    /// The file has changed since the pass looked: for a later one.
    Changed,
    /// It is gone: another pass or the user removed it.
    Vanished,
    /// The server has forgotten the upload.
    NoSuchUpload,
    /// An error elsewhere has ended the pass, or the timetable pauses: nothing is wrong with this one.
    Left,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(error) => f.write_str(&error.with_causes()),
            Self::File(failure) => f.write_str(&failure.message),
            Self::Changed => f.write_str("it has changed in the meantime"),
            Self::Vanished => f.write_str("it has gone in the meantime"),
            Self::NoSuchUpload => f.write_str("the server has forgotten the upload"),
            Self::Left => f.write_str("left for a later pass"),
        }
    }
}

impl Failure {
    /// The file cannot be read.
    pub(in crate::upload) fn unreadable(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Vanished,
            _ => Self::File(ItemFailure::passing(FailureReason::Read, format!("cannot read it: {error}"))),
        }
    }

    /// The key is taken.
    pub(super) fn conflict(job: &Job, object: &Object) -> Self {
        let (key, Object { size, etag, .. }) = (job.key.as_str(), object);
        let message = if object.is_opaque && *size == job.identity.size {
            format!(
                "{key:?} is in the bucket, as long as the file, with an ETag that cannot be compared ({etag:?}): it is not \
                 overwritten"
            )
        } else {
            format!("{key:?} is in the bucket with other content ({size} bytes, ETag {etag:?}), and is not overwritten")
        };
        Self::File(ItemFailure::lasting(FailureReason::Conflict, message))
    }

    /// It was sent, and the bucket has something else.
    pub(super) fn unproven(job: &Job, object: &Object, expected: &str) -> Self {
        let message = format!(
            "it was sent, and the bucket has {} bytes with ETag {:?} as {:?} where {} bytes with {expected:?} should be",
            object.size,
            object.etag,
            job.key.as_str(),
            job.identity.size
        );
        Self::File(ItemFailure::passing(FailureReason::Proof, message))
    }

    /// It was sent, and the bucket has nothing.
    pub(super) fn gone(job: &Job) -> Self {
        let message = format!("it was sent, and {:?} is not in the bucket", job.key.as_str());
        Self::File(ItemFailure::passing(FailureReason::Proof, message))
    }
}

/// By the extension, as players and browsers want it.
pub(in crate::upload) fn content_type(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "mp4" | "m4v" => "video/mp4",
        "mkv" => "video/x-matroska",
        "ts" => "video/mp2t",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "avi" => "video/x-msvideo",
        "jpg" | "jpeg" | "thm" => "image/jpeg",
        "png" => "image/png",
        "json" => "application/json",
        "txt" | "log" => "text/plain",
        _ => "application/octet-stream",
    }
}

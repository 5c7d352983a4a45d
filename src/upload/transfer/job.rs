//! A file to upload, and the possible outcomes.

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
    /// Its path.
    pub(in crate::upload) path: PathBuf,
    /// Its size, time and inode at the scan.
    pub(in crate::upload) identity: Identity,
    /// Its key.
    pub(in crate::upload) key: ObjectKey,
    /// `Content-Type`
    pub(in crate::upload) content_type: &'static str,
    /// An earlier pass may have created an upload without learning its id.
    pub(in crate::upload) may_have_begun: bool,
    /// ETags of objects of ours that may be replaced.
    pub(in crate::upload) mismatched: Mutex<Vec<String>>,
    /// Its progress bar.
    pub(in crate::upload) item: Item,
}

/// A file that is verified to be in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::upload) struct Verification {
    /// The object's ETag.
    pub(in crate::upload) etag: String,
    /// Whether the object existed before this pass.
    pub(in crate::upload) was_there: bool,
}

/// A part that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::upload) struct PartDone {
    /// Its ETag.
    pub(in crate::upload) etag: String,
}

/// A multipart upload that can be resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::upload) struct Open {
    pub(in crate::upload) id: String,
    pub(in crate::upload) cut: Cut,
    /// The ETags of the parts that the server has.
    pub(in crate::upload) done: BTreeMap<NonZeroU32, String>,
    pub(in crate::upload) is_new: bool,
    /// Whether `done` is what the server has, and not what the journal says of it.
    pub(in crate::upload) is_listed: bool,
}

/// The result of beginning a file.
#[derive(Debug)]
pub(in crate::upload) enum Start {
    Verified(Verification),
    Parts(Open),
}

/// Why it was not uploaded and verified.
#[derive(Debug)]
pub(in crate::upload) enum Failure {
    /// The pass ends.
    Ended(Error),
    /// This file fails; the others go on.
    File(ItemFailure),
    /// The file has changed since the scan: a later pass uploads it.
    Changed,
    /// It is gone: another pass or the user removed it.
    Vanished,
    /// The server has lost the multipart upload.
    NoSuchUpload,
    /// The server accepts no request of this size: smaller parts may do.
    TooLarge(String),
    /// Another error has ended the pass, or `--limit-rate` pauses: nothing is wrong with this file.
    Left,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(error) => f.write_str(&error.with_causes()),
            Self::File(failure) => f.write_str(&failure.message),
            Self::TooLarge(message) => f.write_str(message),
            Self::Changed => f.write_str("it has changed in the meantime"),
            Self::Vanished => f.write_str("it was removed in the meantime"),
            Self::NoSuchUpload => f.write_str("the server has lost the upload"),
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

    /// Another object has the key.
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

    /// It was sent, and the bucket has other content.
    pub(super) fn mismatch(job: &Job, object: &Object, expected: &str) -> Self {
        let message = format!(
            "it was sent, and the bucket has {} bytes with ETag {:?} as {:?} where {} bytes with {expected:?} should be",
            object.size,
            object.etag,
            job.key.as_str(),
            job.identity.size
        );
        Self::File(ItemFailure::passing(FailureReason::Proof, message))
    }

    /// It was sent, and the bucket has no such object.
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

//! A line of the journal: one event.

use std::borrow::Cow;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::upload::local::Identity;

/// A line. The optional fields say what happened.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    /// The destination: endpoint, bucket and prefix.
    #[serde(borrow)]
    pub(super) to: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) file: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_empty", borrow)]
    pub(super) key: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mtime: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ino: Option<u64>,
    /// When, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<i64>,
    /// The ETag of the object, verified to be the file.
    #[serde(rename = "proven", skip_serializing_if = "Option::is_none")]
    pub(super) verified: Option<Cow<'a, str>>,
    /// An event without fields of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<Event>,
    /// The id of a new multipart upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) begun: Option<Cow<'a, str>>,
    /// The size of its parts, where it is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part_bytes: Option<u64>,
    /// A part that the server has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<Cow<'a, str>>,
    /// The ETag of an object of ours under the key that is not the file.
    #[serde(rename = "spoilt", skip_serializing_if = "Option::is_none")]
    pub(super) mismatched: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Event {
    /// A multipart upload is about to be created.
    Started,
    /// The upload was aborted, or the bucket no longer has the object.
    Over,
    /// It failed, and will for a while.
    Failed,
    /// A multipart upload that failed for another reason than the network.
    Stalled,
    /// A search for abandoned uploads.
    Swept,
}

fn is_empty(text: &str) -> bool {
    text.is_empty()
}

impl<'a> Line<'a> {
    /// A line about a file.
    pub(super) fn of(file: &'a str, identity: Option<Identity>, key: &'a str) -> Self {
        Self {
            file: file.into(),
            key: key.into(),
            size: identity.map(|identity| identity.size),
            mtime: identity.map(|identity| identity.mtime),
            ino: identity.map(|identity| identity.ino),
            ..Self::default()
        }
    }
}

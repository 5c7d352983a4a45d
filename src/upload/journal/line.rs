//! A line of the journal: one thing that happened.

use std::borrow::Cow;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::upload::local::Identity;

/// A line. Which of the last fields are there tells what happened.
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
    /// The object is proven to be the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proven: Option<Cow<'a, str>>,
    /// What else happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<Event>,
    /// An upload in parts was begun, under this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) begun: Option<Cow<'a, str>>,
    /// A part of it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<Cow<'a, str>>,
    /// An object with this ETag under the key is ours, and is not the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) spoilt: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Event {
    /// An upload in parts is about to be begun.
    Started,
    /// It is given up, or the object is not there any more.
    Over,
    /// It failed in a way that will be the same for a while.
    Failed,
    /// Abandoned uploads were looked for.
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

//! What could not be extracted, and when to try it again.
//!
//! A segment that the ring has overwritten, or in which ffmpeg finds no video, stays in its index for weeks. Trying it
//! at every pass would read it every ten minutes for nothing, so it waits. Losing this memory costs one more try.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDateTime;

use super::name::Tag;
use super::segment::{Medium, Segment};
use crate::store::{MAX_STATE_BYTES, Store, read_state, write_atomically};

/// What failed in earlier passes, and when.
#[derive(Debug)]
pub struct FailedBefore {
    path: PathBuf,
    now: NaiveDateTime,
    retry_after: Duration,
    times: BTreeMap<String, NaiveDateTime>,
    is_changed: bool,
}

impl FailedBefore {
    /// Reads what earlier passes left; what cannot be read is as good as nothing.
    #[must_use]
    pub fn load(store: &Store, now: NaiveDateTime, retry_after: Duration) -> Self {
        let path = store.state_path("hikvision.failed");
        let times = read_state(&path, MAX_STATE_BYTES)
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self { path, now, retry_after, times, is_changed: false }
    }

    /// Whether it failed and is not due for another try. A failure in the future (the clock was wrong) is due.
    #[must_use]
    pub fn waits(&self, tag: &Tag, segment: &Segment) -> bool {
        // Most passes find nothing here: no key is made for each recording then.
        !self.times.is_empty()
            && self
                .times
                .get(&key(tag, segment))
                .and_then(|then| (self.now - *then).to_std().ok())
                .is_some_and(|age| age < self.retry_after)
    }

    /// It has failed in a way that will be the same in the next pass.
    pub fn add(&mut self, tag: &Tag, segment: &Segment) {
        self.times.insert(key(tag, segment), self.now);
        self.is_changed = true;
    }

    /// Forgets all that no index lists any more.
    pub fn forget_others<'a>(&mut self, listed: impl Iterator<Item = (&'a Tag, &'a Vec<Segment>)>) {
        if self.times.is_empty() {
            return;
        }
        let keys: HashSet<String> = listed
            .flat_map(|(tag, segments)| segments.iter().map(move |segment| key(tag, segment)))
            .filter(|key| self.times.contains_key(key))
            .collect();
        let before = self.times.len();
        self.times.retain(|key, _| keys.contains(key));
        self.is_changed |= before != self.times.len();
    }

    /// Leaves it for the next pass. To fail in this costs that pass some tries.
    pub fn save(&self) {
        if !self.is_changed {
            return;
        }
        let text = serde_json::to_vec(&self.times).unwrap_or_default();
        if let Err(error) = write_atomically(&self.path, &text) {
            log::debug!("{}", error.with_causes());
        }
    }
}

/// What tells a segment from the one that the ring puts in its place.
fn key(tag: &Tag, segment: &Segment) -> String {
    let medium = match segment.ring.medium {
        Medium::Video => "video",
        Medium::Picture => "picture",
    };
    format!("{tag}/{medium}/{}/{}/{}/{}", segment.ring.datadir, segment.file, segment.number, segment.start)
}

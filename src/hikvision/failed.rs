//! Segments whose extraction failed, and when to retry them.
//!
//! A segment that the ring has overwritten, or in which ffmpeg finds no video, stays in its index for weeks. Trying it
//! in every pass would read it every ten minutes for nothing, so it waits. Losing this state costs one more try.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chrono::NaiveDateTime;

use super::name::Tag;
use super::segment::{Medium, Segment};
use crate::store::{StateFile, Store};

/// What failed in earlier passes, and when.
#[derive(Debug)]
pub struct FailedBefore {
    now: NaiveDateTime,
    retry_after: Duration,
    times: StateFile<BTreeMap<String, NaiveDateTime>>,
}

impl FailedBefore {
    /// Reads the state of earlier passes; a damaged file counts as empty.
    #[must_use]
    pub fn load(store: &Store, now: NaiveDateTime, retry_after: Duration) -> Self {
        Self { now, retry_after, times: StateFile::load(store, "hikvision.failed") }
    }

    /// Whether it failed and is not due for a retry. A failure in the future (the clock was wrong) is due.
    #[must_use]
    pub fn waits(&self, tag: &Tag, segment: &Segment) -> bool {
        // Mostly empty: saves making a key for each recording.
        let times = self.times.get();
        !times.is_empty()
            && times
                .get(&key(tag, segment))
                .and_then(|then| (self.now - *then).to_std().ok())
                .is_some_and(|age| age < self.retry_after)
    }

    /// Notes a failure that the next pass would repeat.
    pub fn add(&mut self, tag: &Tag, segment: &Segment) {
        self.times.change().insert(key(tag, segment), self.now);
    }

    /// Forgets the segments that no index lists any more.
    pub fn forget_others<'a>(&mut self, listed: impl Iterator<Item = (&'a Tag, &'a Vec<Segment>)>) {
        let times = self.times.get();
        if times.is_empty() {
            return;
        }
        let keys: HashSet<String> = listed
            .flat_map(|(tag, segments)| segments.iter().map(move |segment| key(tag, segment)))
            .filter(|key| times.contains_key(key))
            .collect();
        if keys.len() < times.len() {
            self.times.change().retain(|key, _| keys.contains(key));
        }
    }

    /// Saves the state for the next pass. A failure costs that pass some retries.
    pub fn save(&mut self) {
        self.times.save_or_log(log::Level::Debug);
    }
}

/// A key that differs from that of a segment which the ring later writes over it.
fn key(tag: &Tag, segment: &Segment) -> String {
    let medium = match segment.ring.medium {
        Medium::Video => "video",
        Medium::Picture => "picture",
    };
    format!("{tag}/{medium}/{}/{}/{}/{}", segment.ring.datadir, segment.file, segment.number, segment.start)
}

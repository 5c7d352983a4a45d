//! What could not be extracted, and when to try it again.
//!
//! A segment that the ring has overwritten, or in which ffmpeg finds no video, stays in its index for weeks. Trying it
//! at every pass would read it every ten minutes for nothing, so it waits. Losing this memory costs one more try.

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
    /// Reads what earlier passes left; what cannot be read is as good as nothing.
    #[must_use]
    pub fn load(store: &Store, now: NaiveDateTime, retry_after: Duration) -> Self {
        Self { now, retry_after, times: StateFile::load(store, "hikvision.failed") }
    }

    /// Whether it failed and is not due for another try. A failure in the future (the clock was wrong) is due.
    #[must_use]
    pub fn waits(&self, tag: &Tag, segment: &Segment) -> bool {
        // Most passes find nothing here: no key is made for each recording then.
        let times = self.times.get();
        !times.is_empty()
            && times
                .get(&key(tag, segment))
                .and_then(|then| (self.now - *then).to_std().ok())
                .is_some_and(|age| age < self.retry_after)
    }

    /// It has failed in a way that will be the same in the next pass.
    pub fn add(&mut self, tag: &Tag, segment: &Segment) {
        self.times.change().insert(key(tag, segment), self.now);
    }

    /// Forgets all that no index lists any more.
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

    /// Leaves it for the next pass. To fail in this costs that pass some tries.
    pub fn save(&mut self) {
        self.times.save_or_log(log::Level::Debug);
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

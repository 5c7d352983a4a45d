//! Destinations that cannot be used: not there at the start, or another disk than they were. Their cameras wait, and no others.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{Supervisor, clock};
use crate::error::{Error, Result};
use crate::record::keeper::News;
use crate::record::places::Opened;

/// How often a destination that cannot be used is tried.
const SEEK_EVERY: Duration = Duration::from_secs(10);

impl Supervisor<'_> {
    /// A destination cannot be used: its cameras pause until it can.
    pub(super) fn lose(&mut self, place: &Path, why: String) {
        self.keepers.remove(place);
        self.lost.insert(place.to_owned(), Instant::now());
        self.room(place, None, Some(why));
        self.let_go(place);
    }

    /// Lets go of a destination's lock. A dead share may take its time.
    pub(super) fn let_go(&mut self, place: &Path) {
        if let Some(lock) = self.places.release(place) {
            let _ = std::thread::Builder::new().stack_size(64 << 10).spawn(move || drop(lock));
        }
    }

    /// Has those tried whose time has come, each in a thread of its own: a share that hangs hangs that.
    pub(super) fn seek(&mut self, now: Instant) {
        for (place, at) in self.lost.iter_mut().filter(|(_, at)| **at <= now) {
            let since = clock().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            let (opener, news, place) = (self.places.opener(), self.news_box.clone(), place.clone());
            let builder = std::thread::Builder::new().name("seek".into()).stack_size(128 << 10);
            let tried = builder.spawn(move || {
                let outcome = opener.open(&place, &since);
                news.send((place, News::Opened(outcome)));
            });
            // As long as it is under way it is not tried once more.
            *at = now + if tried.is_ok() { Duration::from_hours(24 * 365) } else { SEEK_EVERY };
        }
    }

    /// A destination that could not be used was tried.
    pub(super) fn sought(&mut self, place: &Path, opened: Result<Opened>) {
        if self.ending.is_some() || !self.lost.contains_key(place) {
            return;
        }
        let opened = opened.and_then(|opened| {
            self.places.adopt(place, opened);
            self.keep(place)
        });
        match opened {
            Ok(()) => {
                self.lost.remove(place);
                // Before anything is written.
                self.look();
                self.go_on(place, "it can be used again");
            }
            Err(error) => self.not_found(place, &error),
        }
    }

    fn not_found(&mut self, place: &Path, error: &Error) {
        log::info!("recording to {} waits: {}", place.display(), error.with_causes());
        if let Some(at) = self.lost.get_mut(place) {
            *at = Instant::now() + SEEK_EVERY;
        }
    }
}

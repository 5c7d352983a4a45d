//! Destinations without cameras since a reload: other recorders may have them.

use std::path::Path;

use super::Supervisor;
use crate::error::Error;
use crate::record::keeper::Job;

impl Supervisor<'_> {
    /// Gives up the destinations without cameras, once their keepers have done everything. Those that have not, because a
    /// segment cannot be closed, are asked again.
    pub(super) fn give_up_unused(&mut self) {
        if self.ending.is_some() {
            return;
        }
        let is_unused = |place: &&std::path::PathBuf| !self.is_used(place) && !self.given_up.contains(*place);
        let unused: Vec<_> = self.keepers.keys().filter(is_unused).cloned().collect();
        for place in unused {
            self.given_up.insert(place.clone());
            self.write_state_of(&place);
            if let Some(keeper) = self.keepers.get(&place) {
                keeper.writer.pass(Job::Flush);
            }
        }
    }

    /// Whether a destination is one of the configuration, or a camera is still leaving it.
    fn is_used(&self, place: &Path) -> bool {
        self.config.destinations().contains(&place)
            || self.recorders.values().any(|recorder| recorder.machine.camera().destination == place)
    }

    /// Whether a keeper that has done what it could was asked to for being given up, which it is if that was all.
    pub(super) fn is_given_up(&mut self, place: &Path, is_all: bool) -> bool {
        if !self.given_up.remove(place) {
            return false;
        }
        if is_all && self.ending.is_none() && !self.is_used(place) {
            log::info!("nothing is recorded to {} any more", place.display());
            self.keepers.remove(place);
            self.full.remove(place);
            self.let_go(place);
        }
        true
    }

    /// A destination cannot be used: its cameras wait, and without any it is given up at once.
    pub(super) fn gone(&mut self, place: &Path, error: &Error) {
        let is_given_up = self.is_given_up(place, true);
        // What was given up may have been asked for again.
        if self.ending.is_none() && (!is_given_up || self.is_used(place)) {
            self.lose(place, error.with_causes());
        }
    }
}

//! How everything begins: destinations, then cameras.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::timers::Timer;
use super::{Supervisor, seconds};
use crate::error::{Error, Result};
use crate::record::camera::{Event, Machine};
use crate::record::config::Camera;
use crate::record::keeper::Keeper;
use crate::record::name::CameraName;
use crate::record::places::file_name;
use crate::record::recorder::Recorder;
use crate::store::StateFile;

impl Supervisor<'_> {
    /// Begins with all cameras; but for those whose destinations cannot be used now, in words why.
    pub(super) fn begin(&mut self, lost: &BTreeMap<PathBuf, String>) -> Result<()> {
        if self.config.wants_hints {
            crate::record::hints::tell(&self.config.destinations(), self.context.progress.is_shown());
        }
        let cameras = self.config.cameras.clone();
        for destination in self.config.destinations().into_iter().map(ToOwned::to_owned).collect::<Vec<_>>() {
            match lost.get(&destination) {
                None => self.keep(&destination)?,
                Some(why) => self.lose(&destination, why.clone()),
            }
        }
        // Before anything is written.
        self.look();
        let now = Instant::now();
        self.timers.at(now + super::LOOK_EVERY, Timer::Look);
        self.timers.at(now + super::FLUSH_EVERY, Timer::Flush);
        if self.context.progress.is_shown() {
            self.timers.at(now, Timer::Tell);
        }
        if let Some(lasts) = self.settings.lasts {
            self.timers.at(now + lasts, Timer::End);
        }
        for (name, camera) in cameras {
            self.add(name, camera);
        }
        Ok(())
    }

    /// Has a keeper for a destination that is locked.
    pub(super) fn keep(&mut self, destination: &Path) -> Result<()> {
        if self.keepers.contains_key(destination) {
            return Ok(());
        }
        let store = self.places.store(destination).cloned();
        let store = store.ok_or_else(|| Error::Source(format!("{} is not locked", destination.display())))?;
        let learned = StateFile::load(&store, &file_name(self.settings.shard, "learned"));
        self.learned.insert(destination.to_owned(), learned);
        let is_shared = !self.settings.shard.is_all();
        // With a lock elsewhere another recorder may record here too.
        let is_ours = !is_shared && self.settings.lock_file.is_none();
        let lock = self.places.lock_of(destination).map(Arc::downgrade).unwrap_or_default();
        let keeper = Keeper::start(store, is_shared, is_ours, lock, self.news_box.clone())?;
        self.keepers.insert(destination.to_owned(), keeper);
        Ok(())
    }

    /// A new camera.
    pub(super) fn add(&mut self, name: CameraName, camera: Camera) {
        let camera = Arc::new(camera);
        if let Some(number) = self.numbers.get(&name).copied() {
            // It is still leaving: it comes back when it has left.
            return self.event(number, Event::Become(camera));
        }
        let number = self.next_number;
        self.next_number += 1;
        let (machine, actions) = Machine::new(camera);
        self.numbers.insert(name.clone(), number);
        self.recorders.insert(number, Recorder::new(name, machine, seconds()));
        self.perform(number, actions);
        self.begin_schedule(number);
    }
}

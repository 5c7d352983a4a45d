//! What cameras have shown, kept for later starts.

use super::{Supervisor, seconds};
use crate::record::learned::{AllLearned, Learned};
use crate::store::State;

impl Supervisor<'_> {
    /// What a camera has shown, as far as it still holds.
    pub(super) fn learned(&self, number: u64) -> Learned {
        let Some(recorder) = self.recorders.get(&number) else { return Learned::default() };
        let camera = recorder.machine.camera();
        let none = AllLearned::new();
        let all = self.learned.get(&camera.destination).map_or(&none, |file| file.get());
        Learned::of(all, recorder.name.as_str(), camera, seconds())
    }

    /// Notes what a camera has shown, where that is new.
    pub(super) fn learn(&mut self, number: u64, change: impl FnOnce(&mut Learned)) {
        let before = self.learned(number);
        let mut after = before.clone();
        change(&mut after);
        let Some(recorder) = self.recorders.get(&number).filter(|_| after != before) else { return };
        let destination = &recorder.machine.camera().destination;
        let Some(file) = self.learned.get_mut(destination) else { return };
        let all = file.change();
        // What cameras that are no more have shown is of no use.
        all.retain(|name, _| self.numbers.keys().any(|known| known.as_str() == name));
        if after.ffmpeg_since.is_none() && after.udp_since.is_none() {
            all.remove(recorder.name.as_str());
        } else {
            all.insert(recorder.name.as_str().to_owned(), after);
        }
        if let Some(keeper) = self.keepers.get(destination) {
            keeper.write(file.path().to_owned(), file.get().encode());
        }
    }
}

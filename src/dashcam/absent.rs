//! The sidecars that the camera does not have, remembered so that no pass asks for them again.

use std::collections::BTreeSet;

use super::name::FileName;
use super::source::Offer;
use crate::store::{State, StateFile, Store};

/// The file with the absent sidecars, a name a line.
#[derive(Debug)]
pub(super) struct AbsentFile(StateFile<BTreeSet<FileName>>);

impl State for BTreeSet<FileName> {
    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(str::from_utf8(bytes).ok()?.lines().filter_map(|line| line.parse().ok()).collect())
    }

    fn encode(&self) -> Vec<u8> {
        let lines: Vec<String> = self.iter().map(|name| format!("{name}\n")).collect();
        lines.concat().into_bytes()
    }
}

impl AbsentFile {
    pub(super) fn load(store: &Store) -> Self {
        Self(StateFile::load(store, "dashcam.absent"))
    }

    /// The absent sidecars of recordings that the camera still has.
    pub(super) fn of(&self, offer: &Offer) -> BTreeSet<FileName> {
        let videos = &offer.listing.videos;
        let is_listed = |name: &&FileName| {
            let first = videos.partition_point(|video| video.at() < name.at());
            videos.get(first).is_some_and(|video| video.at() == name.at())
        };
        self.0.get().iter().filter(is_listed).copied().collect()
    }

    /// Lost, it costs requests: no reason to end a pass.
    pub(super) fn save(&mut self, absent: &BTreeSet<FileName>) {
        if absent != self.0.get() {
            self.0.change().clone_from(absent);
        }
        self.0.save_or_log(log::Level::Warn);
    }
}

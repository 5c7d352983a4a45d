//! The sidecars that the camera does not have, remembered so that no pass asks for them again.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::name::FileName;
use super::source::Offer;
use crate::store::{MAX_STATE_BYTES, Store, read_state, write_atomically};

/// The file with the absent sidecars, a name a line.
#[derive(Debug)]
pub(super) struct AbsentFile {
    path: PathBuf,
    saved: BTreeSet<FileName>,
}

impl AbsentFile {
    pub(super) fn load(store: &Store) -> Self {
        let path = store.state_path("dashcam.absent");
        let text =
            read_state(&path, MAX_STATE_BYTES).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        Self { path, saved: text.lines().filter_map(|line| line.parse().ok()).collect() }
    }

    /// The absent sidecars of recordings that the camera still has.
    pub(super) fn of(&self, offer: &Offer) -> BTreeSet<FileName> {
        let videos = &offer.listing.videos;
        let is_listed = |name: &&FileName| {
            let first = videos.partition_point(|video| video.at() < name.at());
            videos.get(first).is_some_and(|video| video.at() == name.at())
        };
        self.saved.iter().filter(is_listed).copied().collect()
    }

    /// Lost, it costs requests: no reason to end a pass.
    pub(super) fn save(&self, absent: &BTreeSet<FileName>) {
        if *absent == self.saved {
            return;
        }
        let lines: Vec<String> = absent.iter().map(|name| format!("{name}\n")).collect();
        if let Err(error) = write_atomically(&self.path, lines.concat().as_bytes()) {
            log::warn!("{}", error.with_causes());
        }
    }
}

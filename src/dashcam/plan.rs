//! What to do: pure, values in, values out. `plan` twice over its own result has nothing to do.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDateTime;

use super::inventory::{Dir, Inventory};
use super::name::{Entry, FileName, Format, Moment, NotAName};
use super::policy::{Policy, Priority, Protect};
use super::source::{Offer, Sidecars};
use crate::retention::{Candidate, Reason};
use crate::room::{Excess, going};

/// What a plan takes into account beside the listing and the destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// Sidecars that the camera was asked for and does not have: not asked for again while it lists their recordings.
    pub absent: BTreeSet<FileName>,
    /// What was removed for room is not fetched again.
    pub given_up: BTreeSet<Unit>,
    /// Recordings that broke off without getting further: they come last, so that the others are not kept waiting.
    pub broke_off: BTreeSet<FileName>,
}

/// Files of one recording to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The recording.
    pub video: FileName,
    /// Which of its files.
    pub formats: Vec<Format>,
    /// The directory of its other files here; else that of the grouping.
    pub dir: Option<Dir>,
}

/// A file to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// What it is.
    pub entry: Entry,
    /// Where.
    pub dir: Dir,
    /// Why.
    pub reason: Reason,
    /// Its length, where it was needed.
    pub bytes: u64,
}

/// What one eviction takes: all files of a moment and a type, since front and rear share sidecars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    /// The moment.
    pub at: NaiveDateTime,
    /// The type.
    pub kind: char,
}

impl Unit {
    /// The unit of a file or of a marker about it.
    #[must_use]
    pub fn of(entry: Entry) -> Option<Self> {
        entry.file().map(Self::of_file)
    }

    /// The unit of a file.
    #[must_use]
    pub fn of_file(name: FileName) -> Self {
        Self { at: name.at(), kind: name.kind() }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", Moment(self.at), self.kind)
    }
}

impl FromStr for Unit {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let (moment, kind) = text.rsplit_once('_').ok_or(NotAName)?;
        let mut letters = kind.chars();
        match (letters.next(), letters.next()) {
            (Some(kind), None) => Ok(Self { at: moment.parse::<Moment>()?.0, kind }),
            _ => Err(NotAName),
        }
    }
}

/// What to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// First these go.
    pub removals: Vec<Removal>,
    /// The fetches, in this order, after the removals.
    pub fetches: Vec<Fetch>,
    /// These moments are to be protected for good.
    pub protections: Vec<Moment>,
    /// Recordings that the options ask for.
    pub selected: usize,
    /// `--protect` names these moments, and nothing of them is here or on the camera.
    pub protects_nothing: Vec<Moment>,
    /// Files that failed and are not due.
    pub waiting: Vec<FileName>,
    /// Recordings that were given up for want of room.
    pub left_out: usize,
}

/// The plan of a pass. Without an offer (the camera is away) only retention is due.
#[must_use]
pub fn plan(
    offer: Option<&Offer>,
    inventory: &Inventory,
    learned: &Learned,
    policy: &Policy,
    now: NaiveDateTime,
) -> Plan {
    let mut plan = Plan { removals: removals(inventory, policy, now), ..Plan::default() };
    let no_videos = Vec::new();
    let videos = offer.map_or(&no_videos, |offer| &offer.listing.videos);
    (plan.protections, plan.protects_nothing) = protections(videos, inventory, policy);
    let Some(offer) = offer else { return plan };
    let selected = select(videos, policy);
    plan.selected = selected.len();
    let mut shared = HashSet::new();
    for video in selected {
        let is_protected = policy.protects(video, inventory);
        if policy.expires(video.kind(), video.at(), now) && !is_protected {
            continue;
        }
        if learned.given_up.contains(&Unit::of_file(video)) && !is_protected {
            plan.left_out += usize::from(!inventory.has(video));
            continue;
        }
        let mut fetch = Fetch { video, formats: Vec::new(), dir: inventory.dir_of_recording(video) };
        for format in Format::ALL {
            let file = video.sibling(format);
            if inventory.has(file) || !is_wanted(file, &offer.sidecars, learned, policy) {
                continue;
            }
            if is_waiting(file, inventory, policy, now) {
                plan.waiting.push(file);
            } else if format == Format::Video || shared.insert(file) {
                fetch.formats.push(format);
            }
        }
        if !fetch.formats.is_empty() {
            plan.fetches.push(fetch);
        }
    }
    sort(&mut plan.fetches, learned, policy);
    plan
}

fn is_wanted(file: FileName, sidecars: &Sidecars, learned: &Learned, policy: &Policy) -> bool {
    // A card lists its sidecars itself.
    let is_known_absent = matches!(sidecars, Sidecars::Ask(_)) && learned.absent.contains(&file);
    file.format() == Format::Video
        || (!policy.skip.contains(&file.format()) && sidecars.may_have(file) && !is_known_absent)
}

fn is_waiting(file: FileName, inventory: &Inventory, policy: &Policy, now: NaiveDateTime) -> bool {
    let Some(Some(failed)) = inventory.failed.get(&file) else { return false };
    // A time in the future was a wrong clock's: it is due.
    (now - *failed).to_std().is_ok_and(|age| age < policy.retry_failed_after)
}

/// The recordings to fetch, by `--include`, `--exclude` and `--context`. Neighbours are those of the same direction
/// and flag: the front camera's clip before an event and the one after it.
pub(super) fn select(videos: &[FileName], policy: &Policy) -> Vec<FileName> {
    let mut chosen = vec![false; videos.len()];
    let mut streams: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, video) in videos.iter().enumerate() {
        streams.entry((video.direction(), video.flag())).or_default().push(index);
    }
    for members in streams.values() {
        for (place, index) in members.iter().enumerate() {
            if !policy.wants(videos[*index]) || policy.excludes(videos[*index]) {
                continue;
            }
            let from = place.saturating_sub(policy.context);
            let to = place.saturating_add(policy.context).min(members.len() - 1);
            for neighbour in &members[from..=to] {
                chosen[*neighbour] = true;
            }
        }
    }
    videos
        .iter()
        .zip(chosen)
        .filter(|(video, chosen)| *chosen && !policy.excludes(**video))
        .map(|(video, _)| *video)
        .collect()
}

fn sort(fetches: &mut [Fetch], learned: &Learned, policy: &Policy) {
    let newest_first = policy.newest_first || policy.priority == Priority::Rdate;
    let by_type = policy.priority == Priority::Type;
    // Stable and by cached keys: within a key the order is that of names.
    fetches.sort_by_cached_key(|fetch| {
        let video = fetch.video;
        let seconds = video.at().and_utc().timestamp();
        let time = if newest_first { -seconds } else { seconds };
        (learned.broke_off.contains(&video), if by_type { video.type_rank() } else { 0 }, time, video.direction_rank())
    });
}

/// The moments to protect, and those of which there is nothing.
fn protections(videos: &[FileName], inventory: &Inventory, policy: &Policy) -> (Vec<Moment>, Vec<Moment>) {
    let wanted: BTreeSet<Moment> = policy
        .protect
        .iter()
        .filter_map(|word| match word {
            Protect::Moment(moment) => Some(*moment),
            Protect::Code(_) => None,
        })
        .filter(|moment| !inventory.protected.contains(moment))
        .collect();
    let exists = |moment: &Moment| {
        inventory.files.iter().map(|file| file.name).chain(videos.iter().copied()).any(|name| name.at() == moment.0)
    };
    wanted.into_iter().partition(exists)
}

/// What retention removes before anything is fetched.
fn removals(inventory: &Inventory, policy: &Policy, now: NaiveDateTime) -> Vec<Removal> {
    let is_superseded = |entry: Entry| matches!(entry, Entry::PeerPartial(name) if inventory.has(name));
    let mut removals: Vec<Removal> = inventory
        .others
        .iter()
        .filter(|(entry, _)| is_superseded(*entry))
        .map(|(entry, dir)| Removal { entry: *entry, dir: *dir, reason: Reason::Superseded, bytes: 0 })
        .collect();
    if policy.keep.0.is_empty() && policy.keep_bytes.is_none() {
        return removals;
    }
    let protected: HashSet<(NaiveDateTime, char)> = inventory
        .files
        .iter()
        .filter(|file| policy.protects(file.name, inventory))
        .map(|file| (file.name.at(), file.name.kind()))
        .collect();
    let goes = |name: FileName| {
        policy.expires(name.kind(), name.at(), now)
            && !protected.contains(&(name.at(), name.kind()))
            && !policy.protects(name, inventory)
    };
    let reason = Reason::Expired;
    for file in inventory.files.iter().filter(|file| goes(file.name)) {
        removals.push(Removal { entry: Entry::Final(file.name), dir: file.dir, reason, bytes: file.bytes });
    }
    for (entry, dir) in inventory.others.iter().filter(|(entry, _)| !is_superseded(*entry)) {
        if entry.file().is_some_and(goes) {
            removals.push(Removal { entry: *entry, dir: *dir, reason, bytes: 0 });
        }
    }
    if policy.keep_bytes.is_some() {
        let expired: u64 = inventory.files.iter().filter(|file| goes(file.name)).map(|file| file.bytes).sum();
        let excess = Excess::of_quota(policy.keep_bytes, inventory.bytes() - expired, 0);
        let candidates = candidates(inventory, policy);
        let others = candidates.iter().filter(|candidate| !policy.expires(candidate.key.kind, candidate.at, now));
        for (candidate, reason) in going(others, |candidate| candidate.bytes, &excess) {
            let files = files_of(candidate.key, inventory, reason);
            removals.extend(files.filter(|removal| !is_superseded(removal.entry)));
        }
    }
    removals
}

/// All that may go to make room, oldest first.
#[must_use]
pub fn candidates(inventory: &Inventory, policy: &Policy) -> Vec<Candidate<Unit>> {
    let mut units: Vec<(Unit, u64, bool)> = Vec::new();
    for file in &inventory.files {
        let unit = Unit { at: file.name.at(), kind: file.name.kind() };
        let protected = policy.protects(file.name, inventory);
        match units.last_mut() {
            Some((last, bytes, is_protected)) if *last == unit => {
                *bytes += file.bytes;
                *is_protected |= protected;
            }
            _ => units.push((unit, file.bytes, protected)),
        }
    }
    units
        .into_iter()
        .filter(|(_, _, protected)| !protected)
        .map(|(unit, bytes, _)| Candidate { key: unit, at: unit.at, bytes })
        .collect()
}

/// The removal of everything that belongs to a unit.
pub fn files_of(unit: Unit, inventory: &Inventory, reason: Reason) -> impl Iterator<Item = Removal> {
    let is_of = move |name: FileName| name.at() == unit.at && name.kind() == unit.kind;
    let first = inventory.files.partition_point(|file| file.name.at() < unit.at);
    let files = inventory.files[first..].iter().take_while(move |file| file.name.at() == unit.at);
    let finals = files.filter(move |file| is_of(file.name)).map(move |file| Removal {
        entry: Entry::Final(file.name),
        dir: file.dir,
        reason,
        bytes: file.bytes,
    });
    let others = inventory
        .others
        .iter()
        .filter(move |(entry, _)| entry.file().is_some_and(is_of))
        .map(move |(entry, dir)| Removal { entry: *entry, dir: *dir, reason, bytes: 0 });
    finals.chain(others)
}

#[cfg(test)]
mod tests;

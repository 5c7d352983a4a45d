//! What to extract and remove: live recordings and the inventory in, steps out.
//!
//! A name has seconds, and several recordings can begin in one: two events, or the same hour twice when the clocks go
//! back. The name does not tell them apart, nor does their order: in the repeated hour the later one may have the smaller
//! fraction of a second, and the ring overwrites the earlier one some day. So the modification time of an extracted file
//! is its recording's start, to the microsecond, with the camera's wall-clock time read as UTC. A file that has lost it
//! (copied, or on a file system with whole seconds) counts as the first recording of its second that has no file yet.
//!
//! The readable part of a damaged recording is kept under a hidden form of its final name. Each pass tries the recording
//! again under that name, which no other recording gets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::camera_time::CameraTime;
use super::name::{Copy, Entry, OutputName, Tag};
use super::segment::{Medium, Segment};
use crate::retention::Reason;

/// The resolution of modification times on file systems. Cameras have milliseconds.
const EXACTNESS: Duration = Duration::from_millis(1);

/// Which recordings to extract and to keep.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Nothing that starts before.
    pub from: Option<CameraTime>,
    /// Nothing that starts then or later.
    pub to: Option<CameraTime>,
    /// Recordings that start before have expired: footage removes them and does not extract them again. With a quota, the
    /// start of the newest one that it evicted.
    pub keep_from: Option<CameraTime>,
    /// No pictures.
    pub without_pictures: bool,
}

impl Policy {
    /// Whether time and medium of a recording are selected; `keep_from` is another question.
    #[must_use]
    pub fn wants(&self, segment: &Segment) -> bool {
        let start = segment.start;
        self.from.is_none_or(|from| start >= from)
            && self.to.is_none_or(|to| start < to)
            && !(self.without_pictures && segment.ring.medium == Medium::Picture)
    }
}

/// An extracted file in the destination, complete or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtractedFile {
    /// Its name.
    pub entry: Entry,
    /// Its modification time as UTC; see the module's documentation.
    pub modified: Option<CameraTime>,
}

impl ExtractedFile {
    /// Whether it is only a part of its recording.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        matches!(self.entry, Entry::Damaged(_))
    }

    /// Whether its modification time is the start of this recording.
    fn is_of(&self, segment: &Segment) -> bool {
        self.modified.is_some_and(|time| time.distance(segment.start) <= EXACTNESS)
    }

    /// Whether its modification time is the start of a recording: then it falls in the second of the name and has a fraction,
    /// which ext3, FAT and archives drop.
    fn tells_recording(&self) -> bool {
        self.modified.is_some_and(|time| time.whole_second() == self.entry.name().second && time.whole_second() != time)
    }
}

/// One thing to do for a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Extract a recording to this name.
    Extract {
        /// The recording.
        segment: Segment,
        /// The name, which is free.
        name: OutputName,
    },
    /// Remove a file.
    Remove {
        /// Its name.
        entry: Entry,
        /// Why.
        reason: Reason,
    },
}

/// The steps for one camera, and the number of segments without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Expired files first, for the room they leave; then recordings, the oldest first, which the ring overwrites first.
    pub steps: Vec<Step>,
    /// Segments that are extracted already.
    pub extracted: usize,
    /// Segments that `from`, `to` or the medium leaves out.
    pub unwanted: usize,
    /// Segments older than `keep_from`.
    pub expired: usize,
    /// Segments whose ring file is missing.
    pub missing: usize,
}

/// Plans the extraction of one camera's `segments`.
#[must_use]
pub fn plan(segments: &[Segment], held: &[ExtractedFile], policy: &Policy) -> Plan {
    let mut plan = Plan::default();
    let is_over = |start: CameraTime| policy.keep_from.is_some_and(|keep_from| start < keep_from);
    let mut expired: Vec<Entry> =
        held.iter().map(|held| held.entry).filter(|entry| is_over(entry.name().second)).collect();
    expired.sort_unstable_by_key(|entry| (entry.name(), *entry));
    plan.steps.extend(expired.into_iter().map(|entry| Step::Remove { entry, reason: Reason::Expired }));

    let mut seconds: BTreeMap<(CameraTime, Medium), Vec<&Segment>> = BTreeMap::new();
    for segment in segments {
        let start = segment.start;
        // By the second, as in names: else a file could expire before its recording does.
        if is_over(start.whole_second()) {
            plan.expired += 1;
        } else {
            let second = (start.whole_second(), segment.ring.medium);
            seconds.entry(second).or_default().push(segment);
        }
    }
    let mut held_in: HashMap<(CameraTime, Medium), Vec<ExtractedFile>> = HashMap::new();
    for held in held {
        let name = held.entry.name();
        held_in.entry((name.second, name.medium)).or_default().push(*held);
    }
    for (second, segments) in seconds {
        let held = held_in.remove(&second).unwrap_or_default();
        plan.add_second(second, segments, held, policy);
    }
    plan
}

impl Plan {
    /// Plans the recordings of one second.
    fn add_second(
        &mut self,
        (second, medium): (CameraTime, Medium),
        mut segments: Vec<&Segment>,
        mut held: Vec<ExtractedFile>,
        policy: &Policy,
    ) {
        // A file that can be of several recordings is rather of one that footage would extract.
        let cannot_be = |segment: &Segment| !(policy.wants(segment) && segment.is_present);
        segments.sort_by_key(|segment| (segment.start, cannot_be(segment), segment.order()));
        held.sort_unstable_by_key(|held| held.entry);
        let copy_of = |held: &ExtractedFile| held.entry.name().copy;
        let taken: BTreeSet<Copy> = held.iter().map(copy_of).collect();
        let (mut damaged, mut whole): (Vec<ExtractedFile>, Vec<ExtractedFile>) =
            held.into_iter().partition(ExtractedFile::is_damaged);
        let are_whole: BTreeSet<Copy> = whole.iter().map(copy_of).collect();

        let mut new: Vec<&Segment> = Vec::new();
        let mut wanted: Vec<(&Segment, Option<Copy>)> = Vec::new();
        for segment in segments {
            let part = damaged.iter().position(|held| held.is_of(segment)).map(|own| damaged.remove(own).entry);
            let copy = part.map(|entry| entry.name().copy);
            let own = whole.iter().position(|held| held.is_of(segment) || Some(copy_of(held)) == copy);
            if let Some(own) = own {
                whole.remove(own);
                self.extracted += 1;
                // A pass was killed between publishing the complete file and removing this one.
                self.steps.extend(part.map(|entry| Step::Remove { entry, reason: Reason::Superseded }));
            } else if copy.is_some() {
                wanted.push((segment, copy));
            } else {
                new.push(segment);
            }
        }
        let superseded = damaged.extract_if(.., |part| !part.tells_recording() && are_whole.contains(&copy_of(part)));
        self.steps.extend(superseded.map(|part| Step::Remove { entry: part.entry, reason: Reason::Superseded }));

        // The files that are left are of overwritten recordings, or do not tell of which.
        new.sort_by_key(|segment| cannot_be(segment));
        let mut anyones: Vec<ExtractedFile> =
            whole.into_iter().chain(damaged).filter(|held| !held.tells_recording()).collect();
        anyones.sort_unstable_by_key(copy_of);
        let mut anyones = anyones.into_iter();
        for segment in new {
            match anyones.next() {
                Some(held) if !held.is_damaged() => self.extracted += 1,
                part => wanted.push((segment, part.as_ref().map(copy_of))),
            }
        }

        let mut free =
            std::iter::successors(Some(Copy::FIRST), |copy| Some(copy.next())).filter(|copy| !taken.contains(copy));
        for (segment, copy) in wanted {
            if !policy.wants(segment) {
                self.unwanted += 1;
            } else if !segment.is_present {
                self.missing += 1;
            } else if let Some(copy) = copy.or_else(|| free.next()) {
                self.steps.push(Step::Extract { segment: *segment, name: OutputName { medium, second, copy } });
            }
        }
    }
}

/// Two cameras that would be extracted into one folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cameras {first:?} and {second:?} would both be called {tag:?}: rename one with --camera {second:?}=NAME")]
pub struct TagClash {
    /// The name of both.
    pub tag: String,
    /// One camera.
    pub first: String,
    /// The other.
    pub second: String,
}

/// A camera's storage, as `--camera` names it: by the folder's name or its path.
#[derive(Clone, Copy, Debug)]
pub struct Folder<'a> {
    /// The name.
    pub name: &'a str,
    /// The whole path, for two folders of one name.
    pub path: &'a str,
}

/// Gives each camera its tag: the new name of its path or its folder's name in `renames`, else its folder's name.
///
/// # Errors
/// If two get the same one, ignoring case as SMB shares and cards do.
pub fn tags(cameras: &[Folder<'_>], renames: &BTreeMap<String, Tag>) -> Result<Vec<Tag>, TagClash> {
    let mut owners: HashMap<String, Folder<'_>> = HashMap::new();
    let mut tags = Vec::new();
    for camera in cameras {
        let chosen = renames.get(camera.path).or_else(|| renames.get(camera.name));
        let tag = chosen.cloned().unwrap_or_else(|| Tag::of_folder(camera.name));
        if let Some(first) = owners.insert(tag.as_str().to_lowercase(), *camera) {
            let (first, second) =
                if first.name == camera.name { (first.path, camera.path) } else { (first.name, camera.name) };
            return Err(TagClash { tag: tag.to_string(), first: first.to_owned(), second: second.to_owned() });
        }
        tags.push(tag);
    }
    Ok(tags)
}

#[cfg(test)]
mod tests;

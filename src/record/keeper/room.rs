//! Looking at the disk of a destination and at what is over there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, NaiveDate, Utc};

use super::{Kept, Look, News, Thread};
use crate::disk::{Guard, Space};
use crate::error::{At, Result};
use crate::record::name::{CameraName, OpenName, SegmentName};
use crate::record::retain::{self, Days, Limits};
use crate::remove::{Removal, remove_footage};
use crate::retention::{Keep, Reason};
use crate::room::Excess;
use crate::zone::Tz;

/// What is here of a camera.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Its days. Their bytes are counted only where a quota asks for them: that looks at every file.
    days: Days,
    has_bytes: bool,
    /// When each day's folder had changed last as it was counted.
    counted: BTreeMap<NaiveDate, SystemTime>,
    /// The names of the oldest day, where the oldest segments have to go for room.
    oldest: Option<(NaiveDate, BTreeSet<SegmentName>)>,
    /// When its age was last looked at.
    looked: Option<Instant>,
}

impl Held {
    /// A segment has come.
    pub(super) fn add(&mut self, name: SegmentName, bytes: u64) {
        self.days.add(name.day(), bytes);
        if let Some((_, names)) = self.oldest.as_mut().filter(|(day, _)| *day == name.day()) {
            names.insert(name);
        }
    }

    /// A segment has gone.
    pub(super) fn remove(&mut self, name: SegmentName, bytes: u64) {
        self.days.remove(name.day(), bytes);
        if let Some((_, names)) = &mut self.oldest {
            names.remove(&name);
        }
    }

    /// All of a day has gone.
    fn forget(&mut self, day: NaiveDate) {
        self.days.forget(day);
        self.counted.remove(&day);
        self.oldest.take_if(|(oldest, _)| *oldest == day);
    }
}

/// So many segments go at one look for the disk, at most: then it is asked again whether that has helped.
const AT_ONCE: usize = 50;
/// A day of which only some hours are over is listed as often.
const EXPIRE_EVERY: Duration = Duration::from_secs(30);

impl Thread {
    /// Looks at the disk, and at what is over.
    pub(super) fn look(&mut self, look: &Look) {
        let Look { now, need, guard, delete_oldest } = *look;
        if let Err(gone) = self.store.check_still_there() {
            if super::is_another(self.store.root()) {
                return self.gone(gone);
            }
            return self.tell(News::Room { space: None, full: Some(gone.with_causes()) });
        }
        self.look_after_lock();
        let names: Vec<CameraName> = self.cameras.keys().cloned().collect();
        for camera in &names {
            let what = super::not_removed(camera);
            match self.retain(camera, now, delete_oldest) {
                Ok(()) => self.notices.end(&what, format_args!("{camera}: old segments are removed again")),
                Err(error) => self
                    .notices
                    .warn(&what, format_args!("{camera}: old segments are not removed: {}", error.with_causes())),
            }
        }
        // Full once, it takes twice the room to begin again: else recording would come and go with every segment.
        let need = if self.was_full { need.saturating_mul(2) } else { need };
        let room = self.room(need, guard, delete_oldest);
        let (space, full) = match room {
            Ok((space, full)) => (Some(space), full),
            Err(error) => (None, Some(error.with_causes())),
        };
        // What has gone at this look, in one line for each camera and reason.
        self.removals.log();
        let was_full = std::mem::replace(&mut self.was_full, full.is_some());
        self.tell(News::Room { space, full });
        if was_full && !self.was_full {
            // What could not be closed for want of room.
            self.try_again(|unclosed| unclosed.has_failed);
        }
    }

    fn room(&mut self, need: u64, guard: Guard, delete_oldest: bool) -> Result<(Space, Option<String>)> {
        loop {
            let space = Space::of(self.store.root())?;
            let excess = Excess::default().and_of_disk(guard, delete_oldest, space, need);
            let Some(shortage) = excess.shortage().cloned() else { return Ok((space, None)) };
            let freed = self.make_room(&excess)?;
            let after = Space::of(self.store.root())?;
            // Snapshots and links keep what was removed: to remove all of it would free nothing either.
            if freed == 0 || after.free <= space.free {
                let error = shortage.into_error(self.store.root());
                return Ok((space, Some(format!("it is full: {}", error.with_causes()))));
            }
        }
    }

    /// Removes the oldest segments, whichever camera's they are; how many bytes they had.
    fn make_room(&mut self, excess: &Excess) -> Result<u64> {
        let (mut freed, mut removed, mut failure) = (0, 0, None);
        let mut cameras: Vec<CameraName> = self.cameras.keys().cloned().collect();
        while removed < AT_ONCE
            && let Some(reason) = excess.next_reason(freed)
        {
            let mut oldest = None;
            for camera in &cameras {
                let found = self.oldest_segment(camera)?.map(|name| (name, camera.clone()));
                oldest = [oldest, found].into_iter().flatten().min();
            }
            let Some((name, camera)) = oldest else { break };
            let path = self.store.root().join(camera.as_str()).join(name.to_string());
            let Ok(file) = fs::symlink_metadata(path) else {
                // Another process removed it first, and perhaps more of them.
                self.forget_names(&camera);
                continue;
            };
            match self.remove(&camera, name, file.len(), reason) {
                Ok(()) => (freed, removed) = (freed + file.len(), removed + 1),
                // Those of others may go all the same.
                Err(error) => {
                    cameras.retain(|other| *other != camera);
                    failure.get_or_insert(error);
                }
            }
        }
        failure.filter(|_| freed == 0).map_or(Ok(freed), Err)
    }

    /// The oldest segment of a camera. The names of its day are remembered: a full disk asks again and again.
    fn oldest_segment(&mut self, camera: &CameraName) -> Result<Option<SegmentName>> {
        loop {
            let held = self.cameras.get(camera).and_then(|kept| kept.held.as_ref());
            let Some((held, day)) = held.and_then(|held| Some((held, held.days.oldest()?))) else { return Ok(None) };
            let known = held.oldest.as_ref().filter(|(of, _)| *of == day).map(|(_, names)| names.first().copied());
            match known {
                Some(Some(first)) => return Ok(Some(first)),
                Some(None) => self.forget_day(camera, day),
                None => {
                    let names = self.names(camera, day)?.into_iter().collect();
                    if let Some(held) = self.cameras.get_mut(camera).and_then(|kept| kept.held.as_mut()) {
                        held.oldest = Some((day, names));
                    }
                }
            }
        }
    }

    fn retain(&mut self, camera: &CameraName, now: DateTime<Utc>, delete_oldest: bool) -> Result<()> {
        let Some(kept) = self.cameras.get(camera) else { return Ok(()) };
        let settings = kept.settings.clone();
        let limits = Limits { keep: settings.keep, keep_bytes: settings.keep_bytes };
        let wants_bytes = limits.keep_bytes.is_some();
        if limits.keep == Keep::Forever && !wants_bytes && !delete_oldest {
            return Ok(());
        }
        let local = now.with_timezone(&settings.zone);
        if kept.held.as_ref().is_none_or(|held| wants_bytes && !held.has_bytes) {
            let held = self.count(camera, wants_bytes)?;
            self.remove_damaged(camera, limits.keep, local)?;
            if let Some(kept) = self.cameras.get_mut(camera) {
                kept.held = Some(held);
            }
        }
        if let Some(held) = self.cameras.get_mut(camera).and_then(|kept| kept.held.as_mut()) {
            let is_early = held.looked.is_some_and(|looked| looked.elapsed() < EXPIRE_EVERY);
            if is_early && !limits.is_over_quota(&held.days) {
                return Ok(());
            }
            held.looked = Some(Instant::now());
        }
        if self.is_over_quota(camera, &limits) {
            self.count_again(camera)?;
        }
        let mut has_removed = false;
        while let Some(Kept { held: Some(held), .. }) = self.cameras.get(camera)
            && let Some(day) = limits.touch(&held.days, local)
        {
            let held_bytes = held.days.total_bytes();
            let segments = self.segments(camera, day)?;
            let going = limits.removals(&segments, held_bytes, local);
            let (is_all, is_none) = (going.len() == segments.len(), going.is_empty());
            has_removed |= !is_none;
            for (held, reason) in going {
                self.remove(camera, held.name, held.bytes, reason)?;
            }
            if is_all {
                self.forget_day(camera, day);
            } else if is_none {
                break;
            }
        }
        if has_removed { self.remove_damaged(camera, limits.keep, local) } else { Ok(()) }
    }

    fn forget_day(&mut self, camera: &CameraName, day: NaiveDate) {
        self.store.remove_group_dir_if_empty(&format!("{camera}/{}", SegmentName::folder(day)));
        if let Some(held) = self.cameras.get_mut(camera).and_then(|kept| kept.held.as_mut()) {
            held.forget(day);
        }
    }

    fn forget_names(&mut self, camera: &CameraName) {
        if let Some(held) = self.cameras.get_mut(camera).and_then(|kept| kept.held.as_mut()) {
            held.oldest = None;
        }
    }

    fn is_over_quota(&self, camera: &CameraName, limits: &Limits) -> bool {
        let held = self.cameras.get(camera).and_then(|kept| kept.held.as_ref());
        held.is_some_and(|held| limits.is_over_quota(&held.days))
    }

    /// Counts the days again that another process has changed: an upload that removes what it has sent frees space too.
    fn count_again(&mut self, camera: &CameraName) -> Result<()> {
        let held = self.cameras.get(camera).and_then(|kept| kept.held.as_ref());
        let days: Vec<NaiveDate> = held.map(|held| held.days.iter().collect()).unwrap_or_default();
        for day in days {
            let folder = self.store.root().join(camera.as_str()).join(SegmentName::folder(day));
            let changed = match fs::symlink_metadata(&folder).and_then(|folder| folder.modified()) {
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                other => Some(other.at("read", &folder)?),
            };
            let held = self.cameras.get(camera).and_then(|kept| kept.held.as_ref());
            if changed.is_some() && held.and_then(|held| held.counted.get(&day)) == changed.as_ref() {
                continue;
            }
            let bytes = self.segments(camera, day)?.iter().map(|held| held.bytes).sum();
            let Some(held) = self.cameras.get_mut(camera).and_then(|kept| kept.held.as_mut()) else { return Ok(()) };
            match changed {
                None => held.forget(day),
                Some(changed) => {
                    held.days.set(day, bytes);
                    held.counted.insert(day, changed);
                }
            }
        }
        Ok(())
    }

    /// The days of a camera.
    fn count(&self, camera: &CameraName, wants_bytes: bool) -> Result<Held> {
        let mut folders = BTreeSet::new();
        self.store.for_each_entry(camera.as_str(), |name, file_type| {
            folders.extend(SegmentName::day_of_folder(name).filter(|_| file_type.is_dir()));
        })?;
        let mut days = Days::default();
        for day in folders {
            days.add(day, 0);
            if wants_bytes {
                self.segments(camera, day)?.iter().for_each(|held| days.add(day, held.bytes));
            }
        }
        Ok(Held { days, has_bytes: wants_bytes, ..Held::default() })
    }

    /// The closed segments of one day: what a name of ours has, in the folder that the name belongs to.
    fn names(&self, camera: &CameraName, day: NaiveDate) -> Result<Vec<SegmentName>> {
        let folder = format!("{camera}/{}", SegmentName::folder(day));
        let mut names = Vec::new();
        self.store.for_each_entry(&folder, |name, file_type| {
            let name = SegmentName::of_file(name).filter(|name| name.day() == day && file_type.is_file());
            names.extend(name);
        })?;
        Ok(names)
    }

    /// The same with their sizes.
    fn segments(&self, camera: &CameraName, day: NaiveDate) -> Result<Vec<retain::Held>> {
        let names = self.names(camera, day)?;
        let dir = self.store.root().join(camera.as_str()).join(SegmentName::folder(day));
        let bytes = |name: &SegmentName| fs::symlink_metadata(dir.join(name.file_name())).map_or(0, |file| file.len());
        Ok(names.into_iter().map(|name| retain::Held { name, bytes: bytes(&name) }).collect())
    }

    /// What cannot be played is kept as long as what can.
    fn remove_damaged(&mut self, camera: &CameraName, keep: Keep, now: DateTime<Tz>) -> Result<()> {
        let Some(cutoff) = keep.cutoff_at(now) else { return Ok(()) };
        let mut over: Vec<OpenName> = Vec::new();
        self.store.for_each_entry(camera.as_str(), |name, file_type| {
            let open = name.parse().ok().filter(|open: &OpenName| open.is_damaged && file_type.is_file());
            over.extend(open.filter(|open| open.start().is_some_and(|start| start < cutoff)));
        })?;
        for open in over {
            let path = &Path::new(camera.as_str()).join(open.to_string());
            let removal = Removal { path, name: path, camera: camera.as_str(), reason: Reason::Expired };
            remove_footage(&self.store, removal, &mut self.removals)?;
        }
        Ok(())
    }
}

//! Looking at the disk of a destination and at what is over there.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};

use super::{Kept, News, Thread};
use crate::disk::{Guard, Space};
use crate::error::Result;
use crate::record::name::{CameraName, OpenName, SegmentName};
use crate::record::retain::{self, Days, Limits};
use crate::retention::{Keep, Reason};
use crate::store::remove;

/// What is here of a camera.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Its days. Their bytes are counted only where a quota asks for them: that looks at every file.
    pub(super) days: Days,
    has_bytes: bool,
    /// When its age was last looked at.
    looked: Option<Instant>,
}

/// So many segments go at one look for the disk, at most: then it is asked again whether that has helped.
const AT_ONCE: usize = 50;
/// A day of which only some hours are over is listed as often.
const EXPIRE_EVERY: Duration = Duration::from_secs(30);

impl Thread {
    /// Looks at the disk, and at what is over.
    pub(super) fn look(&mut self, now: DateTime<Utc>, need: u64, guard: Guard, delete_oldest: bool) {
        if let Err(gone) = self.store.check_still_there() {
            if super::is_another(self.store.root()) {
                return self.tell(News::Gone(gone));
            }
            return self.tell(News::Room { space: None, full: Some(gone.with_causes()) });
        }
        let names: Vec<CameraName> = self.cameras.keys().cloned().collect();
        for camera in &names {
            if let Err(error) = self.retain(camera, now, delete_oldest) {
                log::warn!("{camera}: old segments are not removed: {}", error.with_causes());
            }
        }
        // Full once, it takes twice the room to begin again: else recording would come and go with every segment.
        let need = if self.was_full { need.saturating_mul(2) } else { need };
        let room = self.room(need, guard, delete_oldest);
        let (space, full) = match room {
            Ok((space, full)) => (Some(space), full),
            Err(error) => (None, Some(error.with_causes())),
        };
        self.was_full = full.is_some();
        self.tell(News::Room { space, full });
        if !self.was_full {
            // What could not be closed for want of room.
            let now = Instant::now();
            self.torn.iter_mut().filter(|torn| torn.duration.is_some()).for_each(|torn| torn.not_before = now);
        }
    }

    fn room(&mut self, need: u64, guard: Guard, delete_oldest: bool) -> Result<(Space, Option<String>)> {
        loop {
            let space = Space::of(self.store.root())?;
            let Some(shortage) = guard.shortage(space, need) else { return Ok((space, None)) };
            let freed = if delete_oldest { self.make_room(shortage.missing)? } else { 0 };
            let after = Space::of(self.store.root())?;
            // Snapshots and links keep what was removed: to remove all of it would free nothing either.
            if freed == 0 || after.free <= space.free {
                let error = shortage.into_error(self.store.root());
                return Ok((space, Some(format!("it is full: {}", error.with_causes()))));
            }
        }
    }

    /// Removes the oldest segments of all cameras here; how many bytes they had.
    fn make_room(&mut self, missing: u64) -> Result<u64> {
        let mut freed = 0;
        for _ in 0..AT_ONCE {
            if freed >= missing {
                break;
            }
            let oldest =
                self.cameras.iter().filter_map(|(name, kept)| Some((kept.held.as_ref()?.days.oldest()?, name)));
            let Some((day, camera)) = oldest.min().map(|(day, name)| (day, name.clone())) else { break };
            let segments = self.segments(&camera, day)?;
            let going = retain::oldest(&segments, missing - freed);
            let is_all = going.len() == segments.len();
            for held in going {
                self.remove(&camera, held.name, held.bytes, Reason::DiskFull)?;
                freed += held.bytes;
            }
            if is_all {
                self.forget_day(&camera, day);
            }
        }
        Ok(freed)
    }

    fn retain(&mut self, camera: &CameraName, now: DateTime<Utc>, delete_oldest: bool) -> Result<()> {
        let Some(kept) = self.cameras.get(camera) else { return Ok(()) };
        let settings = kept.settings.clone();
        let limits = Limits { keep: settings.keep, keep_bytes: settings.keep_bytes.map(|bytes| bytes.0) };
        let wants_bytes = limits.keep_bytes.is_some();
        if limits.keep == Keep::Forever && !wants_bytes && !delete_oldest {
            return Ok(());
        }
        if kept.held.as_ref().is_none_or(|held| wants_bytes && !held.has_bytes) {
            let held = self.count(camera, wants_bytes)?;
            self.remove_damaged(camera, limits.keep, now.with_timezone(&settings.zone).naive_local())?;
            if let Some(kept) = self.cameras.get_mut(camera) {
                kept.held = Some(held);
            }
        }
        if let Some(held) = self.cameras.get_mut(camera).and_then(|kept| kept.held.as_mut()) {
            let is_early = held.looked.is_some_and(|looked| looked.elapsed() < EXPIRE_EVERY);
            if is_early && limits.surplus(&held.days) == 0 {
                return Ok(());
            }
            held.looked = Some(Instant::now());
        }
        let local = now.with_timezone(&settings.zone).naive_local();
        while let Some(Kept { held: Some(held), .. }) = self.cameras.get(camera)
            && let Some(day) = limits.touch(&held.days, local)
        {
            let surplus = limits.surplus(&held.days);
            let segments = self.segments(camera, day)?;
            let going = limits.removals(&segments, surplus, local);
            let (is_all, is_none) = (going.len() == segments.len(), going.is_empty());
            for (held, reason) in going {
                self.remove(camera, held.name, held.bytes, reason)?;
            }
            if is_all {
                self.forget_day(camera, day);
            } else if is_none {
                break;
            }
        }
        Ok(())
    }

    fn forget_day(&mut self, camera: &CameraName, day: NaiveDate) {
        self.store.remove_group_dir_if_empty(&format!("{camera}/{}", SegmentName::folder(day)));
        if let Some(held) = self.cameras.get_mut(camera).and_then(|kept| kept.held.as_mut()) {
            held.days.forget(day);
        }
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
        Ok(Held { days, has_bytes: wants_bytes, looked: None })
    }

    /// The closed segments of one day: what a name of ours has, in the folder that the name belongs to.
    fn segments(&self, camera: &CameraName, day: NaiveDate) -> Result<Vec<retain::Held>> {
        let folder = format!("{camera}/{}", SegmentName::folder(day));
        let mut names = Vec::new();
        self.store.for_each_entry(&folder, |name, file_type| {
            let name = SegmentName::of_file(name).filter(|name| name.day() == day && file_type.is_file());
            names.extend(name);
        })?;
        let dir = self.store.root().join(folder);
        let bytes = |name: &SegmentName| fs::symlink_metadata(dir.join(name.file_name())).map_or(0, |file| file.len());
        Ok(names.into_iter().map(|name| retain::Held { name, bytes: bytes(&name) }).collect())
    }

    /// What cannot be played is kept as long as what can.
    fn remove_damaged(&self, camera: &CameraName, keep: Keep, now: chrono::NaiveDateTime) -> Result<()> {
        let Some(cutoff) = keep.cutoff(now) else { return Ok(()) };
        let mut over: Vec<OpenName> = Vec::new();
        self.store.for_each_entry(camera.as_str(), |name, file_type| {
            let open = name.parse().ok().filter(|open: &OpenName| open.is_damaged && file_type.is_file());
            over.extend(open.filter(|open| open.start().is_some_and(|start| start.naive_utc() < cutoff)));
        })?;
        over.iter().try_for_each(|open| remove(&self.store.root().join(camera.as_str()).join(open.to_string())))
    }
}

//! Making room for a file that is about to be written.

use std::collections::HashSet;
use std::time::Duration;

use chrono::NaiveDateTime;

use super::name::FileName;
use super::plan::{Plan, Unit, candidates, files_of};
use super::{Pass, retain};
use crate::disk::Space;
use crate::error::{Error, Result};
use crate::pass::Report;
use crate::room::{Room, Verdict};
use crate::units::ByteSize;

/// Some file systems free what was removed a moment later.
const FREED_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The room in a destination, and the hands that make some.
pub(super) struct RoomMaker<'a> {
    room: Room<Unit>,
    /// In this pass no recording up to this moment found room.
    too_old_until: Option<NaiveDateTime>,
    pass: Pass<'a>,
}

impl<'a> RoomMaker<'a> {
    /// The room there is once the plan's removals are done.
    pub(super) fn new(pass: Pass<'a>, plan: &Plan) -> Self {
        let Pass { settings, inventory, .. } = pass;
        let removed: HashSet<Unit> = plan.removals.iter().filter_map(|removal| Unit::of(removal.entry)).collect();
        let removed_bytes: u64 = plan.removals.iter().map(|removal| removal.bytes).sum();
        let inventory_bytes = inventory.bytes().saturating_sub(removed_bytes);
        let mut candidates = if settings.is_limited() { candidates(inventory, &settings.policy) } else { Vec::new() };
        candidates.retain(|candidate| !removed.contains(&candidate.key));
        let quota = settings.policy.keep_bytes;
        let room = Room::new(candidates, inventory_bytes, settings.guard, quota, settings.delete_oldest);
        Self { room, too_old_until: None, pass }
    }

    /// What may not go fills the quota alone.
    pub(super) fn is_filled_for_good(&self) -> bool {
        self.room.is_filled_for_good()
    }

    /// Asks for room for `need` bytes of a file, and removes what has to go for it. Returns whether there is some.
    ///
    /// # Errors
    /// [`Error::DiskFull`] when the disk stays full.
    pub(super) fn ask(&mut self, report: &mut Report, need: u64, file: FileName) -> Result<bool> {
        let space = Space::of(self.pass.store.root())?;
        report.disk_used_ratio = Some(space.used_ratio());
        let shortage = self.room.shortage(need, space);
        if shortage.is_none() {
            report.memory.removal_frees_nothing = false;
        }
        // Once is enough: a pass from cron must not remove one recording after the other for nothing.
        if let Some(shortage) = shortage
            && report.memory.removal_frees_nothing
        {
            return Err(frees_nothing(shortage.into_error(self.pass.store.root())));
        }
        let units = match self.room.ask(need, file.at(), space) {
            verdict @ (Verdict::TooOld | Verdict::NoRoom) => {
                self.leave(&verdict, need, file);
                return Ok(false);
            }
            Verdict::Full(shortage) => return Err(shortage.into_error(self.pass.store.root())),
            Verdict::Fits(units) => units,
        };
        let removes = !units.is_empty();
        for (unit, reason) in units {
            for removal in files_of(unit, self.pass.inventory, reason) {
                retain::remove_entry(self.pass, report, &removal)?;
            }
        }
        if removes {
            self.wait_until_freed(report, need)?;
        }
        self.room.write(need, file.at());
        Ok(true)
    }

    /// Whether a recording of this length has to be left on the camera; asked before anything of it is fetched.
    ///
    /// # Errors
    /// The free space of the destination is unknown.
    pub(super) fn has_to_leave(&mut self, need: u64, video: FileName) -> Result<bool> {
        let verdict = self.room.has_to_be_left(need, video.at(), Space::of(self.pass.store.root())?);
        let leaves = verdict.is_some();
        if let Some(verdict) = verdict {
            self.leave(&verdict, need, video);
        }
        Ok(leaves)
    }

    /// Whether newer footage has the room that this recording would need.
    pub(super) fn is_too_old(&self, video: FileName) -> bool {
        self.too_old_until.is_some_and(|until| video.at() <= until)
    }

    fn leave(&mut self, verdict: &Verdict<Unit>, need: u64, file: FileName) {
        if *verdict == Verdict::TooOld {
            self.too_old_until = self.too_old_until.max(Some(file.at()));
        } else {
            let text = format_args!("{file}: {} have no room within --keep-bytes; left on the camera", ByteSize(need));
            self.pass.context.notices.warn(&format!("no-room:{file}"), text);
        }
    }

    /// Removing is one thing, freeing another: snapshots, or a program that holds the files open, keep the bytes.
    fn wait_until_freed(&self, report: &mut Report, need: u64) -> Result<()> {
        let mut waited = Duration::ZERO;
        while let Some(shortage) = self.room.shortage(need, Space::of(self.pass.store.root())?) {
            if waited >= FREED_WITHIN {
                report.memory.removal_frees_nothing = true;
                return Err(frees_nothing(shortage.into_error(self.pass.store.root())));
            }
            self.pass.context.stop.sleep(LOOK_EVERY)?;
            waited += LOOK_EVERY;
        }
        Ok(())
    }
}

fn frees_nothing(error: Error) -> Error {
    match error {
        Error::DiskFull { path, reason, missing, option } => {
            let reason = format!(
                "{reason}, and to remove recordings frees nothing here (snapshots? a program that holds them open?), \
                 so no more are removed"
            );
            Error::DiskFull { path, reason, missing, option }
        }
        error => error,
    }
}

//! Executes a plan, and decides what to do when the camera leaves.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;

use super::download::{Downloader, Outcome, Want};
use super::inventory::{Dir, marker};
use super::make_room::RoomMaker;
use super::name::{Entry, FileName, Format};
use super::partials::Partials;
use super::plan::{Fetch, Learned, Plan};
use super::source::{Offer, Source};
use super::verify::Repair;
use super::{Pass, verify};
use crate::error::{Error, Result};
use crate::failure::{FailureReason, ItemFailure};
use crate::pass::Report;
use crate::progress::Item;
use crate::rate::Pacer;
use crate::store::write_atomically;
use crate::units::{ByteSize, human_duration};

/// A recording so close to the newest may still be being written.
const RECENT: chrono::Duration = chrono::Duration::hours(1);
/// So many recordings in a row that break off, although the camera answers, and the pass is over.
const MAX_LOST_IN_A_ROW: u32 = 3;
/// So many sidecars in a row that break off, and no more are asked for in this pass: the videos go first.
const MAX_SIDECARS_LOST_IN_A_ROW: u32 = 3;

/// A plan under way.
pub(super) struct Execution<'a> {
    pass: Pass<'a>,
    learned: &'a mut Learned,
    report: &'a mut Report,
    downloader: Downloader<'a>,
    /// The newest recording listed.
    newest: Option<NaiveDateTime>,
    room: RoomMaker<'a>,
    lost_in_a_row: u32,
    sidecars_lost_in_a_row: u32,
    /// Listed, and yet answered with 404.
    vanished: Vec<Want>,
}

impl<'a> Execution<'a> {
    pub(super) fn new(
        pass: Pass<'a>,
        plan: &Plan,
        learned: &'a mut Learned,
        report: &'a mut Report,
        source: Box<dyn Source>,
    ) -> Self {
        let mut partials = Partials::load(pass.store);
        let existing: HashSet<String> = pass
            .inventory
            .others
            .iter()
            .filter_map(|(entry, _)| match entry {
                Entry::Partial(name) => Some(name.to_string()),
                _ => None,
            })
            .collect();
        partials.retain(|name| existing.contains(name));
        Self {
            pass,
            learned,
            report,
            downloader: Downloader {
                addresses: &pass.settings.addresses,
                http: pass.http,
                source,
                partials,
                pacer: Pacer::new(pass.settings.timetable.clone(), pass.context.now),
                buffer: Vec::new(),
                received: 0,
                paced: Duration::ZERO,
            },
            newest: None,
            room: RoomMaker::new(pass, plan),
            lost_in_a_row: 0,
            sidecars_lost_in_a_row: 0,
            vanished: Vec::new(),
        }
    }

    /// Fetches everything planned, and with `--verify` what turns out short.
    pub(super) fn fetch_all(&mut self, offer: &Offer, plan: &Plan) -> Result<()> {
        self.newest = offer.listing.videos.last().map(|video| video.at());
        self.settle_orphans(offer)?;
        let items = self.pass.context.progress.items(plan.fetches.len(), 0);
        for fetch in &plan.fetches {
            self.pass.context.stop.check()?;
            if self.is_paused() {
                break;
            }
            let item = items.begin(&fetch.video.to_string());
            self.fetch_recording(fetch, &item)?;
        }
        drop(items);
        self.explain_vanished()?;
        if self.pass.settings.verify {
            let repairs = verify::check(self.pass, self.downloader.source.as_ref(), offer, self.report)?;
            let items = self.pass.context.progress.items(repairs.len(), 0);
            for Repair { file, video, dir } in repairs {
                if self.is_paused() {
                    break;
                }
                let item = items.begin(&file.to_string());
                let want = Want { replaces: true, ..self.want(file, video, Some(dir))? };
                self.fetch_file(&want, &item)?;
            }
        }
        Ok(())
    }

    /// Whether `--limit-rate` pauses at this time of day.
    fn is_paused(&self) -> bool {
        let is_paused = self.downloader.pacer.is_paused();
        if is_paused {
            log::info!("--limit-rate pauses now: the rest is left for a later pass");
        }
        is_paused
    }

    /// Decides about recordings that were listed and answered with 404. One that is no longer listed has been overwritten.
    /// One that still is counts as failed: the camera cannot read it, or footage asks under the wrong path.
    fn explain_vanished(&mut self) -> Result<()> {
        if self.vanished.is_empty() {
            return Ok(());
        }
        let offer = self.downloader.source.list()?;
        for want in std::mem::take(&mut self.vanished) {
            if offer.listing.videos.binary_search(&want.file).is_err() {
                log::info!("{}: no longer on the camera", want.file);
                continue;
            }
            let failure = ItemFailure::lasting(FailureReason::Http, "the camera lists it and answers 404");
            self.report.fail(&self.pass.context.notices, want.file, failure);
            self.leave_marker(&want)?;
        }
        Ok(())
    }

    /// Settles the partial files of recordings that the camera has overwritten. A complete one, from a pass that ended just
    /// before publishing it, is published; the others stay as they are.
    fn settle_orphans(&mut self, offer: &Offer) -> Result<()> {
        for (entry, dir) in &self.pass.inventory.others {
            let Entry::Partial(name) = *entry else { continue };
            let is_orphan = name.format() == Format::Video && offer.listing.videos.binary_search(&name).is_err();
            if !is_orphan || self.pass.inventory.has(name) {
                continue;
            }
            if self.downloader.partials.publish_if_whole(name, &self.path(*dir, *entry))? {
                log::info!("{name}: no longer on the camera; the partial file is complete and published");
                self.report.arrived_files += 1;
                self.report.arrived_recordings += 1;
            } else {
                let text = format_args!("{name}: no longer on the camera; the part that arrived is kept as {entry}");
                self.pass.context.notices.warn(&format!("orphan:{name}"), text);
            }
        }
        Ok(())
    }

    fn fetch_recording(&mut self, fetch: &Fetch, item: &Item) -> Result<()> {
        if self.room.is_filled_for_good() {
            let text = "protected recordings alone fill --keep-bytes: fetching no others";
            self.pass.context.notices.warn("filled-for-good", text);
        }
        let is_protected = self.pass.settings.policy.protects(fetch.video, self.pass.inventory);
        let has_to_leave = self.room.is_filled_for_good()
            || (!is_protected && self.room.is_too_old(fetch.video))
            || self.has_to_leave(fetch)?;
        if has_to_leave {
            self.report.left_out_recordings += 1;
            return Ok(());
        }
        for format in &fetch.formats {
            let is_sidecar = *format != Format::Video;
            if is_sidecar && self.sidecars_lost_in_a_row >= MAX_SIDECARS_LOST_IN_A_ROW {
                log::info!("{}: its sidecars are left for a later pass", fetch.video);
                break;
            }
            let file = fetch.video.sibling(*format);
            let want = match self.want(file, fetch.video, fetch.dir) {
                Err(error) if error.is_in_the_way() => {
                    let failure = ItemFailure::passing(FailureReason::Refused, error.with_causes());
                    self.report.fail(&self.pass.context.notices, file, failure);
                    break;
                }
                want => want?,
            };
            let goes_on = self.fetch_file(&want, item)?;
            // Without its video, a recording gets no sidecars: it is still being written, has no room, or broke off.
            if !is_sidecar && !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// Under a limit of room the length of a recording is asked for before its bytes are.
    fn has_to_leave(&mut self, fetch: &Fetch) -> Result<bool> {
        let is_begun = self.pass.inventory.partial(fetch.video).is_some();
        if !self.pass.settings.is_limited() || is_begun || !fetch.formats.contains(&Format::Video) {
            return Ok(false);
        }
        match self.downloader.source.length(fetch.video, fetch.video) {
            Ok(Some(length)) => self.room.has_to_leave(length, fetch.video),
            // The download meets the same failure and reports it.
            _ => Ok(false),
        }
    }

    fn want(&self, file: FileName, video: FileName, dir: Option<Dir>) -> Result<Want> {
        self.pass.store.check_still_there()?;
        let group = match dir {
            Some(dir) => self.pass.inventory.dir(dir).to_owned(),
            None => self.pass.settings.policy.grouping.dir(file.at()),
        };
        Ok(Want {
            file,
            video,
            dir: self.pass.store.group_dir(&group)?,
            partial_dir: self
                .pass
                .inventory
                .partial(file)
                .map(|dir| self.pass.store.group_dir(self.pass.inventory.dir(dir)))
                .transpose()?,
            replaces: false,
            is_recent: self.newest.is_none_or(|newest| newest - file.at() <= RECENT),
        })
    }

    /// Fetches one file and accounts for it. Returns whether to go on with its sidecars.
    fn fetch_file(&mut self, want: &Want, item: &Item) -> Result<bool> {
        let (began, received_before) = (Instant::now(), self.downloader.received);
        let notices = &self.pass.context.notices;
        let is_video = want.file.format() == Format::Video;
        let (room, report) = (&mut self.room, &mut *self.report);
        let outcome = self.downloader.download(want, item, &mut |need| room.ask(report, need, want.file));
        let received = self.downloader.received - received_before;
        self.report.transferred_bytes += received;
        let outcome = match outcome {
            Err(error) if error.is_in_the_way() => {
                Outcome::Failed(ItemFailure::passing(FailureReason::Refused, error.with_causes()))
            }
            Err(error) => return Err(self.pass.store.check_still_there().err().unwrap_or(error)),
            Ok(outcome) => outcome,
        };
        match outcome {
            Outcome::Published => {
                log::info!("{}: fetched {} in {}", want.file, ByteSize(received), human_duration(began.elapsed()));
                self.lost_in_a_row = 0;
                self.sidecars_lost_in_a_row *= u32::from(is_video);
                self.learned.broke_off.remove(&want.video);
                self.report.arrived_files += 1;
                self.report.arrived_recordings += usize::from(is_video);
                self.remove_marker(want)?;
            }
            Outcome::StillWritten => {
                self.report.open_files += 1;
                return Ok(false);
            }
            Outcome::LeftOut => {
                self.report.left_out_recordings += usize::from(is_video);
                return Ok(false);
            }
            Outcome::Absent if is_video => {
                self.vanished.push(want.clone());
                return Ok(false);
            }
            Outcome::Absent => {
                // The camera may still write the sidecars of a recording that has just ended.
                if !want.is_recent {
                    self.learned.absent.insert(want.file);
                }
                self.remove_marker(want)?;
            }
            Outcome::BrokeOff { cause, .. } => {
                self.learned.broke_off.insert(want.video);
                let message = format!("{cause}; the partial file is kept for the next pass");
                self.report.fail(notices, want.file, ItemFailure::passing(FailureReason::Network, message));
                if !is_video {
                    self.sidecars_lost_in_a_row += 1;
                    return Ok(true);
                }
                self.lost_in_a_row += 1;
                if self.lost_in_a_row == MAX_LOST_IN_A_ROW {
                    let text =
                        format!("the camera answers, but {MAX_LOST_IN_A_ROW} recordings in a row broke off: {cause}");
                    return Err(Error::Source(text));
                }
                return Ok(false);
            }
            Outcome::Failed(failure) => {
                let leaves_marker = failure.retry_later && !want.replaces;
                self.report.fail(notices, want.file, failure);
                if leaves_marker {
                    self.leave_marker(want)?;
                }
            }
        }
        Ok(true)
    }

    /// Removes a journal that is empty.
    pub(super) fn finish(mut self) {
        self.downloader.partials.tidy();
    }

    fn leave_marker(&mut self, want: &Want) -> Result<()> {
        let name = Entry::Failed(want.file);
        // An existing marker is overwritten; a new one goes into the directory of the file.
        let old = self
            .pass
            .inventory
            .others
            .iter()
            .find(|(entry, _)| *entry == name)
            .map(|(_, dir)| self.pass.inventory.dir(*dir));
        let dir = old.map_or_else(|| Ok(want.dir.clone()), |dir| self.pass.store.group_dir(dir))?;
        self.report.failed_marker_files += usize::from(old.is_none());
        write_atomically(&dir.join(name.to_string()), marker(self.pass.context.local_now()).as_bytes())
    }

    /// Removes the marks of earlier failures of a file: its `.failed` marker, and a damaged copy.
    fn remove_marker(&mut self, want: &Want) -> Result<()> {
        let (failed, damaged) = (Entry::Failed(want.file), Entry::Damaged(want.file));
        for (entry, dir) in self
            .pass
            .inventory
            .others
            .iter()
            .filter(|(entry, _)| *entry == failed || (*entry == damaged && !want.replaces))
        {
            self.pass.store.remove(Path::new(self.pass.inventory.dir(*dir)).join(entry.to_string()))?;
            self.report.failed_marker_files =
                self.report.failed_marker_files.saturating_sub(usize::from(*entry == failed));
        }
        Ok(())
    }

    fn path(&self, dir: Dir, entry: Entry) -> PathBuf {
        self.pass.store.root().join(self.pass.inventory.dir(dir)).join(entry.to_string())
    }
}

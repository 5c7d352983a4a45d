//! Fetching what a plan says, and what to do when the camera leaves.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;

use super::fetch::{Fetched, Fetcher, Interruption, Want};
use super::held::{Dir, marker};
use super::learned::Learned;
use super::make_room::RoomMaker;
use super::name::{Entry, FileName, Format};
use super::partials::Partials;
use super::plan::{Fetch, Plan};
use super::source::{Offer, Source};
use super::verify::Repair;
use super::{Pass, verify};
use crate::error::{Error, Result};
use crate::pass::Report;
use crate::progress::Item;
use crate::rate::Pacer;
use crate::steady::is_too_slow;
use crate::store::write_atomically;
use crate::units::{ByteSize, human_duration};

/// A recording so close to the newest may still be being written.
const RECENT: chrono::Duration = chrono::Duration::hours(1);
/// So many recordings in a row that break off, although the camera answers, and the pass is over.
const MAX_LOST_IN_A_ROW: u32 = 3;
/// A file may break off so often, each time further on, before it is left for a later pass.
const MAX_RESUMPTIONS: u32 = 100;

/// A plan under way.
pub(super) struct Execution<'a> {
    pass: Pass<'a>,
    learned: &'a mut Learned,
    report: &'a mut Report,
    source: Source,
    /// The newest recording listed.
    newest: Option<NaiveDateTime>,
    room: RoomMaker<'a>,
    partials: Partials,
    pacer: Pacer,
    buffer: Vec<u8>,
    lost_in_a_row: u32,
    /// Listed, and yet answered with 404.
    vanished: Vec<Want>,
}

/// What ends the fetching of one file without ending the pass.
enum Ended {
    As(Fetched),
    /// It breaks off, although the camera answers.
    Lost(String),
}

impl<'a> Execution<'a> {
    pub(super) fn new(
        pass: Pass<'a>,
        plan: &Plan,
        learned: &'a mut Learned,
        report: &'a mut Report,
        source: Source,
    ) -> Self {
        let mut partials = Partials::load(pass.store);
        let existing: HashSet<String> = pass
            .held
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
            source,
            newest: None,
            room: RoomMaker::new(pass, plan),
            partials,
            pacer: Pacer::new(pass.settings.timetable.clone(), pass.context.now),
            buffer: Vec::new(),
            lost_in_a_row: 0,
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
            let repairs = verify::check(self.pass, &self.source, offer, self.report)?;
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

    /// Whether nothing is to be begun at this time of day.
    fn is_paused(&self) -> bool {
        let is_paused = self.pacer.is_paused();
        if is_paused {
            log::info!("--limit-rate pauses now: the rest is left for a later pass");
        }
        is_paused
    }

    /// A recording that is gone may have been overwritten since it was listed. If it is listed still, the camera cannot
    /// give it, or we ask in the wrong place: nobody is to take that for a success.
    fn explain_vanished(&mut self) -> Result<()> {
        if self.vanished.is_empty() {
            return Ok(());
        }
        let here = self.pass.settings.addresses.iter().filter(|address| self.source.is_at(address));
        let (_, offer) = Source::connect(here, self.pass.http)?;
        for want in std::mem::take(&mut self.vanished) {
            if offer.listing.videos.binary_search(&want.file).is_err() {
                log::info!("{}: no longer on the camera", want.file);
                continue;
            }
            self.report.fail(&self.pass.context.told, want.file, "http", "the camera lists it, and answers 404");
            self.leave_marker(&want)?;
        }
        Ok(())
    }

    /// Partial files of recordings that the camera has overwritten: nothing more will come. One that is whole, because
    /// the camera left just before it was published, is published; of the others what there is stays.
    fn settle_orphans(&mut self, offer: &Offer) -> Result<()> {
        for (entry, dir) in &self.pass.held.others {
            let Entry::Partial(name) = *entry else { continue };
            let is_orphan = name.format() == Format::Video && offer.listing.videos.binary_search(&name).is_err();
            if !is_orphan || self.pass.held.has(name) {
                continue;
            }
            if self.partials.publish_if_whole(name, &self.path(*dir, *entry))? {
                log::info!("{name}: no longer on the camera, and all of it is here");
                self.report.arrived_files += 1;
                self.report.arrived_recordings += 1;
            } else {
                let text = format_args!("{name}: no longer on the camera; what had arrived is kept as {entry}");
                self.pass.context.told.warn(&format!("orphan:{name}"), text);
            }
        }
        Ok(())
    }

    fn fetch_recording(&mut self, fetch: &Fetch, item: &Item) -> Result<()> {
        if self.room.is_filled_for_good() {
            let text = "what is protected fills --keep-bytes alone: nothing else is fetched";
            self.pass.context.told.warn("filled-for-good", text);
        }
        let is_protected = self.pass.settings.policy.protects(fetch.video, self.pass.held);
        let has_to_leave = self.room.is_filled_for_good()
            || (!is_protected && self.room.is_too_old(fetch.video))
            || self.has_to_leave(fetch)?;
        if has_to_leave {
            self.report.left_out_recordings += 1;
            return Ok(());
        }
        for format in &fetch.formats {
            let file = fetch.video.sibling(*format);
            let want = match self.want(file, fetch.video, fetch.dir) {
                Err(error) if error.is_in_the_way() => {
                    self.report.fail(&self.pass.context.told, file, "refused", error.with_causes());
                    break;
                }
                want => want?,
            };
            let goes_on = self.fetch_file(&want, item)?;
            // Of a recording that is not over, has no room or breaks off, nothing else is fetched either.
            if *format == Format::Video && !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// Under a limit of room the length of a recording is asked for before its bytes are.
    fn has_to_leave(&mut self, fetch: &Fetch) -> Result<bool> {
        let is_begun = self.pass.held.partial(fetch.video).is_some();
        if !self.pass.settings.is_limited() || is_begun || !fetch.formats.contains(&Format::Video) {
            return Ok(false);
        }
        match self.source.length(fetch.video, fetch.video) {
            Ok(Some(length)) => self.room.has_to_leave(length, fetch.video),
            // Whatever it is, the fetching will meet it too.
            _ => Ok(false),
        }
    }

    fn want(&self, file: FileName, video: FileName, dir: Option<Dir>) -> Result<Want> {
        self.pass.store.check_still_there()?;
        let group = match dir {
            Some(dir) => self.pass.held.dir(dir).to_owned(),
            None => self.pass.settings.policy.grouping.dir(file.at()),
        };
        Ok(Want {
            file,
            video,
            dir: self.pass.store.group_dir(&group)?,
            partial_dir: self
                .pass
                .held
                .partial(file)
                .map(|dir| self.pass.store.group_dir(self.pass.held.dir(dir)))
                .transpose()?,
            replaces: false,
            is_recent: self.newest.is_none_or(|newest| newest - file.at() <= RECENT),
        })
    }

    /// Fetches one file and accounts for it. Returns whether to go on with its sidecars.
    fn fetch_file(&mut self, want: &Want, item: &Item) -> Result<bool> {
        let (began, received_before) = (Instant::now(), self.report.transferred_bytes);
        let told = &self.pass.context.told;
        let is_video = want.file.format() == Format::Video;
        let fetched = match self.fetch_through(want, item) {
            Ok(Ended::As(fetched)) => fetched,
            Ok(Ended::Lost(cause)) => {
                self.learned.broke_off.insert(want.video);
                let message = format!("{cause}; what has arrived is kept for the next pass");
                self.report.fail(told, want.file, "network", message);
                self.lost_in_a_row += 1;
                if self.lost_in_a_row == MAX_LOST_IN_A_ROW {
                    let text = format!("the camera answers, but one recording after the other breaks off: {cause}");
                    return Err(Error::Source(text));
                }
                return Ok(false);
            }
            Err(error) if error.is_in_the_way() => {
                self.report.fail(told, want.file, "refused", error.with_causes());
                return Ok(true);
            }
            Err(error) => return Err(self.pass.store.check_still_there().err().unwrap_or(error)),
        };
        match fetched {
            Fetched::Published => {
                let received = self.report.transferred_bytes - received_before;
                log::info!("{}: fetched {} in {}", want.file, ByteSize(received), human_duration(began.elapsed()));
                self.lost_in_a_row = 0;
                self.learned.broke_off.remove(&want.video);
                self.report.arrived_files += 1;
                self.report.arrived_recordings += usize::from(is_video);
                self.remove_marker(want)?;
            }
            Fetched::StillWritten => {
                self.report.open_files += 1;
                return Ok(false);
            }
            Fetched::LeftOut => {
                self.report.left_out_recordings += usize::from(is_video);
                return Ok(false);
            }
            Fetched::Absent if is_video => {
                self.vanished.push(want.clone());
                return Ok(false);
            }
            Fetched::Absent => {
                // Beside a recording that has just ended it may still come.
                if !want.is_recent {
                    self.learned.absent.insert(want.file);
                }
                self.remove_marker(want)?;
            }
            Fetched::Failed { reason, message, lasts } => {
                self.report.fail(told, want.file, reason, message);
                if lasts && !want.replaces {
                    self.leave_marker(want)?;
                }
            }
        }
        Ok(true)
    }

    /// Fetches one file, going on after each break as long as the camera answers and the file grows, and not
    /// at a drip.
    fn fetch_through(&mut self, want: &Want, item: &Item) -> Result<Ended> {
        let mut furthest = None;
        for _ in 0..MAX_RESUMPTIONS {
            let asked = Instant::now();
            let (room, report) = (&mut self.room, &mut *self.report);
            let mut ask = |need: u64| room.ask(report, need, want.file);
            let mut fetcher = Fetcher {
                source: &self.source,
                partials: &mut self.partials,
                pacer: &self.pacer,
                stop: &self.pass.context.stop,
                buffer: &mut self.buffer,
                received: 0,
                paced: Duration::ZERO,
            };
            let outcome = fetcher.fetch(want, item, &mut ask);
            let (received, took) = (fetcher.received, asked.elapsed().saturating_sub(fetcher.paced));
            self.report.transferred_bytes += received;
            let (cause, have) = match outcome {
                Ok(outcome) => return Ok(Ended::As(outcome)),
                Err(Interruption::Error(error)) => return Err(error),
                Err(Interruption::Lost { cause, have }) => (cause, have),
            };
            log::info!("{}: {cause}", want.file);
            self.reconnect(&cause)?;
            let is_slow = is_too_slow(received, took, self.pass.settings.timeout);
            if is_slow || furthest.is_some_and(|furthest| have <= furthest) {
                return Ok(Ended::Lost(cause));
            }
            furthest = Some(have);
        }
        Ok(Ended::Lost("it broke off too often".into()))
    }

    /// The one question after a break: is the camera still there, or at another of its addresses?
    fn reconnect(&mut self, cause: &str) -> Result<()> {
        let Err(silence) = self.source.answers() else { return Ok(()) };
        self.pass.context.stop.check()?;
        log::debug!("asked again: {silence}");
        let others = self.pass.settings.addresses.iter().filter(|address| !self.source.is_at(address));
        if let Ok((found, _)) = Source::connect(others, self.pass.http) {
            self.source = found;
            return Ok(());
        }
        self.pass.context.stop.check()?;
        Err(Error::Away(format!("the camera has left ({cause}); what is complete is kept, the rest waits for it")))
    }

    /// Leaves the journals as short as they can be.
    pub(super) fn finish(self) {
        self.partials.tidy();
    }

    fn leave_marker(&mut self, want: &Want) -> Result<()> {
        let name = Entry::Failed(want.file);
        // Over the old marker where there is one, else beside where the file would be.
        let old =
            self.pass.held.others.iter().find(|(entry, _)| *entry == name).map(|(_, dir)| self.pass.held.dir(*dir));
        let dir = old.map_or_else(|| Ok(want.dir.clone()), |dir| self.pass.store.group_dir(dir))?;
        self.report.failed_marker_files += usize::from(old.is_none());
        write_atomically(&dir.join(name.to_string()), marker(self.pass.context.local_now()).as_bytes())
    }

    /// Removes what told that the file could not be had: its marker, a damaged copy.
    fn remove_marker(&mut self, want: &Want) -> Result<()> {
        let (failed, damaged) = (Entry::Failed(want.file), Entry::Damaged(want.file));
        for (entry, dir) in
            self.pass.held.others.iter().filter(|(entry, _)| *entry == failed || (*entry == damaged && !want.replaces))
        {
            self.pass.store.remove(Path::new(self.pass.held.dir(*dir)).join(entry.to_string()))?;
            self.report.failed_marker_files =
                self.report.failed_marker_files.saturating_sub(usize::from(*entry == failed));
        }
        Ok(())
    }

    fn path(&self, dir: Dir, entry: Entry) -> PathBuf {
        self.pass.store.root().join(self.pass.held.dir(dir)).join(entry.to_string())
    }
}

//! The effects of a plan: removing, marking, fetching, and what to do when the camera leaves.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use chrono::NaiveDateTime;
use rustix::io::Errno;

use super::camera::Http;
use super::fetch::{Fetched, Fetcher, Interruption, Want};
use super::held::{Dir, Held, marker};
use super::name::{Entry, FileName, Format, Moment};
use super::partials::Partials;
use super::plan::{Fetch, Plan, Removal, Unit, candidates, files_of};
use super::source::{Offer, Source};
use super::{Absent, Settings, verify};
use crate::disk::Space;
use crate::error::{At, Error, Result};
use crate::pass::{Context, Report};
use crate::progress::Item;
use crate::rate::Limiter;
use crate::retention::Reason;
use crate::room::{Room, Verdict};
use crate::store::{Store, remove};
use crate::units::ByteSize;

/// A recording so close to the newest may still be being written.
const RECENT: chrono::Duration = chrono::Duration::hours(1);
/// So many files in a row that break off, although the camera answers: it is as good as away.
const MAX_LOST_IN_A_ROW: u32 = 3;
/// A file may break off so often, each time further on, before it is left for a later pass.
const MAX_RESUMPTIONS: u32 = 100;

/// A plan under way.
pub(super) struct Execution<'a> {
    settings: &'a Settings,
    context: &'a Context,
    store: &'a Store,
    held: &'a Held,
    absent: &'a mut Absent,
    report: &'a mut Report,
    room: Room<Unit>,
    partials: Partials,
    limiter: Limiter,
    buffer: Vec<u8>,
}

/// What ends the fetching of one file without ending the pass.
enum Ended {
    As(Fetched),
    /// It breaks off, although the camera answers.
    Lost(String),
}

impl<'a> Execution<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        context: &'a Context,
        store: &'a Store,
        held: &'a Held,
        plan: &Plan,
        absent: &'a mut Absent,
        report: &'a mut Report,
    ) -> Self {
        let room = room(settings, held, plan);
        let mut partials = Partials::load(store);
        let existing: HashSet<String> = held
            .others
            .iter()
            .filter_map(|(entry, _)| match entry {
                Entry::Partial(name) => Some(name.to_string()),
                _ => None,
            })
            .collect();
        partials.retain(|name| existing.contains(name));
        let limiter = Limiter::new(settings.limit_rate);
        Self { settings, context, store, held, absent, report, room, partials, limiter, buffer: Vec::new() }
    }

    /// Marks moments as protected, beside their recordings.
    pub(super) fn mark(&mut self, moments: &[Moment]) -> Result<()> {
        for moment in moments {
            let beside = self.held.files.iter().find(|file| file.name.at() == moment.0).map(|file| file.dir);
            let dir = self.dir_for(moment.0, beside)?;
            let path = dir.join(Entry::Protected(*moment).to_string());
            fs::write(&path, "").at("write", &path)?;
            log::info!("{moment}: protected from retention; remove {} to release it", path.display());
        }
        Ok(())
    }

    /// Removes files, and the group directories that became empty.
    pub(super) fn remove(&mut self, removals: &[Removal]) -> Result<()> {
        let mut dirs = HashSet::new();
        for removal in removals {
            let path = self.store.root().join(self.held.dir(removal.dir)).join(removal.entry.to_string());
            remove(&path)?;
            log::info!("{}: removed ({})", removal.entry, removal.reason);
            self.report.removed(removal.reason, removal.bytes);
            if removal.reason == Reason::OverQuota {
                self.report.given_up_until = self.report.given_up_until.max(Some(removal.entry.at()));
            }
            dirs.insert(removal.dir);
        }
        for dir in dirs {
            self.store.remove_group_dir_if_empty(self.held.dir(dir));
        }
        Ok(())
    }

    /// Fetches everything planned, and with `--verify` what turns out short.
    pub(super) fn fetch_all(&mut self, source: &mut Source, http: &Http, offer: &Offer, plan: &Plan) -> Result<()> {
        let newest = offer.listing.videos.last().map(|video| video.at());
        let mut items = self.context.progress.items(plan.fetches.len());
        let mut lost_in_a_row = 0;
        for fetch in &plan.fetches {
            self.context.stop.check()?;
            let item = items.begin(fetch.video.to_string());
            self.fetch_recording(source, http, fetch, newest, &item, &mut lost_in_a_row)?;
        }
        drop(items);
        if self.settings.verify {
            let short = verify::check(source, offer, self.held, self.store, self.context, self.report)?;
            let mut items = self.context.progress.items(short.len());
            for (file, dir) in short {
                let item = items.begin(file.to_string());
                let want = self.want(file, file, Some(dir), newest, true)?;
                self.fetch_file(source, http, &want, &item, &mut lost_in_a_row)?;
            }
        }
        Ok(())
    }

    fn fetch_recording(
        &mut self,
        source: &mut Source,
        http: &Http,
        fetch: &Fetch,
        newest: Option<NaiveDateTime>,
        item: &Item,
        lost_in_a_row: &mut u32,
    ) -> Result<()> {
        let given_up = self.report.given_up_until.is_some_and(|until| fetch.video.at() <= until);
        if given_up && self.is_limited() {
            self.report.left_out += 1;
            return Ok(());
        }
        for format in &fetch.formats {
            let file = fetch.video.sibling(*format);
            let want = match self.want(file, fetch.video, fetch.dir, newest, false) {
                Err(error) if is_in_the_way(&error) => {
                    self.report.fail(&self.context.told, file, "refused", error.with_causes());
                    continue;
                }
                want => want?,
            };
            let fetched = self.fetch_file(source, http, &want, item, lost_in_a_row)?;
            // Of a recording that is not over, or has no room, nothing else is fetched either.
            if *format == Format::Video && matches!(fetched, Some(Fetched::StillWritten | Fetched::LeftOut)) {
                break;
            }
        }
        Ok(())
    }

    fn is_limited(&self) -> bool {
        self.settings.policy.keep_bytes.is_some() || self.settings.delete_oldest
    }

    fn want(
        &self,
        file: FileName,
        video: FileName,
        dir: Option<Dir>,
        newest: Option<NaiveDateTime>,
        replaces: bool,
    ) -> Result<Want> {
        let partial_dir = self.held.partial(file).map(|dir| self.store.root().join(self.held.dir(dir)));
        let is_recent = newest.is_none_or(|newest| newest - file.at() <= RECENT);
        self.store.check_still_there()?;
        Ok(Want { file, video, dir: self.dir_for(file.at(), dir)?, partial_dir, replaces, is_recent })
    }

    fn dir_for(&self, at: NaiveDateTime, dir: Option<Dir>) -> Result<PathBuf> {
        match dir {
            Some(dir) => self.store.group_dir(self.held.dir(dir)),
            None => self.store.group_dir(&self.settings.policy.grouping.dir(at)),
        }
    }

    /// Fetches one file and accounts for it.
    fn fetch_file(
        &mut self,
        source: &mut Source,
        http: &Http,
        want: &Want,
        item: &Item,
        lost_in_a_row: &mut u32,
    ) -> Result<Option<Fetched>> {
        let began = std::time::Instant::now();
        let fetched = match self.fetch_through(source, http, want, item) {
            Ok(Ended::As(fetched)) => {
                *lost_in_a_row = 0;
                fetched
            }
            Ok(Ended::Lost(cause)) => {
                let message = format!("{cause}; what has arrived is kept for the next pass");
                self.report.fail(&self.context.told, want.file, "network", message);
                *lost_in_a_row += 1;
                if *lost_in_a_row == MAX_LOST_IN_A_ROW {
                    return Err(Error::Away(format!("the camera answers, but its files break off: {cause}")));
                }
                return Ok(None);
            }
            Err(error) if is_in_the_way(&error) => {
                self.report.fail(&self.context.told, want.file, "refused", error.with_causes());
                return Ok(None);
            }
            Err(error) => return Err(self.store.check_still_there().err().unwrap_or(error)),
        };
        match &fetched {
            Fetched::Published { received, length } => {
                let seconds = began.elapsed().as_secs_f64();
                log::info!("{}: fetched {} in {seconds:.1} s", want.file, ByteSize(*received));
                self.room.written(*length);
                self.report.files_fetched += 1;
                self.report.recordings_fetched += usize::from(want.file.format() == Format::Video);
                self.unmark_failed(want)?;
            }
            Fetched::StillWritten => self.report.still_written += 1,
            Fetched::LeftOut => {
                self.report.left_out += 1;
                self.report.given_up_until = self.report.given_up_until.max(Some(want.file.at()));
            }
            Fetched::Absent if want.file.format() == Format::Video => {
                log::info!("{}: no longer on the camera", want.file);
            }
            Fetched::Absent => {
                self.absent.insert(want.file);
                self.unmark_failed(want)?;
            }
            Fetched::Failed { reason, message, mark } => {
                self.report.fail(&self.context.told, want.file, reason, message.clone());
                if *mark {
                    self.mark_failed(want)?;
                }
            }
        }
        Ok(Some(fetched))
    }

    /// Fetches one file, going on after each break as long as the camera answers and the file grows.
    fn fetch_through(&mut self, source: &mut Source, http: &Http, want: &Want, item: &Item) -> Result<Ended> {
        let mut furthest = None;
        for _ in 0..MAX_RESUMPTIONS {
            let room = &mut self.room;
            let (store, held, report) = (self.store, self.held, &mut *self.report);
            let mut ask = |need: u64, at: NaiveDateTime| make_room(room, store, held, report, need, at);
            let mut fetcher = Fetcher {
                source,
                partials: &mut self.partials,
                limiter: &mut self.limiter,
                stop: &self.context.stop,
                buffer: &mut self.buffer,
            };
            let (cause, have) = match fetcher.fetch(want, item, &mut ask) {
                Ok(outcome) => {
                    if let Fetched::Published { received, .. } = outcome {
                        self.report.bytes_fetched += received;
                    }
                    return Ok(Ended::As(outcome));
                }
                Err(Interruption::Error(error)) => return Err(error),
                Err(Interruption::Lost { cause, have, received }) => {
                    self.report.bytes_fetched += received;
                    (cause, have)
                }
            };
            log::debug!("{}: {cause}", want.file);
            self.reconnect(source, http, &cause)?;
            if furthest.is_some_and(|furthest| have <= furthest) {
                return Ok(Ended::Lost(cause));
            }
            furthest = Some(have);
        }
        Ok(Ended::Lost("it broke off too often".into()))
    }

    /// The one question after a break: is the camera still there, or at another of its addresses?
    fn reconnect(&self, source: &mut Source, http: &Http, cause: &str) -> Result<()> {
        let Err(silence) = source.answers() else { return Ok(()) };
        self.context.stop.check()?;
        let others = self.settings.addresses.len() > 1;
        if others && let Ok((found, _)) = Source::connect(&self.settings.addresses, http) {
            *source = found;
            return Ok(());
        }
        self.context.stop.check()?;
        log::debug!("asked again: {silence}");
        Err(Error::Away(format!("the camera has left ({cause}); what is complete is kept, the rest waits for it")))
    }

    /// Leaves the journal as short as it can be.
    pub(super) fn finish(self) {
        self.partials.tidy();
    }

    fn mark_failed(&self, want: &Want) -> Result<()> {
        let path = self.failed_path(want);
        fs::write(&path, marker(self.context.local_now())).at("write", &path)
    }

    fn unmark_failed(&self, want: &Want) -> Result<()> {
        if self.held.failed.contains_key(&want.file) {
            for (_, dir) in self.held.others.iter().filter(|(entry, _)| *entry == Entry::Failed(want.file)) {
                remove(&self.store.root().join(self.held.dir(*dir)).join(Entry::Failed(want.file).to_string()))?;
            }
        }
        Ok(())
    }

    /// Over the old marker where there is one, else beside where the file would be.
    fn failed_path(&self, want: &Want) -> PathBuf {
        let name = Entry::Failed(want.file);
        let old = self.held.others.iter().find(|(entry, _)| *entry == name).map(|(_, dir)| self.held.dir(*dir));
        old.map_or(want.dir.clone(), |dir| self.store.root().join(dir)).join(name.to_string())
    }
}

/// Something of the user's stands where one of our files or directories would: that item fails, the others go on.
fn is_in_the_way(error: &Error) -> bool {
    use std::io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory};
    matches!(error, Error::Io { source, .. } if matches!(source.kind(), AlreadyExists | IsADirectory | NotADirectory)
        || Errno::from_io_error(source) == Some(Errno::LOOP))
}

/// The room there will be once the plan's removals are done.
fn room(settings: &Settings, held: &Held, plan: &Plan) -> Room<Unit> {
    let removed: HashSet<Unit> = plan.removals.iter().filter_map(|removal| Unit::of(removal.entry)).collect();
    let removed_bytes: u64 = plan.removals.iter().map(|removal| removal.bytes).sum();
    let held_bytes: u64 = held.files.iter().map(|file| file.bytes).sum();
    let quota = settings.policy.keep_bytes;
    let mut candidates =
        if quota.is_some() || settings.delete_oldest { candidates(held, &settings.policy) } else { Vec::new() };
    candidates.retain(|candidate| !removed.contains(&candidate.key));
    Room::new(candidates, held_bytes.saturating_sub(removed_bytes), settings.guard, quota, settings.delete_oldest)
}

/// Asks for room and removes what has to go for it.
fn make_room(
    room: &mut Room<Unit>,
    store: &Store,
    held: &Held,
    report: &mut Report,
    need: u64,
    at: NaiveDateTime,
) -> Result<bool> {
    let space = Space::of(store.root())?;
    report.disk_used_ratio = Some(space.used_ratio());
    match room.ask(need, at, space) {
        Verdict::TooOld => Ok(false),
        Verdict::Full(shortage) => Err(shortage.into_error(store.root())),
        Verdict::Fits(units) => {
            for (unit, reason) in units {
                for removal in files_of(unit, held, reason) {
                    remove(&store.root().join(held.dir(removal.dir)).join(removal.entry.to_string()))?;
                    log::info!("{}: removed ({reason})", removal.entry);
                    report.removed(reason, removal.bytes);
                    store.remove_group_dir_if_empty(held.dir(removal.dir));
                }
                if matches!(reason, Reason::OverQuota | Reason::DiskFull) {
                    report.given_up_until = report.given_up_until.max(Some(unit.at));
                }
            }
            Ok(true)
        }
    }
}

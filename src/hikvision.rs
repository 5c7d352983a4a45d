//! `footage hikvision`: MP4 and JPEG files out of the storage that Hikvision and EZVIZ cameras write, over NFS or to a card.
//!
//! A pass reads the live records of the cameras' indexes and the inventory of the destination, plans, and executes:
//! retention first, then extraction, several segments at a time. It verifies before and after copying that the ring file
//! still holds the segment, and publishes a complete result. The part that it can read of a damaged recording is kept
//! under a hidden name. The pass only reads the storage, which a camera may be writing to.
//!
//! | module | idea |
//! | --- | --- |
//! | [`camera_time`] | the camera's wall clock, which has no zone |
//! | [`segment`] | one closed recording or picture of an index |
//! | [`index`] | the binary index, and which of its records are live |
//! | [`sqlite`] | the SQLite indexes of newer firmware |
//! | [`stream`] | the head of a program stream: its segment and its codecs |
//! | [`picture`] | one JPEG out of a range of a `.pic` file |
//! | [`name`] | the names of extracted files |
//! | [`plan`] | live recordings and the inventory in, steps out |
//! | [`mp4`] | the tracks of an MP4 file that ffmpeg has written |
//! | [`extract`] | one segment into an MP4 file, through ffmpeg |
//! | [`read_at`] | bytes that are read at offsets |
//! | [`storage`] | cameras found in the inputs, their indexes read |
//! | [`inventory`] | the files of a camera in the destination |
//! | [`failed`] | what could not be extracted, and when to try it again |
//!
//! The words are those of the [glossary](crate#glossary). A *generation* is the data that the camera writes to a ring file from
//! one start of filling it to the next: live records are of the present one. A *tag* is a camera's name, fit for file names.

pub mod camera_time;
mod execute;
pub mod extract;
pub mod failed;
pub mod index;
pub mod inventory;
mod job;
pub mod mp4;
pub mod name;
mod nothing;
pub mod picture;
pub mod plan;
pub mod read_at;
pub mod segment;
mod show;
mod source;
pub mod sqlite;
pub mod storage;
pub mod stream;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDateTime;

use self::camera_time::CameraTime;
use self::failed::FailedBefore;
use self::inventory::Inventory;
use self::name::Tag;
use self::plan::{Plan, Policy, Step};
use self::segment::Medium;
use self::source::{Cameras, Source};
use crate::dir_cache::DirCache;
use crate::disk::{Guard, Space};
use crate::error::Result;
use crate::ffmpeg;
use crate::pass::{self, Context, Report, failure_key};
use crate::pass_name::PassName;
use crate::retention::Keep;
use crate::steps;
use crate::store::Store;

/// The settings of a pass, resolved.
#[derive(Debug)]
pub struct Settings {
    /// Where cameras are looked for.
    pub inputs: Vec<PathBuf>,
    /// Where footage goes.
    pub destination: PathBuf,
    /// `--list`: nothing but a listing.
    pub is_list: bool,
    /// `--camera`: tags by folder name or path.
    pub renames: BTreeMap<String, Tag>,
    /// What to extract and how long to keep it.
    pub selection: Selection,
    /// `--max-used-disk`, `--min-free`
    pub guard: Guard,
    /// `--jobs`; none is the number of cores.
    pub jobs: Option<NonZeroUsize>,
    /// `--timeout`
    pub timeout: Duration,
    /// `--retry-failed-after`
    pub retry_failed_after: Duration,
    /// `--ffmpeg`
    pub ffmpeg: Option<PathBuf>,
}

/// Which recordings to extract, as relative times until the clock is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection {
    /// `--from`
    pub from: Option<CameraTime>,
    /// `--to`
    pub to: Option<CameraTime>,
    /// `--since`
    pub since: Option<Duration>,
    /// `--keep`
    pub keep: Option<Keep>,
    /// `--no-pictures`
    pub without_pictures: bool,
}

impl Selection {
    /// The same with absolute times, when the host's clock shows `now`. Assumes that a camera's clock shows about the same.
    fn policy(self, now: NaiveDateTime) -> Policy {
        let age = |since: Duration| chrono::Duration::from_std(since).ok();
        let since = self.since.and_then(age).and_then(|age| now.checked_sub_signed(age)).map(CameraTime::from_digits);
        Policy {
            from: self.from.max(since),
            to: self.to,
            keep_from: self.keep.and_then(|keep| keep.cutoff(now)).map(CameraTime::from_digits),
            without_pictures: self.without_pictures,
        }
    }
}

impl pass::Pass for Settings {
    type Input = Cameras;
    const NAME: PassName = PassName::Hikvision;

    fn source(&self) -> String {
        self.peers().into_iter().next().unwrap_or_default()
    }

    fn peers(&self) -> Vec<String> {
        self.inputs.iter().map(|input| input.display().to_string()).collect()
    }

    fn dirs(&self) -> Vec<PathBuf> {
        vec![self.destination.clone()]
    }

    fn is_read_only(&self) -> bool {
        self.is_list
    }

    fn is_listing(&self) -> bool {
        self.is_list
    }

    fn read(&self) -> Result<Cameras> {
        source::look(self)
    }

    fn run(&self, cameras: Cameras, stores: &[Store], context: &Context, report: &mut Report) -> Result<()> {
        run(self, cameras, &stores[0], context, report)
    }
}

/// A camera, what it and the destination hold, and the plan.
struct Work {
    source: Source,
    inventory: Inventory,
    plan: Plan,
}

impl Work {
    fn plan(
        (source, inventory): (Source, Inventory),
        policy: &Policy,
        failed_before: &FailedBefore,
        context: &Context,
        report: &mut Report,
    ) -> Self {
        let mut plan = plan::plan(&source.listing.segments, &inventory.files, policy);
        plan.steps.retain(|step| {
            let Step::Extract { segment, name } = step else { return true };
            let waits = failed_before.waits(&source.tag, segment);
            if waits {
                report.waiting_files += 1;
                context.notices.keep(&failure_key(&name.path(&source.tag).display()));
            }
            !waits
        });
        report.seen_recordings += source.listing.segments.len();
        report.selected_recordings += source.listing.segments.len() - plan.unwanted - plan.expired;
        report.open_files += usize::try_from(source.listing.in_progress).unwrap_or(usize::MAX);
        Self { source, inventory, plan }
    }

    fn needs_ffmpeg(&self) -> bool {
        let is_video = |step: &Step| matches!(step, Step::Extract { name, .. } if name.medium == Medium::Video);
        self.plan.steps.iter().any(is_video)
    }
}

/// One pass over the `cameras` that [`Pass::read`](pass::Pass::read) found, and a destination that is locked unless it
/// changes nothing.
///
/// # Errors
/// What ended it early; the report then counts what was done until then.
pub fn run(settings: &Settings, cameras: Cameras, store: &Store, context: &Context, report: &mut Report) -> Result<()> {
    let policy = settings.selection.policy(context.local_now());
    let found = cameras.known(settings, context, report);
    report.memory.contact.reached(report.start_timestamp_seconds);
    if settings.is_list {
        let (mut sources, late) = source::read(found, context, report)?;
        for found in late {
            sources.push(source::read_late(found, context, report)?);
        }
        show::list(&sources, &policy, context.json);
        report.nothing(&context.notices, nothing::to_list(&sources, &policy, &settings.selection));
        return Ok(());
    }

    // Read: the listings of the cameras, the inventory of the destination.
    let (sources, late) = source::read(found, context, report)?;
    report.seen_cameras = sources.len() + late.len();
    report.disk_used_ratio = Space::of(store.root()).ok().map(Space::used_ratio);
    let mut cache = DirCache::load(store, "hikvision.held", context.now.into());
    let mut inventory_of = |tag: &Tag| Inventory::read(store, tag, &mut cache);
    let sources = sources.into_iter().map(|source| Ok((inventory_of(&source.tag)?, source)));
    let sources = sources.collect::<Result<Vec<_>>>()?;
    let late = late.into_iter().map(|found| Ok((inventory_of(&found.tag)?, found))).collect::<Result<Vec<_>>>()?;
    if !context.changes_nothing {
        cache.save();
    }

    // Plan and execute: first all cameras whose indexes were read at once, then the others one by one.
    let mut failed_before = FailedBefore::load(store, context.local_now(), settings.retry_failed_after);
    let mut works = Vec::new();
    for (inventory, source) in sources {
        works.push(Work::plan((source, inventory), &policy, &failed_before, context, report));
    }
    let mut ended = execute(&works, settings, store, context, report, &mut failed_before);
    for (inventory, found) in late {
        if ended.is_err() {
            break;
        }
        ended = source::read_late(found, context, report).and_then(|source| {
            works.push(Work::plan((source, inventory), &policy, &failed_before, context, report));
            let last = works.last().map(std::slice::from_ref).unwrap_or_default();
            execute(last, settings, store, context, report, &mut failed_before)
        });
    }
    if ended.is_ok() && report.waiting_files == 0 {
        for nothing in nothing::why(&works, &settings.selection) {
            report.nothing(&context.notices, Some(nothing));
        }
    }
    if context.changes_nothing {
        ended?;
        steps::show(report, &show::steps(&works), context.json);
        return Ok(());
    }
    if ended.is_ok() {
        failed_before.forget_others(works.iter().map(|work| (&work.source.tag, &work.source.listing.segments)));
    }
    failed_before.save();
    ended
}

/// Executes the plans of these cameras. Without a usable ffmpeg it executes nothing.
fn execute(
    works: &[Work],
    settings: &Settings,
    store: &Store,
    context: &Context,
    report: &mut Report,
    failed: &mut FailedBefore,
) -> Result<()> {
    if context.changes_nothing {
        return Ok(());
    }
    let ffmpeg = if works.iter().any(Work::needs_ffmpeg) {
        ffmpeg::find(settings.ffmpeg.as_deref(), &context.stop)?.path
    } else {
        PathBuf::new()
    };
    let mut execution = execute::Execution { settings, context, store, report, failed };
    execution.remove(works)?;
    execution.extract(works, &ffmpeg)
}

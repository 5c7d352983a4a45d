//! `footage dashcam`: brings the recordings of a `BlackVue` dashcam to a local directory.
//!
//! A pass reads the camera's listing and the destination, plans, and executes: first retention, then one file after the
//! other. It resumes each file where the last pass stopped, verifies it and publishes it. The car may drive away at any
//! time: that ends a pass and is not an error.
//!
//! | module | idea |
//! | --- | --- |
//! | [`address`] | where the camera is, as people type it |
//! | [`source`] | what a pass fetches from: [`blackvue`], over HTTP, or [`card`], in a reader; [`mod@connect`] finds it |
//! | [`listing`] | the camera's list of its recordings |
//! | [`name`] | the names of its files, and of partial files and markers beside them |
//! | [`policy`] | the user's options: which recordings, in which order, for how long |
//! | [`inventory`] | what the destination holds, in all groupings at once |
//! | `absent` | the sidecars that the camera does not have, remembered from pass to pass |
//! | [`plan`] | offer, inventory and policy in, removals and fetches out |
//! | [`download`] | one file: resumed, verified, published |
//! | [`partials`] | how far each partial file can be trusted |
//! | `execute` | the plan under way, and what to do when the camera leaves |
//! | `make_room`, `retain` | what is removed for new footage, and how |
//! | `verify` | the files that are here, against the camera and against their own structure |
//!
//! The words are those of the [glossary](crate#glossary). A *unit* is removed as a whole to free space: a recording with its
//! sidecars, or the sidecars that two recordings share.

mod absent;
pub mod address;
pub mod blackvue;
pub mod card;
pub mod connect;
pub mod download;
mod execute;
pub mod inventory;
pub mod listing;
mod make_room;
pub mod name;
mod nothing;
pub mod partials;
pub mod plan;
pub mod policy;
mod retain;
mod show;
pub mod source;
mod verify;
mod wire;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::header::{HeaderName, HeaderValue};

use self::absent::AbsentFile;
use self::address::Address;
use self::blackvue::Http;
use self::connect::connect;
use self::inventory::{Inventory, Reading};
use self::name::FileName;
use self::plan::Learned;
use self::policy::Policy;
use self::source::Offer;
use crate::disk::{Guard, Space};
use crate::error::{Error, Result};
use crate::network::Network;
use crate::pass::{self, Context, Report, failure_key};
use crate::pass_name::PassName;
use crate::rate::Timetable;
use crate::steps;
use crate::store::Store;

/// The settings of a pass, resolved.
#[derive(Debug)]
pub struct Settings {
    /// The camera, and where else it may be found.
    pub addresses: Vec<Address>,
    /// Where footage goes.
    pub destination: PathBuf,
    /// What to fetch, keep and protect.
    pub policy: Policy,
    /// `--max-used-disk`, `--min-free`
    pub guard: Guard,
    /// `--when-full delete-oldest`
    pub delete_oldest: bool,
    /// `--timeout`
    pub timeout: Duration,
    /// `--header`
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Proxies, and `--ca-bundle`.
    pub network: Network,
    /// `--limit-rate`
    pub timetable: Timetable,
    /// `--verify`
    pub verify: bool,
}

impl pass::Pass for Settings {
    type Input = ();
    const NAME: PassName = PassName::Dashcam;
    /// blackvuesync may still be in the same crontab.
    const PEER_LOCK: Option<&'static str> = Some(".blackvuesync.lock");

    fn source(&self) -> String {
        self.addresses.first().map(ToString::to_string).unwrap_or_default()
    }

    fn peers(&self) -> Vec<String> {
        self.addresses.iter().map(ToString::to_string).collect()
    }

    fn dirs(&self) -> Vec<PathBuf> {
        vec![self.destination.clone()]
    }

    fn push_timeout(&self) -> Duration {
        self.timeout
    }

    fn read(&self) -> Result<()> {
        check(self)
    }

    fn run(&self, (): (), stores: &[Store], context: &Context, report: &mut Report) -> Result<()> {
        run(self, &stores[0], context, report)
    }
}

impl Settings {
    /// Whether room is limited by removing what is oldest.
    fn is_limited(&self) -> bool {
        self.policy.keep_bytes.is_some() || self.delete_oldest
    }

    /// The limits of room in force; empty without any.
    fn limits(&self) -> String {
        let quota = self.policy.keep_bytes.map(|bytes| format!("keep-bytes {}", bytes.0));
        let ring = self.delete_oldest.then(|| format!("delete-oldest {:?}", self.guard));
        [quota, ring].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// The settings of a pass and the destination that it has read.
#[derive(Clone, Copy)]
struct Pass<'a> {
    settings: &'a Settings,
    context: &'a Context,
    store: &'a Store,
    inventory: &'a Inventory,
    http: &'a Http,
}

/// One pass over a destination that is locked for it, other than in a dry run.
///
/// # Errors
/// What ended the pass early; `report` has counted what was done before.
pub fn run(settings: &Settings, store: &Store, context: &Context, report: &mut Report) -> Result<()> {
    let http = Http {
        timeout: settings.timeout,
        headers: settings.headers.clone(),
        network: settings.network.clone(),
        stop: context.stop.clone(),
    };

    // Read: what the camera has, what is here.
    let source = connect(&settings.addresses, &http);
    let reading =
        Reading { afresh: settings.verify, remember: !context.changes_nothing, with_lengths: settings.is_limited() };
    let inventory = Inventory::read(store, context.now.into(), reading)?;
    for dir in &inventory.unreadable {
        let text = format_args!("cannot read {dir} in the destination: permission denied; skipped");
        context.notices.warn(&format!("unreadable:{dir}"), text);
    }
    report.failed_marker_files = inventory.failed_marker_files();
    report.disk_used_ratio = Space::of(store.root()).ok().map(Space::used_ratio);
    let mut absent = AbsentFile::load(store);
    let pass = Pass { settings, context, store, inventory: &inventory, http: &http };

    // Plan. With the camera away, retention is still due.
    let offer = source.as_ref().ok().map(|(_, offer)| offer);
    if offer.is_some() {
        report.memory.contact.reached(report.start_timestamp_seconds);
    }
    if report.memory.given_up_for != settings.limits() {
        report.memory.given_up.clear();
        report.memory.given_up_for = settings.limits();
    }
    let mut learned = Learned {
        absent: offer.map(|offer| absent.of(offer)).unwrap_or_default(),
        given_up: report.memory.given_up.iter().filter_map(|unit| unit.parse().ok()).collect(),
        broke_off: report.memory.broke_off.iter().filter_map(|name| name.parse().ok()).collect(),
    };
    let plan = plan::plan(offer, &inventory, &learned, &settings.policy, context.local_now());
    if let Some(offer) = offer {
        report.seen_recordings = offer.listing.videos.len();
        warn_of_listing(offer, &plan, context);
        for (option, code) in nothing::unknown_codes(&offer.listing.videos, &inventory, &settings.policy) {
            let text = format_args!(
                "{option} {code} fits no recording: types are {}, directions {}",
                name::TYPES,
                name::DIRECTIONS
            );
            context.notices.warn(&format!("code:{option}:{code}"), text);
        }
        let nothing = nothing::why(&offer.listing.videos, &inventory, &plan, &settings.policy, context.local_now());
        report.nothing(&context.notices, nothing);
    }
    report.selected_recordings = plan.selected;
    report.waiting_files = plan.waiting.len();
    report.left_out_recordings = plan.left_out;
    if context.changes_nothing {
        let (source, offer) = match source {
            Ok(found) => found,
            Err(error) => {
                steps::show(report, &show::steps(&plan, &[], &inventory, settings.policy.grouping), context.json);
                return Err(error);
            }
        };
        let repairs = if settings.verify { verify::check(pass, source.as_ref(), &offer, report)? } else { Vec::new() };
        steps::show(report, &show::steps(&plan, &repairs, &inventory, settings.policy.grouping), context.json);
        return Ok(());
    }

    // Execute.
    retain::protect(pass, &plan.protections)?;
    for removal in &plan.removals {
        retain::remove_entry(pass, report, removal)?;
    }
    report.removals.log();
    let (source, offer) = source?;
    let mut execution = execute::Execution::new(pass, &plan, &mut learned, report, source);
    let ended = execution.fetch_all(&offer, &plan);
    execution.finish();
    absent.save(&learned.absent);
    let on_camera = |name: &&FileName| offer.listing.videos.binary_search(name).is_ok();
    let listed: BTreeSet<String> =
        offer.listing.videos.iter().map(|video| plan::Unit::of_file(*video).to_string()).collect();
    report.memory.given_up.retain(|unit| listed.contains(unit));
    report.memory.broke_off = learned.broke_off.iter().filter(on_camera).map(ToString::to_string).collect();
    ended
}

/// Checks, before anything is created, that the card and the destination are not one inside the other: a card is only read.
///
/// # Errors
/// [`Error::Usage`]
fn check(settings: &Settings) -> Result<()> {
    let resolve = |path: &Path| {
        // A destination that does not exist yet is created in its nearest existing ancestor.
        path.ancestors().find_map(|ancestor| {
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            let here = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
            here.canonicalize().ok().map(|real| real.join(rest))
        })
    };
    let Some(destination) = resolve(&settings.destination) else { return Ok(()) };
    for address in &settings.addresses {
        let Address::Directory(path) = address else { continue };
        let Some(card) = resolve(path) else { continue };
        if destination.starts_with(&card) || card.starts_with(&destination) {
            let text = format!(
                "the card {} and the destination {} are one inside the other; the card is only read: name another \
                 destination with --destination",
                path.display(),
                settings.destination.display(),
            );
            return Err(Error::Usage(text));
        }
    }
    Ok(())
}

/// Warns of lines in the listing that footage does not know, and of options that match nothing.
fn warn_of_listing(offer: &Offer, plan: &plan::Plan, context: &Context) {
    for file in &plan.waiting {
        context.notices.keep(&failure_key(file));
    }
    for moment in &plan.protects_nothing {
        let text =
            format_args!("--protect {moment}: nothing of that moment is here or on the camera; nothing is marked");
        context.notices.warn(&format!("protect:{moment}"), text);
    }
    let listing = &offer.listing;
    if listing.was_empty {
        context.notices.warn("listing-empty", "the camera's listing is empty: is there a card in it?");
    }
    for line in &listing.unread {
        context
            .notices
            .warn(&format!("unread:{line}"), format_args!("not the name of a recording, left alone: {line:?}"));
    }
    if listing.unread_count > listing.unread.len() {
        let more = listing.unread_count - listing.unread.len();
        context
            .notices
            .warn("unread-more", format_args!("{more} more lines of the camera's listing are no recordings"));
    }
    for letters in listing.videos.iter().filter_map(|video| video.unknown_letters()).collect::<BTreeSet<_>>() {
        context.notices.warn(
            &format!("letters:{letters}"),
            format_args!("recordings named …_{letters}.mp4 are of a kind this program does not know; they are fetched"),
        );
    }
}

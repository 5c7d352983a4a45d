//! `footage upload`: uploads closed files to an S3 bucket, and verifies an object before it removes the file.
//!
//! A pass looks for closed files and reads the journals of earlier passes, plans, and executes: it removes files that were
//! verified long enough ago, then uploads the rest, the oldest recording first. Without new files it sends no request.
//!
//! | module | idea |
//! | --- | --- |
//! | [`pattern`], [`local`] | the files of the sources, and which of them are closed |
//! | [`key`] | the key of an object |
//! | [`ini`], [`profile`] | endpoint and region |
//! | [`credentials`], [`credential_process`], [`keys`] | the access key: where it comes from, and that it stays valid |
//! | [`journal`] | the state of each file, from pass to pass |
//! | [`plan`] | files and their journal records in, steps out |
//! | [`parts`] | the parts of a multipart upload |
//! | [`hash`] | MD5 and SHA-256 of the bytes to send |
//! | [`s3`] | signed requests to a bucket |
//! | [`piece`] | a file or part as a request body |
//!
//! The words are those of the [glossary](crate#glossary). An *upload*, beside the pass, is a multipart upload that S3 keeps
//! under an id until it is completed or aborted.

mod compare;
pub mod credential_process;
pub mod credentials;
mod empty;
mod execute;
pub mod hash;
pub mod ini;
pub mod journal;
pub mod key;
pub mod keys;
pub mod local;
mod nothing;
mod other_keys;
pub mod parts;
pub mod pattern;
pub mod piece;
pub mod plan;
pub mod profile;
pub mod s3;
pub mod shell_words;
mod show;
mod source;
mod sweep;
mod transfer;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::compare::Comparison;
pub use self::compare::Mode;
use self::execute::Execution;
use self::journal::{Journal, Record};
use self::key::Template;
use self::local::{FileId, Files, Local, SourceId};
use self::pattern::Patterns;
use self::piece::Flow;
use self::plan::{Known, Plan, Policy, Step};
use self::profile::Access;
use self::s3::Client;
use self::source::{SourceDir, Sources};
use self::transfer::Transfer;
use crate::error::{Error, Result};
use crate::failure::{FailureReason, ItemFailure};
use crate::network::Network;
use crate::open_files::OpenFiles;
use crate::pass::{self, Context, Report, failure_key};
use crate::pass_name::PassName;
use crate::rate::{Pacer, Timetable};
use crate::retention::Keep;
use crate::steps;
use crate::stop::Stop;
use crate::store::Store;
use crate::zone::Tz;

/// The settings of a pass, resolved.
#[derive(Debug)]
pub struct Settings {
    /// The directories to upload from.
    pub sources: Vec<PathBuf>,
    /// The bucket of `--to`.
    pub bucket: String,
    /// The prefix of every key, without slashes around it.
    pub prefix: String,
    /// Endpoint, region and credentials.
    pub access: Access,
    /// Proxies, and the certificates to trust.
    pub network: Network,
    /// The credentials file, when others may read it.
    pub exposed_credentials: Option<PathBuf>,
    /// `--pattern`
    pub patterns: Patterns,
    /// `--min-age`
    pub min_age: Duration,
    /// `--key`
    pub template: Template,
    /// `--timezone`
    pub zone: Tz,
    /// `--delete`, `--delete-after`
    pub delete_after: Option<Duration>,
    /// `--keep`
    pub keep: Option<Keep>,
    /// `--jobs`
    pub jobs: usize,
    /// `--limit-rate`
    pub timetable: Timetable,
    /// `--timeout`
    pub timeout: Duration,
    /// `--retry-failed-after`
    pub retry_failed_after: Duration,
    /// `--verify` and `--reconcile`: compare instead of uploading.
    pub compare: Option<Mode>,
    /// Headers of every new object: `--storage-class`, `--sse`.
    pub headers: Vec<(String, String)>,
}

impl pass::Pass for Settings {
    type Input = ();
    const NAME: PassName = PassName::Upload;

    fn source(&self) -> String {
        self.sources.first().map(|source| source.display().to_string()).unwrap_or_default()
    }

    fn peers(&self) -> Vec<String> {
        vec![self.server()]
    }

    fn dirs(&self) -> Vec<PathBuf> {
        self.sources.clone()
    }

    fn is_read_only(&self) -> bool {
        self.compare == Some(Mode::Verify)
    }

    fn read(&self) -> Result<()> {
        check(self)
    }

    fn run(&self, (): (), stores: &[Store], context: &Context, report: &mut Report) -> Result<()> {
        run(self, stores, context, report)
    }
}

impl Settings {
    /// The name of the server in messages.
    #[must_use]
    pub fn server(&self) -> String {
        self.access.endpoint_url.clone().unwrap_or_else(|| format!("AWS in {}", self.access.region))
    }

    /// The destination's name in the journal.
    fn destination(&self) -> String {
        let endpoint = self.access.endpoint_url.as_deref().unwrap_or("aws");
        format!("{endpoint}/{}/{}", self.bucket, self.prefix)
    }

    fn policy(&self, context: &Context) -> Policy {
        Policy {
            prefix: self.prefix.clone(),
            template: self.template.clone(),
            zone: self.zone,
            delete_after: self.delete_after,
            keep: self.keep,
            retry_failed_after: self.retry_failed_after,
            now: context.now,
        }
    }
}

/// Checks that the sources exist.
///
/// # Errors
/// [`Error::Usage`] for one that is no directory, [`Error::Away`] for one that is missing.
fn check(settings: &Settings) -> Result<()> {
    let is_dir = |source: &&PathBuf| source.is_dir();
    match settings.sources.iter().find(|source| !is_dir(source)) {
        Some(source) if source.exists() => {
            let text = "is not a directory: name one (a --pattern with a * needs quotes, as '*.mp4')";
            Err(Error::Usage(format!("{} {text}", source.display())))
        }
        Some(source) => Err(Error::Away(format!("{} is not there: is it mounted?", source.display()))),
        None => Ok(()),
    }
}

/// One pass over sources that are locked for it, other than in a dry run.
///
/// # Errors
/// What ended it early; the report then counts what was done until then.
pub fn run(settings: &Settings, stores: &[Store], context: &Context, report: &mut Report) -> Result<()> {
    let began = Instant::now();
    if let Some(path) = &settings.exposed_credentials {
        let text = format_args!("{}: other users can read the keys in it: chmod 600 it", path.display());
        context.notices.warn("exposed-credentials", text);
    }
    let policy = settings.policy(context);

    // Read: the files of the sources, the journals.
    let mut sources = Sources::load(stores, &settings.destination())?;
    if !context.changes_nothing {
        for journal in sources.journals_mut() {
            journal.bound_times(policy.now.timestamp());
        }
    }
    let files = find(settings, &sources, context, report)?;

    if let Some(mode) = settings.compare.filter(|_| !context.changes_nothing || settings.compare == Some(Mode::Verify))
    {
        let wire = Wire::new(settings, context);
        let transfer = wire.transfer(settings);
        let comparison = Comparison { mode, context, files: &files, policy: &policy, transfer };
        let outcome = comparison.run(&mut sources, report);
        wire.count_contact(report);
        outcome?;
        if mode == Mode::Reconcile {
            sweep_now(&sources, &files, &policy, transfer);
            count_pending(&files, &sources, &HashSet::new(), context, report);
            tidy(&mut sources, &files);
        }
        return Ok(());
    }

    // Plan.
    let mut plan = {
        let known: Vec<Known<'_>> = files
            .iter()
            .map(|(_, local)| {
                let source = &sources[local.source];
                Known { local, dir: &source.name, record: source.journal.get(&local.path) }
            })
            .collect();
        plan::plan(&known, &orphans(&sources, &files), &policy)
    };
    other_keys::name(settings, &files, &sources, &policy, report);
    let young = report.open_files;
    let mut open = leave_open_files(&mut plan, &files, &sources, context);
    report.open_files = young + open.len();
    for (file, failure) in &plan.refused {
        report.fail(&context.notices, &files[*file].path, failure.clone());
    }
    for file in &plan.waiting {
        report.waiting_files += 1;
        context.notices.keep(&failure_key(&files[*file].path));
    }
    if context.changes_nothing {
        report.already_there_files = plan.verified;
        steps::show(report, &show::steps(&plan, &files), context.json);
        return Ok(());
    }

    // Execute. An empty plan sends no request.
    let mut outcome = Ok(());
    if !plan.steps.is_empty() {
        let wire = Wire::new(settings, context);
        let transfer = wire.transfer(settings);
        let mut execution = Execution {
            context,
            sources: &mut sources,
            files: &files,
            policy: &policy,
            began,
            report,
            open: &mut open,
            jobs: settings.jobs,
        };
        outcome = execution.remove(&plan.steps).and_then(|()| execution.upload(&plan.steps, transfer));
        report.open_files = young + open.len();
        report.transferred_bytes = wire.sent.load(Ordering::Relaxed);
        wire.count_contact(report);
        if outcome.is_ok() {
            sweep_if_due(&mut sources, &files, &policy, transfer);
        }
    }
    count_pending(&files, &sources, &open, context, report);
    tidy(&mut sources, &files);
    outcome
}

/// Shared by all workers.
struct Wire {
    client: Client,
    pacer: Pacer,
    stop: Stop,
    is_ended: AtomicBool,
    has_answered: AtomicBool,
    has_small_parts: AtomicBool,
    sent: AtomicU64,
    server: String,
}

impl Wire {
    fn new(settings: &Settings, context: &Context) -> Self {
        let Settings { access, network, bucket, jobs, timeout, timetable, .. } = settings;
        Self {
            client: Client::new(access, network, bucket, *jobs, *timeout, &context.stop),
            pacer: Pacer::new(timetable.clone(), context.now),
            stop: context.stop.clone(),
            is_ended: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
            has_small_parts: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            server: settings.server(),
        }
    }

    fn count_contact(&self, report: &mut Report) {
        if self.has_answered.load(Ordering::Relaxed) {
            report.memory.contact.reached(report.start_timestamp_seconds);
        }
    }

    fn transfer<'a>(&'a self, settings: &'a Settings) -> Transfer<'a> {
        let flow = Flow { pacer: &self.pacer, stop: &self.stop, is_ended: &self.is_ended, sent: &self.sent };
        Transfer {
            client: &self.client,
            flow,
            headers: &settings.headers,
            has_answered: &self.has_answered,
            has_small_parts: &self.has_small_parts,
            server: &self.server,
        }
    }
}

/// Looks for abandoned uploads once a day, and not before the journal is a day old.
fn sweep_if_due(sources: &mut Sources, files: &Files, policy: &Policy, transfer: Transfer<'_>) {
    let now = policy.now.timestamp();
    if sources.journals().any(|journal| journal.swept().is_some_and(|swept| sweep::is_due(swept, now))) {
        sweep_now(sources, files, policy, transfer);
    }
    for journal in sources.journals_mut() {
        if journal.swept().is_none_or(|swept| sweep::is_due(swept, now)) {
            journal.sweep(now);
        }
    }
}

fn sweep_now(sources: &Sources, files: &Files, policy: &Policy, transfer: Transfer<'_>) {
    let known = files.iter().filter_map(|(_, file)| sources[file.source].journal.get(&file.path));
    let keys: HashSet<&str> = known.map(|record| record.key.as_str()).collect();
    let begun = sources.journals().flat_map(Journal::records).filter_map(|(_, record)| record.begun.as_ref());
    let known: HashSet<&str> = begun.map(|begun| begun.id.as_str()).collect();
    sweep::sweep(transfer, &policy.listed_prefix(), &keys, &known, policy.now.to_utc());
}

/// Counts closed files that are not in the bucket. Those that turned out to be `open` are counted separately.
fn count_pending(files: &Files, sources: &Sources, open: &HashSet<FileId>, context: &Context, report: &mut Report) {
    let now = context.now.timestamp();
    (report.pending_files, report.oldest_pending_seconds) = (0, None);
    let is_verified = |file: &Local| sources[file.source].verified(file).is_some();
    for (_, file) in files.iter().filter(|(id, file)| !open.contains(id) && !is_verified(file)) {
        report.pending_files += 1;
        #[expect(clippy::cast_precision_loss, reason = "an age for display and graphs")]
        let age = (now - file.identity.modified().timestamp()).max(0) as f64;
        report.oldest_pending_seconds = Some(report.oldest_pending_seconds.map_or(age, |oldest| oldest.max(age)));
    }
}

fn tidy(sources: &mut Sources, files: &Files) {
    for (id, SourceDir { store, journal, .. }) in sources.iter_mut() {
        let here = files.iter().filter(|(_, file)| file.source == id).map(|(_, file)| file.path.as_str());
        let here: HashSet<&str> = here.collect();
        journal.tidy(|file| here.contains(file) || store.root().join(file).exists());
    }
}

/// The files of all sources that could be uploaded.
fn find(settings: &Settings, sources: &Sources, context: &Context, report: &mut Report) -> Result<Files> {
    let mut files = Files::default();
    let (mut unfit, mut example, mut empty) = (0, None, Vec::new());
    for (id, source) in sources.iter() {
        let found = local::find(id, source.store.root(), &settings.patterns, settings.min_age, context.now.to_utc())?;
        report.open_files += found.young;
        empty.extend(found.empty);
        for path in found.unnamed {
            let failure = ItemFailure::passing(FailureReason::Name, "its name is not UTF-8, as a key must be");
            report.fail(&context.notices, path.display(), failure);
        }
        for path in found.refilled.iter().filter(|_| settings.delete_after.is_some()) {
            context.notices.warn(
                &format!("refilled:{}", path.display()),
                format_args!(
                    "{}: the next pass brings removed files again, as long as the camera has them: leave --delete and --delete-after \
                     to directories of footage record, and this one to its own --keep",
                    path.display()
                ),
            );
        }
        unfit += found.unfit;
        example = example.or(found.unfit_example);
        files.extend(found.files);
    }
    empty::leave(&empty, context, report);
    if files.is_empty() && report.failures.is_empty() {
        report.nothing(
            &context.notices,
            nothing::why(settings, report.open_files, report.last_arrival_timestamp_seconds.is_some(), unfit, example),
        );
    }
    Ok(files)
}

/// The journal records of multipart uploads whose file no longer exists.
fn orphans<'a>(sources: &'a Sources, files: &Files) -> Vec<(SourceId, &'a str, &'a Record)> {
    let mut orphans = Vec::new();
    for (id, source) in sources.iter() {
        let begun = source.journal.records().filter(|(_, record)| record.begun.is_some());
        let gone = begun.filter(|(path, _)| !files.iter().any(|(_, file)| file.source == id && file.path == *path));
        orphans.extend(gone.map(|(path, record)| (id, path, record)));
    }
    orphans
}

/// Removes the files that another process has open from a plan, and returns them.
fn leave_open_files(plan: &mut Plan, files: &Files, sources: &Sources, context: &Context) -> HashSet<FileId> {
    let path = |file: FileId| sources[files[file].source].path(&files[file]);
    let of = |step: &Step| match step {
        Step::Upload(upload) => Some(upload.file),
        Step::Remove { file, .. } => Some(*file),
        Step::Abort { .. } => None,
    };
    let paths: Vec<PathBuf> = plan.steps.iter().filter_map(of).map(path).collect();
    let mut left = HashSet::new();
    if paths.is_empty() {
        return left;
    }
    let open = OpenFiles::look(paths.iter().map(PathBuf::as_path));
    if open.is_blind {
        let text = "no /proc: footage cannot see which files other processes have open, and relies on --min-age alone";
        context.notices.warn("proc", text);
    } else if open.hidden > 0 {
        log::info!("{} processes of other users do not show which files they have open", open.hidden);
    }
    let is_open = |file: &FileId| std::fs::symlink_metadata(path(*file)).is_ok_and(|metadata| open.has(&metadata));
    plan.steps.retain(|step| {
        let file = of(step).filter(is_open);
        left.extend(file);
        file.is_none()
    });
    left
}

//! Compares the bucket with the sources: `--verify` and `--reconcile`.
//!
//! Both list the bucket, which gives size and ETag of a thousand objects at once. `--verify` reads every file, compares its
//! hashes, and changes nothing. `--reconcile` compares the journal: the next pass uploads files again that the journal has as
//! verified and the bucket lacks or has changed. Objects that the journal does not know are compared and noted.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::journal::{Journal, Record};
use super::key::{Named, ObjectKey, RecordedAt};
use super::local::{Files, Identity, Local};
use super::plan::Policy;
use super::s3::Object;
use super::source::{SourceDir, Sources};
use super::transfer::{Evidence, Failure, Transfer};
use crate::error::{Error, Result};
use crate::failure::{FailureReason, ItemFailure};
use crate::pass::{Compared, Context, Failure as Failed, Report};
use crate::stdout;
use crate::store::open::open_regular;
use crate::units::count;

/// The limit of listed objects: twenty cameras with a segment every three minutes need six years for them.
const MAX_OBJECTS: usize = 20_000_000;
/// A page has a thousand objects. Servers make smaller ones, but not for long.
const MIN_OBJECTS_A_PAGE: usize = 50;
/// The number of pages that may have any size.
const FEW_PAGES: usize = 1000;

/// So many keys of objects that no file and no journal has are kept for `--json`; all are counted.
const MAX_UNKNOWN_KEYS: usize = 100_000;

/// What to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `--verify`
    Verify,
    /// `--reconcile`
    Reconcile,
}

/// The result of comparing a file with its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// The object has the file's hash and size.
    Same,
    /// The same, and the journal did not know it.
    Found,
    /// The bucket has no such object.
    Missing,
    /// The journal has it as verified, and the object is missing or different.
    Lost,
    /// The object has other content.
    Differs,
    /// Its size is right, and its ETag cannot be compared.
    Unverified,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Found => "found",
            Self::Missing => "missing",
            Self::Lost => "lost",
            Self::Differs => "differs",
            Self::Unverified => "unproven",
        }
    }
}

/// The sources and the bucket to compare.
pub(super) struct Comparison<'a> {
    pub(super) mode: Mode,
    pub(super) context: &'a Context,
    pub(super) files: &'a Files,
    pub(super) policy: &'a Policy,
    pub(super) transfer: Transfer<'a>,
}

/// The contents of the bucket.
#[derive(Default)]
struct Listed {
    /// The objects of files, by key.
    objects: HashMap<String, Object>,
    /// The number of other objects.
    others: usize,
    /// Those of them that no journal has either.
    unknown: Unknown,
}

/// Objects that no file and no line of a journal has.
#[derive(Default)]
struct Unknown {
    count: usize,
    /// The first of their keys.
    keys: Vec<String>,
}

impl Comparison<'_> {
    /// Compares, prints the differences on stdout, and counts them.
    pub(super) fn run(&self, sources: &mut Sources, report: &mut Report) -> Result<()> {
        let Listed { mut objects, others, unknown } = self.list(&self.keys(sources), &journaled(sources))?;
        let listed = objects.len() + others;
        let mut counts: HashMap<&'static str, usize> = HashMap::new();
        let mut rows = Vec::new();
        for (_, local) in self.files.iter() {
            self.context.stop.check()?;
            let source = &mut sources[local.source];
            let record = source.verified(local).cloned();
            let Some(key) = self.key(source, local, record.as_ref()) else { continue };
            let mut object = objects.remove(&key);
            // A HEAD for each key that the listing lacks: some servers announce encoded keys and send them raw, and their
            // plus was decoded as a space.
            let is_doubtful = match &object {
                Some(object) => object.etag.is_empty(),
                None => record.is_some() || key.contains('+'),
            };
            if is_doubtful {
                object = self.ask(&key)?;
                if object.is_some() {
                    objects.remove(&key.replace('+', " "));
                }
            }
            let mut status = self.status(source, local, record.as_ref(), object.as_ref());
            // An ETag may look like MD5s and be something else: only HEAD has the headers that say so, and the SHA-256.
            let has_size = |object: &Object| object.size == local.identity.size;
            if !is_doubtful
                && object.as_ref().is_some_and(has_size)
                && matches!(status, Ok(Status::Differs | Status::Lost | Status::Unverified))
            {
                match self.head(&key)? {
                    Ok(asked) => {
                        object = asked;
                        status = self.status(source, local, record.as_ref(), object.as_ref());
                    }
                    // As for an object encrypted with a key that the client must send: use the listing.
                    Err(failure) => log::info!("{key:?}: the server refuses HEAD: {failure}"),
                }
            }
            let status = match status {
                Ok(status) => status,
                Err(Failure::Ended(error)) => return Err(error),
                // Another process is writing it or has removed it.
                Err(Failure::Changed | Failure::Vanished) => continue,
                Err(failure) => {
                    let failure = ItemFailure::passing(FailureReason::Read, failure.to_string());
                    report.fail(&self.context.notices, &local.path, failure);
                    continue;
                }
            };
            *counts.entry(status.word()).or_default() += 1;
            match (status, self.mode) {
                (Status::Same, Mode::Reconcile) => report.verified(Compared::Etag),
                (Status::Same | Status::Found, _) => report.verified(Compared::Hash),
                (Status::Unverified, _) => report.verified(Compared::Size),
                _ => {}
            }
            if self.mode == Mode::Reconcile {
                match (status, &object) {
                    (Status::Found, Some(object)) => {
                        source.journal.verify(
                            &local.path,
                            local.identity,
                            &key,
                            &object.etag,
                            self.policy.now.timestamp(),
                        );
                    }
                    (Status::Lost, _) => source.journal.over(&local.path),
                    _ => {}
                }
            }
            let is_wrong = match self.mode {
                Mode::Verify => matches!(status, Status::Missing | Status::Differs | Status::Lost),
                Mode::Reconcile => matches!(status, Status::Differs | Status::Lost),
            };
            if is_wrong {
                let message = format!("{}: {key:?}", status.word());
                report.failures.push(Failed { name: local.path.clone(), reason: FailureReason::Proof, message });
            }
            if status != Status::Same {
                rows.push((status, local, key, object));
            }
        }
        report.verified_files = counts.values().sum();
        self.print(&rows, &counts, listed, objects.len() + others, &unknown);
        Ok(())
    }

    /// The keys of all files, also as a server lists them that does not encode keys although it says so.
    fn keys(&self, sources: &Sources) -> HashSet<String> {
        let key = |(_, local): (_, &Local)| {
            let source = &sources[local.source];
            self.key(source, local, source.verified(local))
        };
        self.files.iter().filter_map(key).flat_map(as_listed).collect()
    }

    /// Lists the objects under the prefix. Keeps only those of files: the others may be too many for memory.
    fn list(&self, keys: &HashSet<String>, journaled: &HashSet<String>) -> Result<Listed> {
        let prefix = self.policy.listed_prefix();
        let mut listed = Listed::default();
        let mut from: Option<String> = None;
        for page_number in 1.. {
            let page = self.transfer.ask(|| self.transfer.client.list(&prefix, from.as_deref()));
            let page = page.map_err(into_error)?;
            for (key, object) in page.items {
                if keys.contains(&key) {
                    listed.objects.insert(key, object);
                } else {
                    listed.others += 1;
                    if self.mode == Mode::Reconcile && !journaled.contains(&key) {
                        listed.unknown.count += 1;
                        listed.unknown.keys.extend((listed.unknown.keys.len() < MAX_UNKNOWN_KEYS).then_some(key));
                    }
                }
            }
            match page.next {
                Some(next) if from.as_ref() == Some(&next) => {
                    return Err(Error::Source("the server's listing of the bucket repeats itself".into()));
                }
                Some(next) => from = Some(next),
                None => break,
            }
            let objects = listed.objects.len() + listed.others;
            if is_endless(page_number, objects) {
                let text = format!(
                    "the server's listing of the bucket does not end: {objects} objects on {page_number} pages"
                );
                return Err(Error::Source(text));
            }
        }
        Ok(listed)
    }

    /// The object under a key by HEAD; an error if the server refuses.
    fn ask(&self, key: &str) -> Result<Option<Object>> {
        self.head(key)?.map_err(into_error)
    }

    /// The object under a key by HEAD, or why the server refuses it for this one.
    fn head(&self, key: &str) -> Result<Result<Option<Object>, Failure>> {
        let key = ObjectKey::new(key.to_owned()).map_err(|error| Error::Source(error.to_string()))?;
        match self.transfer.ask(|| self.transfer.client.head(&key)) {
            Err(Failure::Ended(error)) => Err(error),
            answer => Ok(answer),
        }
    }

    fn key(&self, source: &SourceDir, local: &Local, record: Option<&Record>) -> Option<String> {
        if let Some(record) = record {
            return Some(record.key.clone());
        }
        let name = local.path.rsplit('/').next().unwrap_or_default();
        let recorded_at = RecordedAt::of(name, local.identity.modified(), self.policy.zone);
        let named = Named { path: &local.path, dir: &source.name, recorded_at: &recorded_at };
        self.policy.template.key(&self.policy.prefix, &named).ok().map(|key| key.as_str().to_owned())
    }

    fn status(
        &self,
        source: &SourceDir,
        local: &Local,
        record: Option<&Record>,
        object: Option<&Object>,
    ) -> Result<Status, Failure> {
        let Some(object) = object else {
            return Ok(if record.is_some() { Status::Lost } else { Status::Missing });
        };
        let verified = record.and_then(|record| record.verified.as_ref()).map(|(etag, _)| etag);
        if self.mode == Mode::Reconcile
            && let Some(etag) = verified
        {
            match object.size == local.identity.size {
                true if object.etag == *etag => return Ok(Status::Same),
                // The same content can have another ETag: stored again by another tool, or copied by the server.
                true => {}
                false => return Ok(Status::Lost),
            }
        }
        // An object of ours has its SHA-256 in the headers of HEAD.
        if object.size == local.identity.size && object.is_opaque && object.sha256.is_none() {
            return Ok(Status::Unverified);
        }
        let file = open_regular(&source.path(local)).map_err(|error| Failure::unreadable(&error))?;
        let is_same = self.transfer.is_same(local.identity.size, &file, object, Evidence::default())?;
        let now = file.metadata().map_err(|error| Failure::unreadable(&error))?;
        match (is_same, verified) {
            _ if Identity::of(&now) != local.identity => Err(Failure::Changed),
            (true, _) if self.mode == Mode::Reconcile => Ok(Status::Found),
            (true, _) => Ok(Status::Same),
            (false, Some(_)) if self.mode == Mode::Reconcile => Ok(Status::Lost),
            (false, _) => Ok(Status::Differs),
        }
    }

    fn print(
        &self,
        rows: &[(Status, &Local, String, Option<Object>)],
        counts: &HashMap<&str, usize>,
        listed: usize,
        others: usize,
        unknown: &Unknown,
    ) {
        if self.context.json {
            let rows: Vec<_> = rows
                .iter()
                .map(|(status, local, key, object)| {
                    json!({
                        "status": status.word(),
                        "path": local.path,
                        "key": key,
                        "bytes": local.identity.size,
                        "object_bytes": object.as_ref().map(|object| object.size),
                        "object_etag": object.as_ref().map(|object| &object.etag),
                    })
                })
                .collect();
            let mut text = json!({ "objects": listed, "only_in_bucket": others, "files": counts, "findings": rows });
            if self.mode == Mode::Reconcile {
                text["unknown_objects"] = unknown.count.into();
                text["unknown_keys"] = json!(unknown.keys);
            }
            stdout::json(&text);
            return;
        }
        for (status, local, key, object) in rows {
            let there =
                object.as_ref().map(|object| format!(": {} bytes there, {} here", object.size, local.identity.size));
            stdout::line(&format_args!("{} {:?} as {key:?}{}", status.word(), local.path, there.unwrap_or_default()));
        }
        let mut words: Vec<_> = counts.iter().collect();
        words.sort_unstable();
        let words: Vec<String> = words.iter().map(|(word, n)| format!("{n} {word}")).collect();
        let unknown = match self.mode {
            Mode::Reconcile => format!(", {} of them unknown to the journal", unknown.count),
            Mode::Verify => String::new(),
        };
        stdout::line(&format_args!(
            "{} compared with {} by {} and size: {}; {} in the bucket alone{unknown}",
            count(counts.values().sum(), "file"),
            count(listed, "object"),
            if self.mode == Mode::Verify { "hash" } else { "ETag" },
            if words.is_empty() { "nothing".to_owned() } else { words.join(", ") },
            count(others, "object"),
        ));
    }
}

/// A key, and as a server lists it that does not encode keys although it says so.
fn as_listed(key: String) -> [String; 2] {
    [key.replace('+', " "), key]
}

/// The keys that the journals have, also of files that were removed.
fn journaled(sources: &Sources) -> HashSet<String> {
    let records = sources.journals().flat_map(Journal::records);
    records.flat_map(|(_, record)| as_listed(record.key.clone())).collect()
}

/// Whether a listing is endless: more pages than any bucket needs, even with some small or empty pages.
fn is_endless(pages: usize, objects: usize) -> bool {
    objects > MAX_OBJECTS || (pages >= FEW_PAGES && objects / pages < MIN_OBJECTS_A_PAGE)
}

fn into_error(failure: Failure) -> Error {
    match failure {
        Failure::Ended(error) => error,
        failure => Error::Source(failure.to_string()),
    }
}

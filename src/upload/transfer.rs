//! Uploads one file, or one part of it, and verifies that it is in the bucket.
//!
//! footage overwrites nothing: before it stores an object, it looks for one with HEAD. The same content counts as uploaded,
//! whichever client stored it. footage does not touch other content and reports it, unless the journal has it as a failed
//! attempt of ours. S3 has no lock that every server implements, so another client may store an object in between.

mod job;
mod same;
mod tries;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) use self::job::{Failure, Job, Open, PartDone, Start, Verification, content_type};
pub(super) use self::same::Evidence;
use self::tries::Tries;
use super::hash::{Digests, HashError, digests, etag_of_parts, md5_of_hex};
use super::journal::Begun;
use super::key::ObjectKey;
use super::local::Identity;
use super::parts::{Cut, Range};
use super::piece::{FilePiece, Flow};
use super::s3::error::RequestError;
use super::s3::{Client, Header, Stored};
use crate::error::Result;
use crate::failure::{FailureReason, ItemFailure};
use crate::mutex::lock;
use crate::store::open::open_regular;

/// How often to store a piece when the server answers with another hash.
const STORES: u32 = 2;
/// The bucket, for workers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfer<'a> {
    pub(super) client: &'a Client,
    pub(super) flow: Flow<'a>,
    /// Headers of every new object.
    pub(super) headers: &'a [(String, String)],
    /// Set once the server has answered in this pass.
    pub(super) has_answered: &'a AtomicBool,
    /// Set once the server has refused a request for its size.
    pub(super) has_small_parts: &'a AtomicBool,
    /// The name of the server in messages.
    pub(super) server: &'a str,
}

impl<'a> Transfer<'a> {
    fn tries(self) -> Tries<'a> {
        Tries::new(self)
    }

    /// Sends a request, with retries.
    pub(super) fn ask<T>(self, request: impl FnMut() -> Result<T, RequestError>) -> Result<T, Failure> {
        self.try_with(self.tries(), request)
    }

    fn try_with<T>(
        self,
        mut tries: Tries<'_>,
        mut request: impl FnMut() -> Result<T, RequestError>,
    ) -> Result<T, Failure> {
        loop {
            match self.answered(request()) {
                Ok(answer) => return Ok(answer),
                Err(error) => tries.again(error)?,
            }
        }
    }

    fn answered<T>(self, answer: Result<T, RequestError>) -> Result<T, RequestError> {
        if !matches!(answer, Err(RequestError::Unreachable(_))) {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Begins a file: uploads it in one request, finds it in the bucket, or prepares a multipart upload.
    pub(super) fn start(self, job: &Job, begun: Option<&Begun>) -> Result<Start, Failure> {
        let file = self.open(job)?;
        let Some(cut) = self.cut(job.identity.size, begun) else {
            return self.whole(job, &file).map(Start::Verified);
        };
        // Before resuming an upload: a pass may have completed it and been killed before it noted that, and not every
        // server answers NoSuchUpload then.
        let found = self.ask(|| self.client.head(&job.key))?;
        if let Some(object) = found {
            let is_ours = lock(&job.mismatched).contains(&object.etag);
            let of_parts = begun.filter(|begun| begun.has_all(cut)).and_then(|begun| of_parts(&begun.parts));
            let evidence = Evidence { etag_of_parts: of_parts.as_deref(), ..Evidence::default() };
            if self.is_same(job.identity.size, &file, &object, evidence)? {
                if let Some(begun) = begun {
                    // If another upload made the object, the parts of this one are useless.
                    let _ = self.client.abort(&job.key, &begun.id);
                }
                return Ok(Start::Verified(Verification { etag: object.etag, was_there: true }));
            }
            if !is_ours {
                return Err(Failure::conflict(job, &object));
            }
        }
        if let Some(begun) = begun {
            match self.resume(job, &file, cut, begun) {
                Err(Failure::NoSuchUpload) => {}
                other => return other.map(Start::Parts),
            }
        }
        if job.may_have_begun
            && let Some(open) = self.find(job, &file, cut)
        {
            return Ok(Start::Parts(open));
        }
        let headers = self.headers_of(job, None);
        let id = self.ask(|| self.client.begin(&job.key, &borrowed(&headers)))?;
        Ok(Start::Parts(Open { id, cut, done: BTreeMap::new(), is_new: true, is_listed: true }))
    }

    /// The parts of a file; none where it is sent in one request.
    fn cut(self, size: u64, begun: Option<&Begun>) -> Option<Cut> {
        let begun = begun.and_then(|begun| Cut::of_part_bytes(size, begun.part_bytes?));
        let usual = || if self.has_small_parts.load(Ordering::Relaxed) { Cut::small(size) } else { Cut::of(size) };
        begun.or_else(usual)
    }

    /// Looks for an upload whose id was lost with the reply, if the server lists them.
    fn find(self, job: &Job, file: &File, cut: Cut) -> Option<Open> {
        let listed = self.client.begun(job.key.as_str()).ok()?;
        let found = listed.into_iter().find(|begun| begun.key == job.key.as_str())?;
        let open = self.resume(job, file, cut, &Begun { id: found.id, ..Begun::default() }).ok()?;
        Some(Open { is_new: true, ..open })
    }

    /// Finds the parts that the server has. Those in the journal were compared when they were sent; parts that only the
    /// server lists are compared now. A server that does not list parts (s3rver, fauxqs, s3s-fs) has those of the journal.
    fn resume(self, job: &Job, file: &File, cut: Cut, begun: &Begun) -> Result<Open, Failure> {
        let listed = match self.try_with(Tries::few(self), || self.client.parts(&job.key, &begun.id)) {
            Ok(listed) => listed,
            Err(Failure::File(failure)) => {
                log::info!("{}: going on from the journal: {}", job.key.as_str(), failure.message);
                job.item.advance(begun.parts.keys().map(|number| cut.range(*number).len).sum());
                let done = begun.parts.clone();
                return Ok(Open { id: begun.id.clone(), cut, done, is_new: false, is_listed: false });
            }
            Err(failure) => return Err(failure),
        };
        let mut done = BTreeMap::new();
        for part in listed {
            let range = cut.range(part.number);
            if part.number.get() > cut.count() || range.len != part.size {
                continue;
            }
            let etag = match (begun.parts.get(&part.number), part.etag) {
                (Some(known), listed) if listed.as_ref().is_none_or(|listed| listed == known) => known.clone(),
                (_, Some(listed)) if self.hash(file, range)?.md5_hex() == listed => listed,
                _ => continue,
            };
            job.item.advance(range.len);
            done.insert(part.number, etag);
        }
        Ok(Open { id: begun.id.clone(), cut, done, is_new: false, is_listed: true })
    }

    /// Uploads a file in one request.
    fn whole(self, job: &Job, file: &File) -> Result<Verification, Failure> {
        let range = Range { start: 0, len: job.identity.size };
        let digests = self.hash(file, range)?;
        let md5 = digests.md5_hex();
        let headers = self.headers_of(job, Some(&digests));
        let (mut tries, mut is_stored, mut was_sent) = (self.tries(), false, false);
        loop {
            let found = match self.answered(self.client.head(&job.key)) {
                Ok(found) => found,
                Err(error) => {
                    tries.again(error)?;
                    continue;
                }
            };
            if let Some(object) = found {
                let evidence = Evidence { digests: Some(&digests), is_accepted: is_stored, etag_of_parts: None };
                if self.is_same(job.identity.size, file, &object, evidence)? {
                    check_unchanged(job, file, &object.etag)?;
                    return Ok(Verification { etag: object.etag, was_there: !was_sent });
                }
                if is_stored {
                    return Err(Failure::mismatch(job, &object, &md5));
                }
                if !lock(&job.mismatched).contains(&object.etag) {
                    return Err(Failure::conflict(job, &object));
                }
            } else if is_stored {
                return Err(Failure::gone(job));
            }
            check_identity(job, file)?;
            was_sent = true;
            match self.store(job, file, range, &digests, |piece| self.client.put(&job.key, piece, &borrowed(&headers)))
            {
                Ok(_) => is_stored = true,
                Err(Store::Request(error)) => tries.again(error)?,
                Err(Store::Failure(failure)) => return Err(failure),
            }
        }
    }

    /// Sends a piece, and again if the server received something else.
    fn store(
        self,
        job: &Job,
        file: &File,
        range: Range,
        digests: &Digests,
        send: impl Fn(&FilePiece<'_>) -> Result<Stored, RequestError>,
    ) -> Result<Stored, Store> {
        let md5 = digests.md5_hex();
        for _ in 0..STORES {
            let piece = FilePiece::new(file, range, digests, self.flow, &job.item);
            let stored = self.answered(send(&piece));
            match (piece.broke(), stored) {
                (Some(io::ErrorKind::UnexpectedEof), _) => return Err(Store::Failure(Failure::Changed)),
                (Some(kind), _) => return Err(Store::Failure(Failure::unreadable(&kind.into()))),
                (None, Err(error)) => return Err(Store::Request(error)),
                // Without an ETag, HEAD decides later.
                (None, Ok(stored)) if stored.etag == md5 || stored.is_opaque || stored.etag.is_empty() => {
                    return Ok(stored);
                }
                (None, Ok(stored)) => {
                    log::info!(
                        "{}: the server answers with ETag {:?} instead of {md5:?}",
                        job.key.as_str(),
                        stored.etag
                    );
                    lock(&job.mismatched).push(stored.etag);
                }
            }
        }
        let message = format!("the server answered {STORES} times with another hash than that of the bytes sent");
        Err(Store::Failure(Failure::File(ItemFailure::passing(FailureReason::Proof, message))))
    }

    /// Sends one part.
    pub(super) fn part(self, job: &Job, id: &str, cut: Cut, number: NonZeroU32) -> Result<PartDone, Failure> {
        let file = self.open(job)?;
        let range = cut.range(number);
        let digests = self.hash(&file, range)?;
        let mut tries = self.tries();
        loop {
            check_identity(job, &file)?;
            match self.store(job, &file, range, &digests, |piece| self.client.put_part(&job.key, id, number, piece)) {
                Ok(stored) if stored.etag.is_empty() => return Ok(PartDone { etag: digests.md5_hex() }),
                Ok(stored) => return Ok(PartDone { etag: stored.etag }),
                Err(Store::Request(error)) => tries.again(error)?,
                Err(Store::Failure(failure)) => return Err(failure),
            }
        }
    }

    /// Completes a multipart upload, and verifies the object with HEAD: the answer to the request may be lost, and servers
    /// answer differently to a second one.
    pub(super) fn finish(
        self,
        job: &Job,
        id: &str,
        parts: &BTreeMap<NonZeroU32, String>,
    ) -> Result<Verification, Failure> {
        let file = self.open(job)?;
        let expected = of_parts(parts);
        let list: Vec<(NonZeroU32, String)> = parts.iter().map(|(number, etag)| (*number, etag.clone())).collect();
        let (mut tries, mut was_asked, mut is_completed, mut is_over) = (self.tries(), false, false, false);
        loop {
            let found = match self.answered(self.client.head(&job.key)) {
                Ok(found) => found,
                Err(error) => {
                    tries.again(error)?;
                    continue;
                }
            };
            match found {
                Some(object) => {
                    let evidence =
                        Evidence { digests: None, etag_of_parts: expected.as_deref(), is_accepted: was_asked };
                    // Before the request the parts alone say what an object of ours would be: to hash the file is for later.
                    let is_same = if was_asked {
                        self.is_same(job.identity.size, &file, &object, evidence)?
                    } else {
                        object.size == job.identity.size && Some(&object.etag) == expected.as_ref()
                    };
                    if is_same {
                        check_unchanged(job, &file, &object.etag)?;
                        return Ok(Verification { etag: object.etag, was_there: false });
                    }
                    if is_completed {
                        return Err(Failure::mismatch(job, &object, &expected.unwrap_or_default()));
                    }
                    if is_over {
                        return Err(Failure::NoSuchUpload);
                    }
                    if !lock(&job.mismatched).contains(&object.etag) {
                        return Err(Failure::conflict(job, &object));
                    }
                }
                None if is_over => return Err(Failure::NoSuchUpload),
                None if is_completed => return Err(Failure::gone(job)),
                None => {}
            }
            check_identity(job, &file)?;
            was_asked = true;
            match self.answered(self.client.complete(&job.key, id, &list)) {
                Ok(_) => is_completed = true,
                Err(RequestError::NoSuchUpload) => is_over = true,
                Err(error) => tries.again(error)?,
            }
        }
    }

    /// Aborts an upload.
    pub(super) fn abort(self, key: &ObjectKey, id: &str) -> Result<(), Failure> {
        match self.ask(|| self.client.abort(key, id)) {
            Err(Failure::NoSuchUpload) => Ok(()),
            other => other,
        }
    }

    fn open(self, job: &Job) -> Result<File, Failure> {
        if self.flow.is_ended.load(Ordering::Relaxed) || self.flow.pacer.is_paused() {
            return Err(Failure::Left);
        }
        let file = open_regular(&job.path).map_err(|error| Failure::unreadable(&error))?;
        check_identity(job, &file)?;
        Ok(file)
    }

    fn hash(self, file: &File, range: Range) -> Result<Digests, Failure> {
        digests(file, range, self.flow.stop).map_err(of_hash)
    }

    fn headers_of(self, job: &Job, digests: Option<&Digests>) -> Vec<(String, String)> {
        let mut headers = self.headers.to_vec();
        headers.push(("content-type".into(), job.content_type.into()));
        headers.extend(digests.map(|digests| ("x-amz-meta-sha256".into(), digests.sha256.clone())));
        headers
    }
}

/// The ETag that S3 makes of the ETags of parts; none where these are no MD5s.
fn of_parts(parts: &BTreeMap<NonZeroU32, String>) -> Option<String> {
    let md5s: Option<Vec<[u8; 16]>> = parts.values().map(|etag| md5_of_hex(etag)).collect();
    md5s.map(|md5s| etag_of_parts(&md5s))
}

fn check_identity(job: &Job, file: &File) -> Result<(), Failure> {
    let metadata = file.metadata().map_err(|error| Failure::unreadable(&error))?;
    if Identity::of(&metadata) == job.identity { Ok(()) } else { Err(Failure::Changed) }
}

/// After a store: the file under this name must still be the one that was read. If not, the object is not the file, and a
/// later pass may replace it.
fn check_unchanged(job: &Job, file: &File, etag: &str) -> Result<(), Failure> {
    let is_replaced = fs::symlink_metadata(&job.path).is_ok_and(|now| Identity::of(&now) != job.identity);
    if is_replaced || check_identity(job, file).is_err() {
        lock(&job.mismatched).push(etag.to_owned());
        return Err(Failure::Changed);
    }
    Ok(())
}

enum Store {
    Request(RequestError),
    Failure(Failure),
}

fn borrowed(headers: &[(String, String)]) -> Vec<Header<'_>> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn of_hash(error: HashError) -> Failure {
    match error {
        HashError::Short => Failure::Changed,
        HashError::Read(error) => Failure::unreadable(&error),
        HashError::Stopped(error) => Failure::Ended(error),
    }
}

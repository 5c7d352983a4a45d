//! One file, or one part of it, into the bucket; and the proof that it is there.
//!
//! Nothing is overwritten: before anything is stored under a key, HEAD tells what stands there. The same content counts as
//! uploaded, whoever brought it. Any other is left alone and reported, unless the journal knows it for an attempt of ours that
//! failed. S3 has no lock that every server knows, so between that look and the store somebody else may store there.

mod job;
mod same;
mod tries;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) use self::job::{Failure, Job, Open, PartDone, Proof, Start, content_type};
use self::tries::Tries;
use super::hash::{Digests, HashError, digests, etag_of_parts, md5_of_hex};
use super::journal::Begun;
use super::key::ObjectKey;
use super::local::Identity;
use super::parts::{Cut, Range};
use super::piece::{FilePiece, Flow};
use super::s3::error::Trouble;
use super::s3::{Client, Header, Stored};
use crate::error::Result;
use crate::failure::{FailureReason, ItemFailure};
use crate::mutex::lock;
use crate::store::open::open_regular;

/// How often a piece is stored again of which the server says another hash.
const STORES: u32 = 2;
/// The bucket, for workers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfer<'a> {
    pub(super) client: &'a Client,
    pub(super) flow: Flow<'a>,
    /// Headers of every new object.
    pub(super) headers: &'a [(String, String)],
    /// The server has answered in this pass.
    pub(super) has_answered: &'a AtomicBool,
    /// The server as the user knows it.
    pub(super) server: &'a str,
}

impl<'a> Transfer<'a> {
    fn tries(self) -> Tries<'a> {
        Tries::new(self)
    }

    /// Asks until there is an answer.
    pub(super) fn ask<T>(self, mut request: impl FnMut() -> Result<T, Trouble>) -> Result<T, Failure> {
        let mut tries = self.tries();
        loop {
            match self.answered(request()) {
                Ok(answer) => return Ok(answer),
                Err(trouble) => tries.again(trouble)?,
            }
        }
    }

    fn answered<T>(self, answer: Result<T, Trouble>) -> Result<T, Trouble> {
        if !matches!(answer, Err(Trouble::Unreachable(_))) {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Begins a file: uploads it whole, finds it in the bucket, or gets it ready to be sent in parts.
    pub(super) fn start(self, job: &Job, begun: Option<&Begun>) -> Result<Start, Failure> {
        let file = self.open(job)?;
        let Some(cut) = Cut::of(job.identity.size) else {
            return self.whole(job, &file).map(Start::Proven);
        };
        // Before an upload is resumed: it may have been completed by a pass that did not live to write that down, and not
        // every server says that there is no such upload any more.
        let found = self.ask(|| self.client.head(&job.key))?;
        if let Some(object) = found {
            let is_ours = lock(&job.spoilt).contains(&object.etag);
            if self.is_same(job.identity.size, &file, &object, None)? {
                if let Some(begun) = begun {
                    // Where it was not that one which made the object, nobody needs its parts.
                    let _ = self.client.abort(&job.key, &begun.id);
                }
                return Ok(Start::Proven(Proof { etag: object.etag, was_there: true }));
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
        Ok(Start::Parts(Open { id, cut, done: BTreeMap::new(), is_new: true }))
    }

    /// Looks for an upload of which the answer with its id was lost, where the server lists them.
    fn find(self, job: &Job, file: &File, cut: Cut) -> Option<Open> {
        let listed = self.client.begun(job.key.as_str()).ok()?;
        let found = listed.into_iter().find(|begun| begun.key == job.key.as_str())?;
        let open = self.resume(job, file, cut, &Begun { id: found.id, parts: BTreeMap::new() }).ok()?;
        Some(Open { is_new: true, ..open })
    }

    /// Finds out which parts are there. What the journal knows was compared when it was sent; what only the server knows
    /// is compared now.
    fn resume(self, job: &Job, file: &File, cut: Cut, begun: &Begun) -> Result<Open, Failure> {
        let listed = match self.answered(self.client.parts(&job.key, &begun.id)) {
            Ok(listed) => listed,
            Err(Trouble::NotImplemented(_)) => {
                return Ok(Open { id: begun.id.clone(), cut, done: begun.parts.clone(), is_new: false });
            }
            Err(trouble) => {
                let mut tries = self.tries();
                tries.again(trouble)?;
                self.ask(|| self.client.parts(&job.key, &begun.id))?
            }
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
        Ok(Open { id: begun.id.clone(), cut, done, is_new: false })
    }

    /// Uploads a file in one request.
    fn whole(self, job: &Job, file: &File) -> Result<Proof, Failure> {
        let range = Range { start: 0, len: job.identity.size };
        let digests = self.hash(file, range)?;
        let md5 = digests.md5_hex();
        let headers = self.headers_of(job, Some(&digests));
        let (mut tries, mut is_stored, mut was_sent) = (self.tries(), false, false);
        loop {
            let found = match self.answered(self.client.head(&job.key)) {
                Ok(found) => found,
                Err(trouble) => {
                    tries.again(trouble)?;
                    continue;
                }
            };
            if let Some(object) = found {
                if self.is_same(job.identity.size, file, &object, Some((&digests, is_stored)))? {
                    check_unchanged(job, file, &object.etag)?;
                    return Ok(Proof { etag: object.etag, was_there: !was_sent });
                }
                if is_stored {
                    return Err(Failure::unproven(job, &object, &md5));
                }
                if !lock(&job.spoilt).contains(&object.etag) {
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
                Err(Store::Trouble(trouble)) => tries.again(trouble)?,
                Err(Store::Failure(failure)) => return Err(failure),
            }
        }
    }

    /// Sends a piece, and again when the server says that it got something else.
    fn store(
        self,
        job: &Job,
        file: &File,
        range: Range,
        digests: &Digests,
        send: impl Fn(&FilePiece<'_>) -> Result<Stored, Trouble>,
    ) -> Result<Stored, Store> {
        let md5 = digests.md5_hex();
        for _ in 0..STORES {
            let piece = FilePiece::new(file, range, digests, self.flow, &job.item);
            let stored = self.answered(send(&piece));
            match (piece.broke(), stored) {
                (Some(io::ErrorKind::UnexpectedEof), _) => return Err(Store::Failure(Failure::Changed)),
                (Some(kind), _) => return Err(Store::Failure(Failure::unreadable(&kind.into()))),
                (None, Err(trouble)) => return Err(Store::Trouble(trouble)),
                // Without an ETag nothing is said; what HEAD says then has to do.
                (None, Ok(stored)) if stored.etag == md5 || stored.is_opaque || stored.etag.is_empty() => {
                    return Ok(stored);
                }
                (None, Ok(stored)) => {
                    log::info!("{}: the server says ETag {:?}, it should be {md5:?}", job.key.as_str(), stored.etag);
                    lock(&job.spoilt).push(stored.etag);
                }
            }
        }
        let message = format!("the server says another hash than that of what was sent, {STORES} times");
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
                Err(Store::Trouble(trouble)) => tries.again(trouble)?,
                Err(Store::Failure(failure)) => return Err(failure),
            }
        }
    }

    /// Makes an object of the parts. Whether it is there, HEAD says: the answer to the request may be lost, and to ask for it twice
    /// is answered by each server in its own way.
    pub(super) fn finish(self, job: &Job, id: &str, parts: &BTreeMap<NonZeroU32, String>) -> Result<Proof, Failure> {
        let file = self.open(job)?;
        let md5s: Option<Vec<[u8; 16]>> = parts.values().map(|etag| md5_of_hex(etag)).collect();
        let expected = md5s.map(|md5s| etag_of_parts(&md5s));
        let list: Vec<(NonZeroU32, String)> = parts.iter().map(|(number, etag)| (*number, etag.clone())).collect();
        let (mut tries, mut was_asked, mut is_completed, mut is_over) = (self.tries(), false, false, false);
        loop {
            let found = match self.answered(self.client.head(&job.key)) {
                Ok(found) => found,
                Err(trouble) => {
                    tries.again(trouble)?;
                    continue;
                }
            };
            match found {
                Some(object) => {
                    let is_same = object.size == job.identity.size
                        && (Some(&object.etag) == expected.as_ref() || (was_asked && object.is_opaque));
                    if is_same {
                        check_unchanged(job, &file, &object.etag)?;
                        return Ok(Proof { etag: object.etag, was_there: false });
                    }
                    if is_completed {
                        return Err(Failure::unproven(job, &object, &expected.unwrap_or_default()));
                    }
                    if !lock(&job.spoilt).contains(&object.etag) {
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
                Err(Trouble::NoSuchUpload) => is_over = true,
                Err(trouble) => tries.again(trouble)?,
            }
        }
    }

    /// Gives an upload up.
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

fn check_identity(job: &Job, file: &File) -> Result<(), Failure> {
    let metadata = file.metadata().map_err(|error| Failure::unreadable(&error))?;
    if Identity::of(&metadata) == job.identity { Ok(()) } else { Err(Failure::Changed) }
}

/// After a store: what stands under the file's name must still be what was read. If not, the object is not the file, and
/// a later pass may replace it.
fn check_unchanged(job: &Job, file: &File, etag: &str) -> Result<(), Failure> {
    let is_replaced = fs::symlink_metadata(&job.path).is_ok_and(|now| Identity::of(&now) != job.identity);
    if is_replaced || check_identity(job, file).is_err() {
        lock(&job.spoilt).push(etag.to_owned());
        return Err(Failure::Changed);
    }
    Ok(())
}

enum Store {
    Trouble(Trouble),
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

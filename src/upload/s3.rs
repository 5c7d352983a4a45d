//! A bucket: the few requests that an upload needs, signed.
//!
//! Plain requests only, so that every server understands them: `Content-MD5` and `x-amz-content-sha256` verify a body, and no
//! `x-amz-checksum-…`, no chunked trailers and no `If-None-Match` are sent, which Backblaze B2 has refused. Nothing here
//! retries, except once in another region: [`RequestError`] says what a failure means.

pub mod error;
mod location;
pub mod sign;
mod wire;
pub mod xml;

use std::num::NonZeroU32;
use std::time::Duration;

use ureq::http::Method;

use self::error::{Reply, RequestError};
use self::wire::{Answer, Call, Wire, is_of_md5, unquoted};
pub use self::wire::{Content, Header, Piece};
use self::xml::{Text, is_url_encoded, url_decoded};
use super::key::ObjectKey;
use super::profile::Access;
use crate::failure::FailureReason;
use crate::network::Network;
use crate::stop::Stop;
use serde::de::DeserializeOwned;

/// `CompleteMultipartUpload` may take this many times `--timeout`.
const COMPLETION_TIMEOUTS: u32 = 10;

/// S3's limit of parts in an upload.
const MAX_PARTS: usize = 10_000;

/// An object by its headers or its entry in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its length in bytes.
    pub size: u64,
    /// Its ETag, without quotes.
    pub etag: String,
    /// The ETag is not an MD5: the server encrypts with keys of its own service or of the client, or makes ETags of
    /// another kind.
    pub is_opaque: bool,
    /// The SHA-256 stored with the object: `x-amz-meta-sha256`.
    pub sha256: Option<String>,
}

/// The server's answer to a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its ETag, without quotes; empty where the server sends none.
    pub etag: String,
    /// As in [`Object`].
    pub is_opaque: bool,
}

/// A part that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: NonZeroU32,
    /// Its length in bytes.
    pub size: u64,
    /// Its ETag, without quotes, where the server lists it.
    pub etag: Option<String>,
}

/// A multipart upload in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The key.
    pub key: String,
    /// Its id.
    pub id: String,
    /// When it was begun, as the server writes it: RFC 3339.
    pub initiated: String,
}

/// A page of a listing, and the token of the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// None on the last page.
    pub next: Option<String>,
}

/// A client for one bucket; shared by all workers.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    bucket: String,
    timeout: Duration,
}

impl Client {
    /// A client; it sends nothing yet. At most `workers` use it at once.
    #[must_use]
    pub fn new(
        access: &Access,
        network: &Network,
        bucket: &str,
        workers: usize,
        timeout: Duration,
        stop: &Stop,
    ) -> Self {
        Self { wire: Wire::new(access, network, bucket, workers, timeout, stop), bucket: bucket.to_owned(), timeout }
    }

    /// The object with this key (HEAD).
    ///
    /// # Errors
    /// See [`RequestError`], as for all requests.
    pub fn head(&self, key: &ObjectKey) -> Result<Option<Object>, RequestError> {
        let answer = self.wire.send(&self.call(Method::HEAD, Some(key), &[]))?;
        match answer.status {
            200 => {}
            404 => return Ok(None),
            // An answer to HEAD has no body to say why.
            400..=499 | 301 | 307 => return self.explain(key, &answer),
            _ => return Err(self.request_error(&answer, "HEAD", Some(key))),
        }
        let size = answer.header("content-length").and_then(|text| text.parse().ok());
        let (Some(size), Some(etag)) = (size, answer.etag()) else {
            return Err(RequestError::Refused(format!("the server sends no size and ETag of {:?}", key.as_str())));
        };
        let sha256 = answer.header("x-amz-meta-sha256").map(str::to_owned);
        Ok(Some(Object { size, is_opaque: answer.is_opaque(&etag), etag, sha256 }))
    }

    /// Requests one byte with GET after HEAD was refused, to read the reason.
    fn explain(&self, key: &ObjectKey, refused: &Answer) -> Result<Option<Object>, RequestError> {
        let answer =
            self.wire.send(&Call { headers: &[("range", "bytes=0-0")], ..self.call(Method::GET, Some(key), &[]) })?;
        let document: Option<xml::Failure> = xml::read(&answer.body).ok();
        match (answer.status, document.as_ref().map(|failure| failure.code.get()).filter(|code| !code.is_empty())) {
            (404, None | Some("NoSuchKey")) => Ok(None),
            // The access key had expired, and the answer to HEAD could not say so.
            (200 | 206 | 416, _) if !answer.is_signed_as(refused) => self.head(key),
            (200 | 206 | 416, _) => {
                Err(RequestError::Refused(format!("the server refuses HEAD for {:?} but allows GET", key.as_str())))
            }
            _ => Err(self.request_error(&answer, "GET", Some(key))),
        }
    }

    /// Stores an object in one request (PUT).
    pub fn put(&self, key: &ObjectKey, piece: &dyn Piece, headers: &[Header<'_>]) -> Result<Stored, RequestError> {
        let call = Call { headers, content: Content::Piece(piece), ..self.call(Method::PUT, Some(key), &[]) };
        self.store(&call, "PUT", key)
    }

    /// Creates a multipart upload; returns its id.
    pub fn begin(&self, key: &ObjectKey, headers: &[Header<'_>]) -> Result<String, RequestError> {
        let call = Call { headers, ..self.call(Method::POST, Some(key), &[("uploads", "")]) };
        let root: xml::Upload = self.document(&call, "begin")?;
        let id = root.upload_id.as_ref().map(Text::get).filter(|id| !id.is_empty());
        id.map(str::to_owned)
            .ok_or_else(|| RequestError::Refused("the server created a multipart upload without an id".into()))
    }

    /// Stores a part (`UploadPart`).
    pub fn put_part(
        &self,
        key: &ObjectKey,
        id: &str,
        number: NonZeroU32,
        piece: &dyn Piece,
    ) -> Result<Stored, RequestError> {
        let number = number.to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", id)];
        let call = Call { content: Content::Piece(piece), ..self.call(Method::PUT, Some(key), &query) };
        self.store(&call, "PUT a part of", key)
    }

    /// Completes a multipart upload; returns the object's ETag. An answer with status 200 may hold an error.
    pub fn complete(&self, key: &ObjectKey, id: &str, parts: &[(NonZeroU32, String)]) -> Result<String, RequestError> {
        let document = xml::completion(parts);
        let query = [("uploadId", id)];
        let call = Call {
            content: Content::Document(document.as_bytes()),
            timeout: self.timeout.saturating_mul(COMPLETION_TIMEOUTS),
            ..self.call(Method::POST, Some(key), &query)
        };
        let root: xml::CompleteMultipartUploadResult = self.document(&call, "complete")?;
        Ok(unquoted(root.etag.get()))
    }

    /// Aborts a multipart upload; one that does not exist is no error.
    pub fn abort(&self, key: &ObjectKey, id: &str) -> Result<(), RequestError> {
        let answer = self.wire.send(&self.call(Method::DELETE, Some(key), &[("uploadId", id)]))?;
        match answer.status {
            200..=299 | 404 => Ok(()),
            _ => Err(self.request_error(&answer, "abort", Some(key))),
        }
    }

    /// The parts of a multipart upload on the server (`ListParts`).
    pub fn parts(&self, key: &ObjectKey, id: &str) -> Result<Vec<Part>, RequestError> {
        let mut parts = Vec::new();
        let mut marker = String::new();
        loop {
            let mut query = vec![("uploadId", id)];
            if !marker.is_empty() {
                query.push(("part-number-marker", &marker));
            }
            let call = self.call(Method::GET, Some(key), &query);
            let root: xml::ListPartsResult = self.document(&call, "list the parts of")?;
            let known = parts.len();
            parts.extend(root.parts.iter().filter_map(|part| {
                Some(Part {
                    number: part.part_number.get().parse().ok()?,
                    size: part.size.get().parse().ok()?,
                    etag: Some(unquoted(part.etag.get())).filter(|etag| !etag.is_empty()),
                })
            }));
            match root.next_part_number_marker.as_ref().map(Text::get) {
                Some(next) if root.is_truncated.get() == "true" && (known + 1..MAX_PARTS).contains(&parts.len()) => {
                    next.clone_into(&mut marker);
                }
                _ => return Ok(parts),
            }
        }
    }

    /// A page of the objects under a prefix. Some servers omit the ETags: they are empty then.
    pub fn list(&self, prefix: &str, from: Option<&str>) -> Result<Page<(String, Object)>, RequestError> {
        let mut query = vec![("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix)];
        query.extend(from.map(|token| ("continuation-token", token)));
        let root: xml::ListBucketResult = self.document(&self.call(Method::GET, None, &query), "list")?;
        let is_encoded = keys_are_encoded(&root.encoding_type, root.contents.iter().map(|object| object.key.as_ref()));
        let items = root.contents.iter().filter_map(|object| {
            let key = object.key.as_ref()?.raw();
            let key = if is_encoded { url_decoded(key)? } else { key.to_owned() };
            let size = object.size.get().parse().ok()?;
            let etag = unquoted(object.etag.get());
            Some((key, Object { size, is_opaque: !is_of_md5(&etag), etag, sha256: None }))
        });
        let items = items.collect();
        let next = root.next_continuation_token.filter(|_| root.is_truncated.get() == "true");
        let next = next.map(|token| token.get().to_owned());
        Ok(Page { items, next })
    }

    /// The first multipart uploads in progress under a prefix: at most a thousand, which is enough for one pass.
    pub fn begun(&self, prefix: &str) -> Result<Vec<Begun>, RequestError> {
        let query = [("uploads", ""), ("encoding-type", "url"), ("prefix", prefix)];
        let call = self.call(Method::GET, None, &query);
        let root: xml::ListMultipartUploadsResult = self.document(&call, "list the uploads of")?;
        let is_encoded = keys_are_encoded(&root.encoding_type, root.uploads.iter().map(|upload| upload.key.as_ref()));
        let begun = root.uploads.iter().filter_map(|upload| {
            let key = upload.key.as_ref()?.raw();
            Some(Begun {
                key: if is_encoded { url_decoded(key)? } else { key.to_owned() },
                id: upload.upload_id.as_ref()?.get().to_owned(),
                initiated: upload.initiated.as_ref()?.get().to_owned(),
            })
        });
        Ok(begun.collect())
    }

    fn call<'a>(&self, method: Method, key: Option<&'a ObjectKey>, query: &'a [(&'a str, &'a str)]) -> Call<'a> {
        Call { method, key, query, headers: &[], content: Content::None, timeout: self.timeout }
    }

    fn store(&self, call: &Call<'_>, what: &str, key: &ObjectKey) -> Result<Stored, RequestError> {
        let answer = self.wire.send(call)?;
        if !(200..300).contains(&answer.status) {
            return Err(self.request_error(&answer, what, Some(key)));
        }
        let etag = answer.etag().unwrap_or_default();
        Ok(Stored { is_opaque: answer.is_opaque(&etag), etag })
    }

    fn document<T: DeserializeOwned>(&self, call: &Call<'_>, what: &str) -> Result<T, RequestError> {
        let answer = self.wire.send(call)?;
        if (200..300).contains(&answer.status) && xml::failure(&answer.body).is_none() {
            return xml::read(&answer.body).map_err(|error| {
                let message = format!("the server's answer to {what} is {error}");
                RequestError::Passing { reason: FailureReason::Server, message, retry_after: None }
            });
        }
        Err(self.request_error(&answer, what, call.key))
    }

    fn request_error(&self, answer: &Answer, what: &str, key: Option<&ObjectKey>) -> RequestError {
        let body = Wire::text(answer);
        let reply = Reply {
            status: answer.status,
            body: body.as_bytes(),
            retry_after: answer.header("retry-after"),
            region: answer.header("x-amz-bucket-region"),
            date: answer.header("date"),
        };
        let what = key.map_or_else(|| what.to_owned(), |key| format!("{what} {:?}", key.as_str()));
        reply.request_error(&self.bucket, &what)
    }
}

/// Whether the keys of a listing must be decoded: the server says so, and all of them look like it.
fn keys_are_encoded<'a>(encoding: &Text, mut keys: impl Iterator<Item = Option<&'a Text>>) -> bool {
    encoding.get() == "url" && keys.all(|key| key.is_none_or(|key| is_url_encoded(key.raw())))
}

//! A bucket: the few requests that an upload needs, signed.
//!
//! Plain requests only, so that every server understands them: `Content-MD5` and `x-amz-content-sha256` prove a body, and no
//! `x-amz-checksum-…`, no chunked trailers and no `If-None-Match` are sent, which Backblaze B2 has refused. Nothing here tries
//! again, except once in another region: what a failure means is [`Trouble`].

pub mod error;
mod place;
pub mod sign;
pub mod xml;

use std::io::Read;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use ureq::http::{HeaderMap, Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use self::error::{Reply, Trouble};
use self::place::Place;
use self::sign::{EMPTY_SHA256, Scope, sha256_hex};
use self::xml::{Element, url_decoded};
use super::key::ObjectKey;
use super::profile::{Access, Credentials};
use crate::error::{Error, with_causes};
use crate::stop::Stop;

/// A larger answer is none of S3's: a listing of a thousand keys is below one.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// A body of this size is announced with `Expect: 100-continue`: where the server would refuse it, it need not be sent, and the
/// refusal is not lost in a connection that breaks.
const EXPECT_FROM_BYTES: u64 = 1 << 20;
/// Of a connection: what is read at once from a file and written at once to the network.
const OUTPUT_BYTES: usize = 128 << 10;
const INPUT_BYTES: usize = 32 << 10;
/// To put the parts of a large object together may take this many times `--timeout`.
const COMPLETION_TIMEOUTS: u32 = 10;

/// What an object is, as its headers or a listing say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its length in bytes.
    pub size: u64,
    /// Its ETag, without quotes.
    pub etag: String,
    /// The ETag is not made of MD5s: the server encrypts with keys of its own service, or of the client, or makes ETags of
    /// another kind.
    pub is_opaque: bool,
    /// What was said of the content when it was stored: `x-amz-meta-sha256`.
    pub sha256: Option<String>,
}

/// What the server says of a piece that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its ETag, without quotes; empty where the server does not say.
    pub etag: String,
    /// As in [`Object`].
    pub is_opaque: bool,
}

/// A part of an upload that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: NonZeroU32,
    /// Its length in bytes.
    pub size: u64,
    /// Its ETag, without quotes, where the server lists it.
    pub etag: Option<String>,
}

/// An upload in parts that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The key.
    pub key: String,
    /// Its id.
    pub id: String,
    /// When, as the server says it: RFC 3339.
    pub initiated: String,
}

/// A page of a listing, and where the next begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What it lists.
    pub items: Vec<T>,
    /// None on the last page.
    pub next: Option<String>,
}

/// What is sent.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// Nothing.
    None,
    /// A small document.
    Document(&'a [u8]),
    /// A file or a part of one, which was hashed before.
    Piece(&'a dyn Piece),
}

/// A file or a part of one, to be read as often as it has to be sent.
pub trait Piece {
    /// Its length in bytes.
    fn len(&self) -> u64;
    /// Whether there is nothing to send.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Its SHA-256 in hexadecimal digits.
    fn sha256(&self) -> &str;
    /// Its MD5 in base64.
    fn md5_base64(&self) -> &str;
    /// Reads it from its beginning. What ends early must fail: a length was promised.
    fn reader(&self) -> Box<dyn Read + '_>;
}

/// A header beside those that every request has; the name in lower case.
pub type Header<'a> = (&'a str, &'a str);

/// A client for one bucket; shared by all workers.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    credentials: Credentials,
    bucket: String,
    place: Mutex<Place>,
    timeout: Duration,
    stop: Stop,
}

/// A request before it is signed.
struct Call<'a> {
    method: Method,
    key: Option<&'a ObjectKey>,
    query: &'a [(&'a str, &'a str)],
    headers: &'a [Header<'a>],
    content: Content<'a>,
    timeout: Duration,
}

/// An answer of whatever status, read to its end.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn etag(&self) -> Option<String> {
        self.header("etag").map(unquoted)
    }

    /// Whether this ETag, or an ETag that would come with this answer, is none of MD5s.
    fn is_opaque(&self, etag: &str) -> bool {
        let is_kms = self.header("x-amz-server-side-encryption").is_some_and(|how| how.contains("kms"));
        is_kms || self.headers.contains_key("x-amz-server-side-encryption-customer-algorithm") || !is_of_md5(etag)
    }
}

/// An MD5 in hexadecimal digits, perhaps with a number of parts.
fn is_of_md5(etag: &str) -> bool {
    let (md5, parts) = etag.split_once('-').unwrap_or((etag, "1"));
    md5.len() == 32
        && md5.bytes().all(|byte| byte.is_ascii_hexdigit())
        && parts.bytes().all(|byte| byte.is_ascii_digit())
}

fn unquoted(etag: &str) -> String {
    etag.trim().trim_matches('"').to_owned()
}

impl Client {
    /// A client; nothing is sent yet. `workers` use it at once.
    #[must_use]
    pub fn new(access: &Access, bucket: &str, workers: usize, timeout: Duration, stop: &Stop) -> Self {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("footage/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(timeout))
            .timeout_resolve(Some(timeout))
            .timeout_per_read(Some(timeout))
            .timeout_per_write(Some(timeout))
            .max_idle_connections(workers + 1)
            .max_idle_connections_per_host(workers + 1)
            .input_buffer_size(INPUT_BYTES)
            .output_buffer_size(OUTPUT_BYTES)
            .build()
            .into();
        let closing = agent.clone();
        stop.also(move || closing.clone().shutdown());
        Self {
            agent,
            credentials: access.credentials.clone(),
            bucket: bucket.to_owned(),
            place: Mutex::new(Place::of(access, bucket)),
            timeout,
            stop: stop.clone(),
        }
    }

    /// What stands under a key.
    ///
    /// # Errors
    /// See [`Trouble`], as for all requests.
    pub fn head(&self, key: &ObjectKey) -> Result<Option<Object>, Trouble> {
        let answer = self.send(&self.call(Method::HEAD, Some(key), &[]))?;
        match answer.status {
            200 => {}
            404 => return Ok(None),
            // An answer to HEAD has no body to say why.
            400..=499 | 301 | 307 => return self.explain(key),
            _ => return Err(self.trouble(&answer, "HEAD", Some(key))),
        }
        let size = answer.header("content-length").and_then(|text| text.parse().ok());
        let (Some(size), Some(etag)) = (size, answer.etag()) else {
            return Err(Trouble::Refused(format!("the server does not tell the size and ETag of {:?}", key.as_str())));
        };
        let sha256 = answer.header("x-amz-meta-sha256").map(str::to_owned);
        Ok(Some(Object { size, is_opaque: answer.is_opaque(&etag), etag, sha256 }))
    }

    /// Asks for one byte of what HEAD was refused for, to read why.
    fn explain(&self, key: &ObjectKey) -> Result<Option<Object>, Trouble> {
        let answer =
            self.send(&Call { headers: &[("range", "bytes=0-0")], ..self.call(Method::GET, Some(key), &[]) })?;
        let document = Element::parse(&answer.body).ok();
        match (answer.status, document.as_ref().and_then(|root| root.get("Code"))) {
            (404, None | Some("NoSuchKey")) => Ok(None),
            (200 | 206 | 416, _) => {
                Err(Trouble::Refused(format!("the server refuses HEAD for {:?} and not GET", key.as_str())))
            }
            _ => Err(self.trouble(&answer, "GET", Some(key))),
        }
    }

    /// Stores an object in one request.
    pub fn put(&self, key: &ObjectKey, piece: &dyn Piece, headers: &[Header<'_>]) -> Result<Stored, Trouble> {
        let call = Call { headers, content: Content::Piece(piece), ..self.call(Method::PUT, Some(key), &[]) };
        self.store(&call, "PUT", key)
    }

    /// Begins an upload in parts; its id.
    pub fn begin(&self, key: &ObjectKey, headers: &[Header<'_>]) -> Result<String, Trouble> {
        let root =
            self.document(&Call { headers, ..self.call(Method::POST, Some(key), &[("uploads", "")]) }, "begin")?;
        root.get("UploadId")
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| Trouble::Refused("the server begins an upload and gives it no id".into()))
    }

    /// Stores a part.
    pub fn put_part(
        &self,
        key: &ObjectKey,
        id: &str,
        number: NonZeroU32,
        piece: &dyn Piece,
    ) -> Result<Stored, Trouble> {
        let number = number.to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", id)];
        let call = Call { content: Content::Piece(piece), ..self.call(Method::PUT, Some(key), &query) };
        self.store(&call, "PUT a part of", key)
    }

    /// Makes the parts an object; its ETag. Also an answer of 200 may tell a failure.
    pub fn complete(&self, key: &ObjectKey, id: &str, parts: &[(NonZeroU32, String)]) -> Result<String, Trouble> {
        let mut document = String::from("<CompleteMultipartUpload>");
        for (number, etag) in parts {
            document
                .push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>"));
        }
        document.push_str("</CompleteMultipartUpload>");
        let query = [("uploadId", id)];
        let call = Call {
            content: Content::Document(document.as_bytes()),
            timeout: self.timeout.saturating_mul(COMPLETION_TIMEOUTS),
            ..self.call(Method::POST, Some(key), &query)
        };
        let root = self.document(&call, "complete")?;
        Ok(root.get("ETag").map(unquoted).unwrap_or_default())
    }

    /// Gives an upload up; one that is not there is fine.
    pub fn abort(&self, key: &ObjectKey, id: &str) -> Result<(), Trouble> {
        let answer = self.send(&self.call(Method::DELETE, Some(key), &[("uploadId", id)]))?;
        match answer.status {
            200..=299 | 404 => Ok(()),
            _ => Err(self.trouble(&answer, "abort", Some(key))),
        }
    }

    /// The parts of an upload that the server has.
    pub fn parts(&self, key: &ObjectKey, id: &str) -> Result<Vec<Part>, Trouble> {
        let mut parts = Vec::new();
        let mut marker = String::new();
        loop {
            let mut query = vec![("uploadId", id)];
            if !marker.is_empty() {
                query.push(("part-number-marker", &marker));
            }
            let root = self.document(&self.call(Method::GET, Some(key), &query), "list the parts of")?;
            let known = parts.len();
            parts.extend(root.all("Part").filter_map(|part| {
                Some(Part {
                    number: part.get("PartNumber")?.parse().ok()?,
                    size: part.get("Size")?.parse().ok()?,
                    etag: part.get("ETag").map(unquoted).filter(|etag| !etag.is_empty()),
                })
            }));
            match root.get("NextPartNumberMarker") {
                Some(next) if is_truncated(&root) && parts.len() > known => marker = next.to_owned(),
                _ => return Ok(parts),
            }
        }
    }

    /// A page of the objects under a prefix.
    pub fn list(&self, prefix: &str, from: Option<&str>) -> Result<Page<(String, Object)>, Trouble> {
        let mut query = vec![("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix)];
        query.extend(from.map(|token| ("continuation-token", token)));
        let root = self.document(&self.call(Method::GET, None, &query), "list")?;
        let is_encoded = root.get("EncodingType") == Some("url");
        let items = root.all("Contents").filter_map(|object| {
            let key = object.raw("Key")?;
            let key = if is_encoded { url_decoded(key)? } else { key.to_owned() };
            let size = object.get("Size")?.parse().ok()?;
            let etag = unquoted(object.get("ETag")?);
            Some((key, Object { size, is_opaque: !is_of_md5(&etag), etag, sha256: None }))
        });
        let items = items.collect();
        let next = root.get("NextContinuationToken").filter(|_| is_truncated(&root)).map(str::to_owned);
        Ok(Page { items, next })
    }

    /// The first uploads in parts under a prefix that were begun and not ended: at most a thousand, which is enough for one pass.
    pub fn begun(&self, prefix: &str) -> Result<Vec<Begun>, Trouble> {
        let query = [("uploads", ""), ("encoding-type", "url"), ("prefix", prefix)];
        let root = self.document(&self.call(Method::GET, None, &query), "list the uploads of")?;
        let is_encoded = root.get("EncodingType") == Some("url");
        let begun = root.all("Upload").filter_map(|upload| {
            let key = upload.raw("Key")?;
            Some(Begun {
                key: if is_encoded { url_decoded(key)? } else { key.to_owned() },
                id: upload.get("UploadId")?.to_owned(),
                initiated: upload.get("Initiated")?.to_owned(),
            })
        });
        Ok(begun.collect())
    }

    fn call<'a>(&self, method: Method, key: Option<&'a ObjectKey>, query: &'a [(&'a str, &'a str)]) -> Call<'a> {
        Call { method, key, query, headers: &[], content: Content::None, timeout: self.timeout }
    }

    fn store(&self, call: &Call<'_>, what: &str, key: &ObjectKey) -> Result<Stored, Trouble> {
        let answer = self.send(call)?;
        if !(200..300).contains(&answer.status) {
            return Err(self.trouble(&answer, what, Some(key)));
        }
        let etag = answer.etag().unwrap_or_default();
        Ok(Stored { is_opaque: answer.is_opaque(&etag), etag })
    }

    fn document(&self, call: &Call<'_>, what: &str) -> Result<Element, Trouble> {
        let answer = self.send(call)?;
        if (200..300).contains(&answer.status) {
            match Element::parse(&answer.body) {
                Ok(root) if root.name != "Error" => return Ok(root),
                Ok(_) => {}
                Err(error) => {
                    let message = format!("the server's answer to {what} is {error}");
                    return Err(Trouble::Passing { reason: "server", message, retry_after: None });
                }
            }
        }
        Err(self.trouble(&answer, what, call.key))
    }

    fn trouble(&self, answer: &Answer, what: &str, key: Option<&ObjectKey>) -> Trouble {
        // Some servers repeat in their errors who asked.
        let mut body = String::from_utf8_lossy(&answer.body).into_owned();
        let secrets =
            [Some(&self.credentials.secret), self.credentials.session_token.as_ref(), Some(&self.credentials.key_id)];
        for secret in secrets.into_iter().flatten().filter(|secret| !secret.is_empty()) {
            body = body.replace(secret.as_str(), "…");
        }
        let reply = Reply {
            status: answer.status,
            body: body.as_bytes(),
            retry_after: answer.header("retry-after"),
            date: answer.header("date"),
        };
        let what = key.map_or_else(|| what.to_owned(), |key| format!("{what} {:?}", key.as_str()));
        reply.trouble(&self.bucket, &what)
    }

    /// Sends a request, and once more when the server says that the bucket is in another region.
    fn send(&self, call: &Call<'_>) -> Result<Answer, Trouble> {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answer = self.send_to(&place, call)?;
        let document = || Element::parse(&answer.body).ok()?.get("Region").map(str::to_owned);
        let moved = match answer.status {
            301 | 307 | 308 | 400 | 403 => answer.header("x-amz-bucket-region").map(str::to_owned).or_else(document),
            _ => None,
        };
        let Some(moved) = moved.and_then(|region| place.moved_to(&region)) else { return Ok(answer) };
        log::info!("the bucket {:?} is in the region {:?}: signing for it", self.bucket, moved.region);
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = moved.clone();
        self.send_to(&moved, call)
    }

    fn send_to(&self, place: &Place, call: &Call<'_>) -> Result<Answer, Trouble> {
        if let Err(stopped) = self.stop.check() {
            return Err(Trouble::Fatal(stopped));
        }
        let path = place.path(call.key);
        let query = sign::query(call.query);
        let sha256_of_document;
        let (length, body_sha256, md5) = match call.content {
            Content::None => (None, EMPTY_SHA256, None),
            Content::Document(bytes) => {
                sha256_of_document = sha256_hex(bytes);
                (Some(bytes.len() as u64), sha256_of_document.as_str(), None)
            }
            Content::Piece(piece) => (Some(piece.len()), piece.sha256(), Some(piece.md5_base64())),
        };
        #[expect(clippy::disallowed_methods, reason = "a signature carries the time at which it is made")]
        let now = Utc::now();
        let date = sign::timestamp(now);
        let mut headers: Vec<Header<'_>> = call.headers.to_vec();
        headers.extend([("host", place.host.as_str()), ("x-amz-content-sha256", body_sha256), ("x-amz-date", &date)]);
        headers.extend(md5.map(|md5| ("content-md5", md5)));
        headers.extend(self.credentials.session_token.as_deref().map(|token| ("x-amz-security-token", token)));
        let signed =
            sign::Request { method: call.method.as_str(), path: &path, query: &query, headers: &headers, body_sha256 };
        let scope = Scope { region: &place.region, service: "s3" };
        let authorization = sign::authorization(&signed, &self.credentials, scope, now);

        let question = if query.is_empty() { String::new() } else { format!("?{query}") };
        let url = format!("{}://{}{path}{question}", place.scheme, place.host);
        let mut request =
            Request::builder().method(call.method.clone()).uri(url).header("authorization", authorization);
        // ureq writes the host by itself, as it stands in the URL.
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(*name, *value);
        }
        if let Some(length) = length {
            request = request.header("content-length", length);
            if length >= EXPECT_FROM_BYTES {
                request = request.header("expect", "100-continue");
            }
        } else if call.method == Method::POST {
            request = request.header("content-length", 0);
        }
        let mut reader: Box<dyn Read + '_> = match call.content {
            Content::None => Box::new(std::io::empty()),
            Content::Document(bytes) => Box::new(bytes),
            Content::Piece(piece) => piece.reader(),
        };
        if length.is_some() {
            self.run(request.body(SendBody::from_reader(&mut *reader)), call.timeout)
        } else {
            self.run(request.body(SendBody::none()), call.timeout)
        }
    }

    fn run(&self, request: ureq::http::Result<Request<SendBody<'_>>>, timeout: Duration) -> Result<Answer, Trouble> {
        let request = request.map_err(|error| Trouble::Refused(error.to_string()))?;
        let answer = if timeout == self.timeout {
            self.agent.run(request)
        } else {
            self.agent.run(self.agent.configure_request(request).timeout_per_read(Some(timeout)).build())
        };
        answer.map_err(|error| self.broken(&error)).and_then(|response| self.read(response))
    }

    fn read(&self, response: Response<Body>) -> Result<Answer, Trouble> {
        let (parts, body) = response.into_parts();
        let mut bytes = Vec::new();
        body.into_reader().take(MAX_ANSWER_BYTES).read_to_end(&mut bytes).map_err(|error| {
            let message = format!("the answer broke off: {error}");
            self.stop.check().map_or_else(Trouble::Fatal, |()| Trouble::Passing {
                reason: "network",
                message,
                retry_after: None,
            })
        })?;
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes })
    }

    fn broken(&self, error: &ureq::Error) -> Trouble {
        use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
        if let Err(stopped) = self.stop.check() {
            return Trouble::Fatal(stopped);
        }
        let text = match error {
            ureq::Error::HostNotFound => "its name is not known".to_owned(),
            ureq::Error::Timeout(ureq::Timeout::Connect) => "no connection within --timeout".to_owned(),
            ureq::Error::Timeout(_) => "it neither reads nor answers within --timeout".to_owned(),
            other => with_causes(other),
        };
        match error {
            ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => Trouble::Unreachable(text),
            ureq::Error::Io(error)
                if matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable) =>
            {
                Trouble::Unreachable(text)
            }
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => Trouble::Refused(text),
            _ if text.contains("certificate") || text.contains("corrupt message") => {
                let host = &self.place.lock().unwrap_or_else(PoisonError::into_inner).host;
                Trouble::Fatal(Error::Source(format!("{host} does not speak TLS as https needs it: {text}")))
            }
            _ => Trouble::Passing {
                reason: "network",
                message: format!("the connection broke: {text}"),
                retry_after: None,
            },
        }
    }
}

fn is_truncated(root: &Element) -> bool {
    root.get("IsTruncated") == Some("true")
}

//! Sends one signed request to the server and reads the answer to its end.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Utc;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use super::error::RequestError;
use super::location::Location;
use super::sign::{self, EMPTY_SHA256, Scope, sha256_hex};
use super::xml;
use crate::early_answer::EarlyAnswer;
use crate::error::Error;
use crate::failure::FailureReason;
use crate::http::{self, explain, is_final, is_unreachable};
use crate::min_rate::{MinRateReader, patience};
use crate::mutex::lock;
use crate::network::Network;
use crate::stop::Stop;
use crate::upload::credentials::Credentials;
use crate::upload::key::ObjectKey;
use crate::upload::keys::Keys;
use crate::upload::profile::Access;

/// A larger answer is not from S3: a listing of a thousand keys is below one.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// A body of this size is announced with `Expect: 100-continue`: where the server refuses it, it is not sent, and the
/// refusal is not lost in a connection reset.
const EXPECT_FROM_BYTES: u64 = 1 << 20;
/// The status of a server or proxy that does not know `Expect`.
const EXPECTATION_FAILED: u16 = 417;
/// The size of a connection's buffers, from the file and to the network.
const OUTPUT_BYTES: usize = 128 << 10;
const INPUT_BYTES: usize = 32 << 10;

/// A request body.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// Nothing.
    None,
    /// A small XML document.
    Document(&'a [u8]),
    /// A file or a part of one, hashed before.
    Piece(&'a dyn Piece),
}

/// A file or a part of one, read again for every retry.
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
    /// Reads it from its beginning. A read that ends early must fail: the length was announced.
    fn reader(&self) -> Box<dyn Read + '_>;
}

/// A header beyond those that every request has; the name in lower case.
pub type Header<'a> = (&'a str, &'a str);

/// A request before it is signed.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) key: Option<&'a ObjectKey>,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: &'a [Header<'a>],
    pub(super) content: Content<'a>,
    pub(super) timeout: Duration,
}

impl Call<'_> {
    /// Whether its body is so large that the server is asked first.
    fn is_announced(&self) -> bool {
        matches!(self.content, Content::Piece(piece) if piece.len() >= EXPECT_FROM_BYTES)
    }
}

/// An answer with any status, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The key that the request was signed with.
    credentials: Arc<Credentials>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn etag(&self) -> Option<String> {
        self.header("etag").map(unquoted)
    }

    /// Whether both requests were signed with the same access key.
    pub(super) fn is_signed_as(&self, other: &Self) -> bool {
        self.credentials == other.credentials
    }

    /// Whether this ETag, or an ETag that would come with this answer, is not an MD5.
    pub(super) fn is_opaque(&self, etag: &str) -> bool {
        let is_kms = self.header("x-amz-server-side-encryption").is_some_and(|how| how.contains("kms"));
        is_kms || self.headers.contains_key("x-amz-server-side-encryption-customer-algorithm") || !is_of_md5(etag)
    }
}

/// An MD5 in hexadecimal, with or without a number of parts.
pub(super) fn is_of_md5(etag: &str) -> bool {
    let (md5, parts) = etag.split_once('-').unwrap_or((etag, "1"));
    md5.len() == 32
        && md5.bytes().all(|byte| byte.is_ascii_hexdigit())
        && parts.bytes().all(|byte| byte.is_ascii_digit())
}

/// Without quotes. A proxy that compresses answers makes an ETag a weak one: `W/"…"`.
pub(super) fn unquoted(etag: &str) -> String {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"').to_owned()
}

/// The answer of a server that closed the connection before it had read the request.
fn early(error: &ureq::Error, credentials: &Arc<Credentials>) -> Option<Answer> {
    let ureq::Error::Other(error) = error else { return None };
    let EarlyAnswer(bytes) = error.downcast_ref()?;
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes).ok()? else { return None };
    let headers = head.headers.iter().filter_map(|header| {
        Some((HeaderName::from_bytes(header.name.as_bytes()).ok()?, HeaderValue::from_bytes(header.value).ok()?))
    });
    // A success is none: the server has not read all of it.
    let status = head.code.filter(|status| *status >= 300)?;
    let credentials = Arc::clone(credentials);
    Some(Answer { status, headers: headers.collect(), body: bytes[length..].to_vec(), credentials })
}

/// The connection to the server.
#[derive(Debug)]
pub(super) struct Wire {
    agent: Agent,
    keys: Keys,
    location: Mutex<Location>,
    /// Whether to send `Expect: 100-continue`: some servers and proxies answer 417 to it.
    expects: AtomicBool,
    timeout: Duration,
    stop: Stop,
}

impl Wire {
    /// It sends nothing yet. At most `workers` use it at once.
    pub(super) fn new(
        access: &Access,
        network: &Network,
        bucket: &str,
        workers: usize,
        timeout: Duration,
        stop: &Stop,
    ) -> Self {
        let config = http::config()
            .http_status_as_error(false)
            .accept_encoding("identity")
            .timeout_connect(Some(timeout))
            .timeout_resolve(Some(timeout))
            .timeout_recv_response(Some(patience(timeout)))
            .timeout_per_read(Some(timeout))
            .timeout_per_write(Some(timeout))
            .max_idle_connections(workers + 1)
            .max_idle_connections_per_host(workers + 1)
            .input_buffer_size(INPUT_BYTES)
            .output_buffer_size(OUTPUT_BYTES);
        let location = Location::of(access, bucket);
        let agent = network.agent(&format!("{}://{}", location.scheme, location.host), config);
        let closing = agent.clone();
        stop.also(move || closing.clone().shutdown());
        Self {
            agent,
            keys: Keys::new(access.keys.clone(), timeout, stop.clone()),
            location: Mutex::new(location),
            expects: AtomicBool::new(true),
            timeout,
            stop: stop.clone(),
        }
    }

    /// The body of an answer as text, without secrets: some servers repeat the access key in their errors.
    pub(super) fn text(answer: &Answer) -> String {
        let Credentials { key_id, secret, session_token } = &*answer.credentials;
        let secrets = [Some(secret), session_token.as_ref(), Some(key_id)];
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        secrets
            .into_iter()
            .flatten()
            .filter(|secret| !secret.is_empty())
            .fold(text, |text, secret| text.replace(secret, "…"))
    }

    /// Sends a request, and a second time when the server says that the key has expired and another can be fetched.
    pub(super) fn send(&self, call: &Call<'_>) -> Result<Answer, RequestError> {
        let answer = self.send_where_it_is(call)?;
        let has_expired = matches!(answer.status, 400 | 401 | 403)
            && xml::failure(&answer.body).is_some_and(|failure| failure.code.get() == "ExpiredToken");
        if has_expired && self.keys.replace(&answer.credentials).map_err(RequestError::Fatal)? {
            return self.send_where_it_is(call);
        }
        Ok(answer)
    }

    /// Sends a request, and a second time when the server does not know `Expect` or says that the bucket is in another region.
    fn send_where_it_is(&self, call: &Call<'_>) -> Result<Answer, RequestError> {
        let location = lock(&self.location).clone();
        let mut answer = self.send_to(&location, call)?;
        // As RFC 9110 has it, section 10.1.1.
        if answer.status == EXPECTATION_FAILED && self.expects.swap(false, Ordering::Relaxed) {
            log::info!("the server refuses Expect: 100-continue: sending without it");
        }
        if answer.status == EXPECTATION_FAILED && call.is_announced() {
            answer = self.send_to(&location, call)?;
        }
        // What a message says in words is for people.
        let document = || Some(xml::failure(&answer.body)?.region?.get().to_owned());
        let moved = match answer.status {
            301 | 307 | 308 | 400 | 403 => answer.header("x-amz-bucket-region").map(str::to_owned).or_else(document),
            _ => None,
        };
        let Some(moved) = moved.and_then(|region| location.moved_to(&region)) else { return Ok(answer) };
        log::info!("the bucket {:?} is in the region {:?}: signing for it", location.bucket, moved.region);
        *lock(&self.location) = moved.clone();
        self.send_to(&moved, call)
    }

    fn send_to(&self, location: &Location, call: &Call<'_>) -> Result<Answer, RequestError> {
        if let Err(stopped) = self.stop.check() {
            return Err(RequestError::Fatal(stopped));
        }
        let credentials = self.keys.get().map_err(RequestError::Fatal)?;
        let path = location.path(call.key);
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
        headers.extend([
            ("host", location.host.as_str()),
            ("x-amz-content-sha256", body_sha256),
            ("x-amz-date", &date),
        ]);
        headers.extend(md5.map(|md5| ("content-md5", md5)));
        headers.extend(credentials.session_token.as_deref().map(|token| ("x-amz-security-token", token)));
        let signed =
            sign::Request { method: call.method.as_str(), path: &path, query: &query, headers: &headers, body_sha256 };
        let scope = Scope { region: &location.region, service: "s3" };
        let authorization = sign::authorization(&signed, &credentials, scope, now);

        let question = if query.is_empty() { String::new() } else { format!("?{query}") };
        let url = format!("{}://{}{path}{question}", location.scheme, location.host);
        let mut request =
            Request::builder().method(call.method.clone()).uri(url).header("authorization", authorization);
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        if let Some(length) = length {
            request = request.header("content-length", length);
            if call.is_announced() && self.expects.load(Ordering::Relaxed) {
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
            self.run(request.body(SendBody::from_reader(&mut *reader)), call.timeout, credentials)
        } else {
            self.run(request.body(SendBody::none()), call.timeout, credentials)
        }
    }

    fn run(
        &self,
        request: ureq::http::Result<Request<SendBody<'_>>>,
        timeout: Duration,
        credentials: Arc<Credentials>,
    ) -> Result<Answer, RequestError> {
        let request = request.map_err(|error| RequestError::Refused(error.to_string()))?;
        let answer = if timeout == self.timeout {
            self.agent.run(request)
        } else {
            let request = self.agent.configure_request(request).timeout_recv_response(Some(patience(timeout)));
            self.agent.run(request.timeout_per_read(Some(timeout)).build())
        };
        match answer {
            Ok(response) => self.read(response, timeout, credentials),
            Err(error) => early(&error, &credentials).map_or_else(|| Err(self.broken(&error)), Ok),
        }
    }

    fn read(
        &self,
        response: Response<Body>,
        timeout: Duration,
        credentials: Arc<Credentials>,
    ) -> Result<Answer, RequestError> {
        let (parts, body) = response.into_parts();
        let mut bytes = Vec::new();
        let body = MinRateReader::new(body.into_reader(), timeout);
        body.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes).map_err(|error| {
            let message = format!("the answer broke off: {error}");
            self.stop.check().map_or_else(RequestError::Fatal, |()| RequestError::Passing {
                reason: FailureReason::Network,
                message,
                retry_after: None,
            })
        })?;
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes, credentials })
    }

    fn broken(&self, error: &ureq::Error) -> RequestError {
        if let Err(stopped) = self.stop.check() {
            return RequestError::Fatal(stopped);
        }
        let text = explain(error, &"--timeout");
        match error {
            error if is_unreachable(error) => RequestError::Unreachable(text),
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => RequestError::Refused(text),
            error if is_final(error) => {
                RequestError::Fatal(Error::Source(format!("{}: {text}", lock(&self.location).host)))
            }
            _ => RequestError::Passing {
                reason: FailureReason::Network,
                message: format!("the connection broke: {text}"),
                retry_after: None,
            },
        }
    }
}

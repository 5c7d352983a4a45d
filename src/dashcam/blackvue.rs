//! A BlackVue dashcam over HTTP. It has one of two APIs; footage finds out which by asking, never from a version.
//!
//! | | old | new (2026) |
//! | --- | --- | --- |
//! | `GET /accessible` | 404 | 200 |
//! | listing | `GET /blackvue_vod.cgi` | `GET /vodList`; the old one answers 415 `mp4 only` |
//! | video | `GET /Record/NAME.mp4` | `GET /NAME.mp4` |
//! | `.thm` `.gps` | `GET /Record/NAME` | `POST /vodMetadata`, base64 in JSON |
//! | `.3gf` | `GET /Record/NAME` | – |
//!
//! Some cameras answer an unknown endpoint with 502 or not at all (Elite 10), so anything but 200 falls back to the old
//! listing. footage never requests `/Config`, which has passwords, nor `upload.cgi`, which writes.

mod metadata;

use std::cell::Cell;
use std::time::Duration;

use ureq::http::header::{CONTENT_RANGE, ETAG, HeaderName, LAST_MODIFIED, RANGE, TRANSFER_ENCODING};
use ureq::http::{HeaderValue, Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use super::address::{Address, Url};
use super::listing::{Listing, ListingError};
use super::name::{FileName, Format};
use super::source::{Offer, Opened, Refusal, Sidecars, Source};
use super::wire::{ContentRange, content_length, text};
use crate::error::{Error, Result};
use crate::http::{self, is_final, is_unreachable};
use crate::min_rate::{MinRateReader, patience};
use crate::network::Network;
use crate::redirect;
use crate::stop::Stop;

/// A listing must arrive within so many times `--timeout`: an endless one may also be endlessly slow.
const LISTING_TIMEOUTS: u32 = 30;
/// What one read of a body takes; measured: less costs system calls, more costs cache.
const BUFFER_BYTES: usize = 256 << 10;

/// How to talk to a camera.
#[derive(Debug, Clone)]
pub struct Http {
    /// How long to wait for a connection, and for each further byte.
    pub timeout: Duration,
    /// `--header`
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Proxies, and the certificates to trust.
    pub network: Network,
    /// Ends a transfer under way.
    pub stop: Stop,
}

/// The two APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Most cameras in use.
    Old,
    /// Elite 9 and later.
    New,
}

impl Api {
    fn listing_path(self) -> &'static str {
        match self {
            Self::Old => "/blackvue_vod.cgi",
            Self::New => "/vodList",
        }
    }
}

/// A BlackVue dashcam.
#[derive(Debug)]
pub struct BlackVue {
    agent: Agent,
    base: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The API that answered the last listing.
    api: Api,
    http: Http,
    /// Some cameras send no length in the answer to HEAD.
    head_works: Cell<bool>,
}

/// Where a try to list has failed.
enum Probe {
    /// Nothing is there: no use to ask for anything else.
    Unreachable(String),
    /// Something is there, but this was not answered.
    Unanswered(String),
    /// It was answered with something else.
    Other(Error),
}

impl BlackVue {
    /// The camera at a URL. It is not asked anything yet.
    ///
    /// # Errors
    /// [`Error::Usage`]: its login cannot be sent.
    pub fn at(url: &Url, http: &Http) -> Result<Self> {
        let host = url.base.split_once("://").map_or(url.base.as_str(), |(_, host)| host);
        if std::path::Path::new(host).is_dir() {
            log::info!("{host} is taken for a camera; if you mean the directory, write ./{host}");
        }
        // One connection at a time: cameras reset under parallel load.
        let config = http::config()
            .http_status_as_error(false)
            .timeout_connect(Some(http.timeout))
            .timeout_resolve(Some(http.timeout))
            .timeout_recv_response(Some(patience(http.timeout)))
            .timeout_per_read(Some(http.timeout))
            .timeout_per_write(Some(http.timeout))
            .input_buffer_size(BUFFER_BYTES);
        let agent = http.network.agent(&url.base, config);
        let closing = agent.clone();
        http.stop.also(move || closing.clone().shutdown());
        let mut headers = http.headers.clone();
        if let Some(value) = &url.authorization {
            let mut value =
                HeaderValue::from_str(value).map_err(|_| Error::Usage("the user name cannot be sent".into()))?;
            value.set_sensitive(true);
            headers.push((ureq::http::header::AUTHORIZATION, value));
        }
        let (base, api, head_works) = (url.base.clone(), Api::Old, Cell::new(true));
        Ok(Self { agent, base, headers, api, http: http.clone(), head_works })
    }

    fn host(&self) -> &str {
        self.base.split_once("://").map_or(&self.base, |(_, host)| host)
    }

    fn probe(&mut self) -> Result<Listing, Probe> {
        let accessible = match self.send(&Method::GET, &self.url("/accessible"), None, None) {
            Ok(response) => response.status().as_u16(),
            Err(error) if is_unreachable(&error) => return Err(Probe::Unreachable(explain(&error))),
            Err(error) if is_final(&error) => {
                return Err(Probe::Other(Error::Source(format!("the camera at {}: {}", self.host(), explain(&error)))));
            }
            Err(error) => {
                log::debug!("/accessible: {}", explain(&error));
                0
            }
        };
        log::debug!("/accessible answered {accessible}");
        let order = if accessible == 200 { [Api::New, Api::Old] } else { [Api::Old, Api::New] };
        let first = match self.list_by(order[0]) {
            Ok(listing) => return Ok(listing),
            Err(probe @ Probe::Unreachable(_)) => return Err(probe),
            Err(probe) => probe,
        };
        // The other API, where there is a sign of it: asking a silent camera twice only costs the user's time.
        match (&first, order[1]) {
            (Probe::Unanswered(_), Api::New) => Err(first),
            _ => self.list_by(order[1]).map_err(|second| match (first, second) {
                (first @ Probe::Other(_), _) => first,
                (_, second) => second,
            }),
        }
    }

    fn list_by(&mut self, api: Api) -> Result<Listing, Probe> {
        let path = api.listing_path();
        let limit = Some(self.http.timeout.saturating_mul(LISTING_TIMEOUTS));
        let response = self.send(&Method::GET, &self.url(path), None, limit).map_err(|error| {
            let text = explain(&error);
            if is_unreachable(&error) { Probe::Unreachable(text) } else { Probe::Unanswered(text) }
        })?;
        let status = response.status().as_u16();
        if status != 200 {
            let text = match self.refusal(&response) {
                Refusal::Refused(why) => why,
                _ => format!(
                    "the camera at {} answered {status} for its listing, {path}: is it a BlackVue dashcam?",
                    self.host()
                ),
            };
            return Err(Probe::Other(Error::Source(text)));
        }
        match Listing::read(response.into_body().into_reader()) {
            Ok(listing) => {
                self.api = api;
                Ok(listing)
            }
            Err(ListingError::Io(error)) => Err(Probe::Unanswered(format!("its listing broke off: {error}"))),
            Err(error) => Err(Probe::Other(Error::Source(format!("the camera at {}, {path}: {error}", self.host())))),
        }
    }

    fn path(&self, file: FileName) -> String {
        match self.api {
            Api::Old => format!("/Record/{file}"),
            Api::New => format!("/{file}"),
        }
    }

    fn asks_metadata(&self, file: FileName) -> bool {
        self.api == Api::New && file.format() != Format::Video
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn request(&self, method: Method, url: &str) -> ureq::http::request::Builder {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
    }

    /// Sends a request without a body; redirects within the camera are followed.
    fn send(
        &self,
        method: &Method,
        url: &str,
        range: Option<&str>,
        limit: Option<Duration>,
    ) -> Result<Response<Body>, ureq::Error> {
        redirect::follow(url, |url| {
            let mut request = self.request(method.clone(), url);
            if let Some(range) = range {
                request = request.header(RANGE, range);
            }
            let request = request.body(SendBody::none()).map_err(ureq::Error::Http)?;
            let request = self.agent.configure_request(request).timeout_global(limit).build();
            let response = self.agent.run(request)?;
            log::debug!("{method} {url} {}: {}", range.unwrap_or(""), response.status());
            Ok(response)
        })
    }

    fn refusal(&self, response: &Response<Body>) -> Refusal {
        let status = response.status();
        match status.as_u16() {
            204 => Refusal::Empty,
            404 | 410 => Refusal::Absent,
            _ if status.is_redirection() => {
                let target = redirect::location(response).unwrap_or("nowhere");
                Refusal::Refused(format!("{} redirects to {target:?}, another place: not followed", self.host()))
            }
            status => Refusal::Status(status),
        }
    }
}

impl Source for BlackVue {
    fn list(&mut self) -> Result<Offer> {
        let listing = self.probe().map_err(|probe| match probe {
            Probe::Unreachable(cause) | Probe::Unanswered(cause) => {
                Error::Away(format!("the camera at {} is away: {cause}", self.host()))
            }
            Probe::Other(error) => error,
        });
        self.http.stop.check()?;
        let sidecars = match self.api {
            Api::Old => vec![Format::Thumbnail, Format::Accelerometer, Format::Gps],
            Api::New => vec![Format::Thumbnail, Format::Gps],
        };
        Ok(Offer { listing: listing?, sidecars: Sidecars::Ask(sidecars) })
    }

    fn answers(&self) -> Result<(), String> {
        // The listing, of which the body is left unread: the one thing of which it is known that this camera answers it.
        match self.send(&Method::GET, &self.url(self.api.listing_path()), None, None) {
            Ok(_) => Ok(()),
            Err(error) => Err(explain(&error)),
        }
    }

    fn open(&self, file: FileName, video: FileName, from: u64) -> Result<Opened, Refusal> {
        if self.asks_metadata(file) {
            return self.metadata(file, video);
        }
        let range = (from > 0).then(|| format!("bytes={from}-"));
        let response = self.send(&Method::GET, &self.url(&self.path(file)), range.as_deref(), None).map_err(lost)?;
        let status = response.status().as_u16();
        let headers = response.headers();
        let validator = text(headers, &ETAG).or_else(|| text(headers, &LAST_MODIFIED)).map(str::to_owned);
        let content_range = text(headers, &CONTENT_RANGE).and_then(ContentRange::parse);
        let (start, total) = match (status, content_range) {
            (206, Some(ContentRange { start: Some(start), total, .. })) => (start, total),
            // Without a start the body cannot be placed in the file.
            (206, _) => return Err(Refusal::Refused("it answers with a part and does not say which".into())),
            (200, _) => (0, content_length(headers)),
            (416, _) if from > 0 => return self.open(file, video, 0),
            (416, _) => return Err(Refusal::Status(416)),
            _ => return Err(self.refusal(&response)),
        };
        let is_framed = headers.contains_key(TRANSFER_ENCODING);
        let body = Box::new(MinRateReader::new(response.into_body().into_reader(), self.http.timeout));
        Ok(Opened { start, total, validator, is_framed, body })
    }

    fn length(&self, file: FileName, video: FileName) -> Result<Option<u64>, Refusal> {
        if self.asks_metadata(file) {
            return self.metadata(file, video).map(|opened| opened.total);
        }
        let path = self.path(file);
        if self.head_works.get() {
            match self.send(&Method::HEAD, &self.url(&path), None, None) {
                Ok(head) if head.status() == 200 => match content_length(head.headers()) {
                    // Many a small server announces the body of this very answer, which has none.
                    None | Some(0) => {}
                    length => return Ok(length),
                },
                Ok(_) => {}
                // It has left, or it does not like HEAD: if it is still there, the next question is another.
                Err(error) => {
                    self.head_works.set(false);
                    return Err(lost(error));
                }
            }
        }
        // The headers of a GET for one byte say it too. The body is left unread.
        let get = self.send(&Method::GET, &self.url(&path), Some("bytes=0-0"), None).map_err(lost)?;
        let headers = get.headers();
        if get.status().is_success() {
            self.head_works.set(false);
        }
        match get.status().as_u16() {
            206 => Ok(text(headers, &CONTENT_RANGE).and_then(ContentRange::parse).and_then(|range| range.total)),
            200 => Ok(content_length(headers)),
            _ => Err(self.refusal(&get)),
        }
    }

    fn is_local(&self) -> bool {
        false
    }

    fn is_at(&self, address: &Address) -> bool {
        matches!(address, Address::Http(url) if url.base == self.base)
    }
}

fn explain(error: &ureq::Error) -> String {
    http::explain(error, &"--timeout")
}

fn lost(error: ureq::Error) -> Refusal {
    match error {
        ureq::Error::Http(error) => Refusal::Refused(error.to_string()),
        ureq::Error::BadUri(uri) => Refusal::Refused(uri),
        error => Refusal::Lost(explain(&error)),
    }
}

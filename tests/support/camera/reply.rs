//! What the camera answers, before and after a fault has touched it.

use std::fmt::Write;
use std::ops::Range;

use serde_json::{Value, json};

use super::card::sidecars;
use super::content::Content;
use super::http::{Incoming, reason};
use super::{Api, State};

/// An answer that is ready to be sent.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    /// The part of `content` that is the body.
    pub(super) range: Range<u64>,
    pub(super) content: Content,
    pub(super) framing: Framing,
    /// What `Content-Range` claims: the part and the total.
    pub(super) content_range: Option<(Range<u64>, u64)>,
    /// Whether the body comes from the card.
    pub(super) from_card: bool,
    pub(super) rate: Option<u64>,
    pub(super) cut: Option<(Cut, Ending)>,
}

/// How the client learns where the body ends.
#[derive(Clone, Copy)]
pub(super) enum Framing {
    Length(u64),
    UntilClose,
    Chunked,
}

/// Where a reply breaks off.
#[derive(Clone, Copy)]
pub(super) enum Cut {
    Nothing,
    Head,
    Body(u64),
}

/// How a connection ends.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    Close,
    Reset,
    Stall,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        let text = if status == 204 { String::new() } else { format!("{status} {}\n", reason(status)) };
        Self::text(status, text)
    }

    pub(super) fn text(status: u16, text: String) -> Self {
        Self::whole(status, text.into_bytes().into())
    }

    fn whole(status: u16, content: Content) -> Self {
        let len = content.len();
        Self {
            status,
            headers: Vec::new(),
            range: 0..len,
            content,
            framing: Framing::Length(len),
            content_range: None,
            from_card: false,
            rate: None,
            cut: None,
        }
    }

    fn json(value: &Value) -> Self {
        let mut reply = Self::text(200, value.to_string());
        reply.headers.push(("Content-Type", "application/json".into()));
        reply
    }

    /// A file from the card, or the asked part of it.
    fn file(content: Content, range: Option<(u64, Option<u64>)>, knows_ranges: bool) -> Self {
        let total = content.len();
        let mut reply = match range.filter(|_| knows_ranges) {
            Some((first, _)) if first >= total => {
                let mut reply = Self::status(416);
                reply.headers.push(("Content-Range", format!("bytes */{total}")));
                return reply;
            }
            Some((first, last)) => {
                let end = last.map_or(total, |last| total.min(last.saturating_add(1))).max(first);
                let mut reply = Self::whole(206, content);
                reply.range = first..end;
                reply.framing = Framing::Length(end - first);
                reply.content_range = Some((first..end, total));
                reply
            }
            None => Self::whole(200, content),
        };
        if knows_ranges {
            reply.headers.push(("Accept-Ranges", "bytes".into()));
        }
        reply.headers.push(("Content-Type", "video/mp4".into()));
        reply.from_card = true;
        reply
    }

    /// The status line and the headers, with the empty line that ends them.
    pub(super) fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let mut add = |name: &str, value: &str| {
            write!(head, "{name}: {value}\r\n").expect("writing to a String");
        };
        self.headers.iter().for_each(|(name, value)| add(name, value));
        if let Some((range, total)) = &self.content_range {
            let last = range.end.saturating_sub(1);
            add("Content-Range", &format!("bytes {}-{last}/{total}", range.start));
        }
        match self.framing {
            Framing::Length(_) if self.status == 204 => {}
            Framing::Length(len) => add("Content-Length", &len.to_string()),
            Framing::Chunked => add("Transfer-Encoding", "chunked"),
            Framing::UntilClose => {}
        }
        add("Connection", "close");
        head + "\r\n"
    }
}

/// How a new camera wraps the sidecars that it hands out through `/vodMetadata`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metadata {
    /// `{"metadata": {"thumbnail": "…"}}`
    #[default]
    Nested,
    /// `{"thumbnail": "…"}`
    TopLevel,
    /// Nested, the base64 in lines of 76 letters.
    Wrapped,
    /// Nested, without `=` at the end.
    Unpadded,
    /// Nested, behind `data:image/jpeg;base64,`.
    DataUrl,
}

/// The answers of a camera without faults.
pub(super) fn answer(state: &State, request: &Incoming, knows_ranges: bool) -> Reply {
    let path = request.decoded_path();
    let reads = matches!(request.method.as_str(), "GET" | "HEAD");
    match (state.api, path.as_str()) {
        (Api::New, "/accessible") if reads => Reply::json(&json!({"accessible": true})),
        (Api::Old, "/blackvue_vod.cgi") | (Api::New, "/vodList") if reads => {
            let (body, endless) = state.listing.body(state.api, &state.card);
            let mut reply = Reply::whole(200, body);
            if endless {
                reply.framing = Framing::UntilClose;
            }
            reply
        }
        (Api::New, "/blackvue_vod.cgi") => Reply::text(415, "mp4 only".into()),
        (Api::New, "/vodMetadata") if request.method == "POST" => metadata(state, &request.body),
        (api, path) if reads => {
            let folder = if api == Api::Old { "/Record/" } else { "/" };
            // A new camera hands out its sidecars through /vodMetadata only.
            let file = path
                .strip_prefix(folder)
                .filter(|name| api == Api::Old || super::card::is_listed(name))
                .and_then(|name| state.card.get(name));
            match file {
                Some(content) => Reply::file(content.clone(), request.range(), knows_ranges),
                None => Reply::status(404),
            }
        }
        _ => Reply::status(404),
    }
}

fn metadata(state: &State, body: &[u8]) -> Reply {
    let Ok(asked) = serde_json::from_slice::<Value>(body) else {
        return Reply::status(400);
    };
    let file = asked["file"].as_str().and_then(|file| file.strip_suffix(".mp4"));
    let Some((thm, gps, _)) = file.and_then(sidecars) else {
        return Reply::status(404);
    };
    let mut found = serde_json::Map::new();
    for kind in asked["types"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let name = if kind == "thumbnail" { &thm } else { &gps };
        if let Some(bytes) = state.card.get(name).and_then(|content| content.bytes().ok()) {
            found.insert(kind.into(), json!(base64(&bytes, state.metadata)));
        }
    }
    match state.metadata {
        Metadata::TopLevel => Reply::json(&found.into()),
        _ => Reply::json(&json!({"metadata": found})),
    }
}

fn base64(bytes: &[u8], manner: Metadata) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (i, three) in bytes.chunks(3).enumerate() {
        if manner == Metadata::Wrapped && i > 0 && i % 19 == 0 {
            text.push('\n');
        }
        let byte = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for letter in 0..4 {
            match letter <= three.len() {
                true => text.push(LETTERS[(bits >> (18 - 6 * letter)) as usize % 64].into()),
                false if manner == Metadata::Unpadded => {}
                false => text.push('='),
            }
        }
    }
    if manner == Metadata::DataUrl {
        text.insert_str(0, "data:image/jpeg;base64,");
    }
    text
}

//! The list of recordings, as any camera may write it.

use serde_json::{Value, json};

use super::Api;
use super::card::{Card, is_listed};
use super::content::Content;

/// What the camera answers when asked for its recordings.
#[derive(Clone, Debug)]
pub enum Listing {
    /// The card's videos, in this manner.
    Of(Style),
    /// These bytes.
    Raw(Vec<u8>),
    /// Well-formed entries without an end.
    Endless,
}

/// The manner of a listing; the default is what most cameras do.
#[derive(Clone, Debug)]
pub struct Style {
    /// Old API: the first line, `v:1.00`.
    pub version: String,
    /// Old API: `\r\n`.
    pub line_end: String,
    /// Old API: the value of `s:`, `1000000` whatever the real size.
    pub size: String,
    /// What stands before `/Record/` (old API) or before the name (new API).
    pub prefix: String,
    /// One more entry, without a name.
    pub trailing_empty: bool,
    /// New API: names as plain strings instead of objects.
    pub plain_strings: bool,
    /// New API: fields without a purpose.
    pub extra_fields: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            version: "v:1.00".into(),
            line_end: "\r\n".into(),
            size: "1000000".into(),
            prefix: String::new(),
            trailing_empty: false,
            plain_strings: false,
            extra_fields: false,
        }
    }
}

impl Listing {
    /// The body for `card`, and whether it comes without a length because it never ends.
    pub(super) fn body(&self, api: Api, card: &Card) -> (Content, bool) {
        match self {
            Self::Of(style) => {
                let names = card.keys().map(String::as_str).filter(|name| is_listed(name));
                let body = match api {
                    Api::Old => style.lines(names),
                    Api::New => style.json(names),
                };
                (body.into_bytes().into(), false)
            }
            Self::Raw(body) => (body.clone().into(), false),
            Self::Endless => (endless(api), true),
        }
    }
}

impl Style {
    fn lines<'n>(&self, names: impl Iterator<Item = &'n str>) -> String {
        let Self { version, line_end, size, prefix, .. } = self;
        let first = format!("{version}{line_end}");
        let entries = names.map(|name| format!("n:{prefix}/Record/{name},s:{size}{line_end}"));
        let nameless = self.trailing_empty.then(|| format!("n:,s:{size}{line_end}"));
        std::iter::once(first).chain(entries).chain(nameless).collect()
    }

    fn json<'n>(&self, names: impl Iterator<Item = &'n str>) -> String {
        let nameless = self.trailing_empty.then(String::new);
        let names = names.map(|name| format!("{}{name}", self.prefix)).chain(nameless);
        let entries: Vec<Value> = names
            .map(|name| match (self.plain_strings, self.extra_fields) {
                (true, _) => json!(name),
                (false, true) => json!({"filename": name, "size": 1_000_000, "locked": false}),
                (false, false) => json!({"filename": name}),
            })
            .collect();
        let mut listing = json!({"filelist": entries});
        if self.extra_fields {
            listing["total"] = json!(entries.len());
        }
        listing.to_string()
    }
}

fn endless(api: Api) -> Content {
    let entry = |i: u32| {
        let name = format!("20181029_{:02}{:02}{:02}_NF.mp4", i / 3600, i / 60 % 60, i % 60);
        match api {
            Api::Old => format!("n:/Record/{name},s:1000000\r\n"),
            Api::New => format!(r#"{{"filename":"{name}"}},"#),
        }
    };
    let entries: String = (0..86_400).map(entry).collect();
    let head = match api {
        Api::Old => "v:1.00\r\n",
        Api::New => r#"{"filelist":["#,
    };
    Content::repeating(head.into(), &entries.into_bytes().into(), u64::MAX)
}

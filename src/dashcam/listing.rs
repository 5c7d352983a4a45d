//! Reading what a camera says it has. Pure: a reader in, names out; liberal, bounded, never trusting a name.
//!
//! The old API answers lines, the new one JSON; which of them is seen from the text itself:
//!
//! ```text
//! v:1.00                                          {"filelist":[
//! n:/Record/20181029_131513_NF.mp4,s:1000000        {"filename":"20181029_131513_NF.mp4"},
//! n:/Record/20181029_131513_NR.mp4,s:1000000        "20181029_131513_NR.mp4"]}
//! ```

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::name::{FileName, Format};

/// A listing larger than this is not a listing: 30,000 recordings need 1.4 MB.
pub const MAX_BYTES: u64 = 16 << 20;
/// A longer line cannot be a recording; the rest of it is skipped unread.
const MAX_LINE_BYTES: usize = 4096;
/// So many lines that cannot be read are shown; the others are counted.
const MAX_SHOWN: usize = 5;

/// What a camera has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The recordings (their videos), sorted, each once.
    pub videos: Vec<FileName>,
    /// The first lines that could not be read, shortened.
    pub unread: Vec<String>,
    /// How many lines could not be read.
    pub unread_count: usize,
    /// Nothing at all came, not even a version line.
    pub was_empty: bool,
}

/// Why a listing cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// Something came, but no line of it names a recording.
    #[error("its listing cannot be read; it begins with {0:?}")]
    Unreadable(String),
    /// It went on past [`MAX_BYTES`].
    #[error("its listing does not end ({} MiB and more)", MAX_BYTES >> 20)]
    Endless,
    /// The connection broke.
    #[error("its listing broke off: {0}")]
    Io(io::Error),
}

impl Listing {
    /// Reads a listing to its end.
    ///
    /// # Errors
    /// See [`ListingError`].
    pub fn read(reader: impl Read) -> Result<Self, ListingError> {
        let mut reader = io::BufReader::with_capacity(64 << 10, reader.take(MAX_BYTES + 1));
        let mut listing = Self::default();
        let first = reader.fill_buf().map_err(ListingError::Io)?;
        let beginning = shorten(first.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default());
        listing.was_empty = first.is_empty();
        let is_json = first.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| b"{[".contains(byte));
        let recognised = if is_json {
            listing.read_json(&mut reader)
        } else {
            listing.read_lines(&mut reader).map_err(ListingError::Io)
        };
        if reader.get_ref().limit() == 0 {
            return Err(ListingError::Endless);
        }
        let recognised = recognised?;
        if listing.videos.is_empty() && !listing.was_empty && (!recognised || listing.unread_count > 0) {
            return Err(ListingError::Unreadable(beginning));
        }
        listing.videos.sort_unstable();
        listing.videos.dedup();
        Ok(listing)
    }

    /// Returns whether any line looked like a listing's, if only its version.
    fn read_lines(&mut self, reader: &mut impl BufRead) -> io::Result<bool> {
        let mut recognised = false;
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut line)? == 0 {
                return Ok(recognised);
            }
            if line.len() == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
                skip_line(reader)?;
            }
            let text = line.trim_ascii();
            if text.starts_with(b"v:") {
                recognised = true;
            } else if let Some(entry) = text.strip_prefix(b"n:") {
                recognised = true;
                let end = entry.windows(3).rposition(|part| part == b",s:").unwrap_or(entry.len());
                // A trailing "n:" without a name occurs on some cameras.
                if !entry[..end].is_empty() {
                    self.take(&entry[..end]);
                }
            } else if !text.is_empty() {
                self.refuse(text);
            }
        }
    }

    fn read_json(&mut self, reader: &mut impl BufRead) -> Result<bool, ListingError> {
        let mut json = serde_json::Deserializer::from_reader(reader);
        match json.deserialize_any(JsonListing(self)) {
            Ok(recognised) => Ok(recognised),
            Err(error) if error.is_io() => Err(ListingError::Io(error.into())),
            // A listing that breaks off, or is something else: what was read so far counts, the rest is told.
            Err(error) => {
                self.refuse(format!("{error}").as_bytes());
                Ok(!self.videos.is_empty())
            }
        }
    }

    fn take(&mut self, path: &[u8]) {
        match std::str::from_utf8(path).ok().and_then(video_of) {
            Some(video) => self.videos.push(video),
            None => self.refuse(path),
        }
    }

    fn refuse(&mut self, text: &[u8]) {
        self.unread_count += 1;
        if self.unread.len() < MAX_SHOWN {
            self.unread.push(shorten(text));
        }
    }
}

/// The recording behind a listed path: `/Record/NAME`, `Record/NAME`, `/mnt/sd/Record/NAME` or `NAME`. The folders
/// are dropped: the name alone decides what is fetched and where it is written.
fn video_of(path: &str) -> Option<FileName> {
    let name = match path.rsplit_once('/') {
        None => path,
        Some((folders, name)) => {
            let mut folders = folders.split('/');
            let last = folders.next_back()?;
            if folders.any(|folder| folder == "..") || !(last.is_empty() || last.eq_ignore_ascii_case("record")) {
                return None;
            }
            name
        }
    };
    name.parse().ok().filter(|name: &FileName| name.format() == Format::Video)
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            reader.consume(end + 1);
            return Ok(());
        }
        let all = buffer.len();
        reader.consume(all);
    }
}

fn shorten(text: &[u8]) -> String {
    const SHOWN_CHARS: usize = 80;
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * SHOWN_CHARS)]);
    let mut short: String = text.chars().take(SHOWN_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// `{"filelist": [entry, …]}` or `[entry, …]`, read as it comes, so that only names take memory.
struct JsonListing<'a>(&'a mut Listing);

impl<'de> Visitor<'de> for JsonListing<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of recordings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut recognised = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "filelist" {
                recognised = true;
                map.next_value_seed(JsonEntries(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(recognised)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<bool, A::Error> {
        JsonEntries(self.0).visit_seq(seq).map(|()| true)
    }
}

struct JsonEntries<'a>(&'a mut Listing);

impl<'de> serde::de::DeserializeSeed<'de> for JsonEntries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonEntries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of recordings")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(entry) = seq.next_element::<JsonEntry>()? {
            match entry.0 {
                Some(filename) => self.0.take(filename.as_bytes()),
                None => self.0.refuse(b"an entry without a file name"),
            }
        }
        Ok(())
    }
}

/// The file name of one entry: the entry itself, or its field `filename`. Everything else is skipped unread, however
/// much it is.
struct JsonEntry(Option<String>);

impl<'de> Deserialize<'de> for JsonEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonEntryVisitor)
    }
}

struct JsonEntryVisitor;

impl<'de> Visitor<'de> for JsonEntryVisitor {
    type Value = JsonEntry;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a recording")
    }

    fn visit_str<E>(self, text: &str) -> Result<JsonEntry, E> {
        Ok(JsonEntry(Some(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonEntry, A::Error> {
        let mut filename = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == "filename" {
                filename = map.next_value::<JsonEntry>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(JsonEntry(filename))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<JsonEntry, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(JsonEntry(None))
    }

    fn visit_unit<E>(self) -> Result<JsonEntry, E> {
        Ok(JsonEntry(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<JsonEntry, E> {
        Ok(JsonEntry(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<JsonEntry, E> {
        Ok(JsonEntry(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<JsonEntry, E> {
        Ok(JsonEntry(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<JsonEntry, E> {
        Ok(JsonEntry(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: impl AsRef<[u8]>) -> Result<Listing, ListingError> {
        Listing::read(text.as_ref())
    }

    fn names(text: impl AsRef<[u8]>) -> Vec<String> {
        read(text).expect("readable").videos.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_old_listing_in_all_its_shapes() {
        let expected = ["20181029_131513_NF.mp4", "20181029_131513_NR.mp4"];
        for text in [
            "v:1.00\r\nn:/Record/20181029_131513_NF.mp4,s:1000000\r\nn:/Record/20181029_131513_NR.mp4,s:1000000\r\n",
            "v:2.00\nn:/Record/20181029_131513_NF.mp4,s:7\nn:/Record/20181029_131513_NR.mp4,s:0",
            "n:/mnt/sd/Record/20181029_131513_NF.mp4,s:1000000\nn:Record/20181029_131513_NR.mp4",
            "v:3.00\r\n\r\nn:20181029_131513_NR.mp4,s:1\r\nn:/Record/20181029_131513_NF.mp4,s:1\r\nn:\r\n\r\n",
            "n:/Record/20181029_131513_NF.mp4,s:1\nn:/Record/20181029_131513_NF.mp4,s:1\nn:/20181029_131513_NR.mp4,s:1",
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn the_new_listing_in_all_its_shapes() {
        let expected = ["20260629_085329_MF.mp4", "20260629_085329_MR.mp4"];
        for text in [
            r#"{"filelist":[{"filename":"20260629_085329_MF.mp4"},{"filename":"20260629_085329_MR.mp4"}]}"#,
            r#" {"count":2,"filelist":["/Record/20260629_085329_MF.mp4",{"size":1,"filename":"20260629_085329_MR.mp4"}],"x":{}}"#,
            r#"["20260629_085329_MF.mp4","20260629_085329_MR.mp4"]"#,
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
        for text in [r#"{"filelist":[]}"#, r#"{"filelist":null}"#, "[]"] {
            assert_eq!(names(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn an_empty_card_is_not_an_error() {
        assert_eq!(names("v:1.00\r\n"), [""; 0]);
        assert!(read("").expect("readable").was_empty);
    }

    #[test]
    fn what_cannot_be_read_at_all_is_an_error_with_its_first_line() {
        for (text, shown) in [
            ("<html>\n<body>Router login</body>", "<html>"),
            ("v:1.00\r\nn:/Record/foo.mp4,s:1000000\r\n", "v:1.00"),
            (r#"{"error":"busy"}"#, r#"{"error":"busy"}"#),
            (r#"{"filelist":[{"name":1}]}"#, r#"{"filelist":[{"name":1}]}"#),
            ("{", "{"),
            ("\0\0\0", "\0\0\0"),
        ] {
            match read(text) {
                Err(ListingError::Unreadable(line)) => assert_eq!(line, shown),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn bad_names_are_told_and_the_rest_goes_on() {
        let long = "A".repeat(3000);
        let very_long = "B".repeat(100_000);
        let text = format!(
            "v:1.00\r\nn:/Record/../../etc/passwd,s:1\r\nn:/Record/../Record/20181029_131513_NF.mp4,s:1\r\n\
             n:/Record/20181029_131513_NF.mp4/../x,s:1\r\nn:/Record/{long}.mp4,s:1\r\nn:/Record/{very_long}.mp4,s:1\r\n\
             n:/Record/20181029_13\01513_NF.mp4,s:1\r\nn:/Record/\x1b[2J.mp4,s:1\r\n\
             n:/Record/20181399_131513_NF.mp4,s:1\r\nn:/Record/20181029_131513_NF.thm,s:1\r\n\
             n:/Record/20181029_131513_NR.mp4,s:1\r\n"
        );
        let listing = read(&text).expect("readable");
        assert_eq!(listing.videos.len(), 1);
        assert_eq!(listing.unread_count, 9);
        assert_eq!(listing.unread.len(), MAX_SHOWN);
        assert!(listing.unread.iter().all(|line| line.chars().count() <= 81));
    }

    struct Iter<I>(I);
    impl<I: Iterator<Item = u8>> Read for Iter<I> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.iter_mut().zip(&mut self.0).for_each(|(to, from)| *to = from);
            Ok(buffer.len())
        }
    }

    #[test]
    fn an_endless_listing_ends() {
        for bytes in [&b"n:/Record/20181029_131513_NF.mp4,s:1\r\n"[..], b"x", br#"{"filelist":["x","#] {
            let mut endless = bytes.iter().copied().cycle();
            let reader = std::iter::repeat_with(move || endless.next().expect("a cycle"));
            // JSON ends early: the repeated text is no JSON, which is as good an end.
            let error = Listing::read(Iter(reader)).expect_err("endless");
            assert!(matches!(error, ListingError::Endless | ListingError::Unreadable(_)), "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(bytes);
        }

        #[test]
        fn nothing_json_makes_it_panic(text in r#"[\[{]("filelist":)?[\[{]?["a-z0-9_.:,{}\[\]]{0,60}"#) {
            let _ = read(text);
        }
    }
}

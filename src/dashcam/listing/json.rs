//! The new API's listing.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Listing;

/// `{"filelist": [entry, …]}` or `[entry, …]`, read as it comes, so that only names take memory.
pub(super) struct JsonListing<'a>(pub(super) &'a mut Listing);

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

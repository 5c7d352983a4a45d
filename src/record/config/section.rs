//! One table of the configuration: the parser takes its keys one by one; the remaining ones are unknown.

use std::collections::BTreeSet;
use std::str::FromStr;

use toml::de::{DeTable, DeValue};

use super::{Problem, Reader};

/// The similarity from which an unknown key counts as a misspelt one, 0 to 1.
const ALIKE: f64 = 0.7;

/// Keys of cameraleech and ours, which are too different to count as misspelt.
const CAMERALEECH: [(&str, &str); 3] =
    [("httpListenAddress", "listen"), ("DisableHints", "hints"), ("storagePath", "destination")];

/// A table that is being read.
pub(super) struct Section<'a> {
    reader: &'a Reader<'a>,
    /// `cameras.yard`; empty for the top.
    path: String,
    table: &'a DeTable<'a>,
    known: &'a [&'static str],
    taken: BTreeSet<&'static str>,
    skipped: BTreeSet<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Section<'a> {
    pub(super) fn new(reader: &'a Reader<'a>, path: String, table: &'a DeTable<'a>, known: &'a [&'static str]) -> Self {
        Self { reader, path, table, known, taken: BTreeSet::new(), skipped: BTreeSet::new(), problems: Vec::new() }
    }

    /// The value of a key; `None` if it is absent or wrong, which becomes a problem.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<T> {
        debug_assert!(self.known.contains(&key), "{key} is not listed");
        self.taken.insert(key);
        let (name, value) = self.table.get_key_value(key).filter(|_| !self.skipped.contains(key))?;
        match read(value.get_ref()) {
            Ok(read) => Some(read),
            Err(message) => {
                let path = self.path_of(key);
                self.problems.push(self.reader.problem(&path, name.span().start, message));
                None
            }
        }
    }

    /// Skips the value of a key.
    pub(super) fn skip(&mut self, key: &'static str) {
        self.skipped.insert(key);
    }

    /// A table in this one.
    pub(super) fn table(&mut self, key: &'static str) -> Option<&'a DeTable<'a>> {
        self.taken.insert(key);
        let (name, value) = self.table.get_key_value(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            let message = format!("a section is needed: [{key}]");
            self.problems.push(self.reader.problem(key, name.span().start, message));
        }
        table
    }

    /// Adds its problems to `problems`: wrong values, and unknown keys.
    pub(super) fn finish(mut self, problems: &mut Vec<Problem>) {
        for (name, _) in self.table {
            let key = name.get_ref().as_ref();
            if self.taken.contains(key) {
                continue;
            }
            let message = match self.meant(key) {
                Some(meant) => format!("unknown key; did you mean {meant}?"),
                None if key.eq_ignore_ascii_case("LogLevel") || key.eq_ignore_ascii_case("FfmpegLogLevel") => {
                    "unknown key; -v, -vv and -q set how much is logged".to_owned()
                }
                None => format!("unknown key; known keys: {}", self.known.join(", ")),
            };
            let path = self.path_of(key);
            self.problems.push(self.reader.problem(&path, name.span().start, message));
        }
        problems.append(&mut self.problems);
    }

    /// The known key that an unknown one most resembles.
    fn meant(&self, key: &str) -> Option<&'static str> {
        let named = CAMERALEECH.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(key)).map(|(_, ours)| *ours);
        let alike = self.known.iter().map(|known| (strsim::jaro_winkler(known, key), *known));
        let alike = alike.filter(|(alike, _)| *alike >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
        named.filter(|ours| self.known.contains(ours)).or(alike.map(|(_, known)| known))
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// A text.
pub(super) fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("a text in quotes is needed, not {}", kind(value)))
}

/// A text that parses as `T`.
pub(super) fn text_as<T: FromStr>(value: &DeValue<'_>) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text(value)?.parse().map_err(|error: T::Err| error.to_string())
}

/// `true` or `false`, also as a text.
pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, String> {
    match (value.as_bool(), value.as_str()) {
        (Some(is), _) => Ok(is),
        (_, Some("true")) => Ok(true),
        (_, Some("false")) => Ok(false),
        _ => Err(format!("true or false is needed, not {}", kind(value))),
    }
}

/// A whole number, also as a text.
pub(super) fn integer(value: &DeValue<'_>) -> Result<i64, String> {
    let number = match (value.as_integer(), value.as_str()) {
        (Some(number), _) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        (_, Some(text)) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("a whole number is needed, not {}", kind(value)))
}

/// A number or a text, as text.
pub(super) fn number_or_text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::Integer(_) => integer(value).map(|number| number.to_string()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        _ => text(value).map(str::to_owned),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

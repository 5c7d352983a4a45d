//! The section and key where the TOML parser stopped, which itself reports a position only. Quotes no value, which may be a
//! password. Pure.

use std::ops::Range;

/// A syntax error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stop {
    /// The section, and of a duplicate the key: `cameras.yard.url`; empty before all sections.
    pub(super) key: String,
    /// What is wrong.
    pub(super) message: String,
}

/// The parser's message for a key or section that occurs twice.
const DUPLICATE: &str = "duplicate key";

/// Names section and key of a parser's error.
pub(super) fn stop(source: &str, span: Range<usize>, message: &str) -> Stop {
    let lines: Vec<Line<'_>> = lines(source);
    let number = source.get(..span.start).map_or(0, |before| before.matches('\n').count());
    let Some(line) = lines.get(number) else { return Stop { key: String::new(), message: message.to_owned() } };
    if message != DUPLICATE {
        return Stop { key: line.section.clone(), message: message.to_owned() };
    }
    let mut key = line.path();
    // In an inline table, the key is another than at the beginning of the line.
    let name = source.get(span).map(unquoted).filter(|name| is_key(name)).unwrap_or_default();
    if !line.is_header && !name.is_empty() && line.key.is_some_and(|key| !key.ends_with(name)) {
        key = format!("{key}.{name}");
    }
    let first = lines[..number].iter().position(|other| other.is_header == line.is_header && other.path() == key);
    let first = first.map(|first| format!(", first in line {}", first + 1)).unwrap_or_default();
    Stop { key, message: format!("{message}{first}") }
}

/// The names in a line of a configuration.
struct Line<'a> {
    /// The section that it is in, or begins.
    section: String,
    is_header: bool,
    key: Option<&'a str>,
}

impl Line<'_> {
    fn path(&self) -> String {
        match self.key {
            Some(key) if self.section.is_empty() => key.to_owned(),
            Some(key) => format!("{}.{key}", self.section),
            None => self.section.clone(),
        }
    }
}

fn lines(source: &str) -> Vec<Line<'_>> {
    let mut section = String::new();
    let mut lines = Vec::new();
    for text in source.split('\n').map(str::trim_start) {
        let header = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(header, _)| header);
        let is_name =
            |header: &&str| header.len() <= MAX_NAME_BYTES && header.split('.').all(|part| is_key(unquoted(part)));
        let header = header.filter(is_name);
        if let Some(header) = header {
            section = header.split('.').map(unquoted).collect::<Vec<_>>().join(".");
        }
        let key = text.split_once('=').map(|(key, _)| unquoted(key)).filter(|key| is_key(key));
        let is_header = header.is_some();
        lines.push(Line { section: section.clone(), is_header, key: key.filter(|_| !is_header) });
    }
    lines
}

/// The longest name to quote: no section or key of ours is as long.
const MAX_NAME_BYTES: usize = 200;

/// Whether a text can only be a name.
fn is_key(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len())
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

//! Names and messages from outside, made safe for a terminal. Pure.

use std::cmp::Ordering;
use std::fmt::Write;

/// Replaces control characters.
const INSTEAD: char = '\u{fffd}';

/// One line without control characters.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_control(c) { INSTEAD } else { c }).collect()
}

/// As [`printable`], for several lines.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    text.chars().map(|c| if is_control(c) && c != '\n' { INSTEAD } else { c }).collect()
}

/// A name as it is, or in quotes and with escapes where it has control characters.
#[must_use]
pub fn shown(name: &str) -> String {
    if name.chars().any(is_control) { format!("{name:?}") } else { name.to_owned() }
}

/// The same JSON without control characters. JSON itself escapes only those below the space; the others can only be in
/// its strings, where they are escaped.
#[must_use]
pub fn printable_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_control(c) && (!c.is_ascii() || c == '\u{7f}') {
            // None of them is above U+FFFF.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// Control characters: they move the cursor or change colours; and those that change the direction of writing, which make one
/// name look like another.
#[must_use]
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The natural order of names: digits compare as numbers, `cam2` before `cam10`.
#[must_use]
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    while !rest_a.is_empty() && !rest_b.is_empty() {
        let (part_a, after_a) = split_part(rest_a);
        let (part_b, after_b) = split_part(rest_b);
        let order = match (digits(part_a), digits(part_b)) {
            (Some(a), Some(b)) => (a.len(), a).cmp(&(b.len(), b)),
            _ => part_a.cmp(part_b),
        };
        if order.is_ne() {
            return order;
        }
        (rest_a, rest_b) = (after_a, after_b);
    }
    // `cam1` and `cam01` are different.
    rest_a.len().cmp(&rest_b.len()).then_with(|| a.cmp(b))
}

/// The leading digits of a text, or its first other character; and the rest.
fn split_part(text: &str) -> (&str, &str) {
    match text.find(|c: char| !c.is_ascii_digit()) {
        Some(0) => text.split_at(text.chars().next().map_or(0, char::len_utf8)),
        Some(end) => text.split_at(end),
        None => (text, ""),
    }
}

fn digits(part: &str) -> Option<&str> {
    part.starts_with(|c: char| c.is_ascii_digit()).then(|| part.trim_start_matches('0'))
}

/// Items that failed for the same cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike<'a> {
    /// The cause.
    pub cause: &'a str,
    /// The items that failed for it, in the order given.
    pub names: Vec<&'a str>,
}

/// Groups failures, each a name and its cause, by cause: in the order in which the causes first occur.
#[must_use]
pub fn alike<'a>(failures: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Alike<'a>> {
    let mut groups: Vec<Alike<'a>> = Vec::new();
    for (name, cause) in failures {
        match groups.iter_mut().find(|group| group.cause == cause) {
            Some(group) => group.names.push(name),
            None => groups.push(Alike { cause, names: vec![name] }),
        }
    }
    groups
}

impl Alike<'_> {
    /// `60 of 60 cameras`, `2 of 60 cameras (barn, yard)`, or the name of a single one.
    #[must_use]
    pub fn who(&self, of: usize, noun: &str) -> String {
        const FEW: usize = 8;
        let count = self.names.len();
        match self.names.as_slice() {
            [one] => (*one).to_owned(),
            names if count == of && count > FEW || names.is_empty() => format!("{count} of {of} {noun}s"),
            names if count <= FEW => format!("{count} of {of} {noun}s ({})", names.join(", ")),
            names => format!("{count} of {of} {noun}s ({}, …)", names[..FEW].join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natural_order_compares_numbers() {
        let mut names = ["cam10", "cam2", "cam", "cam1", "cam01", "Cam3", "1001", "99", "é2", "cam2b", "cam2-1"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["99", "1001", "Cam3", "cam", "cam01", "cam1", "cam2", "cam2-1", "cam2b", "cam10", "é2"]);
    }

    #[test]
    fn failures_with_one_cause_share_a_line() {
        let groups = alike([("a", "x"), ("b", "y"), ("c", "x")]);
        assert_eq!((groups[0].who(3, "file"), groups[1].who(3, "file")), ("2 of 3 files (a, c)".into(), "b".into()));
        let names: Vec<String> = (0..60).map(|n| n.to_string()).collect();
        let groups = alike(names.iter().map(|name| (name.as_str(), "x")));
        assert_eq!(groups[0].who(60, "camera"), "60 of 60 cameras");
        assert_eq!(groups[0].who(64, "camera"), "60 of 64 cameras (0, 1, 2, 3, 4, 5, 6, 7, …)");
    }

    proptest::proptest! {
        #[test]
        fn natural_order_is_total(mut names in proptest::collection::vec("[a0-2]{0,4}", 0..6)) {
            names.sort_by(|a, b| natural_order(a, b));
            for (n, a) in names.iter().enumerate() {
                for (m, b) in names.iter().enumerate() {
                    let order = natural_order(a, b);
                    proptest::prop_assert_eq!(order.is_eq(), a == b);
                    proptest::prop_assert!(a == b || order == n.cmp(&m), "{} {}", a, b);
                }
            }
        }
    }

    #[test]
    fn terminal_control_characters_are_escaped() {
        assert_eq!(printable("a\x1b[2Jb\nc\u{9b}2J"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}2J");
        assert_eq!(printable_lines("a\rb\nc"), "a\u{fffd}b\nc");
        assert_eq!(printable("video\u{202e}4pm.exe"), "video\u{fffd}4pm.exe");
        assert_eq!(printable("Tür – カメラ 😀"), "Tür – カメラ 😀");
        assert_eq!(shown("a\x1b[2Jb"), r#""a\u{1b}[2Jb""#);
        assert_eq!(shown("video\u{202e}4pm.exe"), r#""video\u{202e}4pm.exe""#);
        assert_eq!(shown("Tür 1.mp4"), "Tür 1.mp4");
        for c in ['\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{7f}', '\u{80}', '\u{9f}']
        {
            assert!(is_control(c), "{c:?}");
        }
    }

    #[test]
    fn json_escapes_control_characters() {
        let json = serde_json::json!({ "a\u{9b}2J\x7f": ["\x1b[2J", "\u{202e}4pm", "Tür 😀"] });
        for text in [json.to_string(), format!("{json:#}")] {
            let shown = printable_json(&text);
            assert!(shown.chars().all(|c| c == '\n' || !is_control(c)), "{shown:?}");
            assert!(shown.contains("Tür 😀") && shown.contains("a\\u009b2J\\u007f"), "{shown:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok().as_ref(), Some(&json));
        }
    }
}

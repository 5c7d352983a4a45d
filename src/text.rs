//! Names and messages from outside, made fit for a terminal. Pure.

use std::fmt::Write;

/// Stands for what is not printed.
const INSTEAD: char = '\u{fffd}';

/// One line that a terminal takes for nothing but text.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if gives_orders(c) { INSTEAD } else { c }).collect()
}

/// As [`printable`], for several lines.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    text.chars().map(|c| if gives_orders(c) && c != '\n' { INSTEAD } else { c }).collect()
}

/// A name as it is, or where a terminal would take it for something else, in quotes and with escapes.
#[must_use]
pub fn shown(name: &str) -> String {
    if name.chars().any(gives_orders) { format!("{name:?}") } else { name.to_owned() }
}

/// A text of JSON that means the same, and that a terminal takes for nothing but text. JSON itself escapes only what stands
/// below the space; what else gives orders can only be in its strings.
#[must_use]
pub fn printable_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if gives_orders(c) && (!c.is_ascii() || c == '\u{7f}') {
            // None of them is beyond four digits.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// What moves the cursor, changes colours or worse; and what turns the direction of writing, and so makes one name look
/// like another.
#[must_use]
pub fn gives_orders(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_cannot_write_to_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc\u{9b}2J"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}2J");
        assert_eq!(printable_lines("a\rb\nc"), "a\u{fffd}b\nc");
        assert_eq!(printable("video\u{202e}4pm.exe"), "video\u{fffd}4pm.exe");
        assert_eq!(printable("Tür – カメラ 😀"), "Tür – カメラ 😀");
        assert_eq!(shown("a\x1b[2Jb"), r#""a\u{1b}[2Jb""#);
        assert_eq!(shown("video\u{202e}4pm.exe"), r#""video\u{202e}4pm.exe""#);
        assert_eq!(shown("Tür 1.mp4"), "Tür 1.mp4");
        for c in ['\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{7f}', '\u{80}', '\u{9f}']
        {
            assert!(gives_orders(c), "{c:?}");
        }
    }

    #[test]
    fn json_gives_no_orders_either() {
        let json = serde_json::json!({ "a\u{9b}2J\x7f": ["\x1b[2J", "\u{202e}4pm", "Tür 😀"] });
        for text in [json.to_string(), format!("{json:#}")] {
            let shown = printable_json(&text);
            assert!(shown.chars().all(|c| c == '\n' || !gives_orders(c)), "{shown:?}");
            assert!(shown.contains("Tür 😀") && shown.contains("a\\u009b2J\\u007f"), "{shown:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok().as_ref(), Some(&json));
        }
    }
}

//! Names and messages from outside, made fit for a terminal. Pure.

/// One line without control characters, each of which is shown as `�`.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A name as it is, or where a terminal would take it for something else, in quotes and with escapes.
#[must_use]
pub fn shown(name: &str) -> String {
    if name.chars().any(char::is_control) { format!("{name:?}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_cannot_write_to_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(shown("a\x1b[2Jb"), r#""a\u{1b}[2Jb""#);
        assert_eq!(shown("Tür 1.mp4"), "Tür 1.mp4");
    }
}

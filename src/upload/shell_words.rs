//! Splits a command line into words as Python's `shlex.split` does, and so as botocore does. Pure.
//!
//! The crates for this take `#` for the beginning of a comment, which botocore does not.

/// The words of a command line: blanks separate them, quotes and backslashes keep blanks in a word, and nothing else is
/// special.
///
/// # Errors
/// A quote that is not closed, or a backslash at the end.
pub fn shell_words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("a backslash ends it")?),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("a quote is not closed")? {
                        end if end == c => break,
                        '\\' if c == '"' => {
                            let next = chars.next().ok_or("a quote is not closed")?;
                            if !matches!(next, '"' | '\\') {
                                word.push('\\');
                            }
                            word.push(next);
                        }
                        other => word.push(other),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected words are those of Python 3.11's `shlex.split`.
    #[test]
    fn shell_words_are_those_of_shlex() {
        for (text, expected) in [
            ("aws  configure\texport-credentials\n", &["aws", "configure", "export-credentials"][..]),
            (r#"/opt/my\ tool "a b"'c d' '' x"#, &["/opt/my tool", "a bc d", "", "x"]),
            (r#""a\"b\\c\d" 'a\"b' \'"#, &[r#"a"b\c\d"#, r#"a\"b"#, "'"]),
            ("a # b $HOME ~ | ; `x`", &["a", "#", "b", "$HOME", "~", "|", ";", "`x`"]),
            ("", &[]),
            (" \t ", &[]),
        ] {
            assert_eq!(shell_words(text).expect(text), expected, "{text}");
        }
        for text in ["'a", "\"a", "a\\", "\"a\\", "it's"] {
            assert!(shell_words(text).is_err(), "{text}");
        }
    }
}

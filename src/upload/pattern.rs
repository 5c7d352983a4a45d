//! `--pattern`: selects files by name. Pure.

use std::fmt;
use std::str::FromStr;

use regex::Regex;

/// Patterns of names, where `*` matches any text and `?` any one character; case does not matter.
#[derive(Debug, Clone)]
pub struct Patterns {
    /// As typed, in lower case, without spaces around them.
    words: String,
    /// All of them in one expression.
    regex: Regex,
}

impl FromStr for Patterns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            return Err("write patterns such as '*.ts,*.mp4'".into());
        }
        if let Some(word) = words.iter().find(|word| word.contains('/')) {
            return Err(format!("{word:?}: a pattern is of names and has no folders"));
        }
        let is_quoted = |word: &str| word.starts_with(['"', '\'']) || word.ends_with(['"', '\'']);
        if let Some(word) = words.iter().find(|word| word.contains(['[', ']', '{', '}', '\\']) || is_quoted(word)) {
            return Err(format!(
                "{word:?}: a pattern has * and ? and no brackets, braces, backslashes or quotes: write *.ts,*.mp4"
            ));
        }
        if let Some(word) = words.iter().find(|word| word.starts_with('.')) {
            return Err(format!("{word:?} matches only hidden files, which are never uploaded: write '*{word}'"));
        }
        if let Some(word) = words.iter().find(|word| word.contains(" *") || word.contains(" .")) {
            return Err(format!("{word:?}: patterns are separated by commas: write '*.ts,*.mp4'"));
        }
        let wanted: Vec<String> = words.iter().map(|word| regex_of(word)).collect();
        // Matching takes time linear in the length of the name, whatever the patterns.
        let regex = Regex::new(&format!("^(?s:{})$", wanted.join("|")));
        let words = words.join(",").to_lowercase();
        regex.map(|regex| Self { words, regex }).map_err(|_| "these patterns are too many or too long".into())
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Patterns {
    /// Whether a pattern matches a name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(&name.to_lowercase())
    }
}

/// A pattern as a regular expression for names in lower case.
fn regex_of(pattern: &str) -> String {
    regex::escape(&pattern.to_lowercase()).replace(r"\*", ".*").replace(r"\?", ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_matches_whole_names() {
        let patterns: Patterns = "*.ts, *_N?.MP4,x*y*z".parse().expect("patterns");
        for name in ["a.ts", "A.TS", "20181029_131513_NF.mp4", "xyz", "x1yyyz2z", "é.ts"] {
            assert!(patterns.matches(name), "{name}");
        }
        for name in ["a.ts.part", "ts", "20181029_131513_N.mp4", "xz", "xyza", ""] {
            assert!(!patterns.matches(name), "{name}");
        }
        for text in ["", " , ", "cam1/*.ts", "[ab].ts", "*.{ts,mp4}", ".mp4", "*.ts,.MP4", "*.ts *.mp4", r".*\.mp4$"] {
            assert!(text.parse::<Patterns>().is_err(), "{text}");
        }
        let slow: Patterns = "*a*a*a*a*a*a*a*a*b".parse().expect("patterns");
        assert!(!slow.matches(&"a".repeat(2000)));
    }
}

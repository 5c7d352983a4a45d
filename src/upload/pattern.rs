//! `--pattern`: which names are wanted. Pure.

use std::fmt;
use std::str::FromStr;

/// Patterns of names, where `*` is any text and `?` any one letter; case does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(Vec<Vec<char>>);

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
            return Err(format!("{word:?} fits only hidden files, which are never uploaded: write '*{word}'"));
        }
        if let Some(word) = words.iter().find(|word| word.contains(" *") || word.contains(" .")) {
            return Err(format!("{word:?}: patterns are separated by commas: write '*.ts,*.mp4'"));
        }
        Ok(Self(words.iter().map(|word| word.to_lowercase().chars().collect()).collect()))
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(|word| word.iter().collect()).collect();
        f.write_str(&words.join(","))
    }
}

impl Patterns {
    /// Whether a name is wanted.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.to_lowercase().chars().collect();
        self.0.iter().any(|pattern| matches(pattern, &name))
    }
}

/// Goes on behind the last `*` when what follows does not fit: no pattern takes longer than the product of the lengths.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                last_star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match &mut last_star {
                Some((star, from)) => {
                    *from += 1;
                    (p, n) = (*star + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_whole() {
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

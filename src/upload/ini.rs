//! The files of the AWS CLI, `~/.aws/credentials` and `~/.aws/config`, read as botocore reads them. Pure.
//!
//! They are what Python's `RawConfigParser` calls INI: `#` and `;` begin a comment only at the beginning of a line and are
//! a part of a value elsewhere, as they are of secrets; nothing is quoted or escaped; the first `=` or `:` ends a key, of
//! which case does not matter. Deeper lines continue a value: below a key without one they are keys of their own (`s3 =`).
//! What `RawConfigParser` refuses is an error here too, except for a byte order mark. The INI crates cut values at `;`, take
//! quotes and backslashes out of them, or know no such lines.

use std::collections::BTreeMap;

use super::shell_words::shell_words;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    /// The keys below a key without a value, of which case matters.
    Nested(BTreeMap<String, String>),
}

/// The values of one section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section(BTreeMap<String, Value>);

impl Section {
    /// Whether the key is there, with a value or without.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// A value that is not empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Value::Text(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
            Value::Nested(_) => None,
        }
    }

    /// A value below a key: `addressing_style` below `s3`.
    #[must_use]
    pub fn nested(&self, key: &str, inner: &str) -> Option<&str> {
        match self.0.get(key)? {
            Value::Nested(keys) => keys.get(inner).map(String::as_str).filter(|value| !value.is_empty()),
            Value::Text(_) => None,
        }
    }

    /// These values, and those of `upper` over them.
    #[must_use]
    pub fn under(&self, upper: &Self) -> Self {
        let mut both = self.0.clone();
        both.extend(upper.0.clone());
        Self(both)
    }
}

/// A file's sections by the text in their brackets, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ini(Vec<(String, Section)>);

/// The section whose keys are in every other one.
const EVERY_SECTION: &str = "DEFAULT";

/// A key and the lines of its value.
struct Entry<'a> {
    key: String,
    line: usize,
    value: Vec<&'a str>,
}

impl Entry<'_> {
    fn value(self) -> Result<Value, String> {
        let text = self.value.join("\n");
        let Some(nested) = text.strip_prefix('\n') else { return Ok(Value::Text(text)) };
        let pair = |line: &str| {
            let (key, value) = line.split_once('=')?;
            Some((key.trim().to_owned(), value.trim().to_owned()))
        };
        let keys = nested.lines().map(pair).collect::<Option<_>>();
        keys.map(Value::Nested).ok_or_else(|| format!("line {}: a line below {:?} has no =", self.line, self.key))
    }
}

impl Ini {
    /// Parses a file.
    ///
    /// # Errors
    /// The number of the line, and what is wrong with it. Its text is not repeated, as it may be a secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let mut sections: Vec<(&str, Vec<Entry<'_>>)> = Vec::new();
        let mut current: Option<usize> = None;
        // The indentation of the last key; deeper lines continue its value. None after the name of a section.
        let mut depth: Option<usize> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let content = line.trim();
            if content.is_empty() || content.starts_with(['#', ';']) {
                continue;
            }
            let indent = line.chars().take_while(|c| c.is_whitespace()).count();
            let entries = current.and_then(|at| sections.get_mut(at)).map(|(_, entries)| entries);
            if let Some(name) = section_name(content).filter(|_| depth.is_none_or(|depth| indent <= depth)) {
                let known = sections.iter().position(|(known, _)| *known == name);
                if known.is_some() && name != EVERY_SECTION {
                    return Err(format!("line {number} repeats the section [{name}]"));
                }
                current = known.or(Some(sections.len()));
                if known.is_none() {
                    sections.push((name, Vec::new()));
                }
                depth = None;
                continue;
            }
            let Some(entries) = entries else { return Err(format!("line {number} is above the first [section]")) };
            if let Some(open) = entries.last_mut().filter(|_| depth.is_some_and(|depth| indent > depth)) {
                open.value.push(content);
                continue;
            }
            let pair = content.split_once(['=', ':']).filter(|(key, _)| !key.trim().is_empty());
            let (key, value) = pair.ok_or_else(|| format!("line {number} is neither [section] nor key = value"))?;
            let key = key.trim().to_lowercase();
            if entries.iter().any(|entry| entry.key == key) {
                return Err(format!("line {number} repeats the key {key:?} of its section"));
            }
            entries.push(Entry { key, line: number, value: vec![value.trim()] });
            depth = Some(indent);
        }
        let mut all = Vec::new();
        for (name, entries) in sections {
            let values = entries.into_iter().map(|entry| Ok((entry.key.clone(), entry.value()?)));
            all.push((name.to_owned(), Section(values.collect::<Result<_, String>>()?)));
        }
        let every = all.iter().position(|(name, _)| name == EVERY_SECTION).map(|at| all.remove(at).1);
        let every = every.unwrap_or_default();
        Ok(Self(all.into_iter().map(|(name, section)| (name, every.under(&section))).collect()))
    }

    /// A section by the text in its brackets, as the credentials file has profiles.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, section)| section)
    }

    /// `[services NAME]` of the configuration file; the last one where quotes write the same name in two ways.
    #[must_use]
    pub fn named(&self, kind: &str, name: &str) -> Option<&Section> {
        self.last(|text| is_named(text, kind, name))
    }

    /// `[profile NAME]` of the configuration file. `[default]` is a profile too.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<&Section> {
        self.last(|text| is_named(text, "profile", name) || (text == "default" && name == text))
    }

    fn last(&self, is_it: impl Fn(&str) -> bool) -> Option<&Section> {
        self.0.iter().rev().find(|(text, _)| is_it(text)).map(|(_, section)| section)
    }
}

/// `[profile "my cameras"]` is the profile `my cameras`.
fn is_named(text: &str, kind: &str, name: &str) -> bool {
    text.starts_with(kind) && shell_words(text).is_ok_and(|words| words.len() == 2 && words[1] == name)
}

/// The text in the brackets of a line, with its blanks: up to the last bracket.
fn section_name(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ini_values_are_taken_literally() {
        let ini = Ini::parse(
            "\u{feff}; a comment\n[default]\naws_access_key_id=A\n  # another\nAWS_Secret_Access_Key = a;b#c\\n\"=:\n\n\
             [b2]\r\naws_access_key_id : K0\r\naws_secret_access_key=x/y+z=\r\nregion = eu ; no comment\r",
        )
        .expect("INI");
        let default = ini.section("default").expect("a section");
        assert_eq!(default.get("aws_access_key_id"), Some("A"));
        assert_eq!(default.get("aws_secret_access_key"), Some("a;b#c\\n\"=:"));
        let b2 = ini.section("b2").expect("a section");
        assert_eq!(b2.get("aws_access_key_id"), Some("K0"));
        assert_eq!(b2.get("aws_secret_access_key"), Some("x/y+z="));
        assert_eq!(b2.get("region"), Some("eu ; no comment"));
        assert_eq!(b2.get("output"), None);
    }

    #[test]
    fn ini_keys_have_nested_keys_and_continued_values() {
        let ini = Ini::parse(
            "[profile \"my b2\"]\nregion = ca-east-006\ns3 =\n    Addressing_style = virtual\n    addressing_style = path\n\n\
             \x20   ; no\n    other=\nendpoint_url = https://x\ncredential_process = aws configure\n  [export-credentials]\n",
        )
        .expect("INI");
        let profile = ini.profile("my b2").expect("a section");
        assert_eq!(profile.nested("s3", "addressing_style"), Some("path"));
        assert_eq!(profile.nested("s3", "Addressing_style"), Some("virtual"));
        assert_eq!(profile.nested("s3", "other"), None);
        assert_eq!(profile.get("endpoint_url"), Some("https://x"));
        assert_eq!(profile.get("region"), Some("ca-east-006"));
        assert_eq!(profile.get("credential_process"), Some("aws configure\n[export-credentials]"));
    }

    #[test]
    fn profiles_are_named_as_botocore_names_them() {
        let ini = Ini::parse(
            "[default]\nn=1\n[profile default]\nn=2\n[profile a b]\nn=3\n[ profile c]\nn=4\n[profile 'd']\nn=5\n\
             [profile d]\nn=6\n[DEFAULT]\nn=0\nall=7\n[b2]\nn=8\n",
        )
        .expect("INI");
        for (name, n) in
            [("default", Some("2")), ("a", None), ("a b", None), ("c", None), ("d", Some("6")), ("b2", None)]
        {
            assert_eq!(ini.profile(name).and_then(|profile| profile.get("n")), n, "{name}");
        }
        assert_eq!(ini.section("b2").and_then(|section| section.get("all")), Some("7"));
        assert_eq!(ini.section("DEFAULT"), None);
    }

    #[test]
    fn an_invalid_ini_is_refused_with_its_line_and_without_its_text() {
        for (text, line) in [
            ("SECRET = value", 1),
            ("[a]\nSECRET\n", 2),
            ("[a]\n= SECRET\n", 2),
            ("[]\n", 1),
            ("[a]\nb = 1\n[]SECRET", 3),
            ("[a]\n[b]\n[a]\n", 3),
            ("[a]\nb = 1\n\nB : SECRET\n", 4),
            ("[a]\ns3 =\n  SECRET\n", 2),
        ] {
            let error = Ini::parse(text).expect_err(text);
            assert!(error.starts_with(&format!("line {line}")) && !error.contains("SECRET"), "{text}: {error}");
        }
        assert_eq!(Ini::parse(""), Ok(Ini::default()));
        assert_eq!(Ini::parse("[a]\n  deep = 1\n").expect("INI").section("a").and_then(|a| a.get("deep")), Some("1"));
    }
}

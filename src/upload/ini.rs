//! The files of the AWS CLI, `~/.aws/credentials` and `~/.aws/config`, read as it reads them. Pure.
//!
//! They are what Python's `RawConfigParser` calls INI: `#` and `;` begin a comment only at the beginning of a line and are
//! a part of a value elsewhere, as they are of secrets; nothing is quoted or escaped; `=` or `:` ends a key, of which case does
//! not matter. Deeper lines go on with a value: below a key without one they are keys of their own (`s3 =`). The INI crates cut
//! values at `;`, take quotes and backslashes out of them, or know no such lines.

use std::collections::BTreeMap;

/// The values of one section, or of one key that has keys of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    values: BTreeMap<String, String>,
    nested: BTreeMap<String, BTreeMap<String, String>>,
}

impl Section {
    /// A value that is not empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A value below a key: `addressing_style` below `s3`.
    #[must_use]
    pub fn nested(&self, key: &str, inner: &str) -> Option<&str> {
        self.nested.get(key)?.get(inner).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// A file's sections by the text in their brackets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ini(BTreeMap<String, Section>);

impl Ini {
    /// Parses a file. Ignores lines that are not INI.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut sections: BTreeMap<String, Section> = BTreeMap::new();
        let mut section: Option<String> = None;
        // The key that deeper lines belong to, and its indentation.
        let mut open: Option<(String, usize)> = None;
        for line in text.trim_start_matches('\u{feff}').lines() {
            let content = line.trim();
            if content.is_empty() || content.starts_with(['#', ';']) {
                continue;
            }
            let depth = line.len() - line.trim_start().len();
            if let (Some((key, of)), Some(section)) = (&open, section.as_ref().and_then(|name| sections.get_mut(name)))
                && depth > *of
            {
                if let Some((inner, value)) = pair(content) {
                    section.nested.entry(key.clone()).or_default().insert(inner, value);
                }
                continue;
            }
            if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name) {
                let name = section_name(name);
                sections.entry(name.clone()).or_default();
                (section, open) = (Some(name), None);
            } else if let (Some((key, value)), Some(section)) =
                (pair(content), section.as_ref().and_then(|name| sections.get_mut(name)))
            {
                section.values.insert(key.clone(), value);
                open = Some((key, depth));
            }
        }
        Self(sections)
    }

    /// A section by the text in its brackets.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.0.get(name)
    }
}

fn pair(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once(['=', ':'])?;
    Some((key.trim().to_lowercase(), value.trim().to_owned()))
}

/// `profile "my cameras"` is `profile my cameras`, and spaces do not count.
fn section_name(text: &str) -> String {
    let words = text.trim().splitn(2, char::is_whitespace);
    let words: Vec<&str> = words.map(|word| word.trim().trim_matches(['"', '\''])).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ini_values_are_taken_literally() {
        let ini = Ini::parse(
            "; a comment\n[default]\naws_access_key_id=A\n  # another\nAWS_Secret_Access_Key = a;b#c\\n\"=:\n\n\
             [ b2 ]\r\naws_access_key_id : K0\r\naws_secret_access_key=x/y+z=\r\n",
        );
        let default = ini.section("default").expect("a section");
        assert_eq!(default.get("aws_access_key_id"), Some("A"));
        assert_eq!(default.get("aws_secret_access_key"), Some("a;b#c\\n\"=:"));
        let b2 = ini.section("b2").expect("a section");
        assert_eq!(b2.get("aws_access_key_id"), Some("K0"));
        assert_eq!(b2.get("aws_secret_access_key"), Some("x/y+z="));
        assert_eq!(b2.get("region"), None);
    }

    #[test]
    fn ini_keys_have_nested_keys() {
        let ini = Ini::parse(
            "[profile \"my b2\"]\nregion = ca-east-006\ns3 =\n    addressing_style = virtual\n    ; no\n    other=\nendpoint_url = https://x\n",
        );
        let profile = ini.section("profile my b2").expect("a section");
        assert_eq!(profile.nested("s3", "addressing_style"), Some("virtual"));
        assert_eq!(profile.nested("s3", "other"), None);
        assert_eq!(profile.get("endpoint_url"), Some("https://x"));
        assert_eq!(profile.get("region"), Some("ca-east-006"));
    }

    #[test]
    fn an_invalid_ini_has_no_values() {
        for text in ["", "key = value", "[", "[]", "[a", "[a]\nword\n", "[a]\n   deep = 1", "\u{0}\n=\n[a]\n=b"] {
            let _ = Ini::parse(text);
        }
        assert_eq!(Ini::parse("[a]\n  deep = 1").section("a").and_then(|a| a.get("deep")), Some("1"));
    }
}

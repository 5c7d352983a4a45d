//! A text that is a password, or holds one.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A text that is used and never shown: neither does it have a `Display`, nor does its `Debug` tell anything, and so nothing
/// does that has it for a field.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one who needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_by_debug() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "only its Debug is looked at")]
        struct Settings {
            url: Option<Secret>,
        }
        let settings = Settings { url: Some("http://u:p4ss@push".parse().unwrap_or_default()) };
        assert_eq!(format!("{settings:?}"), "Settings { url: Some(***) }");
    }
}

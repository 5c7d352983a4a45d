//! The URL of a camera, which may hold a password: displayed without it, everywhere but on ffmpeg's command line.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::login;

/// The supported schemes, and the protocols of ffmpeg that each may use: a camera cannot make ffmpeg read a local file by a
/// redirect or a description of its stream.
const SCHEMES: [(&str, &str); 10] = [
    ("rtsp", "rtsp,rtp,udp,tcp"),
    ("rtsps", "rtsp,rtp,udp,tcp,tls,srtp"),
    ("http", "http,https,tls,tcp"),
    ("https", "http,https,tls,tcp"),
    ("rtmp", "rtmp,tcp"),
    ("rtmps", "rtmps,rtmp,tls,tcp"),
    ("srt", "srt,udp"),
    ("udp", "udp"),
    ("tcp", "tcp"),
    ("rtp", "rtp,udp"),
];

/// A URL of a camera for ffmpeg. `Display` and `Debug` hide what may be a secret: the text before an `@`, and the query.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CameraUrl {
    text: String,
    scheme: &'static str,
    protocols: &'static str,
}

impl CameraUrl {
    /// The whole URL, for connecting.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.text
    }

    /// `rtsp`, `http`, …
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Whether its scheme is `http` or `https`.
    #[must_use]
    pub fn is_http(&self) -> bool {
        matches!(self.scheme, "http" | "https")
    }

    /// Whether its scheme is `rtsp` or `rtsps`.
    #[must_use]
    pub fn is_rtsp(&self) -> bool {
        matches!(self.scheme, "rtsp" | "rtsps")
    }

    /// The protocols that ffmpeg may use for it, for `-protocol_whitelist`.
    #[must_use]
    pub fn protocols(&self) -> &'static str {
        self.protocols
    }

    /// A message of ffmpeg or another program about this URL, without its secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.replace(&self.text, &self.to_string());
        for secret in self.secrets() {
            text = text.replace(&secret, "***");
        }
        hide_logins(&text)
    }

    /// The secrets, the longest first: login, password and the values of the query, both encoded and decoded. One or two
    /// letters are no secret, and hiding them would garble every other word.
    fn secrets(&self) -> Vec<String> {
        let (login, _, query) = parts(&self.text);
        let password = login.and_then(|login| login.split_once(':')).map(|(_, password)| password);
        let values = query.unwrap_or_default().split('&').filter_map(|pair| Some(pair.split_once('=')?.1));
        let written = login.into_iter().filter(|login| login.contains(':')).chain(password).chain(values);
        let mut secrets: Vec<String> = written.flat_map(|text| [text.to_owned(), decoded(text)]).collect();
        secrets.retain(|secret| secret.len() > 2);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        secrets
    }
}

impl fmt::Display for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.text))
    }
}

impl fmt::Debug for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl FromStr for CameraUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let known = || SCHEMES.map(|(scheme, _)| scheme).join(", ");
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!(
                "a camera's address begins with its protocol, such as rtsp://, and is one of {}",
                known()
            ));
        };
        let Some((scheme, protocols)) = SCHEMES.into_iter().find(|(known, _)| scheme.eq_ignore_ascii_case(known))
        else {
            return Err(format!("{scheme:?} is no protocol of cameras: {} are", known()));
        };
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("the address has spaces or control characters in it; write them as %20".into());
        }
        if login::is_cut(text) {
            return Err(format!("the host ends inside the password: {}", login::ESCAPES));
        }
        let (_, place, _) = parts(text);
        if place.is_empty() || place.starts_with('/') {
            return Err("the address names no host".into());
        }
        if !has_usable_port(place) {
            return Err("the port of the address is no number from 1 to 65535".into());
        }
        Ok(Self { text: format!("{scheme}://{rest}"), scheme, protocols })
    }
}

/// Whether a host has no port, or a valid one.
fn has_usable_port(place: &str) -> bool {
    let host = place.split('/').next().unwrap_or_default();
    let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    // Without a `]`, several colons are an IPv6 address without brackets: ffmpeg reports it.
    behind
        .split_once(':')
        .is_none_or(|(_, port)| port.is_empty() || port.contains(':') || port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Whether a URL seems to hold a secret: a login, or a query with such names.
#[must_use]
pub fn holds_secret(text: &str) -> bool {
    let (login, _, query) = parts(text);
    let names = query.unwrap_or_default().to_ascii_lowercase();
    let is_named = ["pass", "pwd", "token", "key", "secret", "auth"].iter().any(|name| names.contains(name));
    login.is_some() || is_named
}

/// A URL without what may be a secret: `http://***@cam:8080/day?***`.
#[must_use]
pub fn shown(text: &str) -> String {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    let (login, place, query) = parts(text);
    let login = if login.is_some() { "***@" } else { "" };
    let query = if query.is_some() { "?***" } else { "" };
    format!("{scheme}://{login}{place}{query}")
}

/// The text before the `@`, the host with its path, and the text after the `?`. A password may hold a slash that should have
/// been written as `%2F`, so everything up to the last `@` counts as the login.
fn parts(url: &str) -> (Option<&str>, &str, Option<&str>) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (login, rest) = match rest.rsplit_once('@') {
        Some((login, rest)) => (Some(login), rest),
        None => (None, rest),
    };
    match rest.split_once(['?', '#']) {
        Some((place, query)) => (login, place, Some(query)),
        None => (login, rest, None),
    }
}

/// Hides the text before an `@` in every URL of a text.
fn hide_logins(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let word = after.split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"')).next().unwrap_or_default();
        rest = match word.rfind('@') {
            Some(login) => {
                shown.push_str("***");
                &after[login..]
            }
            None => after,
        };
    }
    shown + rest
}

/// Decodes `%40` and the like; bytes that are not UTF-8 stay encoded.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> CameraUrl {
        text.parse().expect("a camera's address")
    }

    #[test]
    fn a_url_password_is_redacted() {
        for text in [
            "rtsp://admin:hunter2@cam:554/live",
            "rtsp://admin:hunter2%40home@cam/live",
            "http://cam/video.cgi?user=admin&pwd=hunter2",
        ] {
            let url = url(text);
            for shown in [url.to_string(), format!("{url:?}"), url.redact(&format!("cannot open {text}: refused"))] {
                assert!(!shown.contains("hunter2"), "{shown}");
                assert!(shown.contains("cam"), "{shown}");
            }
        }
        assert_eq!(url("rtsp://admin:hunter2@cam:554/live").to_string(), "rtsp://***@cam:554/live");
        assert_eq!(url("rtsp://cam/live").to_string(), "rtsp://cam/live");
    }

    #[test]
    fn ffmpeg_messages_are_redacted() {
        let url = url("rtsp://admin:p%40ss-word@cam/live");
        assert_eq!(url.redact("login p@ss-word is wrong"), "login *** is wrong");
        assert_eq!(url.redact("moved to 'rtsp://root:other@cam2/x'"), "moved to 'rtsp://***@cam2/x'");
        assert_eq!(url.redact("[rtsp @ 0x55] 401"), "[rtsp @ 0x55] 401");
    }

    #[test]
    fn invalid_camera_urls_are_refused() {
        for text in [
            "",
            "-i",
            "cam",
            "file:///etc/passwd",
            "concat://a",
            "rtsp://",
            "rtsp:///live",
            "rtsp://a b/",
            "-f://x",
            "rtsp://cam:99999/live",
            "rtsp://cam:0/live",
            "rtsp://u:p@cam:live/1",
            "rtsp://admin:hunter2/hunter2@cam:554/live",
        ] {
            let refused = text.parse::<CameraUrl>().expect_err(text);
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        assert_eq!(url("RTSP://cam/x").scheme(), "rtsp");
    }

    proptest::proptest! {
        #[test]
        fn any_url_is_redacted_without_a_panic(text in "\\PC{0,60}", password in "[a-z0-9%@:/]{3,12}") {
            if let Ok(url) = format!("rtsp://u:{password}@cam/x").parse::<CameraUrl>() {
                let _ = url.redact(&text);
                let shown = url.redact(&format!("a {} b", url.secret()));
                proptest::prop_assert!(!shown.contains(&password), "{}", shown);
            }
        }
    }
}

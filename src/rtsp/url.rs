//! Addresses of RTSP: what stands in a request, and how control URLs of a description are joined. Pure.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::secret::Secret;

/// The port of `rtsp://` (RFC 2326, 3.2).
const DEFAULT_PORT: u16 = 554;
/// What would break a request line or a quoted string.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'\\');

/// A user and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user, not a secret by itself, but not shown either.
    pub user: Secret,
    /// The password.
    pub password: Secret,
}

impl Login {
    /// The login in a URL, percent-decoded: `user:p%40ss` of `rtsp://user:p%40ss@cam/live`.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        let (login, _) = split_login(url.split_once("://")?.1);
        let (user, password) = login.map(|login| login.split_once(':').unwrap_or((login, "")))?;
        let decoded = |text| Secret::from(percent_decode_str(text).decode_utf8_lossy().into_owned());
        Some(Self { user: decoded(user), password: decoded(password) })
    }
}

/// An address to connect to and to ask for: without a login, and without characters that a request cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtspUrl {
    text: String,
    host: String,
    port: u16,
}

impl RtspUrl {
    /// Reads `rtsp://host[:port][/path][?query]`; a login before the host is dropped. `None` for another scheme and
    /// without a host.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once("://")?;
        if !scheme.eq_ignore_ascii_case("rtsp") {
            return None;
        }
        let (_, rest) = split_login(rest);
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let (host, behind) = match authority.strip_prefix('[') {
            Some(v6) => v6.split_once(']')?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match behind.strip_prefix(':') {
            None | Some("") => DEFAULT_PORT,
            Some(digits) => digits.parse().ok().filter(|port| *port > 0)?,
        };
        let is_host = |c: char| c.is_ascii_graphic() || !c.is_ascii() && !c.is_control();
        if host.is_empty() || !host.chars().all(is_host) {
            return None;
        }
        let text = format!("rtsp://{}", utf8_percent_encode(rest, ESCAPED));
        Some(Self { text, host: host.to_owned(), port })
    }

    /// As it stands in a request.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A name or an address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// 554 where the URL has none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether another URL leads to the same host and port: what may see the same password.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.host.eq_ignore_ascii_case(&other.host) && self.port == other.port
    }

    /// Another path at the same host and port.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Option<Self> {
        let authority = self.text.strip_prefix("rtsp://")?;
        let authority = &authority[..authority.find(['/', '?', '#']).unwrap_or(authority.len())];
        Self::parse(&format!("rtsp://{authority}{path}"))
    }

    /// The URL that the control URLs of a description continue: its `Content-Base` or `Content-Location`, as far as it can be meant so,
    /// else the URL that was asked for. Some cameras leave the scheme out, some give a path alone.
    #[must_use]
    pub fn base(&self, header: Option<&str>) -> Self {
        let Some(header) = header.map(str::trim) else { return self.clone() };
        let found = if header.starts_with('/') {
            self.with_path(header)
        } else if header.contains("://") {
            Self::parse(header)
        } else if header.split(['/', ':']).next().is_some_and(|host| host.contains('.') || host == self.host) {
            Self::parse(&format!("rtsp://{header}"))
        } else {
            None
        };
        found.unwrap_or_else(|| self.clone())
    }

    /// What a control attribute names. Not by the rules of URLs: ffmpeg, live555 and all that cameras are tested with
    /// append a relative one, behind a query too.
    #[must_use]
    pub fn join(&self, control: &str) -> String {
        let control = control.trim();
        if control.is_empty() || control == "*" {
            return self.text.clone();
        }
        if let Some((scheme, rest)) = control.split_once("://")
            && !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            let (_, rest) = split_login(rest);
            return format!("{scheme}://{}", utf8_percent_encode(rest, ESCAPED));
        }
        let control = utf8_percent_encode(control, ESCAPED).to_string();
        match (self.text.ends_with('/'), control.strip_prefix('/')) {
            (true, Some(rest)) => format!("{}{rest}", self.text),
            (false, None) if !control.starts_with('?') => format!("{}/{control}", self.text),
            _ => format!("{}{control}", self.text),
        }
    }
}

/// What stands before the last `@` of an authority, and the rest.
fn split_login(rest: &str) -> (Option<&str>, &str) {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RtspUrl {
        RtspUrl::parse(text).expect("an address")
    }

    #[test]
    fn host_and_port_of_a_url() {
        for (text, host, port, request) in [
            ("rtsp://cam", "cam", 554, "rtsp://cam"),
            ("RTSP://cam:8554/a b?c=d", "cam", 8554, "rtsp://cam:8554/a%20b?c=d"),
            ("rtsp://u:p%40@cam/x@y", "cam", 554, "rtsp://cam/x@y"),
            ("rtsp://[fe80::1]:99/x", "fe80::1", 99, "rtsp://[fe80::1]:99/x"),
            ("rtsp://cam:/x\"é", "cam", 554, "rtsp://cam:/x%22%C3%A9"),
        ] {
            let url = url(text);
            assert_eq!((url.host(), url.port(), url.as_str()), (host, port, request), "{text}");
        }
        for text in [
            "",
            "cam",
            "rtsps://cam/x",
            "http://cam/",
            "rtsp://",
            "rtsp://u@",
            "rtsp://cam:0",
            "rtsp://[::1",
            "rtsp://c\r\nam/",
        ] {
            assert_eq!(RtspUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn percent_encoded_logins_are_decoded() {
        let login = Login::of_url("rtsp://ad%6Din:p%40%3A%2F%23%3F%25@w@cam/x").expect("a login");
        assert_eq!((login.user.reveal(), login.password.reveal()), ("admin", "p@:/#?%@w"));
        assert_eq!(Login::of_url("rtsp://cam/a:b@c"), None);
        assert_eq!(Login::of_url("rtsp://u@cam").expect("a user").password.reveal(), "");
        assert!(!format!("{login:?}").contains("admin"));
    }

    #[test]
    fn relative_control_urls_are_appended() {
        for (base, control, joined) in [
            ("rtsp://c/live", "trackID=1", "rtsp://c/live/trackID=1"),
            ("rtsp://c/live/", "trackID=1", "rtsp://c/live/trackID=1"),
            ("rtsp://c/live/", "/trackID=1", "rtsp://c/live/trackID=1"),
            ("rtsp://c/live", "/trackID=1", "rtsp://c/live/trackID=1"),
            ("rtsp://c/x?channel=1&subtype=0", "video", "rtsp://c/x?channel=1&subtype=0/video"),
            ("rtsp://c/x?channel=1", "?track=2", "rtsp://c/x?channel=1?track=2"),
            ("rtsp://c/x", "*", "rtsp://c/x"),
            ("rtsp://c/x", "", "rtsp://c/x"),
            ("rtsp://c/x", "rtsp://10.0.0.9:554/y/track1", "rtsp://10.0.0.9:554/y/track1"),
            ("rtsp://c/x", "rtsp://u:secret@10.0.0.9/y", "rtsp://10.0.0.9/y"),
            ("rtsp://c/x", "track 1", "rtsp://c/x/track%201"),
        ] {
            assert_eq!(url(base).join(control), joined, "{base} {control}");
        }
    }

    #[test]
    fn content_base_may_lack_its_scheme_or_host() {
        let asked = url("rtsp://192.168.1.10:554/live?x=1");
        for (header, base) in [
            (None, "rtsp://192.168.1.10:554/live?x=1"),
            (Some(""), "rtsp://192.168.1.10:554/live?x=1"),
            (Some("rtsp://10.0.0.9/live/"), "rtsp://10.0.0.9/live/"),
            (Some("192.168.1.10:554/stream0/"), "rtsp://192.168.1.10:554/stream0/"),
            (Some("/stream0/"), "rtsp://192.168.1.10:554/stream0/"),
            (Some("http://192.168.1.10/"), "rtsp://192.168.1.10:554/live?x=1"),
            (Some("stream0"), "rtsp://192.168.1.10:554/live?x=1"),
        ] {
            assert_eq!(asked.base(header).as_str(), base, "{header:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_url_stays_one_line_without_its_login(text in "\\PC{0,30}", control in "\\PC{0,30}", user in "[a-z]{9}") {
            let _ = Login::of_url(&text);
            let is_line = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
            for text in [format!("rtsp://cam/{text}"), format!("rtsp://{user}@{text}"), text] {
                let Some(url) = RtspUrl::parse(&text) else { continue };
                for url in [url.base(Some(&control)), url] {
                    let joined = url.join(&control);
                    proptest::prop_assert!(is_line(url.as_str()) && is_line(&joined), "{} {joined}", url.as_str());
                    let has_login = url.as_str().contains(&format!("//{user}@"));
                    proptest::prop_assert!(!has_login, "{}", url.as_str());
                }
            }
        }
    }
}

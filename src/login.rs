//! The login in a URL, `http://user:pa%40ss@host/`, decoded as HTTP needs it. Pure.

use base64::Engine;

use percent_encoding::percent_decode_str;

/// What to do about a password that ends the host of its URL.
pub const ESCAPES: &str = "write # / ? @ of a password as %23 %2F %3F %40";

/// Whether a URL can only be meant as one with a password that has a `#`, `/` or `?` in it: what then stands before the
/// path is no `host:port`, and the `@` comes later.
#[must_use]
pub fn is_cut(url: &str) -> bool {
    let (authority, rest) = split_authority(url);
    let has_port = authority.rsplit_once(':').is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let is_host = has_port || authority.contains([']', '@']);
    rest.contains('@') && (!is_host || rest.starts_with('#'))
}

/// Whether a URL may be one of those: an `@` follows its host, which is rare.
#[must_use]
pub fn may_be_cut(url: &str) -> bool {
    split_authority(url).1.contains('@')
}

/// `user:password@host:port`, and what follows it.
fn split_authority(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// A URL without its login, and the login as the value of `Authorization`. It is a secret.
#[must_use]
pub fn split_userinfo(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((login, host)) => (format!("{scheme}://{host}{path}"), Some(basic(login))),
        None => (url.to_owned(), None),
    }
}

/// The value of `Authorization` for the login of a URL.
#[must_use]
pub fn basic(login: &str) -> String {
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(percent_decode_str(login).collect::<Vec<u8>>())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_split_from_its_url_and_decoded() {
        let split = |url| {
            let (bare, login) = split_userinfo(url);
            let login = login.and_then(|login| {
                let encoded = login.strip_prefix("Basic ").map(str::to_owned)?;
                String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).ok()?).ok()
            });
            (bare, login)
        };
        for (url, bare, login) in [
            ("http://cam:8080/day", "http://cam:8080/day", None),
            ("http://u:p%40s%3As@cam:8080/day?x=a@b", "http://cam:8080/day?x=a@b", Some("u:p@s:s")),
            ("https://u@cam", "https://cam", Some("u")),
            ("http://u:p@ss@[::1]:80", "http://[::1]:80", Some("u:p@ss")),
            ("http://cam/u:p@x", "http://cam/u:p@x", None),
            ("cam", "cam", None),
        ] {
            assert_eq!(split(url), (bare.to_owned(), login.map(str::to_owned)), "{url}");
        }
    }

    #[test]
    fn a_password_that_ends_the_host_is_found() {
        for url in [
            "rtsp://admin:pa#ss@cam/live",
            "rtsp://admin:pa/ss@cam:554/live",
            "http://admin:pa?ss@cam",
            "http://admin:12#ss@cam",
            "http://admin#ss@cam",
            "http://u:p@s#s@cam/",
        ] {
            assert!(is_cut(url) && may_be_cut(url), "{url}");
        }
        for url in [
            "rtsp://admin:pa%23ss@cam/live",
            "rtsp://admin:p@ss@cam/live",
            "rtsp://cam:554/user@x",
            "rtsp://[::1]:554/user@x",
            "rtsp://[::1]/user@x",
            "http://cam/x?mail=a@b",
            "http://u:p@cam/x?mail=a@b",
            "http://cam:81/#top",
            "cam",
        ] {
            assert!(!is_cut(url), "{url}");
        }
        assert!(may_be_cut("rtsp://admin:12/34@cam/live") && !may_be_cut("rtsp://admin:p@ss@cam/live"));
    }

    proptest::proptest! {
        #[test]
        fn any_url_is_read_without_a_panic(url in "\\PC{0,40}", login in "[%a-f0-9:@é]{0,10}") {
            let _ = split_userinfo(&url);
            let _ = is_cut(&url);
            let _ = split_userinfo(&format!("http://{login}@cam/x"));
        }
    }
}

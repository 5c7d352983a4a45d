//! The login in a URL, `http://user:pa%40ss@host/`, as HTTP is told it. Pure.

use base64::Engine;

use crate::http::percent_decoded;

/// A URL without its login, and the value of `Authorization` that says it. It is a secret.
#[must_use]
pub fn apart(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((login, host)) => (format!("{scheme}://{host}{path}"), Some(basic(login))),
        None => (url.to_owned(), None),
    }
}

/// The value of `Authorization` for a login as it stands in a URL.
#[must_use]
pub fn basic(login: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(percent_decoded(login)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_taken_out_and_said_as_it_is_meant() {
        let says = |url| {
            let (bare, login) = apart(url);
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
            assert_eq!(says(url), (bare.to_owned(), login.map(str::to_owned)), "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_url_makes_it_panic(url in "\\PC{0,40}", login in "[%a-f0-9:@é]{0,10}") {
            let _ = apart(&url);
            let _ = apart(&format!("http://{login}@cam/x"));
        }
    }
}

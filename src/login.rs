//! The login in a URL, `http://user:pa%40ss@host/`, as HTTP is told it. Pure.

use base64::Engine;

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

/// With `%40` as the letters they stand for.
#[must_use]
pub fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        // A sign would be taken for a part of the number.
        let hex = hex.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let meant = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(meant.unwrap_or(byte));
        rest = if meant.is_some() { &after[2..] } else { after };
    }
    bytes
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
        assert_eq!(percent_decoded("100%+a%zz%4"), b"100%+a%zz%4");
    }

    proptest::proptest! {
        #[test]
        fn no_url_makes_it_panic(url in "\\PC{0,40}", login in "[%a-f0-9:@é]{0,10}") {
            let _ = apart(&url);
            let _ = apart(&format!("http://{login}@cam/x"));
        }
    }
}

//! Where the camera is: an ADDRESS as people type it. Pure.

use std::fmt::{self, Display};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::login;

/// One ADDRESS of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A camera on the network.
    Http(Url),
    /// Its card, mounted.
    Directory(PathBuf),
}

/// The base of a camera's URLs, without the slash at its end.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// `http://192.168.1.99:8080`
    pub base: String,
    /// The value of an `Authorization` header, from `user:password@`; never shown.
    pub authorization: Option<String>,
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Url").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(url.base.strip_prefix("http://").unwrap_or(&url.base)),
            Self::Directory(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    /// What has a slash, and is no URL, is a directory: `./card`, `/media/card`. A host never has one.
    fn from_str(text: &str) -> Result<Self, String> {
        // What stands before an @ may be a password.
        let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
        let refuse = |why: &str| format!("{shown:?} is not the address of a camera: {why}");
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) => {
                (scheme.to_ascii_lowercase(), rest)
            }
            Some(_) => return Err(refuse("only http and https are spoken here")),
            None if text.contains('@') && text.contains(':') && !text.starts_with(['/', '.']) && text.contains('/') => {
                return Err(refuse(&format!("the host ends inside the password: {}", login::ESCAPES)));
            }
            None if text.contains('/') || text == "." || text == ".." => {
                return Ok(Self::Directory(text.into()));
            }
            None => ("http".to_owned(), text),
        };
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        let host = match host.parse::<Ipv6Addr>() {
            Ok(bare) => format!("[{bare}]"),
            Err(_) => host.to_owned(),
        };
        if path.contains('@') && user.is_none() {
            return Err(refuse(&format!("the host ends inside the password: {}", login::ESCAPES)));
        }
        if path.contains(['?', '#']) {
            return Err(refuse("leave out what follows the path"));
        }
        let base = format!("{scheme}://{host}/{path}").trim_end_matches('/').to_owned();
        match base.parse::<ureq::http::Uri>() {
            Ok(uri) if uri.host().is_some() && !host.is_empty() && port_is_a_number(&host) => {}
            _ => return Err(refuse("write a host, host:port, an IPv6 address, a URL, or a directory with a slash")),
        }
        let authorization = user.map(login::basic);
        Ok(Self::Http(Url { base, authorization }))
    }
}

fn port_is_a_number(host: &str) -> bool {
    let after_brackets = host.rsplit_once(']').map_or(host, |(_, after)| after);
    match after_brackets.split_once(':') {
        Some((_, port)) => port.parse::<u16>().is_ok(),
        // Something without a colon behind the brackets is a typing error.
        None => !host.contains(']') || after_brackets.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> String {
        match text.parse() {
            Ok(Address::Http(url)) => url.base,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_form_of_a_camera_address_is_read() {
        for (text, expected) in [
            ("192.168.1.99", "http://192.168.1.99"),
            ("dashcam.example.net", "http://dashcam.example.net"),
            ("dashcam:8080", "http://dashcam:8080"),
            ("::1", "http://[::1]"),
            ("fe80::1", "http://[fe80::1]"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("http://dashcam/", "http://dashcam"),
            ("HTTPS://dashcam:8443/cam//", "https://dashcam:8443/cam"),
        ] {
            assert_eq!(base(text), expected);
        }
        for text in ["/media/card", "./card", ".", "..", "card/"] {
            assert_eq!(text.parse(), Ok(Address::Directory(text.into())));
        }
        for text in [
            "",
            "ftp://dashcam",
            "http://",
            "dash cam",
            "dashcam:x",
            "dashcam:99999",
            "http://cam/?x",
            "[::1]8080",
            "user:pass/word@cam",
            "http://user:12/word@cam",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn passwords_of_addresses_are_used_and_redacted() {
        let address: Address = "http://us%40er:p@ss@dashcam".parse().expect("an address");
        let Address::Http(url) = &address else { panic!("a URL") };
        assert_eq!(url.base, "http://dashcam");
        assert_eq!(url.authorization.as_deref(), Some("Basic dXNAZXI6cEBzcw=="));
        assert!(!format!("{address} {address:?}").contains("ss"));
    }
}

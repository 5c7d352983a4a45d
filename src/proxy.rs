//! Which requests go through a proxy: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, in the order of curl. Pure: variables
//! are arguments.
//!
//! A variable in lower case wins over the same one in upper case, and one for a scheme over `all_proxy`; an empty one counts as
//! not set. `HTTP_PROXY` counts too, which curl ignores because a web server sets it for CGI programs from a header of the
//! client; where `REQUEST_METHOD` shows such a server, it is ignored, as Go and Python do.
//!
//! A proxy resolves the names of the hosts behind it, also `socks5://`, which is the same as `socks5h://` here.

pub mod handshake;
mod no_proxy;

use std::fmt;

use percent_encoding::percent_decode_str;
use ureq::http::Uri;

use self::no_proxy::NoProxy;
use crate::login;

/// The protocol of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP: `http://` by absolute URL, the rest by CONNECT.
    Http,
    /// The same over TLS.
    Https,
    /// SOCKS5, with names (RFC 1928, RFC 1929).
    Socks5,
}

/// Supported schemes, and the port where none is given.
const SCHEMES: [(&str, Protocol, u16); 5] = [
    ("http", Protocol::Http, 80),
    ("https", Protocol::Https, 443),
    ("socks5", Protocol::Socks5, 1080),
    ("socks5h", Protocol::Socks5, 1080),
    ("socks", Protocol::Socks5, 1080),
];

/// A proxy. `Display` and `Debug` hide its login.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    protocol: Protocol,
    uri: Uri,
    login: Option<Login>,
    variable: &'static str,
}

/// A user and a password, decoded.
#[derive(Clone, PartialEq, Eq)]
struct Login {
    user: Vec<u8>,
    password: Vec<u8>,
    basic: String,
}

impl Proxy {
    /// Parses the value of a variable: `[scheme://][user:password@]host[:port]`.
    fn parse(text: &str, variable: &'static str) -> Result<Self, String> {
        // What stands before an @ may be a password.
        let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
        let refuse = |why: &str| format!("{variable}: {shown:?} is not a proxy: {why}");
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = scheme.to_ascii_lowercase();
        let known = SCHEMES.iter().find(|(known, ..)| *known == scheme);
        let (_, protocol, port) =
            known.ok_or_else(|| refuse("only http, https, socks5 and socks5h proxies are supported"))?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if path.contains('@') {
            return Err(refuse(&format!("the host ends inside the password: {}", login::ESCAPES)));
        }
        let (userinfo, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        let tls = if *protocol == Protocol::Https { "https" } else { "http" };
        let write = || refuse("write http://host:port");
        let uri: Uri = format!("{tls}://{host}/").parse().map_err(|_| write())?;
        let name = uri.host().filter(|name| !name.is_empty()).ok_or_else(write)?;
        if host.len() > name.len() && uri.port().is_none() {
            return Err(write());
        }
        let uri = format!("{tls}://{name}:{}/", uri.port_u16().unwrap_or(*port)).parse().map_err(|_| write())?;
        Ok(Self { protocol: *protocol, uri, login: userinfo.map(Login::decode), variable })
    }

    /// What it speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// `http://host:port/`, or `https://` for one over TLS: where to connect to.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Where to connect to: a name or an address, and a port.
    #[must_use]
    pub fn place(&self) -> (String, u16) {
        (bare(self.uri.host().unwrap_or_default()).to_owned(), self.uri.port_u16().unwrap_or_default())
    }

    /// Whether this proxy gets a request for such a URL as a request with an absolute URL, not as a tunnel.
    #[must_use]
    pub fn forwards(&self, uri: &Uri) -> bool {
        self.protocol != Protocol::Socks5 && uri.scheme_str() == Some("http")
    }

    /// The value of `Proxy-Authorization`. It is a secret.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.login.as_ref().map(|login| login.basic.as_str())
    }
}

impl Login {
    fn decode(userinfo: &str) -> Self {
        let decode = |text: &str| percent_decode_str(text).collect();
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        // HTTP wants the colon without a password too.
        let basic = login::basic(&format!("{user}:{password}"));
        Self { user: decode(user), password: decode(password), basic }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http => "http",
            Protocol::Https => "https",
            Protocol::Socks5 => "socks5",
        };
        let place = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "the proxy {scheme}://{place} ({})", self.variable)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The proxies of an environment.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<Result<Proxy, String>>,
    https: Option<Result<Proxy, String>>,
    no_proxy: NoProxy,
}

impl Proxies {
    /// Reads the variables. One that is no proxy is an error of the requests that would go through it.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable =
            |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let first = |names: &[&'static str]| {
            let mut set = names.iter().filter(|name| !(is_cgi && **name == "HTTP_PROXY"));
            set.find_map(|name| Some(Proxy::parse(&variable(name)?, name)))
        };
        let no_proxy = variable("no_proxy").or_else(|| variable("NO_PROXY"));
        Self {
            http: first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            no_proxy: no_proxy.as_deref().map(NoProxy::parse).unwrap_or_default(),
        }
    }

    /// The proxy for a URL; none if the request goes to its host.
    ///
    /// # Errors
    /// A sentence for the user: the variable holds no proxy.
    pub fn of(&self, uri: &Uri) -> Result<Option<&Proxy>, String> {
        let (setting, port) = match uri.scheme_str() {
            Some("http") => (&self.http, 80),
            Some("https") => (&self.https, 443),
            _ => return Ok(None),
        };
        let Some(setting) = setting else { return Ok(None) };
        let host = bare(uri.host().unwrap_or_default());
        if self.no_proxy.has(host, uri.port_u16().unwrap_or(port)) {
            return Ok(None);
        }
        setting.as_ref().map(Some).map_err(Clone::clone)
    }
}

/// The host of a URL without the brackets of IPv6.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], url: &str) -> Result<Option<String>, String> {
        let value = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned());
        let proxies = Proxies::of_environment(value);
        Ok(proxies.of(&url.parse().unwrap())?.map(ToString::to_string))
    }

    #[test]
    fn proxy_variables_have_the_order_of_curl() {
        let all = [
            ("http_proxy", "h"),
            ("HTTP_PROXY", "H"),
            ("https_proxy", "s"),
            ("HTTPS_PROXY", "S"),
            ("all_proxy", "a"),
            ("ALL_PROXY", "A"),
        ];
        let http = ["h:80 (http_proxy)", "H:80 (HTTP_PROXY)", "a:80 (all_proxy)", "A:80 (ALL_PROXY)"];
        let https = ["s:80 (https_proxy)", "S:80 (HTTPS_PROXY)", "a:80 (all_proxy)", "A:80 (ALL_PROXY)"];
        let order = |scheme: &str, own: &str| {
            let mut left = all.to_vec();
            let mut found = Vec::new();
            while let Some(proxy) = of(&left, &format!("{scheme}://host/")).unwrap() {
                let variable = proxy.rsplit_once('(').unwrap().1.trim_end_matches(')').to_owned();
                assert!(variable.eq_ignore_ascii_case(own) || variable.eq_ignore_ascii_case("all_proxy"));
                // An empty variable counts as not set.
                left.iter_mut().filter(|(name, _)| **name == variable).for_each(|(_, value)| *value = " ");
                found.push(proxy.strip_prefix("the proxy http://").unwrap().to_owned());
            }
            found
        };
        assert_eq!(order("http", "http_proxy"), http);
        assert_eq!(order("https", "https_proxy"), https);
        assert_eq!(of(&[("http_proxy", "h")], "https://host/"), Ok(None));
        assert_eq!(of(&[("http_proxy", "h")], "rtsp://host/"), Ok(None));
    }

    #[test]
    fn http_proxy_in_upper_case_is_ignored_in_cgi_programs() {
        let cgi = [("HTTP_PROXY", "evil"), ("REQUEST_METHOD", "GET")];
        assert_eq!(of(&cgi, "http://host/"), Ok(None));
        assert!(of(&cgi[..1], "http://host/").unwrap().is_some());
    }

    #[test]
    fn proxy_urls_have_a_scheme_a_port_and_a_login_or_none() {
        for (text, shown) in [
            ("proxy", "http://proxy:80"),
            ("proxy:3128", "http://proxy:3128"),
            ("HTTP://proxy:3128/", "http://proxy:3128"),
            ("https://proxy", "https://proxy:443"),
            ("socks5://127.0.0.1", "socks5://127.0.0.1:1080"),
            ("socks5h://[::1]:9050", "socks5://[::1]:9050"),
            ("http://us%40er:p@ss%3A@proxy:1", "http://proxy:1"),
        ] {
            let proxy = Proxy::parse(text, "http_proxy").unwrap();
            assert_eq!(format!("{proxy:?}"), format!("the proxy {shown} (http_proxy)"), "{text}");
        }
        let proxy = Proxy::parse("us%40er:p%20s@proxy", "http_proxy").unwrap();
        assert_eq!(proxy.authorization(), Some(login::basic("us%40er:p%20s").as_str()));
        assert_eq!(Proxy::parse("user@proxy", "all_proxy").unwrap().authorization(), Some("Basic dXNlcjo="));
        assert_eq!(Proxy::parse("http://[::1]:8/", "all_proxy").unwrap().place(), ("::1".to_owned(), 8));
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        for text in [
            "::nonsense::",
            "socks4://user:secret@proxy",
            "ftp://proxy",
            "http://",
            "http://:80",
            "proxy:port",
            "proxy:",
            "proxy:99999",
            "user:sec/secret@proxy",
            "pro xy",
        ] {
            let error = of(&[("HTTPS_PROXY", text)], "https://host/").expect_err(text);
            assert!(error.starts_with("HTTPS_PROXY: ") && !error.contains("secret"), "{error}");
            assert_eq!(of(&[("HTTPS_PROXY", text)], "http://host/"), Ok(None));
            assert_eq!(of(&[("HTTPS_PROXY", text), ("no_proxy", "host")], "https://host/"), Ok(None));
        }
    }
}

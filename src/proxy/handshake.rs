//! What a client and its proxy say before the connection belongs to the host behind it: CONNECT (RFC 9110, 9.3.6), or SOCKS5 with
//! names (RFC 1928) and a login (RFC 1929). Without I/O.
//!
//! The answer is read byte by byte, so that nothing that follows it is taken away.

use super::{Protocol, Proxy, bare};

/// The longest head of an answer to CONNECT.
const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 64;

const SOCKS_VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;
const NO_LOGIN: u8 = 0;
const BY_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// What follows from a byte.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Read on.
    More,
    /// Send this, and read on.
    Send(Vec<u8>),
    /// The connection belongs to the host.
    Done,
}

/// Why a proxy does not connect; the text reads on after its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It wants a login, and there is none.
    #[error("asks for a user and a password: write user:password@ before its host")]
    NoLogin,
    /// It wants a login of another kind than footage has, such as NTLM.
    #[error("asks for a login by {0}, and footage has logins by user and password only (Basic)")]
    OtherLogin(String),
    /// It does not accept the login.
    #[error("refuses this user and password")]
    Login,
    /// It cannot reach the host.
    #[error("cannot reach the host: {0}")]
    HostAway(String),
    /// It does not allow this.
    #[error("refuses to connect to the host: {0}")]
    Forbidden(String),
    /// It answers with something else.
    #[error("is no proxy of this kind: {0}")]
    Nonsense(String),
}

/// A handshake under way.
#[derive(Debug)]
pub struct Handshake {
    state: State,
    /// The bytes of the answer so far.
    answer: Vec<u8>,
    /// To be sent once the proxy has accepted the login.
    request: Vec<u8>,
    login: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Http,
    Method,
    Login,
    Reply,
}

impl Handshake {
    /// A handshake for this host, and what to send first. `host` may have the brackets of IPv6.
    #[must_use]
    pub fn new(proxy: &Proxy, host: &str, port: u16) -> (Self, Vec<u8>) {
        let answer = Vec::new();
        if proxy.protocol() != Protocol::Socks5 {
            let login = proxy.authorization().map(|login| format!("Proxy-Authorization: {login}\r\n"));
            let request = format!(
                "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: footage/{}\r\n{}\r\n",
                env!("CARGO_PKG_VERSION"),
                login.as_deref().unwrap_or_default()
            );
            // Whether there is a login.
            let login = login.map(String::into_bytes);
            return (Self { state: State::Http, answer, request: Vec::new(), login }, request.into_bytes());
        }
        let login = proxy
            .login
            .as_ref()
            .map(|login| [vec![LOGIN_VERSION], counted(&login.user), counted(&login.password)].concat());
        let greeting = match login {
            Some(_) => vec![SOCKS_VERSION, 2, NO_LOGIN, BY_PASSWORD],
            None => vec![SOCKS_VERSION, 1, NO_LOGIN],
        };
        (Self { state: State::Method, answer, request: socks_request(bare(host), port), login }, greeting)
    }

    /// Takes the next byte of the proxy's answer.
    ///
    /// # Errors
    /// The proxy does not connect.
    pub fn on_byte(&mut self, byte: u8) -> Result<Step, Refusal> {
        self.answer.push(byte);
        match self.state {
            State::Http => self.http(),
            State::Method => self.method(),
            State::Login => self.logged_in(),
            State::Reply => self.reply(),
        }
    }

    fn http(&mut self) -> Result<Step, Refusal> {
        let is_head = self.answer.ends_with(b"\r\n\r\n") || self.answer.ends_with(b"\n\n");
        if !is_head && self.answer.len() < MAX_HEAD_BYTES && !is_no_http(&self.answer) {
            return Ok(Step::More);
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(_)) = head.parse(&self.answer) else {
            return Err(Refusal::Nonsense(format!("it does not speak HTTP: {:?}", start(&self.answer))));
        };
        let schemes = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("proxy-authenticate"));
        let schemes = schemes.map(|header| String::from_utf8_lossy(header.value).into_owned());
        match head.code.unwrap_or(0) {
            200..=299 => Ok(Step::Done),
            status => {
                let phrase = head.reason.unwrap_or_default();
                Err(refused_by_http(status, phrase, schemes, self.login.is_some()))
            }
        }
    }

    fn method(&mut self) -> Result<Step, Refusal> {
        let [version, ref rest @ ..] = self.answer[..] else { return Ok(Step::More) };
        if version != SOCKS_VERSION {
            return Err(Refusal::Nonsense("it does not speak SOCKS5".into()));
        }
        let [method] = rest[..] else { return Ok(Step::More) };
        self.answer.clear();
        match (method, self.login.take()) {
            (NO_LOGIN, _) => {
                self.state = State::Reply;
                Ok(Step::Send(std::mem::take(&mut self.request)))
            }
            (BY_PASSWORD, Some(login)) => {
                self.state = State::Login;
                Ok(Step::Send(login))
            }
            (_, None) => Err(Refusal::NoLogin),
            (_, Some(_)) => Err(Refusal::OtherLogin("GSSAPI or none".into())),
        }
    }

    fn logged_in(&mut self) -> Result<Step, Refusal> {
        let [_, status] = self.answer[..] else { return Ok(Step::More) };
        if status != 0 {
            return Err(Refusal::Login);
        }
        self.answer.clear();
        self.state = State::Reply;
        Ok(Step::Send(std::mem::take(&mut self.request)))
    }

    fn reply(&mut self) -> Result<Step, Refusal> {
        let [version, status, _, ref rest @ ..] = self.answer[..] else { return Ok(Step::More) };
        if version != SOCKS_VERSION {
            return Err(Refusal::Nonsense("it does not speak SOCKS5".into()));
        }
        if let Some(refusal) = refused_by_socks(status) {
            return Err(refusal);
        }
        // The address and the port that it connects from.
        let length = match *rest {
            [] | [NAME] => return Ok(Step::More),
            [IPV4, ..] => 1 + 4 + 2,
            [IPV6, ..] => 1 + 16 + 2,
            [NAME, length, ..] => 2 + usize::from(length) + 2,
            _ => return Err(Refusal::Nonsense("its answer has an unknown kind of address".into())),
        };
        Ok(if rest.len() < length { Step::More } else { Step::Done })
    }
}

/// Why an HTTP proxy answers with this status.
pub fn refused_by_http(status: u16, phrase: &str, schemes: impl Iterator<Item = String>, has_login: bool) -> Refusal {
    let phrase: String = phrase.chars().filter(|c| !c.is_control()).take(80).collect();
    let said = format!("{status} {phrase}").trim_end().to_owned();
    match status {
        // tinyproxy answers a wrong login with 401.
        401 | 407 => {
            let schemes: Vec<String> =
                schemes.filter_map(|value| Some(value.split_whitespace().next()?.to_owned())).collect();
            let has_basic = schemes.is_empty() || schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"));
            match (has_basic, has_login) {
                (false, _) => Refusal::OtherLogin(schemes.join(", ")),
                (true, true) => Refusal::Login,
                (true, false) => Refusal::NoLogin,
            }
        }
        500..=599 | 404 | 408 => Refusal::HostAway(said),
        _ => Refusal::Forbidden(said),
    }
}

/// The replies of RFC 1928, 6.
fn refused_by_socks(status: u8) -> Option<Refusal> {
    Some(match status {
        0 => return None,
        2 => Refusal::Forbidden("its rules forbid it".into()),
        3 => Refusal::HostAway("network unreachable".into()),
        4 => Refusal::HostAway("host unreachable".into()),
        5 => Refusal::HostAway("connection refused".into()),
        6 => Refusal::HostAway("timed out".into()),
        7 => Refusal::Forbidden("it does not know CONNECT".into()),
        8 => Refusal::Forbidden("it does not know this kind of address".into()),
        status => Refusal::HostAway(format!("SOCKS error {status}")),
    })
}

fn socks_request(host: &str, port: u16) -> Vec<u8> {
    let address = match host.parse() {
        Ok(std::net::IpAddr::V4(address)) => [&[IPV4][..], &address.octets()].concat(),
        Ok(std::net::IpAddr::V6(address)) => [&[IPV6][..], &address.octets()].concat(),
        Err(_) => [vec![NAME], counted(host.as_bytes())].concat(),
    };
    [&[SOCKS_VERSION, CONNECT, 0][..], &address, &port.to_be_bytes()].concat()
}

/// Bytes with their number before them; what is longer than the protocol knows is cut.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    [&[length][..], &bytes[..usize::from(length)]].concat()
}

fn is_no_http(answer: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/";
    let length = answer.len().min(START.len());
    answer[..length] != START[..length]
}

fn start(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer[..answer.len().min(40)]).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proxy(text: &str) -> Proxy {
        Proxy::parse(text, "all_proxy").unwrap()
    }

    /// What is sent, and how it ends; what follows the answer stays.
    fn run(proxy: &Proxy, host: &str, answer: &[u8]) -> (Vec<Vec<u8>>, Result<usize, Refusal>) {
        let (mut handshake, first) = Handshake::new(proxy, host, 443);
        let mut sent = vec![first];
        for (n, byte) in answer.iter().enumerate() {
            match handshake.on_byte(*byte) {
                Ok(Step::More) => {}
                Ok(Step::Send(bytes)) => sent.push(bytes),
                Ok(Step::Done) => return (sent, Ok(answer.len() - n - 1)),
                Err(refusal) => return (sent, Err(refusal)),
            }
        }
        (sent, Err(Refusal::Nonsense("it goes on".into())))
    }

    #[test]
    fn connect_names_the_host_and_brings_the_login() {
        let (sent, ended) = run(&proxy("http://u:p@proxy"), "[::1]", b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nrest");
        assert_eq!(ended, Ok(4));
        let request = String::from_utf8(sent.concat()).unwrap();
        assert!(request.starts_with("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n"), "{request}");
        assert!(request.ends_with("Proxy-Authorization: Basic dTpw\r\n\r\n"), "{request}");
        assert_eq!(run(&proxy("proxy"), "host", b"HTTP/1.0 200\n\n").1, Ok(0));
    }

    #[test]
    fn a_407_says_which_login_is_missing() {
        let basic: &[u8] =
            b"HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nproxy-authenticate: Basic realm=x\r\n\r\n";
        assert_eq!(run(&proxy("proxy"), "host", basic).1, Err(Refusal::NoLogin));
        assert_eq!(run(&proxy("u:p@proxy"), "host", basic).1, Err(Refusal::Login));
        let other = b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n";
        assert_eq!(run(&proxy("u:p@proxy"), "host", other).1, Err(Refusal::OtherLogin("NTLM, Negotiate".into())));
    }

    #[test]
    fn a_refused_connect_tells_away_from_forbidden() {
        for (answer, expected) in [
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Refusal::HostAway("503 Service Unavailable".into())),
            ("HTTP/1.1 403 \r\n\r\n", Refusal::Forbidden("403".into())),
            ("SSH-2.0", Refusal::Nonsense("it does not speak HTTP: \"S\"".into())),
            ("\x05\x00", Refusal::Nonsense("it does not speak HTTP: \"\\u{5}\"".into())),
        ] {
            assert_eq!(run(&proxy("proxy"), "host", answer.as_bytes()).1, Err(expected), "{answer:?}");
        }
    }

    #[test]
    fn socks5_sends_names_and_addresses() {
        let done = [5, 0, 5, 0, 0, 1, 1, 2, 3, 4, 0, 80, 9];
        let (sent, ended) = run(&proxy("socks5://proxy"), "s3.test", &done);
        assert_eq!(ended, Ok(1));
        assert_eq!(sent, [vec![5, 1, 0], [&[5, 1, 0, 3, 7][..], b"s3.test", &[1, 187]].concat()]);
        assert_eq!(run(&proxy("socks5://proxy"), "10.0.0.7", &done).0[1], [5, 1, 0, 1, 10, 0, 0, 7, 1, 187]);
        let to_ipv6 = [5, 0, 5, 0, 0, 3, 1, b'x', 0, 80];
        let (sent, ended) = run(&proxy("socks5://proxy"), "[::1]", &to_ipv6);
        assert_eq!((sent[1][3], sent[1].len(), ended), (4, 22, Ok(0)));
    }

    #[test]
    fn socks5_logs_in_where_it_is_asked_to() {
        let proxy_with = proxy("socks5://us%40er:pass@proxy");
        let (sent, ended) = run(&proxy_with, "host", &[5, 2, 1, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ended, Ok(0));
        assert_eq!(sent[..2], [vec![5, 2, 0, 2], [&[1, 5][..], b"us@er", &[4], b"pass"].concat()]);
        assert_eq!(run(&proxy_with, "host", &[5, 2, 1, 1]).1, Err(Refusal::Login));
        assert_eq!(run(&proxy_with, "host", &[5, 255]).1, Err(Refusal::OtherLogin("GSSAPI or none".into())));
        assert_eq!(run(&proxy("socks5://proxy"), "host", &[5, 255]).1, Err(Refusal::NoLogin));
    }

    #[test]
    fn socks5_errors_tell_away_from_forbidden() {
        for (status, expected) in [
            (1, Refusal::HostAway("SOCKS error 1".into())),
            (2, Refusal::Forbidden("its rules forbid it".into())),
            (5, Refusal::HostAway("connection refused".into())),
        ] {
            assert_eq!(run(&proxy("socks5://proxy"), "host", &[5, 0, 5, status, 0]).1, Err(expected));
        }
        assert!(matches!(run(&proxy("socks5://proxy"), "host", b"HTTP").1, Err(Refusal::Nonsense(_))));
    }

    proptest! {
        #[test]
        fn no_answer_of_a_proxy_panics(bytes: Vec<u8>, is_socks: bool) {
            let proxy = proxy(if is_socks { "socks5://u:p@proxy" } else { "http://proxy" });
            let _ = run(&proxy, "host", &bytes);
            let _ = run(&proxy, "host", &[&[5, 0][..], &bytes].concat());
            let _ = run(&proxy, "host", &[&b"HTTP/1.1 200 "[..], &bytes, b"\r\n\r\n"].concat());
        }
    }
}

//! Logins: basic (RFC 7617) and digest (RFC 7616, with MD5 and SHA-256), as cameras ask for them. Pure.

use std::fmt::Write;

use base64::Engine;
use md5::{Digest as _, Md5};

use super::url::Login;

/// Parameters of one challenge that count.
const MAX_PARAMETERS: usize = 32;

/// How a login is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// As it is, in base64.
    Basic,
    /// As a hash of it and of a number of the server's.
    Digest {
        /// Which hash.
        hash: Hash,
        /// Whether the login is hashed with the number first (`MD5-sess`).
        is_session: bool,
    },
}

impl Scheme {
    /// `basic`, `digest MD5`, `digest SHA-256`
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Digest { hash: Hash::Md5, .. } => "digest MD5",
            Self::Digest { hash: Hash::Sha256, .. } => "digest SHA-256",
        }
    }
}

/// A hash of digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// RFC 2617
    Md5,
    /// RFC 7616
    Sha256,
}

/// What a server asks for, one that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// How to answer.
    pub scheme: Scheme,
    realm: String,
    /// The server's number; empty for basic.
    pub nonce: String,
    opaque: Option<String>,
    /// As the server writes it.
    algorithm: Option<String>,
    has_qop: bool,
    /// Whether only the number was too old, not the login wrong.
    pub is_stale: bool,
}

impl Challenge {
    /// The best challenge of all `WWW-Authenticate` headers: SHA-256, MD5, basic. What cannot be answered is skipped.
    #[must_use]
    pub fn best<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let all = headers.flat_map(read).filter_map(|(scheme, parameters)| Self::of(&scheme, &parameters));
        // Of equals the first: a server lists what it likes best first.
        all.reduce(|best, next| if next.rank() > best.rank() { next } else { best })
    }

    fn rank(&self) -> u8 {
        match self.scheme {
            Scheme::Basic => 0,
            Scheme::Digest { hash: Hash::Md5, .. } => 1,
            Scheme::Digest { hash: Hash::Sha256, .. } => 2,
        }
    }

    fn of(scheme: &str, parameters: &[(String, String)]) -> Option<Self> {
        let get = |name: &str| parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        let realm = get("realm").unwrap_or_default();
        let base = Self {
            scheme: Scheme::Basic,
            realm,
            nonce: String::new(),
            opaque: None,
            algorithm: None,
            has_qop: false,
            is_stale: false,
        };
        match scheme {
            "basic" => Some(base),
            "digest" => {
                let algorithm = get("algorithm").filter(|name| !name.is_empty());
                let (hash, is_session) = match algorithm.as_deref().unwrap_or("MD5").to_ascii_lowercase().as_str() {
                    "md5" => (Hash::Md5, false),
                    "md5-sess" => (Hash::Md5, true),
                    "sha-256" => (Hash::Sha256, false),
                    "sha-256-sess" => (Hash::Sha256, true),
                    _ => return None,
                };
                let qop = get("qop").filter(|qop| !qop.trim().is_empty());
                let has_auth = |qop: &str| qop.split(',').any(|kind| kind.trim().eq_ignore_ascii_case("auth"));
                if qop.as_deref().is_some_and(|qop| !has_auth(qop)) {
                    return None;
                }
                Some(Self {
                    scheme: Scheme::Digest { hash, is_session },
                    nonce: get("nonce")?,
                    opaque: get("opaque"),
                    algorithm,
                    has_qop: qop.is_some(),
                    is_stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
                    ..base
                })
            }
            _ => None,
        }
    }

    /// The value of `Authorization`, a secret. `count` is that of the requests with this challenge, from 1; `random` is another number
    /// for every challenge.
    #[must_use]
    pub fn answer(&self, login: &Login, method: &str, uri: &str, count: u32, random: u64) -> String {
        let user = login.user.reveal();
        let Scheme::Digest { hash, is_session } = self.scheme else {
            let password = login.password.reveal();
            let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            return format!("Basic {login}");
        };
        let (nonce, client_nonce, count) = (&self.nonce, format!("{random:016x}"), format!("{count:08x}"));
        let response = self.response(hash, is_session, login, &format!("{method}:{uri}"), &count, &client_nonce);
        let [user, realm, nonce] = [user, &self.realm, nonce].map(quoted);
        let mut answer =
            format!("Digest username={user}, realm={realm}, nonce={nonce}, uri=\"{uri}\", response=\"{response}\"");
        if let Some(algorithm) = &self.algorithm {
            // One of the names that are known: it needs no quotes.
            let _ = write!(answer, ", algorithm={algorithm}");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(answer, ", opaque={}", quoted(opaque));
        }
        if self.has_qop {
            let _ = write!(answer, ", qop=auth, nc={count}");
        }
        if self.has_qop || is_session {
            let _ = write!(answer, ", cnonce=\"{client_nonce}\"");
        }
        answer
    }

    /// The hash that shows that login and request (`METHOD:URI`) are known.
    fn response(
        &self,
        hash: Hash,
        is_session: bool,
        login: &Login,
        request: &str,
        count: &str,
        client_nonce: &str,
    ) -> String {
        let nonce = &self.nonce;
        let mut secret = hash.hex(&format!("{}:{}:{}", login.user.reveal(), self.realm, login.password.reveal()));
        if is_session {
            secret = hash.hex(&format!("{secret}:{nonce}:{client_nonce}"));
        }
        let request = hash.hex(request);
        hash.hex(&if self.has_qop {
            format!("{secret}:{nonce}:{count}:{client_nonce}:auth:{request}")
        } else {
            format!("{secret}:{nonce}:{request}")
        })
    }
}

impl Hash {
    fn hex(self, text: &str) -> String {
        let hash = match self {
            Self::Md5 => Md5::digest(text).to_vec(),
            Self::Sha256 => ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref().to_vec(),
        };
        hash.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// The names of all schemes that a server asks for, for people: `Negotiate, Digest`.
#[must_use]
pub fn schemes<'a>(headers: impl Iterator<Item = &'a str>) -> String {
    headers.flat_map(read).map(|(scheme, _)| scheme).collect::<Vec<_>>().join(", ")
}

/// A quoted string. A control character could end the header, and a login has none that works.
fn quoted(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The challenges of one header: their schemes and the names of their parameters in lower case. Parameters may be separated by commas,
/// semicolons or blanks.
fn read(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut challenges: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches(is_separator);
        let end = rest.find(|c| is_separator(c) || c == '=').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if rest.is_empty() {
            return challenges;
        }
        let name = name.to_ascii_lowercase();
        if let Some(value) = after.trim_start().strip_prefix('=') {
            let (value, after) = read_value(value.trim_start());
            rest = after;
            if let Some((_, parameters)) = challenges.last_mut().filter(|(_, known)| known.len() < MAX_PARAMETERS) {
                parameters.push((name, value));
            }
        } else {
            rest = after;
            // Another word alone may be the second of an unquoted realm.
            let begins = !after.trim_start().starts_with([',', ';']);
            if challenges.is_empty() || name == "digest" || name == "basic" || begins {
                challenges.push((name, Vec::new()));
            }
        }
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | ',' | ';')
}

/// A value, in quotes or not, and what follows it.
fn read_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(is_separator).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, password: &str) -> Login {
        Login { user: user.to_owned().into(), password: password.to_owned().into() }
    }

    fn best(headers: &[&str]) -> Option<Challenge> {
        Challenge::best(headers.iter().copied())
    }

    fn parameter(answer: &str, name: &str) -> Option<String> {
        read(answer).pop()?.1.into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    #[test]
    fn digest_answers_are_those_of_the_rfcs() {
        let old = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
            opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let new = |algorithm| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        let client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (header, password, client_nonce, expected) in [
            (old.to_owned(), "Circle Of Life", "0a4f113b", "6629fae49393a05397450978507c4ef1"),
            (new("MD5"), "Circle of Life", client_nonce, "8ca523f5e9506fed4657c9700eebdbec"),
            (
                new("SHA-256"),
                "Circle of Life",
                client_nonce,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let challenge = best(&[&header]).expect("a challenge");
            let Scheme::Digest { hash, is_session } = challenge.scheme else { panic!("{header}") };
            let user = login("Mufasa", password);
            let request = "GET:/dir/index.html";
            let found = challenge.response(hash, is_session, &user, request, "00000001", client_nonce);
            assert_eq!(found, expected, "{header}");
        }
        let answer = best(&[old]).expect("a challenge").answer(&login("u", "p"), "GET", "/", 1, 7);
        assert_eq!(parameter(&answer, "opaque").as_deref(), Some("5ccc069c403ebaf9f0171e9517f40e41"));
        let counts = (parameter(&answer, "nc"), parameter(&answer, "qop"));
        assert_eq!(counts, (Some("00000001".into()), Some("auth".into())));
    }

    #[test]
    fn digest_without_qop_is_that_of_rfc_2069() {
        let challenge = best(&["Digest realm=\"cam\",nonce=\"abc\",stale=FALSE"]).expect("a challenge");
        let answer = challenge.answer(&login("u", "p"), "DESCRIBE", "rtsp://c/", 1, 1);
        let hash = |text: &str| Hash::Md5.hex(text);
        let expected = hash(&format!("{}:abc:{}", hash("u:cam:p"), hash("DESCRIBE:rtsp://c/")));
        assert_eq!(parameter(&answer, "response"), Some(expected));
        assert_eq!((parameter(&answer, "cnonce"), parameter(&answer, "algorithm")), (None, None));
    }

    #[test]
    fn of_several_challenges_the_best_known_one_is_answered() {
        let name = |headers: &[&str]| best(headers).map(|challenge| challenge.scheme.name());
        let digest = "Digest realm=\"a\", nonce=\"b\"";
        let sha = "Digest realm=\"a\", nonce=\"b\", algorithm=SHA-256";
        for (headers, expected) in [
            (&["Basic realm=\"a\"", digest][..], Some("digest MD5")),
            (&[sha, digest], Some("digest SHA-256")),
            (&[digest, sha], Some("digest SHA-256")),
            (&["Basic realm=\"a\", Digest realm=\"a\", nonce=\"b\""], Some("digest MD5")),
            (&["Digest realm=\"a\", nonce=\"b\", algorithm=SHA-512-256", "Basic realm=\"a\""], Some("basic")),
            (&["Digest realm=\"a\", nonce=\"b\", qop=\"auth-int\"", "Basic"], Some("basic")),
            (&["Negotiate", "NTLM", "Bearer scope=\"x\", nonce=\"y\""], None),
            (&["Negotiate, Digest realm=\"a\", nonce=\"b\", algorithm=md5-sess"], Some("digest MD5")),
            (&["Digest realm=\"a\""], None),
            (&[], None),
        ] {
            assert_eq!(name(headers), expected, "{headers:?}");
        }
        assert_eq!(schemes(["Negotiate", "Bearer x=y"].into_iter()), "negotiate, bearer");
    }

    #[test]
    fn odd_challenges_are_read() {
        for header in [
            "Digest realm=\"a b\", nonce=\"n\",",
            "Digest  realm=\"a b\"; nonce=\"n\"",
            "digest realm=\"a b\" nonce=\"n\"",
            "DIGEST REALM = \"a b\" , NONCE = n",
            "Digest realm=\"a b\", nonce=\"n",
            "Digest realm=\"a b\", algorithm=, qop=\"\", nonce=n",
            "Digest realm=\"a \\b\", nonce=\"n\"",
            "Digest nonce=n,domain=\"::\",realm=\"a b\",stale=\"False\"",
        ] {
            let challenge = best(&[header]).unwrap_or_else(|| panic!("{header}"));
            assert_eq!((challenge.realm.as_str(), challenge.nonce.as_str()), ("a b", "n"), "{header}");
        }
        assert_eq!(best(&["Digest realm=a b, nonce=abc=="]).expect("a challenge").nonce, "abc==");
        assert_eq!(
            best(&["Digest realm=\"é\", nonce=\"b\", stale=TRUE"]).map(|c| (c.realm, c.is_stale)),
            Some(("é".into(), true))
        );
    }

    #[test]
    fn odd_characters_of_a_login_are_sent_as_they_are() {
        let user = login("a\"d\\m", "p:@ é");
        let basic = best(&["Basic realm=\"x\""]).expect("a challenge").answer(&user, "PLAY", "rtsp://c", 1, 1);
        let decoded = base64::engine::general_purpose::STANDARD.decode(&basic["Basic ".len()..]).expect("base64");
        assert_eq!(decoded, "a\"d\\m:p:@ é".as_bytes());
        let digest = best(&["Digest realm=\"x\\\"y\", nonce=\"n\""])
            .expect("a challenge")
            .answer(&user, "PLAY", "rtsp://c", 1, 1);
        assert_eq!(parameter(&digest, "username").as_deref(), Some("a\"d\\m"));
        assert_eq!(parameter(&digest, "realm").as_deref(), Some("x\"y"));
        assert!(!digest.contains("p:@"), "{digest}");
    }

    proptest::proptest! {
        #[test]
        fn any_challenge_is_answered_in_one_line(header in "(Digest|Basic|[a-z ]{0,3})( ?[a-z]{0,3}(nonce|realm|qop|=|\"|\\PC){0,9},?){0,4}", user in "\\PC{0,9}") {
            let challenges = [header.as_str(), "Digest nonce=x, realm=\"\r\n\""];
            for challenge in challenges.iter().filter_map(|header| Challenge::best(std::iter::once(*header))) {
                let answer = challenge.answer(&login(&user, "secret\r\n"), "PLAY", "rtsp://c", 1, 1);
                proptest::prop_assert!(!answer.chars().any(char::is_control), "{answer:?}");
            }
        }
    }
}

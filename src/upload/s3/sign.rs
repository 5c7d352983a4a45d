//! AWS Signature Version 4, in the request's headers. Pure.
//!
//! HMAC and SHA-256 are those of ring, which TLS brings along, so that signing adds nothing to the binary; AWS's own
//! `aws-sigv4` would bring its runtime's types.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{digest, hmac};

use crate::upload::credentials::Credentials;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The SHA-256 of an empty body.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The parts of a request that are signed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `PUT`
    pub method: &'a str,
    /// The path, encoded by [`encode_path`].
    pub path: &'a str,
    /// The query, made by [`query`].
    pub query: &'a str,
    /// Names in lower case, and values, in any order; `host` is among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// The SHA-256 of the body, in hexadecimal digits.
    pub body_sha256: &'a str,
}

/// The region and service that a request is signed for.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// `ca-east-006`
    pub region: &'a str,
    /// `s3`
    pub service: &'a str,
}

/// The value of a request's `Authorization` header.
#[must_use]
pub fn authorization(request: &Request<'_>, credentials: &Credentials, scope: Scope<'_>, at: DateTime<Utc>) -> String {
    let mut headers: Vec<(&str, &str)> = request.headers.to_vec();
    headers.sort_unstable();
    let signed: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let signed = signed.join(";");
    let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
    for (name, value) in headers {
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        let _ = writeln!(canonical, "{name}:{}", words.join(" "));
    }
    let _ = write!(canonical, "\n{signed}\n{}", request.body_sha256);

    let date = at.format("%Y%m%d").to_string();
    let location = format!("{date}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!("{ALGORITHM}\n{}\n{location}\n{}", timestamp(at), sha256_hex(canonical.as_bytes()));
    let mut key = format!("AWS4{}", credentials.secret).into_bytes();
    for part in [date.as_str(), scope.region, scope.service, "aws4_request"] {
        key = mac(&key, part).as_ref().to_vec();
    }
    let signature = hex(mac(&key, &to_sign).as_ref());
    format!("{ALGORITHM} Credential={}/{location}, SignedHeaders={signed}, Signature={signature}", credentials.key_id)
}

/// The value of `x-amz-date`.
#[must_use]
pub fn timestamp(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// The SHA-256 of some bytes, in hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A key as a path: all but `A-Z a-z 0-9 - . _ ~ /` is percent-encoded.
#[must_use]
pub fn encode_path(key: &str) -> String {
    const IN_PATH: AsciiSet = UNRESERVED.remove(b'/');
    utf8_percent_encode(key, &IN_PATH).to_string()
}

/// A query in the order in which it is signed.
#[must_use]
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut pairs: Vec<(String, String)> = pairs.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// RFC 3986's unreserved characters, which AWS leaves as they are: `A-Z a-z 0-9 - . _ ~`.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, &UNRESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    /// From AWS's signature test suite and its examples for S3.
    fn credentials(suite: bool) -> Credentials {
        let (key_id, secret) = if suite {
            ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        } else {
            ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        };
        Credentials { key_id: key_id.into(), secret: secret.into(), session_token: None }
    }

    fn signature(authorization: &str) -> &str {
        authorization.rsplit_once("Signature=").map_or("", |(_, signature)| signature)
    }

    #[test]
    fn sigv4_vectors_of_the_aws_test_suite() {
        let date = ("x-amz-date", "20150830T123600Z");
        let host = ("host", "example.amazonaws.com");
        let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let unreserved = query(&[(unreserved, unreserved)]);
        let ordered = query(&[("Param2", "value2"), ("Param1", "value1")]);
        #[expect(clippy::type_complexity, reason = "a table of cases")]
        let cases: [(&str, &str, &str, &[(&str, &str)], &str); 7] = [
            ("GET", "/", "", &[date, host], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", "/", "", &[host, date], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            ("GET", "/", &ordered, &[host, date], "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
            (
                "GET",
                "/",
                &unreserved,
                &[host, date],
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            (
                "GET",
                &encode_path("/ሴ"),
                "",
                &[host, date],
                "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            ),
            (
                "POST",
                "/",
                "",
                &[host, ("my-header1", "VALUE1"), date],
                "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            ),
            (
                "GET",
                "/",
                "",
                &[host, ("my-header1", " value1"), ("my-header2", " \"a   b   c\""), date],
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
        ];
        for (method, path, query, headers, expected) in cases {
            let request = Request { method, path, query, headers, body_sha256: EMPTY_SHA256 };
            let scope = Scope { region: "us-east-1", service: "service" };
            let said = authorization(&request, &credentials(true), scope, at("2015-08-30T12:36:00Z"));
            assert_eq!(signature(&said), expected, "{method} {path} {query}");
        }
    }

    #[test]
    fn sigv4_examples_of_the_s3_documentation() {
        let host = ("host", "examplebucket.s3.amazonaws.com");
        let date = ("x-amz-date", "20130524T000000Z");
        let empty = ("x-amz-content-sha256", EMPTY_SHA256);
        let body = sha256_hex(b"Welcome to Amazon S3.");
        let listing = query(&[("prefix", "J"), ("max-keys", "2")]);
        let lifecycle = query(&[("lifecycle", "")]);
        let put = encode_path("/test$file.text");
        #[expect(clippy::type_complexity, reason = "a table of cases")]
        let cases: [(&str, &str, &str, Vec<(&str, &str)>, &str, &str); 4] = [
            (
                "GET",
                "/test.txt",
                "",
                vec![host, ("range", "bytes=0-9"), empty, date],
                EMPTY_SHA256,
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "PUT",
                &put,
                "",
                vec![
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    host,
                    date,
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                    ("x-amz-content-sha256", &body),
                ],
                &body,
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                "GET",
                "/",
                &lifecycle,
                vec![host, empty, date],
                EMPTY_SHA256,
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "GET",
                "/",
                &listing,
                vec![host, empty, date],
                EMPTY_SHA256,
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ];
        for (method, path, query, headers, body_sha256, expected) in cases {
            let request = Request { method, path, query, headers: &headers, body_sha256 };
            let scope = Scope { region: "us-east-1", service: "s3" };
            let said = authorization(&request, &credentials(false), scope, at("2013-05-24T00:00:00Z"));
            assert_eq!(signature(&said), expected, "{method} {path} {query}");
        }
    }

    #[test]
    fn sigv4_paths_are_percent_encoded() {
        assert_eq!(encode_path("/a b/+%#?&=~é\n"), "/a%20b/%2B%25%23%3F%26%3D~%C3%A9%0A");
        // As botocore's `percent_encode` writes all of ASCII, with `/` and without.
        let ascii: String = (0..128_u8).map(char::from).collect();
        let all: Vec<String> = (0..128_u8)
            .map(|byte| match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        assert_eq!(query(&[(&ascii, "")]), format!("{}=", all.concat()));
        assert_eq!(encode_path(&ascii), all.concat().replace("%2F", "/"));
    }
}

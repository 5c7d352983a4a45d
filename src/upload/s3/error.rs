//! Errors of the server or the network, and what follows from them. Pure.

use std::time::Duration;

use chrono::DateTime;

use super::xml::{self, Failure, Text};
use crate::error::Error;
use crate::failure::FailureReason;

/// Why a request failed.
#[derive(Debug)]
pub enum RequestError {
    /// It will fail for all files: the pass ends.
    Fatal(Error),
    /// No connection could be made.
    Unreachable(String),
    /// A retry may help.
    Passing {
        /// The kind.
        reason: FailureReason,
        /// The message.
        message: String,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The multipart upload does not exist: it was completed or aborted.
    NoSuchUpload,
    /// The server does not implement this request.
    NotImplemented(String),
    /// Its body is larger than the server, or a proxy in front of it, accepts.
    TooLarge(String),
    /// This request is refused, and a retry will be refused too.
    Refused(String),
}

/// An answer of the server with an error status.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
    /// `Retry-After`
    pub retry_after: Option<&'a str>,
    /// The bucket's region: `x-amz-bucket-region`.
    pub region: Option<&'a str>,
    /// The server's clock: `Date`.
    pub date: Option<&'a str>,
}

/// Longer texts of a server are cut.
const MAX_SAID_CHARS: usize = 300;
/// A longer wait is left to another pass.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

impl Reply<'_> {
    /// Classifies the answer; `bucket` and `key` are those of the request.
    #[must_use]
    pub fn request_error(self, bucket: &str, what: &str) -> RequestError {
        let failure = xml::failure(self.body).unwrap_or_default();
        let [code, said] =
            [&failure.code, &failure.message].map(|text| text.get().chars().take(MAX_SAID_CHARS).collect::<String>());
        let mut message = format!("the server answered {} to {what}", self.status);
        if !code.is_empty() {
            message = format!("{message}: {code:?}");
        }
        if !said.is_empty() {
            message = format!("{message}, {said:?}");
        }
        let fatal = |why: String| RequestError::Fatal(Error::Source(format!("{why}; nothing was removed ({message})")));
        let full =
            || fatal(format!("the bucket {bucket:?} is full, or its quota is used up: make room, or raise the quota"));
        match (self.status, code.as_str()) {
            (507, _) => full(),
            // Others are quotas of requests.
            (400 | 403 | 409 | 413, code) if is_about_quota(code) || is_about_quota(&said) => full(),
            (_, "RequestTimeTooSkewed" | "RequestExpired") => {
                let theirs = self.date.map(|date| format!(", the server's says {date:?}")).unwrap_or_default();
                fatal(format!("the clock of this machine is wrong{theirs}: set it, for example with NTP"))
            }
            (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired") => fatal(
                "the access key has expired: get a new one, for example with `aws sso login`, or let credential_process \
                 of the profile fetch it"
                    .into(),
            ),
            (_, "InvalidToken") => fatal(
                "the server does not know the session token: check aws_session_token of the profile and AWS_SESSION_TOKEN".into(),
            ),
            (_, "InvalidAccessKeyId") => {
                fatal("the server does not know this access key: check the profile and the endpoint".into())
            }
            (_, "SignatureDoesNotMatch") => {
                fatal("the secret access key does not match the access key: check the profile".into())
            }
            // The same for every file: the other region was already tried where the server names it.
            (301 | 307 | 308, _) | (_, "AuthorizationHeaderMalformed" | "InvalidRegionName" | "InvalidRegion" | "IllegalLocationConstraintException" | "AuthorizationQueryParametersError") => {
                let named = self.region.map(str::to_owned).or_else(|| named_region(&failure));
                let region = named.map(|region| region.chars().take(MAX_SAID_CHARS).collect::<String>());
                fatal(match region {
                    Some(region) => format!("the bucket {bucket:?} is in the region {region:?}: give it with --region"),
                    None if self.status == 400 && !message.contains("region") => {
                        format!(
                            "the server refuses the signature for the bucket {bucket:?}: check the profile and --region"
                        )
                    }
                    None => format!("the region is wrong for the bucket {bucket:?}: give its own with --region"),
                })
            }
            (413, _) => RequestError::TooLarge(format!(
                "{message}: the server, or a proxy in front of it, accepts no request of this size (nginx: client_max_body_size)"
            )),
            (_, "NoSuchBucket") => fatal(format!("no bucket {bucket:?} here: create it, or check --to and --region")),
            (_, "NoSuchUpload") => RequestError::NoSuchUpload,
            (_, "NotImplemented") | (501, _) => RequestError::NotImplemented(message),
            // A body that was damaged in transfer is sent again.
            (
                400,
                "BadDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody" | "RequestTimeout" | "InternalError",
            )
            | (408, _) => self.passing(FailureReason::Network, message),
            (429 | 500..=599, _)
            | (_, "SlowDown" | "ServiceUnavailable" | "Throttling" | "RequestLimitExceeded" | "InternalError") => {
                self.passing(FailureReason::Server, message)
            }
            (401 | 403, _) => fatal(format!(
                "the access key may not do this in the bucket {bucket:?}: it needs to read, write and list it"
            )),
            _ => RequestError::Refused(message),
        }
    }

    /// The wait that `Retry-After` asks for: a number of seconds, or a time by the server's clock.
    fn wait(self, text: &str) -> Option<Duration> {
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let [until, now] = [Some(text), self.date].map(|date| DateTime::parse_from_rfc2822(date?.trim()).ok());
        // A time that is over asks for no wait.
        Some((until? - now?).to_std().unwrap_or_default())
    }

    fn passing(self, reason: FailureReason, message: String) -> RequestError {
        let retry_after = self.retry_after.and_then(|text| self.wait(text.trim()));
        RequestError::Passing { reason, message, retry_after: retry_after.map(|wait| wait.min(MAX_RETRY_AFTER)) }
    }
}

/// Whether a code or message says that no more may be stored: `QuotaExceeded` (Ceph), `XMinioStorageFull`, "storage cap
/// exceeded" (B2), "Upload exceeds quota." (Swift).
fn is_about_quota(text: &str) -> bool {
    let words: String = text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    [
        "quota",
        "storagefull",
        "storagecap",
        "storagelimit",
        "insufficientstorage",
        "notenoughspace",
        "nospaceleft",
        "diskfull",
    ]
    .iter()
    .any(|word| words.contains(word))
}

/// The region that an error names: in its own element, in the address of the bucket, or in the message, as in "the region
/// 'us-east-1' is wrong; expecting 'eu-west-1'" (AWS).
fn named_region(failure: &Failure) -> Option<String> {
    let endpoint = || {
        let labels = || failure.endpoint.as_ref().map(Text::get).unwrap_or_default().split('.');
        let region = labels().skip_while(|label| *label != "s3").nth(1).filter(|label| *label != "amazonaws");
        region.or_else(|| labels().find_map(|label| label.strip_prefix("s3-")))
    };
    let words = || failure.message.get().split_once("expecting '")?.1.split('\'').next();
    let named = failure.region.as_ref().map(Text::get).or_else(endpoint).or_else(words);
    named.filter(|region| !region.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request_error(status: u16, code: &str) -> RequestError {
        let body = format!("<Error><Code>{code}</Code><Message>because</Message></Error>");
        let reply = Reply { status, body: body.as_bytes(), retry_after: Some("7"), region: None, date: Some("Sat") };
        reply.request_error("videos", "PUT \"a\"")
    }

    #[test]
    fn a_wrong_region_ends_the_pass_and_the_right_one_is_named() {
        let said = "<Message>the region 'us-east-1' is wrong; expecting 'eu-west-3'</Message>";
        for (status, header, error, named) in [
            (400, None, format!("<Code>AuthorizationHeaderMalformed</Code>{said}"), "\"eu-west-3\""),
            (400, None, "<Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region>".into(), "\"eu-west-3\""),
            (400, Some("eu-west-3"), "<Code>AuthorizationHeaderMalformed</Code>".into(), "\"eu-west-3\""),
            (400, None, "<Code>InvalidRegionName</Code><Message>Must be one of: wnam, auto</Message>".into(), "wnam"),
            (301, None, "<Endpoint>videos.s3.eu-west-3.amazonaws.com</Endpoint>".into(), "\"eu-west-3\""),
            (307, None, "<Endpoint>s3-eu-west-3.amazonaws.com</Endpoint>".into(), "\"eu-west-3\""),
            (301, None, "<Endpoint>videos.s3.amazonaws.com</Endpoint>".into(), "region is wrong"),
            (400, None, "<Code>AuthorizationHeaderMalformed</Code><Message>no key</Message>".into(), "profile"),
        ] {
            let body = format!("<Error>{error}</Error>");
            let reply = Reply { status, body: body.as_bytes(), retry_after: None, region: header, date: None };
            let error = reply.request_error("videos", "HEAD");
            let RequestError::Fatal(error) = error else { panic!("{body}: {error:?}") };
            assert!(error.exit_code() == 1 && error.to_string().contains(named), "{body}: {error}");
        }
    }

    #[test]
    fn wrong_keys_and_clock_skew_end_the_pass() {
        for (status, code, said) in [
            (403, "RequestTimeTooSkewed", "NTP"),
            (403, "InvalidAccessKeyId", "profile"),
            (400, "ExpiredToken", "has expired"),
            (403, "SignatureDoesNotMatch", "profile"),
            (403, "AccessDenied", "may not"),
            (401, "", "may not"),
            (404, "NoSuchBucket", "\"videos\""),
            (301, "PermanentRedirect", "--region"),
        ] {
            match request_error(status, code) {
                RequestError::Fatal(error) => {
                    assert_eq!(error.exit_code(), 1);
                    assert!(error.to_string().contains(said), "{code}: {error}");
                }
                other => panic!("{code}: {other:?}"),
            }
        }
    }

    #[test]
    fn retry_after_is_a_number_or_a_time_by_the_servers_clock() {
        for (retry_after, expected) in [
            ("7", Some(7)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2026 07:27:00 GMT", Some(0)),
            ("Wed, 21 Oct 2026 09:28:00 GMT", Some(300)),
            ("soon", None),
        ] {
            let date = Some("Wed, 21 Oct 2026 07:28:00 GMT");
            let reply = Reply { status: 503, body: b"", retry_after: Some(retry_after), region: None, date };
            let RequestError::Passing { retry_after: wait, .. } = reply.request_error("b", "PUT") else { panic!() };
            assert_eq!(wait, expected.map(Duration::from_secs), "{retry_after}");
        }
    }

    #[test]
    fn other_s3_errors_are_classified_by_status() {
        for (status, code) in
            [(503, "SlowDown"), (500, "InternalError"), (200, "InternalError"), (429, ""), (400, "BadDigest")]
        {
            let error = request_error(status, code);
            let RequestError::Passing { retry_after, .. } = error else { panic!("{code}: {error:?}") };
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
        }
        assert!(matches!(request_error(404, "NoSuchUpload"), RequestError::NoSuchUpload));
        assert!(matches!(request_error(501, ""), RequestError::NotImplemented(_)));
        assert!(matches!(request_error(400, "InvalidArgument"), RequestError::Refused(_)));
        let garbage = Reply { status: 502, body: b"<html>", retry_after: None, region: None, date: None };
        assert!(matches!(garbage.request_error("b", "HEAD"), RequestError::Passing { retry_after: None, .. }));
    }
}

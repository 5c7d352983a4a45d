//! The host and path of a bucket's requests. Pure.

use std::net::IpAddr;

use super::sign::encode_path;
use crate::upload::key::ObjectKey;
use crate::upload::profile::{Access, Addressing};

/// The scheme, host and region of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) scheme: String,
    pub(super) host: String,
    pub(super) region: String,
    pub(super) bucket: String,
    /// What precedes a key: the path of the endpoint, and `/bucket` in path style.
    base: String,
    /// AWS itself, where each region has a host.
    is_aws: bool,
    is_virtual: bool,
}

impl Location {
    /// The location of a bucket by the configuration.
    pub(super) fn of(access: &Access, bucket: &str) -> Self {
        let url = access.endpoint_url.clone().unwrap_or_else(|| format!("https://{}", aws_host(&access.region)));
        let (scheme, address) = url.split_once("://").unwrap_or(("https", &url));
        let (host, folder) = address.find('/').map_or((address, ""), |at| address.split_at(at));
        let is_virtual = match access.addressing {
            Addressing::Path => false,
            // As the AWS CLI: where no host can have that name, path style.
            Addressing::Virtual => !is_ip(host) && can_be_host(bucket),
            // A dot in the name would not fit the certificate.
            Addressing::Auto => host_is_aws(host) && can_be_host(bucket) && !bucket.contains('.'),
        };
        let bucket_in_path = if is_virtual { String::new() } else { format!("/{}", encode_path(bucket)) };
        Self {
            scheme: scheme.to_owned(),
            host: if is_virtual { format!("{bucket}.{host}") } else { host.to_owned() },
            region: access.region.clone(),
            base: format!("{folder}{bucket_in_path}"),
            bucket: bucket.to_owned(),
            is_aws: access.endpoint_url.is_none(),
            is_virtual,
        }
    }

    /// The same bucket at the location that the server names; none where it is the current one.
    pub(super) fn moved_to(&self, region: &str) -> Option<Self> {
        let is_region = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if region == self.region || !is_region {
            return None;
        }
        let host = match (self.is_aws, self.is_virtual) {
            (true, true) => format!("{}.{}", self.bucket, aws_host(region)),
            (true, false) => aws_host(region),
            (false, _) => self.host.clone(),
        };
        Some(Self { host, region: region.to_owned(), ..self.clone() })
    }

    /// The path of an object, or of the bucket.
    pub(super) fn path(&self, key: Option<&ObjectKey>) -> String {
        match key {
            Some(key) => format!("{}/{}", self.base, encode_path(key.as_str())),
            None if self.base.is_empty() => "/".to_owned(),
            None => self.base.clone(),
        }
    }
}

fn aws_host(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("s3.{region}.{domain}")
}

/// Whether a host, which may have a port, is an IP address: no name can precede it.
fn is_ip(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    host.starts_with('[') || name.parse::<IpAddr>().is_ok()
}

/// Whether a bucket can be the first label of a host.
fn can_be_host(bucket: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    bucket.split('.').all(is_label)
}

fn host_is_aws(host: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default();
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::credentials::{Credentials, KeySource};
    use crate::upload::s3::sign::{EMPTY_SHA256, Request, Scope, authorization};

    fn location(endpoint_url: Option<&str>, addressing: Addressing, bucket: &str) -> Location {
        let credentials = Credentials { key_id: String::new(), secret: String::new(), session_token: None };
        let access = Access {
            keys: KeySource::Fixed { credentials, expires_at: None, is_from_file: false },
            region: "eu-west-1".into(),
            endpoint_url: endpoint_url.map(str::to_owned),
            addressing,
            ca_bundle: None,
        };
        Location::of(&access, bucket)
    }

    #[test]
    fn bucket_addressing_is_virtual_host_or_path() {
        let key = ObjectKey::new("a b/c".into()).expect("a key");
        for (endpoint, addressing, bucket, host, path) in [
            (None, Addressing::Auto, "videos", "videos.s3.eu-west-1.amazonaws.com", "/a%20b/c"),
            (None, Addressing::Auto, "my.videos", "s3.eu-west-1.amazonaws.com", "/my.videos/a%20b/c"),
            (None, Addressing::Path, "videos", "s3.eu-west-1.amazonaws.com", "/videos/a%20b/c"),
            (Some("http://127.0.0.1:9000"), Addressing::Auto, "videos", "127.0.0.1:9000", "/videos/a%20b/c"),
            (Some("http://s3.localhost:9000"), Addressing::Virtual, "videos", "videos.s3.localhost:9000", "/a%20b/c"),
            (Some("http://127.0.0.1:9000"), Addressing::Virtual, "videos", "127.0.0.1:9000", "/videos/a%20b/c"),
            (Some("http://[::1]:9000"), Addressing::Virtual, "videos", "[::1]:9000", "/videos/a%20b/c"),
            (Some("https://s3.example"), Addressing::Virtual, "My_Videos", "s3.example", "/My_Videos/a%20b/c"),
            (None, Addressing::Auto, "My_Videos", "s3.eu-west-1.amazonaws.com", "/My_Videos/a%20b/c"),
            (Some("https://x.co/storage/v1/s3"), Addressing::Auto, "videos", "x.co", "/storage/v1/s3/videos/a%20b/c"),
            (
                Some("https://x.co/storage/v1/s3"),
                Addressing::Virtual,
                "videos",
                "videos.x.co",
                "/storage/v1/s3/a%20b/c",
            ),
            (Some("https://x.co/a%20b"), Addressing::Path, "videos", "x.co", "/a%20b/videos/a%20b/c"),
        ] {
            let location = location(endpoint, addressing, bucket);
            assert_eq!((location.host.as_str(), location.path(Some(&key)).as_str()), (host, path));
        }
    }

    /// Signatures of botocore 1.43.11 for HEAD of the object, at that time and with those keys.
    #[test]
    fn an_endpoint_url_with_a_path_is_signed_as_botocore_does() {
        let key = ObjectKey::new("a b/c".into()).expect("a key");
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into();
        let credentials = Credentials { key_id: "AKIDEXAMPLE".into(), secret, session_token: None };
        for (addressing, expected) in [
            (Addressing::Path, "2ef9a0388b41d8983199c27307479c747c74f9727763a8d92d444374a499c8dd"),
            (Addressing::Virtual, "7b7a846aff5df4f87feb384bb9d5e7592e4d51b1b2885bf300268e9cd5d48a7d"),
        ] {
            let location = location(Some("https://x.co/storage/v1/s3"), addressing, "videos");
            let path = location.path(Some(&key));
            let headers = [
                ("host", location.host.as_str()),
                ("x-amz-content-sha256", EMPTY_SHA256),
                ("x-amz-date", "20261130T120000Z"),
            ];
            let request =
                Request { method: "HEAD", path: &path, query: "", headers: &headers, body_sha256: EMPTY_SHA256 };
            let at = "2026-11-30T12:00:00Z".parse().expect("a time");
            let scope = Scope { region: &location.region, service: "s3" };
            let authorization = authorization(&request, &credentials, scope, at);
            assert!(authorization.ends_with(expected), "{authorization}");
        }
    }

    #[test]
    fn a_bucket_region_redirect_changes_the_endpoint() {
        let aws = location(None, Addressing::Auto, "videos");
        let moved = aws.moved_to("us-west-2").expect("another");
        assert_eq!((moved.host.as_str(), moved.region.as_str()), ("videos.s3.us-west-2.amazonaws.com", "us-west-2"));
        let own = location(Some("http://127.0.0.1:9000"), Addressing::Auto, "videos").moved_to("x-1").expect("another");
        assert_eq!((own.host.as_str(), own.region.as_str()), ("127.0.0.1:9000", "x-1"));
        for region in ["eu-west-1", "", "evil.example/", "a b"] {
            assert_eq!(aws.moved_to(region), None, "{region}");
        }
    }
}

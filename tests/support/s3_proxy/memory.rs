//! A store that keeps lengths and ETags only, for tests of so many objects that a real server takes too long. It believes
//! every signature.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Bound::{Excluded, Unbounded};

use base64::Engine;
use md5::{Digest, Md5};

use super::Request;
use super::fault::Answer;

/// S3 lists no more at once.
const PAGE: usize = 1000;

/// The objects of all buckets by their paths, `/bucket/key`: length and ETag.
#[derive(Default)]
pub(super) struct Memory(BTreeMap<String, (usize, String)>);

impl Memory {
    pub(super) fn with(objects: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self(objects.into_iter().map(|(path, bytes)| (path, (bytes.len(), hex(&Md5::digest(&bytes))))).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What S3 would answer.
    pub(super) fn answer(&mut self, request: &Request, body: &[u8]) -> Answer {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let plain = |body: String| Answer { headers: Vec::new(), status: 200, body, ..Answer::error(200, "") };
        let found = self.0.get(path).cloned();
        match (request.method.as_str(), query) {
            ("PUT", "") => {
                let md5 = Md5::digest(body);
                let is_right = request.header("content-md5").is_none_or(|sent| base64(&md5) == sent);
                if !is_right {
                    return Answer::error(400, "BadDigest");
                }
                let etag = hex(&md5);
                self.0.insert(path.to_owned(), (body.len(), etag.clone()));
                plain(String::new()).with("ETag", format!("\"{etag}\""))
            }
            ("HEAD", _) => match found {
                Some((len, etag)) => plain("x".repeat(len)).with("ETag", format!("\"{etag}\"")),
                None => Answer { body: String::new(), ..Answer::error(404, "NoSuchKey") },
            },
            ("GET", query) if query.contains("list-type=2") => plain(self.list(path, query)),
            _ => Answer::error(501, "NotImplemented"),
        }
    }

    fn list(&self, bucket: &str, query: &str) -> String {
        let value = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            pair.unwrap_or_default().replace("%2F", "/")
        };
        let bucket = format!("{}/", bucket.trim_end_matches('/'));
        let (first, after) = (format!("{bucket}{}", value("prefix")), value("continuation-token"));
        let from = if after.is_empty() { first.clone() } else { format!("{bucket}{after}") };
        let mut objects = self.0.range((Excluded(from), Unbounded)).take_while(|(path, _)| path.starts_with(&first));
        let mut text = String::from("<ListBucketResult>");
        let mut last = "";
        for (path, (len, etag)) in objects.by_ref().take(PAGE) {
            last = &path[bucket.len()..];
            let _ =
                write!(text, "<Contents><Key>{last}</Key><ETag>&quot;{etag}&quot;</ETag><Size>{len}</Size></Contents>");
        }
        if objects.next().is_some() {
            let _ =
                write!(text, "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>");
        }
        text + "</ListBucketResult>"
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

//! The XML answers of S3: small documents without relevant namespaces. Pure.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::marker::PhantomData;
use std::num::{NonZeroU32, NonZeroUsize};

use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;
use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A listing has at most a thousand items.
const MAX_ITEMS: usize = 20_000;
/// A thousand common prefixes take four events each.
const MAX_BETWEEN_ITEMS: usize = 8 * MAX_ITEMS;

/// A page of the objects of a bucket.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "its fields are S3's")]
pub struct ListBucketResult {
    pub encoding_type: Text,
    pub is_truncated: Text,
    pub next_continuation_token: Option<Text>,
    #[serde(deserialize_with = "items")]
    pub contents: Vec<Contents>,
}

/// An object of a listing.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "its fields are S3's")]
pub struct Contents {
    pub key: Option<Text>,
    pub size: Text,
    #[serde(rename = "ETag")]
    pub etag: Text,
}

/// A page of the parts of an upload.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "its fields are S3's")]
pub struct ListPartsResult {
    pub is_truncated: Text,
    pub next_part_number_marker: Option<Text>,
    #[serde(deserialize_with = "items", rename = "Part")]
    pub parts: Vec<Part>,
}

/// A part of a listing.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "its fields are S3's")]
pub struct Part {
    pub part_number: Text,
    pub size: Text,
    #[serde(rename = "ETag")]
    pub etag: Text,
}

/// The multipart uploads in progress.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "its fields are S3's")]
pub struct ListMultipartUploadsResult {
    pub encoding_type: Text,
    #[serde(deserialize_with = "items", rename = "Upload")]
    pub uploads: Vec<Upload>,
}

/// An upload of a listing, or a new one.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "its fields are S3's")]
pub struct Upload {
    pub key: Option<Text>,
    pub upload_id: Option<Text>,
    pub initiated: Option<Text>,
}

/// A completed upload.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "its fields are S3's")]
pub struct CompleteMultipartUploadResult {
    #[serde(rename = "ETag")]
    pub etag: Text,
}

/// Why a request failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[expect(missing_docs, reason = "its fields are S3's")]
pub struct Failure {
    pub code: Text,
    pub message: Text,
    /// The region of the bucket, where the server names it.
    pub region: Option<Text>,
    /// The host of the bucket, where the server redirects.
    pub endpoint: Option<Text>,
}

/// The text of an element.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Text {
    #[serde(rename = "$text")]
    text: String,
}

impl Text {
    /// Without surrounding whitespace.
    #[must_use]
    pub fn get(&self) -> &str {
        self.text.trim()
    }

    /// Unchanged, where whitespace counts: a key.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.text
    }
}

/// The document is not one of S3's.
#[derive(Debug, thiserror::Error)]
#[error("not XML of S3")]
pub struct XmlError;

/// Parses a document; the name of its root does not matter.
///
/// # Errors
/// It is not well-formed, is truncated, or has more items than any of S3.
pub fn read<T: DeserializeOwned>(document: &[u8]) -> Result<T, XmlError> {
    let mut deserializer = quick_xml::de::Deserializer::from_reader(document);
    // Bytes between the items of a list are kept until the list ends.
    deserializer.event_buffer_size(NonZeroUsize::new(MAX_BETWEEN_ITEMS));
    T::deserialize(&mut deserializer).map_err(|_| XmlError)
}

/// The error that the document holds, if any.
#[must_use]
pub fn failure(document: &[u8]) -> Option<Failure> {
    let mut reader = Reader::from_reader(document);
    let is_failure = loop {
        match reader.read_event().ok()? {
            Event::Start(root) | Event::Empty(root) => break root.local_name().as_ref() == b"Error",
            Event::Eof => return None,
            _ => {}
        }
    };
    if is_failure { read(document).ok() } else { None }
}

/// The items of a list, bounded.
fn items<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Items<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() == MAX_ITEMS {
                    return Err(A::Error::custom("too many items"));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Items(PhantomData))
}

/// The body of `CompleteMultipartUpload`: each part's number and ETag.
#[must_use]
pub fn completion(parts: &[(NonZeroU32, String)]) -> String {
    let mut document = String::from("<CompleteMultipartUpload>");
    for (number, etag) in parts {
        // Escapes the ETag, whatever the server sent.
        let etag = escape(etag);
        let _ = write!(document, "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>");
    }
    document.push_str("</CompleteMultipartUpload>");
    document
}

/// A key from a listing with `encoding-type=url`; none if it cannot be decoded.
#[must_use]
pub fn url_decoded(text: &str) -> Option<String> {
    let is_escape = |rest: &str| rest.get(..2).is_some_and(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let is_encoded = text.split('%').skip(1).all(is_escape);
    // Form encoding, as S3 uses it.
    let decode = || percent_decode_str(&text.replace('+', " ")).decode_utf8().ok().map(Cow::into_owned);
    if is_encoded { decode() } else { None }
}

/// Whether this can be a key as `encoding-type=url` writes it. Some servers announce encoded keys and send them raw:
/// mostly visible by characters that would have been encoded.
#[must_use]
pub fn is_url_encoded(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic()) && url_decoded(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n \
        <Name>b</Name><IsTruncated> false </IsTruncated><Contents><Key>a&amp;b&#32;&#x2f;c</Key><Size>12</Size><ETag>&quot;d4\"</ETag>\
        <Owner><ID>i</ID></Owner></Contents><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>\
        <Contents><Key><![CDATA[<x>]]> &lt;y </Key><Size/></Contents><None/></ListBucketResult>";

    #[test]
    fn xml_answers_are_read() {
        for listing in [
            LISTING.to_owned(),
            LISTING
                .replace('<', "<s3:")
                .replace("<s3:/", "</s3:")
                .replace("<s3:?", "<?")
                .replace("<s3:!", "<!")
                .replace("[<s3:x", "[<x")
                .replace("xmlns=", "xmlns:s3="),
        ] {
            let root: ListBucketResult = read(listing.as_bytes()).expect("well-formed");
            assert_eq!(
                (root.is_truncated.get(), root.encoding_type.get(), root.next_continuation_token),
                ("false", "", None)
            );
            let keys: Vec<_> = root.contents.iter().map(|object| object.key.as_ref().map(Text::raw)).collect();
            assert_eq!(keys, [Some("a&b /c"), Some("<x> <y ")]);
            let texts: Vec<_> = root.contents.iter().map(|object| (object.size.get(), object.etag.get())).collect();
            assert_eq!(texts, [("12", "\"d4\""), ("", "")]);
        }
    }

    /// A truncated listing may have lost objects: it is refused.
    #[test]
    fn a_truncated_xml_listing_is_refused() {
        for end in 0..LISTING.len() {
            assert!(read::<ListBucketResult>(&LISTING.as_bytes()[..end]).is_err(), "{}", &LISTING[..end]);
        }
    }

    /// S3 sends whitespace while it assembles the parts, so that the connection does not break.
    #[test]
    fn whitespace_before_an_xml_answer_is_skipped() {
        const ROOT: &str = "<CompleteMultipartUploadResult><ETag>\"d4-2\"</ETag></CompleteMultipartUploadResult>";
        const FAILED: &str = "<Error><Code>InternalError</Code></Error>";
        let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        for before in
            [format!(" \n  {declaration}\n"), format!("{declaration}\n\n   \n"), format!("\u{feff}{declaration}")]
        {
            let text = format!("{before}{ROOT}\n");
            let root: CompleteMultipartUploadResult = read(text.as_bytes()).expect("well-formed");
            assert_eq!(root.etag.get(), "\"d4-2\"");
            assert!(failure(text.as_bytes()).is_none());
            let failed = failure(format!("{before}{FAILED}").as_bytes()).expect("a failure");
            assert_eq!((failed.code.get(), failed.region), ("InternalError", None));
        }
    }

    #[test]
    fn invalid_xml_is_refused() {
        let deep = "<a>".repeat(100_000);
        for text in
            ["", "Service Unavailable", "<a>", "<a></b>", "<a><Code>&nope;</Code></a>", "</a>", &deep, "{\"a\":1}"]
        {
            assert!(read::<Failure>(text.as_bytes()).is_err(), "{text}");
            assert!(failure(text.as_bytes()).is_none(), "{text}");
        }
        let deep = format!("{deep}{}", "</a>".repeat(100_000));
        assert!(read::<ListBucketResult>(deep.as_bytes()).is_ok_and(|root| root.contents.is_empty()));
    }

    #[test]
    fn an_absurd_number_of_xml_items_is_bounded() {
        let object = "<Contents><Key>k</Key><LastModified>t</LastModified><ETag>e</ETag><Size>1</Size><Owner><ID>i</ID>\
                      <DisplayName>n</DisplayName></Owner><StorageClass>s</StorageClass></Contents>";
        let listing = |n| format!("<ListBucketResult>{}</ListBucketResult>", object.repeat(n));
        // S3 itself lists a thousand.
        let read = |n| read::<ListBucketResult>(listing(n).as_bytes()).map(|root| root.contents.len()).ok();
        assert_eq!([read(1000), read(MAX_ITEMS), read(MAX_ITEMS + 1)], [Some(1000), Some(MAX_ITEMS), None]);
    }

    #[test]
    fn bytes_between_xml_items_are_bounded() {
        let item = "<Contents><Key>k</Key></Contents>";
        let listing = |n| format!("<ListBucketResult>{item}{}{item}</ListBucketResult>", "<b/>".repeat(n));
        let read = |n| read::<ListBucketResult>(listing(n).as_bytes()).map(|root| root.contents.len()).ok();
        assert_eq!([read(0), read(1000), read(MAX_BETWEEN_ITEMS)], [Some(2), Some(2), None]);
    }

    #[test]
    fn an_etag_in_xml_is_unescaped() {
        let etag = "a</ETag></Part><Part><PartNumber>9</PartNumber><ETag>&\"b";
        let document = completion(&[(NonZeroU32::MIN, "d4".into()), (NonZeroU32::MAX, etag.into())]);
        let root: ListPartsResult = read(document.as_bytes()).expect("well-formed");
        let etags: Vec<_> = root.parts.iter().map(|part| part.etag.get()).collect();
        assert_eq!(etags, ["\"d4\"", &format!("\"{etag}\"")]);
    }

    #[test]
    fn url_encoded_keys_are_decoded() {
        assert_eq!(url_decoded("a%2Fb+c%25%2B%C3%A9%0A").as_deref(), Some("a/b c%+é\n"));
        assert_eq!(url_decoded("%FF"), None);
        assert_eq!(url_decoded("%g0"), None);
        assert_eq!(url_decoded("%é"), None);
        assert_eq!(url_decoded("100%"), None);
    }

    #[test]
    fn keys_without_url_encoding_are_detected() {
        for (key, expected) in [("a+b%2B/%C3%A9.ts", true), ("a b.ts", false), ("100%.ts", false), ("é", false)] {
            assert_eq!(is_url_encoded(key), expected, "{key}");
        }
    }
}

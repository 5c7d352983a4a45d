//! The XML that S3 answers with: small documents without namespaces that matter. Pure.

use std::fmt::Write;
use std::num::NonZeroU32;

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::Event;

use crate::http::percent_decoded;

/// Deeper nothing of S3 is.
const MAX_DEPTH: usize = 16;
/// A listing of a thousand objects has a tenth of it. Each takes some thirty times the memory of its text.
const MAX_ELEMENTS: usize = 200_000;

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name, without a namespace's prefix.
    pub name: String,
    text: String,
    children: Vec<Element>,
}

/// The document is none of S3's.
#[derive(Debug, thiserror::Error)]
#[error("not the XML of S3")]
pub struct XmlError;

impl Element {
    /// Reads a document: its root.
    ///
    /// # Errors
    /// It is not well-formed, or deeper or of more elements than any of S3.
    pub fn parse(document: &[u8]) -> Result<Self, XmlError> {
        let mut reader = Reader::from_reader(document);
        let mut open: Vec<Element> = Vec::new();
        let mut elements = 0;
        let named = |name: &[u8]| Self { name: String::from_utf8_lossy(name).into_owned(), ..Self::default() };
        loop {
            let closed = match reader.read_event().map_err(|_| XmlError)? {
                Event::Start(start) if open.len() < MAX_DEPTH => {
                    open.push(named(start.local_name().as_ref()));
                    None
                }
                Event::Empty(start) => Some(named(start.local_name().as_ref())),
                Event::End(_) => Some(open.pop().ok_or(XmlError)?),
                Event::Start(_) | Event::Eof => return Err(XmlError),
                Event::Text(text) => {
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(&text.decode().map_err(|_| XmlError)?);
                    }
                    None
                }
                Event::CData(text) => {
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(&text.decode().map_err(|_| XmlError)?);
                    }
                    None
                }
                Event::GeneralRef(reference) => {
                    let resolved = reference.resolve_char_ref().map_err(|_| XmlError)?.map(String::from);
                    let name = reference.decode().map_err(|_| XmlError)?;
                    let text =
                        resolved.or_else(|| resolve_predefined_entity(&name).map(str::to_owned)).ok_or(XmlError)?;
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(&text);
                    }
                    None
                }
                _ => None,
            };
            if let Some(closed) = closed {
                elements += 1;
                if elements > MAX_ELEMENTS {
                    return Err(XmlError);
                }
                match open.last_mut() {
                    Some(parent) => parent.children.push(closed),
                    None => return Ok(closed),
                }
            }
        }
    }

    /// The text of a child, without the blanks around it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.children.iter().find(|child| child.name == name).map(|child| child.text.trim())
    }

    /// The children of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text as it stands, where blanks count: a key.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.children.iter().find(|child| child.name == name).map(|child| child.text.as_str())
    }
}

/// The document that makes an object of its parts, of which each has a number and an ETag.
#[must_use]
pub fn completion(parts: &[(NonZeroU32, String)]) -> String {
    let mut document = String::from("<CompleteMultipartUpload>");
    for (number, etag) in parts {
        // Whatever the server has said, it is text.
        let etag = escape(etag);
        let _ = write!(document, "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>");
    }
    document.push_str("</CompleteMultipartUpload>");
    document
}

/// A key out of a listing with `encoding-type=url`; none where it cannot be one.
#[must_use]
pub fn url_decoded(text: &str) -> Option<String> {
    let is_escape = |rest: &str| rest.get(..2).is_some_and(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let is_encoded = text.split('%').skip(1).all(is_escape);
    // As forms are encoded, which S3 does.
    let decode = || String::from_utf8(percent_decoded(&text.replace('+', " "))).ok();
    if is_encoded { decode() } else { None }
}

/// Whether this can be a key as `encoding-type=url` writes it. There are servers that say they encode keys, and do not:
/// mostly that shows in letters that would have been encoded.
#[must_use]
pub fn is_url_encoded(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic()) && url_decoded(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let root = Element::parse(
            b"<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n <IsTruncated>false</IsTruncated>\
              <Contents><Key>a&amp;b&#32;&#x2f;c</Key><ETag>&quot;d4\"</ETag></Contents><Contents><Key><![CDATA[<x>]]></Key></Contents><None/></ListBucketResult>",
        )
        .expect("well-formed");
        assert_eq!(root.name, "ListBucketResult");
        assert_eq!(root.get("IsTruncated"), Some("false"));
        assert_eq!(root.get("None"), Some(""));
        assert_eq!(root.get("Nothing"), None);
        let keys: Vec<_> = root.all("Contents").filter_map(|object| object.raw("Key")).collect();
        assert_eq!(keys, ["a&b /c", "<x>"]);
        assert_eq!(root.all("Contents").next().and_then(|object| object.get("ETag")), Some("\"d4\""));
    }

    /// S3 sends blanks as long as it puts parts together, so that the connection does not break.
    #[test]
    fn blanks_come_before_an_answer_that_takes_long() {
        const ROOT: &str = "<CompleteMultipartUploadResult><ETag>\"d4-2\"</ETag></CompleteMultipartUploadResult>";
        let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        for text in [
            format!(" \n  {declaration}\n{ROOT}"),
            format!("{declaration}\n\n   \n{ROOT}\n"),
            format!("\u{feff}{declaration}{ROOT}"),
        ] {
            let root = Element::parse(text.as_bytes()).expect("well-formed");
            assert_eq!((root.name.as_str(), root.get("ETag")), ("CompleteMultipartUploadResult", Some("\"d4-2\"")));
        }
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        let deep = "<a>".repeat(100);
        for text in ["", "Service Unavailable", "<a>", "<a></b>", "<a>&nope;</a>", "</a>", &deep, "{\"a\":1}"] {
            assert!(Element::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn of_an_absurd_number_of_elements_none_is_kept() {
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        assert!(Element::parse(many.as_bytes()).is_err());
        // S3 itself lists a thousand.
        let object = "<Contents><Key>k</Key><LastModified>t</LastModified><ETag>e</ETag><Size>1</Size><Owner><ID>i</ID>\
                      <DisplayName>n</DisplayName></Owner><StorageClass>s</StorageClass></Contents>";
        let listing = format!("<ListBucketResult>{}</ListBucketResult>", object.repeat(1000));
        assert_eq!(Element::parse(listing.as_bytes()).map(|root| root.all("Contents").count()).ok(), Some(1000));
    }

    #[test]
    fn an_etag_is_text_in_a_document() {
        let etag = "a</ETag></Part><Part><PartNumber>9</PartNumber><ETag>&\"b";
        let document = completion(&[(NonZeroU32::MIN, "d4".into()), (NonZeroU32::MAX, etag.into())]);
        let root = Element::parse(document.as_bytes()).expect("well-formed");
        let etags: Vec<_> = root.all("Part").filter_map(|part| part.get("ETag")).collect();
        assert_eq!(etags, ["\"d4\"", &format!("\"{etag}\"")]);
    }

    #[test]
    fn keys_are_decoded() {
        assert_eq!(url_decoded("a%2Fb+c%25%2B%C3%A9%0A").as_deref(), Some("a/b c%+é\n"));
        assert_eq!(url_decoded("%FF"), None);
        assert_eq!(url_decoded("%g0"), None);
        assert_eq!(url_decoded("%é"), None);
        assert_eq!(url_decoded("100%"), None);
    }

    #[test]
    fn keys_that_were_not_encoded_are_seen() {
        for (key, expected) in [("a+b%2B/%C3%A9.ts", true), ("a b.ts", false), ("100%.ts", false), ("é", false)] {
            assert_eq!(is_url_encoded(key), expected, "{key}");
        }
    }
}

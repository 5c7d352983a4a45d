//! The XML that S3 answers with: small documents without namespaces that matter. Pure.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// Deeper nothing of S3 is.
const MAX_DEPTH: usize = 16;

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
    /// It is not well-formed, or deeper than any of S3.
    pub fn parse(document: &[u8]) -> Result<Self, XmlError> {
        let mut reader = Reader::from_reader(document);
        let mut open: Vec<Element> = Vec::new();
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

/// A key out of a listing with `encoding-type=url`.
#[must_use]
pub fn url_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                (digit(*high)? << 4 | digit(*low)?, after)
            }
            // As forms are encoded, which S3 does.
            (b'+', after) => (b' ', after),
            (byte, after) => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
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

    #[test]
    fn what_is_no_xml_is_refused() {
        let deep = "<a>".repeat(100);
        for text in ["", "Service Unavailable", "<a>", "<a></b>", "<a>&nope;</a>", "</a>", &deep, "{\"a\":1}"] {
            assert!(Element::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_decoded() {
        assert_eq!(url_decoded("a%2Fb+c%25%2B%C3%A9%0A").as_deref(), Some("a/b c%+é\n"));
        assert_eq!(url_decoded("%FF"), None);
        assert_eq!(url_decoded("%g0"), None);
        assert_eq!(url_decoded("%é"), None);
        assert_eq!(url_decoded("100%").as_deref(), Some("100%"));
    }

    #[test]
    fn keys_that_were_not_encoded_are_seen() {
        for (key, expected) in [("a+b%2B/%C3%A9.ts", true), ("a b.ts", false), ("100%.ts", false), ("é", false)] {
            assert_eq!(is_url_encoded(key), expected, "{key}");
        }
    }
}

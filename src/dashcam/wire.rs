//! The fields of an HTTP answer that a camera fills in, read strictly or liberally as each deserves. Pure.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ureq::http::HeaderMap;
use ureq::http::header::{CONTENT_LENGTH, HeaderName};

/// `bytes 100-199/1000`, `bytes */1000`, `bytes 100-199/*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// The first byte of the part; none in an answer without a part.
    pub(super) start: Option<u64>,
    /// Its last byte.
    pub(super) end: Option<u64>,
    /// The length of the whole file.
    pub(super) total: Option<u64>,
}

impl ContentRange {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
        let total = match total.trim() {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        match range.trim() {
            "*" => Some(Self { start: None, end: None, total }),
            range => {
                let (start, end) = range.split_once('-')?;
                let (start, end): (u64, u64) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
                (start <= end && end < u64::MAX).then_some(Self { start: Some(start), end: Some(end), total })
            }
        }
    }
}

/// Base64 as cameras write it: wrapped in lines, with or without padding, perhaps as a `data:` URL.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const LIBERAL: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let payload = match text.strip_prefix("data:") {
        Some(url) => url.split_once(',')?.1,
        None => text,
    };
    let packed: String = payload.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    GeneralPurpose::new(&alphabet::STANDARD, LIBERAL).decode(packed).ok()
}

/// The value of a header, where it is text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The announced length of a body.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, &CONTENT_LENGTH)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_is_parsed_strictly() {
        let range = |start, end, total| Some(ContentRange { start, end, total });
        for (text, expected) in [
            ("bytes 100-199/1000", range(Some(100), Some(199), Some(1000))),
            ("bytes 100-199/*", range(Some(100), Some(199), None)),
            ("bytes */1000", range(None, None, Some(1000))),
            ("bytes 199-100/1000", None),
            ("bytes 100-/1000", None),
            ("items 1-2/3", None),
            ("bytes 1-18446744073709551615/*", None),
            ("", None),
        ] {
            assert_eq!(ContentRange::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn base64_is_decoded_leniently() {
        for text in ["aGVsbG8=", "aGVsbG8", "aGVs\r\nbG8=\n", "data:image/jpeg;base64,aGVsbG8="] {
            assert_eq!(decode_base64(text).as_deref(), Some(&b"hello"[..]), "{text}");
        }
        assert_eq!(decode_base64("a*b"), None);
        assert_eq!(decode_base64("data:nothing"), None);
    }
}

//! The parameters of a format: `a=fmtp`, without the payload type.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Cameras pad as they like.
const LIBERAL: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The value of a parameter, whose name is in lower case. Names are read in any case; blanks, empty parameters and a last `;` mean nothing.
pub(super) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// The value of a parameter that is a number.
pub(super) fn number<T: std::str::FromStr>(fmtp: &str, name: &str) -> Option<T> {
    parameter(fmtp, name)?.parse().ok()
}

/// The bytes of a parameter in hexadecimal; `None` if it is not, or is empty.
pub(super) fn hex(fmtp: &str, name: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = parameter(fmtp, name)?
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    // An odd last digit is the high half of a byte.
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| (pair[0] << 4) | pair.get(1).unwrap_or(&0)).collect();
    (!bytes.is_empty()).then_some(bytes)
}

/// The byte strings of a parameter in base64, comma-separated. Those that are not base64 are left out.
pub(super) fn base64_list<'a>(fmtp: &'a str, name: &str) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    parameter(fmtp, name).unwrap_or_default().split(',').filter_map(|text| {
        let text: String = text
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| match c {
                '-' => '+',
                '_' => '/',
                c => c,
            })
            .collect();
        LIBERAL.decode(text.trim_end_matches('=')).ok().filter(|bytes| !bytes.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fmtp_in_the_spellings_of_cameras() {
        let fmtp = " packetization-mode=1 ;Profile-Level-ID = 42e01f; ;sprop-parameter-sets=Z0I=,aM4, !,_w==;";
        assert_eq!(parameter(fmtp, "profile-level-id"), Some("42e01f"));
        assert_eq!(number::<u8>(fmtp, "packetization-mode"), Some(1));
        let sets: Vec<_> = base64_list(fmtp, "sprop-parameter-sets").collect();
        assert_eq!(sets, [vec![0x67, 0x42], vec![0x68, 0xCE], vec![0xFF]]);
        assert_eq!(parameter(fmtp, "mode"), None);
    }

    #[test]
    fn fmtp_hexadecimal() {
        assert_eq!(hex("config=1190", "config"), Some(vec![0x11, 0x90]));
        assert_eq!(hex("config=119", "config"), Some(vec![0x11, 0x90]));
        assert_eq!(hex("config=\"11 90\"", "config"), None);
        assert_eq!(hex("config=", "config"), None);
    }
}

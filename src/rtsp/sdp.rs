//! Descriptions of streams (SDP, RFC 4566), as far as a client needs them. Pure.
//!
//! Only `m=` and some `a=` lines count. What is wrong in any other line, in their order or in their number harms nothing.

use crate::media::rtp::Format;

/// A description is not read further.
pub const MAX_BYTES: usize = 64 << 10;
/// Media that count; more are skipped.
const MAX_MEDIA: usize = 64;
/// Payload types of one medium that count.
const MAX_FORMATS: usize = 32;

/// Payload types that need no `a=rtpmap`: encoding, clock, channels (RFC 3551, 6).
const STATIC: [(u8, &str, u32, u16); 24] = [
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    (9, "G722", 8000, 1),
    (10, "L16", 44100, 2),
    (11, "L16", 44100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11025, 1),
    (17, "DVI4", 22050, 1),
    (18, "G729", 8000, 1),
    (25, "CELB", 90000, 1),
    (26, "JPEG", 90000, 1),
    (28, "NV", 90000, 1),
    (31, "H261", 90000, 1),
    (32, "MPV", 90000, 1),
    (33, "MP2T", 90000, 1),
    (34, "H263", 90000, 1),
];

/// What a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The control URL of the whole, as it stands there.
    pub control: Option<String>,
    /// In their order.
    pub media: Vec<Medium>,
}

/// One `m=` line with its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// For each payload type; not empty.
    pub formats: Vec<Format>,
    /// The control URL of this medium, as it stands there.
    pub control: Option<String>,
    /// `a=sendonly`: what a client may send (ONVIF's back channel), unless the whole description is written from the server's side.
    pub is_send_only: bool,
    /// Whether its packets are encrypted.
    pub is_secure: bool,
}

/// What the attributes of one `m=` line say until the next one begins.
#[derive(Default)]
struct Attributes<'a> {
    rtpmap: Vec<(u8, &'a str)>,
    fmtp: Vec<(u8, &'a str)>,
}

/// Reads a description; without an `m=` line of use its media are empty.
#[must_use]
pub fn read(body: &[u8]) -> Description {
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_BYTES)]);
    let mut description = Description::default();
    let mut attributes = Attributes::default();
    let mut is_skipped = false;
    for line in text.split(['\n', '\r', '\0']) {
        let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else { continue };
        match key {
            "m" => {
                finish(description.media.last_mut(), &std::mem::take(&mut attributes));
                let medium = read_medium(value).filter(|_| description.media.len() < MAX_MEDIA);
                is_skipped = medium.is_none();
                description.media.extend(medium);
            }
            "a" if !is_skipped => attribute(value, &mut description, &mut attributes),
            _ => {}
        }
    }
    finish(description.media.last_mut(), &attributes);
    description
}

/// `video 0 RTP/AVP 96 97`
fn read_medium(line: &str) -> Option<Medium> {
    let mut fields = line.split_ascii_whitespace();
    let (media, _port, protocol) = (fields.next()?.to_ascii_lowercase(), fields.next()?, fields.next()?);
    let format = |payload_type| Format {
        media: media.clone(),
        payload_type,
        encoding: String::new(),
        clock_rate_hz: default_clock_hz(&media),
        channels: 1,
        fmtp: String::new(),
    };
    let formats: Vec<Format> =
        fields.filter_map(|text| payload_type(text).map(|(number, _)| format(number))).take(MAX_FORMATS).collect();
    let is_secure = protocol.to_ascii_uppercase().contains("SAVP");
    (!formats.is_empty()).then_some(Medium { formats, control: None, is_send_only: false, is_secure })
}

fn attribute<'a>(line: &'a str, description: &mut Description, attributes: &mut Attributes<'a>) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    let value = value.trim();
    let medium = description.media.last_mut();
    match name.trim().to_ascii_lowercase().as_str() {
        "control" => *medium.map_or(&mut description.control, |medium| &mut medium.control) = Some(value.to_owned()),
        "rtpmap" => attributes.rtpmap.extend(payload_type(value).filter(|_| attributes.rtpmap.len() < MAX_FORMATS)),
        "fmtp" => attributes.fmtp.extend(payload_type(value).filter(|_| attributes.fmtp.len() < MAX_FORMATS)),
        "sendonly" => medium.into_iter().for_each(|medium| medium.is_send_only = true),
        _ => {}
    }
}

/// The number with which a text begins, and what follows.
fn payload_type(text: &str) -> Option<(u8, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..digits].parse().ok().filter(|number| *number < 128)?;
    Some((number, text[digits..].trim_start_matches([' ', '\t', ';', ','])))
}

fn finish(medium: Option<&mut Medium>, attributes: &Attributes) {
    for format in medium.into_iter().flat_map(|medium| &mut medium.formats) {
        if let Some((_, name, clock_hz, channels)) = STATIC.iter().find(|known| known.0 == format.payload_type) {
            (format.encoding, format.clock_rate_hz, format.channels) = ((*name).to_owned(), *clock_hz, *channels);
        }
        if let Some((_, map)) = attributes.rtpmap.iter().find(|(number, _)| *number == format.payload_type) {
            let mut parts = map.split('/').map(str::trim);
            format.encoding = parts.next().unwrap_or_default().to_ascii_uppercase();
            let clock_hz = parts.next().and_then(|digits| digits.parse().ok()).filter(|hertz| *hertz > 0);
            format.clock_rate_hz = clock_hz.unwrap_or_else(|| default_clock_hz(&format.media));
            format.channels = parts.next().and_then(|digits| digits.parse().ok()).filter(|n| *n > 0).unwrap_or(1);
        }
        let own = attributes.fmtp.iter().filter(|(number, text)| *number == format.payload_type && !text.is_empty());
        format.fmtp = own.map(|(_, text)| *text).collect::<Vec<_>>().join(";");
    }
}

fn default_clock_hz(media: &str) -> u32 {
    if media == "audio" { 8000 } else { 90_000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formats(text: &str) -> Vec<(String, u8, String, u32, u16, String)> {
        let media = read(text.as_bytes()).media;
        let all = media.into_iter().flat_map(|medium| medium.formats);
        all.map(|f| (f.media, f.payload_type, f.encoding, f.clock_rate_hz, f.channels, f.fmtp)).collect()
    }

    fn format(
        media: &str,
        number: u8,
        name: &str,
        hertz: u32,
        channels: u16,
        fmtp: &str,
    ) -> (String, u8, String, u32, u16, String) {
        (media.into(), number, name.into(), hertz, channels, fmtp.into())
    }

    #[test]
    fn rtpmap_and_fmtp_of_video_and_audio() {
        let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\n\
            m=video 0 RTP/AVP 96\r\na=control:trackID=1\r\na=rtpmap:96 H264/90000\r\n\
            a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0IA,aM4=\r\n\
            m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/16000/2\r\na=fmtp:97 config=1408\r\na=control:trackID=2\r\n";
        let expected = [
            format("video", 96, "H264", 90_000, 1, "packetization-mode=1;sprop-parameter-sets=Z0IA,aM4="),
            format("audio", 97, "MPEG4-GENERIC", 16_000, 2, "config=1408"),
        ];
        assert_eq!(formats(sdp), expected);
        assert_eq!(formats(&sdp.replace("\r\n", "\n")), expected, "LF");
        assert_eq!(formats(&sdp.replace("\r\n", "\r")), expected, "CR");
        assert_eq!(formats(&sdp.replace("v=0\r\n", "")), expected, "no version");
        assert_eq!(formats(&sdp.replace("t=0 0", "t=\r\nnonsense\r\n\r\no=- -1 x y z\r\ns=y")), expected, "odd lines");
        assert_eq!(formats(&sdp.replace("m=video 0", "m = VIDEO  x ")), expected, "blanks and a bad port");
        let description = read(sdp.as_bytes());
        assert_eq!(description.control.as_deref(), Some("*"));
        let controls: Vec<_> = description.media.iter().map(|medium| medium.control.as_deref()).collect();
        assert_eq!(controls, [Some("trackID=1"), Some("trackID=2")]);
    }

    #[test]
    fn static_payload_types_need_no_rtpmap() {
        assert_eq!(
            formats("m=audio 0 RTP/AVP 8 \t\r\nm=video 0 RTP/AVP 26\r\nm=audio 0 RTP/AVP 10 9\r\n"),
            [
                format("audio", 8, "PCMA", 8000, 1, ""),
                format("video", 26, "JPEG", 90_000, 1, ""),
                format("audio", 10, "L16", 44_100, 2, ""),
                format("audio", 9, "G722", 8000, 1, ""),
            ]
        );
        let other = formats("m=audio 0 RTP/AVP 0\r\na=rtpmap:0 MPEG4-GENERIC/16000/2\r\na=fmtp:0 config=1408\r\n");
        assert_eq!(other, [format("audio", 0, "MPEG4-GENERIC", 16_000, 2, "config=1408")]);
    }

    #[test]
    fn odd_rtpmap_and_fmtp_lines_are_read() {
        let one = |lines: &str| formats(&format!("m=video 0 RTP/AVP 96\r\n{lines}")).remove(0);
        for (lines, expected) in [
            ("a=rtpmap:96 H264/90000 \r\na=fmtp:96\r\n", format("video", 96, "H264", 90_000, 1, "")),
            ("a=rtpmap: 96 h264/90000", format("video", 96, "H264", 90_000, 1, "")),
            ("a=rtpmap:96 H265", format("video", 96, "H265", 90_000, 1, "")),
            ("a=rtpmap:96 H265/0", format("video", 96, "H265", 90_000, 1, "")),
            ("a=rtpmap:96 H264/90000/0", format("video", 96, "H264", 90_000, 1, "")),
            (
                "a=fmtp:96 a=1;\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 b=2",
                format("video", 96, "H264", 90_000, 1, "a=1;;b=2"),
            ),
            ("a=rtpmap:97 H265/90000\r\na=rtpmap:96 H264/90000", format("video", 96, "H264", 90_000, 1, "")),
            ("a=rtpmap", format("video", 96, "", 90_000, 1, "")),
        ] {
            assert_eq!(one(lines), expected, "{lines}");
        }
    }

    #[test]
    fn a_medium_without_a_payload_type_is_skipped_with_its_attributes() {
        let sdp = "a=control:all\r\nm=application/X 0 RTP/AVP smart/1/90000\r\na=rtpmap:95 X/90000\r\na=control:track3\r\n\
            m=video\r\na=control:no\r\nm=video 0 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\na=sendonly\r\n";
        let description = read(sdp.as_bytes());
        assert_eq!(description.control.as_deref(), Some("all"));
        assert_eq!(description.media.len(), 1);
        assert!(description.media[0].is_secure && description.media[0].is_send_only);
        assert_eq!(description.media[0].control, None);
    }

    #[test]
    fn a_description_is_bounded() {
        let many = "m=video 0 RTP/AVP 96 97 98\r\na=rtpmap:96 H264/90000\r\n".repeat(10_000);
        assert_eq!(read(many.as_bytes()).media.len(), MAX_MEDIA);
        let long = format!("m=video 0 RTP/AVP{}\r\n", " 96".repeat(10_000));
        assert_eq!(read(long.as_bytes()).media[0].formats.len(), MAX_FORMATS);
    }

    proptest::proptest! {
        #[test]
        fn any_description_has_formats_with_a_clock(text in "([ma]=[a-z]{0,7}[: ]{0,2}[0-9 /]{0,9}[^=]{0,5}[\r\n]{0,2}){0,9}") {
            for medium in read(text.as_bytes()).media {
                proptest::prop_assert!(!medium.formats.is_empty());
                proptest::prop_assert!(medium.formats.iter().all(|format| format.clock_rate_hz > 0 && format.channels > 0));
            }
        }
    }
}

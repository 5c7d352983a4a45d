use super::*;
use proptest::prelude::*;

/// A JPEG in structure, of 16×8 pixels: an Exif segment with a whole JPEG as its thumbnail, a scan with a restart, a stuffed
/// FF and what looks like a boundary. Pictures of other numbers differ.
fn picture(number: u8) -> Vec<u8> {
    let thumbnail = b"\xFF\xD8\xFF\xC0\0\x08\x08\0\x01\0\x01\0\xFF\xDA\0\x02abc\xFF\xD9";
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1, 0, u8::try_from(thumbnail.len()).unwrap() + 2];
    bytes.extend(thumbnail);
    bytes.extend(b"\xFF\xFF\xC0\0\x08\x08\0\x08\0\x10\0\xFF\xC4\0\x05\0\x01\x02\xFF\xDA\0\x04\x01\x02");
    bytes.extend([number, 0xFF, 0x00, 0xFF, 0xD0, 0x0D, 0x0A, b'-', b'-', 8, 0xFF, 0xD9]);
    bytes
}

fn pictures() -> Vec<Vec<u8>> {
    (0..4).map(picture).collect()
}

/// What a reader makes of a body that comes in pieces of so many bytes.
fn read_in(size: usize, body: &[u8]) -> (Vec<Vec<u8>>, u64) {
    let (mut reader, mut out) = (MjpegReader::new(Some("multipart/x-mixed-replace; boundary=frame")), Vec::new());
    for piece in body.chunks(size.max(1)) {
        reader.push(piece, &mut out).unwrap();
    }
    reader.finish(&mut out);
    (out, reader.truncated_pictures())
}

#[track_caller]
fn assert_reads(body: &[u8], expected: &[Vec<u8>]) {
    for size in [1, 2, 7, 64, body.len()] {
        assert_eq!(read_in(size, body).0, expected, "pieces of {size}");
    }
}

/// A body of parts: each picture between what `before` and `after` say.
fn body(before: impl Fn(usize, &[u8]) -> String, after: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (number, picture) in pictures().iter().enumerate() {
        body.extend(before(number, picture).as_bytes());
        body.extend(picture);
        body.extend(after.as_bytes());
    }
    body
}

#[test]
fn mjpeg_parts_as_the_standard_has_them() {
    let before = |_, picture: &[u8]| {
        format!("\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len())
    };
    assert_reads(&body(before, ""), &pictures());
}

#[test]
fn mjpeg_headers_and_boundaries_in_the_spellings_of_cameras() {
    let heads = [
        // No boundary before the first part, or none at all.
        "Content-Type: image/jpeg\r\n\r\n",
        "\r\n\r\n",
        "",
        "--frame\r\n\r\n",
        // Other types, parameters, lower case, other orders.
        "--frame\r\nContent-Type: image/jpg\r\n\r\n",
        "--frame\r\ncontent-length: 99999\r\ncontent-type: image/jpeg; charset=binary\r\n\r\n",
        // Lengths that are no lengths.
        "--frame\r\nContent-Length: 3\r\n\r\n",
        "--frame\r\nContent-Length: -1\r\n\r\n",
        "--frame\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "--frame\r\nContent-Length:\r\nX-Timestamp: 1.5\r\n\r\n",
        // Line feeds alone, dashes more or less, quotes.
        "--frame\nContent-Type: image/jpeg\n\n",
        "frame\r\nContent-Type: image/jpeg\r\n\r\n",
        "----frame\r\n\r\n",
        "--\"frame\"\r\n\r\n",
        "--other boundary than announced\r\n\r\n",
        // Text between parts.
        "preamble of a camera\r\n--frame\r\nX-Motion: 1\r\n\r\n",
    ];
    for head in heads {
        for after in ["", "\r\n", "\n", "\r\n--frame--\r\n", "\0\0\0\0\0\0\0", "\r\n--frame\r\n"] {
            assert_reads(&body(|_, _| head.to_owned(), after), &pictures());
        }
    }
}

#[test]
fn mjpeg_single_jpeg_is_a_picture() {
    assert_reads(&picture(1), &[picture(1)]);
}

#[test]
fn mjpeg_progressive_picture_has_several_scans() {
    let mut progressive = b"\xFF\xD8\xFF\xC2\0\x08\x08\0\x08\0\x10\0".to_vec();
    for scan in 0..3 {
        progressive.extend(b"\xFF\xC4\0\x05\0\x01\x02\xFF\xDA\0\x08\x01\x01\0\0\0\0");
        progressive.extend([scan, 0xFF, 0, 9]);
    }
    progressive.extend(END_OF_IMAGE);
    assert_reads(&[progressive.clone(), progressive.clone()].concat(), &[progressive.clone(), progressive]);
}

#[test]
fn mjpeg_picture_without_end_marker_ends_with_its_part() {
    let cut = |picture: &[u8]| picture[..picture.len() - 2].to_vec();
    for newline in ["\r\n", "\n"] {
        for has_length in [true, false] {
            let mut body = Vec::new();
            for picture in pictures() {
                let picture = cut(&picture);
                body.extend(format!("{newline}--frame{newline}Content-Type: image/jpeg{newline}").as_bytes());
                if has_length {
                    body.extend(format!("Content-Length: {}{newline}", picture.len()).as_bytes());
                }
                body.extend(newline.as_bytes());
                body.extend(picture);
            }
            // The last one has nothing behind it that says so, but its length.
            let expected = if has_length { pictures() } else { pictures()[..3].to_vec() };
            assert_reads(&body, &expected);
        }
    }
}

#[test]
fn mjpeg_truncated_picture_costs_no_other() {
    let whole = picture(0);
    for end in 3..whole.len() - 1 {
        let truncated = [
            format!("--frame\r\nContent-Length: {}\r\n\r\n", whole.len()).as_bytes(),
            &whole[..end],
            b"\r\n--frame\r\n\r\n",
            &picture(1),
            b"\r\n--frame\r\n\r\n",
            &picture(2),
            &vec![b' '; 70_000],
        ]
        .concat();
        let (read, truncated_pictures) = read_in(1000, &truncated);
        assert_eq!(read, [picture(1), picture(2)], "cut at {end}");
        assert!(truncated_pictures >= 1, "cut at {end}");
    }
}

#[test]
fn mjpeg_response_without_pictures_is_an_error() {
    let mut reader = MjpegReader::new(Some("text/html"));
    let page = b"<html>Please log in</html>".repeat(1000);
    let error = (0..100).find_map(|_| reader.push(&page, &mut Vec::new()).err()).unwrap();
    assert_eq!(
        error.to_string(),
        "cannot read pictures: there is no JPEG in 1 MiB of what the camera sends as \"text/html\""
    );
}

#[test]
fn mjpeg_picture_is_bounded() {
    let mut reader = MjpegReader::new(None);
    let mut out = Vec::new();
    reader.push(&picture(0)[..60], &mut out).unwrap();
    let result = (0..17).try_for_each(|_| reader.push(&vec![1; 1 << 20], &mut out));
    assert_eq!((result, out), (Err(MjpegError::TooLarge), vec![]));
}

#[test]
fn jpeg_size_is_that_of_the_picture_and_not_of_the_thumbnail() {
    assert_eq!(JpegSize::of(&picture(0)), Some(JpegSize { width: 16, height: 8 }));
    assert_eq!(JpegSize::of(&picture(0)[..30]), None);
    assert_eq!(JpegSize::of(b"\xFF\xD8\xFF\xD9"), None);
}

proptest! {
    #[test]
    fn mjpeg_pieces_do_not_matter(
        parts in proptest::collection::vec((0_u8..4, 0_usize..90, proptest::collection::vec(any::<u8>(), 0..20)), 0..6),
        size in 1_usize..50,
    ) {
        let mut body = Vec::new();
        for (number, cut, junk) in parts {
            let picture = picture(number);
            body.extend(&picture[..cut.min(picture.len())]);
            body.extend(junk);
        }
        prop_assert_eq!(read_in(size, &body), read_in(body.len(), &body));
    }

    #[test]
    fn mjpeg_finds_every_picture_between_any_text(texts in proptest::collection::vec("[ -~\r\n]{0,60}", 4)) {
        let mut body = Vec::new();
        for (text, picture) in texts.iter().zip(pictures()) {
            body.extend(text.as_bytes());
            body.extend(picture);
        }
        prop_assert_eq!(read_in(13, &body).0, pictures());
    }
}

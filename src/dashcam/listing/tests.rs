use super::*;
use proptest::prelude::*;

fn read(text: impl AsRef<[u8]>) -> Result<Listing, ListingError> {
    Listing::read(text.as_ref())
}

fn names(text: impl AsRef<[u8]>) -> Vec<String> {
    read(text).expect("readable").videos.iter().map(ToString::to_string).collect()
}

#[test]
fn older_api_listings_are_read_in_every_form() {
    let expected = ["20181029_131513_NF.mp4", "20181029_131513_NR.mp4"];
    for text in [
        "v:1.00\r\nn:/Record/20181029_131513_NF.mp4,s:1000000\r\nn:/Record/20181029_131513_NR.mp4,s:1000000\r\n",
        "v:2.00\nn:/Record/20181029_131513_NF.mp4,s:7\nn:/Record/20181029_131513_NR.mp4,s:0",
        "n:/mnt/sd/Record/20181029_131513_NF.mp4,s:1000000\nn:Record/20181029_131513_NR.mp4",
        "v:3.00\r\n\r\nn:20181029_131513_NR.mp4,s:1\r\nn:/Record/20181029_131513_NF.mp4,s:1\r\nn:\r\n\r\n",
        "n:/Record/20181029_131513_NF.mp4,s:1\nn:/Record/20181029_131513_NF.mp4,s:1\nn:/20181029_131513_NR.mp4,s:1",
    ] {
        assert_eq!(names(text), expected, "{text}");
    }
}

#[test]
fn newer_api_listings_are_read_in_every_form() {
    let expected = ["20260629_085329_MF.mp4", "20260629_085329_MR.mp4"];
    for text in [
        r#"{"filelist":[{"filename":"20260629_085329_MF.mp4"},{"filename":"20260629_085329_MR.mp4"}]}"#,
        r#" {"count":2,"filelist":["/Record/20260629_085329_MF.mp4",{"size":1,"filename":"20260629_085329_MR.mp4"}],"x":{}}"#,
        r#"["20260629_085329_MF.mp4","20260629_085329_MR.mp4"]"#,
    ] {
        assert_eq!(names(text), expected, "{text}");
    }
    for text in [r#"{"filelist":[]}"#, r#"{"filelist":null}"#, "[]"] {
        assert_eq!(names(text), [""; 0], "{text}");
    }
}

#[test]
fn an_empty_listing_is_no_error() {
    assert_eq!(names("v:1.00\r\n"), [""; 0]);
    assert!(read("").expect("readable").was_empty);
}

#[test]
fn an_unreadable_listing_is_an_error_with_its_first_line() {
    for (text, shown) in [
        ("<html>\n<body>Router login</body>", "<html>"),
        ("v:1.00\r\nn:/Record/foo.mp4,s:1000000\r\n", "v:1.00"),
        (r#"{"error":"busy"}"#, r#"{"error":"busy"}"#),
        (r#"{"filelist":[{"name":1}]}"#, r#"{"filelist":[{"name":1}]}"#),
        ("{", "{"),
        ("\0\0\0", "\0\0\0"),
    ] {
        match read(text) {
            Err(ListingError::Unreadable(line)) => assert_eq!(line, shown),
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn invalid_names_in_a_listing_are_warnings() {
    let long = "A".repeat(3000);
    let very_long = "B".repeat(100_000);
    let text = format!(
        "v:1.00\r\nn:/Record/../../etc/passwd,s:1\r\nn:/Record/../Record/20181029_131513_NF.mp4,s:1\r\n\
         n:/Record/20181029_131513_NF.mp4/../x,s:1\r\nn:/Record/{long}.mp4,s:1\r\nn:/Record/{very_long}.mp4,s:1\r\n\
         n:/Record/20181029_13\01513_NF.mp4,s:1\r\nn:/Record/\x1b[2J.mp4,s:1\r\n\
         n:/Record/20181399_131513_NF.mp4,s:1\r\nn:/Record/20181029_131513_NF.thm,s:1\r\n\
         n:/Record/20181029_131513_NR.mp4,s:1\r\n"
    );
    let listing = read(&text).expect("readable");
    assert_eq!(listing.videos.len(), 1);
    assert_eq!(listing.unread_count, 9);
    assert_eq!(listing.unread.len(), MAX_SHOWN);
    assert!(listing.unread.iter().all(|line| line.chars().count() <= 81));
}

struct Iter<I>(I);
impl<I: Iterator<Item = u8>> Read for Iter<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.iter_mut().zip(&mut self.0).for_each(|(to, from)| *to = from);
        Ok(buffer.len())
    }
}

#[test]
fn an_endless_listing_ends() {
    for bytes in [&b"n:/Record/20181029_131513_NF.mp4,s:1\r\n"[..], b"x", br#"{"filelist":["x","#] {
        let mut endless = bytes.iter().copied().cycle();
        let reader = std::iter::repeat_with(move || endless.next().expect("a cycle"));
        // JSON ends early: the repeated text is no JSON, which is as good an end.
        let error = Listing::read(Iter(reader)).expect_err("endless");
        assert!(matches!(error, ListingError::Endless | ListingError::Unreadable(_)), "{error}");
    }
}

proptest! {
    #[test]
    fn any_listing_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(bytes);
    }

    #[test]
    fn any_json_listing_is_read_without_a_panic(text in r#"[\[{]("filelist":)?[\[{]?["a-z0-9_.:,{}\[\]]{0,60}"#) {
        let _ = read(text);
    }
}

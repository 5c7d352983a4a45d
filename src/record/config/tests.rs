use super::*;
use crate::units::ByteSize;

fn parse(source: &str) -> Result<Config, Invalid> {
    Config::parse(source, &Environment { base: "/etc".into(), zone: Tz::UTC })
}

fn wrong(source: &str) -> String {
    parse(source).expect_err("something is wrong").to_string()
}

#[test]
fn a_camera_takes_what_it_does_not_say_from_the_defaults() {
    let config = parse(
        r#"
        listen = "127.0.0.1:8080"
        min_free = "1GB"
        when_full = "delete-oldest"
        [defaults]
        destination = "cameras"
        segment = 600
        keep = "2w"
        timezone = "Asia/Kolkata"
        [cameras.yard]
        url = "rtsp://user:secret@192.168.1.20/stream1"
        keep = 3
        [cameras.gate]
        url = "http://192.168.1.21:81/stream"
        container = "ts"
        fps = 15
        schedule = [{ at = "06:00", get = "http://192.168.1.21/day" }]
        [cameras.off]
        url = "rtsp://cam"
        enabled = false
        "#,
    )
    .expect("a configuration");
    assert_eq!(config.guard.min_free, Some(ByteSize(1_000_000_000)));
    assert!(config.delete_oldest && config.wants_hints);
    let names: Vec<&str> = config.cameras.keys().map(CameraName::as_str).collect();
    assert_eq!(names, ["gate", "yard"]);
    let camera = |name: &str| &config.cameras[&name.parse::<CameraName>().expect("a name")];
    let (yard, gate) = (camera("yard"), camera("gate"));
    assert_eq!((yard.segment.as_secs(), gate.segment.as_secs()), (600, 600));
    assert_eq!((yard.video, yard.audio, yard.format.as_deref()), (Video::Copy, Audio::Copy, None));
    assert_eq!((gate.video, gate.audio, gate.format.as_deref()), (Video::H264, Audio::None, Some("mpjpeg")));
    assert_eq!(yard.keep, "3d".parse().expect("an age"));
    assert_eq!(gate.keep, "2w".parse().expect("an age"));
    assert_eq!(yard.zone, Tz::named("Asia/Kolkata").expect("a zone"));
    assert_eq!(config.destinations(), [Path::new("/etc/cameras")]);
    assert_eq!(gate.schedule.len(), 1);
}

#[test]
fn everything_that_is_wrong_is_told_with_its_key_and_line() {
    let text = wrong(
        r#"listn = "127.0.0.1:8080"
max_used_disk = 200
[defaults]
destination = "cameras"
segmnt = "1h"
[cameras.yard]
url = "rtsp://user:hunter2 x@192.168.1.20/stream1"
segment = "1 year and a day"
stall-timeout = 3
fps = "many"
timezone = "Indien"
[cameras."../gate"]
url = "http://192.168.1.21:81/stream"
[cameras.door]
destination = 7
[cameras.hall]
url = "file:///etc/passwd"
schedule = [{ at = "6", get = "http://admin:hunter2@cam/day" }]
"#,
    );
    insta::assert_snapshot!(text, @r#"
    line 1: listn: unknown key; did you mean listen?
    line 2: max_used_disk: a percentage from 5 to 98 is needed
    line 5: defaults.segmnt: unknown key; did you mean segment?
    line 7: cameras.yard.url: the address has spaces or control characters in it; write them as %20
    line 8: cameras.yard.segment: "1 year and a day" is not a length of time: write 10, 2.5, 30s or 1m
    line 9: cameras.yard.stall-timeout: unknown key; did you mean stall_timeout?
    line 10: cameras.yard.fps: a number of frames per second is needed, from 0.1 to 240
    line 11: cameras.yard.timezone: "Indien" is not a time zone: write Asia/Kolkata or Europe/Berlin
    line 12: cameras.../gate: "../gate" cannot be a camera's name: it is a folder, made of letters, digits, '-', '_' and '.', and begins with a letter, a digit or '_'
    line 15: cameras.door.destination: a text in quotes is needed, not a number
    line 17: cameras.hall.url: "file" is no protocol of cameras: rtsp, rtsps, http, https, rtmp, rtmps, srt, udp, tcp, rtp are
    line 18: cameras.hall.schedule: a time of day is needed, such as "06:00"
    "#);
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn keys_of_cameraleech_are_told_as_ours() {
    let text = wrong(
        r#"
LogLevel = "info"
DisableHints = true
httpListenAddress = "0.0.0.0:8080"
ffmpegPath = "/usr/bin/ffmpeg"
[defaults]
storagePath = "/srv/cameras"
segmentTime = 3600
InputOptions = ["-rtsp_transport", "tcp"]
[cameras.yard]
url = "rtsp://192.168.1.20/stream1"
"#,
    );
    insta::assert_snapshot!(text, @"
    line 2: LogLevel: unknown key; -v, -vv and -q set how much is logged
    line 3: DisableHints: unknown key; did you mean hints?
    line 4: httpListenAddress: unknown key; did you mean listen?
    line 5: ffmpegPath: unknown key; did you mean ffmpeg?
    line 7: defaults.storagePath: unknown key; did you mean destination?
    line 8: defaults.segmentTime: unknown key; did you mean segment?
    line 9: defaults.InputOptions: unknown key; did you mean input_options?
    ");
}

#[test]
fn what_is_no_toml_is_told_with_its_line_and_without_its_text() {
    let text = wrong("[cameras.yard]\nurl = rtsp://user:hunter2@cam\n");
    assert!(text.starts_with("line 2: ") && !text.contains("hunter2"), "{text}");
    assert!(wrong("").contains("no camera"));
}

#[test]
fn what_does_not_fit_together_is_told() {
    let text = wrong("[cameras.a]\nurl = \"http://cam/\"\ndestination = \"d\"\nvideo = \"copy\"\ncontainer = \"ts\"");
    assert_eq!(text, "line 4: cameras.a.video: JPEG pictures do not fit into ts: write \"h264\"");
    assert_eq!(
        wrong("[cameras.a]\nurl = \"rtsp://cam\""),
        "line 1: cameras.a: it has no destination: name one here or in [defaults]"
    );
}

#[test]
fn a_wrong_key_of_defaults_is_named_once_and_only_where_a_camera_uses_it() {
    let defaults = "[defaults]\ndestination = \"d\"\nsegment = \"soon\"\n";
    let (a, b) = ("[cameras.a]\nurl = \"rtsp://a\"\nsegment = 60\n", "[cameras.b]\nurl = \"rtsp://b\"\n");
    assert!(parse(&format!("{defaults}{a}")).is_ok());
    for cameras in [b.to_owned(), format!("{a}{b}[cameras.c]\nurl = \"rtsp://c\"\n")] {
        assert_eq!(
            wrong(&format!("{defaults}{cameras}")),
            "line 3: defaults.segment: \"soon\" is not a length of time: write 10, 2.5, 30s or 1m"
        );
    }
    let url = format!("[defaults]\nurl = 7\n{b}destination = \"d\"");
    assert_eq!(wrong(&url), "line 2: defaults.url: each camera has its own: move it to [cameras.NAME]");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\[|\\]|cameras|defaults|\\.|=|\"|\n|url|keep|[a-z0-9 ]|\\PC){0,60}") {
        let _ = parse(&text);
    }
}

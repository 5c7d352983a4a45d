//! The command line of ffmpeg: a camera in, Matroska to a pipe out. Cutting and naming are ours.

use std::ffi::OsString;
use std::path::Path;

use ffmpeg_sidecar::command::FfmpegCommand;

use super::config::{Audio, Camera, Transport, Video};
use crate::ffmpeg::Version;
use crate::ffmpeg::command::{self, Log};

/// What is encoded gets a key frame every two seconds, whatever its rate.
const KEY_FRAMES_EVERY: u32 = 2;
/// And the encoder makes none of its own in between.
const GROUP: &str = "600";
/// The clocks of all zones differ by quarters of an hour.
const ZONES_APART: u64 = 900;
/// What an `int` of ffmpeg's holds.
const MAX_STIMEOUT_MICROS: u128 = i32::MAX as u128;
/// A filter that stamps pictures in microseconds since it began, and each a millisecond after the one before at the earliest.
const OWN_STAMPS: &str = "settb=1/1000000,setpts='max(PREV_OUTPTS+1000,time(0)*1000000-RTCSTART)'";
/// The rate that ffmpeg takes streams of JPEG pictures for.
const RATE_OF_PICTURES: &str = "fps=25";
/// What is encoded as it comes has a time in milliseconds, as Matroska has.
const ENCODER_CLOCK: &str = "1:1000";
/// The bit rate of encoded audio; cameras send speech.
const AUDIO_BITRATE: &str = "64k";

/// A frame whose time is not known, as the first with B-frames over RTSP, gets that of its decoding: Matroska refuses it else.
const KNOWN_TIMES: &str = r"setts=pts=if(eq(PTS\,NOPTS)\,DTS\,PTS)";

/// The arguments for one ffmpeg that reads a camera.
#[must_use]
pub fn arguments(camera: &Camera, version: Version) -> Vec<OsString> {
    let mut ffmpeg = begin(version);
    input(&mut ffmpeg, camera, version);
    output(&mut ffmpeg, camera, version, Stamps::Ffmpeg);
    ffmpeg.get_args().map(ToOwned::to_owned).collect()
}

/// The arguments for one ffmpeg that encodes what it gets as Matroska on its standard input: JPEG pictures with their times.
#[must_use]
pub fn encoder_arguments(camera: &Camera, version: Version) -> Vec<OsString> {
    let mut ffmpeg = begin(version);
    // With more threads a picture would come out when some later ones have come. Nothing has to be found out.
    ffmpeg.args(["-threads", "1", "-analyzeduration", "0", "-fpsprobesize", "0"]);
    ffmpeg.format("matroska").input("pipe:0");
    output(&mut ffmpeg, camera, version, Stamps::Ours);
    ffmpeg.get_args().map(ToOwned::to_owned).collect()
}

fn begin(version: Version) -> FfmpegCommand {
    // Its input is empty. Version 7 sees a first signal only where it looks for keys.
    let begin = if version.is_at_least(7, 0) { command::with_keys } else { command::command };
    begin(Path::new("ffmpeg"), Log::WarningsWithLevel)
}

/// How ffmpeg reaches the camera.
fn input(ffmpeg: &mut FfmpegCommand, camera: &Camera, version: Version) {
    let url = &camera.url;
    let tunnel = if url.is_rtsp() && camera.transport() == Transport::Http { ",http,https,tls" } else { "" };
    let protocols = format!("{}{tunnel}", url.protocols());
    ffmpeg.args(["-protocol_whitelist", &protocols, "-fflags", "+genpts+discardcorrupt"]);
    if camera.wallclock {
        ffmpeg.args(["-use_wallclock_as_timestamps", "1"]);
    }
    let timeout = camera.timeout.as_micros().to_string();
    if url.is_rtsp() {
        ffmpeg.args(["-rtsp_transport", camera.transport().as_str()]);
        if version.is_at_least(5, 0) {
            ffmpeg.args(["-timeout", &timeout]);
        } else {
            // The option of that name waited for a caller, for so many seconds. This one ends at half an hour.
            ffmpeg.args(["-stimeout", &camera.timeout.as_micros().min(MAX_STIMEOUT_MICROS).to_string()]);
        }
    } else {
        ffmpeg.args(["-rw_timeout", &timeout]);
    }
    if has_own_stamps(camera, version) {
        // With more of them a picture would come out when some later ones have come.
        ffmpeg.args(["-threads", "1"]);
    }
    if let Some(format) = &camera.format {
        ffmpeg.format(format);
    }
    ffmpeg.args(&camera.input_options).input(url.secret());
}

/// What gives pictures that are encoded their times.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stamps {
    /// ffmpeg, or its filter.
    Ffmpeg,
    /// We have: by our clock.
    Ours,
}

fn output(ffmpeg: &mut FfmpegCommand, camera: &Camera, version: Version, stamps: Stamps) {
    ffmpeg.map("0:v:0");
    match camera.video {
        Video::Copy => ffmpeg.codec_video("copy"),
        Video::H264 => encode(ffmpeg, camera, version, stamps),
    };
    match camera.audio {
        Audio::None => ffmpeg.no_audio(),
        Audio::Copy => ffmpeg.map("0:a?").codec_audio("copy"),
        // Our clock stamps what arrives unevenly: gaps are filled, else audio and video drift apart.
        Audio::Aac => ffmpeg.map("0:a?").codec_audio("aac").args(["-b:a", AUDIO_BITRATE, "-af", "aresample=async=1"]),
    };
    ffmpeg.args(&camera.output_options);
    if camera.video == Video::Copy && version.is_at_least(4, 4) {
        ffmpeg.args(["-bsf:v", KNOWN_TIMES]);
    }
    // What has come goes out at once. A track that is silent holds back the others for a microsecond, and not for ever.
    ffmpeg
        .args(["-max_interleave_delta", "1"])
        .format("matroska")
        .args(["-cluster_time_limit", "100", "-flush_packets", "1"])
        .output("pipe:1");
}

/// When what is encoded gets a key frame: a segment begins with one, so there is one after each boundary of the clock, whatever
/// its zone. Register 0 of the expression holds how far the last frame was behind one.
fn key_frames(camera: &Camera) -> String {
    let seconds = gcd(camera.segment.as_secs(), ZONES_APART);
    format!(
        "expr:st(1,mod(time(0),{seconds}));st(2,lt(ld(1),ld(0)));st(0,ld(1));\
         ld(2)+isnan(prev_forced_t)+gte(t,prev_forced_t+{KEY_FRAMES_EVERY})"
    )
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// For processors that have better things to do, and cameras that send every frame whole.
fn encode<'a>(
    ffmpeg: &'a mut FfmpegCommand,
    camera: &Camera,
    version: Version,
    stamps: Stamps,
) -> &'a mut FfmpegCommand {
    let is_stamped_late = stamps == Stamps::Ffmpeg && has_own_stamps(camera, version);
    let filters = is_stamped_late.then(|| OWN_STAMPS.to_owned());
    let filters: Vec<String> = filters.into_iter().chain(camera.fps.map(|fps| format!("fps={fps}"))).collect();
    if !filters.is_empty() {
        ffmpeg.args(["-vf", &filters.join(",")]);
    }
    if camera.fps.is_none() {
        // A stream of JPEG pictures has no rate, and ffmpeg would assume 25 per second: fill it up to that, and leave
        // out what comes closer to each other.
        ffmpeg.args([if version.is_at_least(5, 1) { "-fps_mode" } else { "-vsync" }, "vfr"]);
        ffmpeg.args(["-enc_time_base", ENCODER_CLOCK]);
        if is_stamped_late || stamps == Stamps::Ours {
            // Without a rate, which version 7.0 forgets with the stamps, the encoder would give each picture the bits of a
            // millisecond.
            ffmpeg.args(["-x264-params", RATE_OF_PICTURES]);
        }
    }
    let rate = camera.bitrate.0;
    ffmpeg
        .codec_video("libx264")
        .preset("ultrafast")
        .args(["-tune", "zerolatency"])
        .args(["-b:v", &rate.to_string(), "-maxrate", &rate.to_string(), "-bufsize", &(rate * 2).to_string()])
        .args(["-force_key_frames", &key_frames(camera), "-g", GROUP, "-sc_threshold", "0", "-threads", "2"])
        .pix_fmt("yuv420p")
}

/// Whether our clock has to stamp pictures when they are decoded: versions about 7 forget what it has stamped them with
/// as they came, where these have no time of their own.
fn has_own_stamps(camera: &Camera, version: Version) -> bool {
    camera.wallclock && camera.has_pictures() && camera.video == Video::H264 && version.is_at_least(6, 1)
}

/// Options of ffmpeg's whose value is a secret, or may hold one.
const OF_SECRETS: [&str; 8] = [
    "-headers",
    "-cookies",
    "-http_proxy",
    "-passphrase",
    "-password",
    "-key",
    "-decryption_key",
    "-cenc_decryption_key",
];

/// Whether what follows this option is a secret, or may hold one.
#[must_use]
pub fn is_of_secret(option: &str) -> bool {
    OF_SECRETS.contains(&option)
}

/// The command line as a dry run shows it: words that a shell would split in quotes, the address without secrets.
#[must_use]
pub fn shown(camera: &Camera, program: &Path, arguments: &[OsString]) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_+=:,./%?@*".contains(c);
    let words = std::iter::once(program.as_os_str()).chain(arguments.iter().map(OsString::as_os_str));
    let mut is_secret = false;
    let words = words.map(|word| {
        let follows = std::mem::replace(&mut is_secret, word.to_str().is_some_and(is_of_secret));
        let word = if follows { "***".to_owned() } else { camera.url.redact(&word.to_string_lossy()) };
        if !word.is_empty() && word.chars().all(is_plain) { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// An ffmpeg that fetches one frame of a camera and prints its checksum.
#[must_use]
pub fn probe(camera: &Camera, program: &Path, version: Version) -> FfmpegCommand {
    let mut ffmpeg = command::command(program, Log::InfoWithLevel);
    input(&mut ffmpeg, camera, version);
    command::print_first_frame(&mut ffmpeg);
    ffmpeg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::config::{Config, Environment};

    fn camera(keys: &str) -> Camera {
        let around = Environment { base: "/srv".into(), zone: "Asia/Kolkata".parse().expect("a zone") };
        let text = format!("[cameras.yard]\ndestination = \"100%\"\n{keys}");
        let config = Config::parse(&text, &around).expect("a configuration");
        config.cameras.values().next().expect("a camera").clone()
    }

    fn line(keys: &str, version: Version) -> String {
        let camera = camera(keys);
        shown(&camera, Path::new("ffmpeg"), &arguments(&camera, version))
    }

    /// One option a line.
    fn lines(line: &str) -> String {
        line.replace(" -", "\n-")
    }

    #[test]
    fn rtsp_is_copied() {
        let line = line("url = \"rtsp://u:secret@cam/1\"", Version::new(5, 1));
        insta::assert_snapshot!(lines(&line), @r"
        ffmpeg
        -hide_banner
        -nostats
        -loglevel level+warning
        -nostdin
        -protocol_whitelist rtsp,rtp,udp,tcp
        -fflags +genpts+discardcorrupt
        -use_wallclock_as_timestamps 1
        -rtsp_transport tcp
        -timeout 10000000
        -i rtsp://***@cam/1
        -map 0:v:0
        -c:v copy
        -map 0:a?
        -c:a copy
        -bsf:v 'setts=pts=if(eq(PTS\,NOPTS)\,DTS\,PTS)'
        -max_interleave_delta 1
        -f matroska
        -cluster_time_limit 100
        -flush_packets 1 pipe:1
        ");
    }

    #[test]
    fn jpeg_is_encoded() {
        let keys = "url = \"http://cam/stream\"\nfps = 15\ncontainer = \"ts\"\nsegment = \"3m\"";
        insta::assert_snapshot!(lines(&line(keys, Version::new(7, 0))), @r"
        ffmpeg
        -hide_banner
        -nostats
        -loglevel level+warning
        -protocol_whitelist http,https,tls,tcp
        -fflags +genpts+discardcorrupt
        -use_wallclock_as_timestamps 1
        -rw_timeout 10000000
        -threads 1
        -f mpjpeg
        -i http://cam/stream
        -map 0:v:0
        -vf 'settb=1/1000000,setpts='\''max(PREV_OUTPTS+1000,time(0)*1000000-RTCSTART)'\'',fps=15'
        -c:v libx264
        -preset:v ultrafast
        -tune zerolatency
        -b:v 1000000
        -maxrate 1000000
        -bufsize 2000000
        -force_key_frames 'expr:st(1,mod(time(0),180));st(2,lt(ld(1),ld(0)));st(0,ld(1));ld(2)+isnan(prev_forced_t)+gte(t,prev_forced_t+2)'
        -g 600
        -sc_threshold 0
        -threads 2
        -pix_fmt yuv420p
        -an
        -max_interleave_delta 1
        -f matroska
        -cluster_time_limit 100
        -flush_packets 1 pipe:1
        ");
    }

    #[test]
    fn jpeg_that_we_have_stamped_keeps_its_stamps_and_has_a_rate() {
        let camera = camera("url = \"http://cam/stream\"\nsegment = \"3m\"");
        let [old, new] = [(5, 1), (7, 0)].map(|(major, minor)| {
            shown(&camera, Path::new("ffmpeg"), &encoder_arguments(&camera, Version::new(major, minor)))
        });
        assert_eq!(old.replace(" -nostdin", ""), new);
        insta::assert_snapshot!(lines(&old), @r"
        ffmpeg
        -hide_banner
        -nostats
        -loglevel level+warning
        -nostdin
        -threads 1
        -analyzeduration 0
        -fpsprobesize 0
        -f matroska
        -i pipe:0
        -map 0:v:0
        -fps_mode vfr
        -enc_time_base 1:1000
        -x264-params fps=25
        -c:v libx264
        -preset:v ultrafast
        -tune zerolatency
        -b:v 1000000
        -maxrate 1000000
        -bufsize 2000000
        -force_key_frames 'expr:st(1,mod(time(0),180));st(2,lt(ld(1),ld(0)));st(0,ld(1));ld(2)+isnan(prev_forced_t)+gte(t,prev_forced_t+2)'
        -g 600
        -sc_threshold 0
        -threads 2
        -pix_fmt yuv420p
        -an
        -max_interleave_delta 1
        -f matroska
        -cluster_time_limit 100
        -flush_packets 1 pipe:1
        ");
    }

    #[test]
    fn mjpeg_bitrate_is_set_where_a_filter_drops_the_frame_rate() {
        let asked = |keys: &str, version| line(&format!("url = \"http://cam/stream\"\n{keys}"), version);
        assert!(asked("", Version::new(7, 0)).contains(" -x264-params fps=25 "));
        assert!(!asked("fps = 5", Version::new(7, 0)).contains("-x264-params"), "its filter tells the rate");
        assert!(!asked("", Version::new(5, 1)).contains("-x264-params"), "as the stream does");
    }

    #[test]
    fn old_ffmpeg_versions_get_only_options_they_know() {
        let old = line("url = \"rtsp://cam/1\"\nvideo = \"h264\"", Version::new(4, 3));
        assert!(old.contains("-stimeout 10000000 ") && old.contains("-vsync vfr -enc_time_base 1:1000 "), "{old}");
        let patient = line("url = \"rtsp://cam/1\"\ntimeout = \"1h\"", Version::new(4, 4));
        assert!(patient.contains("-stimeout 2147483647 "), "{patient}");
        assert!(!old.contains(" -timeout") && !old.contains("-stats_period") && !old.contains("-fps_mode"), "{old}");
    }

    #[test]
    fn ffmpeg_args_of_a_user_win_and_a_url_is_never_an_option() {
        let keys = "url = \"rtsp://cam/-y\"\ninput_options = \"-rtsp_transport udp\"\noutput_options = [\"-t\", \"5\"]";
        let line = line(keys, Version::new(5, 1));
        assert!(line.contains("-rtsp_transport tcp -timeout 10000000 -rtsp_transport udp -i rtsp://cam/-y "), "{line}");
        assert!(line.contains("-c:a copy -t 5 -bsf:v"), "{line}");
    }
}

//! What ffmpeg and ffprobe say of our files.

use std::path::Path;

use footage::media::{Codec, Packet, Shape, Track};

use super::{FRAMES_PER_SECOND, SECONDS, demux, ffmpeg, mux, path, pipe};
use crate::support::site::probe;
use crate::support::{Program, Scratch};

/// `stream, pts, bytes, MD5` of each packet or frame, in ms; no warning allowed.
#[track_caller]
fn md5s(file: &Path, options: &str) -> Vec<String> {
    let options = options.split_whitespace().chain(["-f", "framemd5", "-"]);
    let output = Program::new("ffmpeg").args(QUIET).args(["-copyts", "-i", path(file), "-map", "0"]).args(options);
    let output = output.run().expect_code(0);
    assert_eq!(output.stderr.replace(NO_DURATION, "").lines().find(|line| !line.ends_with("] ")), None);
    let lines = output.stdout.lines().filter(|line| !line.starts_with('#'));
    let fields = lines.map(|line| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        [fields[0], fields[2], fields[4], fields[5]].join(" ")
    });
    fields.collect()
}

/// Not a word of the channel layout of an audio track with one channel, which no container of cameras has.
const QUIET: [&str; 5] = ["-nostdin", "-v", "warning", "-guess_layout_max", "0"];
/// What ffmpeg says of every file that was never finished, behind `[matroska,webm @ …]`.
const NO_DURATION: &str = "Estimating duration from bitrate, this may be inaccurate";

const COPY: &str = "-c copy";
const DECODED_VIDEO: &str = "-map -0:a -fps_mode passthrough -enc_time_base 1:1000";
const DECODED_AUDIO: &str = "-map -0:v";

/// Names the first line that differs: all of them would fill the screen.
#[track_caller]
fn expect_equal(coding: &str, ours: &[String], theirs: &[String]) {
    let differs = ours.iter().zip(theirs).find(|(ours, theirs)| ours != theirs);
    assert_eq!(differs, None, "{coding}");
    assert_eq!(ours.len(), theirs.len(), "{coding}");
}

/// Reads and writes what ffmpeg writes into a pipe with this coding, and compares.
#[track_caller]
fn expect_the_same_film(coding: &str, codecs: &str) {
    let scratch = Scratch::new();
    let stream = pipe(coding);
    let (tracks, packets) = demux(&stream);
    assert_eq!(tracks.len(), 2, "{coding}");
    let theirs = scratch.write("theirs.mkv", &stream);
    let ours = mux(&tracks, &packets).write(&scratch);
    assert_eq!(probe(&ours, &[], "stream=codec_name").replace('\n', " ").trim(), codecs);

    let packets_of = |file| md5s(file, COPY);
    let written = packets_of(&ours);
    assert_eq!(written.len(), packets.len(), "{coding}");
    expect_equal(coding, &written, &packets_of(&theirs));
    let flags = |file| probe(file, &[], "packet=stream_index,pts_time,flags");
    // Side data adds a comma and an empty line.
    let flags = |file| {
        let lines = flags(file);
        let lines = lines.lines().filter(|line| !line.is_empty());
        lines.map(|line| line.trim_end_matches(',').to_owned()).collect::<Vec<_>>()
    };
    expect_equal(coding, &flags(&ours), &flags(&theirs));

    let frames = md5s(&ours, DECODED_VIDEO);
    assert_eq!(frames.len(), usize::try_from(SECONDS * FRAMES_PER_SECOND).unwrap(), "{coding}");
    expect_equal(coding, &frames, &md5s(&theirs, DECODED_VIDEO));
    // Encoders fill up their last packet. How much of it is to be dropped stays behind.
    let [heard, wanted] = [&ours, &theirs].map(|file| md5s(file, DECODED_AUDIO));
    assert!(heard.len().abs_diff(wanted.len()) <= 1, "{coding}: {} of {} frames", heard.len(), wanted.len());
    let compared = heard.len().min(wanted.len()) - 1;
    expect_equal(coding, &heard[..compared], &wanted[..compared]);

    let seconds: f64 = probe(&ours, &[], "format=duration").trim().parse().unwrap();
    assert!((seconds - f64::from(SECONDS)).abs() < 0.13, "{coding}: {seconds} s, off by more than an audio packet");
}

#[test]
fn h264_with_b_frames_and_alaw() {
    expect_the_same_film("-c:v libx264 -preset veryfast -bf 2 -c:a pcm_alaw -ar 8000", "h264 pcm_alaw");
}

#[test]
fn h264_and_aac() {
    expect_the_same_film("-c:v libx264 -preset veryfast -tune zerolatency -c:a aac", "h264 aac");
}

#[test]
fn h265_with_b_frames_and_opus() {
    let video = "-c:v libx265 -preset ultrafast -x265-params bframes=2:log-level=none";
    expect_the_same_film(&format!("{video} -c:a libopus -ar 48000"), "hevc opus");
}

#[test]
fn mjpeg_and_l16() {
    expect_the_same_film("-c:v mjpeg -c:a pcm_s16be", "mjpeg pcm_s16be");
}

#[test]
fn mulaw_g722_mp2_and_mp3() {
    for (audio, codec) in [
        ("pcm_mulaw -ar 8000", "pcm_mulaw"),
        ("g722", "adpcm_g722"),
        ("mp2 -ar 32000", "mp2"),
        ("libmp3lame -ar 44100", "mp3"),
    ] {
        expect_the_same_film(&format!("-c:v libx264 -preset ultrafast -c:a {audio}"), &format!("h264 {codec}"));
    }
}

/// JPEGs without a container, as from a camera over HTTP: the same bytes, whichever form of block ffmpeg chooses.
#[test]
fn copied_mjpeg_is_the_same_jpegs() {
    let scratch = Scratch::new();
    let raw = ffmpeg("-f lavfi -i testsrc2=size=320x240:rate=10 -t 3", "-c:v mjpeg -f mjpeg");
    let file = scratch.write("raw", &raw);
    let (_, packets) = demux(&ffmpeg(&format!("-f mjpeg -i {}", path(&file)), "-c copy -f matroska"));
    assert_eq!(packets.len(), 30);
    assert!(packets.iter().all(|packet| packet.is_key && packet.data.starts_with(&[0xFF, 0xD8])));
    assert!(packets.iter().flat_map(|packet| packet.data.iter().copied()).eq(raw), "bytes differ");
}

/// Codecs that we have no name for are passed on.
#[test]
fn mpeg4_and_little_endian_samples() {
    expect_the_same_film("-c:v mpeg4 -c:a pcm_s16le", "mpeg4 pcm_s16le");
    expect_the_same_film("-c:v libvpx -deadline realtime -c:a pcm_s24le", "vp8 pcm_s24le");
}

/// ffmpeg's own muxer refuses G.726, so it comes from a file without a container.
#[test]
fn g726_of_every_rate() {
    let scratch = Scratch::new();
    for bits in 2..=5_u8 {
        let coding = format!("-c:a g726 -ar 8000 -code_size {bits} -f g726");
        let raw = ffmpeg("-f lavfi -i sine=sample_rate=8000 -t 2", &coding);
        let track = Track { codec: Codec::G726 { bits }, shape: Shape::Audio { sample_rate_hz: 8000, channels: 1 } };
        // 20 ms each: 160 samples.
        let packets = (0..).zip(raw.chunks(20 * usize::from(bits))).map(|(nth, data): (i64, _)| Packet {
            track: 0,
            pts_ns: nth * 20_000_000,
            is_key: true,
            data: data.to_vec(),
        });
        let ours = mux(&[track], &packets.collect::<Vec<_>>()).write(&scratch);
        assert_eq!(probe(&ours, &[], "stream=codec_name,sample_rate").trim(), "adpcm_g726,8000");
        assert_eq!(probe(&ours, &[], "format=duration").trim(), "2.000000");
        let raw = scratch.write("raw", &raw);
        let samples = |input: &str| ffmpeg(input, "-f s16le");
        let wanted = samples(&format!("-f g726 -code_size {bits} -ar 8000 -i {}", path(&raw)));
        assert_eq!(wanted.len(), 2 * 16_000);
        assert!(samples(&format!("-i {}", path(&ours))) == wanted, "{bits} bits");
    }
}

#[test]
fn cues_lead_to_the_key_frame_before() {
    let scratch = Scratch::new();
    let (tracks, packets) = demux(&pipe("-c:v libx264 -preset veryfast -bf 2 -c:a pcm_alaw"));
    let ours = mux(&tracks, &packets).write(&scratch);
    for (at, key) in [("0.5", "0."), ("1.9", "1."), ("3.2", "3.")] {
        let first = ["-select_streams", "v", "-read_intervals", &format!("{at}%+#1")];
        let first = probe(&ours, &first, "packet=pts_time,flags");
        assert!(first.starts_with(key) && first.contains(",K"), "{at}: {first}");
        let frame = |seek: &str| {
            let arguments = ["-ss", seek, "-i", path(&ours), "-an", "-frames:v", "1", "-f", "framemd5", "-"];
            let output = Program::new("ffmpeg").args(QUIET).args(arguments).run().expect_code(0);
            assert_eq!(output.stderr, "");
            output.stdout.lines().last().unwrap().rsplit(',').next().unwrap().trim().to_owned()
        };
        // Frames are 1/15 s apart: the first that is not before.
        let all = md5s(&ours, DECODED_VIDEO);
        let at_ms = at.parse::<f64>().unwrap() * 1000.0;
        let wanted = all.iter().find(|line| line.split(' ').nth(1).unwrap().parse::<f64>().unwrap() >= at_ms);
        assert_eq!(frame(at), wanted.unwrap().rsplit(' ').next().unwrap(), "{at}");
    }
}

#[test]
fn a_killed_file_plays_to_the_last_flush() {
    let scratch = Scratch::new();
    for coding in ["-c:v libx264 -preset veryfast -bf 2 -c:a pcm_alaw", "-c:v mjpeg -c:a aac"] {
        let (tracks, packets) = demux(&pipe(coding));
        let ours = mux(&tracks, &packets);
        assert!(ours.flushed.len() >= 15, "{}", ours.flushed.len());
        for nth in [2, 13] {
            let (bytes, count) = ours.flushed[nth];
            let killed = scratch.write("killed.mkv", &ours.file[..bytes]);
            assert_eq!(md5s(&killed, COPY).len(), count, "{coding}");
            let frames = packets[..count].iter().filter(|packet| packet.track == 0).count();
            assert_eq!(md5s(&killed, DECODED_VIDEO).len(), frames, "{coding}");
            // Killed while it wrote the next cluster: ffmpeg logs an error, and plays on to there.
            let cut = scratch.write("cut.mkv", &ours.file[..bytes + 200]);
            let arguments = ["-nostdin", "-v", "fatal", "-i", path(&cut), "-map", "0", "-c", "copy", "-f", "framemd5"];
            let output = Program::new("ffmpeg").args(arguments).arg("-").run().expect_code(0);
            let read = output.stdout.lines().filter(|line| !line.starts_with('#')).count();
            assert!(read >= count, "{coding}: {read} of {count}");
        }
    }
}

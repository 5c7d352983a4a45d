//! Real video, audio and pictures, encoded by ffmpeg and put into program streams as the cameras do it.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use super::Instant;

const FRAME_MILLIS: u64 = 40;
/// A key frame each second.
const KEY_INTERVAL: usize = 25;

/// How the video is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Video {
    H264,
    Hevc,
}

/// The audio codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Audio {
    None,
    Aac,
    ALaw,
    MuLaw,
}

/// A clip to be recorded: coded once for each test binary.
#[derive(Clone)]
pub(crate) struct Clip {
    video: Video,
    audio: Audio,
    frames: Arc<Vec<Vec<u8>>>,
    /// From one frame to the next.
    frame_millis: u64,
    /// Packets of audio, and how many ticks of 90 kHz each lasts.
    audio_packets: Arc<Vec<Vec<u8>>>,
    audio_ticks: u64,
}

impl Clip {
    /// A moving test pattern and a tone of so many seconds, small.
    pub(crate) fn new(video: Video, audio: Audio, seconds: u32) -> Self {
        Self::with(video, audio, seconds, "320x180", 400)
    }

    /// The same in this size, with about so many kilobits in each second.
    pub(crate) fn with(video: Video, audio: Audio, seconds: u32, size: &str, kilobits: u32) -> Self {
        let frames = frames(video, u64::from(seconds) * 1000, FRAME_MILLIS, size, kilobits);
        let (audio_packets, audio_ticks) = match audio {
            Audio::None => (Arc::default(), 1),
            Audio::Aac => (elementary(&sound_args("aac", "adts", 16_000, seconds), split_adts), 1024 * 90_000 / 16_000),
            Audio::ALaw => (elementary(&sound_args("pcm_alaw", "alaw", 8000, seconds), split_g711), 40 * 90),
            Audio::MuLaw => (elementary(&sound_args("pcm_mulaw", "mulaw", 8000, seconds), split_g711), 40 * 90),
        };
        Self { video, audio, frames, frame_millis: FRAME_MILLIS, audio_packets, audio_ticks }
    }

    /// A silent one of a camera that makes a frame in so many milliseconds only.
    pub(crate) fn slow(video: Video, frame_millis: u64, count: u64) -> Self {
        let frames = frames(video, frame_millis * count, frame_millis, "320x180", 400);
        Self { video, audio: Audio::None, frames, frame_millis, audio_packets: Arc::default(), audio_ticks: 1 }
    }

    /// From the first frame to the last.
    pub(crate) fn millis(&self) -> u64 {
        (self.frames.len() as u64 - 1) * self.frame_millis
    }

    /// The clip as a program stream that begins at this time of the camera's clock and this PTS.
    pub(crate) fn mux(&self, start: Instant, first_pts: u64) -> Vec<u8> {
        self.mux_counting(start, first_pts, 100_000)
    }

    /// The same, where the camera has made so many frames since it was switched on. It counts them in the stuffing of
    /// its pack headers, where some numbers look like start codes.
    pub(crate) fn mux_counting(&self, start: Instant, first_pts: u64, frames_before: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let mut packets = (0..).zip(self.audio_packets.iter()).peekable();
        for (number, frame) in self.frames.iter().enumerate() {
            let millis = number as u64 * self.frame_millis;
            let pts = first_pts + millis * 90;
            pack_header(&mut out, pts, frames_before + u32::try_from(number).unwrap());
            if number % KEY_INTERVAL == 0 {
                system_header(&mut out);
                self.stream_map(&mut out, start.plus_millis(millis));
            }
            for (nth, part) in frame.chunks(5 * 1024).enumerate() {
                packet(&mut out, 0xE0, part, (nth == 0).then_some(pts));
            }
            while let Some((nth, bytes)) = packets.next_if(|(nth, _)| nth * self.audio_ticks <= millis * 90) {
                packet(&mut out, 0xC0, bytes, Some(first_pts + nth * self.audio_ticks));
            }
        }
        out
    }

    fn stream_map(&self, out: &mut Vec<u8>, clock: Instant) {
        let clock = clock_descriptor(clock);
        let mut descriptors = vec![0x40, u8::try_from(clock.len()).unwrap()];
        descriptors.extend(clock);
        // A descriptor of another kind behind it, as cameras have several.
        descriptors.extend([0x41, 4, b'H', b'K', 0, 1]);

        let mut streams = vec![match self.video {
            Video::H264 => 0x1B,
            Video::Hevc => 0x24,
        }];
        streams.extend([0xE0, 0, 4, 0x2A, 2, 0x7F, 0xFF]);
        match self.audio {
            Audio::None => {}
            Audio::Aac => streams.extend([0x0F, 0xC0, 0, 0]),
            Audio::ALaw => streams.extend([0x90, 0xC0, 0, 0]),
            Audio::MuLaw => streams.extend([0x91, 0xC0, 0, 0]),
        }

        let mut map = vec![0, 0, 1, 0xBC, 0, 0, 0xE0, 0xFF];
        map.extend(u16::try_from(descriptors.len()).unwrap().to_be_bytes());
        map.extend(descriptors);
        map.extend(u16::try_from(streams.len()).unwrap().to_be_bytes());
        map.extend(streams);
        let length = u16::try_from(map.len() - 6 + 4).unwrap();
        map[4..6].copy_from_slice(&length.to_be_bytes());
        map.extend(crc32(&map).to_be_bytes());
        out.extend(map);
    }
}

/// The JPEG of a test pattern.
pub(crate) fn jpeg() -> Vec<u8> {
    let args = ["-f", "lavfi", "-i", "testsrc2=size=320x180", "-frames:v", "1", "-c:v", "mjpeg", "-f", "mjpeg"];
    let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
    elementary(&args, |bytes| vec![bytes.to_vec()])[0].clone()
}

/// What a camera stores for a JPEG: with the prefix that some firmware puts in front.
pub(crate) fn picture(jpeg: &[u8]) -> Vec<u8> {
    let mut picture = b"vuFj\x01\x00\x00\x00".to_vec();
    picture.extend(jpeg);
    picture
}

fn frames(video: Video, millis: u64, frame_millis: u64, size: &str, kilobits: u32) -> Arc<Vec<Vec<u8>>> {
    let source = format!("testsrc2=size={size}:rate=1000/{frame_millis}:duration={millis}ms");
    let frames = elementary(&video_args(video, &source, kilobits), |bytes| split_frames(video, bytes));
    assert_eq!(frames.len() as u64, millis / frame_millis);
    frames
}

fn video_args(video: Video, source: &str, kilobits: u32) -> Vec<String> {
    let rate = format!("{kilobits}k");
    let codec = match video {
        Video::H264 => "-c:v libx264 -preset ultrafast -bf 0 -g 25 -sc_threshold 0 -x264-params aud=1 -f h264",
        Video::Hevc => {
            "-c:v libx265 -preset ultrafast -x265-params \
             aud=1:bframes=0:keyint=25:min-keyint=25:scenecut=0:repeat-headers=1:log-level=error -f hevc"
        }
    };
    // Noise, so that there is something to code.
    let filter = "noise=alls=12:allf=t,format=yuv420p";
    let mut args = ["-f", "lavfi", "-i", source, "-vf", filter, "-b:v", &rate, "-maxrate", &rate, "-bufsize", &rate]
        .map(str::to_owned)
        .to_vec();
    args.extend(codec.split_whitespace().map(str::to_owned));
    args
}

fn sound_args(codec: &str, format: &str, rate: u32, seconds: u32) -> Vec<String> {
    let source = format!("sine=frequency=440:sample_rate={rate}:duration={seconds}");
    ["-f", "lavfi", "-i", &source, "-c:a", codec, "-f", format].map(str::to_owned).to_vec()
}

/// What ffmpeg makes of these arguments, cut into packets. Made once.
fn elementary(args: &[String], split: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Arc<Vec<Vec<u8>>> {
    type Made = HashMap<Vec<String>, Arc<Vec<Vec<u8>>>>;
    static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let packets = made.entry(args.to_vec()).or_insert_with(|| Arc::new(split(&ffmpeg(args))));
    packets.clone()
}

fn ffmpeg(args: &[String]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-threads", "1"])
        .args(args)
        .arg("pipe:1")
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is missing: run tests/setup");
    assert!(output.status.success(), "ffmpeg failed: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Cuts coded video at the access unit delimiters, and leaves these out: cameras write none.
fn split_frames(video: Video, bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mark, mark_len): (&[u8], usize) = match video {
        Video::H264 => (&[0, 0, 0, 1, 0x09], 6),
        Video::Hevc => (&[0, 0, 0, 1, 0x46], 7),
    };
    let mut starts: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(mark)).collect();
    starts.push(bytes.len());
    starts.windows(2).map(|pair| bytes[pair[0] + mark_len..pair[1]].to_vec()).collect()
}

fn split_adts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut rest = bytes;
    while rest.len() > 7 {
        let length = usize::from(rest[3] & 3) << 11 | usize::from(rest[4]) << 3 | usize::from(rest[5]) >> 5;
        packets.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    packets
}

/// 40 ms each.
fn split_g711(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.chunks(320).map(<[u8]>::to_vec).collect()
}

fn pack_header(out: &mut Vec<u8>, pts: u64, counter: u32) {
    let reference = pts & 0x1_FFFF_FFFF;
    let bits = 0b01 << 46
        | (reference >> 30) << 43
        | 1 << 42
        | (reference >> 15 & 0x7FFF) << 27
        | 1 << 26
        | (reference & 0x7FFF) << 11
        | 1 << 10
        | 1;
    out.extend([0, 0, 1, 0xBA]);
    out.extend(&u64::to_be_bytes(bits)[2..]);
    // The rate, then 6 B of stuffing, in which cameras count.
    out.extend([0x01, 0x89, 0xC3, 0xF8 | 6, 0xFF, 0xFF]);
    out.extend(counter.to_be_bytes());
}

fn system_header(out: &mut Vec<u8>) {
    out.extend([0, 0, 1, 0xBB, 0, 12, 0x80, 0xC4, 0xE1, 0x04, 0x21, 0x7F]);
    out.extend([0xE0, 0xE8, 0x00, 0xC0, 0xC0, 0x20]);
}

fn packet(out: &mut Vec<u8>, stream: u8, payload: &[u8], pts: Option<u64>) {
    let mut header = vec![0x88, 0, 0];
    if let Some(pts) = pts {
        let pts = pts & 0x1_FFFF_FFFF;
        let bits = 0x21 << 32 | (pts >> 30) << 33 | (pts >> 15 & 0x7FFF) << 17 | 1 << 16 | (pts & 0x7FFF) << 1 | 1;
        header[1] = 0x80;
        header.extend(&u64::to_be_bytes(bits)[3..]);
    }
    header.extend([0xFF, 0xFF, 0xFF]);
    header[2] = u8::try_from(header.len() - 3).unwrap();
    out.extend([0, 0, 1, stream]);
    out.extend(u16::try_from(header.len() + payload.len()).unwrap().to_be_bytes());
    out.extend(header);
    out.extend(payload);
}

/// `HK`, version, year, and in bits month 4, day 5, hour 5, minute 6, second 6, marker 1, millisecond 10.
fn clock_descriptor(clock: Instant) -> Vec<u8> {
    use chrono::{DateTime, Datelike, Timelike};
    let time = DateTime::from_timestamp(clock.seconds.into(), 0).unwrap().naive_utc();
    let bits = u64::from(time.month()) << 36
        | u64::from(time.day()) << 31
        | u64::from(time.hour()) << 26
        | u64::from(time.minute()) << 20
        | u64::from(time.second()) << 14
        | 1 << 13
        | u64::from(clock.micros / 1000) << 3;
    let mut descriptor = vec![b'H', b'K', 1, 0, u8::try_from(time.year() - 2000).unwrap()];
    descriptor.extend(&bits.to_be_bytes()[3..]);
    descriptor.extend([0, 0xFF, 0xFF, 0xFF]);
    descriptor
}

/// The checksum of MPEG systems.
fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
    })
}

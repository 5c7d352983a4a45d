//! Films of ffmpeg, taken apart into packets by ffprobe, and what ffmpeg makes of a file again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use footage::media::nal::{ParameterSets, Standard};
use footage::media::{Codec, Packet, Shape, Track};

/// A film of ffmpeg in Matroska.
pub(crate) struct Film {
    pub(crate) path: PathBuf,
    pub(crate) tracks: Vec<Track>,
    /// Of all tracks, in the order of the file.
    pub(crate) packets: Vec<Packet>,
    _dir: tempfile::TempDir,
}

/// A frame that was decoded: when it is shown, in milliseconds since the first, and its hash.
pub(crate) type Frame = (i64, String);

impl Film {
    /// Four seconds, 25 frames a second, coded as the options say; the audio is a tone of 440 Hz at 48,000 Hz.
    pub(crate) fn new(options: &[&str]) -> Self {
        Self::lasting(4, options)
    }

    /// The same of another length.
    pub(crate) fn lasting(seconds: u32, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.mkv");
        let has_audio = options.contains(&"-c:a");
        let mut command = Command::new("ffmpeg");
        let pattern = format!("testsrc2=size=320x180:rate=25:duration={seconds}");
        command.args(["-v", "error", "-f", "lavfi", "-i", &pattern]);
        if has_audio {
            let tone = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
            command.args(["-f", "lavfi", "-i", &tone]);
        }
        run(command.args(options).arg(&path));
        let probe: serde_json::Value = serde_json::from_slice(&run(Command::new("ffprobe")
            .args(["-v", "error", "-of", "json", "-show_streams", "-show_packets", "-show_data"])
            .arg(&path)))
        .unwrap();
        let streams = probe["streams"].as_array().unwrap();
        let tracks = streams.iter().map(track).collect();
        let mut data: Vec<_> = (0..streams.len())
            .map(|stream| {
                let map = format!("0:{stream}");
                run(Command::new("ffmpeg")
                    .args(["-v", "error", "-i"])
                    .arg(&path)
                    .args(["-map", &map, "-c", "copy", "-f", "data", "-"]))
            })
            .collect();
        let packets = probe["packets"].as_array().unwrap().iter().map(|packet| packet_of(packet, &mut data)).collect();
        assert!(data.iter().all(Vec::is_empty));
        Self { path, tracks, packets, _dir: dir }
    }

    /// Where a file stands that is no part of the film.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    pub(crate) fn frames(&self) -> Vec<Frame> {
        frames(&self.path)
    }

    /// Its video packets.
    pub(crate) fn video(&self) -> impl Iterator<Item = &Packet> {
        self.packets.iter().filter(|packet| packet.track == 0)
    }
}

fn track(stream: &serde_json::Value) -> Track {
    let number = |key: &str| stream[key].as_u64().unwrap_or(0);
    let config = hex_dump(stream["extradata"].as_str().unwrap_or_default());
    let collected = |standard| ParameterSets::from_config(standard, &config).unwrap().config().unwrap();
    let codec = match stream["codec_name"].as_str().unwrap() {
        "h264" => Codec::H264 { config: collected(Standard::H264) },
        "hevc" => Codec::H265 { config: collected(Standard::H265) },
        "mjpeg" => Codec::Jpeg,
        "aac" => Codec::Aac { config },
        "opus" => Codec::Opus { head: config },
        "mp2" => Codec::Mp2,
        "mp3" => Codec::Mp3,
        "pcm_alaw" => Codec::ALaw,
        "pcm_mulaw" => Codec::MuLaw,
        "adpcm_g722" => Codec::G722,
        "pcm_s16be" => Codec::L16,
        other => panic!("{other}"),
    };
    let shape = if stream["codec_type"] == "video" {
        Shape::Video { width: number("width").try_into().unwrap(), height: number("height").try_into().unwrap() }
    } else {
        let rate = stream["sample_rate"].as_str().unwrap().parse().unwrap();
        Shape::Audio { sample_rate_hz: rate, channels: number("channels").try_into().unwrap() }
    };
    Track { codec, shape }
}

fn packet_of(packet: &serde_json::Value, data: &mut [Vec<u8>]) -> Packet {
    let track = usize::try_from(packet["stream_index"].as_u64().unwrap()).unwrap();
    let size = packet["size"].as_str().unwrap().parse().unwrap();
    // Six decimals.
    let microseconds: i64 = packet["pts_time"].as_str().unwrap().replace('.', "").parse().unwrap();
    let rest = data[track].split_off(size);
    Packet {
        track,
        // Opus begins before 0: what a decoder drops.
        pts_ns: (microseconds * 1000).max(0),
        is_key: packet["flags"].as_str().unwrap().starts_with('K'),
        data: std::mem::replace(&mut data[track], rest),
    }
}

/// `00000000: 0164 001e ffe1  .d....`, line by line.
fn hex_dump(dump: &str) -> Vec<u8> {
    let digits: String = dump
        .lines()
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(_, line)| line.split("  ").next().unwrap().chars().filter(char::is_ascii_hexdigit))
        .collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// What a program writes to its output. It must succeed, and ffmpeg and ffprobe have nothing to warn of.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{error}: run tests/setup"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{command:?}: {complaints}");
    output.stdout
}

/// Every frame of the video of a file, decoded.
pub(crate) fn frames(path: &Path) -> Vec<Frame> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-i"]).arg(path);
    frames_of(command.args(["-map", "0:v:0"]))
}

/// Those of a command with an input and a map.
pub(crate) fn frames_of(command: &mut Command) -> Vec<Frame> {
    listed(&run(command.args(FRAME_HASHES)))
}

/// Every frame of a file that is cut off somewhere: ffmpeg may complain of its end.
pub(crate) fn frames_until_the_end(path: &Path) -> Vec<Frame> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "quiet", "-i"]).arg(path).args(["-map", "0:v:0"]).args(FRAME_HASHES);
    listed(&command.stdin(Stdio::null()).output().unwrap().stdout)
}

/// Of each frame its time and its hash.
const FRAME_HASHES: [&str; 7] = ["-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-f", "framemd5", "-"];

fn listed(output: &[u8]) -> Vec<Frame> {
    let mut frames: Vec<Frame> = String::from_utf8_lossy(output)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            (fields[2].parse().unwrap(), fields[5].to_owned())
        })
        .collect();
    let first = frames.first().map_or(0, |frame| frame.0);
    for frame in &mut frames {
        frame.0 = (frame.0 - first + 45).div_euclid(90);
    }
    frames
}

/// The samples of the audio of a file, decoded.
pub(crate) fn samples(path: &Path) -> Vec<u8> {
    run(Command::new("ffmpeg").args(["-v", "warning", "-i"]).arg(path).args(["-map", "0:a:0", "-f", "s16le", "-"]))
}

/// A field of each packet of a track, as ffprobe shows it: `v:0`, `a:0`.
pub(crate) fn packets(path: &Path, track: &str, fields: &str) -> Vec<Vec<String>> {
    let entries = format!("packet={fields}");
    let output = run(Command::new("ffprobe")
        .args(["-v", "warning", "-select_streams", track, "-show_entries", &entries, "-of", "csv=p=0"])
        .arg(path));
    let text = String::from_utf8(output).unwrap();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_end_matches(',').split(',').map(str::to_owned).collect())
        .collect()
}

/// A field of a track or of the `format` of a file.
pub(crate) fn field(path: &Path, track: &str, entry: &str) -> String {
    let output = run(Command::new("ffprobe")
        .args(["-v", "warning", "-select_streams", track, "-show_entries", entry, "-of", "default=nw=1:nk=1"])
        .arg(path));
    String::from_utf8(output).unwrap().trim().to_owned()
}

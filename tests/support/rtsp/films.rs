//! What the cameras show: coded once by ffmpeg and kept with what cargo builds.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::Program;
use crate::support::site::framemd5;

/// Frames in each second.
pub(crate) const FRAMES_PER_SECOND: u32 = 15;
/// So many frames from one key frame to the next: a third of a second, so that whatever begins with a key frame after a
/// full second begins in that second.
pub(crate) const KEY_INTERVAL: u32 = 5;
/// How long a film is; no test looks longer.
const SECONDS: u32 = 150;
/// Where the picture of `Film::Growing` becomes larger.
const GROWS_AFTER_SECONDS: u32 = 5;

/// A test pattern in H.264, with or without a tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Film {
    /// 640×360, no audio.
    Plain,
    /// The same with AAC.
    Aac,
    /// The same with G.711, as most cameras send it.
    ALaw,
    /// 960×540, no audio.
    Large,
    /// 640×360, and 960×540 after five seconds, with no word about it but in the stream itself.
    Growing,
}

impl Film {
    pub(crate) const ALL: [Self; 5] = [Self::Plain, Self::Aac, Self::ALaw, Self::Large, Self::Growing];

    /// The path on the server.
    pub(super) fn mount(self) -> &'static str {
        match self {
            Self::Plain => "/plain",
            Self::Aac => "/aac",
            Self::ALaw => "/alaw",
            Self::Large => "/large",
            Self::Growing => "/growing",
        }
    }

    /// The checksums of its first pictures.
    #[track_caller]
    pub(crate) fn pictures(self, count: usize) -> Vec<String> {
        let file = self.file();
        let path = file.split(',').next().unwrap_or_default();
        let mut pictures = framemd5(Program::new("ffmpeg").args(["-nostdin", "-v", "error", "-i", path]));
        pictures.truncate(count);
        pictures
    }

    /// The file, made if it does not exist, and the server's options for its audio.
    pub(super) fn file(self) -> String {
        let path = match self {
            Self::Plain => film("640x360", &[], SECONDS, 250),
            Self::Aac => film("640x360", &["-c:a", "aac", "-b:a", "32k"], SECONDS, 250),
            Self::ALaw => film("640x360", &["-c:a", "pcm_alaw", "-ar", "8000"], SECONDS, 250),
            Self::Large => film("960x540", &[], SECONDS, 400),
            Self::Growing => growing(),
        };
        let audio = match self {
            Self::Aac => ",aac",
            Self::ALaw => ",alaw",
            Self::Plain | Self::Large | Self::Growing => "",
        };
        format!("{}{audio}", path.display())
    }
}

fn film(size: &str, audio: &[&str], seconds: u32, kilobits: u32) -> PathBuf {
    let codec = audio.get(1).unwrap_or(&"silent");
    made(&format!("film-{size}-{codec}-{kilobits}k-{seconds}s-{KEY_INTERVAL}.mkv"), |out| {
        let ten = out.with_extension("ten.mkv");
        ffmpeg(
            &[
                &["-f", "lavfi", "-i", &pattern(size), "-f", "lavfi", "-i", "sine=sample_rate=16000", "-t", "10"],
                &["-map", "0:v"][..],
                if audio.is_empty() { &[] } else { &["-map", "1:a"] },
                audio,
            ],
            &coding(kilobits),
            &ten,
        );
        // The same ten seconds again and again, which costs nothing.
        let ten_path = ten.display().to_string();
        ffmpeg(&[&["-stream_loop", "-1", "-i", &ten_path, "-t", &seconds.to_string()]], &words("-map 0 -c copy"), out);
        std::fs::remove_file(ten).unwrap();
    })
}

fn growing() -> PathBuf {
    made(&format!("film-growing-{KEY_INTERVAL}.mkv"), |out| {
        let parts =
            [("640x360", GROWS_AFTER_SECONDS), ("960x540", SECONDS - GROWS_AFTER_SECONDS)].map(|(size, seconds)| {
                let part = out.with_extension(format!("{size}.ts"));
                let seconds = seconds.to_string();
                ffmpeg(&[&["-f", "lavfi", "-i", &pattern(size), "-t", &seconds]], &coding(250), &part);
                part
            });
        // A transport stream has the parameters of the picture before each key frame, and joined they stay there.
        let both = format!("concat:{}|{}", parts[0].display(), parts[1].display());
        ffmpeg(&[&["-i", &both]], &words("-c copy"), out);
        for part in parts {
            std::fs::remove_file(part).unwrap();
        }
    })
}

fn pattern(size: &str) -> String {
    format!("testsrc2=size={size}:rate={FRAMES_PER_SECOND}")
}

fn coding(kilobits: u32) -> Vec<String> {
    let rate = format!("-b:v {kilobits}k -maxrate {kilobits}k -bufsize {kilobits}k");
    words(&format!(
        "-c:v libx264 -preset ultrafast -bf 0 -g {KEY_INTERVAL} -sc_threshold 0 -x264-params repeat-headers=1 -pix_fmt yuv420p {rate}"
    ))
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A file beside what cargo builds, made once. It appears whole: tests make it at the same time.
fn made(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let dir = Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("/tmp"));
    let path = dir.join(name);
    if !path.exists() {
        let own = tempfile::tempdir_in(dir).expect("a temporary directory");
        let out = own.path().join(name);
        make(&out);
        std::fs::rename(&out, &path).unwrap();
    }
    path
}

fn ffmpeg(input: &[&[&str]], output: &[String], out: &Path) {
    let result = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(input.concat())
        .args(output)
        .arg(out)
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is missing: run tests/setup");
    assert!(result.status.success(), "ffmpeg failed: {}", String::from_utf8_lossy(&result.stderr));
}

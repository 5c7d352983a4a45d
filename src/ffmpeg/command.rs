//! The command lines of ffmpeg: the part that all of ours have in common. Values; nothing is run here.

use std::path::Path;
use std::process::Command;

use ffmpeg_sidecar::command::FfmpegCommand;

/// What ffmpeg logs on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Nothing.
    Quiet,
    /// Errors, as they are.
    Errors,
    /// Warnings and worse, each line with its level.
    WarningsWithLevel,
    /// Also what it finds in its input, each line with its level.
    InfoWithLevel,
}

impl Log {
    fn as_str(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Errors => "error",
            Self::WarningsWithLevel => "level+warning",
            Self::InfoWithLevel => "level+info",
        }
    }
}

/// An ffmpeg that reads no keys from stdin. Options of its input come next.
#[must_use]
pub fn command(program: &Path, log: Log) -> FfmpegCommand {
    let mut ffmpeg = with_keys(program, log);
    ffmpeg.arg("-nostdin");
    ffmpeg
}

/// An ffmpeg that reads keys from stdin, as it does for a person at a terminal.
#[must_use]
pub fn with_keys(program: &Path, log: Log) -> FfmpegCommand {
    // `FfmpegCommand::new_with_path` would set a log level of its own.
    let mut ffmpeg = FfmpegCommand::from(Command::new(program));
    ffmpeg.hide_banner().args(["-nostats", "-loglevel", log.as_str()]);
    ffmpeg
}

/// An ffmpeg that prints its version. The option stands alone: wrappers look for it in the first place.
#[must_use]
pub fn version(program: &Path) -> FfmpegCommand {
    let mut ffmpeg = FfmpegCommand::from(Command::new(program));
    ffmpeg.arg("-version");
    ffmpeg
}

/// The output of an ffmpeg that prints the checksum of its first video frame; see [`has_frame`].
pub fn print_first_frame(ffmpeg: &mut FfmpegCommand) {
    ffmpeg.map("0:v:0").codec_video("copy").args(["-frames:v", "1"]).format("framecrc").output("pipe:1");
}

/// Whether [`print_first_frame`] has printed one: a line that begins with the number of its stream, and not with a `#`.
#[must_use]
pub fn has_frame(stdout: &[u8]) -> bool {
    stdout.split(|byte| *byte == b'\n').any(|line| line.first().is_some_and(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loglevel_is_given_once() {
        let mut ffmpeg = command(Path::new("ffmpeg"), Log::Errors);
        ffmpeg.input("file:a.mkv");
        print_first_frame(&mut ffmpeg);
        let words: Vec<_> = ffmpeg.get_args().map(|word| word.to_string_lossy()).collect();
        insta::assert_snapshot!(words.join(" "), @"-hide_banner -nostats -loglevel error -nostdin -i file:a.mkv -map 0:v:0 -c:v copy -frames:v 1 -f framecrc pipe:1");
    }

    #[test]
    fn has_frame_distinguishes_framecrc_lines_from_its_header() {
        assert!(!has_frame(b"#software: Lavf59.27.100\n#tb 0: 1/90000\n"));
        assert!(has_frame(b"#tb 0: 1/90000\n0,          0,          0,     6000,    11212, 0x6a2e7a5f\n"));
    }
}

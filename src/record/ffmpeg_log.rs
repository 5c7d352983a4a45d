//! What ffmpeg logs on its standard error: without secrets, without addresses of its memory, and not too much of it.

use std::time::{Duration, Instant};

use log::Level;

use super::url::CameraUrl;

/// A longer line is cut.
const MAX_LINE_BYTES: usize = 600;
/// So many lines are passed on in [`PERIOD`]; a broken stream has one for each frame.
const MAX_LINES: u32 = 5;
const PERIOD: Duration = Duration::from_secs(10);

/// Errors that come within this belong together: the first of them is the cause of the others.
const TOGETHER: Duration = Duration::from_secs(10);

/// How errors begin that are no reason for an end: "Non-monotonous" or "-monotonic" time stamps that it corrects, a note to
/// its own programmers, what versions 6 to 8 call an end on request.
const NO_REASONS: [&str; 3] = ["Non-monoton", "Timestamps are unset in a packet", "Immediate exit requested"];

/// Numbers of the system that ffmpeg ends a line with when it knows no more; another line names the cause.
const OF_NO_CAUSE: [&str; 2] = ["Input/output error", "Invalid argument"];

/// What one ffmpeg has logged.
#[derive(Debug, Default)]
pub(super) struct FfmpegLog {
    pending: Vec<u8>,
    /// The first error of those that came together last, when the last of them came, and whether it names a cause.
    error: Option<(String, Instant, bool)>,
    last_line: Option<String>,
    period: Option<(Instant, u32)>,
}

impl FfmpegLog {
    /// Why it has ended, if it has: the first of the last errors or, where there is none, the last line.
    pub(super) fn reason(&self) -> Option<&str> {
        self.error.as_ref().map(|(text, ..)| text.as_str()).or(self.last_line.as_deref())
    }

    /// Takes the next piece and calls `each` with the lines that it completes.
    pub(super) fn take(&mut self, bytes: &[u8], url: &CameraUrl, now: Instant, each: &mut impl FnMut(Level, &str)) {
        for byte in bytes {
            // Progress lines of a terminal end in a carriage return.
            if matches!(byte, b'\n' | b'\r') {
                self.line(url, now, each);
            } else if self.pending.len() < MAX_LINE_BYTES {
                self.pending.push(*byte);
            }
        }
    }

    fn line(&mut self, url: &CameraUrl, now: Instant, each: &mut impl FnMut(Level, &str)) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.pending)).trim().to_owned();
        if line.is_empty() {
            return;
        }
        let (level, text) = levelled(&line);
        let text = url.redact(text.strip_prefix(url.secret()).map_or(text, |rest| rest.trim_start_matches([':', ' '])));
        let passed = match &mut self.period {
            Some((began, lines)) if now.saturating_duration_since(*began) < PERIOD => {
                *lines += 1;
                *lines
            }
            _ => {
                self.period = Some((now, 1));
                1
            }
        };
        if passed <= MAX_LINES {
            each(if level == Level::Error { Level::Info } else { Level::Debug }, &text);
        } else if passed == MAX_LINES + 1 {
            each(Level::Debug, "… and more of that");
        }
        if text.is_empty() || NO_REASONS.iter().any(|start| text.starts_with(start)) {
            return;
        }
        if level != Level::Error {
            self.last_line = Some(text);
            return;
        }
        let names_cause = !OF_NO_CAUSE.iter().any(|end| text.ends_with(end));
        match &mut self.error {
            Some((_, at, has_cause))
                if now.saturating_duration_since(*at) < TOGETHER && (*has_cause || !names_cause) =>
            {
                *at = now;
            }
            error => *error = Some((text, now, names_cause)),
        }
    }
}

/// `[rtsp @ 0x55d0c8a0] [error] method DESCRIBE failed: 401 Unauthorized` without what means nothing.
fn levelled(line: &str) -> (Level, &str) {
    let mut rest = line;
    let mut level = Level::Warn;
    while let Some((tag, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        match tag {
            "error" | "fatal" | "panic" => level = Level::Error,
            "warning" => {}
            tag if tag.contains(" @ 0x") => {}
            _ => break,
        }
        rest = after.trim_start();
    }
    (level, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ffmpeg_log_lines_are_redacted_and_cut() {
        let url: CameraUrl = "rtsp://admin:hunter2@cam/live".parse().expect("an address");
        let mut log = FfmpegLog::default();
        let mut lines = Vec::new();
        let mut now = Instant::now();
        let mut take = |log: &mut FfmpegLog, text: &str, now| {
            log.take(text.as_bytes(), &url, now, &mut |level, line| lines.push(format!("{level} {line}")));
        };
        take(&mut log, "[rtsp @ 0x55d0] [error] method DESCRIBE failed: 401 Unauth", now);
        take(&mut log, "orized\n[error] rtsp://admin:hunter2@cam/live: Server returned 401\n\n", now);
        assert_eq!(log.reason(), Some("method DESCRIBE failed: 401 Unauthorized"));
        for _ in 0..100 {
            take(&mut log, "[h264 @ 0x1] [warning] mmco: unref short failure\n", now);
        }
        now += PERIOD;
        take(&mut log, &format!("[warning] {}\n", "x".repeat(10_000)), now);
        assert_eq!(lines.len(), 7, "{lines:?}");
        assert_eq!(
            lines[..3],
            [
                "INFO method DESCRIBE failed: 401 Unauthorized",
                "INFO Server returned 401",
                "DEBUG mmco: unref short failure",
            ]
        );
        assert!(lines[6].len() <= MAX_LINE_BYTES);
    }

    #[test]
    fn the_cause_of_an_input_output_error_is_the_line_before() {
        let url: CameraUrl = "rtsp://nowhere.invalid/live".parse().expect("an address");
        let mut log = FfmpegLog::default();
        let mut take = |text: &str| log.take(text.as_bytes(), &url, Instant::now(), &mut |_, _| ());
        take("[tcp @ 0x1] [error] Failed to resolve hostname nowhere.invalid: Name or service not known\n");
        take("[error] rtsp://nowhere.invalid/live: Input/output error\n");
        take("[fatal] Error opening input files: Input/output error\n");
        let cause = "Failed to resolve hostname nowhere.invalid: Name or service not known";
        assert_eq!(log.reason(), Some(cause));
    }

    #[test]
    fn the_first_error_is_the_reason_and_an_empty_one_is_none() {
        let url: CameraUrl = "rtsp://cam/live".parse().expect("an address");
        let mut log = FfmpegLog::default();
        let mut now = Instant::now();
        let mut take = |text: &str, now| log.take(text.as_bytes(), &url, now, &mut |_, _| ());
        take("[rtsp @ 0x1] [error] an error of an hour ago\n", now);
        now += Duration::from_hours(1);
        take("[matroska @ 0x1] [error] Timestamps are unset in a packet for stream 0.\n", now);
        take("[rtsp @ 0x1] [error] method SETUP failed: 461 Unsupported Transport\n", now);
        take("[error] Error opening input: Protocol not supported\n[error]\n[error] \n", now);
        assert_eq!(log.reason(), Some("method SETUP failed: 461 Unsupported Transport"));
    }

    #[test]
    fn a_corrected_timestamp_is_no_cause_of_an_ffmpeg_exit() {
        let url: CameraUrl = "rtsp://cam/live".parse().expect("an address");
        let mut log = FfmpegLog::default();
        let mut take = |text: &str| log.take(text.as_bytes(), &url, Instant::now(), &mut |_, _| ());
        take("[warning] the camera goes to sleep\n");
        take("[segment @ 0x1] [warning] Non-monotonous DTS in output stream 0:0; previous: 0, current: 0\n");
        assert_eq!(log.reason(), Some("the camera goes to sleep"));
    }
}

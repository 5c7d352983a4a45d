//! What ffmpeg says on its standard error: without secrets, without addresses of its memory, and not too much of it.

use std::time::{Duration, Instant};

use log::Level;

use super::url::CameraUrl;

/// A longer line is cut.
const MAX_LINE_BYTES: usize = 600;
/// So many lines are passed on in [`PERIOD`]; a broken stream has one for each frame.
const MAX_LINES: u32 = 5;
const PERIOD: Duration = Duration::from_secs(10);

/// How it begins that two frames had one time, of which it gives the second a later one: "-monotonous" or "-monotonic", no
/// reason for anything.
const OF_STAMPS: &str = "Non-monoton";

/// What ffmpeg says of a number of the system when it knows no more; the line before tells which name is not known.
const OF_NO_CAUSE: [&str; 2] = ["Input/output error", "Invalid argument"];

/// What one ffmpeg has said.
#[derive(Debug, Default)]
pub(super) struct Said {
    pending: Vec<u8>,
    last_error: Option<String>,
    last_line: Option<String>,
    period: Option<(Instant, u32)>,
}

impl Said {
    /// Why it has ended, if it has: the last error or, where there is none, the last that it said at all.
    pub(super) fn last_words(&self) -> Option<&str> {
        self.last_error.as_deref().or(self.last_line.as_deref())
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
        if text.starts_with(OF_STAMPS) {
            return;
        }
        let has_no_cause = OF_NO_CAUSE.iter().any(|end| text.ends_with(end));
        match level {
            Level::Error if has_no_cause && self.last_error.is_some() => {}
            Level::Error => self.last_error = Some(text),
            _ => self.last_line = Some(text),
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
    (level, if rest.is_empty() { line } else { rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ffmpeg_log_lines_are_redacted_and_cut() {
        let url: CameraUrl = "rtsp://admin:hunter2@cam/live".parse().expect("an address");
        let mut said = Said::default();
        let mut lines = Vec::new();
        let mut now = Instant::now();
        let mut take = |said: &mut Said, text: &str, now| {
            said.take(text.as_bytes(), &url, now, &mut |level, line| lines.push(format!("{level} {line}")));
        };
        take(&mut said, "[rtsp @ 0x55d0] [error] method DESCRIBE failed: 401 Unauth", now);
        take(&mut said, "orized\n[error] rtsp://admin:hunter2@cam/live: Server returned 401\n\n", now);
        assert_eq!(said.last_words(), Some("Server returned 401"));
        for _ in 0..100 {
            take(&mut said, "[h264 @ 0x1] [warning] mmco: unref short failure\n", now);
        }
        now += PERIOD;
        take(&mut said, &format!("[warning] {}\n", "x".repeat(10_000)), now);
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
        let mut said = Said::default();
        let mut take = |text: &str| said.take(text.as_bytes(), &url, Instant::now(), &mut |_, _| ());
        take("[tcp @ 0x1] [error] Failed to resolve hostname nowhere.invalid: Name or service not known\n");
        take("[error] rtsp://nowhere.invalid/live: Input/output error\n");
        take("[fatal] Error opening input files: Input/output error\n");
        let cause = "Failed to resolve hostname nowhere.invalid: Name or service not known";
        assert_eq!(said.last_words(), Some(cause));
    }

    #[test]
    fn a_corrected_timestamp_is_no_cause_of_an_ffmpeg_exit() {
        let url: CameraUrl = "rtsp://cam/live".parse().expect("an address");
        let mut said = Said::default();
        let mut take = |text: &str| said.take(text.as_bytes(), &url, Instant::now(), &mut |_, _| ());
        take("[warning] the camera goes to sleep\n");
        take("[segment @ 0x1] [warning] Non-monotonous DTS in output stream 0:0; previous: 0, current: 0\n");
        assert_eq!(said.last_words(), Some("the camera goes to sleep"));
    }
}

//! What ffmpeg tells on its standard output: where it is (`-progress`), and which segments are complete
//! (`-segment_list`), mixed line by line.
//!
//! ```text
//! frame=75
//! fps=15.00
//! out_time=00:00:05.000000
//! dup_frames=0
//! drop_frames=0
//! progress=continue
//! .1795235400-0f3a9c12.mkv,0.000000,600.066000
//! ```
//!
//! Source: `print_report` of ffmpeg's `fftools/ffmpeg.c` and `segment_list_print_entry` of `libavformat/segment.c`. The
//! names are ours and need no quotes.

use std::time::Duration;

use super::name::OpenName;

/// A longer line is neither.
const MAX_LINE_BYTES: usize = 4096;

/// Where ffmpeg is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Frames so far; none are counted of what is only copied by versions about 7.
    pub frames: u64,
    /// How many times it told of new frames; where it counts none, of more time.
    pub steps: u64,
    /// Frames in a second, as ffmpeg counts since its start.
    pub fps: f64,
    /// How much has been recorded since the start.
    pub out_time: Duration,
    /// Frames written twice, to keep to a rate.
    pub dup_frames: u64,
    /// Frames left out.
    pub drop_frames: u64,
}

/// Something that ffmpeg has told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// Where it is.
    Progress(Progress),
    /// A segment is complete.
    Segment {
        /// Its hidden name.
        name: OpenName,
        /// How long it lasts.
        duration: Duration,
    },
}

/// Reads what comes through the pipe, in pieces of any length.
#[derive(Debug, Default)]
pub struct Reader {
    /// The beginning of a line.
    pending: Vec<u8>,
    /// The pending line is too long to be one of ours.
    is_overlong: bool,
    progress: Progress,
    /// What was told before, and whether frames are counted.
    before: Progress,
    counts: bool,
}

impl Reader {
    /// Takes the next piece and calls `each` with what it completes.
    pub fn take(&mut self, bytes: &[u8], mut each: impl FnMut(Event)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.extend(&rest[..end]);
            rest = &rest[end + 1..];
            if !self.is_overlong
                && let Some(event) = self.read()
            {
                each(event);
            }
            self.pending.clear();
            self.is_overlong = false;
        }
        self.extend(rest);
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.is_overlong |= self.pending.len() + bytes.len() > MAX_LINE_BYTES;
        if self.is_overlong {
            self.pending.clear();
        } else {
            self.pending.extend_from_slice(bytes);
        }
    }

    /// What the pending line means.
    fn read(&mut self) -> Option<Event> {
        let line = std::str::from_utf8(&self.pending).ok()?;
        if line.starts_with('.') {
            return segment(line);
        }
        let progress = &mut self.progress;
        let (key, value) = line.split_once('=')?;
        let value = value.trim();
        // What has no value yet is "N/A", and stays what it was.
        match key {
            "frame" => (progress.frames, self.counts) = (value.parse().unwrap_or(progress.frames), true),
            "fps" => {
                progress.fps =
                    value.parse().ok().filter(|fps: &f64| fps.is_finite() && *fps >= 0.0).unwrap_or(progress.fps);
            }
            // The others are not in every version, and one is called milliseconds and is not.
            "out_time" => progress.out_time = clock_time(value).unwrap_or(progress.out_time),
            "dup_frames" => progress.dup_frames = value.parse().unwrap_or(progress.dup_frames),
            "drop_frames" => progress.drop_frames = value.parse().unwrap_or(progress.drop_frames),
            "progress" => {
                let before = std::mem::replace(&mut self.before, *progress);
                let is_new =
                    if self.counts { progress.frames != before.frames } else { progress.out_time > before.out_time };
                progress.steps += u64::from(is_new);
                return Some(Event::Progress(*progress));
            }
            _ => {}
        }
        None
    }
}

/// `27:46:40.000001`; a time before the beginning is none.
fn clock_time(text: &str) -> Option<Duration> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':')?;
    let minutes = hours.parse::<u64>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)?;
    let seconds = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    Duration::from_secs(minutes.checked_mul(60)?).checked_add(seconds)
}

fn segment(line: &str) -> Option<Event> {
    let mut fields = line.trim_end().split(',');
    let name = fields.next()?.parse().ok()?;
    let mut seconds = || fields.next().and_then(|field| field.parse::<f64>().ok());
    let (start, end) = (seconds()?, seconds()?);
    Some(Event::Segment { name, duration: Duration::try_from_secs_f64(end - start).unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::name::{Container, Token};

    const SAID: &str = "frame=75\nfps=15.00\nstream_0_0_q=-1.0\nbitrate=N/A\ntotal_size=N/A\nout_time_us=5000000\n\
        out_time_ms=5000000\nout_time=00:00:05.000000\ndup_frames=1\ndrop_frames=2\nspeed=1.0x\nprogress=continue\n\
        .1795235400-0f3a9c12.mkv,0.500000,600.000000\nframe=80\nout_time_us=N/A\nfps=-nan\nprogress=end\n";

    fn events(pieces: &[&[u8]]) -> Vec<Event> {
        let mut reader = Reader::default();
        let mut events = Vec::new();
        for piece in pieces {
            reader.take(piece, |event| events.push(event));
        }
        events
    }

    #[test]
    fn progress_lines_and_segment_lines_are_distinguished() {
        let progress = Progress {
            frames: 75,
            steps: 1,
            fps: 15.0,
            out_time: Duration::from_secs(5),
            dup_frames: 1,
            drop_frames: 2,
        };
        let name =
            OpenName { epoch: 1_795_235_400, token: Token(0x0f3a_9c12), container: Container::Mkv, is_damaged: false };
        assert_eq!(
            events(&[SAID.as_bytes()]),
            [
                Event::Progress(progress),
                Event::Segment { name, duration: Duration::from_millis(599_500) },
                Event::Progress(Progress { frames: 80, steps: 2, ..progress }),
            ]
        );
    }

    /// The oldest tell it in `out_time_ms`, which are microseconds, and as a clock does.
    #[test]
    fn out_time_is_read_from_every_ffmpeg_version() {
        let time = |said: &str| match events(&[format!("{said}\nprogress=continue\n").as_bytes()])[..] {
            [Event::Progress(progress)] => progress.out_time,
            ref other => panic!("{other:?}"),
        };
        let oldest = "frame=75\nfps=15.0\nstream_0_0_q=-1.0\nbitrate=N/A\ntotal_size=N/A\nout_time_ms=5066000\n\
            out_time=00:00:05.066000\ndup_frames=0\ndrop_frames=0\nspeed=1.01x";
        assert_eq!(time(oldest), Duration::from_millis(5066));
        assert_eq!(time("out_time=27:46:40.000001"), Duration::from_micros(100_000_000_001));
        assert_eq!(time("out_time=00:00:01.500000\nout_time=N/A"), Duration::from_millis(1500));
        assert_eq!(time("out_time=-00:00:00.066000"), Duration::ZERO);
        assert_eq!(time("out_time=00:00\nout_time=x\nout_time=1:2:3:4\nout_time=\nout_time=::"), Duration::ZERO);
        assert_eq!(time("out_time=99999999999999999:00:00.0"), Duration::ZERO);
    }

    #[test]
    fn frames_that_are_not_counted_are_seen_by_their_time() {
        let steps = |said: &str| {
            let told = events(&[said.as_bytes()]);
            told.iter()
                .filter_map(|event| if let Event::Progress(it) = event { Some(it.steps) } else { None })
                .collect()
        };
        let counted: Vec<u64> = steps(
            "frame=0\nout_time=00:00:01.0\nprogress=continue\nframe=2\nprogress=continue\nframe=2\nout_time=00:00:02.0\n\
             progress=continue\n",
        );
        assert_eq!(counted, [0, 1, 1]);
        let not: Vec<u64> = steps(
            "out_time=N/A\nprogress=continue\nout_time=00:00:01.0\nprogress=continue\nout_time=00:00:01.0\n\
             progress=continue\nout_time=00:00:02.0\nprogress=end\n",
        );
        assert_eq!(not, [0, 1, 1, 2]);
    }

    #[test]
    fn an_endless_progress_line_is_bounded_in_memory() {
        let mut reader = Reader::default();
        for _ in 0..1000 {
            reader.take(&[b'x'; 4000], |_| panic!("nothing was told"));
            assert!(reader.pending.len() <= MAX_LINE_BYTES);
        }
        let mut told = 0;
        reader.take(b"\nprogress=continue\n", |_| told += 1);
        assert_eq!(told, 1);
    }

    proptest::proptest! {
        #[test]
        fn progress_is_read_in_any_chunks(cuts in proptest::collection::vec(0_usize..SAID.len(), 0..20)) {
            let mut cuts = cuts;
            cuts.extend([0, SAID.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &SAID.as_bytes()[pair[0]..pair[1]]).collect();
            proptest::prop_assert_eq!(events(&pieces), events(&[SAID.as_bytes()]));
        }

        #[test]
        fn any_progress_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = events(&[&bytes]);
        }
    }
}

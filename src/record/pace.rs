//! Whether the time in a stream goes as time goes. Pure.
//!
//! Frames are stamped by our clock, or by the camera's with `wallclock = false`, and each of them may be set. Set forward
//! it leaves a hole in the segment, as long as what it was set by. Set back, ffmpeg writes all frames until the old time
//! is reached again as if they were one: an hour of them in half a minute. A new ffmpeg begins with the new time.

use std::time::Duration;

use super::progress::Progress;

/// A hole that is not worth a new beginning, which costs seconds too.
const LEAST_LEAP: Duration = Duration::from_secs(5);
/// At the beginning ffmpeg catches up: it has looked at the stream for some seconds before it writes. That is over after so
/// many reports.
const SETTLING: u32 = 3;
const LEAST_LEAP_AT_FIRST: Duration = Duration::from_secs(30);
/// Frames nearer to each other than this have no time of their own.
const LEAST_STEP: Duration = Duration::from_millis(2);
/// From one frame to the next, about.
const FRAME_MILLIS: u128 = 40;
/// So many reports in a row of such frames are no jitter.
const SQUEEZED: u32 = 2;

/// What has become of the clock that stamps a camera's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leap {
    /// It was set forward, by so much.
    Forward(Duration),
    /// It was set back.
    Back,
}

/// The time in the stream of one ffmpeg.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// When frames were last told of, and how far they went.
    last: Option<(Duration, Progress)>,
    reports: u32,
    squeezed: u32,
}

impl Pace {
    /// ffmpeg tells where it is. `at` is any clock that is never set.
    pub fn tell(&mut self, at: Duration, progress: Progress) -> Option<Leap> {
        let Some((last_at, last)) = self.last else {
            self.last = Some((at, progress));
            return None;
        };
        if progress.steps == last.steps {
            return None;
        }
        self.last = Some((at, progress));
        self.reports = self.reports.saturating_add(1);
        let (passed, recorded) = (at.saturating_sub(last_at), progress.out_time.saturating_sub(last.out_time));
        // Where frames are not counted there were about as many as of other cameras.
        let frames = match progress.frames {
            0 => u64::try_from(passed.as_millis() / FRAME_MILLIS).unwrap_or(u64::MAX),
            frames => frames.saturating_sub(last.frames),
        };
        let their_own = LEAST_STEP.saturating_mul(u32::try_from(frames).unwrap_or(u32::MAX));
        self.squeezed = if recorded < their_own { self.squeezed + 1 } else { 0 };
        let ahead = recorded.saturating_sub(passed);
        let least_leap = if self.reports <= SETTLING { LEAST_LEAP_AT_FIRST } else { LEAST_LEAP };
        match () {
            () if self.squeezed >= SQUEEZED => Some(Leap::Back),
            () if ahead >= least_leap => Some(Leap::Forward(ahead)),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The result for reports of frames so far, and of seconds of video, each two seconds after the one before.
    fn told(reports: &[(u64, f64)]) -> Vec<Leap> {
        all_told(reports, true)
    }

    /// As of a camera that is even, or not.
    fn all_told(reports: &[(u64, f64)], is_even: bool) -> Vec<Leap> {
        let (mut pace, mut not_counted) = (Pace::default(), Pace::default());
        let each = reports.iter().enumerate().filter_map(|(n, (frames, out))| {
            let out_time = Duration::from_secs_f64(*out);
            let steps = frames.max(&1) - 1;
            let told = Progress { frames: *frames, steps, out_time, ..Progress::default() };
            let at = Duration::from_secs(2 * n as u64);
            let counted = pace.tell(at, told);
            let leap = not_counted.tell(at, Progress { frames: 0, ..told });
            assert!(counted == leap || !is_even, "{counted:?} or {leap:?} where frames are not counted");
            counted
        });
        each.collect()
    }

    /// As ffmpeg begins with a camera.
    const BEGINNING: [(u64, f64); 4] = [(1, 0.001), (54, 3.466), (85, 5.533), (116, 7.601)];

    #[test]
    fn a_clock_change_is_detected() {
        let with = |more: &[(u64, f64)]| told(&[&BEGINNING, more].concat());
        assert_eq!(with(&[(146, 9.6), (176, 11.6)]), []);
        let hole = Duration::from_millis(3_600_002);
        assert_eq!(with(&[(146, 3609.603), (176, 3611.604)]), [Leap::Forward(hole)]);
        let at_once = hole + Duration::from_millis(66);
        assert_eq!(told(&[(1, 0.001), (54, 3.466), (85, 3605.534)]), [Leap::Forward(at_once)]);
        assert_eq!(with(&[(145, 7.761), (176, 7.792), (207, 7.823)]), [Leap::Back]);
    }

    #[test]
    fn a_paused_camera_is_no_clock_change() {
        let with = |more: &[(u64, f64)]| told(&[&BEGINNING, more].concat());
        // Nothing for ten seconds, and then all that was kept, stamped as it came.
        assert_eq!(with(&[(116, 7.6), (116, 7.6), (116, 7.6), (116, 7.6), (266, 17.6), (296, 19.6)]), []);
        // A second of frames at once.
        assert_eq!(with(&[(131, 7.63), (176, 11.6)]), []);
    }

    proptest! {
        /// Slow, fast, in bursts, after pauses, with a clock that runs wrong: as long as it runs.
        #[test]
        fn clock_drift_is_no_clock_change(
            per_report in prop::collection::vec(0_u32..200, 1..50),
            rate in 0.5_f64..200.0,
            wrong in 0.5_f64..1.05,
        ) {
            let (mut frames, mut reports) = (0, Vec::new());
            for (n, more) in (0_u32..).zip(per_report) {
                frames += more;
                // What came was stamped when it was taken, at the latest now.
                let out = (f64::from(frames) / rate).min(f64::from(2 * n)) * wrong;
                reports.push((u64::from(frames), out));
            }
            prop_assert_eq!(all_told(&reports, false), []);
        }
    }
}

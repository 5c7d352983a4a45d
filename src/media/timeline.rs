//! Lays the time stamps of a source onto our own clock. Pure.
//!
//! Inside a segment times follow the camera's stamps, so frames are as even as the camera took them. Our clock comes in where
//! the two part: a camera's clock that drifts is followed slowly, one that leaps is laid anew from where it leapt. The
//! network only ever delays: of the frames of some seconds the one that came soonest says how the clocks stand.

/// A stamp that is so far from what our clock says, from one packet to the next, was set.
const LEAP_NS: i64 = 400_000_000;
/// Frames that come faster than they were taken, as from a server that sends what it has kept, may be so far ahead.
const MOST_AHEAD_NS: i64 = 10_000_000_000;
/// B-frames go back by so much at most: what goes back further was set.
const MOST_BACK_NS: i64 = 500_000_000;
/// Over so long the packet that came soonest is looked for.
const WINDOW_NS: i64 = 10_000_000_000;
/// A difference of the clocks that is smaller is the network's.
const TOLERANCE_NS: i64 = 20_000_000;
/// When every frame of a window came later than this, the clocks have parted further than the slow way mends.
const MOST_LATE_NS: i64 = 450_000_000;
/// The slow way: a two-hundredth of the time that passes, more than any clock drifts.
const SLEW_DIVISOR: i64 = 200;

/// How the stamps of one source, whose tracks count from one zero, lie on our clock: the first track that comes lays all. All times are in nanoseconds; ours count from any fixed instant.
#[derive(Debug, Default)]
pub struct Timeline {
    tracks: Vec<Option<Clock>>,
    /// What is still to be added, slowly, to follow a drift.
    slew_ns: i64,
    window: Option<Window>,
}

/// The clock of one track.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_field_names, reason = "units stand in names")]
struct Clock {
    /// Added to a stamp it gives our time.
    offset_ns: i64,
    /// The latest time that was given.
    latest_ns: i64,
    arrived_ns: i64,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began_ns: i64,
    least_late_ns: i64,
}

impl Timeline {
    /// When a packet was taken, by our clock, from its stamp and its arrival. `leads` is whether it is of the track that
    /// says how the clocks stand: the video.
    pub fn place(&mut self, track: usize, leads: bool, pts_ns: i64, arrived_ns: i64) -> i64 {
        if self.tracks.len() <= track {
            self.tracks.resize(track + 1, None);
        }
        let Some(clock) = self.tracks[track] else {
            let shared = self.tracks.iter().flatten().next();
            let offset_ns = shared.map_or(arrived_ns.saturating_sub(pts_ns), |clock| clock.offset_ns);
            let at_ns = pts_ns.saturating_add(offset_ns);
            self.tracks[track] = Some(Clock { offset_ns, latest_ns: at_ns, arrived_ns });
            return at_ns;
        };
        let at_ns = pts_ns.saturating_add(clock.offset_ns);
        let step_ns = at_ns.saturating_sub(clock.latest_ns);
        let waited_ns = arrived_ns - clock.arrived_ns;
        let ahead_ns = at_ns.saturating_sub(arrived_ns);
        let has_leapt_ahead = step_ns.saturating_sub(waited_ns) > LEAP_NS && ahead_ns > LEAP_NS;
        if has_leapt_ahead || ahead_ns > MOST_AHEAD_NS || step_ns < -MOST_BACK_NS {
            return self.lay(track, pts_ns, arrived_ns.max(clock.latest_ns + 1_000_000), arrived_ns);
        }
        self.tracks[track] = Some(Clock { latest_ns: at_ns.max(clock.latest_ns), arrived_ns, ..clock });
        if leads && let Some(late_ns) = self.follow(at_ns, arrived_ns, waited_ns) {
            self.move_by(late_ns);
            return at_ns + late_ns;
        }
        at_ns
    }

    /// How much the times of the next segment are to move, by the soonest packet of the window: 0 for what the slow way mends.
    #[must_use]
    pub fn correction_ns(&self) -> i64 {
        let late_ns = self.window.map_or(self.slew_ns, |window| window.least_late_ns);
        if late_ns.abs() < MOST_LATE_NS / 2 { 0 } else { late_ns }
    }

    /// Moves the times by the [correction](Self::correction_ns), as a segment ends: inside one they follow the camera's stamps.
    pub fn settle(&mut self) -> i64 {
        let late_ns = self.correction_ns();
        if late_ns != 0 {
            self.move_by(late_ns);
            self.slew_ns = 0;
            self.window = None;
        }
        late_ns
    }

    /// Follows a drift. Says by how much the clocks have parted where that is too much for the slow way.
    fn follow(&mut self, at_ns: i64, arrived_ns: i64, waited_ns: i64) -> Option<i64> {
        let late_ns = arrived_ns - at_ns;
        let step_ns = self.slew_ns.clamp(-waited_ns.max(0) / SLEW_DIVISOR, waited_ns.max(0) / SLEW_DIVISOR);
        self.slew_ns -= step_ns;
        self.move_by(step_ns);
        let window = self.window.get_or_insert(Window { began_ns: arrived_ns, least_late_ns: late_ns });
        window.least_late_ns = window.least_late_ns.min(late_ns);
        if arrived_ns - window.began_ns < WINDOW_NS {
            return None;
        }
        let least_ns = self.window.take()?.least_late_ns;
        self.slew_ns = if least_ns.abs() > TOLERANCE_NS { least_ns } else { 0 };
        (least_ns > MOST_LATE_NS).then(|| {
            self.slew_ns = 0;
            least_ns
        })
    }

    fn move_by(&mut self, step_ns: i64) {
        for clock in self.tracks.iter_mut().flatten() {
            clock.offset_ns += step_ns;
            clock.latest_ns += step_ns;
        }
    }

    fn lay(&mut self, track: usize, pts_ns: i64, at_ns: i64, arrived_ns: i64) -> i64 {
        self.tracks[track] = Some(Clock { offset_ns: at_ns.saturating_sub(pts_ns), latest_ns: at_ns, arrived_ns });
        self.window = None;
        at_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const S: i64 = 1000 * MS;
    const FRAME: i64 = 66_666_667;

    /// The largest difference between when frames were taken and the times that they get, in milliseconds.
    fn worst(frames: impl Iterator<Item = (i64, i64, i64)>) -> i64 {
        let mut timeline = Timeline::default();
        frames
            .map(|(pts, taken, arrived)| (timeline.place(0, true, pts, arrived) - taken).abs() / MS)
            .max()
            .unwrap_or(0)
    }

    /// Taken, and arrived up to 90 ms later by a pattern that has no order.
    fn taken(n: i64) -> (i64, i64) {
        (n * FRAME, n * FRAME + n * 7919 % 90 * MS)
    }

    #[test]
    fn stamps_inside_follow_the_camera_exactly_whatever_the_network_does() {
        let mut timeline = Timeline::default();
        let placed: Vec<i64> = (0..140).map(|n| timeline.place(0, true, n * FRAME, taken(n).1)).collect();
        assert!(placed.windows(2).all(|pair| pair[1] - pair[0] == FRAME), "{placed:?}");
    }

    #[test]
    fn a_drift_of_one_in_a_thousand_is_followed_both_ways() {
        for sign in [-1, 1] {
            let frames = (0..54_000).map(|n| (n * FRAME + sign * n * FRAME / 1000, taken(n).0, taken(n).1));
            assert!(worst(frames) < 200, "{sign}");
        }
    }

    #[test]
    fn a_leap_of_the_camera_clock_shifts_nothing() {
        for leap in [3600 * S, -3600 * S, 47_000 * S, 2 * S, -2 * S] {
            let frames = (0..3000).map(|n| (n * FRAME + if n > 1000 { leap } else { 0 }, taken(n).0, taken(n).1));
            assert!(worst(frames) < 300, "{leap}");
        }
    }

    #[test]
    fn frames_that_the_network_held_back_keep_their_times() {
        // Five seconds of nothing, then all at once.
        let arrived = |n: i64| if (300..375).contains(&n) { 375 * FRAME } else { n * FRAME };
        assert_eq!(worst((0..2000).map(|n| (n * FRAME, n * FRAME, arrived(n)))), 0);
    }

    #[test]
    fn a_burst_at_the_start_is_even_and_settles_at_the_next_segment() {
        // A server sends two seconds that it has kept at once.
        let mut timeline = Timeline::default();
        let arrived = |n: i64| (n - 30).max(0) * FRAME;
        let placed: Vec<i64> = (0..200).map(|n| timeline.place(0, true, n * FRAME, arrived(n))).collect();
        assert!(placed[..100].windows(2).all(|pair| (pair[1] - pair[0] - FRAME).abs() < MS), "{placed:?}");
        timeline.settle();
        let at = timeline.place(0, true, 200 * FRAME, arrived(200));
        assert!((at - arrived(200)).abs() < 20 * MS, "{}", at - arrived(200));
    }

    #[test]
    fn a_late_track_lies_where_the_first_one_says() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.place(0, true, 5 * S, 100 * S), 100 * S);
        assert_eq!(timeline.place(1, false, 6 * S, 105 * S), 101 * S, "late, and not later");
    }

    #[test]
    fn b_frames_go_back_without_a_leap() {
        let order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8];
        let mut timeline = Timeline::default();
        for (n, frame) in order.into_iter().enumerate() {
            let arrived = i64::try_from(n).unwrap_or(0) * FRAME;
            assert_eq!(timeline.place(0, true, frame * FRAME, arrived), frame * FRAME);
        }
    }
}

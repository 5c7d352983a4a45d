//! Audio in step with video: their RTP stamps count from zeros of their own. Pure.
//!
//! A server's reports say which stamps of the two belong together. Until it has sent some, the order of the packets does: what
//! is sent between two frames was taken between them, as nearly as anything can tell. When a packet was read says less, for
//! many are read at once.
//!
//! What is learnt later moves the audio slowly, so that its times never go back and nothing of it is left out.

/// What is nearer than this is in step.
const TOLERANCE_NS: i64 = 10_000_000;
/// Reports that are further than this from the order of the packets are wrong: cameras send the clock of another track, or
/// none.
const OUT_OF_REASON_NS: i64 = 5_000_000_000;
/// So much audio is looked at for the order of its packets.
const WINDOW_NS: i64 = 4_000_000_000;
/// Of the time that passes, a twentieth: half a second is made up in ten.
const SLEW_DIVISOR: i64 = 20;

/// How the audio of a session lies beside its video. All stamps are in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct InStep {
    /// The latest frame. Those that are shown earlier come behind the one that they refer to.
    video_ns: Option<i64>,
    /// The latest audio.
    audio_ns: Option<i64>,
    /// Added to the stamps of audio, it counts them from the zero of the video.
    shift_ns: Option<i64>,
    /// What it should be.
    wanted_ns: Option<i64>,
    /// The server's clock less the stamps, of video and of audio.
    reported_ns: [Option<i128>; 2],
    window: Option<Window>,
}

/// What the order of packets says of the shift.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "units stand in names")]
struct Window {
    began_ns: i64,
    /// It is at least this, for audio came behind a frame,
    least_ns: i64,
    /// and at most this, for a frame came behind audio.
    most_ns: i64,
}

impl InStep {
    /// A packet of video with this stamp has come.
    pub(super) fn video(&mut self, pts_ns: i64) {
        let is_old = self.video_ns.is_some_and(|latest| (latest - OUT_OF_REASON_NS..=latest).contains(&pts_ns));
        if is_old {
            return;
        }
        self.video_ns = Some(pts_ns);
        if let (Some(window), Some(audio_ns)) = (&mut self.window, self.audio_ns) {
            window.most_ns = window.most_ns.min(pts_ns.saturating_sub(audio_ns));
        }
    }

    /// Where the audio with this stamp lies, by the stamps of the video; none before there is video.
    pub(super) fn audio(&mut self, pts_ns: i64) -> Option<i64> {
        let order_ns = self.video_ns?.saturating_sub(pts_ns);
        let passed_ns = self.audio_ns.map_or(0, |before| pts_ns.saturating_sub(before)).max(0);
        self.audio_ns = Some(pts_ns);
        self.look_at_order(pts_ns, order_ns);
        let wanted_ns = self.reported(order_ns).or(self.wanted_ns);
        let shift_ns = match (self.shift_ns, wanted_ns) {
            (None, wanted_ns) => wanted_ns.unwrap_or(order_ns),
            (Some(shift_ns), Some(wanted_ns)) if (wanted_ns - shift_ns).abs() > TOLERANCE_NS => {
                let most_ns = passed_ns / SLEW_DIVISOR;
                shift_ns + (wanted_ns - shift_ns).clamp(-most_ns, most_ns)
            }
            (Some(shift_ns), _) => shift_ns,
        };
        self.shift_ns = Some(shift_ns);
        Some(pts_ns.saturating_add(shift_ns))
    }

    /// A report of the server: its clock less the stamps of a track.
    pub(super) fn report(&mut self, is_video: bool, difference_ns: i128) {
        self.reported_ns[usize::from(!is_video)] = Some(difference_ns);
    }

    /// Audio stamp + audio difference = the server's time = video stamp + video difference.
    fn reported(&self, order_ns: i64) -> Option<i64> {
        let [Some(video), Some(audio)] = self.reported_ns else { return None };
        let shift_ns = i64::try_from(audio - video).ok()?;
        (shift_ns.saturating_sub(order_ns).saturating_abs() < OUT_OF_REASON_NS).then_some(shift_ns)
    }

    fn look_at_order(&mut self, pts_ns: i64, order_ns: i64) {
        let window = self.window.get_or_insert(Window { began_ns: pts_ns, least_ns: order_ns, most_ns: i64::MAX });
        window.least_ns = window.least_ns.max(order_ns);
        if (0..WINDOW_NS).contains(&pts_ns.saturating_sub(window.began_ns)) {
            return;
        }
        let Some(window) = self.window.take() else { return };
        // Stamps that have leapt say nothing.
        let width_ns = window.most_ns.saturating_sub(window.least_ns);
        if width_ns.saturating_abs() < WINDOW_NS {
            self.wanted_ns = Some(window.least_ns + width_ns / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// The largest error, in milliseconds, of audio of 20 ms beside video of 40 ms, from `since` on: the zero of the audio is
    /// 70 s off, and it is sent `late` behind the video.
    fn worst(since: i64, late: i64, reports_at: Option<i64>) -> i64 {
        let (mut step, mut worst, mut before) = (InStep::default(), 0, i64::MIN);
        for now in 0..30_000 {
            if now % 40 == 0 {
                step.video(now * MS);
            }
            if reports_at == Some(now) {
                step.report(true, 0);
                step.report(false, i128::from(-70_000 * MS));
            }
            if now >= late && (now - late) % 20 == 0 {
                let taken = now - late;
                if let Some(at) = step.audio((taken + 70_000) * MS) {
                    assert!(at > before, "{taken}: goes back");
                    before = at;
                    if taken >= since {
                        worst = worst.max((at / MS - taken).abs());
                    }
                }
            }
        }
        worst
    }

    #[test]
    fn without_reports_the_order_of_packets_lays_audio() {
        assert!(worst(0, 0, None) <= 40, "{}", worst(0, 0, None));
        assert!(worst(5000, 10, None) <= 20, "{}", worst(5000, 10, None));
    }

    #[test]
    fn sender_reports_lay_audio_that_is_sent_late() {
        assert_eq!(worst(0, 500, Some(0)), 0);
        assert!(worst(15_000, 500, Some(3000)) <= 10, "{}", worst(15_000, 500, Some(3000)));
    }

    #[test]
    fn sender_reports_that_make_no_sense_are_ignored() {
        let mut step = InStep::default();
        step.report(true, 0);
        step.report(false, 1 << 80);
        step.video(5000 * MS);
        assert_eq!(step.audio(1000 * MS), Some(5000 * MS));
        step.report(false, i128::from(3_600_000 * MS));
        assert_eq!(step.audio(1020 * MS), Some(5020 * MS));
    }

    #[test]
    fn audio_before_all_video_has_no_place() {
        assert_eq!(InStep::default().audio(7), None);
    }
}

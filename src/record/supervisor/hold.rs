//! No ffmpeg opens its first segment right at a mark.
//!
//! It cuts a moment after each mark and calls its segments by the second. One that it opened in that moment would be cut in the
//! same second, and overwritten by the next. When an ffmpeg opens its first segment the camera decides; so those that may be
//! about to are held over each mark, for a tenth of a second, in which the kernel takes what the camera sends.

use std::time::{Duration, Instant};

use super::timers::Timer;
use super::{Supervisor, clock};
use crate::record::mark::{CUT_AFTER, until_mark};

/// From so long before a mark.
const FROM: Duration = Duration::from_millis(70);
/// Until so long after it.
const UNTIL: Duration = CUT_AFTER.saturating_add(Duration::from_millis(10));

impl Supervisor<'_> {
    /// Looks after a camera's ffmpeg that has told of no frame yet: holds it when a mark is about to come.
    pub(super) fn hold(&mut self, number: u64, generation: u64, now: Instant) {
        if !self.is_current(number, generation) {
            return;
        }
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let (zone, segment) = (recorder.camera.zone, recorder.camera.segment);
        let Some(segmenter) = recorder.segmenter() else { return };
        segmenter.release();
        if segmenter.has_begun() || segmenter.ending().is_some() {
            return;
        }
        let left = until_mark(clock().with_timezone(&zone).time(), segment);
        let again = left.checked_sub(FROM).filter(|rest| !rest.is_zero()).unwrap_or_else(|| {
            segmenter.hold();
            left + UNTIL
        });
        self.timers.at(now + again, Timer::Hold(number, generation));
    }
}

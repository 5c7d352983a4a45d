//! No ffmpeg opens its first segment right at a mark.
//!
//! It cuts a moment after each mark and calls its segments by the second. One that it opened in that moment would be cut in the
//! same second, and overwritten by the next. When an ffmpeg opens its first segment the camera decides; so those that may be
//! about to are held over each mark, for a tenth of a second, in which the kernel takes what the camera sends.

use std::time::Instant;

use super::timers::Timer;
use super::{Supervisor, clock};
use crate::record::mark;

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
        let (is_held, again) = mark::hold(clock().with_timezone(&zone).time(), segment);
        if is_held {
            segmenter.hold();
        }
        self.timers.at(now + again, Timer::Hold(number, generation));
    }
}

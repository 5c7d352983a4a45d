//! Time stamps of 32 bits as ticks that go on.

/// Unwraps time stamps: each is taken as the nearest to the one before, so B-frames go back, a wrap goes on, and a leap of
/// the camera's clock is a leap of less than 2³¹ ticks.
#[derive(Debug, Default)]
pub(super) struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    /// The ticks of the next time stamp.
    pub(super) fn next(&mut self, timestamp: u32) -> i64 {
        let ticks = self.nearest(timestamp).unwrap_or_else(|| timestamp.into());
        self.last = Some(ticks);
        ticks
    }

    /// The ticks that were given last.
    pub(super) fn latest(&self) -> Option<i64> {
        self.last
    }

    /// The ticks of a time stamp of another kind of packet; `None` before the first of this stream.
    pub(super) fn nearest(&self, timestamp: u32) -> Option<i64> {
        let last = self.last?;
        // The low half of the last is what its time stamp was.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low half is meant")]
        let difference = timestamp.wrapping_sub(last as u32).cast_signed();
        Some(last.saturating_add(difference.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_wrap_and_go_back() {
        let mut unwrapper = Unwrapper::default();
        let ticks = [u32::MAX - 9, 5, u32::MAX, 15].map(|timestamp| unwrapper.next(timestamp));
        assert_eq!(ticks, [(1 << 32) - 10, (1 << 32) + 5, (1 << 32) - 1, (1 << 32) + 15]);
        assert_eq!(unwrapper.nearest(5), Some((1 << 32) + 5));
    }
}

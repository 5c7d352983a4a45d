//! The samples of a track as an index keeps them: equal ones in a row are one entry.

/// One sample of a fragment.
pub(super) struct Sample {
    /// In ticks of the track.
    pub(super) dts: i64,
    /// In ticks of the track.
    pub(super) duration: u32,
    /// From the decoding time to the presentation time.
    pub(super) offset: i32,
    pub(super) is_key: bool,
    pub(super) data: Vec<u8>,
}

/// Values in order, equal ones in a row counted.
pub(super) struct Runs<T>(Vec<(u32, T)>);

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + PartialEq> Runs<T> {
    pub(super) fn push(&mut self, value: T) {
        match self.0.last_mut() {
            Some((count, last)) if *last == value && *count < u32::MAX => *count += 1,
            _ => self.0.push((1, value)),
        }
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (u32, T)> {
        self.0.iter().copied()
    }
}

/// Every sample of a track, as far as they are in fragments.
#[derive(Default)]
pub(super) struct Samples {
    pub(super) first_dts: i64,
    last_dts: i64,
    pub(super) sizes: Vec<u32>,
    /// Of all but the last.
    pub(super) durations: Runs<u32>,
    pub(super) offsets: Runs<i32>,
    /// Numbers of the key frames, from 1.
    pub(super) keys: Vec<u32>,
    /// Where each chunk begins in the file.
    pub(super) chunks: Vec<u64>,
    /// How many samples each holds.
    pub(super) in_chunks: Runs<u32>,
}

impl Samples {
    /// Adds the samples of a fragment, which stand at `place` in the file one behind the other.
    pub(super) fn add(&mut self, place: u64, samples: &[Sample]) {
        self.chunks.push(place);
        self.in_chunks.push(super::count(samples.len()));
        for sample in samples {
            if self.sizes.is_empty() {
                self.first_dts = sample.dts;
            } else {
                self.durations.push(u32::try_from(sample.dts - self.last_dts).unwrap_or(u32::MAX));
            }
            self.last_dts = sample.dts;
            self.sizes.push(super::count(sample.data.len()));
            self.offsets.push(sample.offset);
            // All audio is.
            if sample.is_key {
                self.keys.push(super::count(self.sizes.len()));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// From the first to the last.
    pub(super) fn span_ticks(&self) -> u64 {
        u64::try_from(self.last_dts - self.first_dts).unwrap_or(0)
    }

    /// By how much decoding must begin earlier, so that no frame is shown before it is decoded.
    pub(super) fn delay_ticks(&self) -> u32 {
        self.offsets.iter().map(|(_, offset)| offset).min().unwrap_or(0).min(0).unsigned_abs()
    }
}

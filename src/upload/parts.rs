//! The parts of a multipart upload. Pure.
//!
//! They depend on the file's size alone, so that any later pass, even without the journal, makes the same parts and
//! knows the expected ETag of the object. Where a server refuses parts of that size, the journal has another one.

use std::num::NonZeroU32;

/// The smallest part of S3, but for the last.
const MIN_PART_BYTES: u64 = 5 << 20;
/// The usual part, and the smallest file that is sent in parts.
const PART_BYTES: u64 = 16 << 20;
/// The largest number of parts that S3 accepts.
const MAX_PARTS: u64 = 10_000;
const MIB: u64 = 1 << 20;
/// The largest object of S3.
pub const MAX_BYTES: u64 = 5 << 40;

/// A range of a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Its first byte.
    pub start: u64,
    /// How long it is.
    pub len: u64,
}

/// A file cut into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    size: u64,
    part_bytes: u64,
}

impl Cut {
    /// The parts of a file of this size; none where it is sent in one request.
    #[must_use]
    pub fn of(size: u64) -> Option<Self> {
        let part_bytes = PART_BYTES.max(size.div_ceil(MAX_PARTS).next_multiple_of(MIB));
        (size >= PART_BYTES).then_some(Self { size, part_bytes })
    }

    /// Parts as small as S3 allows, for a server or a proxy that refuses larger requests; none where the file is one of them.
    #[must_use]
    pub fn small(size: u64) -> Option<Self> {
        let part_bytes = MIN_PART_BYTES.max(size.div_ceil(MAX_PARTS).next_multiple_of(MIB));
        (size > part_bytes).then_some(Self { size, part_bytes })
    }

    /// Parts of this size; none where they would be too many.
    #[must_use]
    pub fn of_part_bytes(size: u64, part_bytes: u64) -> Option<Self> {
        (part_bytes >= MIN_PART_BYTES && size.div_ceil(part_bytes) <= MAX_PARTS).then_some(Self { size, part_bytes })
    }

    /// The size of every part but the last.
    #[must_use]
    pub fn part_bytes(self) -> u64 {
        self.part_bytes
    }

    /// The parts of a file of this size, given their size and number; none if these do not fit.
    #[must_use]
    pub fn with_part_bytes(size: u64, part_bytes: u64, parts: u32) -> Option<Self> {
        let cut = Self { size, part_bytes };
        (part_bytes > 0 && size > 0 && cut.count() == parts).then_some(cut)
    }

    /// The number of parts.
    #[must_use]
    pub fn count(self) -> u32 {
        u32::try_from(self.size.div_ceil(self.part_bytes)).unwrap_or(u32::MAX)
    }

    /// The range of a part; they are numbered from 1.
    #[must_use]
    pub fn range(self, number: NonZeroU32) -> Range {
        let start = (u64::from(number.get()) - 1).saturating_mul(self.part_bytes).min(self.size);
        Range { start, len: (self.size - start).min(self.part_bytes) }
    }

    /// All parts.
    pub fn numbers(self) -> impl Iterator<Item = NonZeroU32> {
        (1..=self.count()).filter_map(NonZeroU32::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_sizes_satisfy_the_limits_of_s3() {
        for size in [0, 1, PART_BYTES - 1] {
            assert_eq!(Cut::of(size), None, "{size}");
        }
        for size in [PART_BYTES, PART_BYTES + 1, 30 * MIB, 200 << 30, (200 << 30) + 1, MAX_BYTES] {
            let cut = Cut::of(size).expect("in parts");
            assert!(u64::from(cut.count()) <= MAX_PARTS, "{size}");
            let mut end = 0;
            for number in cut.numbers() {
                let range = cut.range(number);
                assert_eq!(range.start, end, "{size}");
                assert!(range.len >= 5 * MIB || number.get() == cut.count(), "{size}: {range:?}");
                assert!((1..=5 << 30).contains(&range.len), "{size}: {range:?}");
                end += range.len;
            }
            assert_eq!(end, size);
        }
    }

    #[test]
    fn small_parts_satisfy_the_limits_of_s3() {
        assert_eq!(Cut::small(5 << 20), None);
        for size in [(5 << 20) + 1, 12 << 20, 200 << 30, MAX_BYTES] {
            let cut = Cut::small(size).expect("in parts");
            assert!(u64::from(cut.count()) <= MAX_PARTS && cut.part_bytes() >= 5 << 20, "{size}");
            assert_eq!(Cut::of_part_bytes(size, cut.part_bytes()), Some(cut));
        }
        assert_eq!((Cut::of_part_bytes(1 << 30, 1), Cut::of_part_bytes(MAX_BYTES, 5 << 20)), (None, None));
    }

    #[test]
    fn part_sizes_of_other_tools_are_recognized() {
        let cut = Cut::with_part_bytes(30 * MIB, 8 * MIB, 4).expect("8, 8, 8, 6");
        assert_eq!(cut.range(NonZeroU32::new(4).expect("4")), Range { start: 24 * MIB, len: 6 * MIB });
        assert_eq!(Cut::with_part_bytes(30 * MIB, 8 * MIB, 3), None);
        assert_eq!(Cut::with_part_bytes(30 * MIB, 0, 3), None);
    }
}

//! The disk guard: whether there is space for the next write. It decides from numbers.

use std::path::Path;

use crate::error::{At, Error, Result};
use crate::units::ByteSize;

/// The disk under a destination, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total: u64,
    /// The free bytes, including those reserved for root.
    pub free: u64,
    /// The free bytes that this user may use.
    pub available: u64,
}

impl Space {
    /// Asks the file system of `path`.
    pub fn of(path: &Path) -> Result<Self> {
        let stats = fs2::statvfs(path).at("read the free space of", path)?;
        Ok(Self { total: stats.total_space(), free: stats.free_space(), available: stats.available_space() })
    }

    fn used(self) -> u64 {
        self.total.saturating_sub(self.free)
    }

    /// The divisor of `df`: blocks reserved for root are neither used nor available.
    fn usable(self) -> u64 {
        self.used() + self.available
    }

    /// The used part, 0 to 1, as `df` counts it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people and metrics")]
    pub fn used_ratio(self) -> f64 {
        if self.usable() == 0 { 1.0 } else { self.used() as f64 / self.usable() as f64 }
    }
}

/// A used part in percent, as `df` prints it: rounded up.
#[must_use]
pub fn percent(used_ratio: f64) -> f64 {
    // A whole number stays as it is, however the ratio was rounded.
    (used_ratio * 100.0 - 1e-9).ceil().max(0.0)
}

/// How full a disk may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guard {
    /// `--max-used-disk`, in percent as `df` counts it.
    pub max_used_percent: Option<u8>,
    /// `--min-free`.
    pub min_free: Option<ByteSize>,
}

/// `--when-full`, and `when_full` of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum WhenFull {
    /// Stop writing, and log how much space is missing.
    #[default]
    Stop,
    /// Remove the oldest recordings for newer ones.
    DeleteOldest,
}

/// Why there is no space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The numbers, for people.
    pub reason: String,
    /// How many more bytes must be free.
    pub missing: u64,
    /// The option that requires it; none where the disk is simply full.
    pub option: Option<&'static str>,
}

impl Shortage {
    /// The error that ends a pass for this shortage at `path`.
    #[must_use]
    pub fn into_error(self, path: &Path) -> Error {
        Error::DiskFull {
            path: path.to_owned(),
            reason: self.reason,
            missing: ByteSize(self.missing),
            option: self.option,
        }
    }
}

impl Guard {
    /// Whether an empty disk would satisfy the guard. If not, removing footage for it would end with none left.
    #[must_use]
    pub fn can_be_met(&self, space: Space) -> bool {
        self.min_free.is_none_or(|min_free| min_free.0 < space.usable())
    }

    /// What is missing before `need` more bytes may be written; `None` when there is space.
    #[must_use]
    pub fn shortage(&self, space: Space, need: u64) -> Option<Shortage> {
        if let Some(most) = self.max_used_percent {
            let allowed = u64::try_from(u128::from(space.usable()) * u128::from(most) / 100).unwrap_or(u64::MAX);
            let wanted = space.used().saturating_add(need);
            if wanted > allowed {
                return Some(Shortage {
                    reason: format!(
                        "{:.0} % of {} is used, {} more to write, {most} % allowed",
                        percent(space.used_ratio()),
                        ByteSize(space.usable()),
                        ByteSize(need),
                    ),
                    missing: wanted - allowed,
                    option: Some("--max-used-disk"),
                });
            }
        }
        let wanted = need.saturating_add(self.min_free.unwrap_or_default().0);
        (wanted > space.available).then(|| Shortage {
            reason: format!(
                "{} is free, {} more to write, {} to stay free",
                ByteSize(space.available),
                ByteSize(need),
                self.min_free.unwrap_or_default(),
            ),
            missing: wanted - space.available,
            option: self.min_free.map(|_| "--min-free"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1000 blocks, 50 of them for root alone.
    fn space(available: u64) -> Space {
        Space { total: 1000, free: available + 50, available }
    }

    #[test]
    fn disk_percent_is_counted_as_df_does() {
        // 855 used of 950 usable is 90 %, though 855 of 1000 would be 85.5 %.
        let guard = Guard { max_used_percent: Some(90), min_free: None };
        assert_eq!(guard.shortage(space(95), 0), None);
        assert_eq!(guard.shortage(space(95), 1).map(|s| s.missing), Some(1));
        assert_eq!(guard.shortage(space(195), 100), None);
        assert_eq!(guard.shortage(space(195), 101).map(|s| s.option), Some(Some("--max-used-disk")));
    }

    #[test]
    fn disk_percent_is_rounded_as_df_does() {
        for (used, shown) in
            [(0, 0.0), (1, 1.0), (19, 2.0), (20, 3.0), (855, 90.0), (856, 91.0), (949, 100.0), (950, 100.0)]
        {
            let space = Space { total: 1000, free: 1000 - used, available: 950 - used };
            assert!((percent(space.used_ratio()) - shown).abs() < 0.5, "{used} of 950");
        }
        for whole in 0..=100_u8 {
            assert!((percent(f64::from(whole) / 100.0) - f64::from(whole)).abs() < 0.5, "{whole} %");
        }
        let guard = Guard { max_used_percent: Some(90), min_free: None };
        let reason = guard.shortage(Space { total: 1000, free: 144, available: 94 }, 1).map(|shortage| shortage.reason);
        assert_eq!(reason.as_deref(), Some("91 % of 950 B is used, 1 B more to write, 90 % allowed"));
    }

    #[test]
    fn min_free_and_max_used_disk_are_respected() {
        let guard = Guard { max_used_percent: None, min_free: Some(ByteSize(100)) };
        assert_eq!(guard.shortage(space(300), 200), None);
        assert_eq!(guard.shortage(space(300), 250).map(|s| (s.missing, s.option)), Some((50, Some("--min-free"))));
        // Without any option a file that does not fit is still refused before it is written.
        assert_eq!(Guard::default().shortage(space(300), 301).map(|s| s.missing), Some(1));
    }

    #[test]
    fn min_free_of_more_than_the_disk_cannot_be_met() {
        let guard = |bytes| Guard { max_used_percent: None, min_free: Some(ByteSize(bytes)) };
        assert!(guard(949).can_be_met(space(300)) && Guard::default().can_be_met(space(300)));
        assert!(!guard(950).can_be_met(space(300)));
    }

    #[test]
    fn a_file_system_of_zero_bytes_is_full() {
        let nothing = Space { total: 0, free: 0, available: 0 };
        assert!((nothing.used_ratio() - 1.0).abs() < f64::EPSILON);
        assert!(Guard { max_used_percent: Some(90), min_free: None }.shortage(nothing, 1).is_some());
    }
}

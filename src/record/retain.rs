//! Which closed segments of a camera go, and why. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime};

use super::name::SegmentName;
use crate::retention::{Keep, Reason};
use crate::room::{Excess, going};
use crate::units::ByteSize;
use crate::zone::Tz;

/// A closed segment in the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub name: SegmentName,
    /// Its size.
    pub bytes: u64,
}

/// The days of which a camera has segments, and how much they are. A day is enough to know what comes next; the segments
/// of all days are not kept in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days {
    bytes_by_day: BTreeMap<NaiveDate, u64>,
    total_bytes: u64,
}

impl Days {
    /// A segment has come.
    pub fn add(&mut self, day: NaiveDate, bytes: u64) {
        *self.bytes_by_day.entry(day).or_default() += bytes;
        self.total_bytes += bytes;
    }

    /// A segment has gone.
    pub fn remove(&mut self, day: NaiveDate, bytes: u64) {
        if let Some(held) = self.bytes_by_day.get_mut(&day) {
            let bytes = bytes.min(*held);
            *held -= bytes;
            self.total_bytes -= bytes;
        }
    }

    /// All of a day has gone.
    pub fn forget(&mut self, day: NaiveDate) {
        self.total_bytes -= self.bytes_by_day.remove(&day).unwrap_or(0);
    }

    /// A day was counted again.
    pub fn set(&mut self, day: NaiveDate, bytes: u64) {
        let before = self.bytes_by_day.insert(day, bytes).unwrap_or(0);
        self.total_bytes = self.total_bytes - before + bytes;
    }

    /// All days, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = NaiveDate> {
        self.bytes_by_day.keys().copied()
    }

    /// The first day.
    #[must_use]
    pub fn oldest(&self) -> Option<NaiveDate> {
        self.bytes_by_day.keys().next().copied()
    }

    /// All of them together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }
}

/// What may leave, as the camera's owner says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `keep`
    pub keep: Keep,
    /// `keep_bytes`
    pub keep_bytes: Option<ByteSize>,
}

impl Limits {
    /// Whether a day of a camera has to be looked at: something of it may have to go.
    #[must_use]
    pub fn touch(&self, days: &Days, now: DateTime<Tz>) -> Option<NaiveDate> {
        let oldest = days.oldest()?;
        let begins = now.timezone().first(oldest.and_time(NaiveTime::MIN));
        let is_over = self.keep.cutoff_at(now).is_some_and(|cutoff| begins.is_some_and(|begins| begins < cutoff));
        (is_over || self.is_over_quota(days)).then_some(oldest)
    }

    /// Whether there is more than `keep_bytes`.
    #[must_use]
    pub fn is_over_quota(&self, days: &Days) -> bool {
        Excess::of_quota(self.keep_bytes, days.total_bytes(), 0).bytes() > 0
    }

    /// What goes of the oldest day's segments, oldest first, where the camera has `held_bytes` in all; `now` in its zone.
    #[must_use]
    pub fn removals(&self, segments: &[Held], held_bytes: u64, now: DateTime<Tz>) -> Vec<(Held, Reason)> {
        let cutoff = self.keep.cutoff_at(now);
        let mut segments = segments.to_vec();
        segments.sort_unstable_by_key(|held| held.name);
        let is_over = |held: &Held| cutoff.is_some_and(|cutoff| held.name.start < cutoff);
        let (expired, others): (Vec<Held>, Vec<Held>) = segments.into_iter().partition(is_over);
        let expired_bytes: u64 = expired.iter().map(|held| held.bytes).sum();
        let excess = Excess::of_quota(self.keep_bytes, held_bytes.saturating_sub(expired_bytes), 0);
        let expired = expired.into_iter().map(|held| (held, Reason::Expired));
        expired.chain(going(others, |held| held.bytes, &excess)).collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;
    use crate::record::name::Container;

    /// A segment of 10 bytes for each of so many hours, from a midnight on.
    fn hours(n: i64) -> Vec<Held> {
        let midnight = 1_795_219_200;
        let name = |n| SegmentName::new(midnight + n * 3600, &crate::zone::Tz::UTC, Container::Mkv).expect("a time");
        (0..n).map(|n| Held { name: name(n), bytes: 10 }).collect()
    }

    fn at(text: &str) -> DateTime<Tz> {
        Tz::UTC.from_utc_datetime(&text.parse().expect("a time"))
    }

    fn removed(limits: Limits, segments: &[Held], now: &str) -> Vec<(u64, Reason)> {
        let mut days = Days::default();
        for held in segments {
            days.add(held.name.day(), held.bytes);
        }
        let removals = limits.removals(segments, days.total_bytes(), at(now));
        assert_eq!(
            removals.is_empty(),
            limits.touch(&days, at(now)).is_none(),
            "what is not touched has nothing to lose"
        );
        let mut counts = BTreeMap::<Reason, u64>::new();
        for (_, reason) in removals {
            *counts.entry(reason).or_default() += 1;
        }
        counts.into_iter().map(|(reason, n)| (n, reason)).collect()
    }

    #[test]
    fn keep_is_applied_before_keep_bytes() {
        let forever = Limits { keep: Keep::Forever, keep_bytes: None };
        assert_eq!(removed(forever, &hours(24), "2036-11-21T12:00:00"), []);
        let day = Limits { keep: "1d".parse().expect("an age"), ..forever };
        assert_eq!(removed(day, &hours(24), "2026-11-22T23:59:00"), []);
        assert_eq!(removed(day, &hours(24), "2026-11-23T00:00:00"), [(24, Reason::Expired)]);
        let hour = Limits { keep: "6h".parse().expect("an age"), keep_bytes: Some(ByteSize(35)) };
        assert_eq!(removed(hour, &hours(12), "2026-11-21T12:00:00"), [(6, Reason::Expired), (3, Reason::OverQuota)]);
        let quota = Limits { keep_bytes: Some(ByteSize(100)), ..forever };
        assert_eq!(removed(quota, &hours(12), "2026-11-21T12:00:00"), [(2, Reason::OverQuota)]);
    }

    /// A segment of an hour ago is an hour old, whatever the clocks have shown since, and a day is over with its last hour.
    #[test]
    fn keep_in_days_counts_in_the_zone_of_the_camera() {
        let zone: Tz = "Europe/Berlin".parse().expect("a zone");
        let epoch = |text: &str| text.parse::<DateTime<chrono::Utc>>().expect("a time");
        let goes = |keep: &str, start: &str, now: &str| {
            let name = SegmentName::new(epoch(start).timestamp(), &zone, Container::Mkv).expect("a time");
            let limits = Limits { keep: keep.parse().expect("an age"), keep_bytes: None };
            let mut days = Days::default();
            days.add(name.day(), 10);
            let now = epoch(now).with_timezone(&zone);
            let going = limits.removals(&[Held { name, bytes: 10 }], 0, now);
            assert!(going.is_empty() || limits.touch(&days, now).is_some(), "the day of what goes is looked at");
            !going.is_empty()
        };
        // From 01:30 to 03:15 it is 45 minutes, and from 02:30 to 02:30 an hour.
        assert!(!goes("1h", "2026-03-29T00:30:00Z", "2026-03-29T01:15:00Z"));
        assert!(!goes("1h", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"));
        assert!(goes("1h", "2026-10-25T00:30:00Z", "2026-10-25T01:30:01Z"));
        // The day before yesterday ends at its midnight there.
        assert!(!goes("1d", "2026-10-24T22:00:00Z", "2026-10-26T22:59:59Z"));
        assert!(goes("1d", "2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z"));
        assert!(goes("1d", "2026-10-25T22:59:59Z", "2026-10-26T23:00:00Z"));
    }

    /// One whose camera has another zone now keeps its own name, and its age.
    #[test]
    fn a_name_of_another_zone_means_the_same_instant() {
        let zone: Tz = "America/New_York".parse().expect("a zone");
        let held = Held { name: SegmentName::of_file("2026-11-21_10-00-00+0545.mkv").expect("a name"), bytes: 10 };
        let limits = Limits { keep: "1h".parse().expect("an age"), keep_bytes: None };
        let at = |text: &str| text.parse::<DateTime<chrono::Utc>>().expect("a time").with_timezone(&zone);
        assert_eq!(limits.removals(&[held], 0, at("2026-11-21T05:15:00Z")), []);
        assert_eq!(limits.removals(&[held], 0, at("2026-11-21T05:15:01Z")), [(held, Reason::Expired)]);
    }

    proptest::proptest! {
        /// What was done needs no doing again, and the account is right.
        #[test]
        fn a_second_retention_plan_is_empty(n in 0_i64..24, quota in 0_u64..300, age in 1_u32..30, at_hour in 0_i64..48) {
            let limits = Limits { keep: format!("{age}h").parse().expect("an age"), keep_bytes: Some(ByteSize(quota)) };
            let now = at("2026-11-21T00:00:00") + chrono::Duration::hours(at_hour);
            let mut held = hours(n);
            let mut days = Days::default();
            for held in &held {
                days.add(held.name.day(), held.bytes);
            }
            for (gone, _) in limits.removals(&held, days.total_bytes(), now) {
                days.remove(gone.name.day(), gone.bytes);
                held.retain(|held| held.name != gone.name);
            }
            proptest::prop_assert_eq!(days.total_bytes(), held.iter().map(|held| held.bytes).sum::<u64>());
            proptest::prop_assert_eq!(limits.removals(&held, days.total_bytes(), now), []);
        }
    }
}

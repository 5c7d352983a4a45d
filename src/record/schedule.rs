//! Requests to a camera at times of day: `{ at = "06:00", get = "http://CAM:8080/day" }`, in the camera's zone.
//!
//! Each entry sets a state that lasts until the next one. So at a start the last one before it is due, and if several were
//! missed, only the last counts.

use chrono::{DateTime, Days, NaiveTime, Utc};

use crate::secret::Secret;
use crate::zone::Tz;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, every day.
    pub at: NaiveTime,
    /// The URL to request. It may hold a password.
    pub get: Secret,
}

/// The entry that was due last at `now`, and when that was; none without entries.
#[must_use]
pub fn last(entries: &[Entry], zone: Tz, now: DateTime<Utc>) -> Option<(DateTime<Utc>, &Entry)> {
    // Of the entries that the clock skips, the latest.
    around(entries, zone, now).filter(|(at, _)| *at <= now).max_by_key(|(at, entry)| (*at, entry.at))
}

/// The entry that is due next after `now`, and when.
#[must_use]
pub fn next(entries: &[Entry], zone: Tz, now: DateTime<Utc>) -> Option<(DateTime<Utc>, &Entry)> {
    around(entries, zone, now).filter(|(at, _)| *at > now).min_by_key(|(at, _)| *at)
}

/// The instants of all entries on the days around `now`: when the zone's clock first shows or skips their times.
fn around(entries: &[Entry], zone: Tz, now: DateTime<Utc>) -> impl Iterator<Item = (DateTime<Utc>, &Entry)> {
    let today = now.with_timezone(&zone).date_naive();
    let days = [today.checked_sub_days(Days::new(1)), Some(today), today.checked_add_days(Days::new(1))];
    days.into_iter().flatten().flat_map(move |day| {
        entries.iter().filter_map(move |entry| Some((zone.first(day.and_time(entry.at))?.to_utc(), entry)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        [("06:00", "day"), ("18:00", "night")]
            .map(|(at, get)| Entry {
                at: NaiveTime::parse_from_str(at, "%H:%M").expect("a time"),
                get: get.to_owned().into(),
            })
            .into()
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn both(zone: Tz, now: &str) -> [String; 2] {
        let entries = entries();
        [last(&entries, zone, utc(now)), next(&entries, zone, utc(now))].map(|found| {
            found.map(|(at, entry)| format!("{} {}", entry.get.reveal(), at.format("%m-%d %H:%M"))).unwrap_or_default()
        })
    }

    #[test]
    fn a_schedule_entry_lasts_until_the_next() {
        let zone = Tz::named("Asia/Kolkata").expect("a zone");
        assert_eq!(both(zone, "2026-11-21T04:30:00Z"), ["day 11-21 00:30", "night 11-21 12:30"]);
        assert_eq!(both(zone, "2026-11-21T00:29:59Z"), ["night 11-20 12:30", "day 11-21 00:30"]);
        assert_eq!(both(zone, "2026-11-21T00:30:00Z"), ["day 11-21 00:30", "night 11-21 12:30"]);
        assert_eq!(both(zone, "2026-11-21T22:00:00Z"), ["night 11-21 12:30", "day 11-22 00:30"]);
        assert_eq!(last(&[], zone, utc("2026-11-21T00:00:00Z")), None);
    }

    #[test]
    fn a_schedule_entry_in_the_repeated_dst_hour_is_due_once() {
        let zone = Tz::named("Europe/Berlin").expect("a zone");
        let half_past_two = NaiveTime::from_hms_opt(2, 30, 0).expect("a time");
        let entries = [Entry { at: half_past_two, get: "x".to_owned().into() }];
        let last = |now| last(&entries, zone, utc(now)).map(|(at, _)| at);
        assert_eq!(last("2026-10-25T00:29:59Z"), Some(utc("2026-10-24T00:30:00Z")));
        for now in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:29:59Z"] {
            assert_eq!(last(now), Some(utc("2026-10-25T00:30:00Z")), "{now}");
        }
    }

    /// All that the clocks leap over is due as they leap, and the last of it counts, however it is written down.
    #[test]
    fn schedule_entries_in_the_skipped_dst_hour_keep_their_order() {
        let zone = Tz::named("Europe/Berlin").expect("a zone");
        let entry =
            |at: &str| Entry { at: NaiveTime::parse_from_str(at, "%H:%M").expect("a time"), get: at.to_owned().into() };
        for times in [["02:10", "02:50", "01:50"], ["02:50", "01:50", "02:10"]] {
            let entries = times.map(entry);
            let last = |now| last(&entries, zone, utc(now)).map(|(at, entry)| (at, entry.get.reveal()));
            assert_eq!(last("2026-03-29T00:59:59Z"), Some((utc("2026-03-29T00:50:00Z"), "01:50")));
            for now in ["2026-03-29T01:00:00Z", "2026-03-29T01:10:00Z", "2026-03-29T20:00:00Z"] {
                assert_eq!(last(now), Some((utc("2026-03-29T01:00:00Z"), "02:50")), "{now}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn a_schedule_has_a_current_and_a_next_entry(seconds in 0_i64..4_000_000_000, zone in 0_usize..500) {
            let entries = entries();
            let zone = Tz::names().nth(zone).and_then(Tz::named).expect("a zone");
            let now = DateTime::from_timestamp(seconds, 0).expect("a time");
            let (was, _) = last(&entries, zone, now).expect("one was due");
            let (will, _) = next(&entries, zone, now).expect("one will be");
            proptest::prop_assert!(was <= now && now < will);
        }
    }
}

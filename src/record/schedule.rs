//! What a camera is told by the clock: `{ at = "06:00", get = "http://CAM:8080/day" }`, in the camera's zone.
//!
//! Each entry sets a state that lasts until the next one. So the last one that was due before a start is due at the start,
//! and where several were missed only the last counts.

use chrono::{DateTime, Days, Duration, NaiveDate, NaiveTime, TimeZone, Utc};

use crate::secret::Secret;
use crate::zone::Tz;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, every day.
    pub at: NaiveTime,
    /// The URL that is fetched then. It may hold a password.
    pub get: Secret,
}

/// The entry that was due last at `now`, and when that was; none without entries.
#[must_use]
pub fn last(entries: &[Entry], zone: Tz, now: DateTime<Utc>) -> Option<(DateTime<Utc>, &Entry)> {
    around(entries, zone, now).filter(|(at, _)| *at <= now).max_by_key(|(at, _)| *at)
}

/// The entry that is due next after `now`, and when.
#[must_use]
pub fn next(entries: &[Entry], zone: Tz, now: DateTime<Utc>) -> Option<(DateTime<Utc>, &Entry)> {
    around(entries, zone, now).filter(|(at, _)| *at > now).min_by_key(|(at, _)| *at)
}

/// The instants of all entries on the days around `now`.
fn around(entries: &[Entry], zone: Tz, now: DateTime<Utc>) -> impl Iterator<Item = (DateTime<Utc>, &Entry)> {
    let today = now.with_timezone(&zone).date_naive();
    let days = [today.checked_sub_days(Days::new(1)), Some(today), today.checked_add_days(Days::new(1))];
    days.into_iter()
        .flatten()
        .flat_map(move |day| entries.iter().filter_map(move |entry| Some((instant(day, entry.at, zone)?, entry))))
}

/// The first instant at which the zone's clock shows this time or, where the clock leaps over it, has passed it.
fn instant(day: NaiveDate, at: NaiveTime, zone: Tz) -> Option<DateTime<Utc>> {
    let local = day.and_time(at);
    (0..=8).find_map(|quarter| {
        let local = local.checked_add_signed(Duration::minutes(15 * quarter))?;
        zone.from_local_datetime(&local).earliest().map(|at| at.to_utc())
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
    fn the_last_state_lasts_until_the_next() {
        let zone = Tz::named("Asia/Kolkata").expect("a zone");
        assert_eq!(both(zone, "2026-11-21T04:30:00Z"), ["day 11-21 00:30", "night 11-21 12:30"]);
        assert_eq!(both(zone, "2026-11-21T00:29:59Z"), ["night 11-20 12:30", "day 11-21 00:30"]);
        assert_eq!(both(zone, "2026-11-21T00:30:00Z"), ["day 11-21 00:30", "night 11-21 12:30"]);
        assert_eq!(both(zone, "2026-11-21T22:00:00Z"), ["night 11-21 12:30", "day 11-22 00:30"]);
        assert_eq!(last(&[], zone, utc("2026-11-21T00:00:00Z")), None);
    }

    #[test]
    fn an_hour_that_is_not_there_or_twice_is_due_once() {
        let half_past_two = NaiveTime::from_hms_opt(2, 30, 0).expect("a time");
        let spring = instant(
            NaiveDate::from_ymd_opt(2026, 3, 29).expect("a day"),
            half_past_two,
            Tz::named("Europe/Berlin").expect("a zone"),
        );
        assert_eq!(spring, Some(utc("2026-03-29T01:00:00Z")));
        let autumn = instant(
            NaiveDate::from_ymd_opt(2026, 10, 25).expect("a day"),
            half_past_two,
            Tz::named("Europe/Berlin").expect("a zone"),
        );
        assert_eq!(autumn, Some(utc("2026-10-25T00:30:00Z")));
    }

    proptest::proptest! {
        #[test]
        fn one_was_due_and_one_will_be(seconds in 0_i64..4_000_000_000, zone in 0_usize..500) {
            let entries = entries();
            let zone = Tz::names().nth(zone).and_then(Tz::named).expect("a zone");
            let now = DateTime::from_timestamp(seconds, 0).expect("a time");
            let (was, _) = last(&entries, zone, now).expect("one was due");
            let (will, _) = next(&entries, zone, now).expect("one will be");
            proptest::prop_assert!(was <= now && now < will);
        }
    }
}

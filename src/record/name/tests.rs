use proptest::prelude::*;

use super::*;
use crate::zone::Tz;

fn name(epoch: i64, zone: Tz) -> SegmentName {
    SegmentName::new(epoch, &zone, Container::Mkv).expect("a time")
}

#[test]
fn a_segment_name_is_the_local_time_with_its_offset() {
    let start = NaiveDate::from_ymd_opt(2026, 11, 21).and_then(|day| day.and_hms_opt(4, 30, 0)).expect("a time");
    let epoch = start.and_utc().timestamp();
    assert_eq!(
        name(epoch, Tz::named("Asia/Kolkata").expect("a zone")).to_string(),
        "2026-11-21/2026-11-21_10-00-00+0530.mkv"
    );
    assert_eq!(name(epoch, Tz::UTC).to_string(), "2026-11-21/2026-11-21_04-30-00+0000.mkv");
    assert_eq!(
        name(epoch, Tz::named("America/St_Johns").expect("a zone")).to_string(),
        "2026-11-21/2026-11-21_01-00-00-0330.mkv"
    );
    let second = SegmentName { copy: 2, ..name(epoch, Tz::UTC) };
    assert_eq!(second.to_string(), "2026-11-21/2026-11-21_04-30-00+0000-2.mkv");
    assert_eq!(second.to_string().parse(), Ok(second));
}

/// Both nights in which the clocks change in Berlin, a segment every ten minutes: no two names are the same, and the
/// instants that they mean are in the order in which they were recorded.
#[test]
fn segment_names_are_unique_and_sorted_through_dst_changes() {
    for day in ["2026-03-29", "2026-10-25"] {
        let midnight =
            NaiveDate::parse_from_str(day, "%Y-%m-%d").expect("a day").and_hms_opt(0, 0, 0).expect("midnight");
        let names: Vec<SegmentName> = (0..36)
            .map(|n| name(midnight.and_utc().timestamp() + n * 600, Tz::named("Europe/Berlin").expect("a zone")))
            .collect();
        let texts: std::collections::BTreeSet<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), names.len());
        assert!(names.is_sorted());
        let parsed: Vec<SegmentName> = names.iter().map(|name| name.to_string().parse().expect("ours")).collect();
        assert_eq!(parsed, names);
    }
}

#[test]
fn foreign_file_names_are_no_segments() {
    for text in [
        "",
        "2026-11-21_10-00-00.mkv",
        "2026-11-21_10-00-00+0530.avi",
        "2026-11-21_10-00-00+0530-1.mkv",
        "2026-11-21_10-00-00+0530-02.mkv",
        "2026-11-21_10-00-00+0530-.mkv",
        "2026-11-21_10-00-60+0530.mkv",
        "2026-11-21_10-00-00+9900.mkv",
        "2026-11-21_10-00-00+05a0.mkv",
        "2026-11-21_10-00-00 0530.mkv",
        "2026-11-21_10-00-00+0530.mkv.part",
        ".2026-11-21_10-00-00+0530.mkv",
        "2026-11-2é_10-00-00+0530.mkv",
    ] {
        assert_eq!(SegmentName::of_file(text), None, "{text}");
    }
    let elsewhere = "2026-11-20/2026-11-21_10-00-00+0530.mkv";
    assert_eq!(elsewhere.parse::<SegmentName>(), Err(()));
    for text in
        [".1-0000000g.mkv", ".1-1.mkv", ".01-00000001.mkv", "1-00000001.mkv", ".1-00000001.mkv.part", ".-00000001.ts"]
    {
        assert_eq!(text.parse::<OpenName>(), Err(()), "{text}");
    }
}

#[test]
fn camera_names_are_folders_that_hide_nothing() {
    for text in ["yard", "Cam_1", "front.door", "hof-süd", "1"] {
        assert_eq!(text.parse::<CameraName>().map(|name| name.to_string()), Ok(text.to_owned()));
    }
    let long = "x".repeat(101);
    for text in ["", ".", "..", ".hidden", "-v", "a/b", "a b", "a\nb", "a%sb", "a\"b", &long] {
        assert!(text.parse::<CameraName>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn segment_names_are_read_back(
        epoch in 0_i64..253_370_000_000, quarter in -56_i32..=56, copy in 1_u32..1000, which in 0_usize..3,
    ) {
        let zone = FixedOffset::east_opt(quarter * 900).expect("an offset");
        let container = Container::ALL[which];
        let name = SegmentName { copy, ..SegmentName::new(epoch, &zone, container).expect("a time") };
        prop_assert_eq!(name.to_string().parse::<SegmentName>(), Ok(name));
        prop_assert_eq!(name.start.timestamp(), epoch);
        for is_damaged in [false, true] {
            let open = OpenName { epoch, run_id: RunId(copy), container, is_damaged };
            prop_assert_eq!(open.to_string().parse::<OpenName>(), Ok(open));
        }
    }

    #[test]
    fn any_segment_name_is_read_without_a_panic(text in "\\PC{0,50}") {
        let _ = SegmentName::of_file(&text);
        let _ = text.parse::<OpenName>();
        let _ = SegmentName::day_of_folder(&text);
    }

    #[test]
    fn any_segment_name_is_written_back_the_same(text in "\\.?[0-9_-]{8,22}[+-]?[0-9]{0,6}(-[0-9])?\\.(mkv|ts|mp4)(\\.damaged)?") {
        if let Some(name) = SegmentName::of_file(&text) {
            prop_assert_eq!(name.file_name(), text.clone());
        }
        if let Ok(name) = text.parse::<OpenName>() {
            prop_assert_eq!(name.to_string(), text);
        }
    }
}

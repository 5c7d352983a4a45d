//! The binary index against a ring that is written as the format says.

use crate::support::hikvision::{Instant, Kind, Live, Ring, Stride};
use footage::hikvision::index::{self, IndexError, IndexWarning, Listing};
use footage::hikvision::segment::{self, Medium, RingFile};
use proptest::prelude::*;

const FILE_LEN: u32 = 100_000;

fn read(bytes: &[u8], kind: Kind) -> Result<Listing, IndexError> {
    let medium = match kind {
        Kind::Video => Medium::Video,
        Kind::Picture => Medium::Picture,
    };
    index::read(bytes, segment::Ring { medium, datadir: 0 }, |_| RingFile::Present(FILE_LEN.into()))
}

/// What a live record and a listed segment have in common.
type Facts = (u32, u32, (u32, u32), (u32, u32), u64, u64);

fn expected(ring: &Ring) -> Vec<Facts> {
    let facts = |live: Live| {
        let (start, end) = (live.start, live.end);
        (
            live.file,
            live.number,
            (start.seconds, start.micros),
            (end.seconds, end.micros),
            live.start_offset.into(),
            live.end_offset.into(),
        )
    };
    ring.live().into_iter().map(facts).collect()
}

fn found(listing: &Listing) -> Vec<Facts> {
    let time = |time: footage::hikvision::camera_time::CameraTime| {
        let time = time.digits().and_utc();
        (u32::try_from(time.timestamp()).unwrap(), time.timestamp_subsec_micros())
    };
    let mut found: Vec<_> = listing
        .segments
        .iter()
        .map(|s| (s.file, s.number, time(s.start), time(s.end), s.span.start(), s.span.end()))
        .collect();
    found.sort_unstable();
    found
}

/// One thing that a camera does.
#[derive(Clone, Debug)]
enum Act {
    /// Records so many milliseconds and bytes, so long after the last. The clock may have been set back.
    Record { pause_sec: i32, millis: u64, len: u32 },
    /// Moves on to the next file before this one is full.
    Leave,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let record = (prop_oneof![9 => 0..100_000i32, 1 => -500_000..0i32], 1..600_000u64, 1..40_000u32)
        .prop_map(|(pause_sec, millis, len)| Act::Record { pause_sec, millis, len });
    prop::collection::vec(prop_oneof![12 => record, 1 => Just(Act::Leave)], 0..120)
}

/// A ring after these acts; at the end perhaps with a segment in progress.
fn ring(kind: Kind, version: u32, stride: Stride, files: u32, acts: &[Act], in_progress: bool) -> Ring {
    let mut ring = Ring::new(kind, version, files, FILE_LEN, stride);
    let mut clock = Instant { seconds: 1_757_232_000, micros: 250_000 };
    let mut pts = (0, 0);
    for act in acts {
        match *act {
            Act::Record { pause_sec, millis, len } => {
                clock.seconds = clock.seconds.saturating_add_signed(pause_sec);
                let end = match kind {
                    Kind::Video => clock.plus_millis(millis),
                    Kind::Picture => clock,
                };
                pts = (pts.1 + 3600, pts.1 + 3600 + millis * 90);
                ring.record(clock, end, len, pts);
                clock = end;
            }
            Act::Leave => ring.leave(),
        }
    }
    if in_progress {
        ring.begin(clock, 10_000, pts);
    }
    ring
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 200 } else { 2000 }))]

    #[test]
    fn the_index_lists_exactly_the_live_segments(
        acts in acts(), version in 2..=3u32, files in 1..6u32, in_progress: bool,
    ) {
        let ring = ring(Kind::Video, version, Stride::Short, files, &acts, in_progress);
        let listing = read(ring.index(), Kind::Video).unwrap();
        prop_assert_eq!(found(&listing), expected(&ring));
        prop_assert_eq!(listing.in_progress, u32::from(in_progress));
        prop_assert_eq!(&listing.warnings, &[]);
    }

    #[test]
    fn a_truncated_index_lists_only_live_segments(
        acts in acts(), files in 1..6u32, at in any::<prop::sample::Index>(),
    ) {
        let ring = ring(Kind::Video, 2, Stride::Short, files, &acts, false);
        let length = at.index(ring.index().len());
        match read(&ring.index()[..length], Kind::Video) {
            Ok(listing) => {
                let live = expected(&ring);
                prop_assert!(found(&listing).iter().all(|segment| live.contains(segment)), "{:?}", listing.warnings);
                let needed = ring.index().len() - 4096;
                prop_assert_eq!(listing.is_damaged(), length < needed);
            }
            Err(error) => prop_assert!(length < 1280 + 32 * 6, "{error}"),
        }
    }

    #[test]
    fn an_index_with_a_wrong_file_count_is_reported(acts in acts(), files in 2..6u32, wrong: u32) {
        let mut acts = acts;
        acts.insert(0, Act::Record { pause_sec: 0, millis: 1000, len: 1000 });
        acts.insert(1, Act::Leave);
        acts.insert(2, Act::Record { pause_sec: 0, millis: 1000, len: 1000 });
        let ring = ring(Kind::Video, 2, Stride::Short, files, &acts, false);
        let mut bytes = ring.index().to_vec();
        bytes[12..16].copy_from_slice(&wrong.to_le_bytes());
        prop_assume!(wrong != files);
        // The files that were used tell how many there are, so all must have been.
        prop_assume!((0..files).all(|file| expected(&ring).iter().any(|segment| segment.0 == file)));
        let listing = read(&bytes, Kind::Video);
        if let Ok(listing) = listing {
            let live = expected(&ring);
            prop_assert!(found(&listing).iter().all(|segment| live.contains(segment)), "{:?}", listing.warnings);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 30 } else { 300 }))]

    #[test]
    fn the_picture_index_lists_exactly_the_live_pictures(
        acts in acts(), files in 1..4u32, (version, stride) in prop_oneof![
            Just((2, Stride::Short)), Just((3, Stride::Short)), Just((3, Stride::Long)),
        ],
    ) {
        let ring = ring(Kind::Picture, version, stride, files, &acts, false);
        let listing = read(ring.index(), Kind::Picture).unwrap();
        prop_assert_eq!(found(&listing), expected(&ring));
        prop_assert_eq!(&listing.warnings, &[]);
    }
}

/// How far apart records are is seen where there are any, which need not be the first file.
#[test]
fn the_first_picture_file_may_hold_one_picture_or_none() {
    let picture = || Act::Record { pause_sec: 5, millis: 0, len: 900 };
    for (version, stride) in [(2, Stride::Short), (3, Stride::Short), (3, Stride::Long)] {
        for before in [vec![], vec![picture()], vec![picture(), Act::Leave], vec![Act::Leave; 4]] {
            for after in [vec![], vec![picture()], vec![picture(), picture()], vec![picture(), Act::Leave, picture()]] {
                let acts = [before.clone(), vec![Act::Leave], after].concat();
                let ring = ring(Kind::Picture, version, stride, 7, &acts, false);
                let listing = read(ring.index(), Kind::Picture).unwrap();
                assert_eq!((found(&listing), listing.warnings), (expected(&ring), vec![]), "{stride:?} {acts:?}");
            }
        }
    }
}

/// Three files, turned once and a half.
fn turned() -> Ring {
    let acts = vec![Act::Record { pause_sec: 60, millis: 30_000, len: 20_000 }; 18];
    ring(Kind::Video, 2, Stride::Short, 3, &acts, true)
}

#[test]
fn stale_index_records_are_not_listed() {
    let ring = turned();
    let records = &ring.index()[1280 + 3 * 32..];
    let closed = records.chunks(80).filter(|record| record.len() == 80 && record[44..48] != [0; 4]).count();
    let listing = read(ring.index(), Kind::Video).unwrap();
    assert!(listing.segments.len() < closed, "{} of {closed}", listing.segments.len());
    assert_eq!(found(&listing), expected(&ring));
}

#[test]
fn an_index_slot_may_name_the_last_closed_record() {
    let ring =
        ring(Kind::Picture, 3, Stride::Long, 2, &vec![Act::Record { pause_sec: 5, millis: 0, len: 900 }; 10], false);
    let mut bytes = ring.index().to_vec();
    assert_eq!(bytes[24 + 24 + 2], 10);
    bytes[24 + 24 + 2] = 9;
    assert_eq!(found(&read(&bytes, Kind::Picture).unwrap()), expected(&ring));
}

#[test]
fn an_index_file_record_may_hold_a_count() {
    let ring = turned();
    let mut bytes = ring.index().to_vec();
    for file in 0..3 {
        let last = &mut bytes[1280 + file * 32 + 6];
        *last += 1;
    }
    assert_eq!(found(&read(&bytes, Kind::Video).unwrap()), expected(&ring));
}

#[test]
fn rising_index_times_decide_where_nothing_else_does() {
    let ring = turned();
    let mut bytes = ring.index().to_vec();
    // File 2 is full and not being written; its record now ends at another time.
    let live: Vec<_> = expected(&ring).into_iter().filter(|segment| segment.0 == 2).collect();
    assert!(!live.is_empty());
    bytes[1280 + 2 * 32 + 12] ^= 0x55;
    let listing = read(&bytes, Kind::Video).unwrap();
    let taken: Vec<_> = found(&listing).into_iter().filter(|segment| segment.0 == 2).collect();
    assert_eq!(taken, live);
    let count = u32::try_from(live.len()).unwrap();
    assert_eq!(listing.warnings, [IndexWarning::Unclear { file: 2, taken: count }]);
}

#[test]
fn an_impossible_index_record_is_skipped_and_counted() {
    let ring = turned();
    let live = expected(&ring);
    let (file, number, ..) = live[1];
    let at = 1280 + 3 * 32 + (file as usize * 256 + number as usize) * 80;
    for (offset, value) in [(0, 0), (8, 0), (16, 1), (40, 99_999), (44, FILE_LEN + 1)] {
        let mut bytes = ring.index().to_vec();
        if offset == 0 {
            bytes[at] = 0;
        } else {
            bytes[at + offset..at + offset + 4].copy_from_slice(&u32::to_le_bytes(value));
        }
        let listing = read(&bytes, Kind::Video).unwrap();
        assert_eq!(listing.segments.len(), live.len() - 1, "{offset}");
        assert_eq!(listing.warnings, [IndexWarning::Nonsense { file, records: 1 }]);
    }
}

#[test]
fn an_index_of_four_hundred_million_files_is_refused() {
    let ring = turned();
    let mut bytes = ring.index().to_vec();
    bytes[12..16].copy_from_slice(&400_000_000_u32.to_le_bytes());
    let listing = read(&bytes, Kind::Video).unwrap();
    assert_eq!(found(&listing), expected(&ring));
    assert_eq!(listing.warnings, [IndexWarning::FileCount { declared: 400_000_000, counted: 3 }]);
}

#[test]
fn an_index_truncated_at_every_step() {
    let ring = turned();
    let live = expected(&ring);
    for length in (0..ring.index().len()).step_by(512) {
        if let Ok(listing) = read(&ring.index()[..length], Kind::Video) {
            assert!(found(&listing).iter().all(|segment| live.contains(segment)), "{length}");
        }
    }
}

#[test]
fn an_invalid_index_is_refused_by_name() {
    let refusal = |bytes: &[u8]| read(bytes, Kind::Video).unwrap_err().to_string();
    assert_eq!(refusal(&[]), "the index has 0 bytes, its header alone 1280");
    assert_eq!(refusal(&[0; 4096]), "cannot read an index of version 0: 2 and 3 are known");
    assert_eq!(refusal(&[0xFF; 4096]), "cannot read an index of version 4294967295: 2 and 3 are known");
    let mut nvr = vec![0; 4096];
    nvr[16..24].copy_from_slice(b"HIKBTREE");
    let expected = "cannot read an NVR's HIKBTREE index: only the storage that cameras write themselves is supported";
    assert_eq!(refusal(&nvr), expected);
    assert_eq!(refusal(&nvr[..100]), expected);
}

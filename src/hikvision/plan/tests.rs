use proptest::prelude::*;

use super::*;
use crate::hikvision::segment::Ring;

fn segment(start: &str, file: u32) -> Segment {
    at(start.parse().unwrap(), file, Medium::Video)
}

fn at(start: CameraTime, file: u32, medium: Medium) -> Segment {
    Segment { ring: Ring { medium, datadir: 0 }, file, ..Segment::at(start) }
}

fn names(plan: &Plan) -> Vec<String> {
    let tag = Tag::new("tuin").unwrap();
    plan.steps
        .iter()
        .map(|step| match step {
            Step::Extract { name, .. } => name.file_name(&tag),
            Step::Remove { entry, reason } => format!("{reason} {}", entry.file_name(&tag)),
        })
        .collect()
}

/// How files keep their modification times.
#[derive(Clone, Copy, Debug)]
enum Times {
    Kept,
    /// To the second.
    Cut,
    Lost,
}

/// The files after these steps.
fn apply(held: Vec<ExtractedFile>, plan: &Plan, times: Times) -> Vec<ExtractedFile> {
    apply_damaged(held, plan, times, |_| false)
}

/// The same, where some recordings are damaged in the storage.
fn apply_damaged(
    mut held: Vec<ExtractedFile>,
    plan: &Plan,
    times: Times,
    is_damaged: impl Fn(&Segment) -> bool,
) -> Vec<ExtractedFile> {
    for step in &plan.steps {
        match *step {
            Step::Extract { segment, name } => {
                let modified = match times {
                    Times::Kept => Some(segment.start),
                    Times::Cut => Some(segment.start.whole_second()),
                    Times::Lost => None,
                };
                let is_free = |held: &ExtractedFile| {
                    held.entry.name() != name || (held.is_damaged() && held.modified == modified)
                };
                assert!(held.iter().all(is_free), "overwrites {name:?}");
                held.retain(|held| held.entry != Entry::Damaged(name));
                let entry = if is_damaged(&segment) { Entry::Damaged(name) } else { Entry::Whole(name) };
                held.push(ExtractedFile { entry, modified });
            }
            Step::Remove { entry, .. } => held.retain(|held| held.entry != entry),
        }
    }
    held
}

#[test]
fn the_oldest_segments_are_extracted_first() {
    let segments = [segment("2025-09-07T14:30:15.5", 1), segment("2025-09-06T23:00:00", 2)];
    let plan = plan(&segments, &[], &Policy::default());
    assert_eq!(names(&plan), ["2025-09-06_23-00-00-tuin.mp4", "2025-09-07_14-30-15-tuin.mp4"]);
}

#[test]
fn segments_of_the_repeated_dst_hour_have_different_names() {
    // Recorded in this order; the second has the smaller fraction.
    let first = segment("2025-10-26T02:30:15.900", 1);
    let second = segment("2025-10-26T02:30:15.100", 2);
    let policy = Policy::default();

    let before = plan(&[first], &[], &policy);
    assert_eq!(names(&before), ["2025-10-26_02-30-15-tuin.mp4"]);
    let held = apply(vec![], &before, Times::Kept);

    let after = plan(&[second, first], &held, &policy);
    assert_eq!(names(&after), ["2025-10-26_02-30-15-tuin-2.mp4"]);
    assert!(matches!(after.steps[..], [Step::Extract { segment, .. }] if segment == second));
    let held = apply(held, &after, Times::Kept);

    for there in [vec![second, first], vec![second], vec![first]] {
        assert_eq!(plan(&there, &held, &policy).steps, [], "whatever the ring has forgotten");
    }
}

#[test]
fn a_forgotten_recording_keeps_its_name() {
    let policy = Policy::default();
    let forgotten = segment("2025-10-26T02:30:15.900", 1);
    let held = apply(vec![], &plan(&[forgotten], &[], &policy), Times::Kept);
    let another = segment("2025-10-26T02:30:15.100", 2);
    assert_eq!(names(&plan(&[another], &held, &policy)), ["2025-10-26_02-30-15-tuin-2.mp4"]);
}

#[test]
fn recordings_without_their_mtime_are_recognized() {
    let policy = Policy::default();
    let segments = [segment("2025-10-26T02:30:15.100", 1), segment("2025-10-26T02:30:15.900", 2)];
    for times in [Times::Cut, Times::Lost] {
        let held = apply(vec![], &plan(&segments, &[], &policy), times);
        assert_eq!(plan(&segments, &held, &policy).steps, [], "{times:?}");
        let plan = plan(&segments, &held[..1], &policy);
        assert_eq!(names(&plan), ["2025-10-26_02-30-15-tuin-2.mp4"], "{times:?}");
    }
}

#[test]
fn from_to_and_without_pictures_select_segments() {
    let segments = [
        segment("2025-09-06T00:00:00", 1),
        segment("2025-09-07T00:00:00", 2),
        segment("2025-09-08T00:00:00", 3),
        at("2025-09-07T01:00:00".parse().unwrap(), 4, Medium::Picture),
        Segment { is_present: false, ..segment("2025-09-07T02:00:00", 5) },
    ];
    let policy = Policy {
        from: Some("2025-09-07T00:00:00".parse().unwrap()),
        to: Some("2025-09-08T00:00:00".parse().unwrap()),
        without_pictures: true,
        ..Policy::default()
    };
    let plan = plan(&segments, &[], &policy);
    assert_eq!(names(&plan), ["2025-09-07_00-00-00-tuin.mp4"]);
    assert_eq!((plan.unwanted, plan.missing, plan.extracted), (3, 1, 0));
}

#[test]
fn recordings_removed_by_keep_are_not_extracted_again() {
    let segments = [segment("2025-09-06T10:00:00.5", 1), segment("2025-09-07T10:00:00.5", 2)];
    let held = apply(vec![], &plan(&segments, &[], &Policy::default()), Times::Kept);
    let policy = Policy { keep_from: Some("2025-09-07T10:00:00".parse().unwrap()), ..Policy::default() };
    let expiry = plan(&segments, &held, &policy);
    assert_eq!(names(&expiry), ["expired 2025-09-06_10-00-00-tuin.mp4"]);
    let held = apply(held, &expiry, Times::Kept);
    let after = plan(&segments, &held, &policy);
    assert_eq!((after.steps.len(), after.expired, after.extracted), (0, 1, 1));
}

#[test]
fn a_damaged_recording_is_retried_under_its_name() {
    let policy = Policy::default();
    let segments = [segment("2025-10-26T02:30:15.100", 1), segment("2025-10-26T02:30:15.900", 2)];
    let damaged = |segment: &Segment| segment.file == 1;
    let held = apply_damaged(vec![], &plan(&segments, &[], &policy), Times::Kept, damaged);
    let again = plan(&segments, &held, &policy);
    assert_eq!(names(&again), ["2025-10-26_02-30-15-tuin.mp4"]);
    assert_eq!(apply_damaged(held.clone(), &again, Times::Kept, damaged), [held[1], held[0]]);
    for times in [Times::Cut, Times::Lost] {
        let held = apply_damaged(vec![], &plan(&segments, &[], &policy), times, damaged);
        let again = plan(&segments, &held, &policy);
        assert_eq!(names(&again), ["2025-10-26_02-30-15-tuin.mp4"], "{times:?}");
        assert!(matches!(again.steps[..], [Step::Extract { segment, .. }] if damaged(&segment)), "{times:?}");
    }

    // The ring has overwritten it: no other recording gets its name, and its part is removed once it has expired.
    let third = segment("2025-10-26T02:30:15.500", 3);
    assert_eq!(names(&plan(&[segments[1], third], &held, &policy)), ["2025-10-26_02-30-15-tuin-3.mp4"]);
    let policy = Policy { keep_from: Some("2025-10-27T00:00:00".parse().unwrap()), ..policy };
    let expired = ["expired .2025-10-26_02-30-15-tuin.mp4.damaged", "expired 2025-10-26_02-30-15-tuin-2.mp4"];
    assert_eq!(names(&plan(&[], &held, &policy)), expired);
}

#[test]
fn a_damaged_recording_is_removed_when_the_complete_one_exists() {
    let policy = Policy::default();
    let segment = segment("2025-10-26T02:30:15.100", 1);
    let whole = apply(vec![], &plan(&[segment], &[], &policy), Times::Kept)[0];
    let damaged = ExtractedFile { entry: Entry::Damaged(whole.entry.name()), ..whole };
    let cut = Some(segment.start.whole_second());
    for modified in [whole.modified, cut, None] {
        for damaged in [damaged, ExtractedFile { modified, ..damaged }] {
            let plan = plan(&[segment], &[damaged, ExtractedFile { modified, ..whole }], &policy);
            assert_eq!(names(&plan), ["superseded .2025-10-26_02-30-15-tuin.mp4.damaged"]);
            assert_eq!(plan.extracted, 1);
        }
    }
}

#[test]
fn two_cameras_of_one_name_are_refused() {
    let renames = BTreeMap::from([("Camera-Tuin".to_owned(), Tag::new("tuin").unwrap())]);
    let tags = |folders: &[(&str, &str)], renames: &BTreeMap<String, Tag>| {
        let folders: Vec<Folder<'_>> = folders.iter().map(|(name, path)| Folder { name, path }).collect();
        tags(&folders, renames)
    };
    let both = tags(&[("Camera-Tuin", "/nas/Camera-Tuin"), ("oprit", "/nas/oprit")], &renames).unwrap();
    assert_eq!(both.iter().map(Tag::as_str).collect::<Vec<_>>(), ["tuin", "oprit"]);
    assert_eq!(
        tags(&[("Camera-Tuin", "/a"), ("tuin", "/b")], &renames).unwrap_err().to_string(),
        r#"cameras "Camera-Tuin" and "tuin" would both be called "tuin": rename one with --camera "tuin"=NAME"#
    );
    assert!(tags(&[("a:b", "/a"), ("a?b", "/b")], &BTreeMap::new()).is_err());
    assert!(tags(&[("Tuin", "/a"), ("tuin", "/b")], &BTreeMap::new()).is_err());
    let one_name = [("cam", "/a/cam"), ("cam", "/b/cam")];
    assert_eq!(
        tags(&one_name, &BTreeMap::new()).unwrap_err().to_string(),
        r#"cameras "/a/cam" and "/b/cam" would both be called "cam": rename one with --camera "/b/cam"=NAME"#
    );
    let renames = [("/b/cam".to_owned(), Tag::new("other").unwrap())].into();
    assert_eq!(tags(&one_name, &renames).unwrap()[1].as_str(), "other");
}

/// Recordings in few seconds, so that many share one; none at a full one, which a file's time may be for want of better.
fn segments() -> impl Strategy<Value = Vec<Segment>> {
    let start = any_time(4, 1..4);
    let medium = prop_oneof![Just(Medium::Video), Just(Medium::Picture)];
    prop::collection::vec((start, medium, any::<bool>()), 0..12).prop_map(|segments| {
        (0..)
            .zip(segments)
            .map(|(file, (start, medium, is_present))| Segment { is_present, ..at(start, file, medium) })
            .collect()
    })
}

fn time() -> impl Strategy<Value = Option<CameraTime>> {
    prop::option::weighted(0.3, any_time(5, 0..4))
}

/// In the middle of a second too: the clock of a pass does not wait for a full one.
fn any_time(seconds: u32, quarters: std::ops::Range<u32>) -> impl Strategy<Value = CameraTime> {
    (0..seconds, quarters)
        .prop_map(|(second, fraction)| CameraTime::from_index(1_757_232_000 + second, fraction * 250_000).unwrap())
}

proptest! {
    #[test]
    fn a_second_plan_is_empty(
        segments in segments(), earlier in segments(),
        times in prop_oneof![Just(Times::Kept), Just(Times::Cut), Just(Times::Lost)],
        (from, to, keep_from) in (time(), time(), time()), without_pictures: bool,
    ) {
        let policy = Policy { from, to, keep_from, without_pictures };
        let held = apply(vec![], &plan(&earlier, &[], &Policy::default()), times);
        let first = plan(&segments, &held, &policy);
        let held = apply(held, &first, times);
        prop_assert_eq!(plan(&segments, &held, &policy).steps, vec![]);
    }

    #[test]
    fn every_recording_is_accounted_for(segments in segments(), keep_from in time(), from in time()) {
        let policy = Policy { from, keep_from, ..Policy::default() };
        let plan = plan(&segments, &[], &policy);
        prop_assert_eq!(plan.steps.len() + plan.extracted + plan.unwanted + plan.expired + plan.missing, segments.len());
    }

    #[test]
    fn a_second_plan_only_retries_damaged_recordings(
        mut segments in segments(), size in 1..6usize, damaged in prop::collection::vec(any::<bool>(), 12),
    ) {
        let mut starts = std::collections::HashSet::new();
        segments.retain(|r| starts.insert((r.start, r.ring.medium)));
        let earlier = &segments[..size.min(segments.len())];
        let policy = Policy::default();
        let is_damaged = |segment: &Segment| damaged[segment.file as usize];
        let held = apply_damaged(vec![], &plan(earlier, &[], &policy), Times::Kept, is_damaged);
        let first = plan(&segments, &held, &policy);
        let held = apply_damaged(held, &first, Times::Kept, is_damaged);
        let second = plan(&segments, &held, &policy);
        let tries: Vec<&Segment> = second.steps.iter().filter_map(|step| match step {
            Step::Extract { segment, .. } => Some(segment),
            Step::Remove { .. } => None,
        }).collect();
        prop_assert!(tries.iter().all(|segment| is_damaged(segment)), "{:?}", names(&second));
        let held = apply_damaged(held, &second, Times::Kept, |_| false);
        prop_assert_eq!(plan(&segments, &held, &policy).steps, vec![]);
    }

    /// However many passes look at the ring while it turns: each recording with a start of its own is extracted once.
    #[test]
    fn each_segment_is_extracted_once(mut segments in segments(), size in 1..6usize, are_whole_seconds: bool) {
        if are_whole_seconds {
            for segment in &mut segments {
                segment.start = segment.start.whole_second();
            }
        }
        let mut starts = std::collections::HashSet::new();
        segments.retain(|r| r.is_present && starts.insert((r.start, r.ring.medium)));
        let mut held = vec![];
        let mut extracted = vec![];
        for end in 0..=segments.len() {
            let ring = &segments[end.saturating_sub(size)..end];
            let plan = plan(ring, &held, &Policy::default());
            extracted.extend(plan.steps.iter().filter_map(|step| match step {
                Step::Extract { segment, .. } => Some(*segment),
                Step::Remove { .. } => None,
            }));
            held = apply(held, &plan, Times::Kept);
        }
        prop_assert_eq!(extracted, segments);
    }
}

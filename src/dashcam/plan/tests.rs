use std::time::Duration;

use chrono::NaiveDate;
use proptest::prelude::*;

use super::*;
use crate::dashcam::inventory::InventoryFile;
use crate::dashcam::listing::Listing;
use crate::dashcam::name::Grouping;
use crate::dashcam::policy::Code;
use crate::retention::KeepRules;
use crate::units::ByteSize;

fn video(name: &str) -> FileName {
    name.parse().expect("a name")
}

fn now() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2018, 10, 29).and_then(|day| day.and_hms_opt(18, 0, 0)).expect("a time")
}

fn offer(names: &[&str]) -> Offer {
    let mut videos: Vec<_> = names.iter().map(|name| video(name)).collect();
    videos.sort_unstable();
    let listing = Listing { videos, ..Listing::default() };
    Offer { listing, sidecars: Sidecars::Ask(vec![Format::Thumbnail, Format::Accelerometer, Format::Gps]) }
}

fn videos_only() -> Policy {
    Policy { skip: vec![Format::Thumbnail, Format::Accelerometer, Format::Gps], ..Policy::default() }
}

fn fetched(offer: &Offer, inventory: &Inventory, policy: &Policy) -> Vec<String> {
    let plan = plan(Some(offer), inventory, &Learned::default(), policy, now());
    let names = |fetch: &Fetch| fetch.formats.iter().map(|format| fetch.video.sibling(*format)).collect::<Vec<_>>();
    plan.fetches.iter().flat_map(names).map(|name| name.to_string()).collect()
}

fn codes(text: &str) -> Vec<Code> {
    text.split(',').map(|word| word.parse().expect("a code")).collect()
}

#[test]
fn shared_sidecars_are_fetched_once() {
    let offer = offer(&["20181029_131513_NF.mp4", "20181029_131513_NR.mp4"]);
    assert_eq!(
        fetched(&offer, &Inventory::default(), &Policy::default()),
        [
            "20181029_131513_NF.mp4",
            "20181029_131513_NF.thm",
            "20181029_131513_N.3gf",
            "20181029_131513_N.gps",
            "20181029_131513_NR.mp4",
            "20181029_131513_NR.thm"
        ]
    );
}

#[test]
fn priority_orders_the_fetches() {
    let offer = offer(&[
        "20181029_100000_NR.mp4",
        "20181029_100000_NF.mp4",
        "20181029_110000_PF.mp4",
        "20181029_120000_MF.mp4",
        "20181029_090000_QF.mp4",
    ]);
    let order = |priority, newest_first| {
        let policy = Policy { priority, newest_first, ..videos_only() };
        fetched(&offer, &Inventory::default(), &policy).iter().map(|name| name[9..18].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(order(Priority::Date, false), ["090000_QF", "100000_NF", "100000_NR", "110000_PF", "120000_MF"]);
    assert_eq!(order(Priority::Rdate, false), ["120000_MF", "110000_PF", "100000_NF", "100000_NR", "090000_QF"]);
    assert_eq!(order(Priority::Type, false), ["120000_MF", "090000_QF", "100000_NF", "100000_NR", "110000_PF"]);
    assert_eq!(order(Priority::Date, true), order(Priority::Rdate, false));
}

#[test]
fn context_adds_the_neighbours_of_an_event_in_its_direction() {
    let offer = offer(&[
        "20181029_100000_NF.mp4",
        "20181029_100000_NR.mp4",
        "20181029_100100_NF.mp4",
        "20181029_100200_EF.mp4",
        "20181029_100300_PF.mp4",
        "20181029_100400_NF.mp4",
    ]);
    let select = |context, exclude: &str| {
        let exclude = if exclude.is_empty() { Vec::new() } else { codes(exclude) };
        let policy = Policy { include: codes("E"), exclude, context, ..videos_only() };
        fetched(&offer, &Inventory::default(), &policy).iter().map(|name| name[9..18].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(select(0, ""), ["100200_EF"]);
    assert_eq!(select(1, ""), ["100100_NF", "100200_EF", "100300_PF"]);
    assert_eq!(select(1, "P"), ["100100_NF", "100200_EF"]);
    assert_eq!(select(1, "EF"), [""; 0], "an excluded recording brings no neighbours");
    assert_eq!(select(99, "").len(), 5);
}

/// A copy in low resolution is not the neighbour of what it is a copy of.
#[test]
fn context_counts_low_resolution_copies_once() {
    let offer = offer(&[
        "20181029_100000_NF.mp4",
        "20181029_100100_NF.mp4",
        "20181029_100100_NFS.mp4",
        "20181029_100200_EF.mp4",
        "20181029_100200_EFS.mp4",
        "20181029_100300_NF.mp4",
        "20181029_100300_NFS.mp4",
        "20181029_100400_NF.mp4",
    ]);
    let select = |include: &str| {
        let policy = Policy { include: codes(include), context: 1, ..videos_only() };
        fetched(&offer, &Inventory::default(), &policy).iter().map(|name| name[9..19].to_owned()).collect::<Vec<_>>()
    };
    let both = ["100100_NF.", "100100_NFS", "100200_EF.", "100200_EFS", "100300_NF.", "100300_NFS"];
    assert_eq!(select("E"), both);
}

#[test]
fn protect_wins_over_keep_and_keep_bytes() {
    let inventory = Inventory {
        dirs: vec![String::new()],
        files: ["20180101_000000_EF.mp4", "20180101_000000_NF.mp4", "20180102_000000_MF.mp4"]
            .map(|name| InventoryFile { name: video(name), dir: 0, bytes: 10 })
            .to_vec(),
        protected: ["20180102_000000".parse().expect("a moment")].into(),
        ..Inventory::default()
    };
    let removed = |protect: &[&str], keep_bytes| {
        let policy = Policy {
            keep: KeepRules(vec!["2w".parse().expect("a rule")]),
            keep_bytes,
            protect: protect.iter().map(|word| word.parse().expect("a word")).collect(),
            ..Policy::default()
        };
        plan(None, &inventory, &Learned::default(), &policy, now()).removals.len()
    };
    assert_eq!(removed(&[], None), 2);
    assert_eq!(removed(&["E"], None), 1);
    assert_eq!(removed(&["EF"], Some(ByteSize(0))), 1);
    assert_eq!(removed(&["ER"], None), 2);
    assert_eq!(removed(&["20180101_000000"], Some(ByteSize(0))), 0);
}

fn arbitrary_name() -> impl Strategy<Value = FileName> {
    // A few moments, so that recordings share them.
    (0_i64..40, prop::sample::select(vec!["NF", "NR", "EF", "EFS", "PR", "MF", "QX"])).prop_map(
        |(half_days, letters)| {
            let at = now() - chrono::Duration::hours(12 * half_days - 24);
            video(&format!("{}_{letters}.mp4", Moment(at)))
        },
    )
}

fn arbitrary_policy() -> impl Strategy<Value = Policy> {
    (
        prop::sample::select(vec![
            Grouping::None,
            Grouping::Daily,
            Grouping::Weekly,
            Grouping::Monthly,
            Grouping::Yearly,
        ]),
        prop::option::of(prop::sample::select(vec!["5d", "36h", "2w", "E=1d", "M=forever"])),
        prop::option::of(0_u64..200),
        prop::sample::select(vec![Priority::Date, Priority::Rdate, Priority::Type]),
        prop::sample::subsequence(vec!["E", "NF", "P"], 0..=2),
        prop::sample::subsequence(vec!["NR", "M"], 0..=1),
        0_usize..3,
        prop::sample::subsequence(vec!["E", "20181020_060000"], 0..=2),
    )
        .prop_map(|(grouping, keep, keep_bytes, priority, include, exclude, context, protect)| Policy {
            grouping,
            keep: KeepRules(keep.iter().map(|rule| rule.parse().expect("a rule")).collect()),
            keep_bytes: keep_bytes.map(ByteSize),
            priority,
            newest_first: keep_bytes.is_some(),
            include: include.iter().map(|code| code.parse().expect("a code")).collect(),
            exclude: exclude.iter().map(|code| code.parse().expect("a code")).collect(),
            context,
            skip: Vec::new(),
            protect: protect.iter().map(|word| word.parse().expect("a word")).collect(),
            retry_failed_after: Duration::from_hours(24),
        })
}

/// The destination after a plan was carried out; every file has 10 bytes.
fn apply(inventory: &Inventory, plan: &Plan, policy: &Policy) -> Inventory {
    let mut after = inventory.clone();
    after.protected.extend(plan.protections.iter().copied());
    after.files.retain(|file| {
        !plan.removals.iter().any(|removal| removal.entry == Entry::Final(file.name) && removal.dir == file.dir)
    });
    after
        .others
        .retain(|(entry, dir)| !plan.removals.iter().any(|removal| removal.entry == *entry && removal.dir == *dir));
    for fetch in &plan.fetches {
        let group = policy.grouping.dir(fetch.video.at());
        let dir =
            fetch.dir.map(usize::from).or_else(|| after.dirs.iter().position(|dir| *dir == group)).unwrap_or_else(
                || {
                    after.dirs.push(group);
                    after.dirs.len() - 1
                },
            );
        let dir = Dir::try_from(dir).expect("few");
        after.files.extend(fetch.formats.iter().map(|format| InventoryFile {
            name: fetch.video.sibling(*format),
            dir,
            bytes: 10,
        }));
    }
    after.files.sort_unstable();
    after
}

proptest! {
    #[test]
    fn a_second_plan_is_empty(
        listed in prop::collection::vec(arbitrary_name(), 0..30),
        here in prop::collection::vec((arbitrary_name(), 0_u16..3), 0..30),
        policy in arbitrary_policy(),
    ) {
        let mut videos = listed;
        videos.sort_unstable();
        videos.dedup();
        let offer = Offer { listing: Listing { videos, ..Listing::default() }, ..offer(&[]) };
        let mut inventory = Inventory {
            dirs: vec![String::new(), "2018".into(), "2018-10".into()],
            files: here.into_iter().map(|(name, dir)| InventoryFile { name, dir, bytes: 10 }).collect(),
            ..Inventory::default()
        };
        inventory.files.sort_unstable();
        inventory.files.dedup();
        let mut learned = Learned::default();
        let first = plan(Some(&offer), &inventory, &learned, &policy, now());
        for removal in &first.removals {
            let Entry::Final(name) = removal.entry else { continue };
            prop_assert!(!policy.protects(name, &inventory), "{name} is protected");
        }
        let after = apply(&inventory, &first, &policy);
        // What a plan fetches may be more than the quota allows; making room for that is the execution's part.
        let unlimited = Policy { keep_bytes: None, ..policy.clone() };
        learned.given_up = first.removals.iter().filter(|removal| removal.reason == Reason::OverQuota).filter_map(|removal| Unit::of(removal.entry)).collect();
        let second = plan(Some(&offer), &after, &learned, &unlimited, now());
        prop_assert_eq!(&second.removals, &[]);
        prop_assert_eq!(&second.fetches, &[]);
        prop_assert_eq!(&second.protections, &[]);
    }
}

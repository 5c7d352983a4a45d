//! Why cameras have recordings and the plan is empty: the option that leaves out all of them. Pure.

use super::camera_time::CameraTime;
use super::plan::Policy;
use super::segment::Segment;
use super::source::Source;
use super::{Selection, Work};
use crate::pass::Nothing;
use crate::units::all_are;

/// The options that leave out every recording: `--keep` for each camera, filters for all cameras.
pub(super) fn why(works: &[Work], selection: &Selection) -> Vec<Nothing> {
    let has_several = works.len() > 1;
    let mut found: Vec<Nothing> = works.iter().filter_map(|work| too_old(work, selection, has_several)).collect();
    let segments = works.iter().flat_map(|work| &work.source.listing.segments);
    let unwanted: usize = works.iter().map(|work| work.plan.unwanted).sum();
    let expired: usize = works.iter().map(|work| work.plan.expired).sum();
    if unwanted > 0 && found.is_empty() {
        found.extend(unfit(segments, unwanted + expired, selection));
    }
    found
}

/// The same for a listing.
pub(super) fn to_list(sources: &[Source], policy: &Policy, selection: &Selection) -> Option<Nothing> {
    let segments = || sources.iter().flat_map(|source| &source.listing.segments);
    unfit(segments(), segments().filter(|segment| !policy.wants(segment)).count(), selection)
}

fn too_old(work: &Work, selection: &Selection, names_camera: bool) -> Option<Nothing> {
    let segments = &work.source.listing.segments;
    let (newest, keep) = (segments.iter().map(|segment| segment.start).max()?, selection.keep?);
    let camera = if names_camera { format!(" of {}", work.source.tag) } else { String::new() };
    let what = match segments.len() {
        1 => format!("the only recording{camera} is"),
        count => format!("all {count} recordings{camera} are"),
    };
    (work.plan.expired == segments.len()).then(|| Nothing {
        key: format!("--keep {keep} {}", work.source.tag),
        because: format!("{what} older than --keep {keep} (newest {}): is the camera's clock right?", day(newest)),
        is_wrong: true,
    })
}

/// The filters, if they leave out all of the recordings.
fn unfit<'a>(segments: impl Iterator<Item = &'a Segment>, left_out: usize, selection: &Selection) -> Option<Nothing> {
    let starts: Vec<CameraTime> = segments.map(|segment| segment.start).collect();
    let (oldest, newest) = (starts.iter().min()?, starts.iter().max()?);
    let options = [
        selection.from.map(|_| "--from"),
        selection.to.map(|_| "--to"),
        selection.since.map(|_| "--since"),
        selection.without_pictures.then_some("--no-pictures"),
        selection.keep.map(|_| "--keep"),
    ];
    let options: Vec<&str> = options.into_iter().flatten().collect();
    (left_out == starts.len()).then(|| Nothing {
        key: options.join(" "),
        because: format!(
            "{} left out by {} (the oldest is of {}, the newest of {})",
            all_are(starts.len(), "recording"),
            options.join(" and "),
            day(*oldest),
            day(*newest)
        ),
        is_wrong: false,
    })
}

fn day(time: CameraTime) -> String {
    time.to_string().chars().take("2025-09-07".len()).collect()
}

//! Why there is nothing to fetch from a camera that has recordings: what all of them have in common. Pure.

use chrono::NaiveDateTime;

use super::inventory::Inventory;
use super::name::FileName;
use super::plan::{Plan, select};
use super::policy::{Code, Policy, Protect};
use crate::pass::Nothing;
use crate::units::all_are;

/// What leaves out every one of these recordings; none where something else does, too.
pub(super) fn why(
    videos: &[FileName],
    inventory: &Inventory,
    plan: &Plan,
    policy: &Policy,
    now: NaiveDateTime,
) -> Option<Nothing> {
    let newest = videos.iter().map(|video| video.at()).max()?.format("%Y-%m-%d");
    let (count, keep) = (videos.len(), &policy.keep);
    if plan.selected == 0 {
        return Some(unselected(videos, policy));
    }
    if !plan.fetches.is_empty() || keep.0.is_empty() {
        return None;
    }
    let is_old = |video: &FileName| {
        policy.expires(video.kind(), video.at(), now) && !policy.protects(*video, inventory) && !inventory.has(*video)
    };
    let all_are_old =
        if plan.selected == count { videos.iter().all(is_old) } else { select(videos, policy).iter().all(is_old) };
    let selected = if plan.selected == count { "" } else { "selected " };
    let what = all_are(plan.selected, &format!("{selected}recording"));
    all_are_old.then(|| Nothing {
        key: format!("--keep {keep}"),
        because: format!("{what} older than --keep {keep} (newest {newest}): is the camera's clock right?"),
        is_wrong: true,
    })
}

fn unselected(videos: &[FileName], policy: &Policy) -> Nothing {
    let (include, exclude) = (list(&policy.include), list(&policy.exclude));
    let is_covered = |include: &Code| policy.exclude.iter().any(|exclude| exclude.covers(*include));
    let is_wrong = !policy.include.is_empty() && policy.include.iter().all(is_covered);
    let what = all_are(videos.len(), "recording");
    let because = if is_wrong {
        format!("--exclude {exclude} leaves nothing of --include {include}: give only one of them")
    } else if !videos.iter().any(|video| policy.wants(*video)) {
        format!("{what} of other types or directions than --include {include}")
    } else {
        let include = if include.is_empty() { "" } else { "--include and " };
        format!("{what} left out by {include}--exclude {exclude}")
    };
    Nothing { key: format!("--include {include} --exclude {exclude}"), because, is_wrong }
}

fn list(codes: &[Code]) -> String {
    codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Codes of options, each with its option, whose letters no camera is known to write, and that fit no recording.
pub(super) fn unknown_codes(
    videos: &[FileName],
    inventory: &Inventory,
    policy: &Policy,
) -> Vec<(&'static str, String)> {
    let fits = |code: Code| {
        let inventory = inventory.files.iter().map(|file| file.name);
        videos.iter().copied().chain(inventory).any(|name| code.matches(name))
    };
    let codes = |option, codes: &[Code]| codes.iter().map(|code| (option, *code)).collect::<Vec<_>>();
    let protected: Vec<Code> = policy
        .protect
        .iter()
        .filter_map(|word| if let Protect::Code(code) = word { Some(*code) } else { None })
        .collect();
    let kept: Vec<Code> = policy.keep.0.iter().filter_map(|rule| rule.kind.as_ref()?.parse().ok()).collect();
    let all = [
        codes("--include", &policy.include),
        codes("--exclude", &policy.exclude),
        codes("--protect", &protected),
        codes("--keep", &kept),
    ];
    let unknown = all.into_iter().flatten().filter(|(_, code)| !code.is_known() && !fits(*code));
    unknown.map(|(option, code)| (option, code.to_string())).collect()
}

//! The plan, for `--dry-run`.

use serde_json::json;

use super::held::Held;
use super::name::Grouping;
use super::plan::Plan;
use super::verify::Repair;
use crate::stdout;
use crate::units::count;

/// Prints a plan on stdout, as lines or as JSON.
pub(super) fn plan(plan: &Plan, repairs: &[Repair], held: &Held, grouping: Grouping, as_json: bool) {
    let removals = plan.removals.iter().map(|removal| (join(held.dir(removal.dir), &removal.entry), removal.reason));
    let fetches = plan.fetches.iter().flat_map(|fetch| {
        let dir = fetch.dir.map_or_else(|| grouping.dir(fetch.video.at()), |dir| held.dir(dir).to_owned());
        fetch.formats.iter().map(move |format| join(&dir, &fetch.video.sibling(*format)))
    });
    let repairs = repairs.iter().map(|repair| join(held.dir(repair.dir), &repair.file));
    if as_json {
        let removals: Vec<_> =
            removals.map(|(path, reason)| json!({"path": path, "reason": reason.to_string()})).collect();
        let protect: Vec<_> = plan.marks.iter().map(ToString::to_string).collect();
        let fetches: Vec<_> = fetches.collect();
        stdout::line(&json!({
            "dry_run": true,
            "selected_recordings": plan.selected,
            "waiting_files": plan.waiting.len(),
            "remove": removals,
            "protect": protect,
            "fetch": fetches,
            "fetch_again": repairs.collect::<Vec<_>>(),
        }));
        return;
    }
    for mark in &plan.marks {
        stdout::line(&format_args!("protect {mark}"));
    }
    let mut removed = 0;
    for (path, reason) in removals {
        stdout::line(&format_args!("remove  {path} ({reason})"));
        removed += 1;
    }
    let mut files = 0;
    for path in fetches {
        stdout::line(&format_args!("fetch   {path}"));
        files += 1;
    }
    for path in repairs {
        stdout::line(&format_args!("again   {path}"));
    }
    stdout::line(&format_args!(
        "{} to fetch of {}, {} to remove, {} waiting for another try",
        count(files, "file"),
        count(plan.fetches.len(), "recording"),
        count(removed, "file"),
        plan.waiting.len(),
    ));
}

fn join(dir: &str, name: &impl std::fmt::Display) -> String {
    if dir.is_empty() { name.to_string() } else { format!("{dir}/{name}") }
}

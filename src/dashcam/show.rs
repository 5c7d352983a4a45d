//! The plan, for `--dry-run`.

use super::inventory::Inventory;
use super::name::Grouping;
use super::plan::Plan;
use super::verify::Repair;
use crate::steps::Step;

/// The steps of a plan, and what `--verify` is to fetch again.
pub(super) fn steps(plan: &Plan, repairs: &[Repair], inventory: &Inventory, grouping: Grouping) -> Vec<Step> {
    let protections = plan.protections.iter().map(|moment| Step::new("protect", moment.to_string()));
    let removals = plan
        .removals
        .iter()
        .map(|removal| Step::remove(join(inventory.dir(removal.dir), &removal.entry), removal.reason));
    let fetches = plan.fetches.iter().flat_map(|fetch| {
        let dir = fetch.dir.map_or_else(|| grouping.dir(fetch.video.at()), |dir| inventory.dir(dir).to_owned());
        fetch.formats.iter().map(move |format| Step::new("fetch", join(&dir, &fetch.video.sibling(*format))))
    });
    let repairs = repairs.iter().map(|repair| Step::new("repair", join(inventory.dir(repair.dir), &repair.file)));
    protections.chain(removals).chain(fetches).chain(repairs).collect()
}

fn join(dir: &str, name: &impl std::fmt::Display) -> String {
    if dir.is_empty() { name.to_string() } else { format!("{dir}/{name}") }
}

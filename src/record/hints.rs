//! Settings of the system that do not suit a recorder: Linux collects dirty pages and then writes them all at once, by
//! default after up to a tenth of the memory or half a minute. A power failure loses those that wait.

use std::path::Path;

use crate::logging::SUMMARY;

/// A setting, the value from which it does not suit, and advice.
const HINTS: [(&str, u64, &str); 2] = [
    ("vm.dirty_background_ratio", 10, "less, such as 1, spreads the writing"),
    ("vm.dirty_expire_centisecs", 3000, "less, such as 500, loses less when the power goes"),
];

/// A file system in memory, which writes nothing to disk: `TMPFS_MAGIC` of Linux.
const IN_MEMORY: rustix::fs::FsWord = 0x0102_1994;

/// Logs the settings that do not suit these destinations: on a terminal, else with `-v`.
pub(super) fn tell(destinations: &[&Path], is_terminal: bool) {
    if destinations.iter().all(|place| is_in_memory(place)) {
        return;
    }
    for (name, from, advice) in HINTS {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let value = std::fs::read_to_string(path).ok().and_then(|value| value.trim().parse::<u64>().ok());
        let Some(value) = value.filter(|value| *value >= from) else { continue };
        let target = if is_terminal { SUMMARY } else { module_path!() };
        log::info!(target: target, "hint: {name} is {value}: {advice} (hints = false ends this)");
    }
}

fn is_in_memory(place: &Path) -> bool {
    rustix::fs::statfs(place).is_ok_and(|space| space.f_type == IN_MEMORY)
}

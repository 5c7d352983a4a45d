//! Settings of the system that do not suit a recorder: Linux collects what is written and then writes all of it at once,
//! by default up to a tenth of the memory or half a minute. What waits there is lost with the power.

const HINTS: [(&str, &str, &str); 2] = [
    ("vm.dirty_background_ratio", "10", "less, such as 1, spreads the writing"),
    ("vm.dirty_expire_centisecs", "3000", "less, such as 500, loses less when the power goes"),
];

/// Tells which of them are as the system sets them.
pub(super) fn tell() {
    for (name, default, advice) in HINTS {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        if std::fs::read_to_string(path).is_ok_and(|value| value.trim() == default) {
            log::info!("{name} is {default}, as the system sets it: {advice} (hints = false ends this)");
        }
    }
}

//! The log of what is removed: each file with `-v`, else one line for each camera and reason, with `--cron` too.
//!
//! Who reads cron's mail needs to know that footage went, why, how much and which; not a line for each of a thousand files.

use std::collections::BTreeMap;
use std::path::Path;

use crate::logging::REMOVALS;
use crate::retention::Reason;
use crate::units::{ByteSize, count};

/// Removals that are not logged yet. They are when this is dropped, whatever has ended the pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removals(BTreeMap<(String, Reason), Group>);

/// Removals of one camera for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    files: usize,
    bytes: u64,
    first: String,
    last: String,
}

impl Removals {
    /// Logs a removed file; `camera` is empty where a pass has but one, or does not know.
    pub fn add(&mut self, camera: &str, file: &Path, reason: Reason, bytes: u64) {
        let name = file.display().to_string();
        log::info!("{name}: removed ({reason})");
        match self.0.get_mut(&(camera.to_owned(), reason)) {
            None => {
                let group = Group { files: 1, bytes, first: name.clone(), last: name };
                self.0.insert((camera.to_owned(), reason), group);
            }
            Some(group) => {
                group.files += 1;
                group.bytes = group.bytes.saturating_add(bytes);
                if name < group.first {
                    group.first = name;
                } else if name > group.last {
                    group.last = name;
                }
            }
        }
    }

    /// Logs what was added since the last time.
    pub fn log(&mut self) {
        for ((camera, reason), group) in std::mem::take(&mut self.0) {
            log::info!(target: REMOVALS, "{}", group.line(&camera, reason));
        }
    }
}

impl Group {
    fn line(&self, camera: &str, reason: Reason) -> String {
        let Self { files, bytes, first, last } = self;
        if *files == 1 {
            return format!("{first}: removed ({reason})");
        }
        let of = if camera.is_empty() { String::new() } else { format!("{camera}: ") };
        format!("{of}{} removed ({reason}), {}: {first} to {last}", count(*files, "file"), ByteSize(*bytes))
    }
}

impl Drop for Removals {
    fn drop(&mut self) {
        self.log();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_have_one_line_for_each_camera_and_reason() {
        let mut removals = Removals::default();
        for (camera, file, reason) in [
            ("yard", "yard/b.mkv", Reason::Expired),
            ("yard", "yard/c.mkv", Reason::Expired),
            ("yard", "yard/a.mkv", Reason::Expired),
            ("gate", "gate/a.mkv", Reason::Expired),
            ("yard", "yard/d.mkv", Reason::OverQuota),
        ] {
            removals.add(camera, Path::new(file), reason, 1000);
        }
        let lines: Vec<String> =
            removals.0.iter().map(|((camera, reason), group)| group.line(camera, *reason)).collect();
        assert_eq!(
            lines,
            [
                "gate/a.mkv: removed (expired)",
                "yard: 3 files removed (expired), 3.0 kB: yard/a.mkv to yard/c.mkv",
                "yard/d.mkv: removed (over-quota)",
            ]
        );
        removals.log();
        assert_eq!(removals, Removals::default());
    }
}

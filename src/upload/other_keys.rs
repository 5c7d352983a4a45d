//! Files that were uploaded under another key than `--key` gives them now.

use std::time::Duration;

use super::Settings;
use super::local::Files;
use super::plan::Policy;
use super::source::Sources;
use crate::memory::Keyed;
use crate::pass::Report;
use crate::store::STATE_DIR;

/// Warns before anything is removed that a new `--key` applies to new files only. It compares keys when the option has
/// changed and as long as there are such files: a pass with nothing new takes no longer.
pub(super) fn name(settings: &Settings, files: &Files, sources: &Sources, policy: &Policy, report: &mut Report) {
    let destination = settings.destination();
    let by = format!("{} {:?}", settings.template, settings.zone);
    let last = report.memory.keyed.get(&destination);
    let is_new = last.is_none_or(|last| last.by != by);
    if !is_new && last.is_none_or(|last| last.other_files == 0) {
        return;
    }
    let other = files.iter().filter_map(|(_, file)| {
        let source = &sources[file.source];
        let record = source.verified(file)?;
        let key = policy.key(file, &source.name).ok()?;
        (record.key != key.as_str()).then_some((record.key.as_str(), key))
    });
    let mut other = other.peekable();
    let example = other.peek().cloned();
    let other_files = other.count();
    report.memory.keyed.insert(destination, Keyed { by, other_files });
    let Some((was, is)) = example else { return };
    let option = match (settings.delete_after, settings.keep) {
        (Some(Duration::ZERO), _) => Some("--delete"),
        (Some(_), _) => Some("--delete-after"),
        (None, keep) => keep.map(|_| "--keep"),
    };
    let removes = option.map(|option| format!(", and {option} removes files that are uploaded under the old one"));
    let journal = settings.sources.first().map(|source| source.join(STATE_DIR).join("upload.journal"));
    log::log!(
        if is_new { log::Level::Warn } else { log::Level::Info },
        "{} uploaded under another key ({was:?}, now it would be {:?}): footage uploads nothing again for a new --key{}; to \
         upload again under the new key, remove {} first",
        if other_files == 1 { "1 file was".to_owned() } else { format!("{other_files} files were") },
        is.as_str(),
        removes.unwrap_or_default(),
        journal.unwrap_or_default().display()
    );
}

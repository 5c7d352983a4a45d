//! The plan, for `--dry-run`.

use serde_json::json;

use super::local::Local;
use super::plan::{Plan, Step};
use crate::pass::Report;
use crate::stdout;
use crate::units::{ByteSize, count};

/// Prints a plan on stdout, as lines or as JSON.
pub(super) fn plan(plan: &Plan, files: &[Local], report: &Report, as_json: bool) {
    let (mut uploads, mut removals, mut bytes) = (Vec::new(), Vec::new(), 0);
    for step in &plan.steps {
        match step {
            Step::Upload(upload) => {
                let local = &files[upload.file];
                bytes += local.identity.size;
                uploads.push((&local.path, upload.key.as_str(), local.identity.size));
            }
            Step::Remove { file, reason } => removals.push((&files[*file].path, reason.to_string())),
            Step::Abort { .. } => {}
        }
    }
    if as_json {
        let uploads: Vec<_> =
            uploads.iter().map(|(file, key, bytes)| json!({"path": file, "key": key, "bytes": bytes})).collect();
        let removals: Vec<_> = removals.iter().map(|(file, reason)| json!({"path": file, "reason": reason})).collect();
        stdout::line(&json!({
            "dry_run": true,
            "proven_files": plan.proven,
            "open_files": report.open_files,
            "waiting_files": report.waiting_files,
            "remove": removals,
            "upload": uploads,
        }));
        return;
    }
    for (file, reason) in &removals {
        stdout::line(&format_args!("remove {} ({reason})", shown(file)));
    }
    for (file, key, bytes) in &uploads {
        stdout::line(&format_args!("upload {} to {} ({})", shown(file), shown(key), ByteSize(*bytes)));
    }
    stdout::line(&format_args!(
        "{} to upload ({}), {} to remove, {} in the bucket",
        count(uploads.len(), "file"),
        ByteSize(bytes),
        count(removals.len(), "file"),
        count(plan.proven, "file"),
    ));
}

/// A name as it is, unless a terminal would take it for something else.
fn shown(name: &str) -> String {
    if name.chars().any(char::is_control) { format!("{name:?}") } else { name.to_owned() }
}

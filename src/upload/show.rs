//! The plan, for `--dry-run`.

use super::local::{Files, Local};
use super::plan::{Plan, Step};
use crate::steps;

/// The steps of a plan, without aborts of multipart uploads.
pub(super) fn steps(plan: &Plan, files: &Files) -> Vec<steps::Step> {
    let (mut removals, mut uploads) = (Vec::new(), Vec::new());
    for step in &plan.steps {
        match step {
            Step::Upload(upload) => {
                let Local { path, identity, .. } = &files[upload.file];
                let key = Some(upload.key.as_str().to_owned());
                uploads.push(steps::Step { key, bytes: Some(identity.size), ..steps::Step::new("upload", path) });
            }
            Step::Remove { file, reason } => removals.push(steps::Step::remove(&files[*file].path, *reason)),
            Step::Abort { .. } => {}
        }
    }
    removals.append(&mut uploads);
    removals
}

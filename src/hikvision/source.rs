//! The cameras of the inputs: their tags, their indexes, and their problems, logged and counted.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Settings;
use super::name::Tag;
use super::plan::{Folder, tags};
use super::read_at::Deadline;
use super::storage::{Camera, CameraListing, Discovery, Problem, discover};
use crate::error::{Error, Result, with_causes};
use crate::failure::FailureReason;
use crate::pass::{Context, Failure, Report};
use crate::store::resolved;

/// A camera and its name in the destination.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) camera: Camera,
    pub(super) tag: Tag,
}

/// A camera and its recordings.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) camera: Camera,
    pub(super) tag: Tag,
    pub(super) listing: CameraListing,
}

/// The cameras of all inputs, before their indexes are read.
#[derive(Debug)]
pub struct Cameras {
    found: Vec<Found>,
    problems: Vec<Problem>,
}

impl Cameras {
    /// The cameras; logs and counts the problems of the inputs.
    pub(super) fn known(self, settings: &Settings, context: &Context, report: &mut Report) -> Vec<Found> {
        for folder in unused_names(settings, &self.found) {
            let text = format_args!("--camera: {folder:?} is no camera's folder now");
            context.notices.warn(&format!("camera:{folder}"), text);
        }
        tell(&self.problems, context, report);
        self.found
    }
}

/// Finds all cameras.
///
/// # Errors
/// [`Error::Away`] when no input exists, [`Error::Source`] when none has a camera, [`Error::Usage`] when two cameras would
/// have one name, `--camera` names an unknown one, or the destination is in a camera's storage.
pub(super) fn look(settings: &Settings) -> Result<Cameras> {
    let Discovery { cameras, problems } = discover(&settings.inputs);
    if cameras.is_empty() {
        let text = problems.iter().map(|problem| with_causes(problem)).collect::<Vec<_>>().join("; ");
        let is_gone = |problem: &Problem| matches!(problem, Problem::Folder { source, .. } if source.kind() == ErrorKind::NotFound);
        // A share that is not mounted, a card that is not inserted.
        return Err(if problems.iter().all(is_gone) {
            Error::Away(format!("{text}: is the share mounted, the card inserted?"))
        } else {
            Error::Source(text)
        });
    }
    let paths: Vec<String> = cameras.iter().map(|camera| camera.path.display().to_string()).collect();
    let folders: Vec<Folder<'_>> =
        cameras.iter().zip(&paths).map(|(camera, path)| Folder { name: &camera.name, path }).collect();
    let tags = tags(&folders, &settings.renames).map_err(|clash| Error::Usage(clash.to_string()))?;
    let found: Vec<Found> = cameras.into_iter().zip(tags).map(|(camera, tag)| Found { camera, tag }).collect();
    // The camera may be on a share that is not mounted, or may not have written yet.
    let may_come = |folder: &str| {
        let is_folder = |input: &PathBuf| input.join(folder).is_dir();
        problems.iter().any(|problem| matches!(problem, Problem::Folder { .. }))
            || settings.inputs.iter().any(is_folder)
    };
    if let Some(folder) = unused_names(settings, &found).find(|folder| !may_come(folder)) {
        let cameras: Vec<String> = found.iter().map(|found| format!("{:?}", found.camera.name)).collect();
        let text = format!("--camera: unknown camera {folder:?}; found: {}", cameras.join(", "));
        return Err(Error::Usage(text));
    }
    if !settings.is_list {
        found.iter().try_for_each(|camera| camera.check_destination(&settings.destination))?;
    }
    Ok(Cameras { found, problems })
}

/// The folders of `--camera` that are no camera's. With a misspelt one, footage would extract the camera under another name,
/// and everything again once the user corrects it.
fn unused_names<'a>(settings: &'a Settings, found: &'a [Found]) -> impl Iterator<Item = &'a str> {
    let is_used = |folder: &&String| {
        found.iter().any(|found| found.camera.name == **folder || found.camera.path.display().to_string() == **folder)
    };
    settings.renames.keys().filter(move |folder| !is_used(folder)).map(String::as_str)
}

/// The time for the indexes of a camera while others wait. Most take milliseconds.
const SHORT: Duration = Duration::from_secs(2);
/// The time for them once the other cameras are done.
const LONG: Duration = Duration::from_secs(20);

/// Reads the indexes of all cameras. Those that exceed their time are returned separately, for [`read_late`].
pub(super) fn read(found: Vec<Found>, context: &Context, report: &mut Report) -> Result<(Vec<Source>, Vec<Found>)> {
    let (mut sources, mut late) = (Vec::new(), Vec::new());
    for found in found {
        let listing = found.camera.read(&Deadline::after(SHORT, &context.stop));
        context.stop.check()?;
        if listing.is_given_up() {
            log::info!("{}: slow or broken index; the other cameras come first", found.tag);
            late.push(found);
        } else {
            sources.push(found.with(listing, context, report));
        }
    }
    Ok((sources, late))
}

/// Reads the index of a camera after all others.
pub(super) fn read_late(found: Found, context: &Context, report: &mut Report) -> Result<Source> {
    let listing = found.camera.read(&Deadline::after(LONG, &context.stop));
    context.stop.check()?;
    Ok(found.with(listing, context, report))
}

/// Logs the problems, and counts those that may hide footage as failures.
fn tell(problems: &[Problem], context: &Context, report: &mut Report) {
    for problem in problems {
        let message = with_causes(problem);
        let name = problem.path().display().to_string();
        // The key leaves out what changes from pass to pass, such as a count.
        context.notices.warn(&format!("storage:{}:{name}", problem.kind()), &message);
        if problem.hides_footage() {
            report.failures.push(Failure { name, reason: FailureReason::Storage, message });
        }
    }
}

impl Found {
    fn with(self, listing: CameraListing, context: &Context, report: &mut Report) -> Source {
        tell(&listing.problems, context, report);
        Source { camera: self.camera, tag: self.tag, listing }
    }

    /// Refuses to write into the camera's own storage.
    fn check_destination(&self, destination: &Path) -> Result<()> {
        let camera_dir = resolved(destination).join(self.tag.as_str());
        if camera_dir.starts_with(&self.camera.path)
            || self.camera.datadirs.iter().any(|dir| camera_dir.starts_with(&dir.path))
        {
            return Err(Error::Usage(format!(
                "{} is in the storage of the camera {:?}, which is only read: name another --destination",
                camera_dir.display(),
                self.camera.name
            )));
        }
        Ok(())
    }
}

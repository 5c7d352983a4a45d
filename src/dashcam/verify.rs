//! `--verify`: what is held, against the camera and against itself.

use super::Pass;
use super::held::Dir;
use super::name::{FileName, Format};
use super::source::{Offer, Source, Trouble};
use crate::error::{Error, Result};
use crate::mp4::{self, Structure};
use crate::pass::Report;
use crate::store::open_regular;

/// A file to fetch again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repair {
    /// The file.
    pub(super) file: FileName,
    /// The recording it belongs to.
    pub(super) video: FileName,
    /// Where it stands.
    pub(super) dir: Dir,
}

/// Compares every held file with the camera, by length, and every video with its own structure. What is shorter or
/// broken is returned, to be fetched again; what differs in another way is counted as failed and left as it is: the
/// copy here may be the better one.
pub(super) fn check(pass: Pass<'_>, source: &Source, offer: &Offer, report: &mut Report) -> Result<Vec<Repair>> {
    let Pass { held, store, context, .. } = pass;
    let mut again = Vec::new();
    let items = context.progress.items(held.files.len(), 0);
    for file in &held.files {
        context.stop.check()?;
        let item = items.begin(&file.name.to_string());
        let path = store.root().join(held.dir(file.dir)).join(file.name.to_string());
        let mut opened = match open_regular(&path) {
            Ok(opened) => opened,
            // Another pass removed it in between.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                report.fail(&context.told, file.name, "damaged", format!("it cannot be read here: {error}"));
                continue;
            }
        };
        let length = opened.metadata().map_or(0, |metadata| metadata.len());
        item.start(length, Some(length));
        let broken = match file.name.format() {
            Format::Video => match mp4::structure(&mut opened, length) {
                Ok(Structure::Whole) => None,
                Ok(Structure::Broken(why)) => Some(why),
                Err(error) => Some(error.to_string()),
            },
            _ => None,
        };
        report.verified_files += 1;
        let Some(video) = video_on_camera(file.name, offer) else {
            if let Some(why) = broken {
                report.fail(&context.told, file.name, "damaged", format!("{why}; the camera no longer has it"));
            }
            continue;
        };
        let mut there = source.length(file.name, video);
        if let Err(Trouble::Lost(cause)) = &there {
            context.stop.check()?;
            source.answers().map_err(|_| Error::Away(format!("the camera has left ({cause})")))?;
            there = source.length(file.name, video);
        }
        // What the camera cannot give cannot be compared.
        let there = there.unwrap_or(None);
        match (there, broken) {
            (Some(there), _) if length < there => again.push(Repair { file: file.name, video, dir: file.dir }),
            (_, Some(_)) => again.push(Repair { file: file.name, video, dir: file.dir }),
            (Some(there), None) if length > there => {
                let message = format!("{length} bytes here, {there} on the camera; left as it is");
                report.fail(&context.told, file.name, "length", message);
            }
            _ => {}
        }
    }
    for Repair { file, .. } in &again {
        context.told.warn(&format!("repair:{file}"), format_args!("{file}: not as on the camera; fetching it again"));
    }
    Ok(again)
}

/// The listed recording to which a file belongs.
fn video_on_camera(name: FileName, offer: &Offer) -> Option<FileName> {
    let videos = &offer.listing.videos;
    let first = videos.partition_point(|video| video.at() < name.at());
    videos[first..]
        .iter()
        .take_while(|video| video.at() == name.at())
        .find(|video| video.sibling(name.format()) == name)
        .copied()
}

//! `--verify`: compares the files here with the camera, and checks their own structure.
//!
//! A camera reports the lengths of its files and no hashes, and fetching all of them again over Wi-Fi would take hours. So
//! footage compares lengths, and checks the MP4 structure of each video. It compares a card in a reader byte for byte.

use std::fs::File;
use std::io::{self, Read, Seek};

use super::Pass;
use super::inventory::Dir;
use super::name::{FileName, Format};
use super::source::{Offer, Refusal, Source};
use crate::error::{Error, Result};
use crate::failure::{FailureReason, ItemFailure};
use crate::mp4::{self, Structure};
use crate::pass::{Compared, Report};
use crate::store::open::open_regular;

/// A file to fetch again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repair {
    /// The file.
    pub(super) file: FileName,
    /// The recording it belongs to.
    pub(super) video: FileName,
    /// Its directory.
    pub(super) dir: Dir,
}

/// How much of a file is compared at once.
const PIECE_BYTES: u64 = 128 << 10;

/// Compares every file here with the camera, by length, or with its card, by content, and checks the structure of every
/// video. Returns the files that are shorter or broken, to be fetched again. A file that differs in another way counts as
/// failed and stays as it is: the copy here may be the better one.
pub(super) fn check(pass: Pass<'_>, source: &dyn Source, offer: &Offer, report: &mut Report) -> Result<Vec<Repair>> {
    let Pass { inventory, store, context, .. } = pass;
    let mut again = Vec::new();
    let items = context.progress.items(inventory.files.len(), 0);
    for file in &inventory.files {
        context.stop.check()?;
        let item = items.begin(&file.name.to_string());
        let path = store.root().join(inventory.dir(file.dir)).join(file.name.to_string());
        let mut opened = match open_regular(&path) {
            Ok(opened) => opened,
            // Another pass removed it in between.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                let failure = format!("it cannot be read here: {error}");
                report.fail(&context.notices, file.name, ItemFailure::passing(FailureReason::Damaged, failure));
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
                let failure = format!("{why}; the camera no longer has it");
                report.fail(&context.notices, file.name, ItemFailure::passing(FailureReason::Damaged, failure));
            } else {
                let is_video = file.name.format() == Format::Video;
                report.verified(if is_video { Compared::Structure } else { Compared::Nothing });
            }
            continue;
        };
        let mut there = source.length(file.name, video);
        if let Err(Refusal::Lost(cause)) = &there {
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
                report.fail(&context.notices, file.name, ItemFailure::passing(FailureReason::Length, message));
            }
            (Some(_), None) if source.is_local() => match differs_at(pass, source, (file.name, video), &mut opened) {
                Ok(None) => report.verified(Compared::Content),
                Ok(Some(at)) => {
                    let message = format!("differs from the card's from byte {at} on; left as it is");
                    report.fail(&context.notices, file.name, ItemFailure::passing(FailureReason::Content, message));
                }
                Err(error) => {
                    context.stop.check()?;
                    let message = format!("not compared with the card's: {error}");
                    report.fail(&context.notices, file.name, ItemFailure::passing(FailureReason::Content, message));
                }
            },
            (there, None) => report.verified(match (file.name.format(), there) {
                (Format::Video, Some(_)) => Compared::LengthAndStructure,
                (Format::Video, None) => Compared::Structure,
                (_, Some(_)) => Compared::Length,
                (_, None) => Compared::Nothing,
            }),
        }
    }
    for Repair { file, .. } in &again {
        context
            .notices
            .warn(&format!("repair:{file}"), format_args!("{file}: not as on the camera; fetching it again"));
    }
    Ok(again)
}

/// The first byte in which a file differs from the source's of the same length, if one does.
///
/// # Errors
/// One of the two cannot be read, or the pass is to stop.
fn differs_at(
    pass: Pass<'_>,
    source: &dyn Source,
    (file, video): (FileName, FileName),
    here: &mut File,
) -> io::Result<Option<u64>> {
    let opened = source.open(file, video, 0).map_err(|trouble| io::Error::other(in_words(trouble)))?;
    let mut there = opened.body;
    here.rewind()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut at = 0;
    while !pass.context.stop.is_requested() {
        read_piece(here, &mut ours)?;
        read_piece(&mut there, &mut theirs)?;
        let differs = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
        let ends = (ours.len() != theirs.len()).then(|| ours.len().min(theirs.len()));
        if let Some(n) = differs.or(ends) {
            return Ok(Some(at + n as u64));
        }
        if ours.is_empty() {
            return Ok(None);
        }
        at += ours.len() as u64;
    }
    Err(io::ErrorKind::Interrupted.into())
}

fn read_piece(from: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.clear();
    from.take(PIECE_BYTES).read_to_end(bytes).map(drop)
}

fn in_words(refusal: Refusal) -> String {
    match refusal {
        Refusal::Lost(cause) | Refusal::Refused(cause) => cause,
        Refusal::Absent => "it is not there any more".to_owned(),
        Refusal::Empty => "it is empty there".to_owned(),
        Refusal::Status(status) => format!("status {status}"),
    }
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

//! The listing, for `--list`, and the plan, for `--dry-run`.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::Work;
use super::plan::{Policy, Step};
use super::segment::{Medium, Recording};
use super::source::Source;
use crate::pass::Report;
use crate::retention::Reason;
use crate::stdout;
use crate::units::{ByteSize, count};

/// About what a recording takes in a listing, so that the text need not grow.
const JSON_BYTES: usize = 320;
const LINE_BYTES: usize = 110;

/// Prints what the cameras have on stdout, as a table or as a JSON array with a line for each recording.
pub(super) fn list(sources: &[Source], policy: &Policy, as_json: bool) {
    let recordings: Vec<(&Source, &Recording)> = sources
        .iter()
        .flat_map(|source| source.listing.recordings.iter().map(move |recording| (source, recording)))
        .filter(|(_, recording)| policy.wants(recording))
        .collect();
    let mut text = String::with_capacity(recordings.len() * if as_json { JSON_BYTES } else { LINE_BYTES });
    if as_json {
        for (source, recording) in &recordings {
            text.push_str(if text.is_empty() { "[\n" } else { ",\n" });
            text.push_str(&serde_json::to_string(&Row::of(source, recording)).unwrap_or_default());
        }
        text.push_str(if text.is_empty() { "[]" } else { "\n]" });
        stdout::line(&text);
        return;
    }
    let width = sources.iter().map(|source| source.tag.as_str().chars().count()).max().unwrap_or(0).max("camera".len());
    let _ = writeln!(
        text,
        "{:width$}  {:23}  {:>9}  {:>9}  {:7}  {:>4}  place",
        "camera", "start", "lasts", "size", "medium", "type"
    );
    let mut bytes = 0;
    let mut place = Place::default();
    for (source, recording) in &recordings {
        let segment = &recording.segment;
        bytes += segment.span.len();
        let start = segment.start.to_string();
        let tenths = (segment.duration().as_millis() + 50) / 100;
        let missing = if recording.is_present { "" } else { " (missing)" };
        let _ = writeln!(
            text,
            "{:width$}  {} {}  {:>6}.{}s  {:>9}  {:7}  {:>4}  {} #{}{missing}",
            source.tag.as_str(),
            // Date and time apart, to the millisecond, as people read it.
            start.get(..10).unwrap_or_default(),
            start.get(11..23).unwrap_or_default(),
            tenths / 10,
            tenths % 10,
            ByteSize(segment.span.len()).to_string(),
            medium(recording.medium),
            segment.kind,
            place.of(source, recording),
            segment.number,
        );
    }
    let in_progress: u32 = sources.iter().map(|source| source.listing.in_progress).sum();
    let _ = write!(
        text,
        "{} of {}, {}; {in_progress} being written",
        count(recordings.len(), "recording"),
        count(sources.len(), "camera"),
        ByteSize(bytes)
    );
    stdout::line(&text);
}

/// A recording in JSON.
#[derive(Serialize)]
struct Row<'a> {
    camera: &'a str,
    name: &'a str,
    medium: &'static str,
    start: String,
    end: String,
    duration_seconds: f64,
    r#type: u8,
    channel: u16,
    datadir: Option<u32>,
    file: u32,
    segment: u32,
    start_offset: u64,
    end_offset: u64,
    bytes: u64,
    is_present: bool,
}

impl<'a> Row<'a> {
    fn of(source: &'a Source, recording: &Recording) -> Self {
        let segment = &recording.segment;
        Self {
            camera: &source.camera.name,
            name: source.tag.as_str(),
            medium: medium(recording.medium),
            start: segment.start.to_string(),
            end: segment.end.to_string(),
            duration_seconds: segment.duration().as_secs_f64(),
            r#type: segment.kind,
            channel: segment.channel,
            datadir: source.camera.datadirs.get(recording.datadir).map(|datadir| datadir.number),
            file: segment.file,
            segment: segment.number,
            start_offset: segment.span.start(),
            end_offset: segment.span.end(),
            bytes: segment.span.len(),
            is_present: recording.is_present,
        }
    }
}

fn medium(medium: Medium) -> &'static str {
    match medium {
        Medium::Video => "video",
        Medium::Picture => "picture",
    }
}

/// `datadir0/hiv00042.mp4`, which hundreds of recordings in a row share.
#[derive(Default)]
struct Place<'a> {
    last: Option<(&'a Path, usize, Medium, u32)>,
    text: String,
}

impl<'a> Place<'a> {
    fn of(&mut self, source: &'a Source, recording: &Recording) -> &str {
        let key = (source.camera.path.as_path(), recording.datadir, recording.medium, recording.segment.file);
        if self.last != Some(key) {
            let path = source.camera.ring_file(recording).unwrap_or_default();
            self.text = path.strip_prefix(&source.camera.path).unwrap_or(&path).display().to_string();
            self.last = Some(key);
        }
        &self.text
    }
}

/// Prints plans on stdout, as lines or as JSON.
pub(super) fn plan(works: &[Work<'_>], report: &Report, as_json: bool) {
    let (mut removals, mut extractions) = (Vec::new(), Vec::new());
    for work in works {
        for step in &work.plan.steps {
            match step {
                Step::Expire { name } => removals.push(name.path(&work.source.tag).display().to_string()),
                Step::Extract { name, .. } => extractions.push(name.path(&work.source.tag).display().to_string()),
            }
        }
    }
    if as_json {
        let removals: Vec<_> =
            removals.iter().map(|path| json!({"path": path, "reason": Reason::Expired.to_string()})).collect();
        stdout::line(&json!({
            "dry_run": true,
            "recordings_selected": report.recordings_selected,
            "waiting_for_retry": report.waiting_for_retry,
            "remove": removals,
            "extract": extractions,
        }));
        return;
    }
    for path in &removals {
        stdout::line(&format_args!("remove  {path} ({})", Reason::Expired));
    }
    for path in &extractions {
        stdout::line(&format_args!("extract {path}"));
    }
    stdout::line(&format_args!(
        "{} to extract, {} to remove, {} waiting for another try",
        count(extractions.len(), "recording"),
        count(removals.len(), "file"),
        report.waiting_for_retry,
    ));
}

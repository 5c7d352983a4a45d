//! The listing, for `--list`, and the plan, for `--dry-run`.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::Work;
use super::plan::{Policy, Step};
use super::segment::{Medium, Segment};
use super::source::Source;
use crate::text::printable_json;
use crate::units::{ByteSize, count};
use crate::{stdout, steps};

/// Prints the cameras' recordings on stdout, as a table or as a JSON array with a line for each recording.
pub(super) fn list(sources: &[Source], policy: &Policy, as_json: bool) {
    stdout::lines(|out| if as_json { json_array(sources, policy, out) } else { table(sources, policy, out) });
}

fn selected<'a>(sources: &'a [Source], policy: &Policy) -> impl Iterator<Item = (&'a Source, &'a Segment)> {
    let segments = |source: &'a Source| source.listing.segments.iter().map(move |segment| (source, segment));
    sources.iter().flat_map(segments).filter(|(_, segment)| policy.wants(segment))
}

fn json_array(sources: &[Source], policy: &Policy, out: &mut dyn Write) -> io::Result<()> {
    let mut before = "[\n";
    for (source, segment) in selected(sources, policy) {
        out.write_all(before.as_bytes())?;
        out.write_all(printable_json(&serde_json::to_string(&Row::of(source, segment))?).as_bytes())?;
        before = ",\n";
    }
    out.write_all(if before == "[\n" { b"[]\n" } else { b"\n]\n" })
}

fn table(sources: &[Source], policy: &Policy, out: &mut dyn Write) -> io::Result<()> {
    let width = sources.iter().map(|source| source.tag.as_str().chars().count()).max().unwrap_or(0).max("camera".len());
    writeln!(
        out,
        "{:width$}  {:23}  {:>9}  {:>9}  {:7}  {:>4}  place",
        "camera", "start", "lasts", "size", "medium", "type"
    )?;
    let (mut segments, mut bytes) = (0, 0);
    let (mut ring_file, mut line) = (RingFilePath::default(), Line::default());
    for (source, segment) in selected(sources, policy) {
        segments += 1;
        bytes += segment.span.len();
        let start = segment.start.text();
        let start = std::str::from_utf8(&start).unwrap_or_default();
        let duration = segment.duration();
        let tenths = duration.as_secs() * 10 + u64::from((duration.subsec_millis() + 50) / 100);
        line.left(width, source.tag.as_str());
        line.text.push_str("  ");
        // With a space between date and time, to the millisecond.
        line.text.push_str(start.get(..10).unwrap_or_default());
        line.text.push(' ');
        line.text.push_str(start.get(11..23).unwrap_or_default());
        line.tenths(10, tenths);
        line.text.push('s');
        if let Some((tenths, unit)) = ByteSize(segment.span.len()).tenths() {
            line.tenths(8, tenths);
            line.text.push(' ');
            line.text.push_str(unit);
        } else {
            line.number(9, segment.span.len());
            line.text.push_str(" B");
        }
        line.text.push_str("  ");
        line.left(7, medium(segment.ring.medium));
        line.number(6, segment.kind.into());
        line.text.push_str("  ");
        line.text.push_str(ring_file.of(source, segment));
        line.text.push_str(" #");
        line.number(0, segment.number.into());
        line.text.push_str(if segment.is_present { "\n" } else { " (missing)\n" });
        out.write_all(line.text.as_bytes())?;
        line.text.clear();
    }
    let in_progress: u32 = sources.iter().map(|source| source.listing.in_progress).sum();
    writeln!(
        out,
        "{} of {}, {}; {in_progress} being written",
        count(segments, "recording"),
        count(sources.len(), "camera"),
        ByteSize(bytes)
    )
}

/// A line of the table. With `write!` and widths, formatting would take half of the time of a listing.
#[derive(Default)]
struct Line {
    text: String,
}

impl Line {
    /// Adds `text` at the left of a column of `width`.
    fn left(&mut self, width: usize, text: &str) {
        self.text.push_str(text);
        self.spaces(width.saturating_sub(text.chars().count()));
    }

    /// Adds `number` at the right of a column of `width`.
    fn number(&mut self, width: usize, number: u64) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number);
        self.spaces(width.saturating_sub(digits.len()));
        self.text.push_str(digits);
    }

    /// Adds so many tenths, with a point, at the right of a column of `width`.
    fn tenths(&mut self, width: usize, tenths: u64) {
        self.number(width.saturating_sub(2), tenths / 10);
        self.text.push('.');
        self.text.push(char::from(b"0123456789"[(tenths % 10) as usize]));
    }

    fn spaces(&mut self, count: usize) {
        self.text.extend(std::iter::repeat_n(' ', count));
    }
}

/// A recording in JSON.
#[derive(Serialize)]
struct Row<'a> {
    folder: &'a str,
    camera: &'a str,
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
    fn of(source: &'a Source, segment: &Segment) -> Self {
        Self {
            folder: &source.camera.name,
            camera: source.tag.as_str(),
            medium: medium(segment.ring.medium),
            start: segment.start.to_string(),
            end: segment.end.to_string(),
            duration_seconds: segment.duration().as_secs_f64(),
            r#type: segment.kind,
            channel: segment.channel,
            datadir: source.camera.datadirs.get(segment.ring.datadir).map(|datadir| datadir.number),
            file: segment.file,
            segment: segment.number,
            start_offset: segment.span.start(),
            end_offset: segment.span.end(),
            bytes: segment.span.len(),
            is_present: segment.is_present,
        }
    }
}

fn medium(medium: Medium) -> &'static str {
    match medium {
        Medium::Video => "video",
        Medium::Picture => "picture",
    }
}

/// `datadir0/hiv00042.mp4`, kept because hundreds of recordings in a row share it.
#[derive(Default)]
struct RingFilePath<'a> {
    last: Option<(&'a Path, usize, Medium, u32)>,
    text: String,
}

impl<'a> RingFilePath<'a> {
    fn of(&mut self, source: &'a Source, segment: &Segment) -> &str {
        let key = (source.camera.path.as_path(), segment.ring.datadir, segment.ring.medium, segment.file);
        if self.last != Some(key) {
            let path = source.camera.ring_file(segment).unwrap_or_default();
            self.text = path.strip_prefix(&source.camera.path).unwrap_or(&path).display().to_string();
            self.last = Some(key);
        }
        &self.text
    }
}

/// The steps of plans.
pub(super) fn steps(works: &[Work]) -> Vec<steps::Step> {
    let (mut removals, mut extractions) = (Vec::new(), Vec::new());
    for work in works {
        let path = |path: &Path| path.display().to_string();
        for step in &work.plan.steps {
            match step {
                Step::Remove { entry, reason } => {
                    removals.push(steps::Step::remove(path(&entry.path(&work.source.tag)), *reason));
                }
                Step::Extract { name, segment } => extractions.push(steps::Step {
                    bytes: Some(segment.span.len()),
                    ..steps::Step::new("extract", path(&name.path(&work.source.tag)))
                }),
            }
        }
    }
    removals.append(&mut extractions);
    removals
}

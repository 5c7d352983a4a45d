//! What a pass is about to do, for `--dry-run`: a line for each step and one for all of them, or all of it as JSON.

use std::fmt::{self, Write};

use serde::Serialize;
use serde_json::json;

use crate::pass::Report;
use crate::pass_name::PassName;
use crate::retention::Reason;
use crate::stdout;
use crate::text::{printable, shown};
use crate::units::{ByteSize, count};

/// One thing to do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Step {
    /// What: the verb of the pass, or `remove`, `repair`, `protect`.
    pub step: &'static str,
    /// With what: a path in the destination, or of `upload` in DIR; the moment to protect; a camera.
    pub name: String,
    /// Why it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the object is to be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How much that is, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What reads a camera: `native` or `ffmpeg`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<&'static str>,
    /// Where a camera's frames come from, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where its segments go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// What they are packed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<&'static str>,
    /// The program to be run, as a shell takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Step {
    /// A step of which no more is known.
    #[must_use]
    pub fn new(step: &'static str, name: impl Into<String>) -> Self {
        Self { step, name: name.into(), ..Self::default() }
    }

    /// The removal of a file.
    #[must_use]
    pub fn remove(name: impl Into<String>, reason: Reason) -> Self {
        Self { reason: Some(reason.to_string()), ..Self::new("remove", name) }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:7} {}", self.step, shown(&self.name))?;
        if let (Some(engine), Some(source), Some(directory), Some(container)) =
            (self.engine, &self.source, &self.directory, self.container)
        {
            write!(f, ": {engine} {} → {} ({container})", printable(source), printable(directory))?;
        }
        if let Some(command) = &self.command {
            write!(f, ": {}", printable(command))?;
        }
        if let Some(key) = &self.key {
            write!(f, " as {}", shown(key))?;
        }
        if let Some(bytes) = self.bytes {
            write!(f, " ({})", ByteSize(bytes))?;
        }
        match &self.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

/// Prints the steps of a pass on stdout; `report` has the counts of everything else.
pub fn show(report: &Report, steps: &[Step], as_json: bool) {
    if as_json {
        stdout::json(&json!({
            "pass": report.pass.map_or("", PassName::as_str),
            "source": report.source,
            "dry_run": true,
            "selected_recordings": report.selected_recordings,
            "already_there_files": report.already_there_files,
            "open_files": report.open_files,
            "waiting_files": report.waiting_files,
            "left_out_recordings": report.left_out_recordings,
            "steps": steps,
        }));
        return;
    }
    for step in steps {
        stdout::line(step);
    }
    stdout::line(&total(report, steps));
}

/// `9 files (84.2 MB) to fetch, 4 files to remove, 1 waiting for another try`.
fn total(report: &Report, steps: &[Step]) -> String {
    let count_of = |word: &str| steps.iter().filter(|step| step.step == word).count();
    let verb = report.verb();
    if report.pass == Some(PassName::Record) {
        return format!("{} to record", count(steps.len(), "camera"));
    }
    let bytes: Option<u64> = steps.iter().filter(|step| step.step == verb).map(|step| step.bytes).sum();
    let bytes = bytes.filter(|bytes| *bytes > 0).map(|bytes| format!(" ({})", ByteSize(bytes))).unwrap_or_default();
    let mut line = format!(
        "{}{bytes} to {verb}, {} to remove, {} waiting for another try",
        count(count_of(verb), "file"),
        count(count_of("remove"), "file"),
        report.waiting_files
    );
    for (n, what) in [
        (count_of("repair"), "to repair"),
        (report.open_files, "still being written"),
        (report.already_there_files, "there already"),
    ] {
        if n > 0 {
            let _ = write!(line, ", {n} {what}");
        }
    }
    if let Some(because) = &report.nothing_because {
        let _ = write!(line, "; {because}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dry_run_steps_are_readable() {
        let mut report = Report { pass: Some(PassName::Upload), waiting_files: 1, ..Report::default() };
        let upload = Step { key: Some("cams/a.ts".into()), bytes: Some(84_213_000), ..Step::new("upload", "a\n.ts") };
        let steps = [Step::remove("b.ts", Reason::Uploaded), upload];
        let lines: Vec<String> = steps.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        remove  b.ts (uploaded)
        upload  "a\n.ts" as cams/a.ts (84.2 MB)
        "#);
        assert_eq!(total(&report, &steps), "1 file (84.2 MB) to upload, 1 file to remove, 1 waiting for another try");
        report.open_files = 2;
        report.pass = Some(PassName::Dashcam);
        let nothing = "0 files to fetch, 0 files to remove, 1 waiting for another try, 2 still being written";
        assert_eq!(total(&report, &[]), nothing);
    }
}

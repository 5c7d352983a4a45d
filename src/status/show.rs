//! The table, as wide as the terminal, and the list for Zabbix.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::rows::{Disk, Problem, Row, Status};
use crate::disk::percent;
use crate::machine::Usage;
use crate::text::printable;
use crate::units::{ByteSize, bit_rate, count, short_duration};

/// The space between two columns.
const GAP: usize = 2;

/// A camera name is not cut shorter than this.
const SHORTEST_NAME: usize = 14;

/// A column: its title, the text of its cell, and whether it is right-aligned.
struct Column {
    title: &'static str,
    cell: fn(&Row, i64) -> String,
    is_number: bool,
}

const NAME: usize = 1;

const COLUMNS: [Column; 10] = [
    Column { title: "PASS", cell: |row, _| row.pass.to_string(), is_number: false },
    Column {
        title: "CAMERA",
        cell: |row, _| row.camera.clone().unwrap_or_else(|| row.source.clone()),
        is_number: false,
    },
    Column { title: "STATE", cell: |row, _| row.state.to_string(), is_number: false },
    Column {
        title: "FOR",
        cell: |row, now| row.state_since_timestamp_seconds.map_or_else(String::new, |at| age(now - at)),
        is_number: false,
    },
    Column {
        title: "NEWEST",
        cell: |row, _| row.newest.as_ref().map_or_else(String::new, |n| seconds(n.age_seconds)),
        is_number: false,
    },
    Column {
        title: "FPS",
        cell: |row, _| row.frames_per_second.map_or_else(String::new, |fps| format!("{fps:.1}")),
        is_number: true,
    },
    Column { title: "BITRATE", cell: |row, _| row.bits_per_second.map_or_else(String::new, bit_rate), is_number: true },
    Column { title: "FILES", cell: |row, _| number(row.files), is_number: true },
    Column { title: "PENDING", cell: |row, _| number(row.pending_files), is_number: true },
    Column { title: "FAILED", cell: |row, _| number(row.failed_files), is_number: true },
];

/// The columns that are dropped first on a narrow terminal.
const LEFT_OUT: [&str; 5] = ["PENDING", "FILES", "FAILED", "BITRATE", "FPS"];

/// The table for people.
#[must_use]
pub fn table(status: &Status, now: i64, width: Option<usize>) -> String {
    let mut text = String::new();
    for place in &status.places {
        let rows: Vec<&Row> = status.rows.iter().filter(|row| row.place == place.place).collect();
        let _ = writeln!(text, "{}", heading(place));
        if !rows.is_empty() {
            lines(&mut text, &rows, now, width);
        }
        text.push('\n');
    }
    let machine = [status.machine.summary(), recorders(&status.rows)].into_iter().filter(|part| !part.is_empty());
    let machine = machine.collect::<Vec<_>>().join("; ");
    if !machine.is_empty() {
        let _ = writeln!(text, "machine: {}\n", printable(&machine));
    }
    for warning in &status.warnings {
        let _ = writeln!(text, "warning: {warning}\n");
    }
    if status.problems.is_empty() {
        text.push_str("all is well");
    } else {
        text.push_str("wrong:");
        for problem in &status.problems {
            let _ = write!(text, "\n  {}", sentence(problem, status.places.len() > 1));
        }
    }
    text
}

/// What recorders and their ffmpegs use of the machine: `recorder 12.1 MB, 3 ffmpegs 94.0 MB, processor time 2h 5m`.
fn recorders(rows: &[Row]) -> String {
    let used =
        |is_camera: bool| rows.iter().filter(move |row| row.camera.is_some() == is_camera).filter_map(|row| row.usage);
    let (own, ffmpegs): (Vec<Usage>, Vec<Usage>) = (used(false).collect(), used(true).collect());
    if own.is_empty() {
        return String::new();
    }
    let bytes = |of: &[Usage]| ByteSize(of.iter().map(|usage| usage.resident_memory_bytes).sum());
    let seconds = own.iter().chain(&ffmpegs).map(|usage| usage.cpu_seconds).sum();
    let time = short_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let who = if own.len() == 1 { "recorder".to_owned() } else { count(own.len(), "recorder") };
    let theirs = match ffmpegs.len() {
        0 => String::new(),
        n => format!(", {} {}", count(n, "ffmpeg"), bytes(&ffmpegs)),
    };
    format!("{who} {}{theirs}, processor time {time}", bytes(&own))
}

fn lines(text: &mut String, rows: &[&Row], now: i64, width: Option<usize>) {
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| COLUMNS.iter().map(|column| printable(&(column.cell)(row, now))).collect()).collect();
    let mut widths = COLUMNS.each_ref().map(|column| column.title.width());
    let mut shown: Vec<usize> = (0..COLUMNS.len()).filter(|at| cells.iter().any(|row| !row[*at].is_empty())).collect();
    for row in &cells {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(cell.width());
        }
    }
    if let Some(width) = width {
        let taken = |shown: &[usize], widths: &[usize]| {
            let others = shown.iter().filter(|at| **at != NAME).map(|at| widths[*at]).sum::<usize>();
            others + shown.len() * GAP
        };
        for title in LEFT_OUT {
            if taken(&shown, &widths) + widths[NAME].min(SHORTEST_NAME) > width {
                shown.retain(|at| COLUMNS[*at].title != title);
            }
        }
        let room = width.saturating_sub(taken(&shown, &widths)).max(SHORTEST_NAME);
        widths[NAME] = widths[NAME].min(room);
    }
    let titles: Vec<String> = COLUMNS.iter().map(|column| column.title.to_owned()).collect();
    for (mark, row) in std::iter::once((' ', &titles)).chain(rows.iter().map(|row| mark(row)).zip(&cells)) {
        let mut line = String::from(mark);
        for at in &shown {
            let cell = cut(&row[*at], widths[*at]);
            let fill = " ".repeat(widths[*at] - cell.width());
            line.push_str(&" ".repeat(if line.len() > 1 { GAP } else { GAP - 1 }));
            let (before, after) = if COLUMNS[*at].is_number { (&*fill, "") } else { ("", &*fill) };
            line.extend([before, &cell, after]);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn mark(row: &Row) -> char {
    if row.ok { ' ' } else { '!' }
}

fn heading(place: &Disk) -> String {
    let mut line = path(&place.place);
    if let (Some(used), Some(free)) = (place.disk_used_ratio, place.disk_free_bytes) {
        let _ = write!(line, ": {:.0} % used, {} free", percent(used), ByteSize(free));
    }
    line
}

fn sentence(problem: &Problem, says_where: bool) -> String {
    let mut words: Vec<String> = Vec::new();
    if says_where {
        words.push(path(&problem.place));
    }
    words.extend(problem.pass.map(|pass| pass.to_string()));
    words.extend(problem.camera.as_deref().map(printable));
    if words.is_empty() {
        printable(&problem.message)
    } else {
        format!("{}: {}", words.join(" "), printable(&problem.message))
    }
}

/// At most `width` wide, cut with an ellipsis.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut cut, mut taken) = (String::new(), 0);
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken >= width {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

fn path(path: &Path) -> String {
    printable(&path.display().to_string())
}

fn age(seconds_ago: i64) -> String {
    seconds(u64::try_from(seconds_ago).unwrap_or(0))
}

fn seconds(seconds: u64) -> String {
    short_duration(Duration::from_secs(seconds))
}

fn number(n: Option<u64>) -> String {
    n.map_or_else(String::new, |n| n.to_string())
}

/// Zabbix's low-level discovery: an entry for each pass and each camera.
#[must_use]
pub fn zabbix_discovery(status: &Status) -> String {
    let entry = |row: &Row| {
        json!({
            "{#PLACE}": row.place,
            "{#PASS}": row.pass,
            "{#CAMERA}": row.camera.as_deref().unwrap_or_default(),
            "{#SOURCE}": row.source,
        })
    };
    json!({ "data": status.rows.iter().map(entry).collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests;

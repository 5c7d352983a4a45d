//! What was asked for, on stdout: plans, listings, reports.

use std::fmt::Display;
use std::io::Write;

/// Prints one line. A reader that has left (`| head`) is no error.
pub fn line(text: &dyn Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

//! What was asked for, on stdout: plans, listings, reports.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

/// The first failure since it was last asked for. Stdout is one for the whole process, and so is this.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints one line. A reader that has left (`| head`) is no error; what else fails is kept for [`take_failure`], since
/// a pass goes on without its reader.
pub fn line(text: &dyn Display) {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            FAILURE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        _ => {}
    }
}

/// What failed since the last call, as a sentence: not all that was asked for was printed.
#[must_use]
pub fn take_failure() -> Option<String> {
    let failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take();
    failure.map(|error| format!("cannot write to stdout: {error}"))
}

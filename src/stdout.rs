//! What was asked for, on stdout: plans, listings, reports.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};
use std::sync::Mutex;

use crate::mutex::lock;
use crate::text::printable_json;

/// How much of many lines goes out at once.
const PIECE: usize = 32 << 10;

/// The first failure since it was last asked for. Stdout is one for the whole process, and so is this.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints one line. A reader that has left (`| head`) is no error; what else fails is kept for [`take_failure`], since
/// a pass goes on without its reader.
pub fn line(text: &dyn Display) {
    keep_failure(|stdout| writeln!(stdout, "{text}"));
}

/// As [`line()`], for JSON, of one line or several. Names in it may come from outside.
pub fn json(text: &dyn Display) {
    line(&printable_json(&text.to_string()));
}

/// As [`line()`], for many lines: they go out in pieces, and are never all in memory.
pub fn lines(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
    keep_failure(|stdout| {
        // Stdout by itself writes at every line.
        let mut pieces = BufWriter::with_capacity(PIECE, stdout);
        write(&mut pieces)?;
        pieces.flush()
    });
}

fn keep_failure(write: impl FnOnce(&mut StdoutLock<'_>) -> io::Result<()>) {
    let mut stdout = io::stdout().lock();
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            lock(&FAILURE).get_or_insert(error);
        }
        _ => {}
    }
}

/// What failed since the last call, as a sentence: not all that was asked for was printed.
#[must_use]
pub fn take_failure() -> Option<String> {
    let failure = lock(&FAILURE).take();
    failure.map(|error| format!("cannot write to stdout: {error}"))
}

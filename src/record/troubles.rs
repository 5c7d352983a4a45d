//! What goes wrong for long is told once, and once more when it is over.

use std::collections::BTreeSet;
use std::fmt::Display;

use log::Level;

/// What goes wrong now, by names of its own.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeSet<String>);

impl Troubles {
    /// It goes wrong: warns when that is new.
    pub(super) fn warn(&mut self, what: &str, text: impl Display) {
        let level = if self.0.contains(what) { Level::Info } else { Level::Warn };
        self.0.insert(what.to_owned());
        log::log!(level, "{text}");
    }

    /// It goes right: says so when it did not.
    pub(super) fn is_over(&mut self, what: &str, text: impl Display) {
        if self.0.remove(what) {
            log::warn!("{text}");
        }
    }

    /// Nobody asks for it any more.
    pub(super) fn forget(&mut self, what: &str) {
        self.0.remove(what);
    }
}

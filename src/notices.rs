//! What is logged once for as long as it lasts: each condition has a key, and its text may change.
//!
//! Which keys were logged is kept in memory while a pass lasts, from pass to pass in its report, and where a pass does not get
//! as far as a report in a file of the [user](user_dir).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;

use log::Level;

use crate::error::{Error, Result};
use crate::user_dir;

/// How the keys of errors that end a pass begin.
pub const ENDED: &str = "ended:";

/// Conditions that were logged, by key.
#[derive(Debug, Default)]
pub struct Notices {
    /// By the last pass.
    earlier: BTreeSet<String>,
    /// By this one.
    logged: RefCell<BTreeSet<String>>,
    across_passes: bool,
    /// The file of the user in which they are kept.
    file: Option<String>,
}

impl Notices {
    /// `earlier` is what the last pass logged; this one is silent about it if `across_passes` (from cron).
    #[must_use]
    pub fn new(earlier: BTreeSet<String>, across_passes: bool) -> Self {
        Self { earlier, across_passes, ..Self::default() }
    }

    /// The notices of `pass` about `what`, kept in a file of this user.
    #[must_use]
    pub fn of_user(pass: &str, what: &[String]) -> Self {
        let file = user_dir::file_name(pass, &(std::env::current_dir().unwrap_or_default(), what));
        let earlier = user_dir::read(&file).map(|bytes| {
            // Earlier versions wrote the one text.
            serde_json::from_slice(&bytes).unwrap_or_else(|_| [String::from_utf8_lossy(&bytes).into_owned()].into())
        });
        Self { file: Some(file), ..Self::new(earlier.unwrap_or_default(), true) }
    }

    /// Logs a warning; as info if it was logged before.
    pub fn warn(&self, key: &str, text: impl Display) {
        self.log(key, Level::Warn, text);
    }

    /// As [`warn`](Self::warn), for what ends a pass.
    pub fn error(&self, key: &str, text: impl Display) {
        self.log(key, Level::Error, text);
    }

    /// As [`warn`](Self::warn), for what may be intended: not from cron, and not again in the next pass. Whether it was logged.
    #[must_use]
    pub fn hint(&self, key: &str, text: impl Display) -> bool {
        let is_new = self.note(key).is_some() && !self.earlier.contains(key) && !self.across_passes;
        if is_new {
            log::warn!("{text}");
        }
        is_new
    }

    /// Notes a condition: whether to log it, or none if this pass has noted it before.
    pub fn note(&self, key: &str) -> Option<bool> {
        if !self.logged.borrow_mut().insert(key.to_owned()) {
            return None;
        }
        self.save();
        Some(!(self.across_passes && self.earlier.contains(key)))
    }

    /// Notes a condition that lasts, for the next pass, without logging it.
    pub fn keep(&self, key: &str) {
        if self.earlier.contains(key) {
            self.note(key);
        }
    }

    /// The condition is over: logs `text` if the condition was logged.
    pub fn end(&self, key: &str, text: impl Display) {
        if self.forget(key) {
            log::warn!("{text}");
        }
    }

    /// Forgets a condition that does not matter any more; whether it was noted.
    pub fn forget(&self, key: &str) -> bool {
        let was_noted = self.logged.borrow_mut().remove(key);
        self.save();
        was_noted
    }

    /// Forgets all conditions.
    pub fn clear(&self) {
        self.logged.borrow_mut().clear();
        self.save();
    }

    /// The keys for the next pass. A pass that ended early has not seen what else may last; one that did not reach the
    /// source, or was stopped, has not even seen whether an error that ended an earlier pass lasts.
    #[must_use]
    pub fn for_next_pass(&self, outcome: &Result<()>) -> BTreeSet<String> {
        let mut keys = self.logged.borrow().clone();
        if let Err(error) = outcome {
            let saw_little = error.is_not_now() || matches!(error, Error::Stopped(_));
            keys.extend(self.earlier.iter().filter(|key| saw_little || !key.starts_with(ENDED)).cloned());
        }
        keys
    }

    fn log(&self, key: &str, level: Level, text: impl Display) {
        let is_new = self.note(key).unwrap_or(false);
        log::log!(if is_new { level } else { Level::Info }, "{text}");
    }

    /// In the file, where there is one. A notice that could not be saved is logged again by the next pass.
    fn save(&self) {
        let Some(file) = &self.file else { return };
        let logged = self.logged.borrow();
        if logged.is_empty() {
            user_dir::forget(file);
        } else if *logged != self.earlier
            && let Ok(text) = serde_json::to_vec(&*logged)
        {
            user_dir::write(file, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_new_once_a_pass_and_with_cron_once_for_as_long_as_they_last() {
        for across_passes in [false, true] {
            let notices = Notices::new(["old".to_owned(), "gone".to_owned()].into(), across_passes);
            assert_eq!(notices.note("new"), Some(true));
            assert_eq!(notices.note("new"), None);
            assert_eq!(notices.note("old"), Some(!across_passes));
            assert_eq!(notices.for_next_pass(&Ok(())), ["new".to_owned(), "old".to_owned()].into());
            assert!(notices.forget("new") && !notices.forget("new"));
            assert_eq!(notices.note("new"), Some(true), "it is back");
        }
    }

    #[test]
    fn notices_last_through_a_pass_that_ended_early() {
        let notices = Notices::new(["ended:io".to_owned(), "zone".to_owned()].into(), true);
        let away = notices.for_next_pass(&Err(Error::Away("gone".into())));
        assert_eq!(away.len(), 2);
        let failed = notices.for_next_pass(&Err(Error::Source("broken".into())));
        assert_eq!(failed, ["zone".to_owned()].into());
        notices.keep("zone");
        notices.keep("other");
        assert_eq!(notices.for_next_pass(&Ok(())), ["zone".to_owned()].into());
    }
}

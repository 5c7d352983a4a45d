//! Why there is nothing to upload from sources that have files. Pure.

use std::time::Duration;

use super::Settings;
use crate::pass::Nothing;
use crate::units::{all_are, human_duration};

/// A file is closed long before it is so old.
const UNUSUAL_MIN_AGE: Duration = Duration::from_hours(1);

/// What leaves out every file: of so many its age, of others, such as this one, its name.
pub(super) fn why(
    settings: &Settings,
    young: usize,
    has_uploaded: bool,
    unfit: usize,
    example: Option<String>,
) -> Option<Nothing> {
    match example {
        _ if young > 0 => {
            let age = human_duration(settings.min_age);
            let because = format!("{} younger than --min-age {age}, or empty", all_are(young, "file"));
            // That is what the option is for.
            Some(Nothing { key: "--min-age".into(), because, is_wrong: false })
                .filter(|_| settings.min_age > UNUSUAL_MIN_AGE)
        }
        Some(example) => Some(Nothing {
            key: format!("--pattern {}", settings.patterns),
            because: format!(
                "{} --pattern {} ({example:?}): write it as '*.ts,*.mp4'",
                if unfit == 1 {
                    "the only file does not fit".to_owned()
                } else {
                    format!("none of {unfit} files fits")
                },
                settings.patterns,
            ),
            // Where something was uploaded before, other files may well stay behind.
            is_wrong: !has_uploaded,
        }),
        None => None,
    }
}

//! Why there is nothing to upload from sources that have files. Pure.

use std::time::Duration;

use super::Settings;
use crate::pass::Nothing;
use crate::units::{all_are, human_duration};

/// A file of this age was closed long ago.
const UNUSUAL_MIN_AGE: Duration = Duration::from_hours(1);

/// The option that leaves out every file: `--min-age` for young ones, `--pattern` for others.
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
            let because = format!("{} younger than --min-age {age}", all_are(young, "file"));
            // As the option intends.
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

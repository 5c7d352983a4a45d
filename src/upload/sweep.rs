//! Multipart uploads that no client will complete: their parts are stored, and paid for, until a client aborts them.
//!
//! The journal has those of ours. When it or a reply was lost, the server may list them: an upload that is older than a day,
//! has the key of a file of ours and is not in the journal was created by a pass that was killed before it noted it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::key::ObjectKey;
use super::s3::Begun;
use super::transfer::Transfer;

/// How long an upload may be in progress.
const MAX_AGE_SECONDS: i64 = 86_400;

/// Whether a search is due, given the time of the last one.
#[must_use]
pub(super) fn is_due(swept: i64, now: i64) -> bool {
    !(0..MAX_AGE_SECONDS).contains(&(now - swept))
}

/// Aborts abandoned multipart uploads. A server that does not list them, or not to this key, is no failure.
pub(super) fn sweep(
    transfer: Transfer<'_>,
    prefix: &str,
    keys: &HashSet<&str>,
    known: &HashSet<&str>,
    now: DateTime<Utc>,
) {
    let begun = match transfer.client.begun(prefix) {
        Ok(begun) => begun,
        Err(error) => return log::debug!("abandoned uploads cannot be listed: {error:?}"),
    };
    for Begun { key, id, initiated } in begun.iter().filter(|begun| is_abandoned(begun, keys, known, now)) {
        let Ok(object_key) = ObjectKey::new(key.clone()) else { continue };
        match transfer.client.abort(&object_key, id) {
            Ok(()) => log::info!("{key:?}: aborted an upload that was abandoned on {initiated:?}"),
            Err(error) => log::debug!("{key:?}: {error:?}"),
        }
    }
}

fn is_abandoned(begun: &Begun, keys: &HashSet<&str>, known: &HashSet<&str>, now: DateTime<Utc>) -> bool {
    let Ok(initiated) = DateTime::parse_from_rfc3339(&begun.initiated) else { return false };
    let age = now.signed_duration_since(initiated).num_seconds();
    age > MAX_AGE_SECONDS && keys.contains(begun.key.as_str()) && !known.contains(begun.id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_multipart_uploads_of_footage_are_aborted() {
        let now = "2026-11-21T10:00:00Z".parse().expect("a time");
        let (keys, known) = (HashSet::from(["cams/a.ts"]), HashSet::from(["known"]));
        for (key, id, initiated, expected) in [
            ("cams/a.ts", "1", "2026-11-20T09:59:58.000Z", true),
            ("cams/a.ts", "1", "2026-11-20T10:00:01.000Z", false),
            ("cams/a.ts", "1", "2027-11-20T10:00:01.000Z", false),
            ("cams/a.ts", "1", "yesterday", false),
            ("cams/a.ts", "known", "2026-11-01T10:00:00.000Z", false),
            ("cams/b.ts", "1", "2026-11-01T10:00:00.000Z", false),
        ] {
            let begun = Begun { key: key.into(), id: id.into(), initiated: initiated.into() };
            assert_eq!(is_abandoned(&begun, &keys, &known, now), expected, "{begun:?}");
        }
        assert!(is_due(0, 86_400) && !is_due(0, 86_399) && is_due(10, 0));
    }
}

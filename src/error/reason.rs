//! The kind of an end, as one word.

use crate::text_enum::text_enum;

text_enum! {
    /// Why a pass ended: the label `reason` of the metrics, and a word of reports, states and traces.
    #[derive(Default)]
    pub enum EndReason {
        /// The source or the server did not answer.
        Away = "away",
        /// Another pass holds the lock.
        Busy = "busy",
        /// The destination cannot be read, written or locked.
        Destination = "destination",
        /// The disk is too full.
        Disk = "disk",
        /// The source answers with something that no pass can work with.
        Source = "source",
        /// A signal stopped it.
        Stopped = "stopped",
        /// An option or a configuration is wrong.
        Usage = "usage",
        /// `record`: `--for` has elapsed, or no camera is left to record.
        Done = "done",
        /// A reason that a newer version wrote, or none.
        #[default]
        Other = "other",
    }
    unknown => Other
}

impl EndReason {
    /// Those of an [`Error`](super::Error).
    pub const OF_ERRORS: [Self; 7] =
        [Self::Away, Self::Busy, Self::Destination, Self::Disk, Self::Source, Self::Stopped, Self::Usage];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_reason_of_a_newer_version_is_other() {
        let read = |text: &str| serde_json::from_str::<EndReason>(text).ok();
        assert_eq!((read("\"away\""), read("\"moonlight\"")), (Some(EndReason::Away), Some(EndReason::Other)));
    }
}

//! Why one item failed. The pass goes on with the others, counts it and tries it again later.

use crate::text_enum::text_enum;

text_enum! {
    /// The kind of a failure: the label `reason` of the metrics, and a word of reports.
    pub enum FailureReason {
        /// `record`: a camera that was tried gave nothing.
        Camera = "camera",
        /// The key of an upload holds other content.
        Conflict = "conflict",
        /// The content differs from the source's, by a comparison of all bytes.
        Content = "content",
        /// The content is broken where it comes from, or here.
        Damaged = "damaged",
        /// The recording has no bytes.
        Empty = "empty",
        /// The picture is encrypted by the camera.
        Encrypted = "encrypted",
        /// ffmpeg failed.
        Ffmpeg = "ffmpeg",
        /// The ring was overwritten meanwhile.
        Gone = "gone",
        /// The camera answered with a status that is not success.
        Http = "http",
        /// The length is missing, impossible or contradicts another one.
        Length = "length",
        /// The file name cannot be a key.
        Name = "name",
        /// The connection broke.
        Network = "network",
        /// The server does not confirm the content.
        Proof = "proof",
        /// The source cannot be read.
        Read = "read",
        /// Something in the way, or an answer that footage does not follow.
        Refused = "refused",
        /// The server failed.
        Server = "server",
        /// The camera's storage is incomplete.
        Storage = "storage",
        /// It took longer than `--timeout`.
        Timeout = "timeout",
        /// A reason that a newer version wrote to a report.
        Other = "other",
    }
    unknown => Other
}

/// What went wrong with one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFailure {
    /// The kind.
    pub reason: FailureReason,
    /// What happened, for people.
    pub message: String,
    /// The next passes would meet the same: try again after `--retry-failed-after`.
    pub retry_later: bool,
}

impl ItemFailure {
    /// A failure that the next pass tries again.
    #[must_use]
    pub fn passing(reason: FailureReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_later: false }
    }

    /// A failure that lasts: tried again after `--retry-failed-after`.
    #[must_use]
    pub fn lasting(reason: FailureReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_later: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_reason_is_the_same_word_in_metrics_and_reports() {
        for reason in [FailureReason::Conflict, FailureReason::Http, FailureReason::Timeout, FailureReason::Other] {
            let json = serde_json::to_string(&reason).expect("a word");
            assert_eq!(json, format!("{:?}", reason.as_str()));
        }
        let newer: FailureReason = serde_json::from_str("\"moonlight\"").expect("read");
        assert_eq!(newer, FailureReason::Other);
    }
}

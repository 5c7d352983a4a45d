//! Why one item failed. The pass goes on with the others, counts it and tries it again later.

use serde::{Deserialize, Serialize};

/// The kind of a failure: the label `reason` of the metrics, and a word of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureReason {
    /// `record`: a camera that was tried gave nothing.
    Camera,
    /// The key of an upload holds other content.
    Conflict,
    /// The content differs from the source's, by a comparison of all bytes.
    Content,
    /// The content is broken where it comes from, or here.
    Damaged,
    /// The recording has no bytes.
    Empty,
    /// The picture is encrypted by the camera.
    Encrypted,
    /// ffmpeg failed.
    Ffmpeg,
    /// The ring was overwritten meanwhile.
    Gone,
    /// The camera answered with a status that is not success.
    Http,
    /// The length is missing, impossible or contradicts another one.
    Length,
    /// The file name cannot be a key.
    Name,
    /// The connection broke.
    Network,
    /// The server does not confirm the content.
    Proof,
    /// The source cannot be read.
    Read,
    /// Something in the way, or an answer that footage does not follow.
    Refused,
    /// The server failed.
    Server,
    /// The camera's storage is incomplete.
    Storage,
    /// It took longer than `--timeout`.
    Timeout,
    /// A reason that a newer version wrote to a report.
    #[serde(other)]
    Other,
}

impl FailureReason {
    /// The word in metrics and reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Conflict => "conflict",
            Self::Content => "content",
            Self::Damaged => "damaged",
            Self::Empty => "empty",
            Self::Encrypted => "encrypted",
            Self::Ffmpeg => "ffmpeg",
            Self::Gone => "gone",
            Self::Http => "http",
            Self::Length => "length",
            Self::Name => "name",
            Self::Network => "network",
            Self::Proof => "proof",
            Self::Read => "read",
            Self::Refused => "refused",
            Self::Server => "server",
            Self::Storage => "storage",
            Self::Timeout => "timeout",
            Self::Other => "other",
        }
    }
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
            assert_eq!(json, format!("{:?}", reason.word()));
        }
        let newer: FailureReason = serde_json::from_str("\"moonlight\"").expect("read");
        assert_eq!(newer, FailureReason::Other);
    }
}

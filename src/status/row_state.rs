//! The state of a row of `footage status`.

use crate::live::State;
use crate::text_enum::text_enum;

text_enum! {
    /// The state of a pass, or of a camera that a recorder records. The manual has the same list.
    #[derive(Default)]
    pub enum RowState {
        /// The pass holds its lock.
        Running = "running",
        /// The last run did everything.
        Done = "done",
        /// The last run did everything except for items that failed.
        Partly = "partly",
        /// The camera, storage or server did not answer.
        Away = "away",
        /// The last run ended with an error. Of a camera: it was failing when `--for` elapsed.
        Failed = "failed",
        /// A signal ended the last run; of a recorder also an error.
        Stopped = "stopped",
        /// It was killed.
        Gone = "gone",
        /// A recorder runs and writes its state no more.
        Hung = "hung",
        /// There is no report, or an unreadable one.
        #[default]
        Unknown = "unknown",
        /// A camera: it has sent no frame yet.
        Starting = "starting",
        /// A camera: frames arrive.
        Recording = "recording",
        /// A camera: its connection ended; footage connects again after a pause.
        Waiting = "waiting",
        /// A camera: frames stopped arriving.
        Stalled = "stalled",
        /// A camera: the disk is full.
        Paused = "paused",
        /// A camera: it closes its last segment.
        Stopping = "stopping",
        /// A camera of the configuration that no recorder records.
        Missing = "missing",
    }
}

/// Whether a state by itself makes `status` exit with 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// No.
    Ok,
    /// It depends: on its duration, on earlier runs, on whether it is a recorder's.
    Conditional,
    /// Yes.
    Wrong,
}

impl Severity {
    /// Its word in the manual.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Conditional => "depends",
            Self::Wrong => "wrong",
        }
    }
}

impl RowState {
    /// Whether the state by itself is a problem, which makes the exit code 3.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Running | Self::Done | Self::Recording => Severity::Ok,
            Self::Away | Self::Stopped | Self::Gone | Self::Starting | Self::Stopping => Severity::Conditional,
            Self::Partly
            | Self::Failed
            | Self::Hung
            | Self::Unknown
            | Self::Waiting
            | Self::Stalled
            | Self::Paused
            | Self::Missing => Severity::Wrong,
        }
    }

    /// Whether a camera in this state has no recorder any more.
    #[must_use]
    pub fn is_without_recorder(self) -> bool {
        matches!(self, Self::Gone | Self::Stopped)
    }
}

impl From<State> for RowState {
    fn from(state: State) -> Self {
        match state {
            State::Starting => Self::Starting,
            State::Recording => Self::Recording,
            State::Waiting => Self::Waiting,
            State::Stalled => Self::Stalled,
            State::Paused => Self::Paused,
            State::Stopping => Self::Stopping,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_state_of_a_camera_has_the_text_of_its_recorder() {
        for state in State::ALL {
            assert_eq!(RowState::from(*state).as_str(), state.as_str());
        }
    }
}

//! Why a session ended before or while it played.

use std::fmt;
use std::time::Duration;

use super::auth::Scheme;
use super::transport::Transport;

/// What the client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The connection.
    Connect,
    /// The answer to OPTIONS.
    Options,
    /// The answer to DESCRIBE.
    Describe,
    /// The answer to SETUP.
    Setup,
    /// The answer to PLAY, or a packet.
    Play,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "a connection",
            Self::Options => "OPTIONS",
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
        })
    }
}

/// What ended a session. Texts of the camera's in it are one line, escaped and short.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtspError {
    /// The address is none of RTSP over TCP.
    #[error("the address is not rtsp://HOST[:PORT]/PATH")]
    Url,
    /// No answer in time.
    #[error("no answer to {0} within {limit}", limit = crate::units::human_duration(*.1))]
    Timeout(Step, Duration),
    /// The camera closed the connection.
    #[error("the camera closed the connection instead of answering {0}")]
    Closed(Step),
    /// The camera refused a request.
    #[error("{0}", shown_status(*status, phrase))]
    Status {
        /// Of which request.
        step: Step,
        /// 404
        status: u16,
        /// `Not Found`; may be empty.
        phrase: String,
    },
    /// The camera wants another login, or one at all.
    #[error("401 Unauthorized: {0}")]
    Unauthorized(Refusal),
    /// The camera does not send in the way that was asked for (461), nor in the other one if that was allowed.
    #[error("{} over {}", shown_status(*status, phrase), transport.name())]
    Transport {
        /// What was asked for last.
        transport: Transport,
        /// 461, or another with which a server said it.
        status: u16,
        /// `Unsupported Transport`
        phrase: String,
    },
    /// A redirect that is not followed.
    #[error("{status} redirects to {location:?}: {why}")]
    Redirect {
        /// 302
        status: u16,
        /// Without its login and query.
        location: String,
        /// `too many redirects`
        why: &'static str,
    },
    /// The description holds no video whose encoding is known.
    #[error("no video that can be recorded natively: the camera offers {offered}")]
    NoVideo {
        /// `video VP8, audio PCMA`, or `nothing`.
        offered: String,
    },
    /// The server speaks something else.
    #[error("the server does not speak RTSP: {0:?}")]
    NotRtsp(String),
    /// The stream cannot be read any more, or never could.
    #[error("{what} in the RTSP connection")]
    Framing {
        /// `more than 64 KiB of garbage`, …
        what: String,
        /// Whether packets had come by then.
        is_playing: bool,
    },
}

/// Why a login was not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There was none.
    NoLogin,
    /// It was sent, in this way.
    Refused(Scheme),
    /// The camera asks in no way that is known.
    UnknownScheme,
    /// There is one, for the host that redirected here.
    OtherHost,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLogin => f.write_str("the camera asks for a user and a password"),
            Self::Refused(scheme) => write!(f, "the camera refuses this user and password ({})", scheme.name()),
            Self::UnknownScheme => f.write_str("the camera asks for a kind of login that is neither digest nor basic"),
            Self::OtherHost => f.write_str("the password was not sent to the host to which the camera redirects"),
        }
    }
}

impl RtspError {
    /// Whether another client may succeed where this one failed: not where the camera refuses, is away or wants a
    /// password, nor when packets came already.
    #[must_use]
    pub fn is_worth_another_engine(&self) -> bool {
        match self {
            // Also a redirect to an address of another kind.
            Self::Url | Self::NoVideo { .. } | Self::Redirect { .. } => true,
            Self::Framing { is_playing, .. } => !is_playing,
            // An answer of success with which this client can do nothing.
            Self::Status { status, .. } | Self::Transport { status, .. } => *status < 400,
            Self::Timeout(..) | Self::Closed(_) | Self::Unauthorized(_) | Self::NotRtsp(_) => false,
        }
    }
}

/// `404 Not Found`, with the words of the standard where a camera has none.
fn shown_status(status: u16, phrase: &str) -> String {
    let standard = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        453 => "Not Enough Bandwidth",
        454 => "Session Not Found",
        461 => "Unsupported Transport",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    };
    let phrase = if phrase.is_empty() { standard } else { phrase };
    format!("{status} {phrase}").trim_end().to_owned()
}

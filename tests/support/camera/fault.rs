//! How a camera may misbehave, when, and what that does to a reply.

use super::reply::{Cut, Ending, Framing, Reply};

/// One way to misbehave.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Announces the whole body, sends this much of it, and closes cleanly: the camera's power went.
    Cut {
        /// Body bytes that are sent.
        after: u64,
    },
    /// Closes cleanly in the middle of the reply's head.
    CutInHeaders,
    /// Resets the connection after this much of the body, which the client has received by then.
    Reset {
        /// Body bytes that are sent.
        after: u64,
    },
    /// Sends this much of the body, then nothing more, and keeps the connection open.
    Stall {
        /// Body bytes that are sent.
        after: u64,
    },
    /// Sends slowly, but sends.
    Trickle {
        /// The rate of this transfer.
        bytes_per_sec: u64,
    },
    /// Answers with this status and its name; 204 has no body.
    Status(u16),
    /// Answers with this status and this text.
    Answer {
        /// The status code.
        status: u16,
        /// The body.
        body: String,
    },
    /// Sends the body without a `Content-Length`, ended by the close.
    NoLength,
    /// Sends the body in chunks, without a `Content-Length`.
    Chunked,
    /// Announces a length that is off by this much; the body itself is whole.
    WrongLength(i64),
    /// Knows nothing of ranges: 200 and the whole file.
    NoRange,
    /// Answers a range with a `Content-Range` that lies; the body is what was asked for.
    LyingRange {
        /// Added to the first and the last position.
        start_delta: i64,
        /// Added to the total.
        total_delta: i64,
    },
    /// Answers a range with the right head, but with bytes from one position earlier.
    WrongBytes,
    /// Redirects to this URL with a 302.
    Redirect(String),
    /// Adds a header, such as an `ETag`.
    Header {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// Reads the request and closes cleanly, without a reply.
    SilentClose,
    /// Reads the request and resets the connection, without a reply. (A port where no process listens
    /// is `Camera::depart(How::Refused)`.)
    Refuse,
    /// The recording is still being written: before each answer it is longer by a `free` box of this
    /// size (at least 8), hence an intact MP4 at every length. Ends with `Camera::finish_writing`.
    Grow {
        /// Bytes that each matching request adds.
        by: u32,
    },
}

impl Fault {
    /// Breaks an intact reply. (`NoRange` and `Grow` have done their work before there is a reply.)
    pub(super) fn spoil(self, reply: &mut Reply) {
        match self {
            Self::Cut { after } => reply.cut = Some((Cut::Body(after), Ending::Close)),
            Self::CutInHeaders => reply.cut = Some((Cut::Head, Ending::Close)),
            Self::Reset { after } => reply.cut = Some((Cut::Body(after), Ending::Reset)),
            Self::Stall { after } => reply.cut = Some((Cut::Body(after), Ending::Stall)),
            Self::SilentClose => reply.cut = Some((Cut::Nothing, Ending::Close)),
            Self::Refuse => reply.cut = Some((Cut::Nothing, Ending::Reset)),
            Self::Trickle { bytes_per_sec } => reply.rate = Some(bytes_per_sec),
            Self::Status(status) => *reply = Reply::status(status),
            Self::Answer { status, body } => *reply = Reply::text(status, body),
            Self::Redirect(url) => {
                *reply = Reply::status(302);
                reply.headers.push(("Location", url));
            }
            Self::Header { name, value } => reply.headers.push((name, value)),
            Self::NoLength => reply.framing = Framing::UntilClose,
            Self::Chunked => reply.framing = Framing::Chunked,
            Self::WrongLength(delta) => {
                let len = reply.range.end - reply.range.start;
                reply.framing = Framing::Length(len.saturating_add_signed(delta));
            }
            Self::LyingRange { start_delta, total_delta } => {
                if let Some((range, total)) = &mut reply.content_range {
                    range.start = range.start.saturating_add_signed(start_delta);
                    range.end = range.end.saturating_add_signed(start_delta);
                    *total = total.saturating_add_signed(total_delta);
                }
            }
            Self::WrongBytes => {
                if reply.status == 206 && reply.range.start > 0 {
                    reply.range = reply.range.start - 1..reply.range.end - 1;
                }
            }
            Self::NoRange | Self::Grow { .. } => {}
        }
    }
}

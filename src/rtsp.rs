//! An RTSP client (RFC 2326) without I/O: bytes of a camera in, events and bytes to send out.
//!
//! It asks for as little as it needs and believes as little as it can, because cameras break the standard in every way
//! that ffmpeg lets pass. A [`Client`] is one session: [`Client::start`], [`Client::on_connected`], then
//! [`Client::on_bytes`] with whatever arrives and [`Client::on_deadline`] when [`Client::deadline`] is over. After each
//! call the caller writes [`Client::to_send`].
//!
//! | quirk | what the client does |
//! | --- | --- |
//! | lines end with LF, a status has no phrase, an answer has no `CSeq` | reads them |
//! | `Session: 77; timeout = 60 ;x=y`, `timeout=0` | takes what it understands, 60 s else |
//! | any `Content-Type`, a wrong `Content-Base` | reads the body as SDP, joins control URLs as ffmpeg does |
//! | SSRC, `RTP-Info`, `source=` | ignores them |
//! | garbage between interleaved packets | skips up to 64 KiB of it, then gives up |
//! | requests of the server's own | answers them |
//! | keep-alives without an answer | goes on |
//! | another session id in each answer | keeps the first |

pub mod auth;
pub mod client;
pub mod error;
pub mod event;
pub mod message;
pub mod sdp;
pub mod transport;
pub mod url;

mod wire;

pub use client::Client;
pub use error::{Refusal, RtspError, Step};
pub use event::{Carriage, End, Event, HOLE_PUNCH, Options};
pub use transport::Transport;
pub use url::Login;

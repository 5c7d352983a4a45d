//! What a client is asked for, and what it tells.

use std::time::Duration;

use crate::media::rtp::Format;

use super::error::RtspError;
use super::transport::Transport;

/// An empty packet of RTP: sent from a port of ours to the server's, it opens firewalls on the way for what comes back.
pub const HOLE_PUNCH: [u8; 12] = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How packets are to come.
    pub transport: Transport,
    /// Whether the other transport is tried in the same session when the camera refuses this one.
    pub may_switch: bool,
    /// Whether audio is wanted beside the video.
    pub audio: bool,
    /// Which formats the caller can use.
    pub is_known: fn(&Format) -> bool,
    /// The connection and each answer up to that to PLAY may take so long.
    pub answer_within: Duration,
    /// `footage/0.1.0`
    pub user_agent: &'static str,
    /// Any number, another one for each session: the client's part of a digest.
    pub random: u64,
}

/// What a client tells its caller, in the order in which it happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// Connect to this place; an earlier connection is to be closed. Then comes [`Client::on_connected`](super::Client::on_connected).
    Connect {
        /// A name or an address.
        host: &'a str,
        /// Of TCP.
        port: u16,
    },
    /// The description was read. From here on a track is known by its place in `chosen`.
    Described {
        /// All that the camera offers, the first usable format of each medium.
        offered: &'a [Format],
        /// Which of it is set up: indices, the video first.
        chosen: &'a [usize],
    },
    /// The camera does not send over this transport; the other one is tried now.
    TransportRefused {
        /// What was asked for.
        transport: Transport,
        /// 461
        status: u16,
        /// `Unsupported Transport`
        phrase: &'a str,
    },
    /// Bind a pair of UDP ports for each track, an even one for RTP and the next for RTCP. Then comes [`Client::set_ports`](super::Client::set_ports).
    PortsWanted {
        /// How many pairs.
        tracks: usize,
    },
    /// The camera refused to set this track up; the others go on.
    TrackRefused {
        /// Which one.
        track: usize,
        /// Why.
        error: RtspError,
    },
    /// Packets come from now on.
    Playing {
        /// Each track, in the order of `chosen`.
        tracks: &'a [Carriage],
    },
    /// A packet of RTP.
    Rtp {
        /// Of which track.
        track: usize,
        /// With its header.
        packet: &'a [u8],
    },
    /// A packet of RTCP; what it says of times or of an end comes as an event of its own.
    Rtcp {
        /// Of which track.
        track: usize,
        /// Compound, with its headers.
        packet: &'a [u8],
    },
    /// Which time of the server belongs to which RTP time stamp.
    SenderReport {
        /// Of which track.
        track: usize,
        /// Seconds since 1900 in the high 32 bits, their fraction in the low ones.
        ntp: u64,
        /// The RTP time stamp of the same moment.
        rtp: u32,
    },
    /// The stream ended. Write what is to be sent, then close the connection.
    Ended(End),
    /// The session failed. Write what is to be sent, then close the connection.
    Failed(RtspError),
    /// The answer to TEARDOWN came, or nothing more will: close the connection.
    Finished,
}

/// How a stream ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The camera said so (RTCP BYE, TEARDOWN, REDIRECT).
    ByCamera,
    /// The camera closed the connection.
    Closed,
}

/// How the packets of a track come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// On these channels of the connection.
    Interleaved {
        /// Of RTP.
        rtp: u8,
        /// Of RTCP.
        rtcp: u8,
    },
    /// To a pair of UDP ports.
    Udp {
        /// Ours for RTP; RTCP comes to the next one.
        port: u16,
        /// The camera's for RTP, if it names it: [`HOLE_PUNCH`] goes there, at the address of the connection.
        server_port: Option<u16>,
    },
    /// Refused: nothing comes.
    None,
}

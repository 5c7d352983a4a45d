//! The `Transport` header of SETUP (RFC 2326, 12.39). Pure.

/// How packets come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Between the answers of the RTSP connection.
    Tcp,
    /// As datagrams.
    Udp,
}

impl Transport {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Tcp => Self::Udp,
            Self::Udp => Self::Tcp,
        }
    }

    /// `TCP` or `UDP`
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// What a server says of the transport of a track; what it leaves out is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Channels of RTP and RTCP on the RTSP connection.
    pub channels: Option<(u8, u8)>,
    /// The port from which RTP comes.
    pub server_port: Option<u16>,
    /// Whether it sends to a group, which was not asked for.
    pub is_multicast: bool,
    /// Whether the protocol is that of interleaved packets.
    pub is_tcp: bool,
}

/// Reads the first transport of a header. Order, case and blanks do not matter.
#[must_use]
pub fn read(header: &str) -> Reply {
    let mut reply = Reply::default();
    for part in header.split(',').next().unwrap_or_default().split(';').map(str::trim) {
        let (name, value) = part.split_once('=').map_or((part, ""), |(name, value)| (name.trim_end(), value.trim()));
        let (first, second) = value.split_once('-').unwrap_or((value, ""));
        match name.to_ascii_lowercase().as_str() {
            "rtp/avp/tcp" => reply.is_tcp = true,
            "multicast" => reply.is_multicast = true,
            "interleaved" => {
                reply.channels = first.trim().parse().ok().and_then(|rtp: u8| {
                    let rtcp = second.trim().parse().ok().or_else(|| rtp.checked_add(1))?;
                    Some((rtp, rtcp))
                });
            }
            "server_port" => reply.server_port = first.trim().parse().ok().filter(|port| *port > 0),
            _ => {}
        }
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transport_headers_are_read_in_any_order() {
        let tcp = |channels| Reply { channels, is_tcp: true, ..Reply::default() };
        for (header, expected) in [
            ("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=30A98EE7", tcp(Some((0, 1)))),
            ("RTP/AVP/TCP;ssrc= 22345684;interleaved=4-5;mode=\"PLAY\"", tcp(Some((4, 5)))),
            ("rtp/avp/tcp; unicast; Interleaved = 2 - 3", tcp(Some((2, 3)))),
            ("RTP/AVP/TCP;interleaved=2", tcp(Some((2, 3)))),
            ("RTP/AVP/TCP;interleaved=999-1000", tcp(None)),
            ("RTP/AVP/TCP", tcp(None)),
            ("", Reply::default()),
            (
                "RTP/AVP;unicast;client_port=1-2;server_port=6970-6971",
                Reply { server_port: Some(6970), ..Reply::default() },
            ),
            ("RTP/AVP/UDP;server_port=6970", Reply { server_port: Some(6970), ..Reply::default() }),
            ("RTP/AVP;server_port=0-0", Reply::default()),
            ("RTP/AVP;multicast;port=5000-5001;ttl=16", Reply { is_multicast: true, ..Reply::default() }),
        ] {
            assert_eq!(read(header), expected, "{header}");
        }
    }
}

//! What the property tests of muxers send.

use proptest::prelude::*;

use super::Packet;

/// Packets of four tracks, with up to so many bytes and times that no camera sends too; each with whether a flush follows.
pub(super) fn packets(most_bytes: usize) -> impl Strategy<Value = Vec<(Packet, bool)>> {
    let time = prop_oneof![0..20_000_000_000_i64, Just(i64::MAX), Just(0)];
    let packet = (0..4_usize, time, any::<bool>(), 0..most_bytes, any::<u8>(), any::<bool>());
    prop::collection::vec(packet, 1..60).prop_map(|packets| {
        let packet = |(track, pts_ns, is_key, size, fill, flush)| {
            (Packet { track, pts_ns, is_key, data: vec![fill; size] }, flush)
        };
        packets.into_iter().map(packet).collect()
    })
}

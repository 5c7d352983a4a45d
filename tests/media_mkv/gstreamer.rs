//! A second reader: `GStreamer`'s `matroskademux`.

use crate::support::{Program, Scratch};

use super::{demux, mux, path, pipe};

/// Prints the duration in ms, then `track pts_ms bytes` of each packet.
const READ: &str = r#"
import sys, gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
pipeline = Gst.parse_launch('filesrc name=file ! matroskademux name=demux')
pipeline.get_by_name("file").set_property("location", sys.argv[1])
lines = []
def packet(sink, buffer, pad, name):
    lines.append(f"{name} {round(buffer.pts / 1e6)} {buffer.get_size()}")
def added(demux, pad):
    sink = Gst.ElementFactory.make("fakesink")
    for key, value in (("signal-handoffs", True), ("async", False), ("sync", False)):
        sink.set_property(key, value)
    sink.connect("handoff", packet, pad.get_name())
    pipeline.add(sink)
    sink.sync_state_with_parent()
    pad.link(sink.get_static_pad("sink"))
pipeline.get_by_name("demux").connect("pad-added", added)
pipeline.set_state(Gst.State.PLAYING)
ends = Gst.MessageType.EOS | Gst.MessageType.ERROR | Gst.MessageType.WARNING
message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, ends)
if message is None or message.type != Gst.MessageType.EOS:
    sys.exit(f"no end: {message and message.parse_error()}")
print(round(pipeline.query_duration(Gst.Format.TIME)[1] / 1e6))
pipeline.set_state(Gst.State.NULL)
print("\n".join(sorted(lines)))
"#;

#[test]
fn gstreamer_reads_every_packet_and_the_duration() {
    let scratch = Scratch::new();
    for coding in [
        "-c:v libx264 -preset veryfast -bf 2 -c:a pcm_alaw -ar 8000",
        "-c:v libx265 -preset ultrafast -x265-params bframes=2:log-level=none -c:a pcm_s16be",
        "-c:v mjpeg -c:a pcm_mulaw -ar 8000",
    ] {
        let (tracks, packets) = demux(&pipe(coding));
        let ours = mux(&tracks, &packets).write(&scratch);
        let read = Program::new("/usr/bin/python3").args(["-c", READ, path(&ours)]).run().expect_code(0).stdout;
        let mut lines: Vec<&str> = read.lines().collect();
        let duration_ms: i64 = lines.remove(0).parse().unwrap();
        assert!((4000..4130).contains(&duration_ms), "{coding}: {duration_ms} ms");
        let wanted = packets.iter().map(|packet| {
            let pad = ["video_0", "audio_0"][packet.track];
            format!("{pad} {} {}", packet.pts_ns / 1_000_000, packet.data.len())
        });
        let mut wanted: Vec<String> = wanted.collect();
        wanted.sort();
        assert_eq!(lines, wanted, "{coding}");
    }
}

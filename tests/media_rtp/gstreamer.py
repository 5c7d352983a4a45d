#!/usr/bin/python3
"""Sends what a pipeline makes as RTP, as fast as it plays: gstreamer.py PORT PIPELINE, whose last element is a payloader called
pay.

Before the first packet it prints what an SDP would say of the stream, a line each: media, payload type, encoding name, clock
rate, channels, fmtp. It ends with the stream.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

OF_CAPS = {"media", "payload", "encoding-name", "clock-rate", "encoding-params", "ssrc", "timestamp-offset", "seqnum-offset"}


def describe(caps):
    fields = caps.get_structure(0)
    values = {fields.nth_field_name(n): fields.get_value(fields.nth_field_name(n)) for n in range(fields.n_fields())}
    fmtp = ";".join(f"{name}={value}" for name, value in values.items() if name not in OF_CAPS)
    for name in ["media", "payload", "encoding-name", "clock-rate", "encoding-params"]:
        print(values.get(name, 1))
    print(fmtp, flush=True)


def main(port, launch):
    Gst.init(None)
    pipeline = Gst.parse_launch(f"{launch} ! udpsink name=sink host=127.0.0.1 port={port} sync=true")
    described = []

    def probe(pad, _info):
        if not described:
            described.append(describe(pad.get_current_caps()))
        return Gst.PadProbeReturn.OK

    pad = pipeline.get_by_name("pay").get_static_pad("src")
    pad.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, probe)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(20 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    if message is None or message.type == Gst.MessageType.ERROR:
        sys.exit(f"gstreamer.py: {message.parse_error() if message else 'no end'}")
    pipeline.set_state(Gst.State.NULL)


main(sys.argv[1], sys.argv[2])

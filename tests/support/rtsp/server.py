#!/usr/bin/python3
"""IP cameras: GStreamer's RTSP server with files that were encoded before. Needs what tests/setup installs.

    server.py [--user NAME:PASSWORD] [/MOUNT=FILE.mkv[,h265|,jpeg][,aac|,alaw|,mulaw] …]

It prints the port on which everybody is welcome and, with --user, a second one on which it asks for the name and the
password (Digest or Basic). Every client gets a file of its own from its beginning, at its own speed. It ends when its
standard input does: no server outlives the test that started it.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

SOUNDS = {"aac": "rtpmp4gpay", "alaw": "rtppcmapay", "mulaw": "rtppcmupay"}
VIDEOS = {"h265": "rtph265pay", "jpeg": "rtpjpegpay"}


def factory(file, *codecs):
    pipeline = f'filesrc location="{file}" ! matroskademux name=file'
    video = next((VIDEOS[codec] for codec in codecs if codec in VIDEOS), "rtph264pay")
    # RFC 3551: JPEG has a number of its own.
    pipeline += f" file. ! queue ! {video} name=pay0 pt={26 if video == 'rtpjpegpay' else 96}"
    for sound in (SOUNDS[codec] for codec in codecs if codec in SOUNDS):
        pipeline += f" file. ! queue ! {sound} name=pay1 pt=97"
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(f"( {pipeline} )")
    made.set_shared(False)
    return made


def authentication(name, password):
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(name, password), token)
    return auth


def serve(mounts, user=None):
    """Starts a server on a free port and prints the port."""
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    server.set_backlog(512)
    if user:
        server.set_auth(authentication(*user.split(":", 1)))
    for mount in mounts:
        path, _, file = mount.partition("=")
        made = factory(*file.split(","))
        if user:
            viewer = GstRtspServer.RTSPPermissions()
            viewer.add_permission_for_role("viewer", "media.factory.access", True)
            viewer.add_permission_for_role("viewer", "media.factory.construct", True)
            made.set_permissions(viewer)
        server.get_mount_points().add_factory(path, made)
    if not server.attach(None):
        sys.exit("the server does not start")
    print(server.get_bound_port(), flush=True)
    return server


def main(arguments):
    Gst.init(None)
    user = arguments.pop(1) if arguments[:1] == ["--user"] else None
    mounts = arguments[1:] if user else arguments
    # Without a reference to it a server is collected.
    servers = [serve(mounts)] + ([serve(mounts, user)] if user else [])
    loop = GLib.MainLoop()

    def until_the_test_is_gone():
        sys.stdin.buffer.read()
        loop.quit()

    threading.Thread(target=until_the_test_is_gone, daemon=True).start()
    loop.run()
    del servers


if __name__ == "__main__":
    main(sys.argv[1:])

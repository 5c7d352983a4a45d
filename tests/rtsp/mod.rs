//! The RTSP client, against `GStreamer` and against a server that does what cameras do.

mod errors;
mod fuzz;
mod gstreamer;
mod logins;
mod quirks;
mod targets;

//! All tests of the built binary, as one crate: `tests/support` is compiled and linked once. A module for each subject:
//! `cargo test --test suite dashcam_faults::`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test panics when in trouble, and has a clock"
)]

mod dashcam;
mod dashcam_faults;
mod hikvision;
mod hikvision_faults;
mod hikvision_parts;
mod media_containers;
mod media_mkv;
mod media_rtp;
mod network;
mod record;
mod record_faults;
mod record_native;
mod repo_rules;
mod resolve;
mod rtsp;
mod status;
mod support;
mod support_tests;
mod upload;
mod upload_faults;

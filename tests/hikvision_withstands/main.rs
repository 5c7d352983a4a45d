//! `footage hikvision` through the built binary, when things go wrong: damaged indexes, a ring that moves on, an ffmpeg
//! that misbehaves, a full destination, `kill -9`.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test panics when in trouble, and has a clock")]

#[path = "../support/mod.rs"]
mod support;

mod attack;
mod destination;
mod ffmpeg;
mod index;
mod kill;
mod planted;
mod ring;

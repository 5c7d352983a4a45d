//! `footage record` through the built binary, with real ffmpeg, while cameras, disks, clocks and people do their worst.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test panics when in trouble, and has a clock")]

#[path = "../support/mod.rs"]
mod support;

mod attack;
mod cameras;
mod clock;
mod destination;
mod ffmpeg;
mod gone;
mod kill;
mod listener;
mod locks;
mod planted;
mod reload;
mod signals;

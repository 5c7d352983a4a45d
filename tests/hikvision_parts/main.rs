//! The parts of `footage hikvision`, each against storages as cameras write them, and the parsers on bytes that no camera
//! wrote.

#![allow(clippy::unwrap_used, reason = "a test panics when in trouble")]

#[path = "../support/mod.rs"]
mod support;

mod extract;
mod fuzz;
mod index;
mod storage;
mod targets;

//! `footage hikvision` through the built binary, over storages as cameras write them: what it must do when nothing goes
//! wrong.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test panics when in trouble, and has a clock")]

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod extraction;
mod listing;
mod names;
mod output;
mod retention;
mod selection;

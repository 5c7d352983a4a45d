//! `footage record` through the built binary, with real ffmpeg and real cameras: what it must do when nothing goes wrong.

mod check;
mod commands;
mod config;
mod cron;
mod exposed;
mod hooks;
mod listener;
mod media;
mod reload;
mod retention;
mod schedule;
mod secrets;
mod segments;
mod shards;
mod terminal;

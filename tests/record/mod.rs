//! `footage record` through the built binary, with real ffmpeg and real cameras: the behaviour when nothing goes wrong.

mod check;
mod commands;
mod config;
mod cron;
mod exposure;
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

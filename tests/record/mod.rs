//! `footage record` through the built binary, with real cameras: what it must do when nothing goes wrong.

mod check;
mod commands;
mod config;
mod cron;
mod engines;
mod exposure;
mod fallback;
mod hooks;
mod listener;
mod media;
mod pause;
mod reload;
mod retention;
mod schedule;
mod secrets;
mod segments;
mod shards;
mod terminal;

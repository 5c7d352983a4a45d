//! `footage record`: one ffmpeg for each camera, kept alive.

pub mod backoff;
pub mod command;
pub mod config;
pub mod name;
pub mod plan;
pub mod progress;
pub mod schedule;
pub mod shard;
pub mod url;
pub mod whole;

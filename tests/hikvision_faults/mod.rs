//! `footage hikvision` through the built binary, when things go wrong: damaged indexes, a ring that moves on, an ffmpeg
//! that misbehaves, a full destination, `kill -9`.

mod attack;
mod destination;
mod ffmpeg;
mod index;
mod kill;
mod planted;
mod ring;

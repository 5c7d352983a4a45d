//! `footage record` through the built binary, with real ffmpeg, while cameras, disks, clocks and people do their worst.

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

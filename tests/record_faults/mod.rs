//! `footage record` through the built binary, with real ffmpeg, while cameras, disks, clocks and people do their worst.

mod attack;
mod cameras;
#[cfg(target_arch = "x86_64")] // the clock of a process is set by machine code
mod clock;
mod destination;
mod ffmpeg;
mod gone;
mod kill;
mod listener;
mod locks;
mod native;
mod planted;
mod reload;
mod signals;

//! The parts of `footage hikvision`, each against storages as cameras write them, and the parsers on bytes that no camera
//! wrote.

mod extract;
mod fuzz;
mod index;
mod storage;
mod targets;

//! `footage hikvision` through the built binary, over storages as cameras write them: what it must do when nothing goes
//! wrong.

mod browser;
mod extraction;
mod listing;
mod names;
mod output;
mod retention;
mod selection;

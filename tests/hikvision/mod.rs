//! `footage hikvision` through the built binary, over storages as cameras write them: the behaviour when nothing goes
//! wrong.

mod browser;
mod extraction;
mod listing;
mod names;
mod output;
mod retention;
mod selection;

//! Finds the dashcam behind the addresses that the user gave.

use std::path::Path;

use super::address::Address;
use super::blackvue::{BlackVue, Http};
use super::card::Card;
use super::source::{Offer, Source};
use crate::error::{Error, Result};

/// The first address that answers, and what it has.
///
/// # Errors
/// [`Error::Away`] when none answers, [`Error::Source`] when one does that is no camera.
pub fn connect<'a>(addresses: impl IntoIterator<Item = &'a Address>, http: &Http) -> Result<(Box<dyn Source>, Offer)> {
    let mut away = Vec::new();
    let mut no_camera = None;
    for address in addresses {
        let mut source: Box<dyn Source> = match address {
            Address::Http(url) => Box::new(BlackVue::at(url, http)?),
            Address::Directory(path) => Box::new(Card::at(path)),
        };
        match source.list() {
            Ok(offer) => return Ok((source, offer)),
            Err(Error::Away(cause)) => away.push(cause + &hint(address)),
            Err(Error::Source(cause)) => no_camera = no_camera.or(Some(Error::Source(cause + &hint(address)))),
            Err(error) => return Err(error),
        }
        http.stop.check()?;
    }
    Err(no_camera.unwrap_or_else(|| Error::Away(away.join("; "))))
}

/// What to add where a card was named without its slash, and taken for a host.
fn hint(address: &Address) -> String {
    let Address::Http(_) = address else { return String::new() };
    let host = address.to_string();
    if Path::new(&host).is_dir() {
        format!("; there is a directory of this name: write ./{host}")
    } else {
        String::new()
    }
}

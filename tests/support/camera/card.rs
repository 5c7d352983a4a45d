//! What lies on the card: names as a camera gives them, and believable sidecars.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use super::super::{mp4, rng};
use super::content::Content;

/// The files on the card by name.
pub(super) type Card = BTreeMap<String, Content>;

/// Whether the camera lists this name; it lists its videos only.
pub(super) fn is_listed(name: &str) -> bool {
    ![".thm", ".gps", ".3gf"].iter().any(|sidecar| name.ends_with(sidecar))
}

/// The names of a recording's sidecars: `(thm, gps, 3gf)` of `20181029_131513_NF[L|S]`.
pub(super) fn sidecars(recording: &str) -> Option<(String, String, String)> {
    let (date_and_time, code) = recording.rsplit_once('_')?;
    let kind = code.get(..1)?;
    let kind_and_direction = code.get(..2)?;
    Some((
        format!("{date_and_time}_{kind_and_direction}.thm"),
        format!("{date_and_time}_{kind}.gps"),
        format!("{date_and_time}_{kind}.3gf"),
    ))
}

/// Puts one recording on the card, its bytes following from its name.
pub(super) fn add_recording(card: &mut Card, recording: &str, mp4_size: u64, accelerometer: bool) {
    let (thm, gps, acc) = sidecars(recording).expect("a name like 20181029_131513_NF");
    let seed = rng::seed_of(recording);
    card.insert(format!("{recording}.mp4"), mp4::movie(mp4_size, seed).into());
    card.insert(thm, thumbnail(seed).into());
    card.entry(gps).or_insert_with(|| track().into());
    if accelerometer {
        card.entry(acc).or_insert_with(|| forces(seed).into());
    }
}

/// Puts `count` recordings on the card, three minutes apart, which share their bytes; returns their names.
pub(super) fn generate(card: &mut Card, count: usize, mp4_size: u64, accelerometer: bool) -> Vec<String> {
    const PER_DAY: usize = 24 * 60 / 3;
    let block: Arc<[u8]> = rng::seeded(1).bytes(1 << 20).into();
    let movie = Content::repeating(mp4::head(mp4_size), &block, mp4_size);
    let (thm, gps, acc) = (thumbnail(1).into(), track().into(), forces(1).into());
    let add_one = |i: usize| {
        // 28 days a month: every date exists, none comes twice.
        let (day, minute) = (i / PER_DAY, i % PER_DAY * 3);
        let (year, month, day) = (2018 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
        let (hour, minute) = (minute / 60, minute % 60);
        let recording = format!("{year:04}{month:02}{day:02}_{hour:02}{minute:02}00_NF");
        let names = sidecars(&recording).expect("a well-formed name");
        card.insert(format!("{recording}.mp4"), movie.clone());
        card.insert(names.0, Content::clone(&thm));
        card.insert(names.1, Content::clone(&gps));
        if accelerometer {
            card.insert(names.2, Content::clone(&acc));
        }
        format!("{recording}.mp4")
    };
    (0..count).map(add_one).collect()
}

/// A JPEG's first and last bytes around noise.
fn thumbnail(seed: u64) -> Vec<u8> {
    [b"\xFF\xD8\xFF\xE0\0\x10JFIF\0".to_vec(), rng::seeded(seed).bytes(2000), b"\xFF\xD9".to_vec()].concat()
}

/// A minute of positions.
fn track() -> Vec<u8> {
    let mut track = String::new();
    for second in 0..60 {
        let sentence = format!("GNRMC,1315{second:02}.00,A,4807.0{second:02},N,01131.000,E,022.4,084.4,291018,,,A");
        let checksum = sentence.bytes().fold(0, |sum, byte| sum ^ byte);
        let millis = 1_540_818_900_000_u64 + second * 1000;
        write!(track, "[{millis}]${sentence}*{checksum:02X}\r\n").expect("writing to a String");
    }
    track.into_bytes()
}

/// A minute of accelerations at 10 Hz: u32 milliseconds and three i16, big-endian.
fn forces(seed: u64) -> Vec<u8> {
    let mut rng = rng::seeded(seed);
    let record = |tenth: u32| [&(tenth * 100).to_be_bytes()[..], &rng.bytes(6)].concat();
    (0..600).flat_map(record).collect()
}

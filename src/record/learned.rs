//! What a camera has shown about itself: that ffmpeg has to read it, that it sends over UDP only. Kept in `.footage` of its
//! destination, for a day or until its settings change. Pure.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::config::Camera;

/// Then the native engine and TCP are tried again.
const DAY_SECONDS: f64 = 86_400.0;

/// Of each camera, by its name.
pub type AllLearned = BTreeMap<String, Learned>;

/// What one camera has shown; times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Learned {
    /// Of the settings with which it did, see [`fingerprint`].
    pub settings: String,
    /// Since when ffmpeg reads it, because the native engine cannot.
    pub ffmpeg_since: Option<f64>,
    /// Since when its packets come over UDP, because it refuses TCP.
    pub udp_since: Option<f64>,
}

impl Learned {
    /// What still holds for a camera.
    #[must_use]
    pub fn of(all: &AllLearned, name: &str, camera: &Camera, now_seconds: f64) -> Self {
        let settings = fingerprint(camera);
        let known = all.get(name).filter(|known| known.settings == settings).cloned().unwrap_or_default();
        // A clock that was set back makes a time of the future.
        let is_fresh = |since: &f64| (0.0..DAY_SECONDS).contains(&(now_seconds - since));
        Self {
            settings,
            ffmpeg_since: known.ffmpeg_since.filter(is_fresh),
            udp_since: known.udp_since.filter(is_fresh),
        }
    }
}

/// Of the settings on which reading a camera depends. The address goes into it as logs show it: no password can be guessed
/// from it.
#[must_use]
pub fn fingerprint(camera: &Camera) -> String {
    let Camera { url, transport, engine, video, audio, format, container, .. } = camera;
    let settings = format!("{url} {transport:?} {engine:?} {video:?} {audio:?} {format:?} {}", container.extension());
    let digest = digest(&SHA256, settings.as_bytes());
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::config::{Config, Environment};

    fn camera(text: &str) -> Camera {
        let around = Environment { base: "/".into(), zone: crate::zone::Tz::UTC };
        let text = format!("[cameras.a]\ndestination = \"d\"\n{text}");
        let config = Config::parse(&text, &around).expect("a configuration");
        config.cameras.into_values().next().expect("a camera")
    }

    #[test]
    fn ffmpeg_since_holds_for_a_day_or_until_the_settings_change() {
        let (one, other) = (camera("url = \"rtsp://u:p@h/1\""), camera("url = \"rtsp://u:p@h/2\""));
        let learned = Learned { settings: fingerprint(&one), ffmpeg_since: Some(1000.0), udp_since: Some(50_000.0) };
        let all = AllLearned::from([("yard".to_owned(), learned.clone())]);
        assert_eq!(Learned::of(&all, "yard", &one, 60_000.0), learned);
        let later = Learned::of(&all, "yard", &one, 1000.0 + DAY_SECONDS);
        assert_eq!((later.ffmpeg_since, later.udp_since), (None, Some(50_000.0)));
        assert_eq!(Learned::of(&all, "yard", &one, 999.0).ffmpeg_since, None, "its clock was set back");
        for (name, camera) in [("yard", &other), ("gate", &one)] {
            let none = Learned::of(&all, name, camera, 60_000.0);
            assert_eq!((none.ffmpeg_since, none.udp_since), (None, None));
        }
    }

    #[test]
    fn fingerprint_holds_no_password() {
        let prints = ["u:p", "u:q"].map(|login| fingerprint(&camera(&format!("url = \"rtsp://{login}@h/1\""))));
        assert_eq!(prints[0], prints[1]);
        assert_ne!(prints[0], fingerprint(&camera("url = \"rtsp://u:p@h/1\"\ntransport = \"tcp\"")));
    }
}

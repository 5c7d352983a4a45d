//! Logins through the built binary, checked by the formulas of RFC 7616 and RFC 7617.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};

use super::{Shot, decoded, h264, record};
use crate::support::rtsp::{PASSWORD, PASSWORD_IN_URL, USER};
use crate::support::rtsp_peer::{Answer, Asked, Line, RtspPeer, Sets};

/// How a camera asks for a login.
#[derive(Clone, Copy, Debug)]
enum Lock {
    Basic,
    Md5,
    Sha256,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

impl Lock {
    fn challenge(self) -> &'static str {
        match self {
            Self::Basic => "WWW-Authenticate: Basic realm=\"yard\"",
            // As cameras send it that follow RFC 2069.
            Self::Md5 => "WWW-Authenticate: Digest realm=\"yard\", nonce=\"5e1f\"",
            Self::Sha256 => "WWW-Authenticate: Digest realm=\"yard\", nonce=\"5e1f\", algorithm=SHA-256, qop=\"auth\"",
        }
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Sha256 => hex(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref()),
            _ => hex(&Md5::digest(text.as_bytes())),
        }
    }

    fn opens(self, asked: &Asked) -> bool {
        let given = asked.header("Authorization");
        if let Self::Basic = self {
            return given == format!("Basic {}", BASE64.encode(format!("{USER}:{PASSWORD}")));
        }
        let field = |name: &str| {
            let (_, rest) = given.split_once(&format!("{name}="))?;
            Some(rest.trim_start_matches('"').split(['"', ',']).next()?.to_owned())
        };
        let field = |name: &str| field(name).unwrap_or_default();
        let user = self.hash(&format!("{USER}:yard:{PASSWORD}"));
        let request = self.hash(&format!("{}:{}", asked.method, asked.uri));
        let middle = match self {
            Self::Sha256 => format!("5e1f:{}:{}:auth", field("nc"), field("cnonce")),
            _ => "5e1f".to_owned(),
        };
        field("uri") == asked.uri && field(" response") == self.hash(&format!("{user}:{middle}:{request}"))
    }
}

#[test]
fn basic_and_digest_of_md5_and_sha_256_open_a_camera_that_asks_for_every_request() {
    let (mut cameras, mut shots) = (Vec::new(), Vec::new());
    for (name, lock) in [("basic", Lock::Basic), ("md5", Lock::Md5), ("sha-256", Lock::Sha256)] {
        let shot = Shot::of(name, h264(3, &["-bf", "0"]), |film| {
            vec![Line::video(&film.tracks[0], film.video(), Sets::Described, false)]
        });
        let film = crate::support::rtsp_peer::film(
            &[Line::video(&shot.films[0].tracks[0], shot.films[0].video(), Sets::Described, false)],
            true,
        );
        let played = std::sync::Arc::new(std::sync::Mutex::new(false));
        let peer = RtspPeer::of((film.0, crate::support::rtsp_peer::Play::of(film.1)), {
            move |asked: &Asked, answer: Answer| {
                let mut played = played.lock().unwrap();
                if *played && asked.method == "DESCRIBE" {
                    return answer.refuse("404 Over");
                }
                if asked.method != "OPTIONS" && !lock.opens(asked) {
                    return answer.refuse("401 Unauthorized").with(lock.challenge());
                }
                *played |= asked.method == "PLAY";
                answer
            }
        });
        let url = peer.url_with(&format!("{USER}:{PASSWORD_IN_URL}")) + "/mkv";
        cameras.push((name.to_owned(), format!("url = {url:?}")));
        shots.push(Shot { peer, ..shot });
    }
    let site = record(&cameras, "");
    for shot in &shots {
        shot.assert_in(&site, shot.name, &decoded(&shot.paths));
        let log = shot.peer.log();
        assert!(!log.iter().any(|asked| asked.head.contains(PASSWORD)), "{log:?}");
    }
}

//! Digest and basic, with several challenges and new nonces.

use crate::support::rtsp_client::{options, watch};
use crate::support::rtsp_peer::{Answer, Asked, PACKETS, RtspPeer};

/// Refuses requests without the parameter that shows which challenge was answered.
fn locked(
    challenges: &'static [&'static str],
    wanted: &'static str,
) -> impl Fn(&Asked, Answer) -> Answer + Clone + Send {
    move |asked, answer| {
        if asked.header("Authorization").contains(wanted) {
            return answer;
        }
        challenges.iter().fold(answer.refuse("401 Unauthorized"), |answer, line| answer.with(*line))
    }
}

#[test]
fn the_best_known_challenge_is_answered_for_every_request() {
    for (challenges, wanted) in [
        (
            &["WWW-Authenticate: Basic realm=\"a\"", "WWW-Authenticate: Digest realm=\"a\", nonce=\"n\", "][..],
            "Digest username=\"us\\\"er\"",
        ),
        (
            &[
                "WWW-Authenticate: Digest realm=\"a\", nonce=\"n\", algorithm=MD5",
                "WWW-Authenticate: Digest realm=\"a\", nonce=\"s\", algorithm=SHA-256, qop=\"auth\"",
            ],
            "nonce=\"s\"",
        ),
        (
            &[
                "WWW-Authenticate: Digest realm=\"a\", nonce=\"n\", algorithm=SHA-512-256",
                "www-authenticate: Basic realm=\"a\"",
            ],
            "Basic dXMiZXI6cEA6Lz8j",
        ),
    ] {
        let peer = RtspPeer::start(locked(challenges, wanted));
        let session = watch(&peer.url_with("us%22er:p%40%3A%2F%3F%23"), options(), |_| false);
        assert_eq!((session.packets[0].len(), session.failed), (PACKETS, None), "{challenges:?}");
        for asked in peer.log() {
            assert!(!asked.uri.contains('@') && !asked.head.contains("p@:"), "{}", asked.head);
        }
    }
}

#[test]
fn unauthorized_401_says_what_kind() {
    let digest = &["WWW-Authenticate: Digest realm=\"a\", nonce=\"n\", algorithm=SHA-256"][..];
    let unknown = &["WWW-Authenticate: Negotiate"][..];
    for (login, challenges, error) in [
        (None, digest, "401 Unauthorized: the camera asks for a user and a password"),
        (Some("u:wrong"), digest, "401 Unauthorized: the camera refuses this user and password (digest SHA-256)"),
        (
            Some("u:p"),
            unknown,
            "401 Unauthorized: the camera asks for a kind of login that is neither digest nor basic",
        ),
    ] {
        let peer = RtspPeer::start(locked(challenges, "never"));
        let url = login.map_or_else(|| peer.url(), |login| peer.url_with(login));
        let session = watch(&url, options(), |_| false);
        assert_eq!(session.error(), error);
        assert!(!session.failed.unwrap().is_worth_another_engine());
        // Cameras lock users out who come too often.
        let attempts = peer.log().into_iter().filter(|asked| !asked.header("Authorization").is_empty()).count();
        assert!(attempts <= 1, "{attempts}");
    }
}

#[test]
fn a_new_nonce_is_answered_with_the_request_repeated() {
    let peer = RtspPeer::start(|asked, answer| {
        // Each nonce is good for one request.
        let nonce = format!("nonce=\"n{}\"", asked.number);
        let last = format!("nonce=\"n{}\"", asked.number.wrapping_sub(1));
        if asked.header("Authorization").contains(&last) {
            return answer;
        }
        answer.refuse("401 Unauthorized").with(format!("WWW-Authenticate: Digest realm=\"a\", {nonce}"))
    });
    let session = watch(&peer.url_with("u:p"), options(), |_| false);
    assert_eq!((session.packets[0].len(), session.failed), (PACKETS, None));
}

#[test]
fn a_password_is_not_sent_to_another_host() {
    let target = RtspPeer::start(locked(&["WWW-Authenticate: Basic realm=\"a\""], "Basic"));
    let location = format!("Location: {}", target.url());
    let peer = RtspPeer::start(move |asked, answer| match asked.method.as_str() {
        "DESCRIBE" => answer.refuse("302 Found").with(location.clone()),
        _ => answer,
    });
    let session = watch(&peer.url_with("u:p"), options(), |_| false);
    let error = "401 Unauthorized: the password was not sent to the host to which the camera redirects";
    assert_eq!(session.error(), error);
    assert!(target.log().iter().all(|asked| asked.header("Authorization").is_empty()));
}

#[test]
fn a_keep_alive_with_a_stale_nonce_is_repeated_with_the_new_one() {
    let peer = RtspPeer::start(|asked, answer| {
        let has = |nonce: &str| asked.header("Authorization").contains(nonce);
        match asked.method.as_str() {
            "SETUP" if has("old") => answer.replace("Session", Some("Session: 77;timeout=1")),
            "PLAY" if has("old") => Answer { after: Vec::new(), ..answer },
            "GET_PARAMETER" | "TEARDOWN" if has("new") => answer,
            "GET_PARAMETER" | "TEARDOWN" => {
                answer.refuse("401 Unauthorized").with("WWW-Authenticate: Digest realm=\"a\", nonce=\"new\"")
            }
            _ if has("old") => answer,
            _ => answer.refuse("401 Unauthorized").with("WWW-Authenticate: Digest realm=\"a\", nonce=\"old\""),
        }
    });
    let keep_alives = |nonce: &str| {
        let all = peer.log().into_iter().filter(|asked| asked.method == "GET_PARAMETER");
        all.filter(|asked| asked.header("Authorization").contains(nonce)).count()
    };
    let session = watch(&peer.url_with("u:p"), options(), |_| keep_alives("new") >= 2);
    assert_eq!((session.failed, session.is_finished, keep_alives("old")), (None, true, 1));
}

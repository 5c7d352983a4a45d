//! What comes out plays where people look at it: in the video element of a browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::bench::Bench;
use crate::support::hikvision::{Audio, Clip, Model, Video};
use crate::support::{Program, Running, Scratch};

/// Two seconds are played, and a browser is started, on a machine that may have much else to do.
const PATIENCE: Duration = Duration::from_mins(3);

/// Plays the movie to its end, then reports what it saw. Decoded frames have more than one colour.
const PAGE: &str = r#"<!doctype html><video muted src="movie.mp4"></video><script>
const video = document.querySelector("video");
const tell = what => fetch("told", {method: "POST", body: JSON.stringify(what)});
addEventListener("error", event => tell({error: event.message}));
addEventListener("unhandledrejection", event => tell({error: String(event.reason)}));
video.onerror = () => tell({error: video.error.code + " " + video.error.message});
video.onended = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    tell({
        played: video.currentTime, size: [video.videoWidth, video.videoHeight], colours: new Set(pixels).size,
        frames: video.getVideoPlaybackQuality().totalVideoFrames, audio: video.webkitAudioDecodedByteCount,
    });
};
video.play();
</script>"#;

#[test]
fn a_browser_plays_an_extracted_mp4() {
    let bench = Bench::new();
    let clip = Clip::new(Video::H264, Audio::ALaw, 2);
    bench.camera("tuin", Model::default()).record(&clip, "2025-09-07 14:00:15");
    bench.pass(&[]).expect_code(0);
    let movie = std::fs::read(bench.dest().join("tuin/video/2025-09-07_14-00-15-tuin.mp4")).unwrap();

    let (address, told) = serve(movie);
    let profile = Scratch::new();
    let browser = browse(&profile, &format!("http://{address}/"));
    let seen = told.recv_timeout(PATIENCE);
    browser.term();
    let output = browser.wait_timeout(Duration::from_secs(30));
    let seen = seen.unwrap_or_else(|_| panic!("the page has told nothing; of the browser: {output}"));
    assert_eq!(seen["error"], Value::Null, "{seen}");
    assert!((seen["played"].as_f64().unwrap() - 2.0).abs() < 0.2, "{seen}");
    assert_eq!(seen["size"], serde_json::json!([320, 180]), "{seen}");
    assert_eq!(seen["frames"], 50, "{seen}");
    assert!(seen["colours"].as_u64().unwrap() > 100, "{seen}");
    assert!(seen["audio"].as_u64().unwrap() > 1000, "{seen}");
}

/// Chromium with nothing to do but this page, and all that it keeps in `profile`.
fn browse(profile: &Scratch, url: &str) -> Running {
    let options = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --disable-breakpad \
        --autoplay-policy=no-user-gesture-required";
    let known = ["/usr/bin/chromium", "/usr/bin/google-chrome"];
    let browser = known.iter().find(|path| Path::new(path).exists());
    let browser = browser.unwrap_or_else(|| panic!("chromium is missing: run tests/setup"));
    Program::new(browser)
        .args(options.split_whitespace())
        .arg(format!("--user-data-dir={}", profile.join("profile").display()))
        .arg(url)
        .env("HOME", profile.path())
        .env("TMPDIR", profile.path())
        .spawn()
}

/// Serves the page and the movie; sends the page's report to the channel.
fn serve(movie: Vec<u8>) -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, told) = mpsc::channel();
    let movie = Arc::new(movie);
    // It ends with the test binary, as the threads of its connections do.
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (movie, sender) = (Arc::clone(&movie), sender.clone());
            // A browser opens connections that it does not use, and closes those that it has enough of.
            thread::spawn(move || answer(&connection, &movie, &sender));
        }
    });
    (address, told)
}

/// Answers one request, with a range if it asks for one.
fn answer(mut connection: &TcpStream, movie: &[u8], told: &mpsc::Sender<Value>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let mut lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let request = lines.next()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.into())))
        .collect();
    let header = |name: &str| headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let (status, kind, body) = match request.split(' ').nth(1)? {
        "/" => ("200 OK".to_owned(), "text/html", PAGE.as_bytes()),
        "/movie.mp4" => {
            let range = header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
            let (first, last) = range.unwrap_or(("0", ""));
            let first: usize = first.parse().ok()?;
            let end = last.parse().map_or(movie.len(), |last: usize| movie.len().min(last + 1));
            let bytes = movie.get(first..end)?;
            (
                format!("206 Partial Content\r\nContent-Range: bytes {first}-{}/{}", end - 1, movie.len()),
                "video/mp4",
                bytes,
            )
        }
        "/told" => {
            let mut body = vec![0; header("content-length")?.parse().ok()?];
            reader.read_exact(&mut body).ok()?;
            let _ = told.send(serde_json::from_slice(&body).ok()?);
            ("200 OK".to_owned(), "text/plain", &b""[..])
        }
        _ => ("404 Not Found".to_owned(), "text/plain", &b""[..]),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nAccept-Ranges: bytes\r\nConnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(&[head.as_bytes(), body].concat()).ok()
}

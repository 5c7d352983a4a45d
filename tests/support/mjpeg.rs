//! An IP camera that sends its pictures one by one over HTTP, as an ESP32-Cam does, and can be told that it is day.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ip_camera::{Fault, Shared, Visit};
use super::rng::seeded;

/// Pictures in each second.
pub(crate) const PICTURES_PER_SECOND: u32 = 10;

/// A camera of our own; it is gone when it is dropped.
///
/// `GET /stream` is the video. `GET /day` and `GET /night` are remembered, and fail when that was ordered.
pub(crate) struct MjpegCamera {
    shared: Arc<Shared>,
    controls: Arc<Mutex<Controls>>,
}

#[derive(Default)]
struct Controls {
    seen: Vec<Control>,
    /// So many calls from now on are answered with 500.
    failures: usize,
}

/// A call of one of the two controls.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    pub(crate) path: String,
    /// The status that was answered.
    pub(crate) status: u16,
    /// What it was told about who asks, as it was sent.
    pub(crate) authorization: Option<String>,
    pub(crate) at: Instant,
}

impl MjpegCamera {
    pub(crate) fn start() -> Self {
        let camera = Self { shared: Arc::new(Shared::new()), controls: Arc::default() };
        camera.set(None);
        camera
    }

    /// `http://127.0.0.1:PORT/stream`
    pub(crate) fn url(&self) -> String {
        self.control_url("stream")
    }

    /// `http://127.0.0.1:PORT/day`
    pub(crate) fn control_url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.shared.address)
    }

    /// The fault from now on. Connected clients stay connected, unless the camera is off.
    pub(crate) fn set(&self, fault: impl Into<Option<Fault>>) {
        let fault = fault.into();
        self.shared.set(fault);
        if fault != Some(Fault::Off) && !self.shared.listens() {
            let controls = Arc::clone(&self.controls);
            self.shared.listen(move |visit| answer(visit, &controls));
        }
    }

    /// Answers so many calls of controls with 500.
    pub(crate) fn fail_controls(&self, failures: usize) {
        self.controls.lock().unwrap_or_else(PoisonError::into_inner).failures = failures;
    }

    /// The calls of controls so far.
    pub(crate) fn controls(&self) -> Vec<Control> {
        self.controls.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }

    /// How many connections came in so far, for controls too.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// How many pictures went out to clients so far, damaged ones too.
    pub(crate) fn frames(&self) -> u64 {
        self.shared.lock().frames
    }

    /// Waits until so many pictures went out in all.
    #[track_caller]
    pub(crate) fn wait_for_frames(&self, frames: u64) {
        self.shared.wait_for(|state| state.frames >= frames);
    }

    /// Waits until so many connections came in all.
    #[track_caller]
    pub(crate) fn wait_for_connections(&self, connections: usize) {
        self.shared.wait_for(|state| state.connections >= connections);
    }

    /// Closes all connections, once.
    pub(crate) fn drop_connections(&self) {
        self.shared.drop_connections();
    }
}

impl Drop for MjpegCamera {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

fn answer(visit: &Visit, controls: &Mutex<Controls>) -> io::Result<()> {
    let Some((path, authorization)) = request(visit)? else { return Ok(()) };
    let mut client = &visit.client;
    if visit.mood()? == Some(Fault::Garbage) {
        return garbage(visit);
    }
    let status = match path.as_str() {
        "/stream" => return stream(visit),
        "/day" | "/night" => {
            let mut controls = controls.lock().unwrap_or_else(PoisonError::into_inner);
            let status = if controls.failures > 0 { 500 } else { 200 };
            controls.failures = controls.failures.saturating_sub(1);
            controls.seen.push(Control { path, status, authorization, at: Instant::now() });
            status
        }
        _ => 404,
    };
    write!(client, "HTTP/1.1 {status} Answer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// The path of a GET, when it is one, and who asks.
fn request(visit: &Visit) -> io::Result<Option<(String, Option<String>)>> {
    let (mut head, mut client) = (Vec::new(), &visit.client);
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 << 10 {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split_whitespace();
    let path = words.next().filter(|method| *method == "GET").and(words.next()).map(str::to_owned);
    let is_it = |line: &&str| line.to_ascii_lowercase().starts_with("authorization:");
    let authorization = head.lines().find(is_it).and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()));
    Ok(path.map(|path| (path, authorization)))
}

fn stream(visit: &Visit) -> io::Result<()> {
    let mut client = &visit.client;
    let mut random = seeded(visit.number as u64);
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n")?;
    let mut kept_back = Vec::new();
    for picture in pictures().iter().cycle() {
        let mut picture = picture.clone();
        let mut at_once = 1;
        match visit.pause(Duration::from_secs(1) / PICTURES_PER_SECOND)? {
            Some(Fault::Garbage) => return garbage(visit),
            Some(Fault::Noise(one_of)) if random.below(one_of) == 0 => {
                let middle = picture.len() / 2..picture.len() - 2;
                let noise = random.bytes(middle.len());
                picture[middle].copy_from_slice(&noise);
            }
            Some(Fault::Bursts(pictures)) => at_once = pictures,
            Some(Fault::Hoards(until)) => match until.saturating_duration_since(Instant::now()) {
                left if left > Duration::from_secs(1) / PICTURES_PER_SECOND => at_once = usize::MAX,
                left => _ = visit.pause(left)?,
            },
            _ => {}
        }
        let head = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len());
        kept_back.push([head.as_bytes(), &picture, b"\r\n"].concat());
        if kept_back.len() >= at_once {
            client.write_all(&kept_back.concat())?;
            kept_back.drain(..).for_each(|_| visit.sent_frame());
        }
    }
    Ok(())
}

fn garbage(visit: &Visit) -> io::Result<()> {
    let mut client = &visit.client;
    let mut random = seeded(visit.number as u64);
    loop {
        visit.pause(Duration::from_millis(50))?;
        client.write_all(&random.bytes(2000))?;
    }
}

/// Three seconds of a test pattern as JPEG pictures, coded once for each test binary.
pub(crate) fn pictures() -> &'static [Vec<u8>] {
    static PICTURES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let source = format!("testsrc2=size=320x240:rate={PICTURES_PER_SECOND}:duration=3");
        let output = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", &source, "-q:v", "8", "-f", "mjpeg", "pipe:1"])
            .stdin(Stdio::null())
            .output()
            .expect("ffmpeg is missing: run tests/setup");
        assert!(output.status.success(), "ffmpeg failed: {}", String::from_utf8_lossy(&output.stderr));
        let bytes = output.stdout;
        // Inside of a picture no byte 0xFF is followed by another one or by 0xD8.
        let mut starts: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&[0xFF, 0xD8])).collect();
        starts.push(bytes.len());
        starts.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
    });
    &PICTURES
}

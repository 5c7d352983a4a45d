//! A site with cameras: a configuration, the recorders that run with it, and the files of their destination.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use serde_json::Value;

use crate::support::{Program, Running, Scratch};

/// No test waits longer for footage to arrive.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// How often a directory or a process is looked at.
const TICK: Duration = Duration::from_millis(30);

/// Defaults for tests: footage comes soon, and trouble is noticed soon.
pub(crate) const QUICK: &str = "segment = \"2s\"\ntimeout = \"2s\"\nstall_timeout = \"4s\"\ntimezone = \"UTC\"";

/// What can read an RTSP camera: values of `engine`.
pub(crate) const ENGINES: [&str; 2] = ["native", "ffmpeg"];

/// A directory with `footage.toml`, whose segments go to `dest`.
pub(crate) struct Site {
    pub(crate) scratch: Scratch,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { scratch: Scratch::new() }
    }

    /// A site whose configuration has these defaults and cameras: a name and the rest of its table.
    pub(crate) fn with<B: AsRef<str>>(defaults: &str, cameras: &[(&str, B)]) -> Self {
        let site = Self::new();
        site.configure(defaults, cameras);
        site
    }

    /// Writes the configuration. The lines of `defaults` go below `[defaults]`, with a destination.
    pub(crate) fn configure<B: AsRef<str>>(&self, defaults: &str, cameras: &[(&str, B)]) {
        let mut text = format!("[defaults]\ndestination = \"dest\"\n{defaults}\n");
        for (name, body) in cameras {
            text.extend(["\n[cameras.", name, "]\n", body.as_ref(), "\n"]);
        }
        self.write(&text);
    }

    /// Writes the configuration as it is, in one step: a recorder may read it at any moment.
    pub(crate) fn write(&self, text: &str) {
        let new = self.scratch.write("footage.toml.new", text);
        std::fs::rename(new, self.scratch.join("footage.toml")).unwrap();
    }

    /// Puts a line in front of the configuration, where keys stand that are no camera's.
    pub(crate) fn prepend(&self, line: &str) {
        let text = std::fs::read_to_string(self.scratch.join("footage.toml")).unwrap();
        self.write(&format!("{line}\n{text}"));
    }

    /// `footage` with these arguments. All that it starts can be told from what other tests start.
    pub(crate) fn footage(&self, arguments: &[&str]) -> Program {
        self.scratch.footage(arguments).env("RECORDER_OF", self.scratch.path())
    }

    /// `footage record footage.toml` with these options.
    pub(crate) fn record(&self, options: &[&str]) -> Program {
        self.footage(&[&["record", "footage.toml"], options].concat())
    }

    /// Starts a recorder.
    #[track_caller]
    pub(crate) fn start(&self, options: &[&str]) -> Running {
        self.record(options).spawn()
    }

    pub(crate) fn dest(&self) -> PathBuf {
        self.scratch.join("dest")
    }

    /// Files in the place of a camera's folders of today and of tomorrow: until they are removed no segment of it can be
    /// closed.
    pub(crate) fn take_days(&self, camera: &str) -> [PathBuf; 2] {
        let now = chrono::Utc::now();
        [now, now + Duration::from_hours(24)].map(|day| {
            let folder = format!("dest/{camera}/{}", day.format("%Y-%m-%d"));
            self.scratch.write(folder, "foreign")
        })
    }

    /// A camera's closed segments, by name.
    pub(crate) fn closed(&self, camera: &str) -> Vec<Segment> {
        closed(&self.dest(), camera)
    }

    /// Waits until a camera's closed segments have so many frames; segments left incomplete by a crash count too.
    #[track_caller]
    pub(crate) fn expect_frames(&self, camera: &str, wanted: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let closed = self.closed(camera);
            let kept = frames(&closed);
            if kept >= wanted {
                return;
            }
            let hidden = self.hidden(camera);
            assert!(Instant::now() < until, "{camera}: {kept} of {wanted} frames in {closed:#?} and {hidden:#?}");
            std::thread::sleep(TICK * 20);
        }
    }

    /// A camera's hidden files.
    pub(crate) fn hidden(&self, camera: &str) -> Vec<PathBuf> {
        let all = files_below(&self.dest().join(camera));
        all.into_iter().filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with('.')).collect()
    }

    /// Waits until a camera has so many closed segments.
    #[track_caller]
    pub(crate) fn wait_for_closed(&self, camera: &str, count: usize) -> Vec<Segment> {
        wait_for(&format!("{count} segments of {camera}"), || {
            Some(self.closed(camera)).filter(|closed| closed.len() >= count)
        })
    }

    /// The state of each camera of the recorders that run, as their state files have it.
    fn states(&self) -> Vec<Value> {
        let running: BTreeSet<u64> = self.processes().iter().map(|process| process.id.into()).collect();
        let mut found = Vec::new();
        for path in files_below(self.scratch.path()) {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if !name.starts_with("record") || path.extension() != Some(OsStr::new("json")) {
                continue;
            }
            let state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap_or_default()).unwrap_or_default();
            if state["pid"].as_u64().is_some_and(|pid| running.contains(&pid)) {
                found.extend(state["cameras"].as_array().into_iter().flatten().cloned());
            }
        }
        found
    }

    /// The cameras that give frames now.
    pub(crate) fn recording(&self) -> BTreeSet<String> {
        let states = self.states();
        let recording = states.iter().filter(|camera| camera["state"] == "recording");
        recording.filter_map(|camera| camera["camera"].as_str().map(str::to_owned)).collect()
    }

    /// Waits until a camera gives frames.
    #[track_caller]
    pub(crate) fn wait_for_recording(&self, camera: &str) {
        wait_for(&format!("frames of {camera}"), || self.recording().contains(camera).then_some(()));
    }

    /// The ffmpegs that run, by camera: as the recorders' state files name them.
    pub(crate) fn segmenters(&self) -> BTreeMap<String, Vec<u32>> {
        let running: BTreeSet<u32> = self.processes().iter().map(|process| process.id).collect();
        let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for camera in self.states() {
            let pid = camera["ffmpeg_pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
            if let (Some(name), Some(pid)) = (camera["camera"].as_str(), pid.filter(|pid| running.contains(pid))) {
                found.entry(name.to_owned()).or_default().push(pid);
            }
        }
        found
    }

    /// The one ffmpeg of a camera, once it runs.
    #[track_caller]
    pub(crate) fn segmenter(&self, camera: &str) -> u32 {
        wait_for(&format!("an ffmpeg of {camera}"), || match self.segmenters().get(camera).map(Vec::as_slice) {
            Some([one]) => Some(*one),
            _ => None,
        })
    }

    /// What the open segments are packed in, by camera.
    pub(crate) fn containers(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for path in files_below(&self.dest()) {
            let is_open = path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with('.'));
            let camera = path.parent().and_then(Path::file_name).and_then(OsStr::to_str);
            if let (true, Some(camera), Some(ending)) = (is_open, camera, path.extension().and_then(OsStr::to_str)) {
                found.insert(camera.to_owned(), ending.to_owned());
            }
        }
        found
    }

    /// Everything that a recorder of this site has started, and itself.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let mark = format!("RECORDER_OF={}", self.scratch.path().display());
        let ids =
            std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let ours = |id: &u32| {
            let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        ids.filter(ours).filter_map(Process::read).collect()
    }

    /// Waits until nothing runs any more that a recorder of this site has started; panics after a second.
    #[track_caller]
    pub(crate) fn expect_nothing_runs(&self) {
        let until = Instant::now() + Duration::from_secs(1);
        while !self.processes().is_empty() {
            assert!(Instant::now() < until, "still running: {:#?}", self.processes());
            std::thread::sleep(TICK);
        }
    }

    /// The state of a camera in the recorder's state file, or null.
    pub(crate) fn live(&self, camera: &str) -> Value {
        live_in(&self.dest(), camera)
    }

    /// A script that passes for an ffmpeg and does this.
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.scratch.write(name, format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }
}

/// The state of a camera in the state file of a destination, or null.
pub(crate) fn live_in(dest: &Path, camera: &str) -> Value {
    let text = std::fs::read(dest.join(".footage/record.json")).unwrap_or_default();
    let live: Value = serde_json::from_slice(&text).unwrap_or_default();
    let cameras = live["cameras"].as_array().cloned().unwrap_or_default();
    cameras.into_iter().find(|it| it["camera"] == camera).unwrap_or_default()
}

/// A process under way.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) words: Vec<String>,
}

impl Process {
    fn read(id: u32) -> Option<Self> {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let words: Vec<String> =
            line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        // A zombie has no command line.
        (line.len() > 1).then_some(Self { id, words })
    }
}

/// A closed segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// `2026-11-21_10-00-00+0530.mkv`
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl Segment {
    /// When it begins, seconds since 1970.
    #[track_caller]
    pub(crate) fn start(&self) -> i64 {
        let start = chrono::DateTime::parse_from_str(&self.name[..24], "%Y-%m-%d_%H-%M-%S%z");
        start.unwrap_or_else(|e| panic!("{}: {e}", self.name)).timestamp()
    }

    /// When its first frame was taken: `DateUTC` of a Matroska file.
    #[track_caller]
    pub(crate) fn taken(&self) -> chrono::DateTime<chrono::Utc> {
        let time = probe(&self.path, &[], "format_tags=creation_time");
        time.trim().parse().unwrap_or_else(|e| panic!("{}: {time:?}: {e}", self.name))
    }

    /// How many video frames it has. It may be incomplete.
    #[track_caller]
    pub(crate) fn frames(&self) -> u64 {
        frames([self])
    }

    /// The codecs of its streams.
    pub(crate) fn codecs(&self) -> Vec<String> {
        // A transport stream tells them once more for its program.
        let codecs = probe(&self.path, &[], "stream=index,codec_name");
        let codecs: BTreeSet<&str> = codecs.lines().map(|line| line.trim_end_matches(',')).collect();
        codecs.into_iter().filter_map(|line| Some(line.split_once(',')?.1.to_owned())).collect()
    }

    /// From its first frame to its last, in seconds.
    #[track_caller]
    pub(crate) fn seconds(&self) -> f64 {
        let times = probe(&self.path, &["-select_streams", "v"], "packet=pts_time");
        let times: Vec<f64> = times.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect();
        times.iter().copied().fold(f64::MIN, f64::max) - times.iter().copied().fold(f64::MAX, f64::min)
    }

    /// Decodes all of it; panics when anything in it is not as it should be.
    #[track_caller]
    pub(crate) fn expect_sound(&self) {
        expect_sound([self]);
    }
}

/// Decodes all of these segments; panics when anything in them is not as it should be.
#[track_caller]
pub(crate) fn expect_sound<'s>(segments: impl IntoIterator<Item = &'s Segment>) {
    for (segments, probe) in one_after_the_other(segments) {
        let output = probe.args(["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames"]).run();
        let names: Vec<&str> = segments.iter().map(|segment| segment.name.as_str()).collect();
        assert!(output.code == Some(0) && output.stderr.is_empty(), "{names:?}: {output}");
        assert!(number(&output.stdout) >= segments.len() as u64, "{names:?}: {output}");
    }
}

/// The checksums of all pictures of these segments, one after the other.
#[track_caller]
pub(crate) fn pictures<'s>(segments: impl IntoIterator<Item = &'s Segment>) -> Vec<String> {
    let decode =
        |segment: &Segment| framemd5(Program::new("ffmpeg").args(["-nostdin", "-v", "error", "-i"]).arg(&segment.path));
    segments.into_iter().flat_map(decode).collect()
}

/// The checksum of every picture that an ffmpeg decodes, whatever their times.
#[track_caller]
pub(crate) fn framemd5(ffmpeg: Program) -> Vec<String> {
    let output = ffmpeg.args(["-map", "0:v", "-vsync", "passthrough", "-f", "framemd5", "-"]).run().expect_code(0);
    let lines = output.stdout.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(',')?.1.trim().to_owned())).collect()
}

/// Whether segments of two seconds follow each other without a gap, and all but the first at a mark.
pub(crate) fn follow_each_other(segments: &[Segment]) -> bool {
    segments[1..].windows(2).all(|pair| pair[1].start() - pair[0].start() == 2)
        && segments[1..].iter().all(|segment| segment.start() % 2 == 0)
}

/// How many video frames these segments have; they may be incomplete.
#[track_caller]
pub(crate) fn frames<'s>(segments: impl IntoIterator<Item = &'s Segment>) -> u64 {
    let probes = one_after_the_other(segments).into_iter();
    let count = ["-v", "quiet", "-count_packets", "-show_entries", "stream=nb_read_packets"];
    probes.map(|(_, probe)| number(&probe.args(count).run().stdout)).sum()
}

/// A probe for all segments in one container: a process for each segment costs more than all else in a test.
fn one_after_the_other<'s>(segments: impl IntoIterator<Item = &'s Segment>) -> Vec<(Vec<&'s Segment>, Program)> {
    let mut containers: BTreeMap<&OsStr, Vec<&Segment>> = BTreeMap::new();
    for segment in segments {
        containers.entry(segment.path.extension().unwrap_or_default()).or_default().push(segment);
    }
    let probe = |segments: Vec<&'s Segment>| {
        let files = segments.iter().map(|segment| format!("file 'file:{}'\n", segment.path.display()));
        let list: String = files.collect();
        let list = format!("data:text/plain;base64,{}", base64::engine::general_purpose::STANDARD.encode(list));
        let arguments = ["-select_streams", "v", "-of", "csv=p=0", "-f", "concat", "-safe", "0"];
        let probe = Program::new("ffprobe").args(arguments).args(["-protocol_whitelist", "data,file", "-i", &list]);
        (segments, probe)
    };
    containers.into_values().map(probe).collect()
}

#[track_caller]
fn number(said: &str) -> u64 {
    said.split([',', '\n']).next().and_then(|word| word.trim().parse().ok()).unwrap_or(0)
}

/// What ffprobe says of a file, which must please it.
#[track_caller]
pub(crate) fn probe(file: &Path, options: &[&str], entries: &str) -> String {
    let arguments = ["-v", "error", "-of", "csv=p=0", "-show_entries", entries];
    let output = Program::new("ffprobe").args(arguments).args(options).arg(file).run().expect_code(0);
    assert_eq!(output.stderr, "", "{}", file.display());
    output.stdout
}

/// A camera's closed segments below a destination, by name.
pub(crate) fn closed(dest: &Path, camera: &str) -> Vec<Segment> {
    let named = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        let is_segment = ["mkv", "ts", "mp4"].iter().any(|known| path.extension().is_some_and(|it| it == *known));
        (is_segment && !name.starts_with('.')).then_some(Segment { name, path })
    };
    let mut closed: Vec<Segment> = files_below(&dest.join(camera)).into_iter().filter_map(named).collect();
    closed.sort();
    closed
}

/// All files below a directory. What vanishes meanwhile is left out.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry.path())),
            _ => files.push(entry.path()),
        }
    }
    files
}

/// Waits for a value; panics when that takes longer than a minute.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "no {what} within {PATIENCE:?}");
        std::thread::sleep(TICK);
    }
}

/// A port that is free. Another process may take it before it is used, which does not happen on a test machine.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// GET on a port of this machine; none without an answer.
pub(crate) fn get(port: u16, path: &str) -> Option<Answer> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some(Answer { status: head.split(' ').nth(1)?.parse().ok()?, body: body.to_owned() })
}

/// Watches a destination: a file with a final name must never change after it was first seen.
pub(crate) struct Watcher {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: std::thread::JoinHandle<BTreeMap<PathBuf, (u64, SystemTime)>>,
}

impl Watcher {
    pub(crate) fn start(dest: PathBuf) -> Self {
        let stop = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeMap::new();
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                for path in files_below(&dest) {
                    let is_hidden = |part: &std::ffi::OsStr| part.as_encoded_bytes().starts_with(b".");
                    let below = path.strip_prefix(&dest).unwrap();
                    if let Ok(metadata) = std::fs::metadata(&path)
                        && !below.iter().any(is_hidden)
                    {
                        let now = (metadata.len(), metadata.modified().unwrap());
                        let first = *seen.entry(path.clone()).or_insert(now);
                        assert_eq!(first, now, "{} has changed", path.display());
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            seen
        });
        Self { stop, thread }
    }

    /// How many files were seen; panics when one of them has changed.
    #[track_caller]
    pub(crate) fn finish(self) -> usize {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.join().expect("no file with a final name has changed").len()
    }
}

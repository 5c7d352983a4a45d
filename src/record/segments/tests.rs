use proptest::prelude::*;

use super::*;
use crate::media::Codec;

const MS: i64 = 1_000_000;

/// A container of lines of text: `TRACK MILLISECONDS DATA`.
struct Lines;

impl Muxer for Lines {
    fn push(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        let line = format!("{} {} {}\n", packet.track, packet.pts_ns / MS, String::from_utf8_lossy(&packet.data));
        out.extend_from_slice(line.as_bytes());
    }

    fn flush(&mut self, _: &mut Vec<u8>) {}

    fn finish(&mut self, out: &mut Vec<u8>) -> Vec<Patch> {
        out.extend_from_slice(b"end\n");
        Vec::new()
    }
}

fn open(_: Container, tracks: &[Track], _: DateTime<Utc>, out: &mut Vec<u8>) -> Box<dyn Muxer> {
    out.extend_from_slice(format!("{} tracks\n", tracks.len()).as_bytes());
    Box::new(Lines)
}

fn video(config: u8) -> Track {
    Track { codec: Codec::H264 { config: vec![config] }, shape: Shape::Video { width: 640, height: 360 } }
}

fn audio() -> Track {
    Track { codec: Codec::ALaw, shape: Shape::Audio { sample_rate_hz: 8000, channels: 1 } }
}

/// A camera whose steady clock began at 2026-11-21T10:00:00Z.
struct World {
    segments: Segments,
    writes: Vec<Write>,
    /// How far the wall clock was set, in milliseconds.
    set_ms: i64,
}

impl World {
    fn new(seconds: u64, tracks: &[Track]) -> Self {
        let layout = Layout { segment: Duration::from_secs(seconds), zone: Tz::UTC, container: Container::Mkv };
        let mut segments = Segments::new(layout, RunId(1), |_, _| true, open);
        tracks.iter().enumerate().for_each(|(index, track)| segments.describe(index, track.clone()));
        Self { segments, writes: Vec::new(), set_ms: 0 }
    }

    /// A packet that was taken at a time, in milliseconds, and arrives so much later.
    fn take(&mut self, track: usize, at_ms: i64, late_ms: i64, is_key: bool, data: &str) -> bool {
        let epoch: DateTime<Utc> = "2026-11-21T10:00:00Z".parse().expect("an instant");
        let steady_ns = (at_ms + late_ms) * MS;
        let wall = epoch + chrono::TimeDelta::milliseconds(at_ms + late_ms + self.set_ms);
        let packet = Packet { track, pts_ns: at_ms * MS, is_key, data: data.as_bytes().to_vec() };
        self.segments.take(packet, Now { steady_ns, wall }, &mut self.writes)
    }

    /// What stands in the files in the end, by the second in their names behind ten o'clock.
    fn files(mut self) -> Vec<(i64, String)> {
        self.segments.end(&mut self.writes);
        let mut files: Vec<(OpenName, String, bool)> = Vec::new();
        for write in self.writes {
            let (open, bytes, is_end) = match write {
                Write::Create(open) => {
                    assert!(files.iter().all(|file| file.0 != open), "created twice: {open}");
                    files.push((open, String::new(), false));
                    continue;
                }
                Write::Append(open, bytes) => (open, bytes, false),
                Write::Finish { open, bytes, .. } => (open, bytes, true),
            };
            let file = files.iter_mut().find(|file| file.0 == open).expect("a file that was created");
            assert!(!file.2, "written behind its end");
            file.1.push_str(&String::from_utf8_lossy(&bytes));
            file.2 = is_end;
        }
        assert!(files.iter().all(|file| file.2), "a file without an end");
        files.into_iter().map(|(open, text, _)| (open.epoch - 1_795_255_200, text)).collect()
    }
}

#[test]
fn a_segment_has_the_name_of_its_first_key_frame() {
    let mut world = World::new(3600, &[video(0)]);
    assert!(!world.take(0, 0, 0, false, "P"));
    assert!(!world.take(1, 1000, 0, true, "unknown track"));
    assert!(world.writes.is_empty(), "without a frame there is no file");
    world.take(0, 4900, 20, true, "I");
    world.take(0, 5100, 20, false, "P");
    assert_eq!(world.files(), [(4, "1 tracks\n0 0 I\n0 200 P\nend\n".to_owned())]);
}

#[test]
fn segment_cuts_at_the_first_key_frame_behind_a_boundary() {
    let mut world = World::new(10, &[video(0)]);
    for at in 0..25 {
        world.take(0, at * 1000, 0, at % 4 == 0, &at.to_string());
    }
    let names: Vec<i64> = world.files().iter().map(|file| file.0).collect();
    assert_eq!(names, [0, 12, 20]);
}

#[test]
fn a_burst_at_the_start_costs_no_segment_at_the_first_boundary() {
    // Two seconds that the server has kept come at once; the times ahead are corrected at the first cut.
    let mut world = World::new(10, &[video(0)]);
    for at in (0..25_000).step_by(200) {
        let late = (2000 - at).max(0) - 2000;
        world.take(0, at, late, at % 1000 == 0, "x");
    }
    assert_eq!(world.files().len(), 3);
}

#[test]
fn changed_parameter_sets_begin_a_segment_at_the_next_key_frame() {
    let mut world = World::new(3600, &[video(0)]);
    world.take(0, 0, 0, true, "a");
    world.segments.describe(0, video(0));
    world.take(0, 1000, 0, true, "b");
    world.segments.describe(0, video(1));
    world.take(0, 2000, 0, false, "c");
    world.take(0, 3000, 0, true, "d");
    let files = world.files();
    assert_eq!(files.iter().map(|file| file.0).collect::<Vec<_>>(), [0, 3]);
    assert_eq!(files[0].1, "1 tracks\n0 0 a\n0 1000 b\n0 2000 c\nend\n");
}

#[test]
fn a_host_clock_that_is_set_begins_a_segment() {
    for set_ms in [7_200_000, -7_200_000, 700] {
        let mut world = World::new(86_400, &[video(0)]);
        world.take(0, 0, 0, true, "a");
        world.set_ms = set_ms;
        world.take(0, 1000, 0, false, "b");
        world.take(0, 2000, 0, true, "c");
        assert_eq!(world.files()[1].0, (2000 + set_ms).div_euclid(1000), "{set_ms}");
    }
    // A clock that is followed, as ntpd does, is none that was set.
    let mut world = World::new(86_400, &[video(0)]);
    world.take(0, 0, 0, true, "a");
    world.set_ms = 300;
    world.take(0, 2000, 0, true, "b");
    assert_eq!(world.files().len(), 1);
}

#[test]
fn audio_that_lags_belongs_to_the_segment_before() {
    let mut world = World::new(10, &[video(0), audio()]);
    assert!(!world.take(1, -300, 0, true, "before all frames"));
    world.take(0, 0, 0, true, "a");
    world.take(0, 10_000, 0, true, "b");
    world.take(1, 9900, 300, true, "late");
    world.take(1, 10_020, 300, true, "caught up");
    world.take(0, 10_500, 0, false, "c");
    let files = world.files();
    assert_eq!(files[0].1, "2 tracks\n0 0 a\n1 9900 late\nend\n");
    assert_eq!(files[1].1, "2 tracks\n0 0 b\n1 20 caught up\n0 500 c\nend\n");
}

#[test]
fn audio_that_is_silent_holds_nothing_back() {
    let mut world = World::new(10, &[video(0), audio()]);
    world.take(0, 0, 0, true, "a");
    world.take(0, 10_000, 0, true, "b");
    world.take(0, 11_001, 0, false, "c");
    assert!(world.writes.iter().any(|write| matches!(write, Write::Finish { .. })), "{:?}", world.writes);
}

#[test]
fn frames_shown_before_their_key_frame_have_no_negative_times() {
    // An open group of pictures: two frames come behind the key frame and are shown before it.
    let mut world = World::new(1, &[video(0)]);
    for (at, is_key) in [(0, true), (200, false), (66, false), (133, false)] {
        world.take(0, at, 200, is_key, "x");
    }
    for (at, is_key) in [(1200, true), (1066, false), (1133, false), (1300, false)] {
        world.take(0, at, 200, is_key, "y");
    }
    for (at, is_key) in [(2200, true), (2066, false), (2133, false), (2300, false)] {
        world.take(0, at, 200, is_key, "z");
    }
    let files = world.files();
    assert_eq!(files[2].1, "1 tracks\n0 134 z\n0 0 z\n0 67 z\n0 234 z\nend\n");
}

proptest! {
    /// From the first key frame on every frame is in one file, once, in order; whatever the cuts.
    #[test]
    fn every_frame_is_recorded_once_and_in_order(
        frames in proptest::collection::vec((0_u8..4, 0_i64..300, 0_i64..4000), 1..120),
        seconds in 1_u64..20,
    ) {
        let mut world = World::new(seconds, &[video(0)]);
        let (mut at, mut sent) = (0, String::new());
        for (n, (kind, late, step)) in frames.into_iter().enumerate() {
            at += step.max(1);
            world.set_ms += if kind == 3 { step } else { 0 };
            if world.take(0, at, late, kind == 0, &n.to_string()) {
                sent.extend([n.to_string(), " ".to_owned()]);
            } else {
                prop_assert!(sent.is_empty() && kind != 0);
            }
            if n % 7 == 0 {
                world.segments.flush(&mut world.writes);
            }
        }
        let mut written = String::new();
        for (_, text) in world.files() {
            let frames = text.lines().filter(|line| line.starts_with("0 "));
            for line in frames {
                let fields: Vec<&str> = line.split(' ').collect();
                prop_assert!(fields[1].parse::<i64>().is_ok_and(|at| at >= 0));
                written.push_str(fields[2]);
                written.push(' ');
            }
        }
        prop_assert_eq!(written, sent);
    }
}

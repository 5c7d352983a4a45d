//! What is new to recorders that cut by themselves: what a crash leaves, a disk that hangs, a camera that sends garbage.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::frozen::FreezableDisk;
use crate::support::ip_camera::Fault;
use crate::support::rtsp::{FRAMES_PER_SECOND, Film, KEY_INTERVAL, RtspCamera};
use crate::support::rtsp_peer::{RtspPeer, interleaved};
use crate::support::site::{ENGINES, PATIENCE, QUICK, Segment, Site, closed, frames, live_in, wait_for};
use crate::support::{Program, as_root, seeded};

const CONTAINERS: [&str; 3] = ["mkv", "ts", "mp4"];
const SECOND: u64 = FRAMES_PER_SECOND as u64;

/// `.1795235400-0f3a9c12.mkv`: when it began, in seconds since 1970.
fn epoch(open: &Path) -> i64 {
    let name = open.file_name().unwrap().to_str().unwrap();
    name[1..].split('-').next().and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn sigkill_of_a_native_recorder_loses_at_most_a_second() {
    let cameras = CONTAINERS.map(|name| (name, RtspCamera::start(Film::Plain)));
    let tables = cameras.each_ref().map(|(name, camera)| (*name, format!("{}\ncontainer = {name:?}", camera.table())));
    let site = Site::with("segment = \"1d\"\ntimezone = \"UTC\"", &tables);
    let running = site.start(&[]);
    for (_, camera) in &cameras {
        camera.wait_for_frames(5 * SECOND);
    }
    running.kill();
    let sent = cameras.each_ref().map(|(_, camera)| camera.frames());
    running.wait();
    site.expect_nothing_runs();
    let open = CONTAINERS.map(|name| {
        let hidden = site.hidden(name);
        assert_eq!(hidden.len(), 1, "{hidden:?}");
        epoch(&hidden[0])
    });
    site.record(&["--for", "3s"]).env("PATH", "/nowhere").run().expect_code(0);
    for ((name, sent), open) in CONTAINERS.into_iter().zip(sent).zip(open) {
        let closed = site.closed(name);
        let recovered = closed.iter().find(|segment| segment.start() == open).unwrap_or_else(|| panic!("{closed:?}"));
        // In MP4 a fragment is written when the next key frame has come.
        let lost = SECOND + if name == "mp4" { u64::from(KEY_INTERVAL) } else { 0 };
        assert!(recovered.frames() + lost >= sent, "{name}: {} of {sent} frames", recovered.frames());
        assert!(site.hidden(name).is_empty(), "{:?}", site.hidden(name));
    }
}

/// The segment muxer of ffmpeg wrote them, and was killed.
#[test]
fn open_segments_of_version_0_1_are_recovered_without_ffmpeg() {
    let camera = RtspCamera::start(Film::Plain);
    let site = Site::with(QUICK, &[("yard", camera.table())]);
    std::fs::create_dir_all(site.dest().join("yard")).unwrap();
    let source = format!("testsrc2=size=320x240:rate={SECOND}");
    let writers = [
        ("mkv", "matroska", "flush_packets=1:cluster_time_limit=500"),
        ("ts", "mpegts", "flush_packets=1"),
        ("mp4", "mp4", "flush_packets=1:movflags=+frag_keyframe+empty_moov+default_base_moof"),
    ]
    .map(|(container, format, options)| {
        Program::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", &source, "-c:v", "libx264", "-g", "15"])
            .args(["-preset", "ultrafast", "-tune", "zerolatency", "-f", "segment", "-segment_time", "3600"])
            .args(["-segment_atclocktime", "1", "-segment_clocktime_offset", "0.020", "-strftime", "1"])
            .args(["-segment_format", format, "-segment_format_options", options])
            .arg(site.dest().join(format!("yard/.%s-0f3a9c12.{container}")))
            .spawn()
    });
    let as_segment = |path: PathBuf| Segment { name: path.file_name().unwrap().to_str().unwrap().to_owned(), path };
    wait_for("three open segments", || {
        let open = site.hidden("yard");
        (open.len() == 3 && open.into_iter().all(|path| as_segment(path).frames() > 2 * SECOND)).then_some(())
    });
    for writer in writers {
        writer.kill();
        writer.wait();
    }
    let open: Vec<(i64, String, u64)> = site
        .hidden("yard")
        .into_iter()
        .map(|path| {
            let container = path.extension().unwrap().to_str().unwrap().to_owned();
            (epoch(&path), container, as_segment(path).frames())
        })
        .collect();
    assert_eq!(open.len(), 3, "{open:?}");
    // Killed while it wrote the next `moof`: ffmpeg opens no file that ends so.
    let mp4 = site.hidden("yard").into_iter().find(|path| path.extension().is_some_and(|it| it == "mp4")).unwrap();
    let cut_off =
        [b"\0\0\x40\0moof\0\0\0\x10mfhd\0\0\0\0\0\0\0\x09".as_slice(), b"\0\0\x30\0traf\0\0\0\x1Ctfhd\0\x02\0\x38"]
            .concat();
    File::options().append(true).open(mp4).and_then(|mut file| file.write_all(&cut_off)).unwrap();
    let output = site.record(&["--for", "4s"]).env("PATH", "/nowhere").run().expect_code(0);
    let closed = site.closed("yard");
    for (start, container, frames) in &open {
        let of = |segment: &&Segment| {
            segment.start() == *start && segment.path.extension().is_some_and(|it| it == container.as_str())
        };
        let recovered = closed.iter().find(of).unwrap_or_else(|| panic!("{start} {container}: {closed:#?} {output}"));
        assert_eq!(recovered.frames(), *frames, "{container}");
    }
    assert!(site.hidden("yard").is_empty(), "{:?}", site.hidden("yard"));
    assert!(closed.len() > open.len(), "and it records: {closed:#?}");
}

#[test]
fn a_disk_that_hangs_holds_up_only_its_cameras() {
    as_root!();
    for engine in ENGINES {
        let (yard, gate) = (RtspCamera::start(Film::Plain), RtspCamera::start(Film::Plain));
        let Some(disk) = FreezableDisk::new(32) else { return };
        let to_disk = format!("{}\ndestination = {:?}", gate.table_for(engine), disk.path());
        let site = Site::with(QUICK, &[("yard", yard.table_for(engine)), ("gate", to_disk)]);
        let running = site.start(&[]);
        site.wait_for_closed("yard", 1);
        wait_for("a segment", || closed(&disk.path(), "gate").first().cloned());
        disk.freeze();
        let held = site.closed("yard").len();
        yard.wait_for_frames(yard.frames() + 8 * SECOND);
        let went_on = site.closed("yard").len();
        disk.thaw();
        assert!(went_on >= held + 3, "{engine}: {held}, and then {went_on} segments");
        gate.wait_for_frames(gate.frames() + 2 * SECOND);
        running.term();
        running.wait_timeout(Duration::from_secs(10)).expect_code(143);
        for (camera, closed) in [(&yard, site.closed("yard")), (&gate, closed(&disk.path(), "gate"))] {
            // Also what came while it hung.
            assert_eq!(camera.connections(), 1, "{engine}: {closed:#?}");
            assert!(
                frames(&closed) + SECOND >= camera.frames(),
                "{engine}: {} of {}",
                frames(&closed),
                camera.frames()
            );
        }
    }
}

#[test]
fn a_full_disk_costs_a_native_camera_nothing_that_was_written() {
    as_root!();
    let camera = RtspCamera::start(Film::Plain);
    let mount = crate::support::small_tmpfs(1 << 20);
    let filler = mount.path().join("filler");
    std::fs::write(&filler, vec![1; 700_000]).unwrap();
    for container in CONTAINERS {
        let sent = camera.frames();
        let site = Site::new();
        site.write(&format!(
            "[defaults]\n{}\ndestination = {:?}\n[cameras.{container}]\n{}\ncontainer = {container:?}\n",
            QUICK.replace("2s\"\nt", "1h\"\nt"),
            mount.path(),
            camera.table()
        ));
        let running = site.start(&[]);
        running.wait_for_stderr("pauses: it is full", PATIENCE);
        let kept = wait_for("what was recorded", || closed(mount.path(), container).first().cloned());
        let recorded = camera.frames() - sent;
        assert!(kept.frames() + 2 * SECOND >= recorded, "{container}: {} of {recorded} frames", kept.frames());
        std::fs::remove_file(&filler).unwrap();
        wait_for("going on", || (live_in(mount.path(), container)["state"] == "recording").then_some(()));
        camera.wait_for_frames(camera.frames() + SECOND);
        running.term();
        running.wait_timeout(Duration::from_secs(8)).expect_code(143);
        let all = closed(mount.path(), container);
        assert!(all.len() >= 2 && all.iter().all(|segment| segment.frames() > 0), "{all:#?}");
        // The disk of the next one.
        std::fs::remove_dir_all(mount.path().join(container)).unwrap();
        std::fs::write(&filler, vec![1; 700_000]).unwrap();
    }
}

/// Random bytes from the first answer on, in place of packets, inside of packets, and where a frame of the connection begins.
#[test]
fn a_camera_that_sends_garbage_costs_another_no_frame() {
    let well = CONTAINERS.map(|name| (name, RtspCamera::start(Film::Plain)));
    let (packets, noise) = (RtspCamera::start(Film::Plain), RtspCamera::start(Film::Plain));
    let peers: Vec<(String, RtspPeer)> = (0..12)
        .map(|seed| {
            let peer = RtspPeer::start(move |asked, mut answer| {
                let mut random = seeded(seed + 100 * asked.number as u64);
                match (asked.method.as_str(), seed % 4) {
                    ("PLAY", 0) => answer.after = random.bytes(200_000),
                    ("PLAY", 1) => {
                        let packet = |_| interleaved(0, &random.bytes(1400));
                        answer.after = (0..300).flat_map(packet).collect();
                    }
                    ("PLAY", 2) => {
                        // RTP that is right, and H.264 that is none.
                        let packet = |number: u16| {
                            let [high, low] = number.to_be_bytes();
                            let head = [0x80, 96, high, low, 0, 0, high, low, 0, 0, 0, 0];
                            interleaved(0, &[&head[..], &random.bytes(1000)].concat())
                        };
                        answer.after = (1..500).flat_map(packet).collect();
                    }
                    ("DESCRIBE", 3) => answer.body = String::from_utf8_lossy(&random.bytes(5000)).into_owned(),
                    _ => {}
                }
                answer
            });
            (format!("peer{seed}"), peer)
        })
        .collect();
    let mut tables: Vec<(&str, String)> = Vec::new();
    for (name, camera) in &well {
        tables.push((name, format!("{}\ncontainer = {name:?}", camera.table_for("native"))));
    }
    tables.push(("packets", packets.table_for("native")));
    tables.push(("noise", noise.table_for("native")));
    for (name, peer) in &peers {
        tables.push((name, format!("url = {:?}\nengine = \"native\"", peer.url())));
    }
    let site = Site::with(QUICK, &tables);
    let running = site.start(&[]);
    for name in CONTAINERS.into_iter().chain(["packets", "noise"]) {
        site.wait_for_closed(name, 1);
    }
    packets.set(Fault::Garbage);
    noise.set(Fault::Noise(2));
    for (name, peer) in &peers {
        wait_for(&format!("a second try of {name}"), || {
            (peer.methods().iter().filter(|method| *method == "DESCRIBE").count() >= 2).then_some(())
        });
    }
    for name in CONTAINERS {
        site.wait_for_closed(name, 4);
    }
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    for (name, camera) in &well {
        let closed = site.closed(name);
        assert_eq!((camera.connections(), &site.live(name)["restarts"]), (1, &0.into()), "{name}");
        let kept = frames(&closed);
        assert!(camera.frames().saturating_sub(kept) <= 5, "{name}: {kept} of {} frames", camera.frames());
    }
}

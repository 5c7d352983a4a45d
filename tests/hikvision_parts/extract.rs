//! Segments extracted by a real ffmpeg, and by some that misbehave.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::hikvision::{Audio, Clip, Model, Storage, Video};
use footage::hikvision::extract::{self, AudioOutcome, ExtractError, Extracted, Settings};
use footage::hikvision::segment::Segment;
use footage::hikvision::storage::{self, Camera};

use super::targets::deadline;

/// A storage with these clips, and where it is.
fn storage(clips: &[Clip]) -> (tempfile::TempDir, Camera, Vec<Segment>) {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = Storage::new(dir.path(), Model::default());
    for (minute, clip) in clips.iter().enumerate() {
        storage.record(clip, &format!("2025-09-07 14:{minute:02}:15.250"));
    }
    let camera = storage::discover(&[dir.path()]).cameras.into_iter().next().unwrap();
    let segments = camera.read(&deadline()).segments;
    assert_eq!(segments.len(), clips.len());
    (dir, camera, segments)
}

fn extract_with(ffmpeg: &Path, camera: &Camera, segment: &Segment, output: &Path) -> Result<Extracted, ExtractError> {
    let settings = Settings { ffmpeg, timeout: Duration::from_secs(20), is_stopped: &|| false };
    let ring_file = camera.ring_file(segment).unwrap();
    extract::extract(&ring_file, segment, output, &settings, &|_| {})
}

fn extract(camera: &Camera, segment: &Segment, output: &Path) -> Result<Extracted, ExtractError> {
    extract_with(Path::new("ffmpeg"), camera, segment, output)
}

fn probe(file: &Path, entries: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-show_entries", entries, "-of", "csv=p=0"])
        .arg(file)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_codec_is_extracted_to_mp4() {
    let codings = [
        (Video::H264, Audio::Aac),
        (Video::H264, Audio::ALaw),
        (Video::H264, Audio::None),
        (Video::Hevc, Audio::Aac),
        (Video::Hevc, Audio::ALaw),
        (Video::Hevc, Audio::MuLaw),
    ];
    let clips = codings.map(|(video, audio)| Clip::new(video, audio, 2));
    let (dir, camera, segments) = storage(&clips);
    for (segment, (video, audio)) in segments.iter().zip(codings) {
        let output = dir.path().join("a b: -x%d'.mp4");
        let extracted = extract(&camera, segment, &output).unwrap();
        assert_eq!(extracted.duration, Duration::from_secs(2), "{video:?} {audio:?}");
        let expected = if audio == Audio::None { AudioOutcome::None } else { AudioOutcome::Kept };
        assert_eq!(extracted.audio, expected, "{video:?} {audio:?}");
        let coding = match video {
            Video::H264 => "h264,avc1,50",
            Video::Hevc => "hevc,hvc1,50",
        };
        let found = probe(&output, "stream=codec_name,codec_tag_string,nb_read_packets");
        assert!(found.starts_with(coding), "{found}");
        assert_eq!(found.contains("aac,mp4a"), audio != Audio::None, "{found}");
        let bytes = fs::read(&output).unwrap();
        let at = |kind: &[u8]| bytes.windows(4).position(|window| window == kind).unwrap();
        assert!(at(b"ftyp") < at(b"moov") && at(b"moov") < at(b"mdat"), "moov is in front");
    }
}

#[test]
fn frames_whose_number_looks_like_a_start_code_are_kept() {
    let clip = Clip::new(Video::H264, Audio::None, 4);
    let (dir, camera, segments) = storage(std::slice::from_ref(&clip));
    let ring_file = camera.ring_file(&segments[0]).unwrap();
    let file = fs::File::options().write(true).open(ring_file).unwrap();
    let output = dir.path().join("out.mp4");
    // The first frames after the camera was switched on, those around 480, and a multiple of 2²⁴.
    for frames_before in [0, 400, 440, 16_777_210] {
        let start = crate::support::hikvision::instant("2025-09-07 14:00:15.250");
        file.write_all_at(&clip.mux_counting(start, 4_000_000_000, frames_before), 0).unwrap();
        extract(&camera, &segments[0], &output).unwrap();
        assert_eq!(probe(&output, "stream=nb_read_packets").trim(), "100", "{frames_before}");
    }
}

#[test]
fn pts_may_wrap() {
    let clip = Clip::new(Video::Hevc, Audio::ALaw, 4);
    let (dir, camera, mut segments) = storage(std::slice::from_ref(&clip));
    let ring_file = camera.ring_file(&segments[0]).unwrap();
    let file = fs::File::options().write(true).open(ring_file).unwrap();
    let first_pts = (1 << 33) - 180_000;
    let start = crate::support::hikvision::instant("2025-09-07 14:00:15.250");
    file.write_all_at(&clip.mux(start, first_pts), 0).unwrap();
    let frames = segments[0].frames.as_mut().unwrap();
    frames.first_45k = u32::try_from(first_pts / 2).unwrap();
    frames.last_45k = frames.first_45k.wrapping_add(u32::try_from(clip.millis() * 45).unwrap());
    let output = dir.path().join("out.mp4");
    assert_eq!(extract(&camera, &segments[0], &output).unwrap().duration, Duration::from_secs(4));
}

/// The last frame lasts as long as the others, and no index tells of that.
#[test]
fn a_low_frame_rate_is_extracted() {
    let clips = [1000, 2000, 16_000].map(|millis| Clip::slow(Video::H264, millis, 4));
    let (dir, camera, segments) = storage(&clips);
    let output = dir.path().join("out.mp4");
    for (segment, millis) in segments.iter().zip([4000, 8000, 64_000]) {
        let extracted = extract(&camera, segment, &output).unwrap();
        assert!(extracted.damage.is_none(), "{:?}", extracted.damage);
        assert_eq!(extracted.duration, Duration::from_millis(millis));
    }
    // A frame that is missing at the end is missed all the same.
    let mut longer = segments[2];
    longer.frames.as_mut().unwrap().last_45k += 16 * 45_000;
    let extracted = extract(&camera, &longer, &output).unwrap();
    assert!(matches!(extracted.damage, Some(ExtractError::Duration { .. })), "{extracted:?}");
}

#[test]
fn an_overwritten_segment_is_refused() {
    let clip = Clip::new(Video::H264, Audio::None, 2);
    let (dir, camera, segments) = storage(&[clip.clone(), clip.clone()]);
    let ring_file = camera.ring_file(&segments[1]).unwrap();
    let file = fs::File::options().write(true).open(&ring_file).unwrap();
    let offset = segments[1].span.start();
    let output = dir.path().join("out.mp4");
    let newer = clip.mux(crate::support::hikvision::instant("2025-10-01 00:00:00"), 7);
    for bytes in [newer, vec![0; 8192], vec![0x55; 8192]] {
        file.write_all_at(&bytes, offset).unwrap();
        let error = extract(&camera, &segments[1], &output).unwrap_err();
        assert!(matches!(error, ExtractError::Gone(_)), "{error}");
        assert!(!output.exists());
    }
    extract(&camera, &segments[0], &output).unwrap();
}

#[test]
fn a_segment_overwritten_during_extraction_is_refused() {
    let (dir, camera, segments) = storage(&[Clip::new(Video::H264, Audio::None, 2)]);
    let ring_file = camera.ring_file(&segments[0]).unwrap();
    let fake = fake(
        dir.path(),
        &format!("ffmpeg \"$@\" || exit; printf newer | dd of={} conv=notrunc 2>/dev/null", ring_file.display()),
    );
    let error = extract_with(&fake, &camera, &segments[0], &dir.path().join("out.mp4")).unwrap_err();
    assert!(matches!(error, ExtractError::Gone(_)), "{error}");
}

#[test]
fn noise_inside_a_segment_is_detected() {
    let clip = Clip::new(Video::H264, Audio::None, 4);
    let (dir, camera, segments) = storage(&[clip]);
    let ring_file = camera.ring_file(&segments[0]).unwrap();
    let file = fs::File::options().write(true).open(ring_file).unwrap();
    let span = segments[0].span;
    file.write_all_at(&vec![0; usize::try_from(span.len() / 2).unwrap()], span.start() + span.len() / 2).unwrap();
    let extracted = extract(&camera, &segments[0], &dir.path().join("out.mp4")).unwrap();
    assert!(matches!(extracted.damage, Some(ExtractError::Duration { .. })), "{extracted:?}");
}

/// An ffmpeg that is this script.
fn fake(dir: &Path, script: &str) -> PathBuf {
    let path = dir.join("ffmpeg");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn an_ffmpeg_that_logs_much_does_not_block() {
    let (dir, camera, segments) = storage(&[Clip::new(Video::H264, Audio::None, 2)]);
    let fake = fake(
        dir.path(),
        "head -c 300000 /dev/zero | tr '\\0' 'x' >&2; head -c 1000 >/dev/null; head -c 300000 /dev/zero | tr '\\0' 'y' >&2; exit 3",
    );
    let error = extract_with(&fake, &camera, &segments[0], &dir.path().join("out.mp4")).unwrap_err();
    let ExtractError::Failed { status, said, .. } = error else { panic!("{error}") };
    assert_eq!((status.as_str(), said.len()), ("exit status: 3", 2048));
}

#[test]
fn a_hanging_ffmpeg_is_killed_with_its_process_group() {
    let (dir, camera, segments) = storage(&[Clip::new(Video::H264, Audio::None, 2)]);
    let mark = dir.path().join("mark");
    for script in ["sleep 100 & sleep 100", "cat >/dev/null; sleep 100", "trap '' TERM; while :; do :; done"] {
        let fake = fake(dir.path(), &format!("echo $$ > {}; {script}", mark.display()));
        let settings = Settings { ffmpeg: &fake, timeout: Duration::from_millis(300), is_stopped: &|| false };
        let begin = Instant::now();
        let ring_file = camera.ring_file(&segments[0]).unwrap();
        let output = dir.path().join("out.mp4");
        let error = extract::extract(&ring_file, &segments[0], &output, &settings, &|_| {}).unwrap_err();
        assert!(matches!(error, ExtractError::Timeout(_)), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(2));
        let group = fs::read_to_string(&mark).unwrap();
        // Killed processes that no parent has reaped yet are zombies, which is not alive.
        let is_alive =
            || Command::new("pgrep").args(["-r", "R,S,D", "-g", group.trim()]).output().unwrap().status.success();
        assert!(
            (0..20).any(|_| !is_alive() || {
                std::thread::sleep(Duration::from_millis(50));
                false
            }),
            "{script}"
        );
    }
}

#[test]
fn children_that_outlive_ffmpeg_do_not_block() {
    let (dir, camera, segments) = storage(&[Clip::new(Video::H264, Audio::None, 2)]);
    let fake = fake(dir.path(), "sleep 100 & cat >/dev/null; exit 1");
    let begin = Instant::now();
    let error = extract_with(&fake, &camera, &segments[0], &dir.path().join("out.mp4")).unwrap_err();
    assert!(matches!(error, ExtractError::Failed { .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_signal_ends_an_extraction() {
    let (dir, camera, segments) = storage(&[Clip::new(Video::H264, Audio::None, 2)]);
    let fake = fake(dir.path(), "sleep 100");
    let settings = Settings { ffmpeg: &fake, timeout: Duration::from_mins(1), is_stopped: &|| true };
    let ring_file = camera.ring_file(&segments[0]).unwrap();
    let output = dir.path().join("out.mp4");
    let result = extract::extract(&ring_file, &segments[0], &output, &settings, &|_| {});
    assert!(matches!(result, Err(ExtractError::Stopped)));
}

#[test]
fn an_ffmpeg_that_does_nothing_or_is_missing_is_an_error() {
    let (dir, camera, segments) = storage(&[Clip::new(Video::H264, Audio::None, 2)]);
    let output = dir.path().join("out.mp4");
    let lazy = fake(dir.path(), &format!("cat >/dev/null; : > {}", output.display()));
    let error = extract_with(&lazy, &camera, &segments[0], &output).unwrap_err();
    assert!(matches!(error, ExtractError::Mp4(_)), "{error}");
    let error = extract_with(&dir.path().join("missing"), &camera, &segments[0], &output).unwrap_err();
    assert!(matches!(error, ExtractError::Start(_)), "{error}");
}

#[test]
fn audio_that_cannot_be_converted_is_left_out() {
    let (dir, camera, segments) = storage(&[Clip::new(Video::H264, Audio::MuLaw, 2)]);
    let fake = fake(
        dir.path(),
        "for a; do [ \"$a\" = -c:a ] && { cat >/dev/null; echo no such audio >&2; exit 1; }; done; exec ffmpeg \"$@\"",
    );
    let extracted = extract_with(&fake, &camera, &segments[0], &dir.path().join("out.mp4")).unwrap();
    assert_eq!(extracted.audio, AudioOutcome::Lost("no such audio".to_owned()));
}

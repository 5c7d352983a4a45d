//! Storages as cameras write them, listed.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::hikvision::{self as built, Audio, Clip, Index, Kind, Layout, Live, Model, Storage, Stride, Video};
use footage::hikvision::picture;
use footage::hikvision::segment::{Medium, Segment};
use footage::hikvision::storage::{self, Camera, CameraListing, Problem};
use footage::hikvision::stream::{AudioCodec, Head, VideoCodec};

use super::targets::deadline;

/// What an expected and a listed recording have in common.
fn facts(live: &Live) -> (bool, usize, u32, String, String, u64, u64) {
    let time = |at: built::Instant| {
        let time = chrono::DateTime::from_timestamp(at.seconds.into(), at.micros * 1000).unwrap();
        time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
    };
    let (start, end) = (live.start_offset.into(), live.end_offset.into());
    (live.kind == Kind::Picture, live.datadir, live.file, time(live.start), time(live.end), start, end)
}

fn listed(segment: &Segment) -> (bool, usize, u32, String, String, u64, u64) {
    (
        segment.ring.medium == Medium::Picture,
        segment.ring.datadir,
        segment.file,
        segment.start.to_string(),
        segment.end.to_string(),
        segment.span.start(),
        segment.span.end(),
    )
}

fn only_camera(input: &Path) -> Camera {
    let discovery = storage::discover(&[input]);
    assert!(discovery.problems.is_empty(), "{:?}", discovery.problems);
    assert_eq!(discovery.cameras.len(), 1);
    discovery.cameras.into_iter().next().unwrap()
}

/// Checks that exactly the live recordings are listed, and nothing is wrong.
fn assert_lists(storage: &Storage, listing: &CameraListing) {
    assert!(listing.problems.is_empty(), "{:?}", listing.problems);
    let expected: Vec<_> = storage.live().iter().map(facts).collect();
    let found: Vec<_> = listing.segments.iter().map(listed).collect();
    assert_eq!(found, expected);
}

fn clock(minute: u32) -> String {
    format!("2025-09-07 {:02}:{:02}:15.250", 8 + minute / 60, minute % 60)
}

#[test]
fn a_wrapped_ring_lists_the_present_generation() {
    let dir = tempfile::tempdir().unwrap();
    let mut storage =
        Storage::new(dir.path(), Model { layout: Layout::Datadirs(2), file_len: 1 << 20, ..Model::default() });
    let clips = [Clip::new(Video::H264, Audio::Aac, 2), Clip::new(Video::Hevc, Audio::ALaw, 1)];
    for minute in 0..90 {
        let clip = &clips[usize::from(minute % 3 == 0)];
        storage.record(clip, &clock(minute));
    }
    storage.begin(&clips[0], &clock(90));
    assert!(storage.live().len() < 80, "nothing was overwritten: {}", storage.live().len());

    let camera = only_camera(dir.path());
    let listing = camera.read(&deadline());
    assert_lists(&storage, &listing);
    assert_eq!(listing.in_progress, 1);
    assert_eq!(camera.info.as_ref().unwrap().serial, "DS-2CD2143G0-I");
    for segment in &listing.segments {
        assert_eq!(head(&camera, segment).verify(segment), Ok(()));
    }
}

fn head(camera: &Camera, segment: &Segment) -> Head {
    let span = segment.span;
    let bytes = fs::read(camera.ring_file(segment).unwrap()).unwrap();
    Head::parse(&bytes[usize::try_from(span.start()).unwrap()..]).unwrap()
}

#[test]
fn segment_heads_have_the_codec() {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = Storage::new(dir.path(), Model::default());
    let coded = [
        (Video::H264, Audio::Aac, VideoCodec::H264, Some(AudioCodec::Aac)),
        (Video::H264, Audio::MuLaw, VideoCodec::H264, Some(AudioCodec::G711MuLaw)),
        (Video::Hevc, Audio::ALaw, VideoCodec::Hevc, Some(AudioCodec::G711ALaw)),
        (Video::Hevc, Audio::None, VideoCodec::Hevc, None),
    ];
    for (minute, (video, audio, ..)) in (0..).zip(coded) {
        storage.record(&Clip::new(video, audio, 1), &clock(minute));
    }
    let camera = only_camera(dir.path());
    let segments = camera.read(&deadline()).segments;
    assert_eq!(segments.len(), coded.len());
    for (segment, (.., video, audio)) in segments.iter().zip(coded) {
        let head = head(&camera, segment);
        assert_eq!((head.video, head.audio), (Some(video), audio));
        assert_eq!(head.clock, Some(segment.start));
        let first_45k = segment.frames.unwrap().first_45k;
        assert_eq!(head.first_frame_90k.map(|pts| pts / 2), Some(first_45k.into()));
    }
}

#[test]
fn pictures_of_both_index_strides_are_extracted() {
    for stride in [Stride::Short, Stride::Long] {
        for version in [2, 3] {
            // Without its signature the longer stride cannot be told from the shorter one.
            if version == 2 && stride == Stride::Long {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let mut storage = Storage::new(
                dir.path(),
                Model { index: Index::Binary(version), file_len: 40_000, stride, ..Model::default() },
            );
            let jpeg = built::jpeg();
            for minute in 0..30 {
                storage.store(&built::picture(&jpeg), &clock(minute));
            }
            let camera = only_camera(dir.path());
            let listing = camera.read(&deadline());
            assert_lists(&storage, &listing);
            assert!(listing.segments.len() > 3 && listing.segments.len() < 30, "{}", listing.segments.len());
            for segment in &listing.segments {
                let span = segment.span;
                let file = fs::read(camera.ring_file(segment).unwrap()).unwrap();
                let range = usize::try_from(span.start()).unwrap()..usize::try_from(span.end()).unwrap();
                assert_eq!(picture::cut(&file[range]), Ok(&jpeg[..]));
            }
        }
    }
}

#[test]
fn sqlite_indexes_are_listed_and_nothing_is_created() {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = Storage::new(dir.path(), Model { index: Index::Sqlite, file_len: 1 << 20, ..Model::default() });
    let clip = Clip::new(Video::H264, Audio::None, 2);
    for minute in 0..20 {
        // SQLite indexes have whole seconds, so the clip ends within the second that it ends in.
        storage.record(&clip, &format!("2025-09-07 08:{minute:02}:15.040"));
        storage.store(&built::jpeg(), &format!("2025-09-07 08:{minute:02}:16"));
    }
    storage.begin(&clip, "2025-09-07 09:00:00");
    let before: Vec<_> = names(&storage.datadir(0));

    let camera = only_camera(dir.path());
    let listing = camera.read(&deadline());
    assert!(listing.problems.is_empty(), "{:?}", listing.problems);
    assert_eq!(listing.in_progress, 1);
    let mut expected = storage.live();
    for live in &mut expected {
        (live.start.micros, live.end.micros) = (0, 0);
    }
    let expected: Vec<_> = expected.iter().map(facts).collect();
    assert_eq!(listing.segments.iter().map(listed).collect::<Vec<_>>(), expected);
    for segment in listing.segments.iter().filter(|segment| segment.ring.medium == Medium::Video) {
        assert_eq!(head(&camera, segment).verify(segment), Ok(()));
    }
    assert_eq!(names(&storage.datadir(0)), before);
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// A small storage with one segment in each of three datadirs.
fn three_datadirs(root: &Path) -> Storage {
    fs::create_dir_all(root).unwrap();
    let mut storage =
        Storage::new(root, Model { layout: Layout::Datadirs(3), files: 1, file_len: 200_000, ..Model::default() });
    let clip = Clip::new(Video::H264, Audio::None, 1);
    let mut minute = 0;
    while storage.live().last().is_none_or(|live| live.datadir < 2) {
        storage.record(&clip, &clock(minute));
        minute += 1;
    }
    storage
}

#[test]
fn input_kind_is_detected_by_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["Camera-Tuin", "quote\"'s", "line\nbreak", " space ", "..dots"];
    for name in names {
        three_datadirs(&dir.path().join(name));
    }
    fs::create_dir_all(dir.path().join("@eaDir")).unwrap();
    fs::create_dir_all(dir.path().join("empty")).unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();

    let discovery = storage::discover(&[dir.path(), &dir.path().join("Camera-Tuin"), &dir.path().join("empty/..")]);
    assert!(discovery.problems.is_empty(), "{:?}", discovery.problems);
    let mut expected = names.to_vec();
    expected.sort_unstable();
    let found: Vec<_> = discovery.cameras.iter().map(|camera| camera.name.as_str()).collect();
    assert_eq!(found, expected, "each once");
    assert!(discovery.cameras.iter().all(|camera| camera.datadirs.len() == 3));

    let datadir = only_camera(&dir.path().join("Camera-Tuin/datadir1"));
    assert_eq!((datadir.name.as_str(), datadir.datadirs[0].number), ("Camera-Tuin", 1));
}

#[test]
fn a_card_without_datadirs_is_a_camera() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("card");
    fs::create_dir(&root).unwrap();
    let mut storage = Storage::new(&root, Model { layout: Layout::Flat, index: Index::Binary(3), ..Model::default() });
    storage.record(&Clip::new(Video::H264, Audio::None, 1), &clock(0));
    for (name, capitals) in [("index00.bin", "INDEX00.BIN"), ("hiv00000.mp4", "HIV00000.MP4")] {
        fs::rename(root.join(name), root.join(capitals)).unwrap();
    }
    fs::remove_file(root.join("index01.bin")).unwrap();
    let camera = only_camera(&root);
    assert_eq!(camera.name, "card");
    let listing = camera.read(&deadline());
    assert_lists(&storage, &listing);
    assert!(camera.ring_file(&listing.segments[0]).unwrap().ends_with("HIV00000.MP4"));
}

#[test]
fn an_input_without_a_camera_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let discovery = storage::discover(&[dir.path(), &dir.path().join("missing")]);
    assert!(discovery.cameras.is_empty());
    assert!(matches!(discovery.problems[..], [Problem::NoCamera { .. }, Problem::Folder { .. }]));
    assert!(discovery.problems.iter().all(Problem::hides_footage));
}

#[test]
fn a_missing_datadir_hides_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let storage = three_datadirs(dir.path());
    fs::remove_dir_all(dir.path().join("datadir1")).unwrap();
    let discovery = storage::discover(&[dir.path()]);
    let [problem] = &discovery.problems[..] else { panic!("{:?}", discovery.problems) };
    assert_eq!(
        problem.to_string(),
        format!("{:?} lacks datadirs: datadir1; info.bin counts 3, 2 are there", fs::canonicalize(dir.path()).unwrap())
    );
    let others = storage.live().iter().filter(|live| live.datadir != 1).count();
    assert_eq!(discovery.cameras[0].read(&deadline()).segments.len(), others);
}

#[test]
fn a_missing_ring_file_is_listed_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let storage = three_datadirs(dir.path());
    fs::remove_file(dir.path().join("datadir1/hiv00000.mp4")).unwrap();
    let listing = only_camera(dir.path()).read(&deadline());
    assert_eq!(listing.segments.len(), storage.live().len());
    assert!(listing.segments.iter().all(|segment| segment.is_present == (segment.ring.datadir != 1)));
    assert!(matches!(listing.problems[..], [Problem::MissingRingFiles { files: 1, .. }]));
}

#[test]
fn a_bad_index_is_replaced_by_its_mirror() {
    let dir = tempfile::tempdir().unwrap();
    let storage = three_datadirs(dir.path());
    let index = storage.index(Kind::Video, 1);
    let whole = fs::read(&index).unwrap();
    let mut many_files = whole.clone();
    many_files[12..16].copy_from_slice(&400_000_000_u32.to_le_bytes());
    let damages: [(&str, Vec<u8>); 6] = [
        ("zeros", vec![0; whole.len()]),
        ("noise", (0..whole.len()).map(|n| u8::try_from(n * 7919 % 251).unwrap()).collect()),
        ("empty", vec![]),
        ("cut off in its header", whole[..1000].to_vec()),
        ("cut off in its records", whole[..4096].to_vec()),
        ("four hundred million files", many_files),
    ];
    for (damage, bytes) in damages {
        fs::write(&index, bytes).unwrap();
        let listing = only_camera(dir.path()).read(&deadline());
        let found: Vec<_> = listing.segments.iter().map(listed).collect();
        assert_eq!(found, storage.live().iter().map(facts).collect::<Vec<_>>(), "{damage}");
        let [problem] = &listing.problems[..] else { panic!("{damage}: {:?}", listing.problems) };
        assert!(problem.to_string().ends_with("(index01.bin is read instead)"), "{damage}: {problem}");
        assert!(!problem.hides_footage());
    }
}

#[test]
fn an_index_bad_in_both_copies_hides_only_its_datadir() {
    let dir = tempfile::tempdir().unwrap();
    let storage = three_datadirs(dir.path());
    let mut disk_of_an_nvr = vec![0; 4096];
    disk_of_an_nvr[16..24].copy_from_slice(b"HIKBTREE");
    for name in ["index00.bin", "index01.bin"] {
        fs::write(storage.datadir(1).join(name), &disk_of_an_nvr).unwrap();
    }
    let listing = only_camera(dir.path()).read(&deadline());
    let others = storage.live().iter().filter(|live| live.datadir != 1).count();
    assert_eq!(listing.segments.len(), others);
    assert_eq!(listing.problems.len(), 2);
    assert!(listing.problems.iter().all(Problem::hides_footage));
    let source = std::error::Error::source(&listing.problems[0]).unwrap();
    assert!(source.to_string().contains("HIKBTREE"), "{source}");
}

#[test]
fn an_index_that_changes_while_it_is_read_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let storage = three_datadirs(dir.path());
    let index = storage.index(Kind::Video, 2);
    let mut before = fs::read(&index).unwrap();
    // The camera opens the file anew: its records are stale from then on, all at once.
    let mut after = before.clone();
    after[24 + 24 + 2] = 0;
    let camera = only_camera(dir.path());
    let live = storage.live().len();
    let gone = storage.live().iter().filter(|live| live.datadir == 2).count();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut count = 1000_u64;
            while !is_over.load(Ordering::Relaxed) {
                for bytes in [&mut before, &mut after] {
                    count += 1;
                    bytes[..8].copy_from_slice(&count.to_le_bytes());
                    let file = fs::File::options().write(true).open(&index).unwrap();
                    // Cameras write the records before the header that counts them.
                    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[1280..], 1280).unwrap();
                    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[..1280], 0).unwrap();
                    std::thread::sleep(std::time::Duration::from_micros(300));
                }
            }
        });
        for _ in 0..300 {
            let listing = camera.read(&deadline());
            let count = listing.segments.len();
            assert!(count == live || count == live - gone, "{count}");
            let unexpected = listing.problems.iter().find(|problem| !matches!(problem, Problem::KeepsChanging { .. }));
            assert!(unexpected.is_none(), "{unexpected:?}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

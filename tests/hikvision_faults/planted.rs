//! Another user may write to the destination, and has planted symlinks there: nothing outside of it is written or removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::bench::Bench;
use crate::support::hikvision::{Storage, jpeg, picture};
use crate::support::{peak_kib, tree};

const NAME: &str = "2025-09-07_14-00-15-tuin";

/// One camera with a clip and a picture of the same second.
fn bench() -> (Bench, Storage) {
    let (bench, mut storage) = Bench::with(&["2025-09-07 14:00:15"]);
    storage.store(&picture(&jpeg()), "2025-09-07 14:00:15");
    (bench, storage)
}

#[test]
fn a_symlink_in_place_of_a_folder_is_not_followed() {
    for (link, code) in [("tuin", 3), ("tuin/video", 3), ("tuin/images", 3), (".footage", 1)] {
        for options in [&[][..], &["--keep", "1d"]] {
            let (bench, _storage) = bench();
            // What retention would remove, and what a killed pass would have left.
            for name in ["", "video/", "images/"] {
                for ending in ["mp4", "jpg"] {
                    bench.scratch.write(format!("outside/{name}2020-01-01_00-00-00-tuin.{ending}"), "precious");
                    bench.scratch.write(format!("outside/{name}.2020-01-01_00-00-00-tuin.{ending}.part"), "precious");
                }
            }
            let outside = bench.scratch.join("outside");
            let before = tree(&outside);
            let path = bench.dest().join(link);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(&outside, &path).unwrap();
            let output = bench.pass(options);
            assert_eq!(tree(&outside), before, "{link} {options:?}: {output}");
            if options.is_empty() || link == ".footage" {
                output.expect_code(code);
            }
        }
    }
}

#[test]
fn a_symlink_in_place_of_a_file_is_not_written_through() {
    for link in [
        &format!("tuin/video/{NAME}.mp4"),
        &format!("tuin/video/.{NAME}.mp4.part"),
        &format!("tuin/video/.{NAME}.mp4.damaged"),
        &format!("tuin/images/{NAME}.jpg"),
        &format!("tuin/images/.{NAME}.jpg.part"),
        ".footage/hikvision.lock",
        ".footage/hikvision.json",
        ".footage/.hikvision.json.tmp",
        ".footage/hikvision.held",
        ".footage/.hikvision.held.tmp",
        ".footage/hikvision.failed",
        "metrics",
        ".metrics.tmp",
    ] {
        let (bench, _storage) = bench();
        let precious = bench.scratch.write("precious", "precious");
        let path = bench.dest().join(link);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(&precious, &path).unwrap();
        let output = bench.pass(&["--metrics-file", "dest/metrics"]);
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious", "{link}: {output}");
    }
}

#[test]
fn a_state_file_of_absurd_length_is_not_read() {
    for name in ["hikvision.json", "hikvision.held", "hikvision.failed"] {
        let (bench, _storage) = bench();
        let path = bench.scratch.write(Path::new("dest/.footage").join(name), "{");
        fs::File::options().write(true).open(path).and_then(|file| file.set_len(600 << 20)).unwrap();
        let peak = bench.scratch.join("peak");
        bench.footage(&[]).measured(&peak).run().expect_code(0);
        assert!(peak_kib(&peak) < 200 << 10, "{name}: {} KiB", peak_kib(&peak));
    }
}

//! Another user may write to the destination, and has planted symlinks and forged state there: nothing outside of it is
//! written, removed or passed off as a segment.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::site::{QUICK, Site, wait_for};
use crate::support::tree;

/// Names of days and of segments in the next half a minute.
fn next(format: &str) -> Vec<String> {
    let now = chrono::Utc::now();
    let mut names: Vec<_> = (0..30).map(|s| (now + Duration::from_secs(s)).format(format).to_string()).collect();
    names.dedup();
    names
}

#[test]
fn a_symlink_in_place_of_a_folder_is_not_followed() {
    let camera = RtspCamera::start(Film::Plain);
    let days = next("yard/%Y-%m-%d");
    let of_days: Vec<&str> = days.iter().map(String::as_str).collect();
    for links in [&["yard"][..], &[".footage"], &of_days, &["yard/2020-01-01"]] {
        let site = Site::with(&format!("{QUICK}\nkeep = \"1d\""), &[("yard", camera.table())]);
        // What retention would remove, and what a crash would have left.
        for name in
            ["2020-01-01_00-00-00+0000.mkv", "2020-01-01/2020-01-01_00-00-00+0000.mkv", ".1577836800-0f3a9c12.mkv"]
        {
            site.scratch.write(Path::new("outside").join(name), "precious");
        }
        site.scratch.write("outside/.1577836800-0f3a9c12.mkv.damaged", "precious");
        let outside = site.scratch.join("outside");
        let before = tree(&outside);
        fs::create_dir_all(site.dest().join("yard")).unwrap();
        for link in links {
            let _ = fs::remove_dir(site.dest().join(link));
            symlink(&outside, site.dest().join(link)).unwrap();
        }
        let output = site.record(&["--for", "4s"]).run();
        assert_eq!(tree(&outside), before, "{links:?}: {output}");
        let is_recorded = links == ["yard/2020-01-01"];
        let is_ours = |name: &str| name > "2021";
        let has_some = site.closed("yard").iter().any(|segment| is_ours(&segment.name));
        assert_eq!(has_some, is_recorded, "{links:?}: {output}");
        assert_eq!(output.stderr.is_empty(), is_recorded, "{links:?}: {output}");
    }
}

#[test]
fn a_symlink_in_place_of_a_file_is_not_written_through() {
    let camera = RtspCamera::start(Film::Plain);
    let names = next("yard/%Y-%m-%d/%Y-%m-%d_%H-%M-%S+0000.mkv");
    let of_names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (links, code) in [
        (&[".footage/record.lock"][..], 2),
        (&[".footage/record.json", ".footage/.record.json.tmp", "metrics", ".metrics.tmp"], 0),
        (&of_names, 0),
        (&["yard/.1577836800-0f3a9c12.mkv", "yard/.1577836801-0f3a9c12.mkv.damaged"], 0),
    ] {
        let site = Site::with(&format!("{QUICK}\nkeep = \"1d\""), &[("yard", camera.table())]);
        let precious = site.scratch.write("precious", "precious");
        for link in links {
            let path = site.dest().join(link);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(&precious, path).unwrap();
        }
        let output = site.record(&["--for", "4s", "--metrics-file", "dest/metrics"]).run();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious", "{links:?}: {output}");
        let output = output.expect_code(code);
        let segments = site.closed("yard");
        let ours = segments.iter().filter(|segment| !fs::symlink_metadata(&segment.path).unwrap().is_symlink());
        assert_eq!(ours.count() > 0, code == 0, "{links:?}: {segments:?} {output}");
    }
}

/// ffmpeg checks whether an incomplete segment plays. A playlist that names other files is no segment, whatever its name.
#[test]
fn a_playlist_is_no_incomplete_segment() {
    let camera = RtspCamera::start(Film::Plain);
    for container in ["mkv", "ts", "mp4"] {
        let site = Site::with(&format!("{QUICK}\ncontainer = {container:?}"), &[("yard", camera.table())]);
        site.record(&["--for", "4s"]).run().expect_code(0);
        let secret = site.scratch.join(format!("secret.{container}"));
        fs::rename(&site.closed("yard")[0].path, &secret).unwrap();
        let rest = format!("# {}\n", "x".repeat(8000));
        fs::hard_link(&secret, site.dest().join(format!("yard/x.{container}"))).unwrap();
        for (second, text) in [
            (0, format!("ffconcat version 1.0\nfile x.{container}\n{rest}")),
            (1, format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n{rest}", secret.display())),
            (2, format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nx.{container}\n#EXT-X-ENDLIST\n{rest}")),
        ] {
            site.scratch.write(format!("dest/yard/.{}-0f3a9c12.{container}", 1_577_836_800 + second), text);
        }
        let running = site.start(&[]);
        let damaged = |hidden: &Vec<std::path::PathBuf>| {
            hidden.iter().filter(|path| path.extension().is_some_and(|it| it == "damaged")).count() == 3
        };
        wait_for("three that do not play", || Some(site.hidden("yard")).filter(damaged));
        running.term();
        running.wait();
        assert!(!site.dest().join("yard/2020-01-01").exists());
    }
}

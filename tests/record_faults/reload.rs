//! A hundred edits and a hundred SIGHUPs.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::seeded;
use crate::support::site::{QUICK, Site, wait_for};

#[test]
fn after_a_hundred_reloads_each_camera_has_one_ffmpeg() {
    after_a_hundred_reloads_each_camera_has_one_source("ffmpeg");
}

#[test]
fn after_a_hundred_reloads_each_native_camera_has_one_connection() {
    after_a_hundred_reloads_each_camera_has_one_source("native");
}

/// Connections to a camera on this machine that are open.
fn connections(camera: &RtspCamera) -> usize {
    let port = camera.url().rsplit([':', '/']).find_map(|word| word.parse::<u16>().ok()).unwrap();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let peer = format!("0100007F:{port:04X}");
    let is_open = |line: &&str| {
        let mut words = line.split_whitespace().skip(2);
        // 01 is ESTABLISHED.
        words.next() == Some(&peer) && words.next() == Some("01")
    };
    table.lines().filter(is_open).count()
}

fn after_a_hundred_reloads_each_camera_has_one_source(engine: &str) {
    let camera = RtspCamera::start(Film::Plain);
    let names = ["a", "b", "c", "d", "e"];
    let site = Site::with(QUICK, &[("always", camera.table_for(engine))]);
    let running = site.start(&[]);
    site.wait_for_recording("always");
    let always = site.segmenters();
    let mut random = seeded(1);
    let mut wanted = BTreeMap::new();
    for _ in 0..100 {
        wanted.clear();
        let mut tables = vec![("always", camera.table_for(engine))];
        for name in names {
            if random.below(4) == 0 {
                continue;
            }
            let (container, weeks) = (["mkv", "ts"][usize::from(random.below(8) == 0)], 1 + random.below(3));
            tables
                .push((name, format!("{}\ncontainer = {container:?}\nkeep = \"{weeks}w\"", camera.table_for(engine))));
            wanted.insert(name.to_owned(), container);
        }
        let broken = random.below(10) == 0;
        site.configure(QUICK, &tables);
        if broken {
            let text = std::fs::read_to_string(site.scratch.join("footage.toml")).unwrap();
            site.write(&text.replace("[defaults]", "[default]"));
        }
        running.signal(Signal::HUP);
        // Some come while the one before is still being worked on.
        std::thread::sleep(Duration::from_millis(random.below(120)));
        for (name, ids) in site.segmenters() {
            assert!(ids.len() <= 1, "{name} has {ids:?}");
        }
        site.configure(QUICK, &tables);
    }
    running.signal(Signal::HUP);
    wanted.insert("always".to_owned(), "mkv");
    let is_as_wanted = || {
        let ffmpegs = if engine == "ffmpeg" { wanted.len() } else { 0 };
        let containers = site.containers();
        let containers = containers.iter().map(|(name, is)| (name.as_str(), is.as_str()));
        site.segmenters().values().map(Vec::len).eq(std::iter::repeat_n(1, ffmpegs))
            && containers.eq(wanted.iter().map(|(name, is)| (name.as_str(), *is)))
            && connections(&camera) == wanted.len()
    };
    wait_for("the last configuration", || is_as_wanted().then_some(()));
    let closed: BTreeMap<&String, usize> = wanted.keys().map(|name| (name, site.closed(name).len())).collect();
    for (name, closed) in closed {
        site.wait_for_closed(name, closed + 2);
    }
    assert!(is_as_wanted(), "{:?}", site.segmenters());
    assert_eq!(site.segmenters().get("always"), always.get("always"));
    assert_eq!(site.live("always")["restarts"], 0);
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    site.expect_nothing_runs();
    for name in names {
        assert!(site.hidden(name).is_empty(), "{:?}", site.hidden(name));
    }
}

//! A hundred edits and a hundred SIGHUPs.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::rtsp::{Film, RtspCamera};
use crate::support::seeded;
use crate::support::site::{QUICK, Site, wait_for};

#[test]
fn after_a_hundred_reloads_each_camera_has_one_ffmpeg() {
    let camera = RtspCamera::start(Film::Plain);
    let names = ["a", "b", "c", "d", "e"];
    let site = Site::with(QUICK, &[("always", camera.table())]);
    let running = site.start(&[]);
    let always = site.segmenter("always");
    let mut random = seeded(1);
    let mut wanted = BTreeMap::new();
    for _ in 0..100 {
        wanted.clear();
        let mut tables = vec![("always", camera.table())];
        for name in names {
            if random.below(4) == 0 {
                continue;
            }
            let (container, weeks) = (["mkv", "ts"][usize::from(random.below(8) == 0)], 1 + random.below(3));
            tables.push((name, format!("{}\ncontainer = {container:?}\nkeep = \"{weeks}w\"", camera.table())));
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
        let found = site.segmenters();
        let containers: BTreeMap<String, &str> = site.containers();
        found.values().all(|ids| ids.len() == 1) && containers == wanted
    };
    wait_for("the last configuration", || is_as_wanted().then_some(()));
    let closed: BTreeMap<&String, usize> = wanted.keys().map(|name| (name, site.closed(name).len())).collect();
    for (name, closed) in closed {
        site.wait_for_closed(name, closed + 2);
    }
    assert!(is_as_wanted(), "{:?}", site.segmenters());
    assert_eq!(site.segmenters()["always"], [always]);
    running.term();
    running.wait_timeout(Duration::from_secs(8)).expect_code(143);
    site.expect_nothing_runs();
    for name in names {
        assert!(site.hidden(name).is_empty(), "{:?}", site.hidden(name));
    }
}

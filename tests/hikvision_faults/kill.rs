//! `kill -9` at any moment.

use std::fs;
use std::time::Duration;

use crate::support::bench::{Bench, clip};
use crate::support::hikvision::{jpeg, picture};
use crate::support::{Node, seeded, tree};

#[test]
fn after_sigkill_anywhere_the_next_pass_continues() {
    let (bench, mut storage) = Bench::with(&[]);
    for minute in 0..10 {
        storage.record(&clip(), &format!("2025-09-07 14:{minute:02}:15"));
        storage.store(&picture(&jpeg()), &format!("2025-09-07 14:{minute:02}:15"));
    }
    bench.scratch.footage(["hikvision", "nas", "-d", "whole"]).run().expect_code(0);
    let whole = tree(bench.scratch.join("whole/tuin"));
    assert_eq!(whole.len(), 22);

    let mut random = seeded(20_250_907);
    let (mut killed, mut partials) = (0, 0);
    for _ in 0..50 {
        let running = bench.footage(&[]).spawn();
        let pause = Duration::from_micros(random.below(700_000));
        killed += u32::from(!running.ends_within(pause));
        running.kill();
        let _ = running.wait();
        let held = tree(bench.dest().join("tuin"));
        for (path, node) in &held {
            let is_partial = path.file_name().unwrap().to_str().unwrap().starts_with('.');
            partials += u32::from(is_partial);
            // A whole name is a whole file, at any moment.
            assert!(is_partial || whole.get(path) == Some(node), "{}: {node:?}", path.display());
        }
        if held.len() >= whole.len() {
            fs::remove_dir_all(bench.dest()).unwrap();
        }
    }
    assert!(killed > 10 && partials > 0, "{killed} passes were killed, {partials} files were under way");
    bench.pass(&[]).expect_code(0);
    assert_eq!(tree(bench.dest().join("tuin")), whole);
    assert!(whole.values().any(|node| matches!(node, Node::File { .. })));
    bench.quiet_pass(&["--ffmpeg", "/nowhere"]);
}

//! Many files.

use std::time::{Duration, Instant};

use crate::support::uploads::Uploads;

const MANY: usize = 50_000;

#[test]
fn fifty_thousand_files_are_planned_in_a_moment() {
    let uploads = Uploads::new();
    for n in 0..MANY {
        uploads.file(&format!("cam{}/{n:05}.ts", n / 1000), n.to_string());
    }
    let began = Instant::now();
    let output = uploads.pass(&["--dry-run"]).expect_code(0);
    let took = began.elapsed();
    assert_eq!(output.stdout.lines().filter(|line| line.contains(".ts")).count(), MANY);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(uploads.s3.proxy.requests().is_empty());
}

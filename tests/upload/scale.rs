//! Many files.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::uploads::{MTIME, Uploads, set_mtime};

const MANY: usize = 50_000;

fn name(n: usize) -> String {
    format!("cam{}/{:02}/{n:05}.ts", n / 10_000, n / 1000 % 10)
}

/// Against a server that is quick because it keeps next to nothing: the real one would take minutes.
#[test]
fn fifty_thousand_files() {
    let uploads = Uploads::new();
    uploads.s3.proxy.be_quick();
    for n in 0..MANY {
        let path = uploads.scratch.join("src").join(name(n));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, n.to_string()).unwrap();
        set_mtime(&path, MTIME);
    }
    let output = uploads.pass(&["--dry-run"]).expect_code(0);
    assert_eq!(output.stdout.lines().filter(|line| line.contains(".ts")).count(), MANY);
    assert!(uploads.s3.proxy.requests().is_empty());

    uploads.quiet_pass(&["--jobs", "8"]);
    assert_eq!(uploads.s3.proxy.kept(), MANY);

    let began = Instant::now();
    uploads.assert_done(&[]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?} for nothing", began.elapsed());

    // All of it is known to the bucket, a page of a thousand at a time.
    uploads.s3.proxy.clear_log();
    uploads.pass(&["--reconcile"]).expect_code(0);
    let requests = uploads.s3.proxy.requests();
    assert!(requests.iter().all(|request| request.method == "GET"), "something was sent again");
    assert!(requests.len() < 60, "{} requests", requests.len());
}

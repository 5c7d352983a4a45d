//! Many files.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::uploads::{MTIME, Uploads, set_mtime};

const MANY: usize = 50_000;

fn name(n: usize) -> String {
    format!("cam{}/{:02}/{n:05}.ts", n / 10_000, n / 1000 % 10)
}

/// Against a server that is quick because it keeps next to nothing: the real one would take minutes. All but a thousand are
/// there already, as after a journal was lost.
#[test]
fn fifty_thousand_files() {
    let uploads = Uploads::new();
    for n in 0..MANY {
        let path = uploads.src(&name(n));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, n.to_string()).unwrap();
        set_mtime(&path, MTIME);
    }
    let key = |n| format!("/footage/cams/{}", name(n));
    uploads.s3.proxy.be_quick((1000..MANY).map(|n| (key(n), n.to_string().into_bytes())));
    let output = uploads.pass(&["--dry-run"]).expect_code(0);
    assert_eq!(output.stdout.lines().filter(|line| line.contains(".ts")).count(), MANY);
    assert!(uploads.s3.proxy.requests().is_empty());

    uploads.quiet_pass(&["--jobs", "4"]);
    assert_eq!(uploads.s3.proxy.kept(), MANY);
    assert_eq!(uploads.s3.proxy.requests_for("PUT").len(), 1000);

    let began = Instant::now();
    uploads.assert_done(&[]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?} for nothing", began.elapsed());
}

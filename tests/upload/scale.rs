//! Many files.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::uploads::{MTIME, Uploads, set_mtime};
use crate::support::{as_root, small_tmpfs};

const MANY: usize = 50_000;

fn name(n: usize) -> String {
    format!("cam{}/{:02}/{n:05}.ts", n / 10_000, n / 1000 % 10)
}

/// Against a server that is quick because it keeps next to nothing: the real one would take minutes. All but a thousand are
/// there already, as after a journal was lost.
#[test]
fn upload_of_fifty_thousand_files() {
    as_root!();
    let uploads = Uploads::new();
    // A disk would take most of the time.
    let disk = small_tmpfs(512 << 20);
    for n in 0..MANY {
        let path = disk.path().join(name(n));
        if n % 1000 == 0 {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        fs::write(&path, n.to_string()).unwrap();
        set_mtime(&path, MTIME);
    }
    let key = |n| format!("/footage/cams/{}", name(n));
    uploads.s3.proxy.be_quick((1000..MANY).map(|n| (key(n), n.to_string().into_bytes())));
    let folder = [disk.path().to_str().unwrap()];
    let output = uploads.footage_from(&folder, &["--dry-run"]).run().expect_code(0);
    assert_eq!(output.stdout.lines().filter(|line| line.contains(".ts")).count(), MANY);
    assert!(uploads.s3.proxy.requests().is_empty());

    uploads.footage_from(&folder, &[]).run().expect_code(0);
    assert_eq!(uploads.s3.proxy.kept(), MANY);
    assert_eq!(uploads.s3.proxy.requests_for("PUT").len(), 1000);

    uploads.s3.proxy.clear_log();
    let began = Instant::now();
    uploads.footage_from(&folder, &[]).run().expect_code(0);
    assert!(uploads.s3.proxy.requests().is_empty());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?} for nothing", began.elapsed());

    // All of it is known to the bucket, a page of a thousand at a time.
    let output = uploads.footage_from(&folder, &["--reconcile"]).run().expect_code(0);
    assert!(output.stdout.contains("50000 same") || output.stdout.contains("50,000 same"), "{output}");
    assert_eq!(uploads.s3.proxy.requests_for("GET list-type").len(), MANY / 1000);
    assert!(uploads.s3.proxy.requests_for("HEAD").is_empty());
}

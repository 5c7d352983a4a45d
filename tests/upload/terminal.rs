//! A person at a terminal sees what moves.

use crate::support::Program;
use crate::support::s3::{ACCESS_KEY, SECRET_KEY};
use crate::support::uploads::{BUCKET, PREFIX, Uploads, content};

#[test]
fn a_terminal_shows_files_in_transfer_and_the_time_left() {
    let uploads = Uploads::new();
    for n in 0..6 {
        uploads.file(&format!("{n}.ts"), content(&n.to_string(), 150_000));
    }
    let (program, endpoint) = (env!("CARGO_BIN_EXE_footage"), uploads.s3.endpoint());
    let command = format!(
        "{program} upload src --to s3://{BUCKET}/{PREFIX} --endpoint-url {endpoint} --region us-east-1 --jobs 1 --limit-rate 300K"
    );
    let output = Program::in_terminal(100, &command)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .current_dir(uploads.scratch.path())
        .run()
        .expect_code(0);
    let shown = &output.stdout;
    assert!(shown.contains("1 of 6") && shown.contains("6 of 6, about "), "{shown:?}");
    assert!(shown.contains("5.ts ") && shown.contains("B/s"), "{shown:?}");
    // What waits behind the one that moves has no bar yet.
    assert!(!shown.contains(" 0 B of "), "{shown:?}");
    assert!(shown.contains("6 files (900.0 kB) uploaded from src in "), "{shown:?}");
}

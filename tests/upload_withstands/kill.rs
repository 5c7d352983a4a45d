//! `kill -9`: whenever it comes, no file is lost, and at most one part of each file in flight is sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::rng::seeded;
use crate::support::uploads::{MULTIPART, Uploads, content};

const KILLS: u64 = 50;

#[test]
fn fifty_kills_cost_a_part_of_each_file_in_flight() {
    let uploads = Uploads::new();
    let parts_each = 4;
    for name in ["a.ts", "b.ts", "c.ts"] {
        uploads.file(name, content(name, MULTIPART * (parts_each - 1) + 5000));
    }
    for n in 0..40 {
        uploads.file(&format!("small{n:02}.ts"), content("small", 100_000 + n));
    }
    let mut moments = seeded(11);
    let options = ["--delete", "--jobs", "2"];
    let (mut kills, mut ended) = (0, false);
    while kills < KILLS && !ended {
        let pass = uploads.footage(&options).spawn();
        let life = Duration::from_micros(2000 + moments.below(150_000));
        ended = pass.ends_within(life);
        pass.kill();
        pass.wait();
        kills += u64::from(!ended);
        uploads.s3.proxy.wait_for(|log| log.iter().all(|request| request.finished), crate::SOON);
        uploads.assert_safe();
    }
    uploads.pass(&options).expect_code(0);
    uploads.assert_uploaded();
    assert!(kills > 5, "only {kills} kills before all was there");

    let mut sent: BTreeMap<String, u32> = BTreeMap::new();
    for request in uploads.s3.proxy.requests_for("PUT partNumber=") {
        let (key, _) = request.target.split_once('?').unwrap();
        *sent.entry(format!("{key} {}", request.part_number().unwrap())).or_default() +=
            u32::from(request.status == 200);
    }
    // What was answered was written down, or the kill came in between: one part for each worker and kill.
    let again: u32 = sent.values().map(|times| times - 1).sum();
    assert_eq!(sent.len(), 3 * parts_each, "{sent:?}");
    assert!(u64::from(again) <= kills, "{again} parts were sent again after {kills} kills: {sent:?}");
    assert_eq!(uploads.s3.open_uploads(), 0);
    uploads.assert_done(&options);
}

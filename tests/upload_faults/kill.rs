//! `kill -9`: whenever it comes, no file is lost, and at most one part of each file in flight is sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::support::rng::seeded;
use crate::support::s3_proxy::{Fault, Request, Times};
use crate::support::uploads::{MULTIPART, Uploads, content};

const KILLS: u64 = 50;

/// Parts of the large file of a batch.
const PARTS: usize = 3;

/// A large file and small ones: there is always something to send.
fn add_batch(uploads: &Uploads, batch: usize) {
    uploads.file(&format!("{batch}/big.ts"), content("big", MULTIPART * (PARTS - 1) + 5000 + batch));
    for n in 0..30 {
        uploads.file(&format!("{batch}/small{n:02}.ts"), content("small", 50_000 + n));
    }
}

#[test]
fn fifty_sigkills_cost_a_part_of_each_file_in_flight() {
    let uploads = Uploads::new();
    let mut moments = seeded(11);
    let options = ["--delete", "--jobs", "2"];
    let (mut kills, mut batches) = (0, 0);
    while kills < KILLS {
        if kills >= batches * 10 {
            add_batch(&uploads, usize::try_from(batches).unwrap());
            batches += 1;
        }
        let pass = uploads.footage(&options).spawn();
        let life = Duration::from_micros(5000 + moments.below(120_000));
        let ended = pass.ends_within(life);
        pass.kill();
        let output = pass.wait();
        if ended {
            output.expect_code(0);
            add_batch(&uploads, usize::try_from(batches).unwrap());
            batches += 1;
            continue;
        }
        kills += 1;
        uploads.s3.proxy.wait_for(|log| log.iter().all(|request| request.finished), super::SOON);
        // To read all of it each time would take most of the time.
        if kills % 10 == 0 {
            uploads.assert_safe();
        }
    }
    uploads.pass(&options).expect_code(0);
    uploads.assert_uploaded();

    let mut sent: BTreeMap<String, u64> = BTreeMap::new();
    for request in uploads.s3.proxy.requests_for("PUT partNumber=") {
        let (key, _) = request.target.split_once('?').unwrap();
        *sent.entry(format!("{key} {}", request.part_number().unwrap())).or_default() +=
            u64::from(request.status == 200);
    }
    // What was answered was written down, or the kill came in between.
    let again: u64 = sent.values().map(|times| times - 1).sum();
    assert_eq!(sent.len() as u64, batches * PARTS as u64, "{sent:?}");
    assert!(again <= kills, "{again} parts were sent again after {kills} kills: {sent:?}");
    // An upload that was begun, and the kill came before its id was written down: this server does not list them.
    let requests = uploads.s3.proxy.requests();
    let id = |request: &Request| request.target.split_once("uploadId=").map(|(_, id)| id.to_owned());
    let known: BTreeSet<String> = requests.iter().filter_map(id).collect();
    let begun = requests.iter().filter(|request| request.is("POST uploads=") && request.has_reached_server).count();
    assert!(uploads.s3.open_uploads() <= begun - known.len(), "of {begun} uploads {known:?} were known");
    uploads.assert_done(&options);
}

/// The bucket has the file, and the journal does not know.
#[test]
fn sigkill_between_the_put_and_the_journal() {
    for (size, stored_by) in [(1000, "PUT"), (MULTIPART + 1000, "POST uploadId=")] {
        let uploads = Uploads::new();
        uploads.file("a.ts", content("a", size));
        uploads.s3.proxy.fault(stored_by, Fault::NoReply, Times::Always);
        let pass = uploads.footage(&[]).spawn();
        let is_stored = |request: &Request| request.is(stored_by) && request.has_reached_server;
        uploads.s3.proxy.wait_for(|log| log.iter().any(is_stored), super::SOON);
        let deadline = Instant::now() + super::SOON;
        while uploads.objects().is_empty() {
            assert!(Instant::now() < deadline, "the server does not store it");
        }
        pass.kill();
        pass.wait();
        uploads.s3.proxy.clear_log();
        super::assert_recovers(&uploads);
        assert!(uploads.s3.proxy.requests_for("PUT").is_empty(), "{size} bytes: sent again");
    }
}

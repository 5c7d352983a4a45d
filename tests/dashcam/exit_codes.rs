//! The table of exit codes.

use rustix::process::Signal;

use super::{Bench, NAME, SOON};
use crate::support::camera::{Api, Fault, How, Listing, Times};
use crate::support::{as_root, small_tmpfs};

#[test]
fn exit_code_0_done_or_nothing_to_do() {
    let bench = Bench::with([NAME]);
    bench.pass(&[]).expect_code(0);
    bench.pass(&[]).expect_code(0);
    bench.pass(&["--dry-run"]).expect_code(0);
    Bench::new(Api::Old).pass(&[]).expect_code(0);
}

#[test]
fn exit_code_1_the_pass_failed() {
    as_root!();
    let unreadable = Bench::new(Api::Old);
    unreadable.camera.set_listing(Listing::Raw(b"nonsense".to_vec()));
    unreadable.pass(&[]).expect_code(1);
    unreadable.pass(&["--cron"]).expect_code(1);

    let refused = Bench::with([NAME]);
    refused.camera.fault("vod", Fault::Status(500), Times::Always);
    let output = refused.pass(&[]).expect_code(1);
    assert!(output.stderr.contains("500"), "{output}");

    let read_only = Bench::with([NAME]);
    let mount = small_tmpfs(1_000_000);
    mount.make_read_only();
    let program = read_only.scratch.footage(["dashcam", &read_only.camera.address()]);
    let output = program.env("FOOTAGE_DESTINATION", mount.path()).run().expect_code(1);
    assert!(output.stderr.contains(&mount.path().display().to_string()), "{output}");

    let full = Bench::with([NAME]);
    full.pass(&["--min-free", "1000TB"]).expect_code(1);
}

#[test]
fn exit_code_2_wrong_usage_or_configuration() {
    let bench = Bench::with([NAME]);
    bench.scratch.footage([""; 0]).run().expect_code(2);
    bench.scratch.footage(["dashcam"]).run().expect_code(2);
    bench.scratch.footage(["dashcam", "--unheard-of"]).run().expect_code(2);
    bench.scratch.footage(["unheard-of"]).run().expect_code(2);
    bench.pass(&["-g", "hourly"]).expect_code(2);
    bench.scratch.write("dest", "a file");
    bench.pass(&[]).expect_code(2);
    bench.pass(&["--cron"]).expect_code(2);
}

#[test]
fn exit_code_3_done_but_some_items_failed() {
    for (fault, options) in [
        (Fault::Status(500), &[][..]),
        (Fault::Status(204), &[]),
        (Fault::Status(502), &["--cron"]),
        (Fault::Redirect("http://192.0.2.1/".into()), &[]),
    ] {
        let bench = Bench::with([NAME, "20181028_131613_NF"]);
        bench.camera.fault("GET 131513_NF.mp4", fault, Times::Always);
        bench.pass(options).expect_code(3);
        assert_eq!(bench.recordings(), ["20181028_131613_NF"], "the rest goes on");
    }
}

#[test]
fn exit_code_3_is_for_the_pass_in_which_an_item_failed() {
    let bench = Bench::with([NAME]);
    bench.camera.fault("GET .mp4", Fault::Status(500), Times::Always);
    bench.pass(&[]).expect_code(3);
    bench.pass(&[]).expect_code(0);
    bench.pass(&["--retry-failed-after", "1ms"]).expect_code(3);
}

#[test]
fn exit_code_75_not_now_and_0_with_cron() {
    let bench = Bench::with([NAME]);
    for how in [How::Refused, How::Silent, How::Reset, How::Close] {
        bench.camera.depart(how);
        let output = bench.pass(&["-t", "0.3"]).expect_code(75);
        assert!(output.stderr.starts_with("warning: the camera at ") && output.stderr.lines().count() == 1, "{output}");
        bench.quiet_pass(&["-t", "0.3", "--cron"]);
        bench.camera.come_back();
    }
    let output = bench.footage_from("no-such-host.invalid", &["-t", "2"]).run().expect_code(75);
    assert!(output.stderr.contains("no-such-host.invalid"), "{output}");

    let gate = bench.camera.hold("GET .mp4", 1000);
    let first = bench.footage(&[]).spawn();
    gate.wait_reached(SOON);
    bench.pass(&[]).expect_code(75);
    bench.quiet_pass(&["--cron"]);
    gate.open();
    first.wait().expect_code(0);
}

#[test]
fn exit_code_128_plus_the_signal() {
    for (signal, code, options) in
        [(Signal::TERM, 143, &[][..]), (Signal::INT, 130, &[]), (Signal::TERM, 143, &["--cron"])]
    {
        let bench = Bench::with([NAME]);
        let gate = bench.camera.hold("GET .mp4", 1000);
        let running = bench.footage(options).spawn();
        gate.wait_reached(SOON);
        running.signal(signal);
        running.wait_timeout(std::time::Duration::from_secs(2)).expect_code(code);
    }
}

//! What objects are called.

use crate::support::Node;
use crate::support::uploads::{MTIME, Uploads, content, set_mtime};

/// As the uploader of visdcam-pi called its objects.
const VISDCAM: &str = "cam1/%Y/%m/%d/%H/cam_1_%Y_%m_%d_%H_%M_%S.{ext}";

#[track_caller]
fn assert_keys(uploads: &Uploads, options: &[&str], expected: &[&str]) {
    uploads.quiet_pass(options);
    assert_eq!(uploads.keys(), expected);
    uploads.assert_done(options);
}

#[test]
fn without_key_the_object_key_is_the_path() {
    let uploads = Uploads::with(&["a.ts", "cam 1/2025/b.mkv"]);
    uploads.quiet_pass(&[]);
    uploads.assert_uploaded();
    assert_eq!(uploads.keys(), ["cams/a.ts", "cams/cam 1/2025/b.mkv"]);
    uploads.assert_done(&[]);
}

#[test]
fn key_changed_by_a_crontab_or_a_shell_is_refused() {
    let uploads = Uploads::with(&["a.ts"]);
    for (key, said) in [
        (r"{camera}/\%Y/{name}.{ext}", r"cron removes that of \%, elsewhere write % alone"),
        ("{camera}/", r"in a crontab cron ends the command at a %: write \% there"),
        ("{camera}_{name}_", r"write \% there"),
        ("{camera}.{ext}", "write {name} or {path} into it"),
        ("'{path}'", "quotes"),
        ("{camera}/%%Y/{name}.{ext}", "systemd"),
    ] {
        let output = uploads.pass(&["--key", key]).expect_code(2);
        assert!(output.stderr.contains(said), "{key}: {output}");
    }
    assert!(uploads.keys().is_empty());
}

#[test]
fn key_change_with_delete_warns_that_it_is_for_new_files() {
    let uploads = Uploads::with(&["a.ts", "b.ts"]);
    uploads.quiet_pass(&[]);
    uploads.quiet_pass(&["--cron", "--key", "{path}"]);
    let key = ["--key", "%Y/{path}"];
    let said = "2 files were uploaded under another key (\"cams/";
    let dry = uploads.pass(&[&key[..], &["--delete", "--dry-run"]].concat()).expect_code(0);
    assert!(dry.stderr.contains(said) && dry.stderr.contains("--delete removes"), "{dry}");
    let first = uploads.pass(&[&key[..], &["--cron"]].concat()).expect_code(0);
    assert!(first.stderr.contains(said) && first.stderr.contains("src/.footage/upload.journal"), "{first}");
    assert!(!first.stderr.contains("--delete"), "{first}");
    uploads.quiet_pass(&key);
    let keyed = uploads.report(0, &key)["keyed"].clone();
    assert_eq!(keyed.as_object().and_then(|keyed| keyed.values().next()?["other_files"].as_u64()), Some(2), "{keyed}");
    assert_eq!(uploads.keys(), ["cams/a.ts", "cams/b.ts"], "nothing is sent again");
    let other = ["--key", "%Y/%m/{path}", "--delete"];
    let removing = uploads.pass(&other).expect_code(0);
    assert!(removing.stderr.contains(said) && !uploads.src("a.ts").exists(), "{removing}");
    uploads.quiet_pass(&other);
    // What it says to do does it.
    let uploads = Uploads::with(&["a.ts"]);
    uploads.quiet_pass(&[]);
    std::fs::remove_file(uploads.src(".footage/upload.journal")).unwrap();
    uploads.quiet_pass(&key);
    assert_eq!(uploads.keys(), ["cams/2025/a.ts", "cams/a.ts"]);
}

#[test]
fn a_bucket_needs_no_prefix() {
    for to in ["s3://footage", "s3://footage/"] {
        let uploads = Uploads::with(&["a.ts"]);
        assert_keys(&uploads, &["--to", to], &["a.ts"]);
    }
    let uploads = Uploads::with(&["a.ts"]);
    assert_keys(&uploads, &["--to", "s3://footage/a b/c/"], &["a b/c/a.ts"]);
}

#[test]
fn key_template_has_the_time_in_its_zone() {
    let uploads = Uploads::with(&["x.ts"]);
    assert_keys(
        &uploads,
        &["--key", VISDCAM, "--timezone", "Asia/Kolkata"],
        &["cams/cam1/2025/09/07/18/cam_1_2025_09_07_18_04_56.ts"],
    );
    // The harness runs in UTC.
    let uploads = Uploads::with(&["x.ts"]);
    assert_keys(&uploads, &["--key", VISDCAM], &["cams/cam1/2025/09/07/12/cam_1_2025_09_07_12_34_56.ts"]);
}

#[test]
fn the_time_of_a_key_comes_from_the_recording_name() {
    let uploads = Uploads::with(&[
        "car/20181029_131513_NF.mp4",
        "tuin/video/2025-09-07_14-30-15-tuin.mp4",
        "tuin/video/2025-09-07_14-30-15-tuin-2.mp4",
        "door/2025-09-07_14-30-15+0200.mkv",
        "other/20181029.mp4",
    ]);
    assert_keys(
        &uploads,
        &["--key", "{camera}/%Y%m%dT%H%M%S.{ext}", "--timezone", "Europe/Amsterdam"],
        &[
            "cams/car/20181029T131513.mp4",
            "cams/door/20250907T143015.mkv",
            "cams/other/20250907T143456.mp4",
            "cams/tuin/20250907T143015-2.mp4",
            "cams/tuin/20250907T143015.mp4",
        ],
    );
}

#[test]
fn the_repeated_dst_hour_gives_two_keys() {
    // Half past two in Berlin, before and after the end of summer time.
    let uploads = Uploads::new();
    for (name, mtime) in [("first.ts", 1_761_438_600), ("second.ts", 1_761_442_200)] {
        let path = uploads.file(name, content(name, 1000));
        set_mtime(&path, mtime);
    }
    let options = ["--key", VISDCAM, "--timezone", "Europe/Berlin"];
    uploads.quiet_pass(&options);
    let objects = uploads.objects();
    let mut found: Vec<&Node> = objects.values().collect();
    let mut made: Vec<Node> = ["first.ts", "second.ts"].map(|name| Node::of(&content(name, 1000))).into();
    found.sort_by_key(|node| format!("{node:?}"));
    made.sort_by_key(|node| format!("{node:?}"));
    assert_eq!(found, made.iter().collect::<Vec<_>>(), "{objects:?}");
    assert!(
        objects.keys().all(|key| key.starts_with("cams/cam1/2025/10/26/02/cam_1_2025_10_26_02_30_00")),
        "{objects:?}"
    );
    uploads.assert_done(&options);
}

#[test]
fn several_folders_have_a_camera_each() {
    let uploads = Uploads::new();
    for folder in ["cam1", "cam2"] {
        let path = uploads.scratch.write(format!("ram/{folder}/x.ts"), content(folder, 1000));
        set_mtime(&path, MTIME);
    }
    let options = ["--to", "s3://footage", "--key", "{camera}/{name}.{ext}"];
    let pass = || uploads.footage_from(&["ram/cam1", "ram/cam2"], &options).run().expect_code(0);
    pass();
    let objects = uploads.objects();
    assert_eq!(objects["cam1/x.ts"], Node::of(&content("cam1", 1000)));
    assert_eq!(objects["cam2/x.ts"], Node::of(&content("cam2", 1000)));
    uploads.s3.proxy.clear_log();
    pass();
    assert!(uploads.s3.proxy.requests().is_empty());
}

#[test]
fn one_key_never_gets_the_content_of_two_files() {
    let uploads = Uploads::with(&["a.ts", "b.ts"]);
    let options = ["--key", "%Y/one.{ext}", "--delete", "--jobs", "2"];
    uploads.pass(&options).expect_code(3);
    let objects = uploads.objects();
    assert_eq!(objects.keys().collect::<Vec<_>>(), ["cams/2025/one.ts"]);
    let (stored, kept) = if uploads.src("a.ts").exists() { ("b.ts", "a.ts") } else { ("a.ts", "b.ts") };
    assert_eq!(objects["cams/2025/one.ts"], Node::of(&content(stored, 1000)));
    assert!(uploads.src(kept).exists() && !uploads.src(stored).exists());
    let output = uploads.pass(&options);
    assert_ne!(output.code, Some(1), "{output}");
    assert!(uploads.src(kept).exists(), "{output}");
    assert_eq!(uploads.objects(), objects);
}

#[test]
fn an_object_of_other_content_is_never_overwritten() {
    for (len, others) in [(1000, 1000), (1000, 999), (17 << 20, 17 << 20), (1000, 0)] {
        let uploads = Uploads::new();
        uploads.file("a.ts", content("a", len));
        let theirs = content("another program's", others);
        uploads.scratch.write("theirs", &theirs);
        let put = ["-X", "PUT", "--data-binary", "@theirs", "-f"];
        uploads.s3.curl("/footage/cams/a.ts", &put).current_dir(uploads.scratch.path()).run().expect_code(0);
        let output = uploads.pass(&["--delete"]).expect_code(3);
        assert!(output.stderr.contains("a.ts"), "{output}");
        assert!(uploads.src("a.ts").exists());
        assert_eq!(uploads.objects()["cams/a.ts"], Node::of(&theirs));
        assert_eq!(uploads.s3.open_uploads(), 0);
    }
}

#[test]
fn objects_that_exist_are_not_uploaded_again() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.scratch.write("same", content("a.ts", 1000));
    let put = ["-X", "PUT", "--data-binary", "@same", "-f"];
    uploads.s3.curl("/footage/cams/a.ts", &put).current_dir(uploads.scratch.path()).run().expect_code(0);
    uploads.s3.proxy.clear_log();
    uploads.quiet_pass(&["--delete"]);
    assert!(uploads.s3.proxy.requests_for("PUT").is_empty());
    assert!(!uploads.src("a.ts").exists());
    uploads.assert_uploaded();
}

#[test]
fn invalid_key_templates_are_refused_before_any_request() {
    let uploads = Uploads::with(&["a.ts"]);
    for options in [
        &["--key", "{what}"][..],
        &["--key", "%Q"],
        &["--key", "{name"],
        &["--key", ""],
        &["--timezone", "Mars/Olympus"],
        &["--to", "footage"],
        &["--to", "http://footage/x"],
        &["--to", "s3://"],
        &["--to", "s3:///x"],
    ] {
        let output = uploads.pass(options).expect_code(2);
        assert!(output.stderr.contains("error: "), "{output}");
    }
    assert!(uploads.s3.proxy.requests().is_empty());
    assert!(uploads.objects().is_empty());
}

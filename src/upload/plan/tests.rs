use std::collections::BTreeMap;

use chrono::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::upload::local::Identity;

const NOW: i64 = 1_760_000_000;

fn policy(template: &str) -> Policy {
    Policy {
        prefix: "p".into(),
        template: template.parse().expect("a template"),
        zone: "UTC".parse().expect("a zone"),
        delete_after: None,
        keep: None,
        retry_failed_after: Duration::from_hours(24),
        now: Tz::UTC.timestamp_opt(NOW, 0).single().expect("a time"),
    }
}

fn local(path: &str, age: i64) -> Local {
    Local {
        source: SourceId(0),
        path: path.into(),
        identity: Identity { size: 10, mtime: (NOW - age) * 1_000_000_000, ino: 1 },
    }
}

fn verified(local: &Local, at: i64) -> Record {
    Record { identity: Some(local.identity), key: "k".into(), verified: Some(("e".into(), at)), ..Record::default() }
}

fn plan_of(files: &[(Local, Option<Record>)], policy: &Policy) -> Plan {
    let known: Vec<Known<'_>> =
        files.iter().map(|(local, record)| Known { local, dir: "dir", record: record.as_ref() }).collect();
    plan(&known, &[], policy)
}

fn told(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| match step {
            Step::Remove { file, reason } => format!("remove {} {reason}", file.0),
            Step::Abort { path, id, .. } => format!("abort {path} {id}"),
            Step::Upload(upload) => {
                let begun = upload.begun.as_ref().map(|begun| format!(" from {}", begun.id)).unwrap_or_default();
                format!("upload {} {}{begun}", upload.file.0, upload.key.as_str())
            }
        })
        .collect()
}

#[test]
fn the_oldest_recording_is_uploaded_first() {
    let files = [
        (local("b.ts", 10), None),
        (local("cam/20181029_131513_NF.mp4", 5), None),
        (local("a.ts", 10), None),
        (local("c.ts", 20), Some(verified(&local("c.ts", 20), NOW))),
    ];
    let plan = plan_of(&files, &policy("{path}"));
    assert_eq!(told(&plan), ["upload 1 p/cam/20181029_131513_NF.mp4", "upload 2 p/a.ts", "upload 0 p/b.ts"]);
    assert_eq!(plan.verified, 1);
}

#[test]
fn delete_removes_only_verified_files() {
    let old = local("20181029_131513_NF.mp4", 90 * 86_400);
    let changed = Record { identity: Some(Identity { size: 9, ..old.identity }), ..verified(&old, 0) };
    let remounted = Record { identity: Some(Identity { ino: 2, ..old.identity }), ..verified(&old, 0) };
    let key = "p/20181029_131513_NF.mp4";
    for (delete_after, keep, record, expected) in [
        (Some(Duration::ZERO), None, None, format!("upload 0 {key}")),
        (Some(Duration::ZERO), Some("1d"), Some(changed), format!("upload 0 {key}")),
        (Some(Duration::ZERO), None, Some(remounted.clone()), format!("upload 0 {key}")),
        (None, None, Some(remounted), String::new()),
        (None, None, Some(verified(&old, 0)), String::new()),
        (Some(Duration::ZERO), None, Some(verified(&old, NOW)), "remove 0 uploaded".into()),
        (Some(Duration::from_secs(100)), None, Some(verified(&old, NOW - 99)), String::new()),
        (Some(Duration::from_secs(100)), None, Some(verified(&old, NOW - 100)), "remove 0 uploaded".into()),
        (Some(Duration::from_secs(100)), None, Some(verified(&old, NOW + 500)), String::new()),
        (None, Some("30d"), Some(verified(&old, NOW)), "remove 0 expired".into()),
        (None, Some("forever"), Some(verified(&old, NOW)), String::new()),
        (None, Some("30d"), None, format!("upload 0 {key}")),
    ] {
        let keep = keep.map(|text| text.parse().expect("an age"));
        let policy = Policy { delete_after, keep, ..policy("{path}") };
        assert_eq!(told(&plan_of(&[(old.clone(), record)], &policy)).join(", "), expected);
    }
}

#[test]
fn a_multipart_upload_is_resumed_if_the_file_is_unchanged() {
    let file = local("a.ts", 10);
    let begun = |identity, key: &str| Record {
        identity: Some(identity),
        key: key.into(),
        begun: Some(Begun { id: "u1".into(), ..Begun::default() }),
        ..Record::default()
    };
    let same = begun(file.identity, "p/a.ts");
    let other = begun(Identity { mtime: 1, ..file.identity }, "p/a.ts");
    assert_eq!(told(&plan_of(&[(file.clone(), Some(same.clone()))], &policy("{path}"))), ["upload 0 p/a.ts from u1"]);
    let other_key = plan_of(&[(file.clone(), Some(same.clone()))], &policy("x/{path}"));
    assert_eq!(told(&other_key), ["abort a.ts u1", "upload 0 p/x/a.ts"]);
    assert_eq!(told(&plan_of(&[(file, Some(other))], &policy("{path}"))), ["abort a.ts u1", "upload 0 p/a.ts"]);
    assert_eq!(told(&plan(&[], &[(SourceId(0), "a.ts", &same)], &policy("{path}"))), ["abort a.ts u1"]);
}

#[test]
fn two_files_do_not_get_the_same_key() {
    let files = [(local("20181029_131513_NF.mp4", 10), None), (local("20181029_131513_NR.mp4", 5), None)];
    let plan = plan_of(&files, &policy("%Y%m%d.{ext}"));
    assert_eq!(told(&plan), ["upload 0 p/20181029.mp4"]);
    assert_eq!(plan.refused.len(), 1);
    assert_eq!((plan.refused[0].0, plan.refused[0].1.reason), (FileId(1), FailureReason::Conflict));
}

#[test]
fn failed_uploads_wait_for_a_retry() {
    let file = local("a.ts", 10);
    let failed = |at| Record { identity: Some(file.identity), failed: Some(at), ..Record::default() };
    for (at, waits) in [(NOW, true), (NOW - 86_399, true), (NOW - 86_400, false), (NOW + 10, false)] {
        let plan = plan_of(&[(file.clone(), Some(failed(at)))], &policy("{path}"));
        assert_eq!((plan.waiting.len(), plan.steps.len()), (usize::from(waits), usize::from(!waits)), "{at}");
    }
}

fn any_file() -> impl Strategy<Value = (Local, Option<Record>)> {
    let name = prop_oneof![
        "[a-c]{1,2}\\.ts",
        "2018102[0-9]_13151[0-9]_[NE][FR]\\.mp4",
        "2025-10-26_02-[0-5]0-00\\+0[12]00(-2)?\\.mkv",
    ];
    (name, 0..90_i64, any::<bool>(), 0..3_u64, any::<bool>(), any::<bool>()).prop_map(
        |(path, days, is_known, size, is_verified, is_failed)| {
            let file = local(&path, days * 86_400);
            let record = Record {
                identity: Some(Identity { size: 9 + size, ..file.identity }),
                key: format!("p/{path}"),
                verified: is_verified.then(|| ("e".into(), NOW - days)),
                begun: (!is_verified).then(|| Begun { id: "u".into(), ..Begun::default() }),
                is_started: false,
                mismatched: Vec::new(),
                failed: (is_failed && !is_verified).then_some(NOW - days),
            };
            (file, is_known.then_some(record))
        },
    )
}

proptest! {
    #[test]
    fn a_second_plan_is_empty(
        files in prop::collection::vec(any_file(), 0..20),
        delete_after in prop::option::of((0..100_u64).prop_map(Duration::from_secs)),
        keep in prop::option::of(Just(Keep::For(Duration::from_hours(240)))),
        template in prop_oneof![Just("{path}"), Just("%Y%m%d_%H%M%S.{ext}"), Just("{camera}/{name}")],
    ) {
        let mut unique: BTreeMap<String, (Local, Option<Record>)> = BTreeMap::new();
        for (local, record) in files {
            unique.insert(local.path.clone(), (local, record));
        }
        let mut files: Vec<_> = unique.into_values().collect();
        let policy = Policy { delete_after, keep, zone: "Europe/Berlin".parse().expect("a zone"), ..policy(template) };
        let first = plan_of(&files, &policy);
        let mut gone = Vec::new();
        for step in &first.steps {
            match step {
                Step::Remove { file, .. } => {
                    prop_assert!(files[file.0].1.as_ref().is_some_and(|record| record.verifies(&files[file.0].0.identity)));
                    gone.push(file.0);
                }
                Step::Abort { .. } => {}
                Step::Upload(upload) => {
                    let local = files[upload.file.0].0.clone();
                    let record = Record { key: upload.key.as_str().into(), ..verified(&local, NOW) };
                    if policy.removal(Some(&upload.recorded_at), NOW).is_some() {
                        gone.push(upload.file.0);
                    }
                    files[upload.file.0].1 = Some(record);
                }
            }
        }
        let refused: Vec<usize> = first.refused.iter().map(|(file, ..)| file.0).collect();
        let mut number = 0..;
        files.retain(|_| number.next().is_some_and(|n| !gone.contains(&n) && !refused.contains(&n)));
        prop_assert_eq!(told(&plan_of(&files, &policy)), Vec::<String>::new());
    }
}

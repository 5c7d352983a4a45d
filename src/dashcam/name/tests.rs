use proptest::prelude::*;

use super::*;

#[test]
fn recording_names_of_real_cameras_are_read() {
    for name in [
        "20181029_131513_NF.mp4",
        "20181029_131513_NFS.mp4",
        "20260629_085329_MR.mp4",
        "20181029_131513_PI.thm",
        "20181029_131513_E.gps",
        "20181029_131513_E.3gf",
        "20181029_131513_QZ.mp4",
        "20240229_000000_NO.mp4",
    ] {
        assert_eq!(name.parse::<FileName>().map(|file| file.to_string()).as_deref(), Ok(name));
    }
}

#[test]
fn other_file_names_are_no_recordings() {
    for name in [
        "",
        "20200101_000000_Notes.txt",
        "20200101_000000_NF.mp4.bak",
        "20200101_000000_NF",
        "20200101_000000_NF.MP4",
        "20200101_000000_N.mp4",
        "20200101_000000_NFSX.mp4",
        "20200101_000000_NF.gps",
        "20200101_000000_NFS.thm",
        "20200101_000000_nf.mp4",
        "20200101_000000_.mp4",
        "20201301_000000_NF.mp4",
        "20230229_000000_NF.mp4",
        "20200101_240000_NF.mp4",
        "20200101_000060_NF.mp4",
        "20200101-000000_NF.mp4",
        "+0200101_000000_NF.mp4",
        "２0200101_000000_NF.mp4",
        "20200101_00000é_NF.mp4",
        "20200101_000000_NF.mp4/",
        "../20200101_000000_NF.mp4",
        "20200101_000000_NF.mp4\0",
    ] {
        assert_eq!(name.parse::<FileName>(), Err(NotAName), "{name:?}");
    }
    for name in ["20200101_000000_NF.mp4.bak", ".20200101_000000_NF.mp4.bak", "20200101.protected", ".failed"] {
        assert_eq!(name.parse::<Entry>(), Err(NotAName), "{name:?}");
    }
}

#[test]
fn sidecar_names_drop_the_shared_letters() {
    let video: FileName = "20181029_131513_NFS.mp4".parse().expect("a name");
    let names = Format::ALL.map(|format| video.sibling(format).to_string());
    assert_eq!(
        names,
        ["20181029_131513_NFS.mp4", "20181029_131513_NF.thm", "20181029_131513_N.3gf", "20181029_131513_N.gps"]
    );
}

#[test]
fn grouping_directories_are_those_of_blackvuesync() {
    let at = Moment::from_str("20181028_131513").expect("a Sunday").0;
    let dirs = [Grouping::None, Grouping::Daily, Grouping::Weekly, Grouping::Monthly, Grouping::Yearly]
        .map(|grouping| grouping.dir(at));
    assert_eq!(dirs, ["", "2018-10-28", "2018-10-22", "2018-10", "2018"]);
    assert!(dirs[1..].iter().all(|dir| Grouping::is_dir_name(dir)));
    for name in ["", "20", "201", "2018-1", "2018-10-2", "2018-10-28-1", "2018-10-xx", "@eaDir", "2018-"] {
        assert!(!Grouping::is_dir_name(name), "{name}");
    }
}

#[test]
fn priority_type_is_the_documented_one() {
    let rank = |kind: char| format!("20181029_131513_{kind}F.mp4").parse::<FileName>().expect("a name").type_rank();
    let order = ['M', 'E', 'I', 'B', 'O', 'A', 'T', 'R', 'X', 'G', 'D', 'L', 'Y', 'F', 'Q', 'N', 'P'];
    assert!(order.is_sorted_by_key(|kind| rank(*kind)));
    assert!(rank('F') < rank('Q') && rank('Q') < rank('N'));
}

#[test]
fn unknown_type_letters_are_named() {
    let unknown = |name: &str| name.parse::<FileName>().expect("a name").unknown_letters();
    assert_eq!(unknown("20181029_131513_NF.mp4"), None);
    assert_eq!(unknown("20181029_131513_QF.mp4").as_deref(), Some("QF"));
    assert_eq!(unknown("20181029_131513_NFX.mp4").as_deref(), Some("NFX"));
}

proptest! {
    #[test]
    fn any_recording_name_is_written_back_the_same(
        seconds in 0_i64..253_402_300_799,
        name in "[A-Z][A-Z][A-Z]?\\.mp4|[A-Z][A-Z]\\.thm|[A-Z]\\.(gps|3gf)",
        prefix_suffix in prop::sample::select(vec![("", ""), (".", ".part"), (".", ".damaged"), (".", ""), ("", ".failed")]),
    ) {
        let at = chrono::DateTime::from_timestamp(seconds, 0).expect("in range").naive_utc();
        let name = format!("{}{}_{name}{}", prefix_suffix.0, Moment(at), prefix_suffix.1);
        prop_assert_eq!(name.parse::<Entry>().map(|entry| entry.to_string()), Ok(name));
    }

    #[test]
    fn recording_names_are_written_back_the_same(text in "\\PC{0,40}") {
        if let Ok(entry) = text.parse::<Entry>() {
            prop_assert_eq!(entry.to_string(), text);
        }
    }
}

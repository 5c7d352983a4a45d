//! What people see.

use proptest::prelude::*;

use super::*;
use crate::machine::Machine;
use crate::pass_name::PassName;
use crate::status::newest::Newest;
use crate::status::row_state::RowState;

const NOW: i64 = 1_795_000_000;

fn row(camera: Option<&str>) -> Row {
    Row {
        camera: camera.map(str::to_owned),
        source: "footage.toml".into(),
        state: RowState::Recording,
        state_since_timestamp_seconds: Some(NOW - 266_400),
        ok: true,
        newest: Some(Newest { path: "x".into(), age_seconds: 3120 }),
        frames_per_second: Some(14.98),
        bits_per_second: Some(512_345.0),
        files: Some(312),
        pending_files: Some(1),
        failed_files: Some(0),
        ..Row::new("/srv/cameras".into(), PassName::Record)
    }
}

fn example() -> Status {
    let dashcam = Row {
        place: "/srv/dashcam".into(),
        pass: PassName::Dashcam,
        source: "192.168.1.99".into(),
        state: RowState::Away,
        state_since_timestamp_seconds: Some(NOW - 420),
        frames_per_second: None,
        bits_per_second: None,
        ..row(None)
    };
    let runs =
        Row { state: RowState::Running, frames_per_second: None, bits_per_second: Some(4_140_000.0), ..row(None) };
    let gate = Row {
        state: RowState::Waiting,
        state_since_timestamp_seconds: Some(NOW - 125),
        ok: false,
        frames_per_second: None,
        bits_per_second: None,
        newest: None,
        ..row(Some("gate-behind-the-barn"))
    };
    let disk = |place: &str| Disk {
        place: place.into(),
        disk_used_ratio: Some(0.453),
        disk_free_bytes: Some(1_200_000_000_000),
    };
    Status {
        ok: false,
        problems: vec![Problem {
            place: "/srv/cameras".into(),
            pass: Some(PassName::Record),
            camera: Some("gate-behind-the-barn".into()),
            message: "waiting for 2m: Connection\nrefused".into(),
        }],
        places: vec![disk("/srv/cameras"), disk("/srv/dashcam")],
        warnings: Vec::new(),
        machine: Machine::default(),
        rows: vec![runs, gate, row(Some("yard")), row(Some("裏庭 \x1b[2J")), dashcam],
    }
}

#[test]
fn a_wide_terminal_shows_every_column() {
    insta::assert_snapshot!(table(&example(), NOW, None), @r"
    /srv/cameras: 46 % used, 1.2 TB free
      PASS    CAMERA                STATE      FOR    NEWEST   FPS     BITRATE  FILES  PENDING  FAILED
      record  footage.toml          running    3d 2h  52m           4.1 Mbit/s    312        1       0
    ! record  gate-behind-the-barn  waiting    2m                                 312        1       0
      record  yard                  recording  3d 2h  52m     15.0  512 kbit/s    312        1       0
      record  裏庭 �[2J             recording  3d 2h  52m     15.0  512 kbit/s    312        1       0

    /srv/dashcam: 46 % used, 1.2 TB free
      PASS     CAMERA        STATE  FOR  NEWEST  FILES  PENDING  FAILED
      dashcam  192.168.1.99  away   7m   52m       312        1       0

    wrong:
      /srv/cameras record gate-behind-the-barn: waiting for 2m: Connection�refused
    ");
}

#[test]
fn a_narrow_terminal_drops_columns() {
    insta::assert_snapshot!(table(&example(), NOW, Some(80)), @r"
    /srv/cameras: 46 % used, 1.2 TB free
      PASS    CAMERA              STATE      FOR    NEWEST   FPS     BITRATE  FAILED
      record  footage.toml        running    3d 2h  52m           4.1 Mbit/s       0
    ! record  gate-behind-the-b…  waiting    2m                                    0
      record  yard                recording  3d 2h  52m     15.0  512 kbit/s       0
      record  裏庭 �[2J           recording  3d 2h  52m     15.0  512 kbit/s       0

    /srv/dashcam: 46 % used, 1.2 TB free
      PASS     CAMERA        STATE  FOR  NEWEST  FILES  PENDING  FAILED
      dashcam  192.168.1.99  away   7m   52m       312        1       0

    wrong:
      /srv/cameras record gate-behind-the-barn: waiting for 2m: Connection�refused
    ");
    insta::assert_snapshot!(table(&example(), NOW, Some(50)), @r"
    /srv/cameras: 46 % used, 1.2 TB free
      PASS    CAMERA          STATE      FOR    NEWEST
      record  footage.toml    running    3d 2h  52m
    ! record  gate-behind-t…  waiting    2m
      record  yard            recording  3d 2h  52m
      record  裏庭 �[2J       recording  3d 2h  52m

    /srv/dashcam: 46 % used, 1.2 TB free
      PASS     CAMERA        STATE  FOR  NEWEST
      dashcam  192.168.1.99  away   7m   52m

    wrong:
      /srv/cameras record gate-behind-the-barn: waiting for 2m: Connection�refused
    ");
}

#[test]
fn the_table_says_when_all_is_fine() {
    let status = Status { problems: Vec::new(), rows: vec![row(None)], ..example() };
    assert!(table(&status, NOW, None).ends_with("\n\nall is well"));
}

#[test]
fn the_machine_and_what_recorders_take_of_it_are_lines_under_the_table() {
    let usage = |cpu_seconds, resident_memory_bytes| Some(Usage { cpu_seconds, resident_memory_bytes });
    let recorder = Row { usage: usage(100.0, 12_100_000), ..row(None) };
    let cameras =
        [("yard", 30.0), ("gate", 50.0)].map(|(name, cpu)| Row { usage: usage(cpu, 30_000_000), ..row(Some(name)) });
    let status = Status {
        problems: Vec::new(),
        warnings: vec!["the Raspberry Pi is under voltage now: use a stronger power supply".into()],
        machine: Machine { load_average: Some([0.5, 0.25, 0.125]), ..Machine::default() },
        rows: [vec![recorder], cameras.into()].concat(),
        ..example()
    };
    let text = table(&status, NOW, None);
    let (_, shown) = text.split_once("machine: ").expect("a line");
    insta::assert_snapshot!(shown, @r"
    load 0.50 0.25 0.12; recorder 12.1 MB, 2 ffmpegs 60.0 MB, processor time 3m

    warning: the Raspberry Pi is under voltage now: use a stronger power supply

    all is well
    ");
}

#[test]
fn zabbix_discovery_lists_passes_and_cameras() {
    let status = Status { rows: vec![row(None), row(Some("yard"))], ..example() };
    let discovered: serde_json::Value = serde_json::from_str(&zabbix_discovery(&status)).expect("JSON");
    let entry = |camera: &str| json!({"{#PLACE}": "/srv/cameras", "{#PASS}": "record", "{#CAMERA}": camera, "{#SOURCE}": "footage.toml"});
    assert_eq!(discovered, json!({"data": [entry(""), entry("yard")]}));
}

proptest! {
    /// Whatever a camera is called, no row is wider than the terminal, as long as that can be.
    #[test]
    fn table_rows_fit_the_terminal(name in "\\PC{0,60}", width in 60_usize..200) {
        let status = Status { rows: vec![row(Some(&name)), row(None)], ..example() };
        for line in table(&status, NOW, Some(width)).lines().filter(|line| line.contains("record ")).take(2) {
            prop_assert!(line.width() <= width, "{} of {width}: {line}", line.width());
        }
    }
}

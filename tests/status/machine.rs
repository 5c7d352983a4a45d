//! The machine, and what recorders take of it.

use serde_json::json;

use super::Bench;
use crate::support::{Program, as_root};

#[test]
fn load_and_memory_are_those_of_proc() {
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    let machine = &bench.json(&["dest"], 0)["machine"];
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")).unwrap();
    assert_eq!(machine["memory_total_bytes"], kib.parse::<u64>().unwrap() * 1024);
    assert!(machine["load_average"][0].is_f64() && machine["processors"].as_u64() > Some(0), "{machine}");
    // What this machine does not have is not there, and not zero.
    assert_eq!(machine["raspberry_pi"].is_null(), !std::path::Path::new("/sys/devices/platform/soc").exists());
}

/// `footage status dest` where the firmware and the voltage sensor of a Raspberry Pi say this.
fn on_a_pi(bench: &Bench, throttled: Option<&str>, alarm: Option<&str>, options: &[&str]) -> super::Output {
    let write = |path: &str, text: &str| drop(bench.scratch.write(path, text));
    let _ = std::fs::remove_dir_all(bench.scratch.join("sys"));
    write("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
    write("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
    write("sys/class/hwmon/hwmon0/temp1_input", "51608\n");
    if let Some(text) = throttled {
        write("sys/devices/platform/soc/soc:firmware/get_throttled", text);
    }
    if let Some(text) = alarm {
        write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", text);
    }
    let words = [&["status", "dest"], options].concat();
    let command = "mount --bind sys /sys && exec \"$@\"";
    Program::new("unshare")
        .args(["--mount", "sh", "-c", command, "sh", env!("CARGO_BIN_EXE_footage")])
        .args(words)
        .current_dir(bench.scratch.path())
        .run()
}

#[test]
fn get_throttled_and_in0_lcrit_alarm_of_a_raspberry_pi_are_warnings() {
    as_root!();
    let bench = Bench::new();
    bench.fetch("dest").expect_code(0);
    let under_voltage = "warning: the Raspberry Pi is under voltage now: ";
    for (throttled, alarm, warning) in [
        (Some("50005\n"), None, Some(under_voltage)),
        (Some("50000\n"), Some("0\n"), Some("warning: the Raspberry Pi was under voltage since it started: ")),
        (Some("0\n"), Some("1\n"), Some(under_voltage)),
        (None, Some("1\n"), Some(under_voltage)),
        (Some("4\n"), Some("0\n"), Some("warning: the Raspberry Pi is throttled now: ")),
        (Some("0\n"), Some("0\n"), None),
        (Some("nonsense\n"), None, None),
    ] {
        let output = on_a_pi(&bench, throttled, alarm, &[]).expect_code(0);
        let shown = output.stdout.lines().find(|line| line.starts_with("warning: "));
        match warning {
            Some(warning) => assert!(shown.is_some_and(|shown| shown.starts_with(warning)), "{throttled:?}: {output}"),
            None => assert_eq!(shown, None, "{output}"),
        }
        assert!(output.stdout.contains("52 °C (cpu_thermal temp1)"), "{output}");
    }
    let output = on_a_pi(&bench, None, Some("1"), &["--json"]).expect_code(0);
    let status: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let power = &status["machine"]["raspberry_pi"];
    assert_eq!((&power["under_voltage"], &power["throttled"]), (&true.into(), &().into()), "{status}");
    assert_eq!(status["machine"]["temperatures"], json!([{ "sensor": "cpu_thermal temp1", "celsius": 51.608 }]));
    assert_eq!((status["warnings"].as_array().map(Vec::len), &status["ok"]), (Some(1), &true.into()));
}

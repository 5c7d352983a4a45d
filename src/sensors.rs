//! Reads the [`Machine`] and what processes take of it, with `sysinfo`; of a Raspberry Pi from `/sys`.
//!
//! Nothing here waits: there is no processor usage in percent, which takes two looks with time between them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use sysinfo::{Components, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::machine::{Machine, Temperature, Throttling, Usage};

/// Some sensors take a second to answer, such as those of disks that sleep. They are not waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// A look at the machine that goes on while something else is done.
#[derive(Debug)]
pub struct Look(mpsc::Receiver<Machine>);

impl Look {
    /// Begins it.
    #[must_use]
    pub fn begin() -> Self {
        let (sender, receiver) = mpsc::channel();
        // Without a thread there is no machine to tell of.
        let _ = std::thread::Builder::new().name("sensors".into()).spawn(move || {
            let quick = quick();
            let _ = sender.send(quick.clone());
            let _ = sender.send(Machine { temperatures: temperatures(), ..quick });
        });
        Self(receiver)
    }

    /// What it saw. A sensor that still has not answered is missing.
    #[must_use]
    pub fn end(self) -> Machine {
        let mut machine = Machine::default();
        while let Ok(seen) = self.0.recv_timeout(PATIENCE) {
            machine = seen;
        }
        machine
    }
}

/// The machine now; slow sensors are waited for.
#[must_use]
pub fn machine() -> Machine {
    Machine { temperatures: temperatures(), ..quick() }
}

/// All but the temperatures.
fn quick() -> Machine {
    let load = System::load_average().ok();
    let memory = System::new().ok().map(|mut system| {
        system.refresh_memory();
        (system.total_memory(), system.available_memory())
    });
    // Where /proc is missing all are zero.
    let memory = memory.filter(|(total, _)| *total > 0);
    Machine {
        load_average: load.map(|load| [load.one, load.five, load.fifteen]),
        processors: std::thread::available_parallelism().ok().map(usize::from),
        memory_total_bytes: memory.map(|(total, _)| total),
        memory_available_bytes: memory.map(|(_, available)| available),
        temperatures: Vec::new(),
        raspberry_pi: raspberry_pi(),
    }
}

fn temperatures() -> Vec<Temperature> {
    let Ok(mut components) = Components::new() else { return Vec::new() };
    components.refresh(false);
    let of = |component: &sysinfo::Component| {
        let celsius = component.temperature().map(f64::from).filter(|celsius| celsius.is_finite())?;
        // As f32 it came with three decimals.
        Some(Temperature { sensor: component.label().to_owned(), celsius: (celsius * 1000.0).round() / 1000.0 })
    };
    let mut temperatures: Vec<Temperature> = components.iter().filter_map(of).collect();
    temperatures.sort_by(|a, b| a.sensor.cmp(&b.sensor));
    temperatures
}

/// What these processes take, in the same order; none of one that has ended.
#[must_use]
pub fn usage(pids: &[u32]) -> Vec<Option<Usage>> {
    let Ok(mut system) = System::new() else { return vec![None; pids.len()] };
    let pids: Vec<Pid> = pids.iter().map(|pid| Pid::from_u32(*pid)).collect();
    let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what);
    let of = |pid: &Pid| {
        let process = system.process(*pid)?;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a process fit for ages")]
        let cpu_seconds = process.accumulated_cpu_time() as f64 / 1000.0;
        Some(Usage { cpu_seconds, resident_memory_bytes: process.memory() })
    };
    pids.iter().map(of).collect()
}

/// The firmware's word on power and heat. The kernel says more in `get_throttled`, which newer kernels call deprecated, in
/// their log and once a start of the machine; the alarm of `rpi_volt` has come instead, and knows of the voltage alone.
fn raspberry_pi() -> Option<Throttling> {
    let throttled =
        firmware().find_map(|path| Throttling::parse(&fs::read_to_string(path.join("get_throttled")).ok()?));
    let alarm = entries("/sys/class/hwmon").find_map(|path| {
        let name = fs::read_to_string(path.join("name")).ok()?;
        let alarm = (name.trim() == "rpi_volt").then(|| fs::read_to_string(path.join("in0_lcrit_alarm")))?;
        Throttling::parse_voltage_alarm(&alarm.ok()?)
    });
    match (throttled, alarm) {
        (None, None) => None,
        (throttled, alarm) => Some(throttled.unwrap_or_default().or(alarm.unwrap_or_default())),
    }
}

/// `/sys/devices/platform/soc/soc:firmware`, or as models name it after an address.
fn firmware() -> impl Iterator<Item = PathBuf> {
    let is_named = |path: &Path, ending: &str| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("soc") && name.ends_with(ending))
    };
    let socs = entries("/sys/devices/platform").filter(move |path| is_named(path, ""));
    socs.flat_map(|soc| std::iter::once(soc.clone()).chain(entries(soc)))
        .filter(move |path| is_named(path, ":firmware"))
}

fn entries(dir: impl AsRef<Path>) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensors_equal_proc() {
        let machine = Look::begin().end();
        let meminfo = fs::read_to_string("/proc/meminfo").expect("Linux");
        let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
        let total: u64 = total.and_then(|kib| kib.parse().ok()).expect("a number");
        assert_eq!(machine.memory_total_bytes, Some(total * 1024));
        assert!(machine.memory_available_bytes.is_some_and(|available| available <= total * 1024));
        assert!(machine.load_average.is_some_and(|load| load.iter().all(|load| *load >= 0.0)));
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let kib: u64 = kib.and_then(|kib| kib.parse().ok()).expect("a number");
        let usage = usage(&[std::process::id(), u32::MAX >> 1]);
        let bytes = usage[0].map(|usage| usage.resident_memory_bytes).expect("this process");
        assert!(bytes.abs_diff(kib * 1024) < 64 << 20, "{bytes}");
        assert_eq!(usage[1], None);
    }
}

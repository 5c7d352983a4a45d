//! How the machine is that footage runs on, and what its own processes take of it. Pure: [`sensors`](crate::sensors) reads it.
//!
//! What cannot be read is missing, never zero.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::units::ByteSize;

/// The machine at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Processes that run or wait for a processor or a disk: the averages of 1, 5 and 15 minutes.
    pub load_average: Option<[f64; 3]>,
    /// Processors that this process may use.
    pub processors: Option<usize>,
    /// Memory in bytes.
    pub memory_total_bytes: Option<u64>,
    /// What programs can still get of it, without swapping.
    pub memory_available_bytes: Option<u64>,
    /// Temperatures in degrees Celsius, by sensor as the kernel names it.
    pub temperatures: Vec<Temperature>,
    /// Power and heat of a Raspberry Pi.
    pub raspberry_pi: Option<Throttling>,
}

/// The reading of one sensor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Temperature {
    /// As the kernel names it: `cpu_thermal temp1`.
    pub sensor: String,
    /// Degrees.
    pub celsius: f64,
}

/// What the firmware of a Raspberry Pi reports about its power supply and temperature; none where it does not report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Throttling {
    /// The supply is below 4.63 V.
    pub under_voltage: Option<bool>,
    /// The processor's frequency is limited.
    pub frequency_capped: Option<bool>,
    /// The processor is slowed down.
    pub throttled: Option<bool>,
    /// It is so hot that it is slowed down a little.
    pub soft_temperature_limit: Option<bool>,
    /// The same four, at some moment before.
    pub under_voltage_occurred: Option<bool>,
    /// See `frequency_capped`.
    pub frequency_capping_occurred: Option<bool>,
    /// See `throttled`.
    pub throttling_occurred: Option<bool>,
    /// See `soft_temperature_limit`.
    pub soft_temperature_limit_occurred: Option<bool>,
}

impl Throttling {
    /// From `get_throttled`, in `/sys` as hexadecimal digits without `0x`: its bits are those of `vcgencmd get_throttled`,
    /// <https://www.raspberrypi.com/documentation/computers/os.html#get_throttled>. None for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let bits = u32::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()?;
        let bit = |number: u32| Some(bits >> number & 1 == 1);
        Some(Self {
            under_voltage: bit(0),
            frequency_capped: bit(1),
            throttled: bit(2),
            soft_temperature_limit: bit(3),
            under_voltage_occurred: bit(16),
            frequency_capping_occurred: bit(17),
            throttling_occurred: bit(18),
            soft_temperature_limit_occurred: bit(19),
        })
    }

    /// From `in0_lcrit_alarm` of the driver `rpi_volt`, 0 or 1: whether the voltage was too low within the last seconds.
    #[must_use]
    pub fn parse_voltage_alarm(text: &str) -> Option<Self> {
        let under_voltage = match text.trim() {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        Some(Self { under_voltage: Some(under_voltage), ..Self::default() })
    }

    /// The same, with the voltage alarm taken for as good.
    #[must_use]
    pub fn or(mut self, alarm: Self) -> Self {
        if alarm.under_voltage == Some(true) || self.under_voltage.is_none() {
            self.under_voltage = alarm.under_voltage;
        }
        self
    }

    /// What a person should know, each as a sentence without its end.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let conditions = [
            (
                self.under_voltage,
                self.under_voltage_occurred,
                ["the Raspberry Pi is under voltage", "the Raspberry Pi was under voltage"],
                "use a stronger power supply or a shorter cable; recordings on its card are at risk",
            ),
            (
                self.throttled,
                self.throttling_occurred,
                ["the Raspberry Pi is throttled", "the Raspberry Pi was throttled"],
                "it is too hot, or its power supply is too weak",
            ),
            (
                self.frequency_capped,
                self.frequency_capping_occurred,
                ["the frequency of the Raspberry Pi is capped", "the frequency of the Raspberry Pi was capped"],
                "it is too hot, or its power supply is too weak",
            ),
            (
                self.soft_temperature_limit,
                self.soft_temperature_limit_occurred,
                [
                    "the Raspberry Pi is above its soft temperature limit",
                    "the Raspberry Pi was above its soft temperature limit",
                ],
                "cool it better",
            ),
        ];
        let sentence =
            |(now, before, [is, was], advice): (Option<bool>, Option<bool>, [&str; 2], &str)| match (now, before) {
                (Some(true), _) => Some(format!("{is} now: {advice}")),
                (_, Some(true)) => Some(format!("{was} since it started: {advice}")),
                _ => None,
            };
        conditions.into_iter().filter_map(sentence).collect()
    }
}

impl Machine {
    /// The hottest sensor.
    #[must_use]
    pub fn hottest(&self) -> Option<&Temperature> {
        self.temperatures.iter().max_by(|a, b| a.celsius.total_cmp(&b.celsius))
    }

    /// `load 0.42 0.31 0.25 on 4 processors, 1.2 GB of 4.1 GB memory used, 52 °C (cpu_thermal temp1)`; empty where nothing is known.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        if let Some([one, five, fifteen]) = self.load_average {
            let mut load = format!("load {one:.2} {five:.2} {fifteen:.2}");
            if let Some(processors) = self.processors {
                let _ = write!(load, " on {}", crate::units::count(processors, "processor"));
            }
            parts.push(load);
        }
        if let (Some(total), Some(available)) = (self.memory_total_bytes, self.memory_available_bytes) {
            let used = ByteSize(total.saturating_sub(available));
            parts.push(format!("{used} of {} memory used", ByteSize(total)));
        }
        if let Some(Temperature { sensor, celsius }) = self.hottest() {
            parts.push(format!("{celsius:.0} °C ({sensor})"));
        }
        parts.join(", ")
    }
}

/// What a process takes of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Processor time since it began, of all its threads.
    pub cpu_seconds: f64,
    /// Memory that it holds in RAM.
    pub resident_memory_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_throttled_is_read_bit_by_bit() {
        let is = |text: &str| {
            Throttling::parse(text).map(|power| {
                [
                    power.under_voltage,
                    power.frequency_capped,
                    power.throttled,
                    power.soft_temperature_limit,
                    power.under_voltage_occurred,
                    power.frequency_capping_occurred,
                    power.throttling_occurred,
                    power.soft_temperature_limit_occurred,
                ]
                .map(|bit| u8::from(bit.expect("known")))
            })
        };
        for (text, bits) in [
            ("0\n", [0; 8]),
            ("50005\n", [1, 0, 1, 0, 1, 0, 1, 0]),
            ("0x50000", [0, 0, 0, 0, 1, 0, 1, 0]),
            ("80008", [0, 0, 0, 1, 0, 0, 0, 1]),
            ("20002\n", [0, 1, 0, 0, 0, 1, 0, 0]),
            ("f000f", [1; 8]),
        ] {
            assert_eq!(is(text), Some(bits), "{text}");
        }
        for text in ["", "throttled", "-1", "1 2", "fffffffff"] {
            assert_eq!(is(text), None, "{text:?}");
        }
        assert_eq!(Throttling::parse_voltage_alarm("1\n").and_then(|power| power.under_voltage), Some(true));
        assert_eq!(Throttling::parse_voltage_alarm("0").map(|power| power.warnings().len()), Some(0));
        assert_eq!(Throttling::parse_voltage_alarm("2"), None);
    }

    #[test]
    fn under_voltage_and_throttling_are_warned_of_in_words() {
        let warnings = |text: &str| Throttling::parse(text).expect("bits").warnings().join("\n");
        insta::assert_snapshot!(warnings("50005"), @r"
        the Raspberry Pi is under voltage now: use a stronger power supply or a shorter cable; recordings on its card are at risk
        the Raspberry Pi is throttled now: it is too hot, or its power supply is too weak
        ");
        insta::assert_snapshot!(warnings("a0000"), @r"
        the frequency of the Raspberry Pi was capped since it started: it is too hot, or its power supply is too weak
        the Raspberry Pi was above its soft temperature limit since it started: cool it better
        ");
        assert_eq!(warnings("0"), "");
        // Either source is enough.
        let alarm = Throttling::parse_voltage_alarm("1").expect("an alarm");
        let both = Throttling::parse("0").map(|power| power.or(alarm)).expect("bits");
        assert_eq!((both.under_voltage, both.throttled), (Some(true), Some(false)));
        assert_eq!(Throttling::default().or(alarm).under_voltage, Some(true));
    }

    #[test]
    fn unknown_load_and_memory_are_left_out() {
        assert_eq!(Machine::default().summary(), "");
        let machine = Machine {
            load_average: Some([0.42, 0.3, 0.25]),
            processors: Some(4),
            memory_total_bytes: Some(4_100_000_000),
            memory_available_bytes: Some(2_900_000_000),
            temperatures: vec![
                Temperature { sensor: "nvme".into(), celsius: 40.0 },
                Temperature { sensor: "cpu_thermal temp1".into(), celsius: 51.6 },
            ],
            raspberry_pi: None,
        };
        let text = "load 0.42 0.30 0.25 on 4 processors, 1.2 GB of 4.1 GB memory used, 52 °C (cpu_thermal temp1)";
        assert_eq!(machine.summary(), text);
        let without = Machine { processors: None, memory_available_bytes: None, temperatures: Vec::new(), ..machine };
        assert_eq!(without.summary(), "load 0.42 0.30 0.25");
    }
}

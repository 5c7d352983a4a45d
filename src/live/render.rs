//! A recorder's state for others: Prometheus text, and the formats of cameraleech.

use serde_json::json;

use super::{CameraStatus, RecorderStatus};
use crate::machine::{Machine, Throttling};
use crate::prometheus::{Exposition, Kind};

/// A gauge of each camera: its metric, its help, and its value.
type Metric = (&'static str, &'static str, fn(&CameraStatus) -> Option<f64>);

#[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats")]
const GAUGES: [Metric; 14] = [
    ("up", "Whether footage of the camera arrives.", |c| Some(f64::from(u8::from(c.is_up())))),
    ("state_since_timestamp_seconds", "When the camera entered its state.", |c| Some(c.state_since_timestamp_seconds)),
    ("frames_per_second", "Frames per second over the last seconds.", |c| c.frames_per_second),
    ("bits_per_second", "Bits per second over the last seconds, from the bytes on disk.", |c| c.bits_per_second),
    ("out_time_seconds", "How long the open segment is.", |c| Some(c.out_time_seconds)),
    ("last_frame_timestamp_seconds", "When the last frame arrived.", |c| c.last_frame_timestamp_seconds),
    ("open_segment_start_timestamp_seconds", "When the open segment began.", |c| {
        c.open_segment_start_timestamp_seconds
    }),
    ("last_segment_start_timestamp_seconds", "When the last closed segment began.", |c| {
        c.last_segment.as_ref().map(|segment| segment.start_timestamp_seconds)
    }),
    ("last_segment_duration_seconds", "Duration of the last closed segment.", |c| {
        c.last_segment.as_ref().map(|segment| segment.duration_seconds)
    }),
    ("last_segment_bytes", "The size of the last closed segment.", |c| {
        c.last_segment.as_ref().map(|segment| segment.bytes as f64)
    }),
    ("unclosed_segments", "Complete segments that cannot be closed yet.", |c| Some(c.unclosed_segments as f64)),
    ("disk_used_ratio", "The used part of the disk of the camera's segments.", |c| c.disk_used_ratio),
    ("disk_free_bytes", "Bytes that may still be written to the disk of the camera's segments.", |c| {
        c.disk_free_bytes.map(|bytes| bytes as f64)
    }),
    ("ffmpeg_resident_memory_bytes", "Memory of the running ffmpeg.", |c| {
        c.ffmpeg_usage.map(|usage| usage.resident_memory_bytes as f64)
    }),
];

/// A counter of each camera.
type Count = (&'static str, &'static str, fn(&CameraStatus) -> u64);

const COUNTERS: [Count; 12] = [
    ("frames_total", "Frames recorded.", |c| c.frames),
    ("dup_frames_total", "Always 0: no frame is duplicated.", |c| c.dup_frames),
    ("drop_frames_total", "RTP packets that were lost, and pictures that an encoder did not keep up with.", |c| {
        c.drop_frames
    }),
    ("restarts_total", "How many times footage connected again.", |c| c.restarts),
    ("stalls_total", "How many times frames stopped arriving.", |c| c.stalls),
    ("segments_total", "Segments closed.", |c| c.segments),
    ("bytes_total", "Bytes written.", |c| c.bytes),
    ("torn_segments_total", "Segments left incomplete by a crash or a full disk.", |c| c.torn_segments),
    ("damaged_segments_total", "Segments that could not be closed.", |c| c.damaged_segments),
    ("removed_segments_total", "Segments removed by retention or to free space.", |c| c.removed_segments),
    ("hook_failures_total", "Programs of on_segment that failed.", |c| c.hook_failures),
    ("schedule_failures_total", "Requests of schedule that failed.", |c| c.schedule_failures),
];

/// The values of a camera that cameraleech serves under `/camera/NAME/…`, as bare numbers.
pub const CAMERA_VALUES: [&str; 6] = ["frame", "fps", "bitrate", "outtime", "dupframes", "dropframes"];

impl RecorderStatus {
    /// The whole state as Prometheus text, `footage_record_…{camera="…"}`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats")]
    pub fn to_prometheus(&self) -> String {
        let mut text = Exposition::new("footage_record");
        text.gauge("start_timestamp_seconds", "When the recorder began.", self.start_timestamp_seconds);
        text.gauge(
            "updated_timestamp_seconds",
            "When the recorder last checked its cameras.",
            self.updated_timestamp_seconds,
        );
        let refused = f64::from(u8::from(self.config_error.is_some()));
        text.gauge("config_refused", "Whether the last reload of the configuration was refused.", refused);
        text.gauge("cameras", "Cameras it records.", self.cameras.len() as f64);
        let usage = self.usage;
        text.family(
            "cpu_seconds_total",
            "Processor time of the recorder, without its ffmpegs.",
            Kind::Counter,
            one(usage.map(|usage| usage.cpu_seconds)),
        );
        let memory = usage.map(|usage| usage.resident_memory_bytes as f64);
        text.family("resident_memory_bytes", "Memory of the recorder, without its ffmpegs.", Kind::Gauge, one(memory));
        machine(&mut text, &self.machine.clone().unwrap_or_default());
        for (name, help, value) in GAUGES {
            let of = |camera| value(camera).map(|value| (label(camera), value));
            text.family(name, help, Kind::Gauge, self.cameras.iter().filter_map(of));
        }
        let state =
            |camera: &CameraStatus| [("camera", camera.name.clone()), ("state", camera.state.as_str().to_owned())];
        let states: Vec<_> = self.cameras.iter().map(state).collect();
        let states = states.iter().map(|labels| (labels.each_ref().map(|(name, text)| (*name, text.as_str())), 1.0));
        text.family("state", "1 for the state that the camera is in.", Kind::Gauge, states);
        for (name, help, count) in COUNTERS {
            let samples = self.cameras.iter().map(|camera| (label(camera), count(camera) as f64));
            text.family(name, help, Kind::Counter, samples);
        }
        let cpu = |camera| CameraStatus::ffmpeg_cpu_seconds(camera).map(|seconds| (label(camera), seconds));
        let cpu = self.cameras.iter().filter_map(cpu);
        text.family("ffmpeg_cpu_seconds_total", "Processor time of the running ffmpeg.", Kind::Counter, cpu);
        text.into_text()
    }

    /// cameraleech's list of cameras, which is Zabbix's low-level discovery: `{"data":[{"{#CAMERA}":"cam1"}]}`.
    #[must_use]
    pub fn to_zabbix_discovery(&self) -> String {
        let rows: Vec<_> = self.cameras.iter().map(|camera| json!({ "{#CAMERA}": camera.name })).collect();
        json!({ "data": rows }).to_string()
    }
}

/// A metric without labels that may be missing.
fn one(value: Option<f64>) -> Option<([(&'static str, &'static str); 0], f64)> {
    value.map(|value| ([], value))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats")]
fn machine(text: &mut Exposition, machine: &Machine) {
    for (name, at, help) in [
        ("machine_load1", 0, "The load average of a minute."),
        ("machine_load5", 1, "The load average of five minutes."),
        ("machine_load15", 2, "The load average of 15 minutes."),
    ] {
        text.family(name, help, Kind::Gauge, one(machine.load_average.map(|load| load[at])));
    }
    let bytes = |bytes: Option<u64>| one(bytes.map(|bytes| bytes as f64));
    text.family("machine_memory_total_bytes", "Memory.", Kind::Gauge, bytes(machine.memory_total_bytes));
    let available = bytes(machine.memory_available_bytes);
    text.family("machine_memory_available_bytes", "Memory that programs can still get.", Kind::Gauge, available);
    let temperatures = machine.temperatures.iter().map(|at| ([("sensor", at.sensor.as_str())], at.celsius));
    text.family("machine_temperature_celsius", "Temperatures, by sensor.", Kind::Gauge, temperatures);
    let power = machine.raspberry_pi.unwrap_or_default();
    let Throttling { under_voltage, throttled, frequency_capped, soft_temperature_limit, .. } = power;
    for (name, help, value) in [
        ("machine_under_voltage", "Whether a Raspberry Pi is under voltage.", under_voltage),
        ("machine_throttled", "Whether a Raspberry Pi is throttled.", throttled),
        ("machine_frequency_capped", "Whether the frequency of a Raspberry Pi is capped.", frequency_capped),
        ("machine_soft_temperature_limit", "Whether a Raspberry Pi is above its soft limit.", soft_temperature_limit),
    ] {
        text.family(name, help, Kind::Gauge, one(value.map(|is| f64::from(u8::from(is)))));
    }
}

impl CameraStatus {
    fn ffmpeg_cpu_seconds(&self) -> Option<f64> {
        self.ffmpeg_usage.map(|usage| usage.cpu_seconds)
    }

    /// One of [`CAMERA_VALUES`] in cameraleech's units: whole seconds for `outtime`, kbit/s for `bitrate`, which is -1
    /// until known. None for any other word.
    #[must_use]
    pub fn peer_value(&self, what: &str) -> Option<String> {
        Some(match what {
            "frame" => self.frames.to_string(),
            "fps" => format!("{:.2}", self.frames_per_second.unwrap_or(0.0)),
            "bitrate" => self.bits_per_second.map_or_else(|| "-1".to_owned(), |bps| format!("{:.0}", bps / 1000.0)),
            "outtime" => format!("{:.0}", self.out_time_seconds.floor()),
            "dupframes" => self.dup_frames.to_string(),
            "dropframes" => self.drop_frames.to_string(),
            _ => return None,
        })
    }
}

fn label(camera: &CameraStatus) -> [(&str, &str); 1] {
    [("camera", &camera.name)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::tests::example;

    #[test]
    fn prometheus_reads_it() {
        let text = example().to_prometheus();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        insta::assert_snapshot!(samples.join("\n"), @r#"
        footage_record_start_timestamp_seconds 1795000000
        footage_record_updated_timestamp_seconds 1795000063
        footage_record_config_refused 0
        footage_record_cameras 2
        footage_record_up{camera="the \"gate\""} 0
        footage_record_up{camera="yard"} 1
        footage_record_state_since_timestamp_seconds{camera="the \"gate\""} 1795000060
        footage_record_state_since_timestamp_seconds{camera="yard"} 1795000002
        footage_record_frames_per_second{camera="yard"} 15
        footage_record_bits_per_second{camera="yard"} 512345
        footage_record_out_time_seconds{camera="the \"gate\""} 0
        footage_record_out_time_seconds{camera="yard"} 60.9
        footage_record_last_frame_timestamp_seconds{camera="yard"} 1795000062.5
        footage_record_open_segment_start_timestamp_seconds{camera="yard"} 1795000002
        footage_record_last_segment_start_timestamp_seconds{camera="yard"} 1794999600
        footage_record_last_segment_duration_seconds{camera="yard"} 400.5
        footage_record_last_segment_bytes{camera="yard"} 3000000
        footage_record_unclosed_segments{camera="the \"gate\""} 0
        footage_record_unclosed_segments{camera="yard"} 0
        footage_record_disk_used_ratio{camera="yard"} 0.25
        footage_record_disk_free_bytes{camera="yard"} 1000000000
        footage_record_state{camera="the \"gate\"",state="waiting"} 1
        footage_record_state{camera="yard",state="recording"} 1
        footage_record_frames_total{camera="the \"gate\""} 0
        footage_record_frames_total{camera="yard"} 900
        footage_record_dup_frames_total{camera="the \"gate\""} 0
        footage_record_dup_frames_total{camera="yard"} 1
        footage_record_drop_frames_total{camera="the \"gate\""} 0
        footage_record_drop_frames_total{camera="yard"} 2
        footage_record_restarts_total{camera="the \"gate\""} 0
        footage_record_restarts_total{camera="yard"} 3
        footage_record_stalls_total{camera="the \"gate\""} 0
        footage_record_stalls_total{camera="yard"} 1
        footage_record_segments_total{camera="the \"gate\""} 0
        footage_record_segments_total{camera="yard"} 4
        footage_record_bytes_total{camera="the \"gate\""} 0
        footage_record_bytes_total{camera="yard"} 3900000
        footage_record_torn_segments_total{camera="the \"gate\""} 0
        footage_record_torn_segments_total{camera="yard"} 0
        footage_record_damaged_segments_total{camera="the \"gate\""} 0
        footage_record_damaged_segments_total{camera="yard"} 0
        footage_record_removed_segments_total{camera="the \"gate\""} 0
        footage_record_removed_segments_total{camera="yard"} 0
        footage_record_hook_failures_total{camera="the \"gate\""} 0
        footage_record_hook_failures_total{camera="yard"} 0
        footage_record_schedule_failures_total{camera="the \"gate\""} 0
        footage_record_schedule_failures_total{camera="yard"} 0
        "#);
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            assert_eq!(line.contains("_total "), line.ends_with(" counter"), "{line}");
        }
        assert_eq!(
            text.lines().filter(|line| line.starts_with("# HELP ")).count(),
            4 + 2 + 10 + 1 + 1 + GAUGES.len() + COUNTERS.len()
        );
    }

    #[test]
    fn cameraleech_metrics_are_rendered() {
        let live = example();
        assert_eq!(live.to_zabbix_discovery(), r#"{"data":[{"{#CAMERA}":"the \"gate\""},{"{#CAMERA}":"yard"}]}"#);
        assert_eq!(RecorderStatus::default().to_zabbix_discovery(), r#"{"data":[]}"#);
        let values = |camera: &CameraStatus| CAMERA_VALUES.map(|what| camera.peer_value(what).expect("a value"));
        assert_eq!(values(&live.cameras[1]), ["900", "15.00", "512", "60", "1", "2"]);
        assert_eq!(values(&live.cameras[0]), ["0", "0.00", "-1", "0", "0", "0"]);
        assert_eq!(live.cameras[0].peer_value("colour"), None);
    }
}

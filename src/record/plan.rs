//! What has to happen so that the cameras that record are those of the configuration. Pure.

use std::collections::BTreeMap;

use super::config::{Camera, Video};
use super::name::CameraName;

/// What to do about one camera.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It is not in the configuration any more.
    Stop(CameraName),
    /// It is recorded otherwise than before: its source ends and another begins.
    Restart(CameraName),
    /// How it is cut and kept has changed (segments, retention, hooks, schedule); its source goes on.
    Adjust(CameraName),
    /// It is new.
    Start(CameraName),
}

/// Plans the way from the cameras that record to those that should: what stops comes first, for the room it leaves.
#[must_use]
pub fn plan(running: &BTreeMap<CameraName, Camera>, wanted: &BTreeMap<CameraName, Camera>) -> Vec<Step> {
    let stopped = running.keys().filter(|name| !wanted.contains_key(name)).cloned().map(Step::Stop);
    let others = wanted.iter().filter_map(|(name, camera)| match running.get(name) {
        None => Some(Step::Start(name.clone())),
        Some(before) if before == camera => None,
        Some(before) if records_alike(before, camera) => Some(Step::Adjust(name.clone())),
        Some(_) => Some(Step::Restart(name.clone())),
    });
    let mut steps: Vec<Step> = stopped.chain(others).collect();
    steps.sort();
    steps
}

/// Whether the source of the one is that of the other: what it knows nothing of may differ.
fn records_alike(one: &Camera, other: &Camera) -> bool {
    let alike = Camera {
        // What is encoded has its key frames where segments are cut.
        segment: if one.video == Video::Copy { other.segment } else { one.segment },
        container: other.container,
        zone: other.zone,
        stall_timeout: other.stall_timeout,
        keep: other.keep,
        keep_bytes: other.keep_bytes,
        on_segment: other.on_segment.clone(),
        schedule: other.schedule.clone(),
        ..one.clone()
    };
    alike == *other
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::config::{Config, Environment};

    /// Cameras of a few names, each with one of a few values in keys of both kinds.
    fn cameras() -> impl Strategy<Value = BTreeMap<CameraName, Camera>> {
        let camera = (0_u8..6, 0_u8..3, 1_u32..3, 1_u32..3);
        proptest::collection::vec(camera, 1..8).prop_map(|cameras| {
            let text: BTreeMap<u8, String> = cameras
                .into_iter()
                .map(|(name, host, segment, keep)| {
                    (
                        name,
                        format!(
                            "[cameras.c{name}]\nurl = \"rtsp://h{host}/\"\nsegment = \"{segment}h\"\nkeep = {keep}\n"
                        ),
                    )
                })
                .collect();
            let text: String = text.into_values().collect();
            let environment = Environment { base: "/".into(), zone: crate::zone::Tz::UTC };
            Config::parse(&format!("[defaults]\ndestination = \"d\"\n{text}"), &environment)
                .expect("a configuration")
                .cameras
        })
    }

    fn apply(
        mut running: BTreeMap<CameraName, Camera>,
        wanted: &BTreeMap<CameraName, Camera>,
        steps: &[Step],
    ) -> BTreeMap<CameraName, Camera> {
        for step in steps {
            match step {
                Step::Stop(name) => drop(running.remove(name)),
                Step::Restart(name) | Step::Adjust(name) | Step::Start(name) => {
                    running.insert(name.clone(), wanted[name].clone());
                }
            }
        }
        running
    }

    proptest! {
        #[test]
        fn a_second_reload_plan_is_empty(cameras in cameras()) {
            prop_assert_eq!(plan(&cameras, &cameras), []);
        }

        #[test]
        fn after_a_reload_plan_the_cameras_are_as_configured(running in cameras(), wanted in cameras()) {
            let steps = plan(&running, &wanted);
            let after = apply(running.clone(), &wanted, &steps);
            prop_assert_eq!(&after, &wanted);
            for (name, camera) in &running {
                let same = wanted.get(name) == Some(camera);
                let touched = steps.iter().any(|step| matches!(step, Step::Stop(n) | Step::Restart(n) | Step::Adjust(n) if n == name));
                prop_assert_eq!(touched, !same, "{}", name);
            }
        }
    }

    #[test]
    fn a_reload_of_settings_outside_ffmpeg_restarts_no_ffmpeg() {
        let parse = |text: &str| {
            let environment = Environment { base: "/".into(), zone: crate::zone::Tz::UTC };
            Config::parse(&format!("[cameras.a]\nurl = \"rtsp://h/\"\ndestination = \"d\"\n{text}"), &environment)
                .expect("a configuration")
                .cameras
        };
        let name: CameraName = "a".parse().expect("a name");
        for text in [
            "segment = 60",
            "timezone = \"Asia/Kolkata\"",
            "keep = 3",
            "keep_bytes = \"1G\"",
            "on_segment = \"true\"",
            "stall_timeout = 5",
        ] {
            assert_eq!(plan(&parse(""), &parse(text)), [Step::Adjust(name.clone())], "{text}");
        }
        for text in ["transport = \"udp\"", "fps = 3", "audio = \"none\""] {
            assert_eq!(plan(&parse(""), &parse(text)), [Step::Restart(name.clone())], "{text}");
        }
    }
}

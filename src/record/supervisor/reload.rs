//! SIGHUP: the configuration is read again, and only what has changed in it is touched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::timers::Timer;
use super::{Supervisor, clock};
use crate::error::Result;
use crate::record::config::{Camera, Config};
use crate::record::keeper::Job;
use crate::record::name::CameraName;
use crate::record::plan::{Step, plan};
use crate::record::recorder::Intent;

impl Supervisor<'_> {
    /// Reads the configuration again. One that is wrong changes nothing.
    pub(super) fn reload(&mut self) {
        let outcome = self.settings.source.read().and_then(|config| self.adopt(config));
        let error = match outcome {
            Ok(changes) => {
                log::info!("configuration reloaded: {}", crate::units::count(changes, "change"));
                None
            }
            Err(error) => {
                let text = error.with_causes();
                log::error!("reload failed, keeping the previous configuration: {}", text.replace('\n', "; "));
                Some(text)
            }
        };
        // Also what a configuration that is refused in the end names besides.
        self.give_up_unused();
        self.live().config_error = error;
        self.write_soon();
    }

    /// Goes over to another configuration; how many cameras that touches.
    fn adopt(&mut self, config: Config) -> Result<usize> {
        let config = self.settings.shard(config);
        let since = clock().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        for destination in config.destinations() {
            // What could not be used before is tried again and again.
            if !self.lost.contains_key(destination) {
                self.places.add(destination, &since)?;
                self.keep(destination)?;
            }
        }
        let steps = plan(&self.cameras(), &config.cameras);
        for (what, is_other) in
            [("listen", config.listen != self.config.listen), ("ffmpeg", config.ffmpeg != self.config.ffmpeg)]
        {
            if is_other {
                log::warn!("{what} has changed in the configuration, which takes a new start");
            }
        }
        self.lost.retain(|place, _| config.destinations().contains(&place.as_path()));
        let (now, cameras) = (Instant::now(), config.cameras.clone());
        self.config = config;
        for step in &steps {
            let wanted = |name: &CameraName| cameras.get(name).cloned();
            match step {
                Step::Stop(name) => self.stop_one(name, now),
                Step::Start(name) => {
                    if let Some(camera) = wanted(name) {
                        self.add(name.clone(), camera);
                    }
                }
                Step::Restart(name) => {
                    if let Some(camera) = wanted(name) {
                        self.restart_one(name, Arc::new(camera), now);
                    }
                }
                Step::Adjust(name) => {
                    if let Some(camera) = wanted(name) {
                        self.adjust(name, Arc::new(camera));
                    }
                }
            }
        }
        self.look();
        Ok(steps.len())
    }

    /// The cameras as they are to be: what is ending for a change counts as changed.
    fn cameras(&self) -> BTreeMap<CameraName, Camera> {
        let cameras = self.recorders.values().filter_map(|recorder| {
            let camera = match &recorder.intent {
                Intent::Record => &recorder.camera,
                Intent::Become(camera) => camera,
                Intent::Leave => return None,
            };
            Some((recorder.name.clone(), Camera::clone(camera)))
        });
        cameras.collect()
    }

    fn stop_one(&mut self, name: &CameraName, now: Instant) {
        let Some(number) = self.numbers.get(name).copied() else { return };
        log::info!("{name}: is not recorded any more");
        if self.end_one(number, now) {
            if let Some(recorder) = self.recorders.get_mut(&number) {
                recorder.intent = Intent::Leave;
            }
            self.show(number, crate::live::State::Stopping);
        } else {
            self.leave(number);
        }
    }

    fn restart_one(&mut self, name: &CameraName, camera: Arc<Camera>, now: Instant) {
        let Some(number) = self.numbers.get(name).copied() else { return };
        log::info!("{name}: is recorded otherwise from now on");
        if self.end_one(number, now) {
            if let Some(recorder) = self.recorders.get_mut(&number) {
                recorder.intent = Intent::Become(camera);
            }
        } else {
            self.become_as(number, camera);
        }
    }

    fn adjust(&mut self, name: &CameraName, camera: Arc<Camera>) {
        let Some(number) = self.numbers.get(name).copied() else { return };
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        if let Intent::Become(pending) = &mut recorder.intent {
            *pending = camera;
            return;
        }
        let is_other_schedule = recorder.camera.schedule != camera.schedule;
        if camera.stall_timeout < recorder.camera.stall_timeout {
            // It would be looked after when the longer patience is over.
            self.timers.at(Instant::now(), Timer::Watch(number, recorder.generation));
        }
        recorder.become_as(Arc::clone(&camera));
        if let Some(keeper) = self.keepers.get(&camera.destination) {
            let turn = (number, recorder.generation);
            keeper.ask(Job::Prepare { camera: name.clone(), settings: camera, turn });
        }
        if is_other_schedule {
            self.begin_schedule(number);
        }
    }
}

//! SIGHUP: the configuration is read again, and only what has changed in it is touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Supervisor, clock};
use crate::error::Result;
use crate::record::camera::Event;
use crate::record::config::{Camera, Config};
use crate::record::container::{self, Misfit};
use crate::record::keeper::Job;
use crate::record::name::CameraName;
use crate::record::plan::{Step, plan};
use crate::record::segments::Layout;

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
        let cameras = config.cameras.clone();
        self.config = config;
        for step in &steps {
            let wanted = |name: &CameraName| cameras.get(name).cloned();
            match step {
                Step::Stop(name) => self.stop_one(name),
                Step::Start(name) => {
                    if let Some(camera) = wanted(name) {
                        self.add(name.clone(), camera);
                    }
                }
                Step::Restart(name) => {
                    if let Some(camera) = wanted(name) {
                        self.restart_one(name, Arc::new(camera));
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
        let cameras = self
            .recorders
            .values()
            .filter_map(|recorder| Some((recorder.name.clone(), Camera::clone(recorder.machine.wanted()?))));
        cameras.collect()
    }

    fn stop_one(&mut self, name: &CameraName) {
        let Some(number) = self.numbers.get(name).copied() else { return };
        log::info!("{name}: is not recorded any more");
        self.event(number, Event::Leave);
    }

    fn restart_one(&mut self, name: &CameraName, camera: Arc<Camera>) {
        let Some(number) = self.numbers.get(name).copied() else { return };
        log::info!("{name}: is recorded otherwise from now on");
        self.event(number, Event::Become(camera));
    }

    /// What does not concern the camera's source has changed: it records on, and cuts otherwise from its next key frame on.
    fn adjust(&mut self, name: &CameraName, camera: Arc<Camera>) {
        let Some(number) = self.numbers.get(name).copied() else { return };
        let Some(recorder) = self.recorders.get_mut(&number) else { return };
        let misfit = |track| match container::misfit(camera.container, track) {
            Some(Misfit::Video(why)) => Some(why),
            _ => None,
        };
        let mut broken = None;
        let is_other_schedule = recorder.machine.camera().schedule != camera.schedule;
        if let Some(running) = &mut recorder.running {
            running.segments.lay_out(Layout::of(&camera));
            broken = running.segments.tracks().find_map(misfit);
        }
        recorder.shows(&camera);
        // Where another source is to take over, it prepares its folder itself.
        let is_here = recorder.machine.camera().destination == camera.destination;
        if let Some(keeper) = self.keepers.get(&camera.destination).filter(|_| is_here) {
            // The answer starts nothing: it belongs to no start.
            let (settings, turn) = (Arc::clone(&camera), (number, u64::MAX));
            keeper.writer.pass(Job::Prepare { camera: name.clone(), settings, turn });
        }
        self.event(number, Event::Adjust(camera));
        if let Some(why) = broken {
            self.event(number, Event::Broken(why));
        }
        if is_other_schedule {
            self.begin_schedule(number);
        }
    }
}

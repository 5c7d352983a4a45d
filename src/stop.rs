//! Stops the process on a signal, within two seconds whatever the pass is waiting for.
//!
//! The first SIGTERM or SIGINT sets a flag that every loop checks, wakes sleepers, and closes the open
//! connections so that a read returns. A pass that has not ended by itself after 1.5 seconds is stuck in the
//! operating system (a connection being opened, a dead network share): the process then exits all the same.
//! That is safe, because everything on disk is ready for `kill -9` at any moment. A second signal ends it at
//! once. It also works as PID 1 of a container, where no signal has a default action. A pass that has to finish more
//! may take longer: [`Stop::set_grace`].
//!
//! SIGHUP is caught only where a pass handles it: [`Stop::catch_hangups`]. Under `nohup` it stays ignored.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::error::{Error, Result};
use crate::mutex::{lock, unpoisoned};

/// How long a pass may take to end after the first signal.
const GRACE: Duration = Duration::from_millis(1500);

type Hook = Box<dyn Fn() + Send + Sync>;

/// Whether to stop; shared by everything that waits or loops.
#[derive(Clone, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The signal that arrived, or 0.
    signal: AtomicI32,
    asleep: Mutex<()>,
    wake: Condvar,
    hooks: Mutex<Vec<Hook>>,
    /// In milliseconds, where it is not [`GRACE`].
    grace: AtomicU64,
    handle: OnceLock<Handle>,
    hung_up: AtomicBool,
    hangup_hook: OnceLock<Hook>,
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stop").field(&self.0.signal).finish()
    }
}

impl Stop {
    /// Catches signals from now on.
    ///
    /// # Errors
    /// The operating system refuses the handlers or the thread.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        // A parent that ignores SIGCHLD hands that down: the exit status of our children would be lost before we
        // can read it.
        signal_hook::flag::register(SIGCHLD, Arc::default())?;
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let _ = stop.0.handle.set(signals.handle());
        let here = stop.clone();
        std::thread::Builder::new().name("signals".into()).stack_size(64 << 10).spawn(move || {
            let mut pending = signals.forever();
            let Some(signal) = here.next_stop(&mut pending) else { return };
            here.request(signal);
            // Whichever is first: the second signal, or the end of the grace.
            let last = here.clone();
            let _ = std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
                std::thread::sleep(last.grace());
                last.exit();
            });
            if here.next_stop(&mut pending).is_some() {
                here.exit();
            }
        })?;
        Ok(stop)
    }

    /// The next signal that asks to stop.
    fn next_stop(&self, pending: &mut impl Iterator<Item = i32>) -> Option<i32> {
        loop {
            match pending.next()? {
                SIGHUP => {
                    self.0.hung_up.store(true, Ordering::SeqCst);
                    if let Some(hook) = self.0.hangup_hook.get() {
                        hook();
                    }
                }
                signal => return Some(signal),
            }
        }
    }

    /// Sets how long the pass may take to end after the first signal.
    pub fn set_grace(&self, grace: Duration) {
        self.0.grace.store(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    fn grace(&self) -> Duration {
        match self.0.grace.load(Ordering::SeqCst) {
            0 => GRACE,
            millis => Duration::from_millis(millis),
        }
    }

    /// Catches SIGHUP from now on; [`has_hung_up`](Self::has_hung_up) returns whether it came.
    ///
    /// # Errors
    /// The operating system refuses the handler.
    pub fn catch_hangups(&self) -> std::io::Result<()> {
        self.0.handle.get().map_or(Ok(()), |handle| handle.add_signal(SIGHUP))
    }

    /// Runs `hook` at each SIGHUP that is caught, from another thread, and now if one has come. May be called once.
    pub fn on_hangup(&self, hook: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.hangup_hook.set(Box::new(hook));
        if self.0.hung_up.load(Ordering::SeqCst)
            && let Some(hook) = self.0.hangup_hook.get()
        {
            hook();
        }
    }

    /// Whether SIGHUP came since the last call.
    #[must_use]
    pub fn has_hung_up(&self) -> bool {
        self.0.hung_up.swap(false, Ordering::SeqCst)
    }

    /// Stops everything, as `signal` would.
    pub fn request(&self, signal: i32) {
        self.0.signal.store(signal, Ordering::SeqCst);
        {
            let _asleep = lock(&self.0.asleep);
            self.0.wake.notify_all();
        }
        for hook in lock(&self.0.hooks).iter() {
            hook();
        }
    }

    /// Runs `hook` on a stop, from another thread: to close a connection that is being read.
    pub fn also(&self, hook: impl Fn() + Send + Sync + 'static) {
        let mut hooks = lock(&self.0.hooks);
        // Under the lock: a concurrent stop is either seen here, or finds the hook.
        if self.is_requested() {
            hook();
        } else {
            hooks.push(Box::new(hook));
        }
    }

    /// Removes the hooks of a finished pass.
    pub fn forget_hooks(&self) {
        lock(&self.0.hooks).clear();
    }

    /// Whether a stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.signal.load(Ordering::Relaxed) != 0
    }

    /// The error with which a loop ends on a stop.
    ///
    /// # Errors
    /// [`Error::Stopped`] with the signal.
    pub fn check(&self) -> Result<()> {
        match self.0.signal.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Error::Stopped(signal)),
        }
    }

    /// Sleeps, or returns early with [`Error::Stopped`].
    ///
    /// # Errors
    /// [`Error::Stopped`] when a stop is requested before the time is over.
    pub fn sleep(&self, duration: Duration) -> Result<()> {
        let until = Instant::now() + duration;
        let mut asleep = lock(&self.0.asleep);
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            asleep = unpoisoned(self.0.wake.wait_timeout(asleep, left)).0;
        }
    }

    fn exit(&self) {
        std::process::exit(128 + self.0.signal.load(Ordering::SeqCst));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_wakes_sleepers_and_runs_hooks() {
        let stop = Stop::default();
        let ran = Arc::new(AtomicI32::new(0));
        let seen = ran.clone();
        stop.also(move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        let other = stop.clone();
        let waker = std::thread::spawn(move || other.request(15));
        assert!(matches!(stop.sleep(Duration::from_mins(1)), Err(Error::Stopped(15))));
        waker.join().expect("the waker ran");
        assert_eq!(ran.load(Ordering::SeqCst), 1);
        let seen = ran.clone();
        stop.also(move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(ran.load(Ordering::SeqCst), 2, "a hook registered after the stop runs at once");
    }
}

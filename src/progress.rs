//! The progress bar: on a terminal, nowhere else.

use std::fmt::Write;
use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::units::{ByteSize, human_duration};

/// A bar for the file under way and a line for the whole pass.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: MultiProgress,
    shown: bool,
}

impl Progress {
    /// Shown when stderr is a terminal and `wanted`.
    #[must_use]
    pub fn new(wanted: bool) -> Self {
        let shown = wanted && stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), shown }
    }

    /// Whether a person is looking.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// Runs `print` with the bars out of its way.
    pub fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        if self.shown { self.bars.suspend(print) } else { print() }
    }

    /// Begins to count `items`.
    #[must_use]
    pub fn items(&self, items: usize) -> Items {
        let total = self.add(items, "{wide_msg}");
        Items { progress: self.clone(), total, count: items, done: 0, began: std::time::Instant::now() }
    }

    fn add(&self, length: usize, template: &str) -> ProgressBar {
        if !self.shown {
            return ProgressBar::hidden();
        }
        let bar = self.bars.add(ProgressBar::new(length as u64));
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar
    }
}

/// The items of a pass.
#[derive(Debug)]
pub struct Items {
    progress: Progress,
    total: ProgressBar,
    count: usize,
    done: usize,
    began: std::time::Instant,
}

impl Items {
    /// Another item begins: `name` is shown before its bar.
    #[must_use]
    pub fn begin(&mut self, name: String) -> Item {
        self.done += 1;
        let left = match (self.done, self.count) {
            // The first item gives no time to extrapolate from.
            (1, _) => String::new(),
            (done, items) => {
                #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
                let (done, items) = (done as f64, items as f64);
                let per_item = self.began.elapsed().as_secs_f64() / (done - 1.0);
                let left = Duration::try_from_secs_f64(per_item * (items + 1.0 - done)).unwrap_or_default();
                format!(", about {} left", human_duration(left))
            }
        };
        self.total.set_message(format!("{} of {}{left}", self.done, self.count));
        let bar = self.progress.add(0, "{prefix:23} {wide_bar:.green/dim} {arrived:>18} {speed:>10} {left:>7}");
        let began_at = Arc::new(AtomicU64::new(0));
        bar.set_style(Item::style(bar.style(), &began_at));
        bar.set_prefix(name);
        Item { bar, began_at }
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        self.total.finish_and_clear();
    }
}

/// The bytes of the item under way.
#[derive(Debug)]
pub struct Item {
    bar: ProgressBar,
    /// Where this transfer began: what was here before must not count as speed.
    began_at: Arc<AtomicU64>,
}

impl Item {
    /// Speed and time left are averages over the transfer: the units and the numbers of the log and the summary.
    fn style(style: ProgressStyle, began_at: &Arc<AtomicU64>) -> ProgressStyle {
        let (speed_from, left_from) = (began_at.clone(), began_at.clone());
        style
            .with_key("arrived", |state: &ProgressState, line: &mut dyn Write| {
                let total = state.len().map_or_else(|| "?".to_owned(), |bytes| ByteSize(bytes).to_string());
                let _ = write!(line, "{} of {total}", ByteSize(state.pos()));
            })
            .with_key("speed", move |state: &ProgressState, line: &mut dyn Write| {
                if let Some(speed) = speed(state, &speed_from) {
                    let _ = write!(line, "{}/s", ByteSize(speed));
                }
            })
            .with_key("left", move |state: &ProgressState, line: &mut dyn Write| {
                if let (Some(speed), Some(length)) = (speed(state, &left_from), state.len()) {
                    let left = Duration::from_secs(length.saturating_sub(state.pos()) / speed.max(1));
                    let _ = write!(line, "{}", human_duration(left));
                }
            })
    }

    /// How long the item is and where it goes on, in bytes.
    pub fn start(&self, from: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.began_at.store(from, Ordering::Relaxed);
        self.bar.set_position(from);
        self.bar.reset_elapsed();
    }

    /// `bytes` more have arrived.
    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Bytes in a second since the transfer began; none until there is something to tell.
fn speed(state: &ProgressState, began_at: &AtomicU64) -> Option<u64> {
    let arrived = state.pos().saturating_sub(began_at.load(Ordering::Relaxed));
    let millis = u64::try_from(state.elapsed().as_millis()).unwrap_or(u64::MAX);
    (arrived > 0 && millis >= 200).then(|| arrived.saturating_mul(1000) / millis)
}

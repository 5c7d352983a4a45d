//! The progress bar: only on a terminal.

use std::fmt::Write;
use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::text::printable;
use crate::units::{ByteSize, human_duration};

/// Names are cut to this many characters, and padded to it: a dashcam's file name fits.
const LONGEST_NAME: usize = 40;
const SHORTEST_NAME: usize = 23;

/// A bar for the current file and a line for the whole pass.
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

    /// Whether the bar is shown.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// Runs `print` with the bars hidden.
    pub fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        if self.shown { self.bars.suspend(print) } else { print() }
    }

    /// Begins to count `items`, the longest of which has a name of about so many characters.
    #[must_use]
    pub fn items(&self, items: usize, longest_name: usize) -> Items {
        let total = Total {
            bar: self.add(items, "{wide_msg}"),
            count: items,
            began: Instant::now(),
            shown: AtomicUsize::new(0),
            over: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
        };
        let width = longest_name.clamp(SHORTEST_NAME, LONGEST_NAME);
        Items { progress: self.clone(), total: Arc::new(total), width }
    }

    /// Begins to show an activity: for this duration, or until it ends.
    #[must_use]
    pub fn lasting(&self, length: Option<Duration>) -> Lasting {
        let template = if length.is_some() { "{msg}  {wide_bar:.green/dim}  {passed}" } else { "{wide_msg}" };
        let millis = length.map_or(0, |length| usize::try_from(length.as_millis()).unwrap_or(usize::MAX));
        let bar = self.add(millis, template);
        bar.set_style(bar.style().with_key("passed", |state: &ProgressState, line: &mut dyn Write| {
            let time = |millis: u64| human_duration(Duration::from_secs(millis / 1000));
            let _ = write!(line, "{} of {}", time(state.pos()), time(state.len().unwrap_or(0)));
        }));
        Lasting { bar }
    }

    fn add(&self, length: usize, template: &str) -> ProgressBar {
        if !self.shown {
            return ProgressBar::hidden();
        }
        let bar = self.bars.add(ProgressBar::new(length as u64));
        bar.set_style(style(template));
        bar
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A line for an activity, and a bar if its duration is known.
#[derive(Debug)]
pub struct Lasting {
    bar: ProgressBar,
}

impl Lasting {
    /// Its text after this time.
    pub fn tell(&self, elapsed: Duration, text: String) {
        // The length without a time is 0.
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.bar.set_message(text);
        self.bar.set_position(millis.min(self.bar.length().unwrap_or(0)));
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The items of a pass.
#[derive(Debug)]
pub struct Items {
    progress: Progress,
    total: Arc<Total>,
    /// Of the names.
    width: usize,
}

/// The line for the whole pass. The time left follows from finished items and from those in transfer.
#[derive(Debug)]
struct Total {
    bar: ProgressBar,
    count: usize,
    began: Instant,
    shown: AtomicUsize,
    over: AtomicUsize,
    /// The finished part of the items in transfer, together: in millionths of an item.
    begun: AtomicU64,
}

impl Total {
    fn add(&self, counter: &AtomicUsize) {
        counter.fetch_add(1, Ordering::Relaxed);
        let (shown, over) = (self.shown.load(Ordering::Relaxed), self.over.load(Ordering::Relaxed));
        let begun = self.begun.load(Ordering::Relaxed);
        self.bar.set_message(overview(shown, over, begun, self.count, self.began.elapsed()));
    }
}

/// An item in millionths.
const MILLION: u64 = 1_000_000;

/// `3 of 6, about 7s left`; `begun` are the finished millionths of items in transfer: where several are, the first finished
/// one did not take all of the time.
fn overview(shown: usize, over: usize, begun: u64, count: usize, elapsed: Duration) -> String {
    if over == 0 || over >= count {
        // Nothing to extrapolate from, or to.
        return format!("{shown} of {count}");
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
    let (done, all) = (over as f64 + begun as f64 / MILLION as f64, count as f64);
    let left = elapsed.as_secs_f64() / done * (all - done).max(0.0);
    let left = Duration::try_from_secs_f64(left.ceil()).unwrap_or_default();
    format!("{shown} of {count}, about {} left", human_duration(left))
}

impl Items {
    /// The next item begins: `name` is shown before its bar.
    #[must_use]
    pub fn begin(&self, name: &str) -> Item {
        let item = self.queue(name);
        item.show();
        item
    }

    /// Another item is queued: it is shown when its first bytes arrive.
    #[must_use]
    pub fn queue(&self, name: &str) -> Item {
        let template =
            format!("{{prefix:{}!}} {{wide_bar:.green/dim}} {{arrived:>20}} {{speed:>10}} {{left:>7}}", self.width);
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let began_at = Arc::new(AtomicU64::new(0));
        bar.set_style(Item::style(style(&template), &began_at));
        bar.set_prefix(printable(name));
        Item {
            bar,
            began_at,
            done: AtomicU64::new(0),
            is_shown: AtomicBool::new(false),
            progress: self.progress.clone(),
            total: Arc::clone(&self.total),
        }
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        self.total.bar.finish_and_clear();
    }
}

/// The bytes of the current item.
#[derive(Debug)]
pub struct Item {
    bar: ProgressBar,
    /// Where this transfer began: bytes that were here before must not count as speed.
    began_at: Arc<AtomicU64>,
    /// Its finished part, in millionths, as it counts in the whole pass.
    done: AtomicU64,
    is_shown: AtomicBool,
    progress: Progress,
    total: Arc<Total>,
}

impl Item {
    /// Shows it; returns whether it was hidden.
    fn show(&self) -> bool {
        if self.is_shown.swap(true, Ordering::Relaxed) {
            return false;
        }
        if self.progress.shown {
            self.progress.bars.add(self.bar.clone());
            // It is drawn now, because perhaps no more bytes arrive.
            self.bar.tick();
        }
        self.total.add(&self.total.shown);
        true
    }

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

    /// The length of the item and where it is resumed, in bytes.
    pub fn start(&self, from: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.began_at.store(from, Ordering::Relaxed);
        self.bar.set_position(from);
        self.bar.reset_elapsed();
    }

    /// Adds `bytes` that arrived.
    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        self.count();
        if self.show() {
            // Its time in the queue must not count either.
            self.began_at.fetch_add(bytes, Ordering::Relaxed);
            self.bar.reset_elapsed();
        }
    }

    /// Counts its finished part for the pass. A retry, or a second file of the item, makes it no longer than it was.
    fn count(&self) {
        let from = self.began_at.load(Ordering::Relaxed);
        let [moved, length] = [self.bar.position(), self.bar.length().unwrap_or(0)].map(|at| at.saturating_sub(from));
        let done = (u128::from(moved) * u128::from(MILLION)).checked_div(length.into()).unwrap_or(0);
        let done = u64::try_from(done).unwrap_or(MILLION).min(MILLION);
        let before = self.done.fetch_max(done, Ordering::Relaxed);
        self.total.begun.fetch_add(done.saturating_sub(before), Ordering::Relaxed);
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        if !self.is_shown.load(Ordering::Relaxed) {
            self.total.shown.fetch_add(1, Ordering::Relaxed);
        }
        self.total.begun.fetch_sub(self.done.load(Ordering::Relaxed), Ordering::Relaxed);
        self.total.add(&self.total.over);
    }
}

/// Bytes per second since the transfer began; none until known.
fn speed(state: &ProgressState, began_at: &AtomicU64) -> Option<u64> {
    let arrived = state.pos().saturating_sub(began_at.load(Ordering::Relaxed));
    let millis = u64::try_from(state.elapsed().as_millis()).unwrap_or(u64::MAX);
    (arrived > 0 && millis >= 200).then(|| arrived.saturating_mul(1000) / millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_from_finished_files() {
        let after = |shown, over, seconds| overview(shown, over, 0, 18, Duration::from_secs(seconds));
        assert_eq!(after(1, 0, 5), "1 of 18");
        // Four in transfer are not four finished.
        assert_eq!(after(4, 0, 5), "4 of 18");
        assert_eq!(after(5, 1, 5), "5 of 18, about 1m 25s left");
        assert_eq!(after(5, 4, 8), "5 of 18, about 28s left");
        assert_eq!(overview(18, 17, 0, 18, Duration::from_millis(1700)), "18 of 18, about 1s left");
        assert_eq!(after(18, 18, 9), "18 of 18");
        assert_eq!(overview(0, 0, 0, 0, Duration::ZERO), "0 of 0");
    }

    #[test]
    fn time_left_counts_bytes_of_files_in_transfer() {
        let items = Progress::new(false).items(18, 0);
        let under_way = [(); 4].map(|()| items.begin("a"));
        for item in &under_way {
            item.start(100, Some(1100));
            item.advance(500);
            item.advance(400);
        }
        let begun = |items: &Items| items.total.begun.load(Ordering::Relaxed);
        assert_eq!(begun(&items), 3_600_000);
        let [first, rest @ ..] = under_way;
        first.advance(100);
        drop(first);
        assert_eq!(begun(&items), 2_700_000);
        assert_eq!(overview(4, 1, begun(&items), 18, Duration::from_secs(5)), "4 of 18, about 20s left");
        // A sidecar, a part that is sent again, an unknown length.
        rest[0].start(0, Some(10));
        rest[0].advance(20);
        rest[1].start(0, None);
        rest[1].advance(20);
        assert_eq!(begun(&items), 2_800_000);
        drop(rest);
        assert_eq!(begun(&items), 0);
    }

    #[test]
    fn time_left_ignores_time_in_the_queue() {
        let items = Progress::new(false).items(2, 0);
        let queued = items.queue("a");
        queued.start(100, Some(1000));
        assert!(!queued.is_shown.load(Ordering::Relaxed));
        queued.advance(50);
        assert!(queued.is_shown.load(Ordering::Relaxed));
        assert_eq!((queued.began_at.load(Ordering::Relaxed), queued.bar.position()), (150, 150));
        queued.advance(50);
        assert_eq!((queued.began_at.load(Ordering::Relaxed), queued.bar.position()), (150, 200));
        let begun = items.begin("b");
        begun.advance(50);
        assert_eq!(begun.began_at.load(Ordering::Relaxed), 0);
        // One that was here before counts too.
        drop((queued, begun, items.queue("c")));
        let [shown, over] = [&items.total.shown, &items.total.over].map(|counter| counter.load(Ordering::Relaxed));
        assert_eq!((shown, over), (3, 3));
    }
}

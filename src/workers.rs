//! Threads that take tasks from one queue, and hand each outcome to the thread that leads them.
//!
//! Not for a thread whose tasks must keep their order (the worker of a destination of `record`), nor for one that does one
//! thing and ends. Threads that may hang at the end of the process (programs of `on_segment`) take from a [`Queue`], but are
//! not waited for and so do not [`run`] here. A channel would do where tasks only arrive; `upload` also reorders and withdraws.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Condvar, Mutex};
use std::thread;

use crate::mutex::{lock, unpoisoned};

/// Tasks, for workers that wait for them.
#[derive(Debug)]
pub struct Queue<T> {
    tasks: Mutex<Tasks<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Tasks<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let tasks = Tasks { waiting: VecDeque::new(), is_closed: false };
        Self { tasks: Mutex::new(tasks), changed: Condvar::new() }
    }
}

impl<T> Queue<T> {
    /// The next task, as soon as there is one; `None` once the queue is closed and empty.
    pub fn next(&self) -> Option<T> {
        let waits = |tasks: &mut Tasks<T>| tasks.waiting.is_empty() && !tasks.is_closed;
        unpoisoned(self.changed.wait_while(lock(&self.tasks), waits)).waiting.pop_front()
    }

    /// Adds a task behind those that wait.
    pub fn put(&self, task: T) {
        self.change(|waiting| waiting.push_back(task));
    }

    /// Adds, reorders or withdraws tasks that wait.
    pub fn change(&self, change: impl FnOnce(&mut VecDeque<T>)) {
        change(&mut lock(&self.tasks).waiting);
        self.changed.notify_all();
    }

    /// No more tasks will come.
    pub fn close(&self) {
        lock(&self.tasks).is_closed = true;
        self.changed.notify_all();
    }
}

/// Runs `lead` in this thread while `threads` others do the tasks of `queue` and send it what came of each, in the order in
/// which they end. When it returns, the queue is closed, what still waits is done, and all threads have ended.
///
/// The receiver ends when the queue is closed and empty, or when a worker panics: then `lead` waits for no outcome in vain.
pub fn run<T: Send, D: Send, R>(
    queue: &Queue<T>,
    threads: usize,
    work: impl Fn(T) -> D + Sync,
    lead: impl FnOnce(&Receiver<D>) -> R,
) -> R {
    let (sender, done) = mpsc::channel();
    thread::scope(|scope| {
        let _closed_at_last = Closing(queue);
        for _ in 0..threads {
            let (work, sender) = (&work, sender.clone());
            scope.spawn(move || {
                let _closed_by_a_panic = Closing(queue);
                while let Some(task) = queue.next() {
                    // Its receiver outlives the scope.
                    let _ = sender.send(work(task));
                }
            });
        }
        drop(sender);
        lead(&done)
    })
}

/// Closes a queue, also when its thread panics: workers would wait for ever.
struct Closing<'a, T>(&'a Queue<T>);

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::sync::Barrier;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn jobs_are_done_at_once_by_so_many_workers() {
        let (queue, meeting) = (Queue::default(), Barrier::new(3));
        (0..3).for_each(|n| queue.put(n));
        queue.close();
        let work = |n: i32| {
            meeting.wait();
            n
        };
        let mut done: Vec<i32> = run(&queue, 3, work, |done| done.iter().collect());
        done.sort_unstable();
        assert_eq!(done, [0, 1, 2]);
    }

    #[test]
    fn tasks_that_wait_can_be_reordered_and_withdrawn() {
        let queue = Queue::default();
        (0..6).for_each(|n| queue.put(n));
        queue.change(|waiting| {
            waiting.retain(|n| n % 2 == 0);
            waiting.push_front(9);
        });
        queue.close();
        assert_eq!(run(&queue, 1, |n| n, |done| done.iter().collect::<Vec<i32>>()), [9, 0, 2, 4]);
    }

    #[test]
    fn a_panic_of_a_worker_ends_the_wait_for_outcomes() {
        for threads in [1, 3] {
            let queue = Queue::default();
            queue.put(());
            let work = |()| resume_unwind(Box::new("a worker"));
            let ended = catch_unwind(AssertUnwindSafe(|| run(&queue, threads, work, |done| done.recv().is_err())));
            assert!(ended.is_err(), "the panic is the caller's too");
        }
    }

    #[test]
    fn a_panic_of_the_leader_ends_the_workers() {
        let queue = Queue::<()>::default();
        let lead = |_: &Receiver<()>| resume_unwind(Box::new("the leader"));
        let ended = catch_unwind(AssertUnwindSafe(|| run(&queue, 2, |()| (), lead)));
        assert!(ended.is_err());
    }

    proptest! {
        /// Each task is done exactly once, also those that outcomes lead to and those that no outcome is taken of.
        #[test]
        fn every_task_is_done_exactly_once(count in 0_usize..40, threads in 1_usize..6, taken in 0_usize..40) {
            let queue = Queue::default();
            let seen = Mutex::new(Vec::new());
            (0..count).for_each(|n| queue.put(n));
            let work = |n: usize| {
                lock(&seen).push(n);
                n
            };
            let taken = taken.min(count);
            run(&queue, threads, work, |done| {
                for n in done.iter().take(taken) {
                    queue.put(n + 100);
                }
            });
            let mut seen = lock(&seen);
            seen.sort_unstable();
            prop_assert_eq!(seen.iter().filter(|n| **n < 100).copied().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            prop_assert_eq!(seen.len(), count + taken);
            seen.dedup();
            prop_assert_eq!(seen.len(), count + taken);
        }
    }
}

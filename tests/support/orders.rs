//! What peers that misbehave on demand have in common: one state behind one lock on which everything waits, the requests in
//! it, and orders for those that match.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A state that is waited for.
#[derive(Default)]
pub(super) struct Watched<S> {
    state: Mutex<S>,
    changed: Condvar,
}

impl<S> Watched<S> {
    pub(super) fn new(state: S) -> Self {
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes all who wait for it.
    pub(super) fn change<T>(&self, order: impl FnOnce(&mut S) -> T) -> T {
        let result = order(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Wakes all who wait: the state is another one.
    pub(super) fn has_changed(&self) {
        self.changed.notify_all();
    }

    /// Waits for the next change.
    pub(super) fn wait<'s>(&'s self, state: MutexGuard<'s, S>) -> MutexGuard<'s, S> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`wait`](Self::wait), but not longer than this.
    pub(super) fn wait_at_most<'s>(&'s self, state: MutexGuard<'s, S>, time: Duration) -> MutexGuard<'s, S> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits for a condition; says whether it came true in time.
    pub(super) fn wait_until(&self, timeout: Duration, wanted: impl Fn(&S) -> bool) -> (MutexGuard<'_, S>, bool) {
        let outcome = self.changed.wait_timeout_while(self.lock(), timeout, |state| !wanted(state));
        let (state, time) = outcome.unwrap_or_else(PoisonError::into_inner);
        (state, !time.timed_out())
    }
}

/// A request, as far as it can be meant.
pub trait Asked: Clone + Debug {
    /// `GET`, `PUT`.
    fn method(&self) -> &str;
    /// What it asks for, and what it brings.
    fn texts(&self) -> [&str; 2];
}

/// The state of a peer that takes orders.
pub trait Peer {
    type Request: Asked;
    type Fault: Clone;
    fn orders(&mut self) -> &mut Orders<Self::Fault>;
    fn gates(&self) -> &Gates;
    /// The requests in the order of their arrival.
    fn log(&self) -> &[Self::Request];
}

impl<S: Peer> Watched<S> {
    pub(super) fn fault(&self, matcher: Matcher, fault: S::Fault, times: Times) {
        self.change(|state| state.orders().rules.push(Rule { matcher, fault, times, met: 0 }));
    }

    pub(super) fn clear_faults(&self) {
        self.change(|state| state.orders().rules.clear());
    }

    pub(super) fn hold(self: &Arc<Self>, matcher: Matcher, after: u64) -> Gate<S> {
        let id = self.change(|state| {
            let gates = &mut state.orders().gates;
            gates.last_id += 1;
            gates.shut.insert(gates.last_id, GateState { matcher, after, reached: false });
            gates.last_id
        });
        Gate { shared: Arc::clone(self), id }
    }

    pub(super) fn requests(&self) -> Vec<S::Request> {
        self.lock().log().to_vec()
    }

    pub(super) fn requests_for(&self, matcher: &Matcher) -> Vec<S::Request> {
        self.lock().log().iter().filter(|request| matcher.matches(*request)).cloned().collect()
    }

    #[track_caller]
    pub(super) fn wait_for(&self, wanted: impl Fn(&[S::Request]) -> bool, timeout: Duration) {
        let (state, in_time) = self.wait_until(timeout, |state| wanted(state.log()));
        assert!(in_time, "not within {timeout:?}; it has seen {:#?}", state.log());
    }
}

/// What a test ordered.
pub struct Orders<F> {
    pub(super) rules: Vec<Rule<F>>,
    pub(super) gates: Gates,
}

impl<F> Default for Orders<F> {
    fn default() -> Self {
        Self { rules: Vec::new(), gates: Gates::default() }
    }
}

/// Which of the matching requests meet the fault.
#[derive(Clone, Copy, Debug)]
pub enum Times {
    /// Every one.
    Always,
    /// The first n.
    First(u32),
    /// Only the k-th, counted from 1.
    Nth(u32),
}

/// Which requests are meant, by a method and parts of what is asked for and brought, each of which must be in it: `"GET .mp4"`,
/// `".mp4"`, `"PUT x.ts partNumber=2"`. A part behind `!` must not be: `"PUT !partNumber"`.
#[derive(Clone, Debug)]
pub struct Matcher {
    method: Option<String>,
    parts: Vec<String>,
    others: Vec<String>,
}

impl From<&str> for Matcher {
    fn from(text: &str) -> Self {
        let mut words = text.split(' ').filter(|word| !word.is_empty()).peekable();
        let method = words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_uppercase())).map(str::to_owned);
        let (others, parts): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with('!'));
        Self {
            method,
            parts: parts.into_iter().map(str::to_owned).collect(),
            others: others.into_iter().map(|word| word[1..].to_owned()).collect(),
        }
    }
}

impl From<&String> for Matcher {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl Matcher {
    /// Whether this request is meant.
    pub(super) fn matches(&self, request: &impl Asked) -> bool {
        let has = |part: &String| request.texts().iter().any(|text| text.contains(part.as_str()));
        self.method.as_ref().is_none_or(|method| method == request.method())
            && self.parts.iter().all(has)
            && !self.others.iter().any(has)
    }
}

/// A fault that a test ordered.
pub(super) struct Rule<F> {
    matcher: Matcher,
    fault: F,
    times: Times,
    met: u32,
}

impl<F: Clone> Rule<F> {
    /// The fault, if this request is to meet it.
    pub(super) fn meet(&mut self, request: &impl Asked) -> Option<F> {
        if !self.matcher.matches(request) {
            return None;
        }
        self.met += 1;
        let due = match self.times {
            Times::Always => true,
            Times::First(n) => self.met <= n,
            Times::Nth(k) => self.met == k,
        };
        due.then(|| self.fault.clone())
    }
}

/// The gates that are shut, by number.
#[derive(Default)]
pub struct Gates {
    pub(super) shut: BTreeMap<u64, GateState>,
    last_id: u64,
}

/// A gate that is shut.
pub(super) struct GateState {
    pub(super) matcher: Matcher,
    pub(super) after: u64,
    pub(super) reached: bool,
}

/// A barrier in front of a transfer's next byte; opens when dropped.
pub struct Gate<S: Peer> {
    shared: Arc<Watched<S>>,
    id: u64,
}

impl<S: Peer> Gate<S> {
    /// Waits until a transfer stands at the gate; panics when that takes longer than `timeout`.
    #[track_caller]
    pub fn wait_reached(&self, timeout: Duration) {
        let reached = |state: &S| state.gates().shut.get(&self.id).is_some_and(|gate| gate.reached);
        let (state, in_time) = self.shared.wait_until(timeout, reached);
        assert!(in_time, "nothing at the gate within {timeout:?}; seen was {:#?}", state.log());
    }

    /// Lets the transfers go on.
    pub fn open(self) {
        drop(self);
    }
}

impl<S: Peer> Drop for Gate<S> {
    fn drop(&mut self) {
        self.shared.change(|state| state.orders().gates.shut.remove(&self.id));
    }
}

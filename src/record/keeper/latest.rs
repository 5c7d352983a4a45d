//! What a keeper is asked for again and again, of which only the last counts: a share that hangs for a week must not gather
//! what was to be written there in a week.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::mutex::lock;

/// What is to be done, by what it is about; shared by who asks and who does it.
#[derive(Debug)]
pub(super) struct Latest<K, V>(Arc<Mutex<BTreeMap<K, V>>>);

impl<K, V> Default for Latest<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> Clone for Latest<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Ord, V> Latest<K, V> {
    /// Replaces the value that waits. Returns whether none did: then the reader must be woken.
    #[must_use]
    pub(super) fn put(&self, about: K, what: V) -> bool {
        lock(&self.0).insert(about, what).is_none()
    }

    /// What is to be done about it now.
    pub(super) fn take(&self, about: &K) -> Option<V> {
        lock(&self.0).remove(about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_returns_only_the_last_value() {
        let (asks, does) = {
            let latest = Latest::default();
            (latest.clone(), latest)
        };
        let told = (0..1000).filter(|n| asks.put("state", *n)).count();
        assert_eq!((told, does.take(&"state"), does.take(&"state")), (1, Some(999), None));
        assert!(asks.put("state", 1000));
    }
}

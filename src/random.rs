//! Unpredictable numbers: to spread what would otherwise happen at once, and to distinguish our files from others.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Any number: from the seed of a hash table, which the system gives. It keeps no secret.
#[must_use]
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

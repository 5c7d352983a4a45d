//! Locking a mutex. A thread that panicked while it held the lock does not make the others panic too: a release aborts on
//! the first panic, and a test reports it by itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for the lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    unpoisoned(mutex.lock())
}

/// The value of a lock, or of a wait for a condition, whether a thread panicked with it or not.
pub fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    use super::*;

    #[test]
    fn a_poisoned_mutex_is_locked_all_the_same() {
        let value = Mutex::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = value.lock();
            resume_unwind(Box::new("with the lock held"))
        }));
        assert!(panicked.is_err() && value.is_poisoned());
        *lock(&value) += 1;
        assert_eq!(*lock(&value), 2);
    }
}

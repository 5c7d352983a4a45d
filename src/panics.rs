//! A panic is a fault of ours, and ends the program: what is half done must not be published, and a thread that is gone would
//! be missed by the others. Only where one item can be dropped whole, such as one camera's stream, it ends that item alone.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// From now on a panic outside of [`guarded`] ends the program at once, in whatever thread it is.
pub fn end_the_program() {
    let print = take_hook();
    set_hook(Box::new(move |panic| {
        print(panic);
        if !IS_GUARDED.get() {
            std::process::abort();
        }
    }));
}

/// What `of_an_item` gives, or none if it panicked: then what it worked on may be half done, and the caller drops all of it.
/// The panic hook has printed where it was, to standard error.
pub fn guarded<T>(of_an_item: impl FnOnce() -> T) -> Option<T> {
    let was_guarded = IS_GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(of_an_item));
    IS_GUARDED.set(was_guarded);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_of_a_stream_is_caught_and_the_next_one_is_read() {
        let mut read = Vec::new();
        for stream in 0..3 {
            read.push(guarded(|| {
                assert!(stream != 1, "a length that cannot be");
                stream
            }));
        }
        assert_eq!(read, [Some(0), None, Some(2)]);
        assert!(!IS_GUARDED.get());
    }
}

//! A fault of ours in one camera's stream is that camera's failure, and not the end of the recorder.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `of_a_stream` gives, or none if it panicked: then what it worked on may be half done, and must be dropped.
///
/// The panic hook has printed where it was, to standard error.
pub(super) fn guarded<T>(of_a_stream: impl FnOnce() -> T) -> Option<T> {
    // The caller drops all of the stream that it could see half done.
    catch_unwind(AssertUnwindSafe(of_a_stream)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_of_a_stream_is_caught_and_the_next_one_is_read() {
        let mut read = Vec::new();
        for stream in 0..3 {
            let given = guarded(|| {
                assert!(stream != 1, "a length that cannot be");
                stream
            });
            read.push(given);
        }
        assert_eq!(read, [Some(0), None, Some(2)]);
    }
}

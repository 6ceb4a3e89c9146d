//! Work beside a match that is being played: what fails in it must not end the process.
//!
//! A process that plays stops at once when its rules fail, so that nothing wrong is told. Rules that fail in a match which
//! is only looked at, and above all in a fork with values that no match would have, have told nobody anything.

use std::cell::Cell;

thread_local! {
    static IS_ASIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs work of this kind on this thread.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    /// Also when the work fails.
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            IS_ASIDE.set(self.0);
        }
    }
    let _back = Back(IS_ASIDE.replace(true));
    work()
}

/// Whether this thread is at such work.
pub(crate) fn is_aside() -> bool {
    IS_ASIDE.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_aside_while_it_works_and_not_after_even_when_the_work_fails() {
        assert!(!is_aside());
        assert!(aside(|| aside(is_aside) && is_aside()));
        assert!(std::panic::catch_unwind(|| aside(|| panic!("planted"))).is_err());
        assert!(!is_aside());
    }
}

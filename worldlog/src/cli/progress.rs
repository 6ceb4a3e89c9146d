//! How far long work has come, on a terminal; elsewhere nothing is shown.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar with what is left in time.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Counts ticks.
    pub(super) fn ticks() -> Self {
        Self::with("{bar:30} tick {pos} of {len}, {eta} left")
    }

    /// Counts bytes, and says what `message` says.
    pub(super) fn bytes() -> Self {
        Self::with("{bar:30} {msg}, {eta} left")
    }

    /// Says what `message` says.
    pub(super) fn words() -> Self {
        Self::with("{spinner} {msg} ({elapsed})")
    }

    fn with(template: &str) -> Self {
        // Not drawn when stderr is no terminal.
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template(template).expect("the template is one of the above"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// So much of it is done.
    pub(super) fn tell(&self, done: u64, all: u64) {
        self.bar.set_length(all);
        self.bar.set_position(done);
    }

    /// What there is to say.
    pub(super) fn say(&self, message: String) {
        self.bar.set_message(message);
    }

    /// Takes it off the terminal.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

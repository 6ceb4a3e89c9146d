//! How far long work has come, on a terminal; elsewhere nothing is shown.

use std::fmt::Write;
use std::sync::Once;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A bar with what is left in time. It comes with the first thing that there is to show.
pub(super) struct Progress {
    bar: ProgressBar,
    shown: Once,
}

impl Progress {
    /// Counts ticks.
    pub(super) fn ticks() -> Self {
        Self::with("{bar:30} {human_pos} of {human_len} ticks{left}")
    }

    /// Counts bytes, and says what `message` says.
    pub(super) fn bytes() -> Self {
        Self::with("{bar:30} {msg}{left}")
    }

    /// Says what `message` says.
    pub(super) fn words() -> Self {
        Self::with("{spinner} {msg} ({elapsed})")
    }

    fn with(template: &str) -> Self {
        // Not drawn when stderr is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(template).expect("the template is one of the above");
        bar.set_style(style.with_key("left", write_left));
        Self { bar, shown: Once::new() }
    }

    /// So much of it is done.
    pub(super) fn tell(&self, done: u64, all: u64) {
        self.bar.update(|state| {
            state.set_len(all);
            state.set_pos(done);
        });
        self.go_on_by_itself();
    }

    /// What there is to say.
    pub(super) fn say(&self, message: String) {
        self.bar.set_message(message);
        self.go_on_by_itself();
    }

    /// Takes it off the terminal.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Time passes on the terminal too while there is nothing new.
    fn go_on_by_itself(&self) {
        self.shown.call_once(|| self.bar.enable_steady_tick(TICK));
    }
}

fn write_left(state: &ProgressState, to: &mut dyn Write) {
    let is_known = state.elapsed() >= SOME_TIME && state.pos() > 0 && state.len().is_some_and(|len| state.pos() < len);
    if is_known {
        // Nothing is done about a terminal that does not take it.
        let _ = write!(to, ", {:#} left", HumanDuration(state.eta()));
    }
}

const TICK: Duration = Duration::from_millis(200);
/// The first moments say little of how long it will take.
const SOME_TIME: Duration = Duration::from_secs(1);

//! How far a long reading has come: on stderr, if that is a terminal, and only while nothing else
//! is written to it.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less is over before anyone asks.
const PATIENCE: Duration = Duration::from_millis(500);

/// A bar that comes when a reading takes its time, and goes with its end.
pub struct Progress {
    bar: ProgressBar,
    begun: Cell<Instant>,
    shown: Cell<bool>,
    /// What is read is written to the terminal: that shows it, and no bar must come between.
    quiet: Cell<bool>,
}

impl Progress {
    /// Of readings of so many bytes.
    pub fn new(bytes: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {eta} left") {
            bar.set_style(style);
        }
        Self {
            bar,
            begun: Cell::new(Instant::now()),
            shown: Cell::new(false),
            quiet: Cell::new(false),
        }
    }

    /// So many bytes more were read.
    pub fn passed(&self, bytes: u64) {
        self.bar.inc(bytes);
        let due = !self.shown.get() && !self.quiet.get();
        if due && self.begun.get().elapsed() >= PATIENCE {
            self.shown.set(true);
            // hidden where stderr is no terminal
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// It is read from its beginning.
    pub fn again(&self) {
        self.hide();
        self.begun.set(Instant::now());
        self.bar.reset();
    }

    /// What is read from now on is written to stdout at once.
    pub fn writes(&self) {
        self.quiet.set(io::stdout().is_terminal());
    }

    /// Takes the bar away.
    pub fn hide(&self) {
        if self.shown.replace(false) {
            self.bar.finish_and_clear();
            self.bar.set_draw_target(ProgressDrawTarget::hidden());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.hide();
    }
}

//! Progress on a terminal; silence elsewhere.

use crate::pass::Step;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// A line on stderr that says where the pass is, for as long as it lives.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shown only when stderr is a terminal.
    pub(super) fn start() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    /// Shows a step.
    pub(super) fn tell(&self, step: Step) {
        let Some(bar) = &self.bar else { return };
        bar.set_message(match step {
            Step::Remembering => "loading the snapshot".to_owned(),
            Step::Recovering { open } => format!("looking up {open} open intents"),
            Step::Reading => "reading the directory".to_owned(),
            Step::Auditing => "listing the account store".to_owned(),
            Step::Deciding => "resolving groups and comparing".to_owned(),
            Step::Applying { done, of } => format!("applying {done} of {of}"),
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

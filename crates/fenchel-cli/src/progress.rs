//! Progress on the terminal, and Ctrl-C.

use crate::failure::Result;
use crate::report;
use fenchel::optim::{Flow, Observer, Progress};
use fenchel::transport::CheckpointFile;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Steps of the bar.
const STEPS: u64 = 1000;

/// Shows a line on standard error while something runs, if that is a terminal; stops the run on Ctrl-C.
pub struct Display {
    bar: ProgressBar,
    start: Instant,
    shown: Option<Instant>,
    checkpoints: Option<CheckpointFile>,
    /// Whether it was said that they are old.
    warned: bool,
}

impl Display {
    /// A display; `quiet` shows nothing.
    pub fn new(quiet: bool) -> Self {
        listen();
        let bar = if quiet || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr())
        };
        // Written below, so the template is known to be good; the default is a fallback.
        let style = ProgressStyle::with_template("{bar:24} {percent:>3}%  {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
        Display { bar, start: Instant::now(), shown: None, checkpoints: None, warned: false }
    }

    /// The same; states of the run go to `checkpoints`.
    pub fn keeping(self, checkpoints: Option<CheckpointFile>) -> Self {
        Display { checkpoints, ..self }
    }

    /// Shows a share of the work, 0 to 1, and words, which are made only if it is time to show them.
    pub fn say(&mut self, share: f64, words: impl FnOnce() -> String) {
        let due = self.shown.is_none_or(|at| at.elapsed() > Duration::from_millis(80));
        if due && !self.bar.is_hidden() {
            self.shown = Some(Instant::now());
            let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
            self.bar.set_position((share * STEPS as f64) as u64);
            self.bar.set_message(words());
        }
    }

    /// Removes the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Writes the last state of the run; fails if not even the first one could be written.
    pub fn saved(&mut self) -> Result<()> {
        self.checkpoints.iter_mut().for_each(CheckpointFile::flush);
        self.warn();
        let failure = self.checkpoints.as_ref().and_then(CheckpointFile::failure);
        failure.map_or(Ok(()), |failure| Err(failure.clone().into()))
    }

    /// Says once that a later state could not be written, which does not end the run: the work done so far is worth more.
    fn warn(&mut self) {
        if let Some(error) = self.checkpoints.as_ref().and_then(CheckpointFile::outdated)
            && !self.warned
        {
            self.warned = true;
            eprintln!("warning: the checkpoint is an old one: {error}");
        }
    }
}

impl Observer for Display {
    fn progress(&mut self, progress: &Progress<'_>) -> Flow {
        let elapsed = self.start.elapsed().as_secs_f64();
        self.say(progress.fraction, || line(progress, elapsed));
        if interrupted() {
            // What follows may be cut short by a second Ctrl-C.
            self.checkpoints.iter_mut().for_each(CheckpointFile::flush);
            return Flow::Stop;
        }
        let failed = self.checkpoints.as_ref().is_some_and(|c| c.failure().is_some());
        if failed { Flow::Stop } else { Flow::Continue }
    }

    fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.take(save());
            self.warn();
        }
    }
}

/// Phase, samples and their rate, error against its target, time left.
fn line(progress: &Progress<'_>, elapsed: f64) -> String {
    let mut text = format!("{}  {} samples", progress.phase, short(progress.samples as f64));
    if elapsed > 0.2 {
        text.push_str(&format!(", {}/s", short(progress.samples as f64 / elapsed)));
    }
    if progress.error.is_finite() {
        let (error, target) =
            (report::significant(progress.error, 2), report::significant(progress.target, 2));
        text.push_str(&format!("  error {error} → {target}"));
    }
    if progress.fraction > 0.02 && progress.fraction <= 1.0 && elapsed > 1.0 {
        let left = elapsed * (1.0 - progress.fraction) / progress.fraction;
        text.push_str(&format!(
            "  {} left",
            report::seconds(left.ceil()).replace(".00", "").replace(".0", "")
        ));
    }
    text
}

/// 1234567 as 1.2 M.
fn short(n: f64) -> String {
    match n {
        n if n >= 1e9 => format!("{:.1} G", n / 1e9),
        n if n >= 1e6 => format!("{:.1} M", n / 1e6),
        n if n >= 1e4 => format!("{:.0} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

static PRESSED: AtomicU32 = AtomicU32::new(0);

/// Whether Ctrl-C was pressed.
pub fn interrupted() -> bool {
    PRESSED.load(Ordering::Relaxed) > 0
}

/// Counts Ctrl-C from now on: the first stops the run with what it has, the second ends the program.
fn listen() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // Without a handler Ctrl-C ends the program at once, which is an acceptable fallback.
        let _ = ctrlc::set_handler(|| {
            if PRESSED.fetch_add(1, Ordering::Relaxed) > 0 {
                std::process::exit(130);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_all_of_it() {
        let p = Progress {
            phase: "solving",
            fraction: 0.25,
            samples: 2_500_000,
            error: 0.0123,
            target: 1e-3,
            iterate: &[],
        };
        assert_eq!(line(&p, 5.0), "solving  2.5 M samples, 500 k/s  error 0.012 → 0.0010  15 s left");
    }

    #[test]
    fn unknown_numbers_are_left_out() {
        let p = Progress {
            phase: "starting",
            fraction: f64::NAN,
            samples: 0,
            error: f64::NAN,
            target: 1e-3,
            iterate: &[],
        };
        assert_eq!(line(&p, 0.0), "starting  0 samples");
    }
}

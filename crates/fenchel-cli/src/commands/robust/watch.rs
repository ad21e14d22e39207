//! How far a fit is, on the terminal, and how much of its time is left; it stops at Ctrl-C.

use crate::progress::{Display, interrupted};
use crate::report;
use fenchel::optim::{Flow, Observer, Progress};
use std::time::Instant;

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// An exact fit.
    Fit,
    /// Exact fits one after another.
    Path,
    /// Fits to folds.
    Folds,
    /// Passes over batches.
    Passes,
}

/// Shows progress, and decides whether it goes on.
pub struct Watch {
    display: Display,
    start: Instant,
    limit: f64,
    stage: Stage,
    steps: u64,
    /// The first gap that was known.
    first: Option<f64>,
}

impl Watch {
    /// With so many seconds from now on.
    pub fn new(quiet: bool, limit: f64) -> Self {
        let (start, stage) = (Instant::now(), Stage::Fit);
        Watch { display: Display::new(quiet), start, limit, stage, steps: 0, first: None }
    }

    /// Another stage begins.
    pub fn begin(&mut self, stage: Stage) {
        (self.stage, self.first) = (stage, None);
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Seconds that are left.
    pub fn left(&self) -> f64 {
        (self.limit - self.seconds()).max(0.0)
    }

    /// Removes the line.
    pub fn finish(&self) {
        self.display.finish();
    }

    /// Gaps fall by factors.
    fn share(&self, progress: &Progress<'_>) -> f64 {
        match self.first {
            Some(first) if first > progress.target => {
                ((first / progress.error).ln() / (first / progress.target).ln()).clamp(0.0, 1.0)
            }
            _ => 0.0,
        }
    }
}

impl Observer for Watch {
    fn progress(&mut self, progress: &Progress<'_>) -> Flow {
        self.steps += 1;
        let known = progress.error.is_finite() && progress.error > 0.0;
        if known && self.first.is_none() {
            self.first = Some(progress.error);
        }
        let share = match self.stage {
            Stage::Fit if known => self.share(progress),
            Stage::Fit => 0.0,
            Stage::Path | Stage::Folds | Stage::Passes => progress.fraction,
        };
        let (steps, stage) = (self.steps, self.stage);
        self.display.say(share, || {
            let gap = if known && stage != Stage::Folds {
                let (error, target) =
                    (report::significant(progress.error, 2), report::significant(progress.target, 2));
                format!("  gap {error} → {target}")
            } else {
                String::new()
            };
            match stage {
                Stage::Fit => format!("fitting  step {steps}{gap}"),
                Stage::Path => format!("path  step {steps}{gap}"),
                Stage::Folds => format!("validating  step {steps}"),
                Stage::Passes => format!("{}  {} rows{gap}", progress.phase, report::count(progress.samples)),
            }
        });
        if interrupted() { Flow::Stop } else { Flow::Continue }
    }
}

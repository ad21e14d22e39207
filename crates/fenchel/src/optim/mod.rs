//! What every iterative method of this crate shares: how it ended, how it reports, how it is stopped.
//!
//! A method owns its iteration; it asks a [`Loop`] after every step whether to go on. The status of a
//! result is decided there and nowhere else, from the test that ended the run.

mod memory;
mod saved;
mod sealed;
mod watch;

pub use memory::Memory;
pub use saved::{Fingerprint, Saved, digest, of_another};
pub use sealed::{Digest, of_another_version, sealed, unsealed};
pub(crate) use watch::Watch;

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, Instant};

/// How a run ended. Only [`Status::Converged`] means that the tolerance was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The stopping test held on samples the solver had not seen.
    Converged,
    /// The sample or iteration budget ran out first.
    MaxIterations,
    /// The time budget ran out first.
    MaxTime,
    /// More work no longer improved the answer.
    Stalled,
    /// The observer asked to stop.
    Interrupted,
    /// The iterates left the range of finite numbers.
    Diverged,
}

impl Status {
    /// Whether the tolerance was reached and verified.
    pub fn is_converged(self) -> bool {
        self == Status::Converged
    }
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Status::Converged => "converged",
            Status::MaxIterations => "max_iterations",
            Status::MaxTime => "max_time",
            Status::Stalled => "stalled",
            Status::Interrupted => "interrupted",
            Status::Diverged => "diverged",
        })
    }
}

/// What a running method tells its observer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// What the method is doing, in two or three words: `solving`, `certifying`.
    pub phase: &'a str,
    /// Share of the work done, from 0 to 1, as far as the method can tell.
    pub fraction: f64,
    /// Samples drawn so far.
    pub samples: u64,
    /// Current error, in the unit of the stopping test (marginal error in the 1-norm for transport).
    pub error: f64,
    /// The error at which the method stops.
    pub target: f64,
    /// The current iterate (for transport the potentials of the atoms with mass, up to a constant); empty where
    /// there is none to show.
    pub iterate: &'a [f64],
}

/// Whether a run may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop at the next opportunity and return what there is.
    Stop,
}

/// Receives progress; may stop the run. A closure `FnMut(&Progress) -> Flow` that is `Send` is an observer.
pub trait Observer: Send {
    /// Called between steps, and within long ones, a few times a second at least; from one thread at a time, which need
    /// not be the one that runs the solve.
    fn progress(&mut self, progress: &Progress<'_>) -> Flow;

    /// Called where the run could be taken up again later: `save` makes the bytes of its state. Whoever wants to
    /// keep them calls it; the last state before a stop is the one to go on from.
    fn resumable(&mut self, _save: &mut dyn FnMut() -> Vec<u8>) {}
}

impl<F: FnMut(&Progress<'_>) -> Flow + Send> Observer for F {
    fn progress(&mut self, progress: &Progress<'_>) -> Flow {
        self(progress)
    }
}

/// The observer that ignores everything.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn progress(&mut self, _: &Progress<'_>) -> Flow {
        Flow::Continue
    }
}

/// Refuses a time budget that is none.
///
/// # Errors
/// [`Error::InvalidValue`] for NaN or a number below 0.
pub fn checked_seconds(max_seconds: Option<f64>) -> Result<()> {
    match max_seconds.filter(|seconds| seconds.is_nan() || *seconds < 0.0) {
        Some(seconds) => Err(Error::invalid("max_seconds", seconds, "a number of at least 0")),
        None => Ok(()),
    }
}

/// Does `work` on so many threads of its own; without a number in the pool that the caller is in.
pub(crate) fn on_threads<T: Send>(
    threads: Option<usize>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let Some(n) = threads else { return work() };
    let failed = |e| Error::invalid("threads", n, format!("a number of threads that can start ({e})"));
    rayon::ThreadPoolBuilder::new().num_threads(n).build().map_err(failed)?.install(work)
}

/// Clock, budget and observer of one run.
pub struct Loop<'a> {
    start: Instant,
    /// Time spent before.
    before: Duration,
    limit: Option<Duration>,
    /// When the observer was last asked.
    asked: Instant,
    observer: &'a mut dyn Observer,
}

impl fmt::Debug for Loop<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Loop")
            .field("start", &self.start)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<'a> Loop<'a> {
    /// Starts the clock. `limit` is the time budget in seconds; none is unlimited.
    pub fn new(limit: Option<f64>, observer: &'a mut dyn Observer) -> Self {
        Self::resumed(limit, 0.0, observer)
    }

    /// The same for a run that has already taken `before` seconds.
    pub fn resumed(limit: Option<f64>, before: f64, observer: &'a mut dyn Observer) -> Self {
        let limit = limit.and_then(|s| Duration::try_from_secs_f64(s).ok());
        let before = Duration::try_from_secs_f64(before).unwrap_or_default();
        let start = Instant::now();
        Loop { start, before, limit, asked: start, observer }
    }

    /// The same run, which has to end after `until` seconds since its start, if that is before its own limit.
    pub(crate) fn within(&mut self, until: f64) -> Loop<'_> {
        let until = Duration::try_from_secs_f64(until).ok();
        let limit = [self.limit, until].into_iter().flatten().min();
        Loop {
            start: self.start,
            before: self.before,
            limit,
            asked: self.asked,
            observer: &mut *self.observer,
        }
    }

    /// The time budget in seconds, infinite without one.
    pub(crate) fn limit(&self) -> f64 {
        self.limit.map_or(f64::INFINITY, |limit| limit.as_secs_f64())
    }

    fn elapsed(&self) -> Duration {
        self.before.saturating_add(self.start.elapsed())
    }

    /// Seconds since the start, and those spent before.
    pub fn seconds(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }

    /// Whether the time budget is spent.
    fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.elapsed() >= limit)
    }

    /// Offers the state of the run.
    pub fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
        self.observer.resumable(save);
    }

    /// Reports progress; the status if the run has to end here, none if it may go on.
    pub fn check(&mut self, progress: &Progress<'_>) -> Option<Status> {
        self.asked = Instant::now();
        if self.observer.progress(progress) == Flow::Stop {
            return Some(Status::Interrupted);
        }
        self.is_over().then_some(Status::MaxTime)
    }
}

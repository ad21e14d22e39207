//! Long runs of the engine, with progress for Python and Ctrl-C for the engine.

use crate::run::long;
use fenchel::optim::{Flow, Observer, Progress};
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the engine said last.
#[derive(Debug, Clone)]
struct Latest {
    phase: String,
    fraction: f64,
    samples: u64,
    error: f64,
    target: f64,
}

/// An observer that keeps what it hears for another thread, and says what that thread wants said.
struct Relay<'a> {
    latest: &'a Mutex<Option<Latest>>,
    stop: &'a AtomicBool,
}

impl Observer for Relay<'_> {
    fn progress(&mut self, progress: &Progress<'_>) -> Flow {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = Some(Latest {
            phase: progress.phase.to_owned(),
            fraction: progress.fraction,
            samples: progress.samples,
            error: progress.error,
            target: progress.target,
        });
        if self.stop.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Continue }
    }
}

/// Runs `work` in the pool, without the interpreter lock, with an observer that stops it after Ctrl-C. `progress`, if there is
/// one, is called with `(phase, fraction, samples, error, target)` a few times a second, by the calling thread.
///
/// The result, and the exception (`KeyboardInterrupt`, or one of `progress`) that ended the run early, if one did.
pub fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&mut dyn Observer) -> T + Send,
) -> PyResult<(T, Option<PyErr>)> {
    let (latest, stop) = (Mutex::new(None::<Latest>), AtomicBool::new(false));
    let meanwhile = |_: Python<'_>| {
        let Some(progress) = progress else { return Ok(()) };
        let taken = latest.lock().unwrap_or_else(PoisonError::into_inner).take();
        match taken {
            Some(it) => progress.call1((it.phase, it.fraction, it.samples, it.error, it.target)).map(|_| ()),
            None => Ok(()),
        }
    };
    long(py, &stop, meanwhile, || work(&mut Relay { latest: &latest, stop: &stop }))
}

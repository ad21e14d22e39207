//! Long runs of the engine, with progress for Python and Ctrl-C for the engine.

use crate::errors::raised;
use crate::run::long;
use fenchel::Error;
use fenchel::optim::{Flow, Observer, Progress};
use fenchel::transport::CheckpointFile;
use pyo3::prelude::*;
use std::path::Path;
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
    file: Option<&'a mut CheckpointFile>,
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
        let stop = self.stop.load(Ordering::Relaxed);
        // What could not be kept would be missed later.
        let lost = self.file.as_ref().is_some_and(|file| file.failure().is_some());
        if stop || lost { Flow::Stop } else { Flow::Continue }
    }

    fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
        if let Some(file) = &mut self.file {
            file.take(save());
        }
    }
}

/// Runs `work` in the pool, without the interpreter lock, with an observer that stops it after Ctrl-C. `progress`, if there is
/// one, is called with `(phase, fraction, samples, error, target)` a few times a second, by the calling thread.
///
/// States to go on from are kept in `file`, if there is one; that it cannot be written at first ends the run with an exception.
///
/// The result, and the exception (`KeyboardInterrupt`, or one of `progress`) that ended the run early, if one did.
pub fn watched_and_kept<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    mut file: Option<&mut CheckpointFile>,
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
    let mut relay = Relay { latest: &latest, stop: &stop, file: file.as_deref_mut() };
    let result = long(py, &stop, meanwhile, || work(&mut relay))?;
    if let Some(file) = file {
        file.flush();
        if let Some(error) = file.failure() {
            return Err(raised(py, error.clone()));
        }
    }
    Ok(result)
}

/// The same for runs that are not kept.
pub fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&mut dyn Observer) -> T + Send,
) -> PyResult<(T, Option<PyErr>)> {
    watched_and_kept(py, progress, None, work)
}

/// A state that was kept in a file.
pub fn read_checkpoint<'a, T>(
    path: &'a Path,
    read: impl FnOnce(&'a Path, &[u8]) -> fenchel::Result<T>,
) -> fenchel::Result<T> {
    let bytes = std::fs::read(path).map_err(|error| Error::file(path, format!("cannot be read: {error}")))?;
    read(path, &bytes)
}

/// Why the file holds an earlier state than the last, if it does.
pub fn outdated(file: Option<CheckpointFile>) -> Option<String> {
    file.and_then(|file| file.outdated().map(ToString::to_string))
}

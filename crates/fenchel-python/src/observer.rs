//! Long runs of the engine, with progress for Python and Ctrl-C for the engine.

use crate::errors::raised;
use crate::run::long;
use fenchel::measure::file::write_atomically;
use fenchel::optim::{Flow, Observer, Progress};
use fenchel::transport::Checkpoint;
use fenchel::{Error, Result};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the engine said last.
#[derive(Debug, Clone)]
struct Latest {
    phase: String,
    fraction: f64,
    samples: u64,
    error: f64,
    target: f64,
}

/// A file that the state of a run goes to, now and then.
#[derive(Debug)]
pub struct Keeping {
    path: PathBuf,
    /// The last state that is not in the file yet.
    pending: Option<Vec<u8>>,
    /// When the file was written, and how long that took.
    written: Option<(Instant, Duration)>,
    failure: Option<Error>,
}

/// Time between two writes, at least; and at least so many times as long as the last one took.
const PAUSE: (Duration, u32) = (Duration::from_millis(500), 20);

impl Keeping {
    /// In a file that is not there yet, or is a checkpoint.
    pub fn new(path: PathBuf) -> Result<Self> {
        if path.is_file() {
            let bytes =
                std::fs::read(&path).map_err(|e| Error::file(&path, format!("cannot be read: {e}")))?;
            if !bytes.is_empty() && Checkpoint::from_bytes(&path, &bytes).is_err() {
                return Err(Error::file(path, "is there already and no checkpoint: it is not overwritten"));
            }
        }
        Ok(Keeping { path, pending: None, written: None, failure: None })
    }

    fn take(&mut self, state: Vec<u8>) {
        self.pending = Some(state);
        if self.written.is_none_or(|(at, took)| at.elapsed() >= PAUSE.0.max(took * PAUSE.1)) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let Some(state) = self.pending.take() else { return };
        let start = Instant::now();
        if let Err(error) = write_atomically(&self.path, |out| out.write_all(&state)) {
            self.failure.get_or_insert(error);
        }
        self.written = Some((start, start.elapsed()));
    }
}

/// An observer that keeps what it hears for another thread, and says what that thread wants said.
struct Relay<'a> {
    latest: &'a Mutex<Option<Latest>>,
    stop: &'a AtomicBool,
    keeping: Option<&'a mut Keeping>,
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
        let lost = self.keeping.as_ref().is_some_and(|keeping| keeping.failure.is_some());
        if stop || lost { Flow::Stop } else { Flow::Continue }
    }

    fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
        if let Some(keeping) = &mut self.keeping {
            keeping.take(save());
        }
    }
}

/// Runs `work` in the pool, without the interpreter lock, with an observer that stops it after Ctrl-C. `progress`, if there is
/// one, is called with `(phase, fraction, samples, error, target)` a few times a second, by the calling thread.
///
/// States to go on from are kept in a file where `keeping` says so; that it cannot be written ends the run with an exception.
///
/// The result, and the exception (`KeyboardInterrupt`, or one of `progress`) that ended the run early, if one did.
pub fn watched_and_kept<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    mut keeping: Option<&mut Keeping>,
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
    let mut relay = Relay { latest: &latest, stop: &stop, keeping: keeping.as_deref_mut() };
    let result = long(py, &stop, meanwhile, || work(&mut relay))?;
    if let Some(keeping) = keeping {
        keeping.flush();
        if let Some(error) = keeping.failure.take() {
            return Err(raised(py, error));
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

//! The file that an observer keeps states in.

use super::Checkpoint;
use crate::measure::file::write_atomically;
use crate::{Error, Result};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two writes, at least; and at least so many times as long as the last one took.
const PAUSE: (Duration, u32) = (Duration::from_millis(500), 20);

/// A file with the last state of a run, for observers whose [`resumable`](crate::optim::Observer::resumable) is to keep it. It is
/// replaced as a whole, so that there is always one that is sound, whatever happens to the process.
///
/// ```
/// use fenchel::optim::{Flow, Observer, Progress};
/// use fenchel::transport::CheckpointFile;
///
/// struct Kept(CheckpointFile);
///
/// impl Observer for Kept {
///     fn progress(&mut self, _: &Progress<'_>) -> Flow {
///         // Without a first state nothing is kept: better known now than after the run.
///         if self.0.failure().is_some() { Flow::Stop } else { Flow::Continue }
///     }
///     fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
///         self.0.take(save());
///     }
/// }
/// ```
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    head: Vec<u8>,
    /// The last state, if it is not in the file yet.
    pending: Option<Vec<u8>>,
    /// When the file was written, and how long that took.
    written: Option<(Instant, Duration)>,
    failure: Option<Error>,
    outdated: Option<Error>,
}

impl CheckpointFile {
    /// With the state alone: what [`Checkpoint::from_bytes`] reads.
    ///
    /// # Errors
    /// [`Error::File`] if the file is there already, unless it is a checkpoint of this kind or empty, or cannot be read.
    pub fn new(path: impl AsRef<Path>) -> Result<Self> {
        Self::headed(path, Checkpoint::MARK, Vec::new())
    }

    /// With `head` before the state. A file of this kind begins with `mark`.
    ///
    /// # Errors
    /// As [`new`](CheckpointFile::new).
    pub fn headed(path: impl AsRef<Path>, mark: &[u8], head: Vec<u8>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let mut start = Vec::new();
        if path.is_file() {
            let read = std::fs::File::open(&path)
                .and_then(|file| file.take(mark.len() as u64).read_to_end(&mut start));
            read.map_err(|e| Error::file(&path, format!("cannot be read: {e}")))?;
        }
        if !start.is_empty() && start != mark {
            return Err(Error::file(path, "is there already and no checkpoint: it is not overwritten"));
        }
        Ok(CheckpointFile { path, head, pending: None, written: None, failure: None, outdated: None })
    }

    /// Takes a state; writes it if the last one is old.
    pub fn take(&mut self, state: Vec<u8>) {
        self.pending = Some(state);
        if self.written.is_none_or(|(at, took)| at.elapsed() >= PAUSE.0.max(took * PAUSE.1)) {
            self.flush();
        }
    }

    /// Writes the last state.
    pub fn flush(&mut self) {
        let Some(state) = self.pending.take() else { return };
        let start = Instant::now();
        let outcome = write_atomically(&self.path, |out| {
            out.write_all(&self.head)?;
            out.write_all(&state)
        });
        match outcome {
            Ok(()) => self.outdated = None,
            Err(error) if self.written.is_none() => self.failure = Some(error),
            Err(error) => self.outdated = Some(error),
        }
        self.written = Some((Instant::now(), start.elapsed()));
    }

    /// Why the first state could not be written: reason to end the run.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Why the file holds an earlier state than the last. The work done so far is worth more than that.
    pub fn outdated(&self) -> Option<&Error> {
        self.outdated.as_ref()
    }
}

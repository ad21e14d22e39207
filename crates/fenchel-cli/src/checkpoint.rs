//! Checkpoints: a file from which a run goes on.
//!
//! One line of JSON with the command's options, run by run, then the solver's state. The file is replaced as a whole, so that
//! there is always one that is sound, whatever happens to the process.

use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::measure::file::write_atomically;
use fenchel::transport::Checkpoint;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two writes, at least; and at least so many times as long as the last one took.
const PAUSE: (Duration, u32) = (Duration::from_millis(500), 20);

/// Options that belong to a run and not to what it solves: not kept.
const OWN: [&str; 2] = ["--checkpoint", "--resume"];

/// How every checkpoint begins.
const MARK: &[u8] = b"{\"arguments\":[";

/// The first line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    arguments: Vec<Vec<String>>,
}

/// Options and state of earlier runs.
#[derive(Debug)]
pub struct Earlier {
    /// What `fenchel transport` was called with, each time.
    pub arguments: Vec<Vec<String>>,
    /// Where to go on.
    pub state: Checkpoint,
}

/// Reads a checkpoint.
pub fn read(path: &Path) -> Result<Earlier> {
    let bytes = std::fs::read(path).map_err(|e| {
        let message = match e.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".into(),
            _ => format!("cannot be read: {e}"),
        };
        Error::file(path, message)
    })?;
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let head: Head = serde_json::from_slice(&bytes[..end])
        .map_err(|_| Error::file(path, "is no checkpoint; --resume wants a file that --checkpoint wrote"))?;
    let state = Checkpoint::from_bytes(path, bytes.get(end + 1..).unwrap_or_default())?;
    Ok(Earlier { arguments: head.arguments, state })
}

/// The options in `arguments` that say what is solved.
pub fn kept(mut arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    while let Some(argument) = arguments.next() {
        if OWN.contains(&argument.as_str()) {
            arguments.next();
        } else if !OWN.iter().any(|own| argument.strip_prefix(own).is_some_and(|rest| rest.starts_with('=')))
        {
            kept.push(argument);
        }
    }
    kept
}

/// Keeps the last state of a run, and writes it now and then.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    head: Vec<u8>,
    /// The last state, if it is not in the file yet.
    pending: Option<Vec<u8>>,
    /// When the file was written, and how long that took.
    written: Option<(Instant, Duration)>,
    /// Why it could not be written at the beginning, or later.
    failure: Option<Failure>,
    warned: bool,
}

impl Writer {
    /// A writer for a run with these options. A file that is there already is overwritten only if it is a checkpoint.
    pub fn new(path: &Path, arguments: &[Vec<String>]) -> Result<Self> {
        let mut start = Vec::new();
        if path.is_file() {
            let file =
                std::fs::File::open(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
            let read = file.take(MARK.len() as u64).read_to_end(&mut start);
            read.map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
        }
        if !start.is_empty() && start != MARK {
            return Err(Error::file(path, "is there already and no checkpoint: it is not overwritten").into());
        }
        let mut head = serde_json::to_vec(&Head { arguments: arguments.to_vec() })
            .map_err(|e| Failure::new(format!("the options cannot be written: {e}")))?;
        head.push(b'\n');
        let (pending, written, failure) = (None, None, None);
        Ok(Writer { path: path.to_owned(), head, pending, written, failure, warned: false })
    }

    /// Takes a state; writes it if the last one is old.
    pub fn take(&mut self, state: Vec<u8>) {
        self.pending = Some(state);
        if self.written.is_none_or(|(at, took)| at.elapsed() >= PAUSE.0.max(took * PAUSE.1)) {
            self.flush();
        }
    }

    /// Writes the last state. A file that cannot be written at the beginning ends the run; later that is a warning,
    /// as the work done so far is worth more.
    pub fn flush(&mut self) {
        let Some(state) = self.pending.take() else { return };
        let start = Instant::now();
        let outcome = write_atomically(&self.path, |out| {
            out.write_all(&self.head)?;
            out.write_all(&state)
        });
        if let Err(error) = outcome {
            if self.written.is_none() {
                self.failure = Some(error.into());
            } else if !self.warned {
                self.warned = true;
                eprintln!("warning: the checkpoint is an old one: {error}");
            }
        }
        self.written = Some((Instant::now(), start.elapsed()));
    }

    /// Why the first state could not be written.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn what_is_kept() {
        let given =
            ["--seed", "3", "--checkpoint", "a b", "--json", "--resume=x", "--checkpoint=--seed", "-q"];
        assert_eq!(kept(given.map(str::to_owned).into_iter()), ["--seed", "3", "--json", "-q"]);
    }
}

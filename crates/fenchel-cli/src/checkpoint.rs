//! Checkpoints: a file from which a run goes on.
//!
//! One line of JSON with the command's options, run by run, then the solver's state.

use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::transport::CheckpointFile;
use serde::{Deserialize, Serialize};
use std::path::Path;

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
    /// Where to go on: what the solver's own type reads.
    pub state: Vec<u8>,
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
    let state = bytes.get(end + 1..).unwrap_or_default().to_vec();
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

/// A file for a run with these options. One that is there already is overwritten only if it is a checkpoint.
pub fn file(path: &Path, arguments: &[Vec<String>]) -> Result<CheckpointFile> {
    let mut head = serde_json::to_vec(&Head { arguments: arguments.to_vec() })
        .map_err(|e| Failure::new(format!("the options cannot be written: {e}")))?;
    head.push(b'\n');
    Ok(CheckpointFile::headed(path, MARK, head)?)
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

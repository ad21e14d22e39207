//! What trainings share: when they ask, and their states as bytes.

use fenchel::optim::{of_another_version, sealed, unsealed};
use fenchel::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// How often the observer is asked.
pub(crate) const EVERY: Duration = Duration::from_millis(50);

/// What a training is known by: words and numbers under names, digests of lists marked by `#`.
pub(crate) type Fingerprint = Vec<(String, String)>;

/// A state with what its training is known by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Saved<S> {
    fingerprint: Fingerprint,
    pub(crate) seconds: f64,
    pub(crate) state: S,
}

/// A [`Saved`] to be written.
#[derive(Serialize)]
struct Written<'a, S> {
    fingerprint: &'a Fingerprint,
    seconds: f64,
    state: &'a S,
}

/// The bytes that [`Saved::from_bytes`] takes.
pub(crate) fn bytes<S: Serialize>(
    mark: &[u8],
    fingerprint: &Fingerprint,
    seconds: f64,
    state: &S,
) -> Vec<u8> {
    let written = Written { fingerprint, seconds, state };
    // Plain numbers and lists of them: there is nothing that cannot be written.
    sealed(mark, &postcard::to_stdvec(&written).unwrap_or_default())
}

impl<S: for<'de> Deserialize<'de>> Saved<S> {
    /// `place` is for messages.
    pub(crate) fn from_bytes(mark: &[u8], place: &Path, bytes: &[u8]) -> Result<Self> {
        let body = unsealed(mark, "checkpoint", place, bytes)?;
        postcard::from_bytes(body).map_err(|_| Error::file(place, of_another_version("checkpoint")))
    }

    /// The state; refuses that of another training, or one that does not fit in other ways; `of` says what must be the same.
    pub(crate) fn open(&self, fingerprint: &Fingerprint, fits: bool, of: &str) -> Result<&S> {
        let differs: Vec<String> = fingerprint
            .iter()
            .filter_map(|(name, now)| {
                let before = self.fingerprint.iter().find(|(n, _)| n == name).map(|(_, value)| value);
                match before {
                    Some(before) if before == now => None,
                    // A digest says nothing to anyone.
                    Some(before) if !before.starts_with('#') => {
                        Some(format!("{name} was {before}, now {now}"))
                    }
                    _ => Some(format!("{name} differ")),
                }
            })
            .collect();
        if differs.is_empty() && fits {
            return Ok(&self.state);
        }
        let difference = if fits { differs.join("; ") } else { "the number of parameters".to_owned() };
        let got = format!("of another training ({difference})");
        Err(Error::invalid("the checkpoint", got, format!("of the same {of}")))
    }
}

//! States of runs as bytes that know what they are of.

use super::sealed::{Digest, of_another_version, sealed, unsealed};
use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a run is known by: words and numbers under names, and digests of lists, marked by `#`.
pub type Fingerprint = Vec<(String, String)>;

/// The state of a run after some seconds, with what the run is known by.
///
/// ```
/// use fenchel::optim::{Fingerprint, Saved};
///
/// let known: Fingerprint = vec![("the seed".into(), "0".into())];
/// let bytes = Saved::bytes(b"example 1\n", &known, 2.5, &[1.0, 2.0]);
/// let saved = Saved::<[f64; 2]>::from_bytes(b"example 1\n", "memory", &bytes)?;
/// assert_eq!((saved.seconds, saved.state), (2.5, [1.0, 2.0]));
///
/// let other: Fingerprint = vec![("the seed".into(), "1".into())];
/// let message = saved.check(&other, ("run", "settings")).unwrap_err().to_string();
/// assert!(message.contains("the seed was 0, now 1"));
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Saved<S> {
    fingerprint: Fingerprint,
    /// Seconds that the run had taken.
    pub seconds: f64,
    /// Where it was.
    pub state: S,
}

/// A [`Saved`] to be written.
#[derive(Serialize)]
struct Written<'a, S: ?Sized> {
    fingerprint: &'a Fingerprint,
    seconds: f64,
    state: &'a S,
}

impl<S> Saved<S> {
    /// The bytes that [`from_bytes`](Saved::from_bytes) takes; `mark` as in [`sealed`].
    pub fn bytes(mark: &[u8], fingerprint: &Fingerprint, seconds: f64, state: &S) -> Vec<u8>
    where
        S: Serialize,
    {
        // Plain numbers and lists of them: there is nothing that cannot be written.
        sealed(mark, &postcard::to_stdvec(&Written { fingerprint, seconds, state }).unwrap_or_default())
    }

    /// Reads them back; `place` is for messages.
    ///
    /// # Errors
    /// Bytes that are no checkpoint with this mark, of another version of the format, cut off or damaged.
    pub fn from_bytes(mark: &[u8], place: impl AsRef<Path>, bytes: &[u8]) -> Result<Self>
    where
        S: DeserializeOwned,
    {
        let body = unsealed(mark, "checkpoint", place.as_ref(), bytes)?;
        postcard::from_bytes(body).map_err(|_| Error::file(place.as_ref(), of_another_version("checkpoint")))
    }

    /// Refuses the state of another run, with what differs: `of` are what is run (`problem`), and what must be the same (`problem and
    /// settings`).
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn check(&self, here: &Fingerprint, of: (&str, &str)) -> Result<()> {
        let before = |name: &String| self.fingerprint.iter().find(|(n, _)| n == name).map(|(_, value)| value);
        let differs: Vec<String> = here
            .iter()
            .filter_map(|(name, now)| match before(name) {
                Some(before) if before == now => None,
                // A digest says nothing to anyone.
                Some(before) if !before.starts_with('#') => Some(format!("{name} was {before}, now {now}")),
                _ => Some(format!("{name} differ")),
            })
            .collect();
        if differs.is_empty() { Ok(()) } else { Err(of_another(of, &differs.join("; "))) }
    }
}

/// The error for a state that does not fit: `of` as in [`Saved::check`].
pub fn of_another((what, same): (&str, &str), difference: &str) -> Error {
    let got = format!("of another {what} ({difference})");
    Error::invalid("the checkpoint", got, format!("of the same {same}"))
}

/// A word for lists of numbers, to tell them from others in a [`Fingerprint`].
pub fn digest(lists: &[&[f64]]) -> String {
    let mut digest = Digest::default();
    for list in lists {
        digest.word(list.len() as u64);
        list.iter().for_each(|x| digest.word(x.to_bits()));
    }
    format!("#{:016x}", digest.finish())
}

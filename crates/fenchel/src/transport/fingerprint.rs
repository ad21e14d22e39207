//! States as bytes that know what they are of.

use crate::error::{Error, Result};
use crate::optim::{Digest, of_another_version, sealed, unsealed};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// What a problem and its settings are known by: words, numbers, and digests of lists, marked by `#`.
pub(crate) type Fingerprint = Vec<(String, String)>;

/// The bytes of a state.
pub(crate) fn pack(mark: &[u8], body: &impl Serialize) -> Vec<u8> {
    // Plain numbers and lists of them: there is nothing that cannot be written.
    sealed(mark, &postcard::to_stdvec(body).unwrap_or_default())
}

/// The state of what [`pack`] made.
pub(crate) fn unpack<T: DeserializeOwned>(mark: &[u8], place: &Path, bytes: &[u8]) -> Result<T> {
    let body = unsealed(mark, "checkpoint", place, bytes)?;
    postcard::from_bytes(body).map_err(|_| Error::file(place, of_another_version("checkpoint")))
}

/// Refuses a state of another problem, with what differs.
pub(crate) fn same(before: &Fingerprint, here: &Fingerprint) -> Result<()> {
    let differs: Vec<String> = here
        .iter()
        .filter_map(|(name, now)| match before.iter().find(|(n, _)| n == name).map(|(_, value)| value) {
            Some(before) if before == now => None,
            // A digest says nothing to anyone.
            Some(before) if !before.starts_with('#') => Some(format!("{name} was {before}, now {now}")),
            _ => Some(format!("{name} differ")),
        })
        .collect();
    if differs.is_empty() { Ok(()) } else { Err(of_another(&differs.join("; "))) }
}

pub(crate) fn of_another(difference: &str) -> Error {
    let got = format!("of another problem ({difference})");
    Error::invalid("the checkpoint", got, "of the same problem and settings")
}

/// A word for lists of numbers, to tell them from others.
pub(crate) fn digest(lists: &[&[f64]]) -> String {
    let mut digest = Digest::default();
    for list in lists {
        digest.word(list.len() as u64);
        list.iter().for_each(|x| digest.word(x.to_bits()));
    }
    format!("#{:016x}", digest.finish())
}

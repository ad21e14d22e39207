//! Bytes of a state, with a mark before them and a checksum behind.

use crate::error::{Error, Result};
use std::path::Path;

/// Tells lists of words apart, against accidents and not against malice: each step is a bijection of the state for a
/// given word, so that a single changed word always shows.
///
/// ```
/// use fenchel::optim::Digest;
///
/// let of = |words: &[u64]| {
///     let mut digest = Digest::default();
///     words.iter().for_each(|word| digest.word(*word));
///     digest.finish()
/// };
/// assert_ne!(of(&[1, 2]), of(&[2, 1]));
/// ```
#[derive(Debug, Clone)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Digest(0x6a09_e667_f3bc_c908)
    }
}

impl Digest {
    /// Takes in a word.
    pub fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    /// What is made of all words so far.
    pub fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 29)
    }
}

/// `mark`, the bytes, and their checksum. A mark ends with the number of the format and a line break:
/// `fenchel checkpoint 1\n`.
pub fn sealed(mark: &[u8], body: &[u8]) -> Vec<u8> {
    [mark, body, &checksum(body).to_le_bytes()].concat()
}

/// The bytes that [`sealed`] was given; `what` and `place` are for messages: `checkpoint`, its file.
///
/// ```
/// use fenchel::optim::{sealed, unsealed};
///
/// let mut bytes = sealed(b"example 1\n", b"state");
/// assert_eq!(unsealed(b"example 1\n", "example", "memory", &bytes)?, b"state");
/// bytes[12] ^= 1;
/// let error = unsealed(b"example 1\n", "example", "memory", &bytes).unwrap_err();
/// assert!(error.to_string().contains("damaged example"));
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// Bytes without the mark, of another version of the format, cut off or damaged.
pub fn unsealed<'a>(mark: &[u8], what: &str, place: impl AsRef<Path>, bytes: &'a [u8]) -> Result<&'a [u8]> {
    let wrong = |message: String| Error::file(place.as_ref(), message);
    let Some(rest) = bytes.strip_prefix(mark) else {
        let known = mark.len().saturating_sub(2);
        return Err(wrong(if bytes.len() > known && bytes.starts_with(&mark[..known]) {
            of_another_version(what)
        } else {
            format!("is no {what}")
        }));
    };
    match rest.split_last_chunk::<8>() {
        Some((body, sum)) if u64::from_le_bytes(*sum) == checksum(body) => Ok(body),
        _ => Err(wrong(format!("is a damaged {what}: it is cut off, or some of its bytes have changed"))),
    }
}

/// What is said of sealed bytes that are sound, but not what this version writes.
pub fn of_another_version(what: &str) -> String {
    format!("is a {what} of another version of fenchel")
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut digest = Digest::default();
    digest.word(bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().for_each(|word| digest.word(u64::from_le_bytes(*word)));
    rest.iter().for_each(|byte| digest.word(u64::from(*byte)));
    digest.finish()
}

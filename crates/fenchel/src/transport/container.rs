//! States as bytes: what they are of, a checksum, and whether they belong to the problem at hand.

use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// What a problem and its settings are known by: words, numbers, and digests of lists, marked by `#`.
pub(crate) type Fingerprint = Vec<(String, String)>;

/// `mark`, the body, and a checksum.
pub(crate) fn pack(mark: &[u8], body: &impl Serialize) -> Vec<u8> {
    // Plain numbers and lists of them: there is nothing that cannot be written.
    let body = postcard::to_stdvec(body).unwrap_or_default();
    [mark, body.as_slice(), &checksum(&body).to_le_bytes()].concat()
}

/// The body of what [`pack`] made. The mark ends with the number of the format and a line's end.
pub(crate) fn unpack<T: DeserializeOwned>(mark: &[u8], place: &Path, bytes: &[u8]) -> Result<T> {
    let wrong = |message: &str| Error::file(place, message);
    let Some(rest) = bytes.strip_prefix(mark) else {
        let known = mark.len() - 2;
        return Err(wrong(if bytes.len() > known && bytes.starts_with(&mark[..known]) {
            "is a checkpoint of another version of fenchel"
        } else {
            "is no checkpoint"
        }));
    };
    let damaged = "is a damaged checkpoint: it is cut off, or some of its bytes have changed";
    let (body, sum) = rest.split_last_chunk::<8>().ok_or_else(|| wrong(damaged))?;
    if u64::from_le_bytes(*sum) != checksum(body) {
        return Err(wrong(damaged));
    }
    postcard::from_bytes(body).map_err(|_| wrong("is a checkpoint of another version of fenchel"))
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
    let mut digest = Digest::new();
    for list in lists {
        digest.word(list.len() as u64);
        list.iter().for_each(|x| digest.word(x.to_bits()));
    }
    format!("#{:016x}", digest.finish())
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut digest = Digest::new();
    digest.word(bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().for_each(|word| digest.word(u64::from_le_bytes(*word)));
    rest.iter().for_each(|byte| digest.word(u64::from(*byte)));
    digest.finish()
}

/// Tells lists of words apart, against accidents and not against malice: each step is a bijection of the state for a
/// given word, so that a single changed word always shows.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Digest(0x6a09_e667_f3bc_c908)
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 29)
    }
}

//! Files compressed by gzip (RFC 1952).

use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The first bytes of every such file.
pub(super) const MAGIC: &[u8] = b"\x1f\x8b";

/// No byte unpacks to more than this many: a run of 258 takes two bits.
pub(super) const MOST: u64 = 1032;

/// The first `most` bytes of what is compressed, or all if there are fewer; then the check sums have been held against it.
pub(super) fn unpack(path: &Path, bytes: &[u8], most: u64) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    match MultiGzDecoder::new(bytes).take(most).read_to_end(&mut unpacked) {
        Ok(_) => Ok(unpacked),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
            Err(Error::file(path, "is compressed by gzip, and cut off"))
        }
        Err(e) => Err(Error::file(path, format!("is compressed by gzip, and damaged: {e}"))),
    }
}

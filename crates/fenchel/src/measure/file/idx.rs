//! IDX, the format of MNIST: one array of numbers behind a header of a few bytes, often compressed by gzip.
//!
//! ```text
//! 0 0 TYPE RANK    then RANK sizes, and the numbers, all big-endian
//! ```
//!
//! The first dimension counts rows; the others are the shape of a row.

use super::array::{Header, Layout};
use super::{gzip, read_bytes};
use crate::{Error, Result};
use std::path::Path;

/// The first bytes of every IDX file; no text begins like this.
pub(super) const MAGIC: &[u8] = b"\0\0";

/// The longest header there is: of 255 dimensions.
pub(super) const LONGEST_HEADER: u64 = 4 + 4 * 255;

/// Types of numbers: their code, and what NumPy calls them.
const TYPES: [(u8, &str); 6] =
    [(0x08, "|u1"), (0x09, "|i1"), (0x0b, ">i2"), (0x0c, ">i4"), (0x0d, ">f4"), (0x0e, ">f8")];

/// Sizes and type of the numbers.
fn header(head: &[u8]) -> std::result::Result<(Vec<u64>, &'static str), String> {
    let cut = "it ends within its header";
    let (mark, rest) = head.split_first_chunk::<4>().ok_or(cut)?;
    let [0, 0, code, rank] = *mark else {
        return Err(format!("it begins with the bytes {mark:02x?}; the first two must be 0"));
    };
    let Some((_, dtype)) = TYPES.iter().find(|(known, _)| *known == code) else {
        return Err(format!(
            "the type of its numbers is {code:#04x}; 0x08 (u8), 0x09 (i8), 0x0b (i16), 0x0c (i32), 0x0d (f32) \
             and 0x0e (f64) are known"
        ));
    };
    if rank == 0 {
        return Err("its array has no dimension; at least 1 is wanted".into());
    }
    let sizes = rest.get(..4 * usize::from(rank)).ok_or(cut)?;
    let size = |bytes: &[u8]| bytes.iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
    Ok((sizes.chunks_exact(4).map(size).collect(), dtype))
}

/// What the header says, held against the length of the file.
pub(super) fn layout(path: &Path, head: &[u8], length: u64) -> Result<Layout> {
    let (shape, dtype) =
        header(head).map_err(|what| Error::file(path, format!("is not a sound IDX file: {what}")))?;
    let start = 4 + 4 * shape.len() as u64;
    Layout::checked(path, &Header { shape: &shape, dtype, fortran_order: false, start }, length)
}

/// Bytes that a file with this header has; none if the header is unsound or they cannot be counted.
fn announced(head: &[u8]) -> Option<u64> {
    let (shape, dtype) = header(head).ok()?;
    let width = u64::from(dtype.as_bytes()[2] - b'0');
    let numbers = shape.iter().try_fold(width, |product, n| product.checked_mul(*n))?;
    numbers.checked_add(4 + 4 * shape.len() as u64)
}

/// The header of a compressed file, from its first bytes.
fn unpacked_head(path: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    let head = gzip::unpack(path, bytes, LONGEST_HEADER)?;
    if head.starts_with(MAGIC) {
        return Ok(head);
    }
    Err(Error::file(path, "is compressed by gzip, and no IDX file; unpack it first"))
}

/// What the header of a compressed file of this length says. Whether as many numbers follow shows when they are unpacked.
pub(super) fn packed_layout(path: &Path, bytes: &[u8], length: u64) -> Result<Layout> {
    let head = unpacked_head(path, bytes)?;
    let most = length.saturating_mul(gzip::MOST);
    let length = announced(&head).filter(|announced| *announced <= most);
    layout(path, &head, length.unwrap_or(head.len() as u64))
}

/// A compressed file: its layout, and what it unpacks to, which is never more than its header announces.
pub(super) fn unpacked(path: &Path, bytes: &[u8]) -> Result<(Layout, Vec<u8>)> {
    let head = unpacked_head(path, bytes)?;
    let Some(announced) = announced(&head) else {
        // Then it is the header that is at fault.
        return Ok((layout(path, &head, head.len() as u64)?, head));
    };
    let unpacked = gzip::unpack(path, bytes, announced.saturating_add(1))?;
    if unpacked.len() as u64 > announced {
        let message = format!("is too long: its header announces {announced} bytes, and more follow");
        return Err(Error::file(path, message));
    }
    Ok((layout(path, &unpacked, unpacked.len() as u64)?, unpacked))
}

/// An IDX file, its numbers not yet read from their bytes.
#[derive(Debug)]
pub(crate) struct Idx {
    layout: Layout,
    bytes: Vec<u8>,
}

impl Idx {
    /// Reads a file, plain or compressed.
    ///
    /// # Errors
    /// A file that cannot be read or is no sound IDX file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = read_bytes(path)?;
        let (layout, bytes) = if bytes.starts_with(gzip::MAGIC) {
            unpacked(path, &bytes)?
        } else {
            (layout(path, &bytes, bytes.len() as u64)?, bytes)
        };
        Ok(Idx { layout, bytes })
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.layout.rows as usize
    }

    /// The dimensions after the first.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// The numbers, if they are unsigned bytes.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        (self.bytes[2] == TYPES[0].0).then(|| &self.bytes[self.layout.start as usize..])
    }

    /// The numbers, of whatever type.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = f64> {
        let Layout { width, number, start, .. } = self.layout;
        self.bytes[start as usize..].chunks_exact(width).map(number)
    }
}

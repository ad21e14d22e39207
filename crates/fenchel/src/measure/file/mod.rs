//! Tables of numbers from files, and files that appear whole or not at all.
//!
//! [`Table::read`] takes delimited text (comma, semicolon, tab or blanks; with or without a line of names) and
//! NumPy's NPY, IDX (the format of MNIST, plain or compressed by gzip), and with the feature `parquet` Parquet; what a file holds
//! is seen from its first bytes, not from its name. An IDX array of more than two dimensions has a row for each index of the
//! first, and numbers are those of the file: bytes are 0 to 255 ([`images`](crate::images) scales them to 0 to 1).
//! [`Frame`] reads the same files where columns may hold text and cells may be missing. [`FileSource`] and [`Drawn`] take rows of
//! files that are larger than memory.

mod array;
mod frame;
mod gzip;
mod idx;
mod lines;
mod npy;
#[cfg(feature = "parquet")]
mod parquet;
mod stream;
mod table;
mod text;
mod write;

pub use frame::{Cells, Column, Frame};
pub(crate) use idx::Idx;
pub(crate) use stream::Label;
pub use stream::{Drawn, FileSource, Roles, Selection, size_loaded};
pub use table::{Split, Table};
pub use write::write_atomically;

use crate::{Error, Result};
use std::fs;
use std::path::Path;

/// The bytes of a file.
fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    found(path)?;
    fs::read(path).map_err(|e| unreadable(path, "read", &e))
}

/// What a path leads to: a file or a pipe.
fn found(path: &Path) -> Result<fs::FileType> {
    let kind = fs::metadata(path).map_err(|e| unreadable(path, "found", &e))?.file_type();
    if kind.is_dir() {
        return Err(Error::file(path, "is a directory; a file is wanted"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_char_device(&kind) {
        return Err(Error::file(path, "is a device; a file is wanted"));
    }
    Ok(kind)
}

fn unreadable(path: &Path, what: &str, error: &std::io::Error) -> Error {
    let message = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "may not be read: permission denied".into(),
        _ => format!("cannot be {what}: {error}"),
    };
    Error::file(path, message)
}

/// Names a well-known format that is not read, from its first bytes.
fn foreign_format(bytes: &[u8]) -> Option<&'static str> {
    const FORMATS: &[(&[u8], &str)] = &[
        (b"PK\x03\x04", "is a ZIP archive (NPZ, XLSX); unpack it or save one array as NPY or CSV"),
        #[cfg(not(feature = "parquet"))]
        (b"PAR1", "is a Parquet file; save it as CSV or NPY, or build fenchel with `--features parquet`"),
        (b"PARE", "is an encrypted Parquet file; save it without encryption"),
        (b"\x89HDF", "is an HDF5 file; save it as CSV or NPY"),
        (b"\x89PNG", "is a picture; a table of numbers is wanted"),
        (b"\xff\xfe", "is UTF-16 text; save it as UTF-8"),
        (b"\xfe\xff", "is UTF-16 text; save it as UTF-8"),
    ];
    FORMATS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, says)| *says)
}

/// A message of somebody else's as part of ours.
#[cfg(feature = "parquet")]
fn shown_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(200).filter(|c| !c.is_control()).collect()
}

/// Bytes as a person may read them in a message: printable, and short.
fn shown(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(&field[..field.len().min(200)]);
    let mut short: String = text.chars().take(30).flat_map(|c| c.escape_debug()).collect();
    if text.chars().count() > 30 || field.len() > 200 {
        short.push('…');
    }
    short
}

//! A file that is read in pieces, and must stay what it was when it was checked.

use crate::{Error, Result};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// An open file, with its length and time of change when it was opened.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) len: u64,
    modified: Option<SystemTime>,
}

impl Handle {
    /// Opens a regular file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if !super::super::found(path)?.is_file() {
            let message = "is a pipe, which can be read only once; save it to a file first";
            return Err(Error::file(path, message));
        }
        let file = File::open(path).map_err(|e| super::super::unreadable(path, "opened", &e))?;
        let metadata = file.metadata().map_err(|e| super::super::unreadable(path, "found", &e))?;
        Ok(Handle { path: path.to_owned(), file, len: metadata.len(), modified: metadata.modified().ok() })
    }

    /// Fills `out` from the bytes at `offset`.
    pub(super) fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        read_exact_at(self, offset, out).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => self.changed(),
            _ => super::super::unreadable(&self.path, "read", &e),
        })
    }

    /// Whether length and time of change are still the same.
    pub(super) fn check(&self) -> Result<()> {
        match self.file.metadata() {
            Ok(now) if now.len() == self.len && now.modified().ok() == self.modified => Ok(()),
            Ok(_) => Err(self.changed()),
            Err(e) => Err(super::super::unreadable(&self.path, "found", &e)),
        }
    }

    /// What to say of a file that is not what it was.
    pub(super) fn changed(&self) -> Error {
        let message = match self.file.metadata() {
            Ok(now) if now.len() != self.len => {
                format!("has changed while it was used: it had {} bytes and has {}", self.len, now.len())
            }
            _ => "has changed while it was used".into(),
        };
        Error::file(&self.path, message + "; leave it alone until the end")
    }
}

#[cfg(unix)]
fn read_exact_at(handle: &Handle, offset: u64, out: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(&handle.file, out, offset)
}

/// Without positioned reads each gets a cursor of its own.
#[cfg(not(unix))]
fn read_exact_at(handle: &Handle, offset: u64, out: &mut [u8]) -> io::Result<()> {
    use std::io::{Read, Seek};
    let mut file = File::open(&handle.path)?;
    file.seek(io::SeekFrom::Start(offset))?;
    file.read_exact(out)
}

//! Writing a file so that it appears whole or not at all.

use crate::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file under a temporary name in the same directory and renames it when it is safely on disk.
///
/// A reader sees the old file or the new one, never a part; if `write` fails nothing is left behind. A symbolic
/// link is followed; a pipe or device is written to directly.
///
/// ```
/// let path = std::env::temp_dir().join("fenchel-write-example.txt");
/// fenchel::measure::file::write_atomically(&path, |out| writeln!(out, "whole or not at all"))?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole or not at all\n");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// The directory does not exist or may not be written, the path is a directory, the disk is full, `write` failed.
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let fail = |error: io::Error| {
        let message = match error.kind() {
            io::ErrorKind::NotFound => {
                format!("cannot be written: no directory {}", directory(path).display())
            }
            _ => format!("cannot be written: {error}"),
        };
        Error::file(path, message)
    };
    let target = match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(Error::file(path, "cannot be written: it is a directory"));
        }
        Ok(found) if !found.is_file() => {
            let mut out = BufWriter::new(OpenOptions::new().write(true).open(path).map_err(fail)?);
            return write(&mut out).and_then(|()| out.flush()).map_err(fail);
        }
        Ok(_) => fs::canonicalize(path).map_err(fail)?,
        Err(_) => path.to_owned(),
    };
    let (temporary, file) = create_beside(&target).map_err(fail)?;
    let outcome = fill(file, write).and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = outcome {
        let _ = fs::remove_file(&temporary);
        return Err(fail(error));
    }
    // The rename itself is durable once the directory is; where directories cannot be synced it is not needed.
    let _ = File::open(directory(&target)).and_then(|d| d.sync_all());
    Ok(())
}

fn fill(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new, empty file in the directory of `target`.
fn create_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    loop {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let temporary = directory(target).join(hidden);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (temporary, file)),
        }
    }
}

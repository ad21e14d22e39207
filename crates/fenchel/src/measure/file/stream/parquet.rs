//! Rows of a Parquet file, read where they are: pages without wanted rows are passed over.

use super::super::parquet::Columns;
use super::{Choice, Handle, Opened, Rows, Visit};
use crate::Result;
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::io::{self, BufReader, Read};
use std::sync::Arc;

/// Bytes read at a time for the headers of pages.
const HEADER: usize = 1 << 11;

/// Checks every number and shows every row, with about `memory` bytes of them at a time.
pub(super) fn open(handle: Handle, choice: Choice<'_>, visit: Visit<'_>, memory: u64) -> Result<Opened> {
    let handle = Arc::new(handle);
    let columns = Columns::open(&handle.path, Disk(handle.clone()), choice)?;
    columns.visit(memory, &mut |row| visit(None, row))?;
    let (names, len) = (Some(columns.names().to_vec()), columns.len());
    Ok(Opened { handle: handle.clone(), rows: Box::new(File { handle, columns }), names, len })
}

/// As [`size_loaded`](super::size_loaded).
pub(super) fn size_loaded(handle: Handle) -> Result<u64> {
    let handle = Arc::new(handle);
    super::super::parquet::size_loaded(&handle.path, Disk(handle.clone()))
}

#[derive(Debug)]
struct File {
    handle: Arc<Handle>,
    columns: Columns<Disk>,
}

impl Rows for File {
    fn read(&self, rows: &[u64], out: &mut [f64]) -> Result<()> {
        // All of it has been read before, without a fault.
        self.columns.rows(rows, out).map_err(|_| self.handle.changed())?;
        if out.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(self.handle.changed()) }
    }
}

/// The file in positioned reads, so that threads do not share a cursor.
#[derive(Debug)]
struct Disk(Arc<Handle>);

impl Length for Disk {
    fn len(&self) -> u64 {
        self.0.len
    }
}

impl ChunkReader for Disk {
    type T = BufReader<Following>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::with_capacity(HEADER, Following { handle: self.0.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.0.len) {
            return Err(ParquetError::EOF("a page ends behind the end of the file".into()));
        }
        let mut bytes = vec![0; length];
        self.0.read_at(start, &mut bytes).map_err(|e| ParquetError::General(e.to_string()))?;
        Ok(bytes.into())
    }
}

/// What follows a place in the file.
#[derive(Debug)]
struct Following {
    handle: Arc<Handle>,
    at: u64,
}

impl Read for Following {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.handle.len.saturating_sub(self.at).min(out.len() as u64) as usize;
        self.handle.read_at(self.at, &mut out[..n]).map_err(io::Error::other)?;
        self.at += n as u64;
        Ok(n)
    }
}

//! Rows of delimited text: a sparse index of where they begin, and the stretches between parsed when wanted.

use super::super::lines::{LONGEST_RECORD, Watched};
use super::super::text::{Form, Reader, delimiter, skipped};
use super::{Choice, Handle, Opened, Rows, Sparse, Visit};
use crate::{Error, Result};
use std::io::{BufReader, Seek, SeekFrom};
use std::sync::Arc;

/// Bytes parsed at a time, unless a single stretch has more.
const PIECE: u64 = 1 << 19;

/// Checks the whole text, shows every row, and remembers where rows begin in at most `memory` bytes.
pub(super) fn open(handle: Handle, choice: Choice<'_>, visit: Visit<'_>, memory: u64) -> Result<Opened> {
    let path = handle.path.clone();
    let unreadable = |e: std::io::Error| Error::file(&path, format!("cannot be read: {e}"));
    let mut head = vec![0; 3.min(handle.len as usize)];
    handle.read_at(0, &mut head)?;
    let start = skipped(&head) as u64;
    let mut file = &handle.file;
    file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    let delimiter = delimiter(BufReader::new(file), LONGEST_RECORD).map_err(unreadable)?;
    file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    let mut starts = Sparse::new(memory);
    let mut len = 0;
    let mut reader = Reader::new(&path, delimiter, choice);
    reader.read(Watched::new(file, start, LONGEST_RECORD), &mut |offset, line, row| {
        starts.push(len, offset);
        len += 1;
        visit(Some(line), row)
    })?;
    let form = reader.form()?;
    let names = form.names.clone();
    let handle = Arc::new(handle);
    Ok(Opened { handle: handle.clone(), rows: Box::new(Text { handle, form, starts }), names, len })
}

#[derive(Debug)]
struct Text {
    handle: Arc<Handle>,
    form: Form,
    starts: Sparse<u64>,
}

impl Text {
    /// First byte of a stretch and of what follows it.
    fn bytes(&self, stretch: u64) -> Option<(u64, u64)> {
        let at = stretch as usize;
        let from = *self.starts.values().get(at)?;
        Some((from, self.starts.values().get(at + 1).copied().unwrap_or(self.handle.len)))
    }

    /// Parses these stretches, given by number, and takes their rows by number.
    fn parse(&self, stretches: &[u64], take: &mut dyn FnMut(u64, &[f64])) -> Result<()> {
        let mut text = Vec::new();
        // Neighbours are read together.
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for stretch in stretches {
            let (from, to) = self.bytes(*stretch).ok_or_else(|| self.handle.changed())?;
            match ranges.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                _ => ranges.push((from, to)),
            }
        }
        for (from, to) in ranges {
            let at = text.len();
            text.resize(at + (to - from) as usize, 0);
            self.handle.read_at(from, &mut text[at..])?;
        }
        let every = self.starts.every();
        let mut count = 0;
        let mut reader = Reader::resumed(&self.handle.path, &self.form);
        let outcome = reader.read(Watched::new(text.as_slice(), 0, u64::MAX), &mut |_, _, row| {
            if let Some(stretch) = stretches.get((count / every) as usize) {
                take(stretch * every + count % every, row);
            }
            count += 1;
            Ok(())
        });
        // All of it has been read before, without a fault.
        outcome.map_err(|_| self.handle.changed())
    }
}

impl Rows for Text {
    fn read(&self, rows: &[u64], out: &mut [f64]) -> Result<()> {
        let every = self.starts.every();
        let width = self.form.wanted.len();
        let mut from = 0;
        while from < rows.len() {
            let mut stretches: Vec<u64> = Vec::new();
            let mut bytes = 0;
            let mut to = from;
            while to < rows.len() {
                let stretch = rows[to] / every;
                if stretches.last() != Some(&stretch) {
                    let (begin, end) = self.bytes(stretch).ok_or_else(|| self.handle.changed())?;
                    if bytes > 0 && bytes + (end - begin) > PIECE {
                        break;
                    }
                    bytes += end - begin;
                    stretches.push(stretch);
                }
                to += 1;
            }
            let mut next = from;
            self.parse(&stretches, &mut |number, row| {
                while next < to && rows[next] == number {
                    out[next * width..][..width].copy_from_slice(row);
                    next += 1;
                }
            })?;
            if next < to {
                return Err(self.handle.changed());
            }
            from = to;
        }
        Ok(())
    }
}

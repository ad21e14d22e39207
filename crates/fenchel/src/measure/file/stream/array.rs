//! Rows of an NPY or IDX file, read where they are.

use super::super::array::{Layout, not_finite};
use super::super::{gzip, idx, npy};
use super::{Choice, Handle, Opened, Rows, Visit};
use crate::{Error, Result};
use std::sync::Arc;

/// The longest header that is read, and bytes of a compressed file in which its header is.
const HEADER: u64 = 1 << 20;
const PACKED_HEADER: u64 = 1 << 16;

/// Bytes read at a time, and bytes between two rows that are rather read than skipped.
const PIECE: u64 = 1 << 18;
const GAP: u64 = 1 << 12;

/// What the header says, if the file has one of a format of arrays.
pub(super) fn header(handle: &Handle) -> Result<Option<Layout>> {
    let begin = |bytes: u64| {
        let mut head = vec![0; bytes.min(handle.len) as usize];
        handle.read_at(0, &mut head)?;
        Ok(head)
    };
    let (path, head) = (&handle.path, begin(12)?);
    if head.starts_with(npy::MAGIC) {
        let head = begin(npy::header_length(&head).min(HEADER))?;
        return npy::layout(path, &head, handle.len).map(Some);
    }
    if head.starts_with(idx::MAGIC) {
        return idx::layout(path, &begin(idx::LONGEST_HEADER)?, handle.len).map(Some);
    }
    if head.starts_with(gzip::MAGIC) {
        return idx::packed_layout(path, &begin(PACKED_HEADER)?, handle.len).map(Some);
    }
    Ok(None)
}

/// Checks every number and shows every row.
pub(super) fn open(handle: Handle, layout: Layout, choice: Choice<'_>, visit: Visit<'_>) -> Result<Opened> {
    let mut head = [0; 2];
    handle.read_at(0, &mut head)?;
    if head == gzip::MAGIC {
        let message = "is compressed by gzip, so that its rows cannot be read where they are; unpack it, or allow so much memory \
                       that it is loaded";
        return Err(Error::file(&handle.path, message));
    }
    let wanted = choice(None, layout.columns)?;
    let len = layout.rows;
    let array = Array { handle: Arc::new(handle), layout, wanted };
    array.visit(visit)?;
    Ok(Opened { handle: array.handle.clone(), rows: Box::new(array), names: None, len })
}

#[derive(Debug)]
struct Array {
    handle: Arc<Handle>,
    layout: Layout,
    /// Columns, in the order in which they are wanted.
    wanted: Vec<usize>,
}

impl Array {
    fn visit(&self, visit: Visit<'_>) -> Result<()> {
        let Layout { rows, columns, .. } = self.layout;
        let step = (PIECE / (8 * columns as u64)).max(1);
        let all: Vec<usize> = (0..columns).collect();
        let mut block = Vec::new();
        let mut row = vec![0.0; self.wanted.len()];
        for from in (0..rows).step_by(step as usize) {
            let here: Vec<u64> = (from..(from + step).min(rows)).collect();
            block.resize(here.len() * columns, 0.0);
            self.gather(&here, &all, &mut block)?;
            for (number, values) in here.iter().zip(block.chunks_exact(columns)) {
                if let Some(k) = values.iter().position(|x| !x.is_finite()) {
                    return Err(not_finite(&self.handle.path, *number, k, values[k]));
                }
                for (x, k) in row.iter_mut().zip(&self.wanted) {
                    *x = values[*k];
                }
                visit(None, &row)?;
            }
        }
        Ok(())
    }

    /// Some columns of some rows, in ascending order.
    fn gather(&self, rows: &[u64], columns: &[usize], out: &mut [f64]) -> Result<()> {
        let Layout { width, number, start, fortran_order, .. } = self.layout;
        let across = columns.len();
        if !fortran_order {
            let item = (self.layout.columns * width) as u64;
            return self.items(start, item, rows, &mut |at, bytes| {
                for (x, k) in out[at * across..][..across].iter_mut().zip(columns) {
                    *x = number(&bytes[k * width..][..width]);
                }
            });
        }
        for (place, k) in columns.iter().enumerate() {
            let base = start + *k as u64 * self.layout.rows * width as u64;
            self.items(base, width as u64, rows, &mut |at, bytes| out[at * across + place] = number(bytes))?;
        }
        Ok(())
    }

    /// Takes the bytes of items of one size that lie side by side, by their ascending numbers.
    fn items(&self, base: u64, size: u64, items: &[u64], take: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        let mut bytes = Vec::new();
        let mut from = 0;
        while from < items.len() {
            let near = |at: &usize| {
                (items[*at] - items[*at - 1]) * size <= GAP.max(size)
                    && (items[*at] - items[from] + 1) * size <= PIECE
            };
            let to = (from + 1..items.len()).find(|at| !near(at)).unwrap_or(items.len());
            bytes.resize(((items[to - 1] - items[from] + 1) * size) as usize, 0);
            self.handle.read_at(base + items[from] * size, &mut bytes)?;
            for at in from..to {
                take(at, &bytes[((items[at] - items[from]) * size) as usize..][..size as usize]);
            }
            from = to;
        }
        Ok(())
    }
}

impl Rows for Array {
    fn read(&self, rows: &[u64], out: &mut [f64]) -> Result<()> {
        self.gather(rows, &self.wanted, out)?;
        if out.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(self.handle.changed()) }
    }
}

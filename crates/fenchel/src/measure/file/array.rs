//! Arrays of numbers behind a header: what NPY and IDX have in common.

use super::{gzip, idx, npy, table::Table};
use crate::{Error, Result};
use std::borrow::Cow;
use std::path::Path;

/// Where the numbers are and how they are written.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) rows: u64,
    /// The shape of a row: the dimensions of the array after its first. Empty for one number a row.
    pub(super) shape: Vec<usize>,
    /// Numbers of a row.
    pub(super) columns: usize,
    /// Bytes of a number, and how to read it.
    pub(super) width: usize,
    pub(super) number: Decode,
    pub(super) fortran_order: bool,
    /// Bytes before the first number.
    pub(super) start: u64,
}

/// What a header says.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) shape: &'a [u64],
    /// The type of a number, as NumPy writes it.
    pub(super) dtype: &'a str,
    pub(super) fortran_order: bool,
    /// Its own length.
    pub(super) start: u64,
}

/// The array that a file holds, if it is of a format of arrays; unpacked where it is compressed.
pub(super) fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<Option<(Layout, Cow<'a, [u8]>)>> {
    let length = bytes.len() as u64;
    if bytes.starts_with(npy::MAGIC) {
        return Ok(Some((npy::layout(path, bytes, length)?, bytes.into())));
    }
    if bytes.starts_with(idx::MAGIC) {
        return Ok(Some((idx::layout(path, bytes, length)?, bytes.into())));
    }
    if bytes.starts_with(gzip::MAGIC) {
        let (layout, unpacked) = idx::unpacked(path, bytes)?;
        return Ok(Some((layout, unpacked.into())));
    }
    Ok(None)
}

impl Layout {
    /// Holds what a header says against the bytes that the file has from its beginning to its end.
    pub(super) fn checked(path: &Path, header: &Header<'_>, length: u64) -> Result<Self> {
        let wrong = |message: String| Error::file(path, message);
        let Header { shape, dtype, fortran_order, start } = *header;
        let product = shape.iter().try_fold(1_u64, |product, n| product.checked_mul(*n));
        let shown = shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ");
        if shape.contains(&0) {
            return Err(wrong(format!("holds an empty array ({shown})")));
        }
        let Some((width, number)) = decoder(dtype) else {
            let says = format!("holds numbers of type '{dtype}'; floats (f4, f8) or integers are wanted");
            return Err(wrong(says));
        };
        let count = product.and_then(|n| n.checked_mul(width as u64));
        let found = length.saturating_sub(start);
        if count != Some(found) {
            let announced = count.map_or("more than memory".into(), |n| format!("{n} bytes"));
            let cut = count.is_none_or(|n| n > found);
            let trouble = if cut { "is cut off" } else { "is too long" };
            return Err(wrong(format!(
                "{trouble}: {shown} numbers of type '{dtype}' are {announced}, the file has {found}"
            )));
        }
        let (rows, rest) = shape.split_first().unwrap_or((&1, &[]));
        let shape: Vec<usize> = rest.iter().map(|n| *n as usize).collect();
        let columns = shape.iter().product();
        Ok(Layout { rows: *rows, shape, columns, width, number, fortran_order, start })
    }

    /// Bytes that the numbers take as `f64`.
    pub(super) fn size_loaded(&self) -> u64 {
        self.rows.saturating_mul(8).saturating_mul(self.columns as u64)
    }

    /// All numbers of a file.
    pub(super) fn table(&self, path: &Path, bytes: &[u8]) -> Result<Table> {
        let Layout { columns, width, number, fortran_order, start, .. } = *self;
        let rows = self.rows as usize;
        let mut values: Vec<f64> = bytes[start as usize..].chunks_exact(width).map(number).collect();
        if fortran_order && columns > 1 {
            values = (0..rows * columns).map(|at| values[at % columns * rows + at / columns]).collect();
        }
        if let Some(at) = values.iter().position(|x| !x.is_finite()) {
            return Err(not_finite(path, (at / columns) as u64, at % columns, values[at]));
        }
        let shape = if self.shape.is_empty() { vec![1] } else { self.shape.clone() };
        Ok(Table { path: path.to_owned(), columns: None, width: columns, shape, values, lines: Vec::new() })
    }

    /// All numbers of a file, column by column.
    pub(super) fn columns(&self, bytes: &[u8]) -> Vec<Vec<f64>> {
        let Layout { columns, width, number, fortran_order, start, .. } = *self;
        let (rows, data) = (self.rows as usize, &bytes[start as usize..]);
        let column = |column: usize| {
            let place = |row: usize| if fortran_order { column * rows + row } else { row * columns + column };
            (0..rows).map(|row| number(&data[place(row) * width..][..width])).collect()
        };
        (0..columns).map(column).collect()
    }
}

/// A number that is not finite, by row and column counted from 0.
pub(super) fn not_finite(path: &Path, row: u64, column: usize, value: f64) -> Error {
    let says = format!("row {}, column {} (counted from 1) is {value}", row + 1, column + 1);
    Error::file(path, format!("{says}; a finite number is wanted"))
}

/// Reads one number.
pub(super) type Decode = fn(&[u8]) -> f64;

/// Bytes a number takes, and how to read it. Integers beyond 2^53 round.
fn decoder(dtype: &str) -> Option<(usize, Decode)> {
    macro_rules! number {
        ($t:ty, $from:ident) => {
            Some((size_of::<$t>(), |bytes: &[u8]| <$t>::$from(bytes.try_into().unwrap_or_default()) as f64))
        };
    }
    let (order, kind) = dtype.split_at_checked(1)?;
    match (order, kind) {
        ("|" | "<" | ">" | "=", "b1") => Some((1, |bytes| f64::from(u8::from(bytes != [0])))),
        ("|" | "<" | ">" | "=", "i1") => number!(i8, from_le_bytes),
        ("|" | "<" | ">" | "=", "u1") => number!(u8, from_le_bytes),
        ("<" | "=", "f4") => number!(f32, from_le_bytes),
        ("<" | "=", "f8") => number!(f64, from_le_bytes),
        ("<" | "=", "i2") => number!(i16, from_le_bytes),
        ("<" | "=", "i4") => number!(i32, from_le_bytes),
        ("<" | "=", "i8") => number!(i64, from_le_bytes),
        ("<" | "=", "u2") => number!(u16, from_le_bytes),
        ("<" | "=", "u4") => number!(u32, from_le_bytes),
        ("<" | "=", "u8") => number!(u64, from_le_bytes),
        (">", "f4") => number!(f32, from_be_bytes),
        (">", "f8") => number!(f64, from_be_bytes),
        (">", "i2") => number!(i16, from_be_bytes),
        (">", "i4") => number!(i32, from_be_bytes),
        (">", "i8") => number!(i64, from_be_bytes),
        (">", "u2") => number!(u16, from_be_bytes),
        (">", "u4") => number!(u32, from_be_bytes),
        (">", "u8") => number!(u64, from_be_bytes),
        _ => None,
    }
}

//! NumPy's NPY: one array of numbers behind a short header.
//!
//! The crates for it evaluate the header with a general parser of Python literals, which costs more compile time
//! than the rest of this crate and a C compiler; the header has three keys.

use super::table::Table;
use crate::{Error, Result};
use std::path::Path;

/// The first bytes of every NPY file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// What the header says.
#[derive(Debug, PartialEq)]
struct Header {
    dtype: String,
    fortran_order: bool,
    shape: Vec<u64>,
}

/// Where the numbers are and how they are written.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) rows: u64,
    pub(super) columns: usize,
    /// Bytes of a number, and how to read it.
    pub(super) width: usize,
    pub(super) number: Decode,
    pub(super) fortran_order: bool,
    /// Bytes before the first number.
    pub(super) start: u64,
}

/// Bytes at the beginning of a file that hold its header, or say that there is none that is sound.
pub(super) fn header_length(head: &[u8]) -> u64 {
    match (head.get(6), head.get(8..12)) {
        (Some(1), Some(n)) => 10 + u64::from(u16::from_le_bytes([n[0], n[1]])),
        (Some(2 | 3), Some(n)) => 12 + u64::from(u32::from_le_bytes([n[0], n[1], n[2], n[3]])),
        _ => head.len() as u64,
    }
}

/// What the header says, held against the length of the file. A 1-D array is one column; of a 2-D array each row
/// is a row.
pub(super) fn layout(path: &Path, head: &[u8], length: u64) -> Result<Layout> {
    let wrong = |message: String| Error::file(path, message);
    let (header, start) =
        split_header(head).map_err(|what| wrong(format!("is not a sound NPY file: {what}")))?;
    let (rows, columns) = match header.shape[..] {
        [rows] => (rows, 1),
        [rows, columns] => (rows, columns),
        _ => {
            let dims = header.shape.len();
            return Err(wrong(format!("holds an array of {dims} dimensions; 1 or 2 are wanted")));
        }
    };
    if rows == 0 || columns == 0 {
        return Err(wrong(format!("holds an empty array ({rows} × {columns})")));
    }
    let Some((width, number)) = decoder(&header.dtype) else {
        let says =
            format!("holds numbers of type '{}'; floats (f4, f8) or integers are wanted", header.dtype);
        return Err(wrong(says));
    };
    let count = rows.checked_mul(columns).and_then(|n| n.checked_mul(width as u64));
    let found = length - start;
    if count != Some(found) {
        let announced = count.map_or("more than memory".into(), |n| format!("{n} bytes"));
        let cut = count.is_none_or(|n| n > found);
        let trouble = if cut { "is cut off" } else { "is too long" };
        return Err(wrong(format!(
            "{trouble}: {rows} × {columns} numbers of type '{}' are {announced}, the file has {found}",
            header.dtype
        )));
    }
    Ok(Layout { rows, columns: columns as usize, width, number, fortran_order: header.fortran_order, start })
}

/// All numbers of a file.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Table> {
    let Layout { rows, columns, width, number, fortran_order, start } =
        layout(path, bytes, bytes.len() as u64)?;
    let rows = rows as usize;
    let mut values: Vec<f64> = bytes[start as usize..].chunks_exact(width).map(number).collect();
    if fortran_order && columns > 1 {
        values = (0..rows * columns).map(|at| values[at % columns * rows + at / columns]).collect();
    }
    if let Some(at) = values.iter().position(|x| !x.is_finite()) {
        return Err(not_finite(path, (at / columns) as u64, at % columns, values[at]));
    }
    Ok(Table { path: path.to_owned(), columns: None, width: columns, values, lines: Vec::new() })
}

/// All numbers of a file, column by column.
pub(super) fn columns(path: &Path, bytes: &[u8]) -> Result<Vec<Vec<f64>>> {
    let Layout { rows, columns, width, number, fortran_order, start } =
        layout(path, bytes, bytes.len() as u64)?;
    let (rows, data) = (rows as usize, &bytes[start as usize..]);
    let column = |column: usize| {
        let place = |row: usize| if fortran_order { column * rows + row } else { row * columns + column };
        (0..rows).map(|row| number(&data[place(row) * width..][..width])).collect()
    };
    Ok((0..columns).map(column).collect())
}

/// A number that is not finite, by row and column counted from 0.
pub(super) fn not_finite(path: &Path, row: u64, column: usize, value: f64) -> Error {
    let says = format!("row {}, column {} (counted from 1) is {value}", row + 1, column + 1);
    Error::file(path, format!("{says}; a finite number is wanted"))
}

/// Header, and the offset of the data.
fn split_header(bytes: &[u8]) -> std::result::Result<(Header, u64), String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin with the mark of the format")?;
    let cut = "it ends within its header";
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(cut)?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk::<2>().map(|(n, rest)| (u32::from(u16::from_le_bytes(*n)), rest)),
        2 | 3 => rest.split_first_chunk::<4>().map(|(n, rest)| (u32::from_le_bytes(*n), rest)),
        v => return Err(format!("version {v} is unknown; 1, 2 and 3 are read")),
    }
    .ok_or(cut)?;
    let (header, data) = rest.split_at_checked(length as usize).ok_or(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text")?;
    Ok((Literal { rest: header }.header()?, (bytes.len() - data.len()) as u64))
}

/// A reader of the few Python literals a header is made of.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn header(&mut self) -> std::result::Result<Header, String> {
        let (mut dtype, mut fortran_order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            match key {
                "descr" => dtype = Some(self.dtype()?),
                "fortran_order" => fortran_order = Some(self.boolean()?),
                "shape" => shape = Some(self.shape()?),
                _ => {
                    return Err(format!("its header has the unknown key '{}'", super::shown(key.as_bytes())));
                }
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        match (dtype, fortran_order, shape) {
            (Some(dtype), Some(fortran_order), Some(shape)) => Ok(Header { dtype, fortran_order, shape }),
            _ => Err("its header lacks descr, fortran_order or shape".into()),
        }
    }

    fn take(&mut self, mark: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, mark: char) -> std::result::Result<(), String> {
        if self.take(mark) {
            Ok(())
        } else {
            Err(format!("its header has '{}' where '{mark}' belongs", super::shown(self.rest.as_bytes())))
        }
    }

    fn string(&mut self) -> std::result::Result<&'a str, String> {
        let quote = if self.take('"') { '"' } else { '\'' };
        if quote == '\'' {
            self.expect('\'')?;
        }
        let (text, rest) = self.rest.split_once(quote).ok_or("its header has a string without an end")?;
        self.rest = rest;
        Ok(text)
    }

    /// A structured type is a list: kept as text, to be named in the message that refuses it.
    fn dtype(&mut self) -> std::result::Result<String, String> {
        self.rest = self.rest.trim_start();
        if !self.rest.starts_with('[') {
            return self.string().map(str::to_owned);
        }
        let end = self.rest.rfind(']').ok_or("its header has a list without an end")?;
        let (list, rest) = self.rest.split_at(end + 1);
        self.rest = rest;
        Ok(super::shown(list.as_bytes()))
    }

    fn boolean(&mut self) -> std::result::Result<bool, String> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err("its header's fortran_order is neither True nor False".into())
    }

    fn shape(&mut self) -> std::result::Result<Vec<u64>, String> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            self.rest = self.rest.trim_start();
            let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = self.rest.split_at(digits);
            shape.push(number.parse().map_err(|_| "its header's shape is not a tuple of whole numbers")?);
            // Python 2 wrote 3L.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if shape.len() > 64 {
                return Err("its header's shape has more than 64 dimensions".into());
            }
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }
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

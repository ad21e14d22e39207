//! NumPy's NPY: one array of numbers behind a short header.
//!
//! The crates for it evaluate the header with a general parser of Python literals, which costs more compile time
//! than the rest of this crate and a C compiler; the header has three keys.

use super::array::{self, Layout};
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
    let shape = match header.shape[..] {
        [rows] => [rows, 1],
        [rows, columns] => [rows, columns],
        _ => {
            let dims = header.shape.len();
            return Err(wrong(format!("holds an array of {dims} dimensions; 1 or 2 are wanted")));
        }
    };
    let Header { dtype, fortran_order, .. } = &header;
    let header = array::Header { shape: &shape, dtype, fortran_order: *fortran_order, start };
    Layout::checked(path, &header, length)
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

//! Delimited text.
//!
//! The delimiter is the tab, semicolon or comma of the second line that is not blank (the first is often one of
//! names), blanks if it has none of them. Lines that are blank or begin with `#` are skipped. A first line without any number is a
//! line of names.

use super::table::{Table, find_column};
use crate::{Error, Result};
use std::path::Path;

/// Byte that stands for runs of blanks as the delimiter.
const BLANKS: u8 = b' ';

/// Reads a table, or the columns `only` of it, in that order.
pub(super) fn parse(path: &Path, bytes: &[u8], only: Option<&[&str]>) -> Result<Table> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        let line = 1 + bytes[..at].iter().filter(|b| **b == b'\n').count() as u64;
        return Err(position(path, line, None, "holds a zero byte: text or NPY is wanted"));
    }
    let mut reader = Reader::new(path, bytes, delimiter(bytes), only);
    if delimiter(bytes) == BLANKS {
        let mut line = 0;
        for text in bytes.split(|b| *b == b'\n') {
            line += 1;
            let fields = text.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty());
            reader.record(line, fields.map(unquoted))?;
        }
    } else {
        let mut records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter(bytes))
            .comment(Some(b'#'))
            .from_reader(bytes);
        let mut record = csv::ByteRecord::new();
        let mut lines = Lines { bytes, at: 0, line: 1 };
        loop {
            match records.read_byte_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {
                    let start = record.position().map_or(0, csv::Position::byte);
                    reader.record(lines.of_record(start as usize), record.iter())?;
                }
                Err(error) => return Err(Error::file(path, format!("cannot be read: {error}"))),
            }
        }
    }
    reader.finish()
}

/// Counts lines: a record's position may be that of blank or comment lines before it.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that begins at or, past lines that are skipped, after `start`.
    fn of_record(&mut self, start: usize) -> u64 {
        let mut from = start.min(self.bytes.len());
        loop {
            match self.bytes.get(from) {
                Some(b'\r' | b'\n') => from += 1,
                Some(b'#') => from += self.bytes[from..].iter().take_while(|b| **b != b'\n').count(),
                _ => break,
            }
        }
        let passed = self.bytes.get(self.at..from).unwrap_or_default();
        self.line += passed.iter().filter(|b| **b == b'\n').count() as u64;
        self.at = self.at.max(from);
        self.line
    }
}

/// The delimiter of the first two lines that say anything.
fn delimiter(bytes: &[u8]) -> u8 {
    let mut lines = bytes
        .split(|b| *b == b'\n')
        .map(|line| line.trim_ascii())
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    let first = lines.next().unwrap_or_default();
    let second = lines.next();
    let has_blanks = |line: &[u8]| line.iter().any(u8::is_ascii_whitespace);
    // A tab among blanks is a blank.
    let tab_is_blank = has_blanks(first) && !first.contains(&b'\t');
    let marks = |line: &[u8]| {
        let mut quoted = false;
        let bare: Vec<u8> = line
            .iter()
            .copied()
            .filter(|b| {
                quoted ^= *b == b'"';
                !quoted
            })
            .collect();
        [b'\t', b';', b','].into_iter().skip(usize::from(tab_is_blank)).find(|mark| bare.contains(mark))
    };
    second
        .and_then(marks)
        .or_else(|| marks(first))
        .or_else(|| has_blanks(second.unwrap_or(first)).then_some(BLANKS))
        .unwrap_or(b',')
}

fn unquoted(field: &[u8]) -> &[u8] {
    field.strip_prefix(b"\"").and_then(|f| f.strip_suffix(b"\"")).unwrap_or(field)
}

fn position(path: &Path, line: u64, column: Option<u64>, message: impl Into<String>) -> Error {
    Error::File { path: path.to_owned(), line: Some(line), column, message: message.into() }
}

/// Takes records one by one.
struct Reader<'a> {
    path: &'a Path,
    delimiter: u8,
    only: Option<&'a [&'a str]>,
    names: Option<Vec<String>>,
    /// Fields of a record, once the first has been seen.
    fields: Option<usize>,
    /// Which of them are wanted, in order.
    wanted: Vec<usize>,
    values: Vec<f64>,
    lines: Vec<u64>,
}

impl<'a> Reader<'a> {
    fn new(path: &'a Path, bytes: &[u8], delimiter: u8, only: Option<&'a [&'a str]>) -> Self {
        // A number and its delimiter rarely take fewer than four bytes.
        let values = Vec::with_capacity(bytes.len() / 8);
        Self {
            path,
            delimiter,
            only,
            names: None,
            fields: None,
            wanted: Vec::new(),
            values,
            lines: Vec::new(),
        }
    }

    fn record<'r>(&mut self, line: u64, fields: impl Iterator<Item = &'r [u8]>) -> Result<()> {
        let fields: Vec<&[u8]> = fields.map(<[u8]>::trim_ascii).collect();
        let blank = fields.iter().all(|f| f.is_empty()) && fields.len() <= 1;
        if blank || (self.delimiter == BLANKS && fields[0].starts_with(b"#")) {
            return Ok(());
        }
        match self.fields {
            None => {
                self.fields = Some(fields.len());
                let names =
                    fields.iter().all(|f| number(f).is_none()) && fields.iter().any(|f| !f.is_empty());
                if names {
                    self.names =
                        Some(fields.iter().map(|f| String::from_utf8_lossy(f).into_owned()).collect());
                }
                self.wanted = match self.only {
                    None => (0..fields.len()).collect(),
                    Some(only) => only
                        .iter()
                        .map(|selector| find_column(self.path, self.names.as_deref(), fields.len(), selector))
                        .collect::<Result<_>>()?,
                };
                if names {
                    return Ok(());
                }
            }
            Some(expected) if expected != fields.len() => {
                let (first, found) =
                    (if self.names.is_some() { "the names" } else { "the first row" }, fields.len());
                let message = format!("has {found} fields; {expected} are wanted, as in {first}");
                return Err(position(self.path, line, None, message));
            }
            Some(_) => {}
        }
        for column in &self.wanted {
            let field = fields[*column];
            let place = Some(*column as u64 + 1);
            match number(field) {
                Some(x) if x.is_finite() => self.values.push(x),
                Some(_) => {
                    let message =
                        format!("'{}' is not finite; a finite number is wanted", super::shown(field));
                    return Err(position(self.path, line, place, message));
                }
                None => return Err(position(self.path, line, place, self.not_a_number(field, &fields))),
            }
        }
        self.lines.push(line);
        Ok(())
    }

    fn not_a_number(&self, field: &[u8], fields: &[&[u8]]) -> String {
        if field.is_empty() {
            let hint = if fields.last().is_some_and(|f| f.is_empty()) && self.lines.is_empty() {
                " (does the line end in a delimiter?)"
            } else {
                ""
            };
            return format!("is empty; a number is wanted{hint}");
        }
        let text = super::shown(field);
        let hint = if self.lines.is_empty() && self.names.is_none() && fields.len() > 1 {
            " (a line of names must hold no number)"
        } else if number(&field.iter().map(|b| if *b == b',' { b'.' } else { *b }).collect::<Vec<u8>>())
            .is_some()
        {
            " (with a point before decimals, not a comma)"
        } else {
            ""
        };
        format!("'{text}' is not a number; a number is wanted{hint}")
    }

    fn finish(self) -> Result<Table> {
        if self.lines.is_empty() {
            let message = match &self.names {
                None => "is empty; rows of numbers are wanted",
                Some(_) => "has a line of names but no row of numbers",
            };
            return Err(Error::file(self.path, message));
        }
        let columns = self.names.map(|names| self.wanted.iter().map(|k| names[*k].clone()).collect());
        Ok(Table {
            path: self.path.to_owned(),
            columns,
            width: self.wanted.len(),
            values: self.values,
            lines: self.lines,
        })
    }
}

fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

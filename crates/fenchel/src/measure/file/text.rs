//! Delimited text.
//!
//! The delimiter is the tab, semicolon or comma of the second line that is not blank (the first is often one of
//! names), blanks if it has none of them. Lines that are blank or begin with `#` are skipped. A first line without any number is a
//! line of names.

use super::lines::Watched;
use super::table::Table;
use crate::{Error, Result};
use std::io::{self, BufRead, Read};
use std::path::Path;

/// Byte that stands for runs of blanks as the delimiter.
const BLANKS: u8 = b' ';

/// Bytes that are handed to the parser at a time.
const BUFFER: usize = 1 << 16;

/// Chooses columns, given the names (if there are any) and number of all.
pub(super) type Choice<'a> = &'a dyn Fn(Option<&[String]>, usize) -> Result<Vec<usize>>;

/// Takes the rows: offset and line where each begins, and its numbers.
pub(super) type Each<'a> = &'a mut dyn FnMut(u64, u64, &[f64]) -> Result<()>;

/// Reads a table of the columns chosen.
pub(super) fn parse(path: &Path, bytes: &[u8], choice: Choice<'_>) -> Result<Table> {
    let start = skipped(bytes);
    let bytes = &bytes[start..];
    let delimiter = delimiter(bytes, u64::MAX).unwrap_or(b',');
    // A number and its delimiter rarely take fewer than four bytes.
    let (mut values, mut lines) = (Vec::with_capacity(bytes.len() / 8), Vec::new());
    let mut reader = Reader::new(path, delimiter, choice);
    reader.read(Watched::new(bytes, 0, u64::MAX), &mut |_, line, row| {
        values.extend_from_slice(row);
        lines.push(line);
        Ok(())
    })?;
    let Form { names, wanted, .. } = reader.form()?;
    Ok(Table { path: path.to_owned(), columns: names, width: wanted.len(), values, lines })
}

/// Bytes before the text: those of the mark of UTF-8.
pub(super) fn skipped(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

/// The delimiter of the first two lines that say anything.
///
/// # Errors
/// The text cannot be read, or has a line longer than `longest`.
pub(super) fn delimiter(mut text: impl BufRead, longest: u64) -> io::Result<u8> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    while lines.len() < 2 {
        let mut line = Vec::new();
        let n = (&mut text).take(longest).read_until(b'\n', &mut line)?;
        if n as u64 == longest {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its first lines are too long for a table",
            ));
        }
        let said = line.trim_ascii();
        if n == 0 {
            break;
        } else if !said.is_empty() && !said.starts_with(b"#") {
            lines.push(said.to_vec());
        }
    }
    let first = lines.first().map(Vec::as_slice).unwrap_or_default();
    let second = lines.get(1).map(Vec::as_slice);
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
    Ok(second
        .and_then(marks)
        .or_else(|| marks(first))
        .or_else(|| has_blanks(second.unwrap_or(first)).then_some(BLANKS))
        .unwrap_or(b','))
}

fn unquoted(field: &[u8]) -> &[u8] {
    field.strip_prefix(b"\"").and_then(|f| f.strip_suffix(b"\"")).unwrap_or(field)
}

fn position(path: &Path, line: u64, column: Option<u64>, message: impl Into<String>) -> Error {
    Error::File { path: path.to_owned(), line: Some(line), column, message: message.into() }
}

/// What the first record says about all others.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub(super) delimiter: u8,
    /// The names of the columns wanted, if there is a line of names.
    pub(super) names: Option<Vec<String>>,
    /// Fields of a record.
    pub(super) fields: usize,
    /// Which of them are wanted, in order.
    pub(super) wanted: Vec<usize>,
}

/// Takes records one by one.
pub(super) struct Reader<'a> {
    path: &'a Path,
    delimiter: u8,
    choice: Choice<'a>,
    /// Names of all columns.
    names: Option<Vec<String>>,
    /// Fields of a record, once the first has been seen.
    fields: Option<usize>,
    /// Which of them are wanted, in order.
    wanted: Vec<usize>,
    rows: u64,
    /// The numbers of a row.
    row: Vec<f64>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &'a Path, delimiter: u8, choice: Choice<'a>) -> Self {
        Self {
            path,
            delimiter,
            choice,
            names: None,
            fields: None,
            wanted: Vec::new(),
            rows: 0,
            row: Vec::new(),
        }
    }

    /// A reader of records from the middle of a text.
    pub(super) fn resumed(path: &'a Path, form: &Form) -> Self {
        let (fields, wanted) = (Some(form.fields), form.wanted.clone());
        Self { fields, wanted, ..Self::new(path, form.delimiter, &|_, _| Ok(Vec::new())) }
    }

    /// Reads all there is.
    pub(super) fn read<R: Read>(&mut self, mut text: Watched<R>, each: Each<'_>) -> Result<()> {
        let outcome = if self.delimiter == BLANKS {
            self.read_blanks(&mut text, each)
        } else {
            self.read_delimited(&mut text, each)
        };
        // Whatever else is wrong with what is not text does not matter.
        if outcome.is_err() {
            let too_long = text.too_long();
            if let Some(line) = text.zero_to_the_end() {
                return Err(position(self.path, line, None, "holds a zero byte: text or NPY is wanted"));
            }
            if let Some(line) = too_long {
                let message = "a row without end begins before; is a quotation mark left open?";
                return Err(position(self.path, line, None, message));
            }
        }
        outcome
    }

    fn read_blanks<R: Read>(&mut self, text: &mut Watched<R>, each: Each<'_>) -> Result<()> {
        let offset = text.offset();
        let mut lines = io::BufReader::with_capacity(BUFFER, text);
        let (mut offset, mut line, mut bytes) = (offset, 0, Vec::new());
        loop {
            bytes.clear();
            let n = lines.read_until(b'\n', &mut bytes).map_err(|e| self.unreadable(&e))?;
            if n == 0 {
                return Ok(());
            }
            line += 1;
            let fields = bytes.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty());
            if self.record(line, fields.map(unquoted))? {
                each(offset, line, &self.row)?;
            }
            offset += n as u64;
            lines.get_mut().record_from(offset);
        }
    }

    fn read_delimited<R: Read>(&mut self, text: &mut Watched<R>, each: Each<'_>) -> Result<()> {
        let offset = text.offset();
        let mut records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .comment(Some(b'#'))
            .buffer_capacity(BUFFER)
            .from_reader(text);
        let mut record = csv::ByteRecord::new();
        while records.read_byte_record(&mut record).map_err(|e| self.unreadable(&e))? {
            // A record's position may be that of blank or comment lines before it.
            let from = offset + record.position().map_or(0, csv::Position::byte);
            let (start, line) = records.get_mut().record_from(from);
            if self.record(line, record.iter())? {
                each(start, line, &self.row)?;
            }
        }
        Ok(())
    }

    fn unreadable(&self, error: &dyn std::fmt::Display) -> Error {
        Error::file(self.path, format!("cannot be read: {error}"))
    }

    /// Whether this record is a row of numbers.
    fn record<'r>(&mut self, line: u64, fields: impl Iterator<Item = &'r [u8]>) -> Result<bool> {
        let fields: Vec<&[u8]> = fields.map(<[u8]>::trim_ascii).collect();
        let blank = fields.iter().all(|f| f.is_empty()) && fields.len() <= 1;
        if blank || (self.delimiter == BLANKS && fields[0].starts_with(b"#")) {
            return Ok(false);
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
                self.wanted = (self.choice)(self.names.as_deref(), fields.len())?;
                if names {
                    return Ok(false);
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
        self.row.clear();
        for column in &self.wanted {
            let field = fields[*column];
            let place = Some(*column as u64 + 1);
            match number(field) {
                Some(x) if x.is_finite() => self.row.push(x),
                Some(_) => {
                    let message =
                        format!("'{}' is not finite; a finite number is wanted", super::shown(field));
                    return Err(position(self.path, line, place, message));
                }
                None => return Err(position(self.path, line, place, self.not_a_number(field, &fields))),
            }
        }
        self.rows += 1;
        Ok(true)
    }

    fn not_a_number(&self, field: &[u8], fields: &[&[u8]]) -> String {
        if field.is_empty() {
            let hint = if fields.last().is_some_and(|f| f.is_empty()) && self.rows == 0 {
                " (does the line end in a delimiter?)"
            } else {
                ""
            };
            return format!("is empty; a number is wanted{hint}");
        }
        let text = super::shown(field);
        let hint = if self.rows == 0 && self.names.is_none() && fields.len() > 1 {
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

    /// What was found about all records, once they have been read.
    ///
    /// # Errors
    /// There was no row of numbers.
    pub(super) fn form(self) -> Result<Form> {
        if self.rows == 0 {
            let message = match &self.names {
                None => "is empty; rows of numbers are wanted",
                Some(_) => "has a line of names but no row of numbers",
            };
            return Err(Error::file(self.path, message));
        }
        let names = self.names.map(|names| self.wanted.iter().map(|k| names[*k].clone()).collect());
        Ok(Form { delimiter: self.delimiter, names, fields: self.fields.unwrap_or(0), wanted: self.wanted })
    }
}

fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

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
    let width = wanted.len();
    Ok(Table { path: path.to_owned(), columns: names, width, shape: vec![width], values, lines })
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

pub(super) fn position(path: &Path, line: u64, column: Option<u64>, message: impl Into<String>) -> Error {
    Error::File { path: path.to_owned(), line: Some(line), column, message: message.into() }
}

/// A row, as it is written.
#[derive(Debug)]
pub(super) struct Record<'r> {
    /// Where it begins.
    pub(super) offset: u64,
    pub(super) line: u64,
    /// Without blanks around them.
    pub(super) fields: &'r [&'r [u8]],
    /// Rows before it.
    pub(super) number: u64,
    /// Whether there is a line of names.
    pub(super) named: bool,
}

/// What is made of a text.
pub(super) trait Take {
    /// Whether the first record is a line of names.
    fn is_names(&self, fields: &[&[u8]]) -> bool;
    /// Takes the names, if there are any, and the number of fields, before any row.
    fn begin(&mut self, names: Option<&[String]>, fields: usize) -> Result<()>;
    fn row(&mut self, row: &Record<'_>) -> Result<()>;
}

/// Takes a text apart into records of as many fields each.
#[derive(Debug)]
pub(super) struct Records<'a> {
    path: &'a Path,
    delimiter: u8,
    names: Option<Vec<String>>,
    /// Fields of a record, once the first has been seen.
    fields: Option<usize>,
    rows: u64,
}

impl<'a> Records<'a> {
    pub(super) fn new(path: &'a Path, delimiter: u8) -> Self {
        Self { path, delimiter, names: None, fields: None, rows: 0 }
    }

    /// Reads all there is.
    pub(super) fn read<R: Read>(&mut self, mut text: Watched<R>, take: &mut impl Take) -> Result<()> {
        let outcome = if self.delimiter == BLANKS {
            self.read_blanks(&mut text, take)
        } else {
            self.read_delimited(&mut text, take)
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

    fn read_blanks<R: Read>(&mut self, text: &mut Watched<R>, take: &mut impl Take) -> Result<()> {
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
            self.record((offset, line), fields.map(unquoted), take)?;
            offset += n as u64;
            lines.get_mut().record_from(offset);
        }
    }

    fn read_delimited<R: Read>(&mut self, text: &mut Watched<R>, take: &mut impl Take) -> Result<()> {
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
            let start = records.get_mut().record_from(from);
            self.record(start, record.iter(), take)?;
        }
        Ok(())
    }

    fn unreadable(&self, error: &dyn std::fmt::Display) -> Error {
        Error::file(self.path, format!("cannot be read: {error}"))
    }

    /// Hands on what this record is: names, a row, or nothing.
    fn record<'r>(
        &mut self,
        (offset, line): (u64, u64),
        fields: impl Iterator<Item = &'r [u8]>,
        take: &mut impl Take,
    ) -> Result<()> {
        let fields: Vec<&[u8]> = fields.map(<[u8]>::trim_ascii).collect();
        let blank = fields.iter().all(|f| f.is_empty()) && fields.len() <= 1;
        if blank || (self.delimiter == BLANKS && fields[0].starts_with(b"#")) {
            return Ok(());
        }
        match self.fields {
            None => {
                self.fields = Some(fields.len());
                if take.is_names(&fields) {
                    let names = fields.iter().map(|f| String::from_utf8_lossy(f).into_owned());
                    self.names = Some(names.collect());
                }
                take.begin(self.names.as_deref(), fields.len())?;
                if self.names.is_some() {
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
        let named = self.names.is_some();
        take.row(&Record { offset, line, fields: &fields, number: self.rows, named })?;
        self.rows += 1;
        Ok(())
    }

    /// Whether there was a row, once all has been read; `of` is what rows are made of, for the message.
    ///
    /// # Errors
    /// There was none.
    pub(super) fn check_rows(&self, of: &str) -> Result<()> {
        if self.rows > 0 {
            return Ok(());
        }
        let message = match &self.names {
            None => format!("is empty; rows{of} are wanted"),
            Some(_) => format!("has a line of names but no row{of}"),
        };
        Err(Error::file(self.path, message))
    }
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

/// Takes rows of numbers one by one.
pub(super) struct Reader<'a> {
    records: Records<'a>,
    choice: Choice<'a>,
    /// Which fields are wanted, in order.
    wanted: Vec<usize>,
    /// The numbers of a row.
    row: Vec<f64>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &'a Path, delimiter: u8, choice: Choice<'a>) -> Self {
        Self { records: Records::new(path, delimiter), choice, wanted: Vec::new(), row: Vec::new() }
    }

    /// A reader of records from the middle of a text.
    pub(super) fn resumed(path: &'a Path, form: &Form) -> Self {
        let mut reader = Self::new(path, form.delimiter, &|_, _| Ok(Vec::new()));
        reader.records.fields = Some(form.fields);
        reader.wanted.clone_from(&form.wanted);
        reader
    }

    /// Reads all there is.
    pub(super) fn read<R: Read>(&mut self, text: Watched<R>, each: Each<'_>) -> Result<()> {
        let Reader { records, choice, wanted, row } = self;
        let mut numbers = Numbers { path: records.path, choice: *choice, wanted, row, each };
        records.read(text, &mut numbers)
    }

    /// What was found about all records, once they have been read.
    ///
    /// # Errors
    /// There was no row of numbers.
    pub(super) fn form(self) -> Result<Form> {
        self.records.check_rows(" of numbers")?;
        let Records { delimiter, names, fields, .. } = self.records;
        let names = names.map(|names| self.wanted.iter().map(|k| names[*k].clone()).collect());
        Ok(Form { delimiter, names, fields: fields.unwrap_or(0), wanted: self.wanted })
    }
}

/// Rows of finite numbers.
struct Numbers<'n> {
    path: &'n Path,
    choice: Choice<'n>,
    wanted: &'n mut Vec<usize>,
    row: &'n mut Vec<f64>,
    each: Each<'n>,
}

impl Take for Numbers<'_> {
    fn is_names(&self, fields: &[&[u8]]) -> bool {
        fields.iter().all(|f| number(f).is_none()) && fields.iter().any(|f| !f.is_empty())
    }

    fn begin(&mut self, names: Option<&[String]>, fields: usize) -> Result<()> {
        *self.wanted = (self.choice)(names, fields)?;
        Ok(())
    }

    fn row(&mut self, row: &Record<'_>) -> Result<()> {
        self.row.clear();
        for column in &*self.wanted {
            let field = row.fields[*column];
            let wrong = |message: String| position(self.path, row.line, Some(*column as u64 + 1), message);
            match number(field) {
                Some(x) if x.is_finite() => self.row.push(x),
                Some(_) => return Err(wrong(not_finite(&super::shown(field)))),
                None => return Err(wrong(not_a_number(field, row))),
            }
        }
        (self.each)(row.offset, row.line, self.row)
    }
}

/// What is said of a number, as it is written, that is not finite.
pub(super) fn not_finite(shown: &str) -> String {
    format!("'{shown}' is not finite; a finite number is wanted")
}

fn not_a_number(field: &[u8], row: &Record<'_>) -> String {
    let is_first = row.number == 0;
    if field.is_empty() {
        let hint = if row.fields.last().is_some_and(|f| f.is_empty()) && is_first {
            " (does the line end in a delimiter?)"
        } else {
            ""
        };
        return format!("is empty; a number is wanted{hint}");
    }
    let text = super::shown(field);
    let hint = if is_first && !row.named && row.fields.len() > 1 {
        " (a line of names must hold no number)"
    } else if number(&field.iter().map(|b| if *b == b',' { b'.' } else { *b }).collect::<Vec<u8>>()).is_some()
    {
        " (with a point before decimals, not a comma)"
    } else {
        ""
    };
    format!("'{text}' is not a number; a number is wanted{hint}")
}

pub(super) fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

//! Columns of numbers or text, with cells that may be missing.

use super::lines::Watched;
use super::table::find_column;
use super::text::{Choice, Record, Records, Take, delimiter, not_finite, number, position, skipped};
use super::{array, foreign_format, read_bytes};
use crate::{Error, Result};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Columns of numbers or text from a file; cells may be missing.
///
/// The formats are those of [`Table`](super::Table), and mistakes are told of in the same words. What is missing depends on the
/// format:
///
/// | format | missing | columns of text |
/// |---|---|---|
/// | delimited text | empty cells, `NA`, `N/A`, `n/a`, `NaN` (of any sign and case), `null`, `NULL`, `None`, `NONE`, `<NA>`, `#N/A`, `?` | those with a cell that is neither missing nor a number |
/// | NPY, IDX | NaN | none |
/// | Parquet | null, NaN | those marked as text |
///
/// Between semicolons decimals may have a comma, `3,14`, if all of a column have. In delimited text a first line without any number, unless all of it is missing, is a line of names. Blanks around a cell are no
/// part of it; otherwise text stays as it is, `007` in a column of text included. A column in which everything is missing holds
/// numbers. Truth values are 0 and 1.
///
/// ```
/// use fenchel::measure::file::{Cells, Frame};
/// let frame = Frame::parse("demo.csv", b"age,city\n31,Oslo\nNA,Bergen\n")?;
/// let Cells::Numbers(age) = &frame.columns()[frame.column_index("age")?].cells else { unreachable!() };
/// assert!(age[0] == 31.0 && age[1].is_nan());
/// assert_eq!(frame.texts(1), [Some("Oslo".to_owned()), Some("Bergen".to_owned())]);
/// assert_eq!(
///     frame.error(1, 0, "is missing; an age is wanted").to_string(),
///     "demo.csv, line 3, column 1: is missing; an age is wanted"
/// );
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    path: PathBuf,
    columns: Vec<Column>,
    /// The line of each row; empty where the file has no lines.
    lines: Vec<u64>,
    /// Whether the file has names.
    named: bool,
    rows: usize,
}

/// A column with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// As in the file; x1, x2, … where it has none.
    pub name: String,
    /// One cell a row.
    pub cells: Cells,
}

/// The cells of a column. As NaN equals nothing, neither do columns of numbers with missing cells.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Finite numbers, NaN where missing.
    Numbers(Vec<f64>),
    /// Text, none where missing.
    Text(Vec<Option<String>>),
    /// Whatever it is: nobody asked for the column.
    Unread,
}

impl Cells {
    /// Number of cells that were read.
    pub fn len(&self) -> usize {
        match self {
            Cells::Numbers(cells) => cells.len(),
            Cells::Text(cells) => cells.len(),
            Cells::Unread => 0,
        }
    }

    /// Whether there are none: in a [`Frame`] only where the column was not read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Frame {
    /// Reads a file: delimited text, NPY, IDX, or Parquet with the feature `parquet`.
    ///
    /// # Errors
    /// A file that cannot be read, holds another format, rows of different lengths, infinite numbers, text that is not
    /// UTF-8, columns that hold neither numbers nor text, or no row at all; with line and column where there are any.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(path, &read_bytes(path)?)
    }

    /// Reads only the columns that `choose` lists, given the names of all (x1, x2, … where the file has none). The others are
    /// there by name, as [`Cells::Unread`], and may hold anything.
    ///
    /// ```
    /// use fenchel::measure::file::{Cells, Frame};
    /// let path = std::env::temp_dir().join("fenchel-frame-example.csv");
    /// std::fs::write(&path, "age,city\n31,Oslo\n").unwrap();
    /// let frame = Frame::read_columns(&path, &|names| vec![names.iter().position(|name| name == "age").unwrap()])?;
    /// assert_eq!(frame.columns()[0].cells, Cells::Numbers(vec![31.0]));
    /// assert_eq!(frame.columns()[1].cells, Cells::Unread);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Frame::read), but for what is in the other columns.
    pub fn read_columns(path: impl AsRef<Path>, choose: &dyn Fn(&[String]) -> Vec<usize>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse_chosen(path, &read_bytes(path)?, &|names, width| {
            let names: Vec<String> = header(names, width).collect();
            Ok(choose(&names).into_iter().filter(|index| *index < width).collect())
        })
    }

    /// What [`read`](Frame::read) does with the bytes of a file; `path` is for messages.
    ///
    /// # Errors
    /// As [`read`](Frame::read).
    pub fn parse(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Self> {
        Self::parse_chosen(path.as_ref(), bytes, &|_, width| Ok((0..width).collect()))
    }

    fn parse_chosen(path: &Path, bytes: &[u8], choice: Choice<'_>) -> Result<Self> {
        if let Some(says) = foreign_format(bytes) {
            return Err(Error::file(path, says));
        }
        if let Some((layout, bytes)) = array::open(path, bytes)? {
            let columns = layout.columns(&bytes);
            let rows = columns.first().map(Vec::len);
            let mut cells: Vec<Cells> = columns.iter().map(|_| Cells::Unread).collect();
            let mut columns: Vec<Option<Vec<f64>>> = columns.into_iter().map(Some).collect();
            for k in choice(None, columns.len())? {
                if let Some(numbers) = columns[k].take() {
                    cells[k] = Cells::Numbers(numbers);
                }
            }
            return Self::without_lines(path, None, cells, rows);
        }
        #[cfg(feature = "parquet")]
        if bytes.starts_with(super::parquet::MAGIC) {
            let (names, columns, rows) = super::parquet::cells(path, bytes, choice)?;
            return Self::without_lines(path, Some(&names), columns, Some(rows));
        }
        Self::parse_text(path, bytes, choice)
    }

    /// Columns of a file that has no lines.
    fn without_lines(
        path: &Path,
        names: Option<&[String]>,
        columns: Vec<Cells>,
        rows: Option<usize>,
    ) -> Result<Self> {
        let Some(rows) = rows.filter(|_| !columns.is_empty()) else {
            return Err(Error::file(path, "holds no columns; at least one is wanted"));
        };
        let infinite = columns.iter().enumerate().filter_map(|(column, cells)| {
            let Cells::Numbers(cells) = cells else { return None };
            cells.iter().position(|x| x.is_infinite()).map(|row| (row, column, cells[row]))
        });
        if let Some((row, column, value)) = infinite.min_by_key(|(row, column, _)| (*row, *column)) {
            return Err(array::not_finite(path, row as u64, column, value));
        }
        let named = names.is_some();
        let columns = header(names, columns.len())
            .zip(columns)
            .map(|(name, cells)| Column { name, cells: settled(cells) })
            .collect();
        Ok(Frame { path: path.to_owned(), columns, lines: Vec::new(), named, rows })
    }

    fn parse_text(path: &Path, bytes: &[u8], choice: Choice<'_>) -> Result<Self> {
        let bytes = uncommented(&bytes[skipped(bytes)..]);
        let bytes = &*bytes;
        let delimiter = delimiter(bytes, u64::MAX).unwrap_or(b',');
        let all = || Watched::new(bytes, 0, u64::MAX);
        let mut first = FirstPass::new(path, choice, delimiter == b';');
        let mut records = Records::new(path, delimiter);
        records.read(all(), &mut first)?;
        records.check_rows("")?;
        first.check_finite()?;
        first.check_commas()?;
        let late = first.columns.iter().enumerate().filter(|(_, column)| matches!(column, Reading::Late));
        let mut second =
            SecondPass { path, commas: first.commas, columns: late.map(|(k, _)| (k, Vec::new())).collect() };
        if !second.columns.is_empty() {
            Records::new(path, delimiter).read(all(), &mut second)?;
        }
        let mut late = second.columns.into_iter().map(|(_, cells)| cells);
        let cells = first.columns.into_iter().map(|column| match column {
            Reading::Numbers { values, .. } => Cells::Numbers(values),
            Reading::Text(cells) => Cells::Text(cells),
            Reading::Late => Cells::Text(late.next().unwrap_or_default()),
            Reading::Unread => Cells::Unread,
        });
        let columns = first.names.into_iter().zip(cells).map(|(name, cells)| Column { name, cells });
        Ok(Frame {
            path: path.to_owned(),
            columns: columns.collect(),
            rows: first.lines.len(),
            lines: first.lines,
            named: first.named,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Never: there is at least one row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// All columns, at least one.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The index of a column given by name or by number, counted from 1.
    ///
    /// # Errors
    /// No such column; the nearest name is suggested.
    pub fn column_index(&self, column: &str) -> Result<usize> {
        // Where the file has no names, those given here serve as well.
        if let Some(index) = self.columns.iter().position(|c| c.name == column.trim()) {
            return Ok(index);
        }
        let names: Vec<String> = self.columns.iter().map(|c| c.name.clone()).collect();
        find_column(&self.path, self.named.then_some(names.as_slice()), names.len(), column)
    }

    /// The line of a row, both counted from where they begin: rows from 0, lines from 1. None where the file has no lines.
    pub fn place(&self, row: usize) -> Option<u64> {
        self.lines.get(row).copied()
    }

    /// An [`Error::File`] about a cell, row and column counted from 0. The message goes on from the place: `is missing; …`.
    pub fn error(&self, row: usize, column: usize, message: impl Into<String>) -> Error {
        let column = column as u64 + 1;
        match self.place(row) {
            Some(line) => position(&self.path, line, Some(column), message),
            None => {
                let place = format!("row {}, column {column} (counted from 1)", row as u64 + 1);
                Error::file(&self.path, format!("{place}: {}", message.into()))
            }
        }
    }

    /// The cells of a column as categories: numbers as Rust writes them, `1` for 1.0. Empty where there is no such column, or it was not read.
    pub fn texts(&self, column: usize) -> Vec<Option<String>> {
        match self.columns.get(column).map(|column| &column.cells) {
            Some(Cells::Numbers(cells)) => {
                cells.iter().map(|x| (!x.is_nan()).then(|| x.to_string())).collect()
            }
            Some(Cells::Text(cells)) => cells.clone(),
            Some(Cells::Unread) | None => Vec::new(),
        }
    }
}

/// The names of columns, made up where there is none.
fn header(names: Option<&[String]>, columns: usize) -> impl Iterator<Item = String> {
    (0..columns).map(move |k| match names.map(|names| &names[k]).filter(|name| !name.is_empty()) {
        Some(name) => name.clone(),
        None => format!("x{}", k + 1),
    })
}

/// A column in which everything is missing holds numbers.
fn settled(cells: Cells) -> Cells {
    match cells {
        Cells::Text(cells) if cells.iter().all(Option::is_none) => {
            Cells::Numbers(vec![f64::NAN; cells.len()])
        }
        other => other,
    }
}

/// `#N/A` where a line begins would be a comment; there it becomes `N/A`, which means the same.
fn uncommented(bytes: &[u8]) -> Cow<'_, [u8]> {
    const MARK: &[u8] = b"#N/A";
    let is_cell = |at: usize| {
        let before = bytes[..at].iter().rev().find(|b| !matches!(b, b' ' | b'\t'));
        let after = bytes.get(at + MARK.len());
        before.is_none_or(|b| matches!(b, b'\r' | b'\n'))
            && after.is_none_or(|b| b",;".contains(b) || b.is_ascii_whitespace())
    };
    let mut changed = Cow::Borrowed(bytes);
    for (at, found) in bytes.windows(MARK.len()).enumerate() {
        if found == MARK && is_cell(at) {
            changed.to_mut()[at] = b' ';
        }
    }
    changed
}

/// Whether a cell of text stands for nothing.
fn is_missing(field: &[u8]) -> bool {
    let unsigned = field.strip_prefix(b"-").or_else(|| field.strip_prefix(b"+")).unwrap_or(field);
    matches!(
        field,
        b"" | b"NA" | b"N/A" | b"n/a" | b"null" | b"NULL" | b"None" | b"NONE" | b"<NA>" | b"#N/A" | b"?"
    ) || unsigned.eq_ignore_ascii_case(b"nan")
}

/// A number; with `commas` also one with a comma before its decimals, as `;` between cells suggests.
fn decimal(field: &[u8], commas: bool) -> Option<f64> {
    number(field).or_else(|| {
        let at = field.iter().position(|b| *b == b',').filter(|_| commas && !field.contains(&b'.'))?;
        let mut pointed = field.to_vec();
        pointed[at] = b'.';
        number(&pointed)
    })
}

fn is_names(fields: &[&[u8]], commas: bool) -> bool {
    fields.iter().all(|f| decimal(f, commas).is_none()) && !fields.iter().all(|f| is_missing(f))
}

/// A cell as text, none if it is missing.
fn text(path: &Path, row: &Record<'_>, column: usize) -> Result<Option<String>> {
    let field = row.fields[column];
    if is_missing(field) {
        return Ok(None);
    }
    match std::str::from_utf8(field) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => {
            let message = format!("'{}' is not UTF-8; save the file as UTF-8", super::shown(field));
            Err(position(path, row.line, Some(column as u64 + 1), message))
        }
    }
}

/// A column while it is read.
#[derive(Debug)]
enum Reading {
    /// Numbers so far, with the first that is infinite: its row, and as it is written.
    Numbers {
        values: Vec<f64>,
        infinite: Option<(usize, String)>,
        /// The first cells with a decimal comma and with a point.
        comma: Option<(usize, String)>,
        point: Option<(usize, String)>,
    },
    Text(Vec<Option<String>>),
    /// Text, but it began like numbers, of which only these were kept: to be read again.
    Late,
    /// Not asked for.
    Unread,
}

/// Reads numbers, and text where it begins at once: numbers are not kept as text on the chance that a word follows.
struct FirstPass<'a> {
    path: &'a Path,
    choice: Choice<'a>,
    /// Whether decimals may have a comma.
    commas: bool,
    names: Vec<String>,
    named: bool,
    columns: Vec<Reading>,
    lines: Vec<u64>,
}

impl<'a> FirstPass<'a> {
    fn new(path: &'a Path, choice: Choice<'a>, commas: bool) -> Self {
        FirstPass {
            path,
            choice,
            commas,
            names: Vec::new(),
            named: false,
            columns: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Decimals of a column are written in one way: 1.234 may be a thousand where others have a comma.
    fn check_commas(&self) -> Result<()> {
        for (column, reading) in self.columns.iter().enumerate() {
            if let Reading::Numbers { comma: Some((row, shown)), point: Some((other, shown_there)), .. } =
                reading
            {
                let message = format!(
                    "'{shown}' has a decimal comma, '{shown_there}' in line {} a point; write all of a column in one way",
                    self.lines[*other]
                );
                return Err(position(self.path, self.lines[*row], Some(column as u64 + 1), message));
            }
        }
        Ok(())
    }

    /// Columns of numbers hold none that is infinite; told apart only now, as `inf` may be a word.
    fn check_finite(&self) -> Result<()> {
        let found = self.columns.iter().enumerate().filter_map(|(column, reading)| match reading {
            Reading::Numbers { infinite: Some((row, shown)), .. } => Some((*row, column, shown)),
            _ => None,
        });
        match found.min_by_key(|(row, column, _)| (*row, *column)) {
            None => Ok(()),
            Some((row, column, shown)) => {
                let place = Some(column as u64 + 1);
                Err(position(self.path, self.lines[row], place, not_finite(shown)))
            }
        }
    }
}

impl Take for FirstPass<'_> {
    fn is_names(&self, fields: &[&[u8]]) -> bool {
        is_names(fields, self.commas)
    }

    fn begin(&mut self, names: Option<&[String]>, fields: usize) -> Result<()> {
        self.names = header(names, fields).collect();
        self.named = names.is_some();
        self.columns = (0..fields).map(|_| Reading::Unread).collect();
        for k in (self.choice)(names, fields)? {
            self.columns[k] =
                Reading::Numbers { values: Vec::new(), infinite: None, comma: None, point: None };
        }
        Ok(())
    }

    fn row(&mut self, row: &Record<'_>) -> Result<()> {
        for (k, reading) in self.columns.iter_mut().enumerate() {
            let field = row.fields[k];
            match reading {
                Reading::Numbers { values, infinite, comma, point } => match decimal(field, self.commas) {
                    Some(x) => {
                        for (first, mark) in [(comma, b','), (point, b'.')] {
                            if first.is_none() && field.contains(&mark) {
                                *first = Some((values.len(), super::shown(field)));
                            }
                        }
                        if x.is_infinite() {
                            infinite.get_or_insert_with(|| (values.len(), super::shown(field)));
                        }
                        values.push(x);
                    }
                    None if is_missing(field) => values.push(f64::NAN),
                    None if values.iter().all(|x| x.is_nan()) => {
                        let mut cells = vec![None; values.len()];
                        cells.push(text(self.path, row, k)?);
                        *reading = Reading::Text(cells);
                    }
                    None => *reading = Reading::Late,
                },
                Reading::Text(cells) => cells.push(text(self.path, row, k)?),
                Reading::Late | Reading::Unread => {}
            }
        }
        self.lines.push(row.line);
        Ok(())
    }
}

/// Reads columns that turned out to be text only after numbers.
#[derive(Debug)]
struct SecondPass<'a> {
    path: &'a Path,
    commas: bool,
    columns: Vec<(usize, Vec<Option<String>>)>,
}

impl Take for SecondPass<'_> {
    fn is_names(&self, fields: &[&[u8]]) -> bool {
        is_names(fields, self.commas)
    }

    fn begin(&mut self, _: Option<&[String]>, _: usize) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, row: &Record<'_>) -> Result<()> {
        for (k, cells) in &mut self.columns {
            cells.push(text(self.path, row, *k)?);
        }
        Ok(())
    }
}

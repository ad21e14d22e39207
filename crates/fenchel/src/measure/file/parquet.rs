//! Parquet: columns of typed numbers in groups of rows, decoded a page at a time.

use super::array::not_finite;
use super::frame::Cells;
use super::table::Table;
use super::text::Choice;
use crate::{Error, Result};
use bytes::Bytes;
use parquet::basic::{Compression, ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, get_typed_column_reader};
use parquet::data_type::{BoolType, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use rayon::prelude::*;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// The first bytes of every Parquet file.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// Rows between two wanted ones that are rather decoded than skipped, and rows decoded at a time.
const GAP: u64 = 32;
const RUN: u64 = 4096;

/// Rows of a column that are asked for at a time, where all are wanted.
const STEP: u64 = 1 << 16;

/// How the numbers of a column are written, decimals with the power of ten by which they are divided; or that it is text.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Bool,
    Float,
    Double,
    Signed32,
    Unsigned32,
    Signed64,
    Unsigned64,
    Decimal32(f64),
    Decimal64(f64),
    Text,
}

/// What a column that is wanted may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Numbers,
    NumbersOrText,
}

/// What is said of columns of bytes where numbers are wanted.
const TEXT: &str = "text";

/// Whether a row was taken.
type Taken = std::result::Result<(), Trouble>;

/// Decodes a column of a group: its reader, its level of what is there, which rows of the group are wanted, and how many wanted rows
/// come in groups before.
type Decode<'a> = &'a mut dyn FnMut(ColumnReader, i16, &[u64], usize) -> Taken;

/// Why rows could not be read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Row and column, counted from 0.
    Null(u64, usize),
    /// Something is not as the format has it.
    Unsound(String),
}

impl From<ParquetError> for Trouble {
    fn from(error: ParquetError) -> Self {
        Trouble::Unsound(match error {
            ParquetError::General(says) | ParquetError::EOF(says) | ParquetError::NYI(says) => says,
            other => other.to_string(),
        })
    }
}

impl Trouble {
    /// In words, for a file that has not been read before.
    pub(super) fn about(self, path: &Path) -> Error {
        Error::file(
            path,
            match self {
                Trouble::Null(row, column) => {
                    format!("{} is null; a number is wanted", in_words(row, column))
                }
                Trouble::Unsound(says) => {
                    format!("is not a sound Parquet file: {}", super::shown_line(&says))
                }
            },
        )
    }
}

/// A place, counted from 0.
fn in_words(row: u64, column: usize) -> String {
    format!("row {}, column {} (counted from 1)", row + 1, column + 1)
}

/// The wanted columns of a file.
pub(super) struct Columns<R: ChunkReader> {
    path: PathBuf,
    reader: SerializedFileReader<R>,
    /// The first row of each group, and the number of all rows.
    starts: Vec<u64>,
    wanted: Vec<(usize, Kind)>,
    names: Vec<String>,
}

impl<R: ChunkReader> std::fmt::Debug for Columns<R> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Columns")
            .field("path", &self.path)
            .field("starts", &self.starts)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

/// Reads a table of the columns chosen.
pub(super) fn parse(path: &Path, bytes: &[u8], choice: Choice<'_>) -> Result<Table> {
    let columns = Columns::open(path, Bytes::copy_from_slice(bytes), choice)?;
    let mut values = Vec::new();
    columns.visit(1 << 24, &mut |row| {
        values.extend_from_slice(row);
        Ok(())
    })?;
    let width = columns.wanted.len();
    Ok(Table {
        path: path.to_owned(),
        columns: Some(columns.names),
        width,
        shape: vec![width],
        values,
        lines: Vec::new(),
    })
}

/// The names of all columns, and the cells of those chosen, which hold numbers or text; the others are not read. And how many rows there are.
pub(super) fn cells(
    path: &Path,
    bytes: &[u8],
    choice: Choice<'_>,
) -> Result<(Vec<String>, Vec<Cells>, usize)> {
    let columns = Columns::open_for(Wanted::NumbersOrText, path, Bytes::copy_from_slice(bytes), choice)?;
    let all = columns.reader.metadata().file_metadata().schema_descr().columns();
    let names: Vec<String> = all.iter().map(|column| column.path().string()).collect();
    let read = (0..columns.wanted.len())
        .into_par_iter()
        .map(|place| Ok((columns.wanted[place].0, columns.cells(place)?)));
    let read: Vec<(usize, Cells)> =
        read.collect::<std::result::Result<_, _>>().map_err(|e: Trouble| e.about(path))?;
    let mut cells: Vec<Cells> = names.iter().map(|_| Cells::Unread).collect();
    read.into_iter().for_each(|(index, read)| cells[index] = read);
    Ok((names, cells, columns.len() as usize))
}

/// Bytes of the numbers of all columns that hold numbers, as they are loaded.
pub(super) fn size_loaded<R: ChunkReader + 'static>(path: &Path, reader: R) -> Result<u64> {
    let reader = guarded(|| Ok(SerializedFileReader::new(reader)?)).map_err(|e| e.about(path))?;
    let columns = reader.metadata().file_metadata().schema_descr().columns();
    let numeric = columns.iter().filter(|column| kind(column).is_ok()).count() as u64;
    let rows = starts(reader.metadata()).map_err(|e| e.about(path))?.last().copied().unwrap_or(0);
    Ok(rows.saturating_mul(8 * numeric))
}

impl<R: ChunkReader + 'static> Columns<R> {
    /// Looks at the description of the file, of which columns of numbers are wanted.
    pub(super) fn open(path: &Path, reader: R, choice: Choice<'_>) -> Result<Self> {
        Self::open_for(Wanted::Numbers, path, reader, choice)
    }

    fn open_for(what: Wanted, path: &Path, reader: R, choice: Choice<'_>) -> Result<Self> {
        let length = reader.len();
        let reader = guarded(|| Ok(SerializedFileReader::new(reader)?)).map_err(|e| e.about(path))?;
        let starts = starts(reader.metadata()).map_err(|e| e.about(path))?;
        if starts.last() == Some(&0) {
            return Err(Error::file(path, "holds no rows; rows of numbers are wanted"));
        }
        let columns = reader.metadata().file_metadata().schema_descr().columns();
        let all: Vec<String> = columns.iter().map(|c| c.path().string()).collect();
        let mut wanted = Vec::new();
        for index in choice(Some(&all), all.len())? {
            let refuse = |message: String| Error::File {
                path: path.to_owned(),
                line: None,
                column: Some(index as u64 + 1),
                message: format!("'{}' {message}", super::shown(all[index].as_bytes())),
            };
            let (kind, expected) = match (kind(&columns[index]), what) {
                (kind, Wanted::Numbers) => (kind, "numbers"),
                (Err(TEXT), _) if is_text(&columns[index]) => (Ok(Kind::Text), "numbers or text"),
                (Err(TEXT), _) => (Err("bytes that are not marked as text"), "numbers or text"),
                (kind, _) => (kind, "numbers or text"),
            };
            let kind = kind.map_err(|holds| refuse(format!("holds {holds}; {expected} are wanted")))?;
            for group in reader.metadata().row_groups() {
                let chunk = group.column(index);
                // The library takes them as they are.
                let from = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
                let to = from.checked_add(chunk.compressed_size()).and_then(|to| u64::try_from(to).ok());
                if from < 0 || chunk.compressed_size() < 0 || to.is_none_or(|to| to > length) {
                    return Err(Trouble::Unsound("a column lies outside the file".into()).about(path));
                }
                let codec = match chunk.compression() {
                    Compression::BROTLI(_) => "Brotli",
                    Compression::LZO => "LZO",
                    _ => continue,
                };
                let known = "snappy, gzip, zstd, lz4 or none";
                return Err(refuse(format!("is compressed by {codec}; {known} is wanted")));
            }
            wanted.push((index, kind));
        }
        let names = wanted.iter().map(|(index, _)| all[*index].clone()).collect();
        Ok(Columns { path: path.to_owned(), reader, starts, wanted, names })
    }

    /// Number of rows.
    pub(super) fn len(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The names of the columns wanted.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Shows every row, with about `memory` bytes of them at a time.
    pub(super) fn visit(&self, memory: u64, each: &mut dyn FnMut(&[f64]) -> Result<()>) -> Result<()> {
        let width = self.wanted.len();
        let step = (memory / (8 * (width as u64 + 1))).clamp(64, 1 << 16);
        let mut columns = vec![0.0; width * step as usize];
        let mut row = vec![0.0; width];
        for from in (0..self.len()).step_by(step as usize) {
            let here: Vec<u64> = (from..(from + step).min(self.len())).collect();
            columns
                .par_chunks_mut(step as usize)
                .enumerate()
                .try_for_each(|(place, column)| self.column(place, &here, &mut |at, x| column[at] = x))
                .map_err(|e| e.about(&self.path))?;
            for (at, number) in here.iter().enumerate() {
                for (x, column) in row.iter_mut().zip(columns.chunks_exact(step as usize)) {
                    *x = column[at];
                }
                if let Some(place) = row.iter().position(|x| !x.is_finite()) {
                    return Err(not_finite(&self.path, *number, self.wanted[place].0, row[place]));
                }
                each(&row)?;
            }
        }
        Ok(())
    }

    /// The rows of these numbers, in ascending order, into `out`.
    pub(super) fn rows(&self, rows: &[u64], out: &mut [f64]) -> std::result::Result<(), Trouble> {
        let width = self.wanted.len();
        (0..width).try_for_each(|place| self.column(place, rows, &mut |at, x| out[at * width + place] = x))
    }

    /// The numbers of a wanted column in these rows, in ascending order.
    fn column(&self, place: usize, rows: &[u64], take: &mut dyn FnMut(usize, f64)) -> Taken {
        let index = self.wanted[place].0;
        self.numbers(place, rows, &mut |at, x| match x {
            Some(x) => {
                take(at, x);
                Ok(())
            }
            None => Err(Trouble::Null(rows[at], index)),
        })
    }

    /// All cells of a wanted column.
    fn cells(&self, place: usize) -> std::result::Result<Cells, Trouble> {
        let (index, kind) = self.wanted[place];
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for from in (0..self.len()).step_by(STEP as usize) {
            let here: Vec<u64> = (from..(from + STEP).min(self.len())).collect();
            if !matches!(kind, Kind::Text) {
                self.numbers(place, &here, &mut |_, x| {
                    numbers.push(x.unwrap_or(f64::NAN));
                    Ok(())
                })?;
                continue;
            }
            self.groups(place, &here, &mut |reader, levels, local, from| {
                decode::<ByteArrayType>(reader, levels, local, |at, bytes| {
                    let text = bytes.map(|bytes| std::str::from_utf8(bytes.data()).map(str::to_owned));
                    let row = here[from + at];
                    texts.push(text.transpose().map_err(|_| {
                        Trouble::Unsound(format!("{} is not UTF-8, as text has to be", in_words(row, index)))
                    })?);
                    Ok(())
                })
            })?;
        }
        Ok(if matches!(kind, Kind::Text) { Cells::Text(texts) } else { Cells::Numbers(numbers) })
    }

    /// The numbers of a wanted column in these rows, in ascending order; none where there is null.
    fn numbers(
        &self,
        place: usize,
        rows: &[u64],
        take: &mut dyn FnMut(usize, Option<f64>) -> Taken,
    ) -> Taken {
        let kind = self.wanted[place].1;
        self.groups(place, rows, &mut |reader, levels, local, from| {
            macro_rules! read {
                ($type:ty, $number:expr) => {
                    decode::<$type>(reader, levels, local, |at, x| take(from + at, x.map($number)))
                };
            }
            match kind {
                Kind::Bool => read!(BoolType, |x| f64::from(u8::from(*x))),
                Kind::Float => read!(FloatType, |x| f64::from(*x)),
                Kind::Double => read!(DoubleType, |x| *x),
                Kind::Signed32 => read!(Int32Type, |x| f64::from(*x)),
                Kind::Unsigned32 => read!(Int32Type, |x| f64::from(*x as u32)),
                Kind::Signed64 => read!(Int64Type, |x| *x as f64),
                Kind::Unsigned64 => read!(Int64Type, |x| *x as u64 as f64),
                Kind::Decimal32(unit) => read!(Int32Type, |x| f64::from(*x) / unit),
                Kind::Decimal64(unit) => read!(Int64Type, |x| *x as f64 / unit),
                Kind::Text => Err(Trouble::Unsound("text where numbers belong".into())),
            }
        })
    }

    /// Decodes a wanted column group by group.
    fn groups(&self, place: usize, rows: &[u64], decode: Decode<'_>) -> Taken {
        let index = self.wanted[place].0;
        let levels = self.reader.metadata().file_metadata().schema_descr().column(index).max_def_level();
        let mut from = 0;
        while from < rows.len() {
            let group = self.starts.partition_point(|start| *start <= rows[from]) - 1;
            let (start, end) = (self.starts[group], self.starts[group + 1]);
            let to = from + rows[from..].partition_point(|row| *row < end);
            let local: Vec<u64> = rows[from..to].iter().map(|row| row - start).collect();
            guarded(|| {
                let reader = self.reader.get_row_group(group)?.get_column_reader(index)?;
                decode(reader, levels, &local, from)
            })?;
            from = to;
        }
        Ok(())
    }
}

/// What the library does with bytes that may make no sense: it panics at a few of them.
fn guarded<T>(work: impl FnOnce() -> std::result::Result<T, Trouble>) -> std::result::Result<T, Trouble> {
    // A panic that becomes an error is not to be told of as well; all others are, as before.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                tell(panic);
            }
        }));
    });
    let senseless = |_| Err(Trouble::Unsound("its bytes make no sense".into()));
    let before = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(senseless);
    GUARDED.set(before);
    done
}

thread_local! {
    /// Whether this thread is at work on such bytes.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// The first row of each group, and the number of all rows.
fn starts(metadata: &ParquetMetaData) -> std::result::Result<Vec<u64>, Trouble> {
    let mut starts = vec![0_u64];
    for group in metadata.row_groups() {
        let rows = u64::try_from(group.num_rows()).ok();
        let end =
            rows.and_then(|rows| starts.last()?.checked_add(rows)).filter(|end| *end <= i64::MAX as u64);
        starts.push(end.ok_or_else(|| Trouble::Unsound("its numbers of rows make no sense".into()))?);
    }
    Ok(starts)
}

/// How the numbers of a column are written, or what it holds instead.
fn kind(column: &ColumnDescriptor) -> std::result::Result<Kind, &'static str> {
    if column.max_rep_level() > 0 {
        return Err("lists");
    }
    let unit = 10_f64.powi(column.type_scale());
    let converted = column.converted_type();
    let decimal = converted == ConvertedType::DECIMAL;
    let plain = [ConvertedType::NONE, ConvertedType::INT_8, ConvertedType::INT_16, ConvertedType::INT_32];
    let signed = plain.contains(&converted) || converted == ConvertedType::INT_64;
    let unsigned =
        [ConvertedType::UINT_8, ConvertedType::UINT_16, ConvertedType::UINT_32, ConvertedType::UINT_64]
            .contains(&converted);
    let (decimal, signed, unsigned) = match column.logical_type_ref() {
        None => (decimal, signed, unsigned),
        Some(LogicalType::Decimal(_)) => (true, false, false),
        Some(LogicalType::Integer(int)) => (false, int.is_signed, !int.is_signed),
        Some(_) => (false, false, false),
    };
    match column.physical_type() {
        Type::BOOLEAN => Ok(Kind::Bool),
        Type::FLOAT => Ok(Kind::Float),
        Type::DOUBLE => Ok(Kind::Double),
        Type::INT32 if decimal => Ok(Kind::Decimal32(unit)),
        Type::INT64 if decimal => Ok(Kind::Decimal64(unit)),
        Type::INT32 if signed => Ok(Kind::Signed32),
        Type::INT64 if signed => Ok(Kind::Signed64),
        Type::INT32 if unsigned => Ok(Kind::Unsigned32),
        Type::INT64 if unsigned => Ok(Kind::Unsigned64),
        Type::INT32 | Type::INT64 | Type::INT96 => Err("dates or times"),
        Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY if decimal => Err("decimals of more than 18 digits"),
        Type::BYTE_ARRAY => Err(TEXT),
        Type::FIXED_LEN_BYTE_ARRAY => Err("bytes"),
    }
}

/// Whether a column of bytes is marked as text.
fn is_text(column: &ColumnDescriptor) -> bool {
    match column.logical_type_ref() {
        None => matches!(column.converted_type(), ConvertedType::UTF8 | ConvertedType::ENUM),
        Some(logical) => matches!(logical, LogicalType::String | LogicalType::Enum),
    }
}

/// The values in some rows of a group, which come in ascending order; none where there is null.
fn decode<T: DataType>(
    reader: ColumnReader,
    most: i16,
    rows: &[u64],
    mut take: impl FnMut(usize, Option<&T::T>) -> Taken,
) -> Taken {
    let mut reader = get_typed_column_reader::<T>(reader);
    let short = || Trouble::Unsound("a column has fewer rows than it should".into());
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (mut at, mut from) = (0, 0);
    while from < rows.len() {
        let near = |i: &usize| rows[*i] - rows[*i - 1] <= GAP && rows[*i] - rows[from] < RUN;
        let to = (from + 1..rows.len()).find(|i| !near(i)).unwrap_or(rows.len());
        let (first, last) = (rows[from], rows[to - 1]);
        let (skip, count) = ((first - at) as usize, (last - first + 1) as usize);
        if reader.skip_records(skip)? != skip {
            return Err(short());
        }
        levels.clear();
        values.clear();
        let (records, found, _) = reader.read_records(count, Some(&mut levels), None, &mut values)?;
        if records != count {
            return Err(short());
        }
        if found == count {
            for (place, row) in (from..to).zip(&rows[from..to]) {
                take(place, Some(&values[(row - first) as usize]))?;
            }
        } else {
            // There are values only for rows that are not null.
            let mut rest = values.iter();
            let mut place = from;
            for (row, level) in (first..=last).zip(&levels) {
                let value = if *level < most { None } else { Some(rest.next().ok_or_else(short)?) };
                while place < to && rows[place] == row {
                    take(place, value)?;
                    place += 1;
                }
            }
            if place < to {
                return Err(short());
            }
        }
        (at, from) = (last + 1, to);
    }
    Ok(())
}

//! A table of finite numbers and where they came from.

use super::{array, foreign_format, read_bytes, text};
use crate::measure::PointCloud;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Rows of finite numbers from a file.
///
/// A column is given by its name in the file's line of names or by its number, counted from 1.
///
/// ```
/// use fenchel::measure::file::Table;
/// let table = Table::parse("demo.csv", b"x,y,mass\n0,1,2\n3,4,0.5\n")?;
/// let split = table.split(Some("mass"), None)?;
/// assert_eq!(split.points.values(), [0.0, 1.0, 3.0, 4.0]);
/// assert_eq!(split.weights.unwrap(), [2.0, 0.5]);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub(super) path: PathBuf,
    pub(super) columns: Option<Vec<String>>,
    pub(super) width: usize,
    /// Its product is `width`.
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
    /// The line of each row; empty where the file has no lines.
    pub(super) lines: Vec<u64>,
}

/// A table taken apart into coordinates, weights and reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The columns that are neither weights nor reference.
    pub points: Table,
    /// The weight column.
    pub weights: Option<Vec<f64>>,
    /// The reference column.
    pub reference: Option<Vec<f64>>,
}

impl Table {
    /// Reads a file: delimited text, NPY, IDX, or Parquet with the feature `parquet`.
    ///
    /// # Errors
    /// A file that cannot be read, holds another format, rows of different lengths, text where a number belongs,
    /// numbers that are not finite, or no row at all; with line and column where there are any.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(path, &read_bytes(path)?)
    }

    /// Reads only the columns named, in that order; others may hold anything.
    ///
    /// # Errors
    /// As [`read`](Table::read), and a column that is not there (the nearest name is suggested).
    pub fn read_columns(path: impl AsRef<Path>, columns: &[&str]) -> Result<Self> {
        let path = path.as_ref();
        Self::parse_columns(path, &read_bytes(path)?, columns)
    }

    /// Reads several files of the same columns one after another.
    ///
    /// # Errors
    /// As [`read`](Table::read), and files whose columns differ.
    pub fn read_all<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        let mut tables = paths.iter().map(Self::read);
        let mut all = tables.next().ok_or_else(|| Error::shape("files", "at least one", "none"))??;
        for table in tables {
            let table = table?;
            if table.width != all.width {
                let message =
                    format!("has {} columns; {} has {}", table.width, all.path.display(), all.width);
                return Err(Error::file(table.path, message));
            }
            if let (Some(here), Some(there)) = (&table.columns, &all.columns)
                && here != there
            {
                let message = format!("its columns are named otherwise than those of {}", all.path.display());
                return Err(Error::file(table.path, message));
            }
            all.values.extend(table.values);
            // Lines of several files would mislead.
            all.lines.clear();
        }
        Ok(all)
    }

    /// What [`read`](Table::read) does with the bytes of a file; `path` is for messages.
    ///
    /// # Errors
    /// As [`read`](Table::read).
    pub fn parse(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Self> {
        Self::parse_only(path.as_ref(), bytes, None)
    }

    /// What [`read_columns`](Table::read_columns) does with the bytes of a file.
    ///
    /// # Errors
    /// As [`read_columns`](Table::read_columns).
    pub fn parse_columns(path: impl AsRef<Path>, bytes: &[u8], columns: &[&str]) -> Result<Self> {
        Self::parse_only(path.as_ref(), bytes, Some(columns))
    }

    fn parse_only(path: &Path, bytes: &[u8], only: Option<&[&str]>) -> Result<Self> {
        if let Some(says) = foreign_format(bytes) {
            return Err(Error::file(path, says));
        }
        if let Some((layout, bytes)) = array::open(path, bytes)? {
            let table = layout.table(path, &bytes)?;
            return match only {
                None => Ok(table),
                Some(columns) => table.select(columns),
            };
        }
        let choice = |names: Option<&[String]>, width: usize| match only {
            None => Ok((0..width).collect()),
            Some(only) => only.iter().map(|column| find_column(path, names, width, column)).collect(),
        };
        #[cfg(feature = "parquet")]
        if bytes.starts_with(super::parquet::MAGIC) {
            return super::parquet::parse(path, bytes, &choice);
        }
        text::parse(path, bytes, &choice)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the columns, if the file has a line of names.
    pub fn columns(&self) -> Option<&[String]> {
        self.columns.as_deref()
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The shape of a row: that of an IDX array without its first dimension, height and width for images; else the number of
    /// columns alone.
    ///
    /// ```
    /// use fenchel::measure::file::Table;
    /// // Two images of 1 × 3 bytes.
    /// let file = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 128, 255, 7, 8, 9];
    /// let table = Table::parse("images", &file)?;
    /// assert_eq!((table.len(), table.width(), table.row_shape()), (2, 3, &[1, 3][..]));
    /// assert_eq!(table.values()[..3], [0.0, 128.0, 255.0]);
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    pub fn row_shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Never: a table has at least one row.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// All numbers, row-major.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The index of a column given by name or by number, counted from 1.
    ///
    /// # Errors
    /// No such column; the nearest name is suggested.
    pub fn column_index(&self, column: &str) -> Result<usize> {
        find_column(&self.path, self.columns.as_deref(), self.width, column)
    }

    /// The numbers of a column.
    ///
    /// # Errors
    /// As [`column_index`](Table::column_index).
    pub fn column(&self, column: &str) -> Result<Vec<f64>> {
        Ok(self.at(self.column_index(column)?))
    }

    fn at(&self, index: usize) -> Vec<f64> {
        self.values.iter().skip(index).step_by(self.width).copied().collect()
    }

    /// The table of the columns given, in that order.
    ///
    /// # Errors
    /// No column, or as [`column_index`](Table::column_index).
    pub fn select(&self, columns: &[&str]) -> Result<Self> {
        let wanted = columns.iter().map(|c| self.column_index(c)).collect::<Result<Vec<_>>>()?;
        self.keep(&wanted)
    }

    /// The table without the columns given.
    ///
    /// # Errors
    /// No column would be left, or as [`column_index`](Table::column_index).
    pub fn without(&self, columns: &[&str]) -> Result<Self> {
        let gone = columns.iter().map(|c| self.column_index(c)).collect::<Result<Vec<_>>>()?;
        self.keep(&(0..self.width).filter(|k| !gone.contains(k)).collect::<Vec<_>>())
    }

    fn keep(&self, wanted: &[usize]) -> Result<Self> {
        if wanted.is_empty() {
            return Err(Error::file(
                &self.path,
                "no column is left for the coordinates; at least one is wanted",
            ));
        }
        Ok(Self {
            path: self.path.clone(),
            columns: self.columns.as_ref().map(|names| wanted.iter().map(|k| names[*k].clone()).collect()),
            width: wanted.len(),
            shape: vec![wanted.len()],
            values: self
                .values
                .chunks_exact(self.width)
                .flat_map(|row| wanted.iter().map(|k| row[*k]))
                .collect(),
            lines: self.lines.clone(),
        })
    }

    /// A column of weights: none negative, not all zero.
    ///
    /// # Errors
    /// As [`column_index`](Table::column_index); a negative weight (with its place), weights that are all zero or
    /// whose sum overflows.
    pub fn weights(&self, column: &str) -> Result<Vec<f64>> {
        let index = self.column_index(column)?;
        let weights = self.at(index);
        let wrong = |line: Option<u64>, message: String| Error::File {
            path: self.path.clone(),
            line,
            column: Some(index as u64 + 1),
            message,
        };
        if let Some(row) = weights.iter().position(|w| *w < 0.0) {
            let place = if self.lines.is_empty() { format!(" (row {})", row + 1) } else { String::new() };
            let message = format!("the weight {}{place} is negative; at least 0 is wanted", weights[row]);
            return Err(wrong(self.lines.get(row).copied(), message));
        }
        let sum: f64 = weights.iter().sum();
        if sum == 0.0 {
            return Err(wrong(None, "every weight is zero; at least one must be above 0".into()));
        }
        if !sum.is_finite() {
            return Err(wrong(None, "the weights' sum overflows; divide them by a constant".into()));
        }
        Ok(weights)
    }

    /// Takes a weight column and a reference column off.
    ///
    /// # Errors
    /// As [`weights`](Table::weights) for either; no column would be left.
    pub fn split(self, weights: Option<&str>, reference: Option<&str>) -> Result<Split> {
        let taken: Vec<&str> = weights.into_iter().chain(reference).collect();
        let weights = weights.map(|c| self.weights(c)).transpose()?;
        let reference = reference.map(|c| self.weights(c)).transpose()?;
        let points = if taken.is_empty() { self } else { self.without(&taken)? };
        Ok(Split { points, weights, reference })
    }

    /// The table with every column shifted to mean 0 and scaled to variance 1 (over the rows, divisor n);
    /// constant columns become 0.
    pub fn standardised(mut self) -> Self {
        let n = self.len() as f64;
        for k in 0..self.width {
            let column = self.at(k);
            // Scaled by the largest number, neither sum can overflow.
            let largest = column.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            let scale = if largest > 0.0 { largest } else { 1.0 };
            let mean = column.iter().map(|x| x / scale).sum::<f64>() / n;
            let variance = column.iter().map(|x| (x / scale - mean).powi(2)).sum::<f64>() / n;
            let constant = column.iter().all(|x| *x == column[0]) || variance == 0.0;
            for x in self.values.iter_mut().skip(k).step_by(self.width) {
                *x = if constant { 0.0 } else { (*x / scale - mean) / variance.sqrt() };
            }
        }
        self
    }

    /// The rows as points, named after the file, with weights if there are any.
    ///
    /// # Errors
    /// As [`PointCloud::weighted`].
    pub fn into_cloud(self, weights: Option<Vec<f64>>) -> Result<PointCloud> {
        let label = self.path.display().to_string();
        let cloud = match weights {
            None => PointCloud::new(self.width, self.values)?,
            Some(weights) => PointCloud::weighted(self.width, self.values, weights)?,
        };
        Ok(cloud.named(label))
    }
}

/// The index of a column given by name or by number, counted from 1.
pub(super) fn find_column(
    path: &Path,
    names: Option<&[String]>,
    width: usize,
    column: &str,
) -> Result<usize> {
    let column = column.trim();
    if let Some(index) = names.and_then(|names| names.iter().position(|n| n == column)) {
        return Ok(index);
    }
    let number = column.parse::<usize>();
    if let Ok(number) = number
        && (1..=width).contains(&number)
    {
        return Ok(number - 1);
    }
    let message = match (names, number) {
        (Some(names), Err(_)) => {
            let message = Error::unknown("column", column, names).to_string();
            format!("{message}, or a number from 1 to {width}")
        }
        (None, Err(_)) => {
            format!("has no line of names, so no column '{column}'; give a number from 1 to {width}")
        }
        (_, Ok(number)) => format!("has no column {number}; give a number from 1 to {width}"),
    };
    Err(Error::file(path, message))
}

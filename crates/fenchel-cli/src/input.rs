//! Points and weights from files.

use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::measure::PointCloud;
use fenchel::measure::file::{Drawn, FileSource, Selection, Split, Table, size_loaded};
use fenchel::optim::Memory;
use std::io::Read;
use std::path::{Path, PathBuf};

/// More columns than this are not counted out from a range.
const MOST_COLUMNS: usize = 1_000_000;

/// Which columns are coordinates: names or numbers from 1; none means all that are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(Vec<String>);

impl Columns {
    /// Takes names, numbers, and ranges of numbers such as `1-8`, which are counted out.
    pub fn parse(items: &[String]) -> Result<Self> {
        Columns::parse_for("--columns", items)
    }

    /// The same for another option that lists columns.
    pub fn parse_for(option: &str, items: &[String]) -> Result<Self> {
        let mut names = Vec::new();
        for item in items {
            let item = item.trim();
            let range: Option<(usize, usize)> =
                item.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
            match range {
                _ if item.is_empty() => {
                    return Err(Error::invalid(option, "''", "names or numbers, as in 1-8 or lat,lon").into());
                }
                None => names.push(item.to_owned()),
                Some((from, to)) if 1 <= from && from <= to && to <= MOST_COLUMNS => {
                    names.extend((from..=to).map(|k| k.to_string()));
                }
                Some(_) => {
                    let expected = "a range of numbers from 1 upwards, as in 1-8";
                    return Err(Error::invalid(option, format!("'{item}'"), expected).into());
                }
            }
        }
        Ok(Columns(names))
    }

    /// The names and numbers, one by one.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

/// Points of a file, with weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// Coordinates of a point.
    pub dim: usize,
    /// Row-major.
    pub values: Vec<f64>,
    /// How the numbers of a point lie, in a file that says so: height and width of an image.
    pub shape: Vec<usize>,
    /// Names of the coordinates.
    pub names: Vec<String>,
    /// The column of weights, if one was asked for.
    pub weights: Option<Vec<f64>>,
    /// The column of reference weights, if one was asked for.
    pub reference: Option<Vec<f64>>,
    path: PathBuf,
}

/// Points of files, in memory or where they are.
#[derive(Debug)]
pub enum Rows {
    /// Loaded.
    Loaded(Points),
    /// To be read when they are drawn.
    Streamed(Box<FileSource>),
}

/// Reads the points of all files, or opens them if they are large.
pub fn read_rows(paths: &[&Path], columns: &Columns, weights: Option<&str>, memory: Memory) -> Result<Rows> {
    let sizes = paths.iter().map(|path| Ok(size_loaded(path)?)).collect::<Result<Vec<_>>>()?;
    let total = sizes.iter().flatten().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
    if total <= memory.loaded() {
        let mut points = paths.iter().map(|path| read_points(path, columns, weights, None, memory));
        let first = points.next().ok_or_else(|| Failure::new("--source needs a name or a file"))??;
        return Ok(Rows::Loaded(points.try_fold(first, |all, next| all.join(next?))?));
    }
    let columns: Vec<&str> = columns.0.iter().map(String::as_str).collect();
    let selection = Selection { columns: &columns, weights, reference: None };
    let share = memory.bytes() / paths.len() as u64;
    let mut files = paths.iter().map(|path| FileSource::open(path, &selection, share));
    let first = files.next().ok_or_else(|| Failure::new("--source needs a name or a file"))??;
    Ok(Rows::Streamed(Box::new(files.try_fold(first, |all, next| all.join(next?))?)))
}

/// Reads points and weights.
pub fn read_points(
    path: &Path,
    columns: &Columns,
    weights: Option<&str>,
    reference: Option<&str>,
    memory: Memory,
) -> Result<Points> {
    let pipe = if size_loaded(path)?.is_none() { Some(read_pipe(path, memory)?) } else { None };
    let read = |only: Option<&[&str]>| match (&pipe, only) {
        (None, None) => Table::read(path),
        (None, Some(columns)) => Table::read_columns(path, columns),
        (Some(bytes), None) => Table::parse(path, bytes),
        (Some(bytes), Some(columns)) => Table::parse_columns(path, bytes, columns),
    };
    let split = if columns.0.is_empty() {
        read(None)?.split(weights, reference)?
    } else {
        let chosen: Vec<&str> = columns.0.iter().map(String::as_str).collect();
        match read(None) {
            Ok(table) => Split {
                weights: weights.map(|w| table.weights(w)).transpose()?,
                reference: reference.map(|r| table.weights(r)).transpose()?,
                points: table.select(&chosen)?,
            },
            // Columns that were not asked for may hold anything.
            Err(_) => {
                let alone = |name| read(Some(&[name]))?.weights("1");
                Split {
                    points: read(Some(&chosen))?,
                    weights: weights.map(alone).transpose()?,
                    reference: reference.map(alone).transpose()?,
                }
            }
        }
    };
    let dim = split.points.width();
    let names = split.points.columns().map_or_else(|| default_names(dim), <[String]>::to_vec);
    let values = split.points.values().to_vec();
    Ok(Points {
        dim,
        values,
        shape: split.points.row_shape().to_vec(),
        names,
        weights: split.weights,
        reference: split.reference,
        path: path.to_owned(),
    })
}

/// All of a pipe, which has no size before its end and cannot be read twice.
fn read_pipe(path: &Path, memory: Memory) -> Result<Vec<u8>> {
    let most = memory.loaded();
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    read.map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    if bytes.len() as u64 > most {
        let message = format!(
            "is a pipe that holds more than {}; save it to a file, or allow more with --memory",
            Memory::new(most)
        );
        return Err(Error::file(path, message).into());
    }
    Ok(bytes)
}

/// Some rows of a file, drawn without loading it.
pub fn draw_points(
    path: &Path,
    columns: &Columns,
    (weights, reference): (Option<&str>, Option<&str>),
    (m, seed): (usize, u64),
    memory: Memory,
) -> Result<(Points, Drawn)> {
    let refuse = |bytes: u64| {
        let expected = format!("smaller, or --memory at least {}", Memory::to_load(bytes));
        Failure::from(Error::invalid("--target-sample", m, expected))
    };
    let (rows, whole) = ((m as u64).saturating_mul(24), size_loaded(path)?.unwrap_or(0));
    if rows.min(whole) > memory.loaded() {
        return Err(refuse(rows.min(whole)));
    }
    let columns: Vec<&str> = columns.0.iter().map(String::as_str).collect();
    let selection = Selection { columns: &columns, weights, reference };
    let mut drawn = Drawn::read(path, &selection, m, seed, memory.bytes())?;
    let values = std::mem::take(&mut drawn.points);
    if 8 * values.len() as u64 > memory.loaded() {
        return Err(refuse(8 * values.len() as u64));
    }
    let points = Points {
        dim: drawn.dim,
        values,
        shape: vec![drawn.dim],
        names: drawn.columns.take().unwrap_or_else(|| default_names(drawn.dim)),
        weights: drawn.weights.take(),
        reference: drawn.reference.take(),
        path: path.to_owned(),
    };
    Ok((points, drawn))
}

/// x1, x2, …
pub fn default_names(dim: usize) -> Vec<String> {
    (1..=dim).map(|k| format!("x{k}")).collect()
}

impl Points {
    /// Points that no file has named.
    pub fn unnamed(label: &str, dim: usize, values: Vec<f64>) -> Self {
        let names = default_names(dim);
        Points { dim, values, shape: vec![dim], names, weights: None, reference: None, path: label.into() }
    }

    /// The points with their weights, which leave their place.
    pub fn cloud(&mut self) -> Result<PointCloud> {
        let values = std::mem::take(&mut self.values);
        let cloud = match self.weights.take() {
            None => PointCloud::new(self.dim, values),
            Some(weights) => PointCloud::weighted(self.dim, values, weights),
        };
        cloud.map_err(|e| Failure::from(e).at(&self.path.display().to_string()))
    }

    /// The points of both.
    pub fn join(mut self, mut other: Points) -> Result<Points> {
        if other.dim != self.dim {
            return Err(Failure::new(format!(
                "{} has {} coordinates, {} has {}; the files of one source must agree",
                other.path.display(),
                other.dim,
                self.path.display(),
                self.dim
            )));
        }
        if let (Some(mine), Some(theirs)) = (&mut self.weights, &mut other.weights) {
            mine.append(theirs);
        }
        self.values.append(&mut other.values);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(items: &[&str]) -> Result<Columns> {
        Columns::parse(&items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn ranges_are_counted_out() {
        assert_eq!(columns(&["2-4", "lat", " 7 "]).unwrap().0, ["2", "3", "4", "lat", "7"]);
        assert_eq!(columns(&["a-b"]).unwrap().0, ["a-b"]);
        for bad in ["", "0-3", "4-2", "1-99999999999"] {
            assert!(columns(&[bad]).is_err(), "{bad}");
        }
    }
}

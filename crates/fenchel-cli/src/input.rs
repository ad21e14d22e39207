//! Points and weights from files.

use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::measure::PointCloud;
use fenchel::measure::file::{Split, Table};
use std::path::{Path, PathBuf};

/// More columns than this are not counted out from a range.
const MOST_COLUMNS: usize = 1_000_000;

/// Which columns are coordinates: names or numbers from 1; none means all that are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(Vec<String>);

impl Columns {
    /// Takes names, numbers, and ranges of numbers such as `1-8`, which are counted out.
    pub fn parse(items: &[String]) -> Result<Self> {
        let mut names = Vec::new();
        for item in items {
            let item = item.trim();
            let range: Option<(usize, usize)> =
                item.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
            match range {
                _ if item.is_empty() => {
                    return Err(
                        Error::invalid("--columns", "''", "names or numbers, as in 1-8 or lat,lon").into()
                    );
                }
                None => names.push(item.to_owned()),
                Some((from, to)) if 1 <= from && from <= to && to <= MOST_COLUMNS => {
                    names.extend((from..=to).map(|k| k.to_string()));
                }
                Some(_) => {
                    let expected = "a range of numbers from 1 upwards, as in 1-8";
                    return Err(Error::invalid("--columns", format!("'{item}'"), expected).into());
                }
            }
        }
        Ok(Columns(names))
    }
}

/// Points of a file, with weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// Coordinates of a point.
    pub dim: usize,
    /// Row-major.
    pub values: Vec<f64>,
    /// Names of the coordinates.
    pub names: Vec<String>,
    /// The column of weights, if one was asked for.
    pub weights: Option<Vec<f64>>,
    /// The column of reference weights, if one was asked for.
    pub reference: Option<Vec<f64>>,
    path: PathBuf,
}

/// Reads points and weights.
pub fn read_points(
    path: &Path,
    columns: &Columns,
    weights: Option<&str>,
    reference: Option<&str>,
) -> Result<Points> {
    let split = if columns.0.is_empty() {
        Table::read(path)?.split(weights, reference)?
    } else {
        let chosen: Vec<&str> = columns.0.iter().map(String::as_str).collect();
        match Table::read(path) {
            Ok(table) => Split {
                weights: weights.map(|w| table.weights(w)).transpose()?,
                reference: reference.map(|r| table.weights(r)).transpose()?,
                points: table.select(&chosen)?,
            },
            // Columns that were not asked for may hold anything.
            Err(_) => {
                let alone = |name| Table::read_columns(path, &[name])?.weights("1");
                Split {
                    points: Table::read_columns(path, &chosen)?,
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
        names,
        weights: split.weights,
        reference: split.reference,
        path: path.to_owned(),
    })
}

/// x1, x2, …
fn default_names(dim: usize) -> Vec<String> {
    (1..=dim).map(|k| format!("x{k}")).collect()
}

impl Points {
    /// Points that no file has named.
    pub fn unnamed(label: &str, dim: usize, values: Vec<f64>) -> Self {
        let names = default_names(dim);
        Points { dim, values, names, weights: None, reference: None, path: label.into() }
    }

    /// The points with their weights.
    pub fn cloud(&self) -> Result<PointCloud> {
        let cloud = match &self.weights {
            None => PointCloud::new(self.dim, self.values.clone()),
            Some(weights) => PointCloud::weighted(self.dim, self.values.clone(), weights.clone()),
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

//! Rows of files from one number to another, for who reads all of them again and again.

use super::super::table::find_column;
use super::{FileSource, Part, Seen};
use crate::{Error, Result};
use std::path::Path;

/// Which columns of a file are learnt from: names, or numbers counted from 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Roles<'a> {
    /// The label.
    pub target: &'a str,
    /// Features, in this order; where none are given, all columns that are nothing else.
    pub columns: &'a [&'a str],
    /// Columns that are no features.
    pub without: &'a [&'a str],
    /// The column of weights.
    pub weights: Option<&'a str>,
}

/// A label, its weight and its place, as they are met when a file is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label {
    pub(crate) row: u64,
    pub(crate) line: Option<u64>,
    pub(crate) value: f64,
    pub(crate) weight: f64,
}

impl Roles<'_> {
    /// Indices of the features, the label and the weights.
    fn resolve(&self, path: &Path, names: Option<&[String]>, width: usize) -> Result<Vec<usize>> {
        let find = |column: &str| find_column(path, names, width, column);
        let refuse = |index: usize, message: &str| {
            let name =
                names.map_or_else(|| format!("column {}", index + 1), |names| format!("'{}'", names[index]));
            Err(Error::file(path, format!("{name} {message}")))
        };
        let target = find(self.target)?;
        let weights = self.weights.map(find).transpose()?;
        if weights == Some(target) {
            return refuse(target, "cannot be both target and weights");
        }
        let without = self.without.iter().map(|c| find(c)).collect::<Result<Vec<_>>>()?;
        let mut all: Vec<usize> = if self.columns.is_empty() {
            (0..width).filter(|k| *k != target && Some(*k) != weights).collect()
        } else {
            self.columns.iter().map(|c| find(c)).collect::<Result<_>>()?
        };
        all.retain(|k| !without.contains(k));
        for (at, k) in all.iter().enumerate() {
            if *k == target || Some(*k) == weights {
                return refuse(*k, "is target or weights; it cannot be a feature as well");
            }
            if all[..at].contains(k) {
                return refuse(*k, "is a feature twice");
            }
        }
        if let Some(names) = names
            && let Some(k) = all
                .iter()
                .chain([&target])
                .chain(&weights)
                .find(|k| names.iter().filter(|name| *name == &names[**k]).count() > 1)
        {
            return Err(Error::file(
                path,
                format!("has several columns called '{}'; names must differ", names[*k]),
            ));
        }
        all.push(target);
        all.extend(weights);
        Ok(all)
    }
}

impl FileSource {
    /// Opens features with the label behind them; `watch` sees every label, in order.
    pub(crate) fn open_labelled(
        path: &Path,
        roles: &Roles<'_>,
        memory: u64,
        watch: &mut dyn FnMut(Label),
    ) -> Result<Self> {
        let choose = |names: Option<&[String]>, width: usize| roles.resolve(path, names, width);
        let masses = [roles.weights.is_some(), false];
        Self::open_chosen(path, &choose, masses, memory, &mut |seen: &Seen<'_>| {
            let value = seen.numbers[seen.numbers.len() - 1];
            watch(Label { row: seen.row, line: seen.line, value, weight: seen.weight });
        })
    }

    /// The names of the coordinates, and of masses behind them; x1, x2, … by the number of the column where the file has none.
    pub(crate) fn header(&self) -> Vec<String> {
        match &self.names {
            Some(names) => names.clone(),
            None => self.indices.iter().map(|k| format!("x{}", k + 1)).collect(),
        }
    }

    /// Numbers of a row: its coordinates, and its weight if there are any.
    pub(crate) fn across(&self) -> usize {
        self.dim + usize::from(self.parts[0].shares.is_some())
    }

    /// The rows from `from` on that `out` has room for, with their weights.
    ///
    /// # Errors
    /// A file can no longer be read, or is not what it was when it was opened.
    pub(crate) fn read_from(&self, from: u64, out: &mut [f64]) -> Result<()> {
        let across = self.across();
        let (mut at, mut rest) = (from, out);
        let is_here = |part: &&Part, at: u64| (part.first..part.first + part.len).contains(&at);
        while !rest.is_empty() {
            let Some(part) = self.parts.iter().find(|part| is_here(part, at)) else {
                return Err(Error::invalid("row", at, format!("below {}", self.len)));
            };
            let most = (part.first + part.len - at) as usize;
            let (here, later) = rest.split_at_mut((most * across).min(rest.len()));
            let count = (here.len() / across) as u64;
            let rows: Vec<u64> = (at - part.first..at - part.first + count).collect();
            part.rows.read(&rows, here)?;
            (at, rest) = (at + count, later);
        }
        Ok(())
    }

    /// Whether all files are what they were when they were opened, as far as the system tells.
    ///
    /// # Errors
    /// One is not.
    pub(crate) fn check(&self) -> Result<()> {
        self.parts.iter().try_for_each(|part| part.handle.check())
    }
}

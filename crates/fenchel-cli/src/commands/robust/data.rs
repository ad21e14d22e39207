//! Files of data as one table of cells.

use crate::failure::{Failure, Result};
use crate::report;
use fenchel::Error;
use fenchel::measure::file::{Cells, Frame};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Rows of one file, or of several with the same columns.
pub struct Data {
    frames: Vec<Frame>,
    /// The first row of each file.
    starts: Vec<usize>,
}

/// The cells of a column, in one form.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// NaN where missing.
    Numbers(Vec<f64>),
    /// None where missing.
    Texts(Vec<Option<String>>),
}

impl Values {
    /// Whether a cell is missing.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Values::Numbers(numbers) => numbers[row].is_nan(),
            Values::Texts(texts) => texts[row].is_none(),
        }
    }
}

impl Data {
    /// Reads the columns of all files that `choose` lists, given their names; the others may hold anything.
    pub fn read(paths: &[PathBuf], choose: &dyn Fn(&[String]) -> Vec<usize>) -> Result<Self> {
        let mut all = Data { frames: Vec::new(), starts: Vec::new() };
        for path in paths {
            let frame = Frame::read_columns(path, choose)?;
            if let Some(first) = all.frames.first() {
                let names =
                    |frame: &Frame| frame.columns().iter().map(|c| c.name.clone()).collect::<Vec<_>>();
                let (here, there) = (names(&frame), names(first));
                if here != there {
                    let message = format!(
                        "has other columns than {} ({} and {}); files that are read together must agree",
                        first.path().display(),
                        here.join(", "),
                        there.join(", ")
                    );
                    return Err(Error::file(path, message).into());
                }
            }
            all.starts.push(all.len());
            all.frames.push(frame);
        }
        if all.frames.is_empty() {
            return Err(Failure::new("a file of data is needed"));
        }
        Ok(all)
    }

    /// Rows of all files.
    pub fn len(&self) -> usize {
        self.frames.iter().map(Frame::len).sum()
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<&str> {
        self.frames[0].columns().iter().map(|column| column.name.as_str()).collect()
    }

    /// What to call the files in a heading.
    pub fn label(&self) -> String {
        let first = self.frames[0].path().display();
        match self.frames.len() {
            1 => first.to_string(),
            n => format!("{first} and {} more", n - 1),
        }
    }

    /// The column that an option names, by name or number.
    pub fn find(&self, option: &str, column: &str) -> Result<usize> {
        let index = self.frames[0].column_index(column).map_err(|e| Failure::from(e).at(option))?;
        self.unique(index).map_err(|e| e.at(option))?;
        Ok(index)
    }

    /// The column of exactly this name; the error says who `needs` it.
    pub fn named(&self, name: &str, needs: &str) -> Result<usize> {
        match self.names().iter().position(|n| *n == name) {
            Some(index) => self.unique(index),
            None => {
                let unknown = Error::unknown("column", name, self.names());
                let says = unknown.to_string().replacen("unknown column", "has no column", 1);
                let message = format!("{says}; {needs}");
                Err(Error::file(self.frames[0].path(), message).into())
            }
        }
    }

    /// The column, if no other has its name: by its name it will be looked for in other files.
    pub fn unique(&self, index: usize) -> Result<usize> {
        let names = self.names();
        match (0..names.len()).find(|k| *k != index && names[*k] == names[index]) {
            None => Ok(index),
            Some(other) => {
                let (first, second) = (index.min(other) + 1, index.max(other) + 1);
                let message = format!(
                    "columns {first} and {second} are both called '{}'; names must differ",
                    names[index]
                );
                Err(Error::file(self.frames[0].path(), message).into())
            }
        }
    }

    /// The first cell of a column that is neither missing nor a number: its row and what it says.
    pub fn first_text(&self, column: usize) -> Option<(usize, String)> {
        self.frames.iter().zip(&self.starts).find_map(|(frame, start)| match &frame.columns()[column].cells {
            Cells::Numbers(_) | Cells::Unread => None,
            Cells::Text(texts) => texts.iter().enumerate().find_map(|(row, text)| {
                let text = text.as_deref()?;
                number(text).is_none().then(|| (start + row, shortened(text)))
            }),
        })
    }

    /// Whether a column was asked for when the files were read.
    fn is_read(&self, column: usize) -> bool {
        self.frames.iter().all(|frame| !matches!(frame.columns()[column].cells, Cells::Unread))
    }

    /// The cells of a column as numbers; text is missing.
    pub fn numbers(&self, column: usize) -> Vec<f64> {
        debug_assert!(self.is_read(column), "column {column} is used, but was not asked for");
        let mut all = Vec::with_capacity(self.len());
        for frame in &self.frames {
            match &frame.columns()[column].cells {
                Cells::Numbers(numbers) => all.extend(numbers),
                Cells::Unread => all.resize(all.len() + frame.len(), f64::NAN),
                Cells::Text(texts) => {
                    all.extend(texts.iter().map(|t| t.as_deref().and_then(number).unwrap_or(f64::NAN)));
                }
            }
        }
        all
    }

    /// The cells of a column as texts; the same number is the same text, however it is written.
    pub fn texts(&self, column: usize) -> Vec<Option<String>> {
        let written = |v: f64| (!v.is_nan()).then(|| report::exact(v + 0.0));
        debug_assert!(self.is_read(column), "column {column} is used, but was not asked for");
        let mut all = Vec::with_capacity(self.len());
        for frame in &self.frames {
            match &frame.columns()[column].cells {
                Cells::Numbers(numbers) => all.extend(numbers.iter().map(|v| written(*v))),
                Cells::Unread => all.resize(all.len() + frame.len(), None),
                Cells::Text(texts) => all.extend(texts.iter().map(|text| {
                    let text = text.as_deref()?;
                    number(text).map_or_else(|| Some(text.trim().to_owned()), written)
                })),
            }
        }
        all
    }

    /// An error about a cell.
    pub fn error(&self, row: usize, column: usize, message: impl Into<String>) -> Failure {
        let at = self.file_of(row);
        self.frames[at].error(row - self.starts[at], column, message.into()).into()
    }

    /// An error about a whole column.
    pub fn column_error(&self, column: usize, message: impl Into<String>) -> Failure {
        let (path, column) = (self.frames[0].path().to_owned(), Some(column as u64 + 1));
        Error::File { path, line: None, column, message: message.into() }.into()
    }

    /// An error about all of it.
    pub fn file_error(&self, message: impl Into<String>) -> Failure {
        Error::file(self.frames[0].path(), message).into()
    }

    /// The line of a row in its file, if the file has lines.
    pub fn line(&self, row: usize) -> Option<u64> {
        let at = self.file_of(row);
        self.frames[at].place(row - self.starts[at])
    }

    /// The file of a row, if there are several.
    pub fn file(&self, row: usize) -> Option<String> {
        (self.frames.len() > 1).then(|| self.frames[self.file_of(row)].path().display().to_string())
    }

    fn file_of(&self, row: usize) -> usize {
        self.starts.partition_point(|start| *start <= row).saturating_sub(1)
    }
}

/// The column of these that is meant by a name, or by a number from 1.
pub fn meant(names: &[String], column: &str) -> Option<usize> {
    let column = column.trim();
    let number = || column.parse().ok().filter(|number| (1..=names.len()).contains(number));
    names.iter().position(|name| name == column).or_else(|| number().map(|number: usize| number - 1))
}

/// A finite number as people write it.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|v: &f64| v.is_finite())
}

/// The beginning of a long text.
pub fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(30).flat_map(char::escape_debug).collect();
    if text.chars().count() > 30 {
        short.push('…');
    }
    short
}

/// A few of many texts, for a message.
pub fn listed(texts: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = texts.iter().take(SHOWN).map(|text| shortened(text)).collect();
    let rest = if texts.len() > SHOWN { format!(", … {} in all", texts.len()) } else { String::new() };
    shown.join(", ") + &rest
}

/// Every text once, in order: that of numbers if all are numbers.
pub fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let all: BTreeSet<&str> = texts.collect();
    let mut all: Vec<String> = all.into_iter().map(str::to_owned).collect();
    if all.iter().all(|text| number(text).is_some()) {
        let key = |text: &String| number(text).unwrap_or(f64::NAN);
        all.sort_by(|a, b| key(a).total_cmp(&key(b)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_in_order() {
        let order = |texts: &[&str]| distinct(texts.iter().copied()).join(" ");
        assert_eq!(order(&["10", "9", "-1", "9"]), "-1 9 10");
        assert_eq!(order(&["b", "10", "9", "a"]), "10 9 a b");
    }

    #[test]
    fn few_of_many() {
        let texts: Vec<String> = (0..12).map(|k| k.to_string()).collect();
        assert_eq!(listed(&texts), "0, 1, 2, 3, 4, 5, 6, 7, … 12 in all");
        assert_eq!(listed(&texts[..2]), "0, 1");
        assert_eq!(shortened(&"ab".repeat(20)).chars().count(), 31);
    }
}

//! Data of the user's, in place of an experiment's own: a table, or folders of images.

use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::images::{ImageSet, Part};
use fenchel::measure::file;
use std::path::{Path, PathBuf};

/// What an experiment takes by `--data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A table.
    Table,
    /// Folders in the format of MNIST, one for each of these roles.
    #[cfg_attr(not(feature = "networks"), expect(dead_code, reason = "for experiments with networks"))]
    Images(&'static [&'static str]),
}

impl Takes {
    /// In words.
    pub fn words(self) -> String {
        match self {
            Takes::Nothing => "nothing".to_owned(),
            Takes::Table => "a table".to_owned(),
            Takes::Images([role]) => format!("a folder of images ({role})"),
            Takes::Images(roles) => format!("{} folders of images ({})", roles.len(), roles.join(", ")),
        }
    }
}

/// What was given.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// A file for [`Takes::Table`].
    Table(Table),
    /// Folders for [`Takes::Images`], in the order of the roles.
    Images(Vec<Folder>),
}

/// Features and a label for each row of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    path: PathBuf,
    target: Option<String>,
    /// Features of a row.
    pub width: usize,
    /// Features, row by row.
    pub features: Vec<f64>,
    /// Labels.
    pub labels: Vec<f64>,
}

/// Images of a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    path: PathBuf,
    /// Those to learn from; all there are if the folder has one part only.
    pub train: ImageSet,
    /// Those to test with, if the folder has both.
    pub test: Option<ImageSet>,
}

impl Data {
    /// Reads what `takes` asks for.
    pub fn read(takes: Takes, paths: &[PathBuf], target: Option<&str>) -> Result<Self> {
        let wanted = match takes {
            Takes::Nothing => 0,
            Takes::Table => 1,
            Takes::Images(roles) => roles.len(),
        };
        if paths.len() != wanted {
            let message = format!("--data: {} wanted, {} given", takes.words(), paths.len());
            return Err(Failure::new(message));
        }
        if let Takes::Images(_) = takes {
            if let Some(target) = target {
                return Err(Error::invalid("--target", target, "left out: images have one label each").into());
            }
            return Ok(Data::Images(paths.iter().map(|path| Folder::read(path)).collect::<Result<_>>()?));
        }
        Ok(Data::Table(Table::read(&paths[0], target)?))
    }

    /// The names of its files.
    pub fn label(&self) -> String {
        let paths = self.paths();
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The options that ask for it.
    pub fn options(&self) -> String {
        let mut text = String::new();
        for path in self.paths() {
            text.push_str(&format!(" --data {}", argument(&path.display().to_string())));
        }
        if let Data::Table(Table { target: Some(target), .. }) = self {
            text.push_str(&format!(" --target {}", argument(target)));
        }
        text
    }

    fn paths(&self) -> Vec<&Path> {
        match self {
            Data::Table(table) => vec![&table.path],
            Data::Images(folders) => folders.iter().map(|folder| folder.path.as_path()).collect(),
        }
    }
}

impl Table {
    /// Reads a file; the label is the last column if `target` names none.
    fn read(path: &Path, target: Option<&str>) -> Result<Self> {
        let table = file::Table::read(path).map_err(|e| Failure::from(e).at("--data"))?;
        if table.width() < 2 {
            let message =
                format!("--data: {} has one column; features and a label are wanted", path.display());
            return Err(Failure::new(message));
        }
        let last = table.width().to_string();
        let column = target.unwrap_or(&last);
        let labels = table.column(column).map_err(|e| Failure::from(e).at("--target"))?;
        let features = table.without(&[column]).map_err(|e| Failure::from(e).at("--data"))?;
        Ok(Table {
            path: path.to_owned(),
            target: target.map(str::to_owned),
            width: features.width(),
            features: features.values().to_vec(),
            labels,
        })
    }

    /// The name of its file.
    pub fn label(&self) -> String {
        self.path.display().to_string()
    }
}

impl Folder {
    fn read(path: &Path) -> Result<Self> {
        let read = |part| ImageSet::read(path, part);
        let found = match (read(Some(Part::Train)), read(Some(Part::Test))) {
            (Ok(train), Ok(test)) => Ok((train, Some(test))),
            // One part only, under whatever name; what is wrong is said of it.
            _ => read(None).map(|train| (train, None)),
        };
        let (train, test) = found.map_err(|e| Failure::from(e).at("--data"))?;
        Ok(Folder { path: path.to_owned(), train, test })
    }

    /// The name of the folder.
    #[cfg_attr(not(feature = "networks"), expect(dead_code, reason = "for experiments with networks"))]
    pub fn label(&self) -> String {
        self.path.display().to_string()
    }
}

/// Text as one argument of a shell.
fn argument(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:,+=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_a_shell() {
        assert_eq!(argument("data/a-b_1.csv"), "data/a-b_1.csv");
        assert_eq!(argument("my file's.csv"), "'my file'\\''s.csv'");
        assert_eq!(argument(""), "''");
    }
}

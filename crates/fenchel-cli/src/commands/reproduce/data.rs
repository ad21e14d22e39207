//! A table of the user's, for experiments on data.

use crate::failure::{Failure, Result};
use fenchel::measure::file::Table;
use std::path::{Path, PathBuf};

/// Features and a label for each row of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    path: PathBuf,
    target: Option<String>,
    /// Features of a row.
    pub width: usize,
    /// Features, row by row.
    pub features: Vec<f64>,
    /// Labels.
    pub labels: Vec<f64>,
}

impl Data {
    /// Reads a file; the label is the last column if `target` names none.
    pub fn read(path: &Path, target: Option<&str>) -> Result<Self> {
        let table = Table::read(path).map_err(|e| Failure::from(e).at("--data"))?;
        if table.width() < 2 {
            let message =
                format!("--data: {} has one column; features and a label are wanted", path.display());
            return Err(Failure::new(message));
        }
        let last = table.width().to_string();
        let column = target.unwrap_or(&last);
        let labels = table.column(column).map_err(|e| Failure::from(e).at("--target"))?;
        let features = table.without(&[column]).map_err(|e| Failure::from(e).at("--data"))?;
        Ok(Data {
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

    /// The options that ask for it.
    pub fn options(&self) -> String {
        let target = self.target.as_ref().map(|t| format!(" --target {}", argument(t))).unwrap_or_default();
        format!(" --data {}{target}", argument(&self.label()))
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

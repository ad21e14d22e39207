//! A model as a file: what was fitted, and how rows become what it was fitted to.

use super::encoding::Encoding;
use super::labels;
use super::strength::Setting;
use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::measure::file::write_atomically;
use fenchel::robust::LinearModel;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The first line of every such file says so.
const FORMAT: &str = "fenchel robust model 1";

/// A model with all that is needed to use it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    format: String,
    /// The column that it predicts.
    pub target: String,
    /// The names of its classes, in order; none for numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The column of weights that it was fitted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// The risk that was minimised.
    pub risk: Setting,
    /// How rows become features.
    pub encoding: Encoding,
    /// Loss and coefficients.
    pub linear: LinearModel,
}

/// What is read first.
#[derive(Debug, Deserialize)]
struct Head {
    format: String,
}

impl Model {
    /// A model of these parts.
    pub fn new(
        (target, classes, weights): (String, Vec<String>, Option<String>),
        risk: Setting,
        encoding: Encoding,
        linear: LinearModel,
    ) -> Self {
        Model { format: FORMAT.to_owned(), target, classes, weights, risk, encoding, linear }
    }

    /// Writes it as JSON; the file appears whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(write_atomically(path, |out| {
            serde_json::to_writer_pretty(&mut *out, self)?;
            out.write_all(b"\n")
        })?)
    }

    /// Reads it back, to the same bits.
    pub fn load(path: &Path) -> Result<Self> {
        let wrong = |message: String| Failure::from(Error::file(path, message));
        let bytes = std::fs::read(path).map_err(|e| {
            wrong(match e.kind() {
                std::io::ErrorKind::NotFound => "there is no such file; a model is wanted".into(),
                _ if path.is_dir() => "is a directory; a file is wanted, such as its model.json".into(),
                _ => format!("cannot be read: {e}"),
            })
        })?;
        let damaged = |e: serde_json::Error| {
            Failure::from(Error::File {
                path: path.to_owned(),
                line: Some(e.line() as u64).filter(|line| *line > 0),
                column: Some(e.column() as u64).filter(|column| *column > 0),
                message: format!("is no sound model, as fenchel robust writes to model.json: {}", short(&e)),
            })
        };
        let head: Head = serde_json::from_slice(&bytes).map_err(damaged)?;
        if head.format != FORMAT {
            let found = super::data::shortened(&head.format);
            return Err(wrong(format!("is '{found}', not '{FORMAT}'; fit the model anew")));
        }
        let model: Model = serde_json::from_slice(&bytes).map_err(damaged)?;
        match model.fault() {
            Some(fault) => Err(wrong(format!("is no sound model: {fault}"))),
            None => Ok(model),
        }
    }

    /// What does not fit together.
    fn fault(&self) -> Option<String> {
        if let Some(fault) = self.encoding.fault() {
            return Some(fault);
        }
        let (features, width) = (self.encoding.width(), self.linear.width());
        if features != width {
            return Some(format!("its columns become {features} features, it has {width} coefficients"));
        }
        let loss = self.linear.loss();
        let wanted = match (labels::are_classes(loss), loss.scores()) {
            (false, _) => 0,
            (true, 1) => 2,
            (true, scores) => scores,
        };
        if self.classes.len() != wanted {
            return Some(format!("it has {} classes; {wanted} are wanted", self.classes.len()));
        }
        if let Some(moves) = &self.risk.moves {
            if moves.units.len() != features {
                return Some(format!(
                    "it has {} units of distance for {features} features",
                    moves.units.len()
                ));
            }
            if let Err(e) = moves.perturbation() {
                return Some(e.to_string());
            }
        }
        self.risk.risk().err().map(|e| e.to_string())
    }

    /// The columns that become features, of these.
    pub fn needs(&self, names: &[String]) -> Vec<usize> {
        let columns = self.encoding.columns.iter();
        columns.filter_map(|column| names.iter().position(|name| *name == column.name)).collect()
    }

    /// What it was fitted with, in words.
    pub fn words(&self) -> String {
        format!("loss {}, {}", self.linear.loss().name(), self.risk.words())
    }
}

/// What is wrong, without the place, which is told before.
fn short(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

//! A model at the rows of other files.

use super::data::{Data, Values};
use super::encoding::{Encoding, Missing, complete};
use super::labels;
use super::model::Model;
use crate::failure::Result;

/// Rows as a model takes them.
pub struct Applied {
    /// Which of them have what they need.
    pub rows: Vec<usize>,
    /// Their features, row by row.
    pub features: Vec<f64>,
}

/// A column that is needed besides the model's own: which, its cells, and what a cell of it is.
pub type Needed<'a> = (usize, &'a Values, &'static str);

/// The rows of data that have what the model needs, and their features. Missing cells are treated as in the fit.
pub fn apply(model: &Model, data: &Data, besides: &[Needed<'_>]) -> Result<Applied> {
    let encoding = &model.encoding;
    let chosen = encoding.find(data)?;
    let values = Encoding::values(data, &chosen)?;
    let mut asked: Vec<(usize, &Values, Option<&str>)> = Vec::new();
    if encoding.missing != Missing::Mean {
        asked.extend(chosen.iter().zip(&values).map(|(chosen, values)| (chosen.column, values, None)));
    }
    asked.extend(besides.iter().map(|(column, values, what)| (*column, *values, Some(*what))));
    let cells: Vec<&Values> = asked.iter().map(|asked| asked.1).collect();
    let (rows, gaps) = complete(data.len(), &cells);
    if let Some(gaps) = gaps.filter(|_| encoding.missing != Missing::Drop) {
        let (column, _, what) = &asked[gaps.first.1];
        let says = gaps.says(data.names()[*column]);
        let message = match what {
            Some(what) => format!("{what} {says}; it must be there"),
            None => format!(
                "{says}; a model fitted with --missing mean fills it in, one with drop leaves the row out"
            ),
        };
        return Err(data.error(gaps.first.0, *column, message));
    }
    let features = encoding.apply(data, (&chosen, &values), &rows)?;
    Ok(Applied { rows, features })
}

/// What the model predicts for these features, on the scale of its loss's labels.
pub fn predictions(model: &Model, applied: &Applied) -> Result<Vec<f64>> {
    let mut out = vec![0.0; applied.rows.len()];
    model.linear.predict(&applied.features, &mut out)?;
    Ok(out)
}

/// The name of the class that a prediction is, if the model has classes.
pub fn class_of(model: &Model, prediction: f64) -> Option<&str> {
    let class = labels::class(model.linear.loss(), prediction);
    model.classes.get(class).map(String::as_str)
}

//! Numbers about the losses of a model on some rows.

use crate::failure::Result;
use fenchel::robust::Risk;
use fenchel::robust::loss::{Labels, Loss};
use serde::Serialize;

/// The shares whose mean is told, of the largest losses.
pub const SHARES: [f64; 5] = [0.5, 0.25, 0.1, 0.05, 0.01];

/// Rows that are told of.
const HEAVIEST: usize = 5;

/// The mean of the largest losses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tail {
    /// Which share of all weight they have.
    pub share: f64,
    /// Their mean.
    pub value: f64,
}

/// Means of the tails of losses under these weights.
pub fn tails(losses: &[f64], weights: &[f64]) -> Result<Vec<Tail>> {
    let values = fenchel::robust::tails(losses, weights, &SHARES)?;
    Ok(SHARES.iter().zip(values).map(|(share, value)| Tail { share: *share, value }).collect())
}

/// The rows with the largest weights p, of those that weigh anything; among equals those of larger loss.
pub fn heaviest(p: &[f64], losses: &[f64]) -> Vec<usize> {
    let before = |a: usize, b: usize| {
        p[b].total_cmp(&p[a]).then(losses[b].total_cmp(&losses[a])).then(a.cmp(&b)).is_lt()
    };
    let mut best: Vec<usize> = Vec::with_capacity(HEAVIEST + 1);
    for row in (0..p.len()).filter(|row| p[*row] > 0.0) {
        let at = best.partition_point(|other| before(*other, row));
        if at < HEAVIEST {
            best.insert(at, row);
            best.truncate(HEAVIEST);
        }
    }
    best
}

/// The mean of losses under these weights.
pub fn mean(losses: &[f64], weights: &[f64]) -> Result<f64> {
    let mut p = vec![0.0; losses.len()];
    Ok(Risk::mean().of(losses, weights, &mut p)?.value)
}

/// The largest loss of a row with weight.
pub fn largest(losses: &[f64], weights: &[f64]) -> f64 {
    let seen = losses.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
    seen.fold(f64::NEG_INFINITY, |most, (loss, _)| loss.max(most))
}

/// How good a model is on some rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quality {
    /// How many rows.
    pub rows: usize,
    /// Mean of the losses.
    pub mean_loss: f64,
    /// Means of their tails.
    pub cvar: Vec<Tail>,
    /// The risk that the model was to make small.
    pub worst_case: f64,
    /// The largest loss.
    pub largest_loss: f64,
    /// Root of the mean square of label less prediction, for labels that are numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// 1 less the share of the labels' variance that this is; none where they do not vary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
    /// Weight of the rows whose class is predicted, for labels that are classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
}

/// What qualities are made of, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The model's losses.
    pub losses: &'a [f64],
    /// The losses that the risk is of: the same, unless rows are moved.
    pub worst: &'a [f64],
    /// Labels as the loss takes them.
    pub labels: &'a [f64],
    /// Predictions on the same scale.
    pub predictions: &'a [f64],
    /// Weights of the rows; not all 0.
    pub weights: &'a [f64],
}

impl Rows<'_> {
    /// Everything there is to say.
    pub fn quality(&self, loss: &dyn Loss, risk: &Risk) -> Result<Quality> {
        let Rows { losses, worst, labels, predictions, weights } = *self;
        let mut p = vec![0.0; losses.len()];
        let (mut rmse, mut r2, mut accuracy) = (None, None, None);
        let pairs = || labels.iter().zip(predictions);
        if matches!(loss.labels(), Labels::Sign | Labels::Class) {
            let right: Vec<f64> = pairs().map(|(y, z)| f64::from(u8::from(y == z))).collect();
            accuracy = Some(mean(&right, weights)?);
        } else {
            // In units of the largest, so that squares stay finite.
            let unit = pairs().fold(0.0_f64, |most, (y, z)| most.max((y - z).abs()).max(y.abs()));
            let unit = if unit > 0.0 && unit.is_finite() { unit } else { 1.0 };
            let centre = mean(labels, weights)?;
            let errors: Vec<f64> = pairs().map(|(y, z)| ((y - z) / unit).powi(2)).collect();
            let spread: Vec<f64> = labels.iter().map(|y| ((y - centre) / unit).powi(2)).collect();
            // A prediction may be out of range though its loss is not.
            if errors.iter().all(|e| e.is_finite()) {
                let (error, variance) = (mean(&errors, weights)?, mean(&spread, weights)?);
                rmse = Some(unit * error.sqrt());
                r2 = (variance > 0.0).then_some(1.0 - error / variance);
            }
        }
        Ok(Quality {
            rows: losses.len(),
            mean_loss: mean(losses, weights)?,
            cvar: tails(losses, weights)?,
            worst_case: risk.of(worst, weights, &mut p)?.value,
            largest_loss: largest(losses, weights),
            rmse,
            r2,
            accuracy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heaviest_by_weight_then_loss_then_place() {
        let p = [0.1, 0.0, 0.3, 0.1, 0.1, 0.2, 0.1, 0.1];
        let losses = [1.0, 9.0, 2.0, 5.0, 1.0, 0.0, 1.0, 5.0];
        assert_eq!(heaviest(&p, &losses), [2, 5, 3, 7, 0]);
        assert_eq!(heaviest(&[0.0, 1.0], &[1.0, 1.0]), [1]);
    }
    use fenchel::robust::loss::parse;

    #[test]
    fn known_numbers() {
        let rows = Rows {
            losses: &[4.0, 0.0, 1.0, 9.0],
            worst: &[4.0, 0.0, 1.0, 9.0],
            labels: &[1.0, 2.0, 3.0, 100.0],
            predictions: &[3.0, 2.0, 4.0, 97.0],
            weights: &[1.0, 1.0, 2.0, 0.0],
        };
        let squared = parse("squared").unwrap();
        let found = rows.quality(&*squared, &Risk::mean()).unwrap();
        assert_eq!((found.rows, found.mean_loss, found.worst_case, found.largest_loss), (4, 1.5, 1.5, 4.0));
        assert!((found.cvar[0].value - 2.5).abs() < 1e-15 && found.cvar[1].value == 4.0, "{:?}", found.cvar);
        assert!((found.rmse.unwrap() - 1.5_f64.sqrt()).abs() < 1e-14);
        // Labels 1, 2, 3, 3 about 2.25: variance 0.6875.
        assert!((found.r2.unwrap() - (1.0 - 1.5 / 0.6875)).abs() < 1e-13);
        assert_eq!(found.accuracy, None);
    }

    #[test]
    fn shares_of_classes_that_are_right() {
        let rows = Rows {
            losses: &[1.0, 2.0, 3.0],
            worst: &[1.0, 2.0, 3.0],
            labels: &[1.0, -1.0, 1.0],
            predictions: &[1.0, 1.0, 1.0],
            weights: &[1.0, 1.0, 2.0],
        };
        let found = rows.quality(&*parse("logistic").unwrap(), &Risk::mean()).unwrap();
        assert_eq!((found.accuracy, found.rmse, found.r2), (Some(0.75), None, None));
    }

    #[test]
    fn labels_that_do_not_vary_have_no_r2() {
        let rows = Rows {
            losses: &[1.0, 1.0],
            worst: &[1.0, 1.0],
            labels: &[2.0, 2.0],
            predictions: &[1.0, 3.0],
            weights: &[1.0; 2],
        };
        let found = rows.quality(&*parse("squared").unwrap(), &Risk::mean()).unwrap();
        assert_eq!((found.rmse, found.r2), (Some(1.0), None));
    }
}

//! A linear model apart from the examples it was fitted to: what predicts.

use super::Examples;
use super::corner::logistic;
use super::loss::{self, Labels, Loss};
use crate::simd::dot;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Scores z = θx + θ₀, one or several an example, and what a loss makes of them.
///
/// Serialised it is the name of the loss, intercepts and coefficients; what is read back has the same bits. A loss of one's
/// own has a name that no registry knows, and cannot be read back.
///
/// ```
/// use fenchel::robust::{LinearModel, loss};
///
/// let model = LinearModel::new(loss::parse("logistic")?, vec![1.0], vec![2.0, -1.0])?;
/// let rows = [0.5, 0.0, 0.0, 3.0];
/// let (mut z, mut label, mut probability) = ([0.0; 2], [0.0; 2], [0.0; 4]);
/// model.scores(&rows, &mut z)?;
/// model.predict(&rows, &mut label)?;
/// model.probabilities(&rows, &mut probability)?;
/// assert_eq!((z, label), ([2.0, -2.0], [1.0, -1.0]));
/// assert!((probability[1] - 1.0 / (1.0 + (-2.0_f64).exp())).abs() < 1e-15);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct LinearModel {
    loss: Arc<dyn Loss>,
    intercept: Vec<f64>,
    coefficients: Vec<f64>,
}

/// What is written of a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    loss: String,
    /// One a score.
    intercept: Vec<f64>,
    /// A list for each score.
    coefficients: Vec<Vec<f64>>,
}

impl From<LinearModel> for Record {
    fn from(model: LinearModel) -> Record {
        let d = model.width();
        let of = |score: usize| model.coefficients[score * d..(score + 1) * d].to_vec();
        let coefficients = (0..model.intercept.len()).map(of).collect();
        Record { loss: model.loss.name(), coefficients, intercept: model.intercept }
    }
}

impl TryFrom<Record> for LinearModel {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self> {
        let scores = record.intercept.len();
        let loss = loss::parse(&record.loss)?;
        let loss = loss.for_classes(scores).unwrap_or(loss);
        let lists = &record.coefficients;
        if lists.len() != scores {
            let expected = format!("as many lists as intercepts, {scores}");
            return Err(Error::shape("coefficients", expected, lists.len()));
        }
        if let Some(other) = lists.iter().find(|list| list.len() != lists[0].len()) {
            let expected = format!("{} numbers in each list", lists[0].len());
            return Err(Error::shape("coefficients", expected, other.len()));
        }
        LinearModel::new(loss, record.intercept, record.coefficients.concat())
    }
}

impl LinearModel {
    /// A model of a loss, with an intercept θ₀ for each score and the coefficients θ of one score after another, as a
    /// [`Fit`](super::Fit) has them.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not as many intercepts as the loss has scores or coefficients cannot be shared out among
    /// them, [`Error::NonFinite`] for numbers that are NaN or infinite.
    pub fn new(loss: Arc<dyn Loss>, intercept: Vec<f64>, coefficients: Vec<f64>) -> Result<Self> {
        let scores = loss.scores();
        if scores == 0 || intercept.len() != scores {
            let expected = format!("one for each score of {}, {scores}", loss.name());
            return Err(Error::shape("intercept", expected, intercept.len()));
        }
        if !coefficients.len().is_multiple_of(scores) {
            let expected = format!("as many for each of {scores} scores");
            return Err(Error::shape("coefficients", expected, coefficients.len()));
        }
        for (what, numbers) in [("intercept", &intercept), ("coefficients", &coefficients)] {
            if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
                return Err(Error::non_finite(what, format!("index {at}"), numbers[at]));
            }
        }
        Ok(LinearModel { loss, intercept, coefficients })
    }

    /// The loss it was fitted with.
    pub fn loss(&self) -> &dyn Loss {
        &*self.loss
    }

    /// θ₀, one a score.
    pub fn intercept(&self) -> &[f64] {
        &self.intercept
    }

    /// θ: the coefficients of one score after another.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// Features of an example.
    pub fn width(&self) -> usize {
        self.coefficients.len() / self.intercept.len()
    }

    /// Scores an example has.
    fn per_example(&self) -> usize {
        self.intercept.len()
    }

    /// The scores of the examples whose features are `x`, row by row, into `out`: all scores of one example after another.
    ///
    /// # Errors
    /// [`Error::Shape`] if `out` is not as long as there are rows, times the scores of each.
    pub fn scores(&self, x: &[f64], out: &mut [f64]) -> Result<()> {
        let (d, k) = (self.width(), self.per_example());
        let n = out.len() / k;
        if n * k != out.len() || n * d != x.len() {
            let expected = format!("{d} numbers a row, and {k} for its scores");
            return Err(Error::shape(
                "features and scores",
                expected,
                format!("{} and {}", x.len(), out.len()),
            ));
        }
        for (i, out) in out.chunks_exact_mut(k).enumerate() {
            let row = &x[i * d..(i + 1) * d];
            for (score, out) in out.iter_mut().enumerate() {
                *out = self.intercept[score] + dot(row, &self.coefficients[score * d..(score + 1) * d]);
            }
        }
        Ok(())
    }

    /// What is to be expected of the labels of these rows, on the scale of labels: the score itself for numbers, its
    /// exponential for counts, the sign for two classes (1 where the score is 0), the number of the largest score for several.
    ///
    /// # Errors
    /// [`Error::Shape`] if `out` is not as long as there are rows.
    pub fn predict(&self, x: &[f64], out: &mut [f64]) -> Result<()> {
        let k = self.per_example();
        let mut z = vec![0.0; out.len() * k];
        self.scores(x, &mut z)?;
        for (out, z) in out.iter_mut().zip(z.chunks_exact(k)) {
            *out = match self.loss.labels() {
                Labels::Real => z[0],
                Labels::Count => z[0].exp(),
                Labels::Sign => {
                    if z[0] < 0.0 {
                        -1.0
                    } else {
                        1.0
                    }
                }
                Labels::Class => (0..k).fold(0, |best, at| if z[at] > z[best] { at } else { best }) as f64,
            };
        }
        Ok(())
    }

    /// Whether scores say how probable classes are: for `logistic` and `multinomial`.
    pub fn has_probabilities(&self) -> bool {
        match self.loss.labels() {
            Labels::Class => true,
            Labels::Sign => self.loss.name() == "logistic",
            Labels::Real | Labels::Count => false,
        }
    }

    /// The probabilities of the classes, those of one row after another into `out`: of −1 and 1, or of 0, 1, ….
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the loss has none, [`Error::Shape`] if `out` is not as long as there are rows, times classes.
    pub fn probabilities(&self, x: &[f64], out: &mut [f64]) -> Result<()> {
        if !self.has_probabilities() {
            let expected = "logistic or multinomial: others have no probabilities";
            return Err(Error::invalid("loss", self.loss.name(), expected));
        }
        if self.loss.labels() == Labels::Class {
            self.scores(x, out)?;
            for z in out.chunks_exact_mut(self.per_example()) {
                let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                z.iter_mut().for_each(|z| *z = (*z - top).exp());
                let total: f64 = z.iter().sum();
                z.iter_mut().for_each(|z| *z /= total);
            }
            return Ok(());
        }
        let mut z = vec![0.0; out.len() / 2];
        if 2 * z.len() != out.len() {
            return Err(Error::shape("probabilities", "two a row", out.len()));
        }
        self.scores(x, &mut z)?;
        for (out, z) in out.chunks_exact_mut(2).zip(z) {
            (out[0], out[1]) = (logistic(-z).0, logistic(z).0);
        }
        Ok(())
    }

    /// The loss of each example. One that is out of range is infinite.
    ///
    /// # Errors
    /// [`Error::Shape`] if examples have other features, [`Error::InvalidValue`] for a label that the loss does not take.
    pub fn losses(&self, examples: &Examples) -> Result<Vec<f64>> {
        if examples.width() != self.width() {
            return Err(Error::shape("features", self.width(), examples.width()));
        }
        let k = self.per_example();
        let takes = |y: f64| match self.loss.labels() {
            Labels::Real => true,
            Labels::Sign => y == 1.0 || y == -1.0,
            Labels::Class => y >= 0.0 && y < k as f64 && y.fract() == 0.0,
            Labels::Count => y >= 0.0,
        };
        if let Some(i) = examples.labels().iter().position(|y| !takes(*y)) {
            let what = format!("label of row {} for {}", i + 1, self.loss.name());
            let expected = match self.loss.labels() {
                Labels::Sign => "-1 or 1".to_owned(),
                Labels::Class => format!("a class, 0 to {}", k - 1),
                Labels::Real | Labels::Count => "a number of at least 0".to_owned(),
            };
            return Err(Error::invalid(what, examples.labels()[i], expected));
        }
        let mut z = vec![0.0; examples.len() * k];
        self.scores(examples.features(), &mut z)?;
        Ok(z.chunks_exact(k).zip(examples.labels()).map(|(z, y)| self.loss.value(z, *y)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, intercept: &[f64], coefficients: &[f64]) -> Result<LinearModel> {
        let loss = loss::parse(name)?;
        let loss = loss.for_classes(intercept.len()).unwrap_or(loss);
        LinearModel::new(loss, intercept.to_vec(), coefficients.to_vec())
    }

    #[test]
    fn labels_are_on_their_own_scale() {
        let predicted = |name: &str, intercept: &[f64], coefficients: &[f64], x: &[f64]| {
            let model = model(name, intercept, coefficients).unwrap();
            let mut out = vec![0.0; x.len() / model.width()];
            model.predict(x, &mut out).unwrap();
            out
        };
        assert_eq!(predicted("squared", &[1.0], &[2.0, 3.0], &[1.0, 1.0, 0.0, -1.0]), [6.0, -2.0]);
        assert_eq!(predicted("poisson", &[0.0], &[2.0], &[0.0, 1.0]), [1.0, 2f64.exp()]);
        assert_eq!(predicted("hinge", &[0.5], &[1.0], &[-0.5, -0.6, 3.0]), [1.0, -1.0, 1.0]);
        let three = predicted("multinomial", &[0.0, 1.0, 0.0], &[0.0, 0.0, 2.0], &[0.0, 0.4, 0.6]);
        assert_eq!(three, [1.0, 1.0, 2.0]);
    }

    #[test]
    fn probabilities_sum_to_one_at_any_score() {
        for (name, k) in [("logistic", 1), ("multinomial", 4)] {
            let model = model(name, &vec![0.1; k], &vec![1.0; k]).unwrap();
            let classes = if k == 1 { 2 } else { k };
            for x in [-800.0, -1.0, 0.0, 3.0, 800.0] {
                let mut p = vec![f64::NAN; classes];
                model.probabilities(&[x], &mut p).unwrap();
                assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-15, "{name} {x} {p:?}");
            }
        }
        let two = model("logistic", &[0.0], &[1.0]).unwrap();
        let mut p = [0.0; 2];
        two.probabilities(&[700.0], &mut p).unwrap();
        assert!(p[0] > 0.0 && p[0] < 1e-300 && p[1] == 1.0, "{p:?}");
        assert!(two.probabilities(&[1.0], &mut [0.0; 3]).is_err());
        let hinge = model("hinge", &[0.0], &[1.0]).unwrap();
        assert!(!hinge.has_probabilities() && hinge.probabilities(&[1.0], &mut p).is_err());
    }

    #[test]
    fn losses_are_those_of_the_scores() {
        let model = model("squared", &[1.0], &[2.0]).unwrap();
        let examples = Examples::new(1, vec![0.0, 3.0], vec![4.0, 7.0]).unwrap();
        assert_eq!(model.losses(&examples).unwrap(), [9.0, 0.0]);
        let other = Examples::new(2, vec![0.0; 4], vec![4.0, 7.0]).unwrap();
        assert!(model.losses(&other).is_err());
    }

    #[test]
    fn labels_that_the_loss_does_not_take_are_named() {
        for (name, k, bad) in [("logistic", 1, 0.0), ("multinomial", 3, 3.0), ("poisson", 1, -1.0)] {
            let model = model(name, &vec![0.0; k], &vec![1.0; k]).unwrap();
            let examples = Examples::new(1, vec![0.0; 2], vec![1.0, bad]).unwrap();
            let message = model.losses(&examples).unwrap_err().to_string();
            assert!(message.contains("row 2") && message.contains(name), "{message}");
        }
    }

    #[test]
    fn what_is_read_back_has_the_same_bits() {
        for (name, k) in [("huber:0.3", 1), ("multinomial", 3)] {
            let numbers: Vec<f64> = (0..3 * k).map(|i| (f64::from(i as u32) + 0.1).sin() * 1e-7).collect();
            let before = model(name, &numbers[..k], &numbers[k..]).unwrap();
            let text = serde_json::to_string(&before).unwrap();
            let after: LinearModel = serde_json::from_str(&text).unwrap();
            assert_eq!(after.loss().name(), name);
            assert_eq!(
                (after.intercept(), after.coefficients()),
                (before.intercept(), before.coefficients())
            );
            assert_eq!(after.width(), 2);
        }
    }

    #[test]
    fn records_that_do_not_fit_together_are_refused() {
        for (text, part) in [
            (r#"{"loss": "squard", "intercept": [1], "coefficients": [[1]]}"#, "squared"),
            (r#"{"loss": "squared", "intercept": [], "coefficients": []}"#, "intercept"),
            (r#"{"loss": "squared", "intercept": [1, 2], "coefficients": [[1], [2]]}"#, "intercept"),
            (r#"{"loss": "squared", "intercept": [1], "coefficients": [[1], [2]]}"#, "coefficients"),
            (r#"{"loss": "multinomial", "intercept": [1, 2], "coefficients": [[1], []]}"#, "coefficients"),
        ] {
            let message = serde_json::from_str::<LinearModel>(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        assert!(model("squared", &[f64::NAN], &[1.0]).is_err());
        assert!(model("squared", &[0.0], &[f64::INFINITY]).is_err());
        let narrow = model("squared", &[0.0], &[1.0, 1.0]).unwrap();
        assert!(narrow.scores(&[1.0, 2.0, 3.0], &mut [0.0]).is_err());
    }
}

//! Examples for networks.

use crate::purpose;
use fenchel::measure::{Rng, stream};
use fenchel::{Error, Result};

/// Rows of features and a label each, in the precision that networks have.
///
/// Labels are numbers: values, −1 and 1, classes 0, 1, … or counts, as the loss wants them.
///
/// ```
/// use fenchel_neural::robust::Examples;
///
/// let examples = Examples::new(2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], vec![0.0, 1.0, 1.0])?;
/// let (train, held) = examples.split(1.0 / 3.0, 7)?;
/// assert_eq!((train.len(), held.len()), (2, 1));
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Examples {
    width: usize,
    features: Vec<f32>,
    labels: Vec<f64>,
}

impl Examples {
    /// `width` features an example, one example after another, and as many labels as examples.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no example, no feature, or numbers do not fit, [`Error::NonFinite`] for NaN or infinity.
    pub fn new(width: usize, features: Vec<f32>, labels: Vec<f64>) -> Result<Self> {
        let n = labels.len();
        if n == 0 {
            return Err(Error::shape("labels", "at least one", 0));
        }
        if width == 0 {
            return Err(Error::shape("features", "at least one an example", 0));
        }
        if n.checked_mul(width) != Some(features.len()) {
            return Err(Error::shape("features", format!("{n} × {width} numbers"), features.len()));
        }
        if let Some(at) = features.iter().position(|x| !x.is_finite()) {
            let place = format!("row {}, column {}", at / width + 1, at % width + 1);
            return Err(Error::non_finite("features", place, f64::from(features[at])));
        }
        if let Some(i) = labels.iter().position(|y| !y.is_finite()) {
            return Err(Error::non_finite("labels", format!("row {}", i + 1), labels[i]));
        }
        Ok(Examples { width, features, labels })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never: there is at least one.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// How many features an example has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All features, row by row.
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// All labels.
    pub fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// The listed examples, in the listed order.
    pub(crate) fn gather(&self, rows: &[u32]) -> (Vec<f32>, Vec<f64>) {
        let mut features = Vec::with_capacity(rows.len() * self.width);
        for i in rows {
            let from = *i as usize * self.width;
            features.extend_from_slice(&self.features[from..from + self.width]);
        }
        (features, rows.iter().map(|i| self.labels[*i as usize]).collect())
    }

    /// All but a share of them, and that share, at least one each, chosen at random from the seed.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless the share is above 0 and below 1, [`Error::Shape`] for fewer than two examples.
    pub fn split(&self, share: f64, seed: u64) -> Result<(Examples, Examples)> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::invalid("share of examples held back", share, "a number above 0 and below 1"));
        }
        let n = self.len();
        if n < 2 {
            return Err(Error::shape("examples to split", "at least 2", n));
        }
        let held = ((share * n as f64).round() as usize).clamp(1, n - 1);
        let order = shuffled(n, &mut stream(seed, purpose::SPLIT, 0));
        let part = |rows: &[u32]| {
            let mut rows = rows.to_vec();
            rows.sort_unstable();
            let (features, labels) = self.gather(&rows);
            Examples { width: self.width, features, labels }
        };
        Ok((part(&order[held..]), part(&order[..held])))
    }
}

/// 0, …, n − 1 in random order.
pub(super) fn shuffled(n: usize, rng: &mut Rng) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    rng.shuffle(&mut order);
    order
}

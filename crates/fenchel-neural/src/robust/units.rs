//! Scores in units in which they are about as large as 1.

use fenchel::robust::loss::{Derivatives, Labels, Loss};
use fenchel::{Error, Result};
use std::sync::Arc;

/// The loss of m + s·z where the score is z: labels stay in their own units, and so does the loss.
///
/// A network begins with scores below 1 in size, and learns fastest where the best ones are as large. m is the mean of the labels and s their
/// standard deviation, say.
///
/// ```text
/// ℓ̃(z, y) = ℓ(m + sz, y),   ℓ̃*(a, y) = ℓ*(a/s, y) − am/s
/// ```
///
/// ```
/// use fenchel::robust::loss::{Loss, parse};
/// use fenchel_neural::robust::Units;
///
/// let loss = Units::new(parse("squared")?, 100.0, 10.0)?;
/// assert_eq!(loss.value(&[0.5], 103.0), 4.0);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Units {
    loss: Arc<dyn Loss>,
    shift: f64,
    scale: f64,
}

impl Units {
    /// `shift` is m and `scale` is s.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless the loss has one score, m is finite and s is finite and above 0.
    pub fn new(loss: Arc<dyn Loss>, shift: f64, scale: f64) -> Result<Self> {
        if loss.scores() != 1 {
            return Err(Error::invalid("loss", loss.name(), "one of a single score, to have units"));
        }
        if !shift.is_finite() {
            return Err(Error::invalid("shift of scores", shift, "a finite number"));
        }
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Error::invalid("scale of scores", scale, "a finite number above 0"));
        }
        Ok(Units { loss, shift, scale })
    }

    fn score(&self, z: &[f64]) -> [f64; 1] {
        [self.shift + self.scale * z[0]]
    }
}

impl Loss for Units {
    fn name(&self) -> String {
        format!("{} of {} and {} times the score", self.loss.name(), self.shift, self.scale)
    }
    fn labels(&self) -> Labels {
        self.loss.labels()
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        self.loss.value(&self.score(z), y)
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        let Derivatives { slope, curvature } = at;
        let at = Derivatives { slope: &mut *slope, curvature: &mut *curvature };
        let value = self.loss.derive(&self.score(z), y, at);
        slope[0] *= self.scale;
        curvature[0] *= self.scale * self.scale;
        value
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        let a = a[0] / self.scale;
        self.loss.conjugate(&[a], y) - a * self.shift
    }
    fn is_smooth(&self) -> bool {
        self.loss.is_smooth()
    }
    fn smoothed(&self, width: f64) -> Option<Arc<dyn Loss>> {
        let loss = self.loss.smoothed(width)?;
        Some(Arc::new(Units { loss, ..self.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fenchel::robust::loss::parse;
    use proptest::prelude::*;

    proptest! {
        /// Slopes and curvatures are those of the value, and the conjugate touches it (Fenchel and Young), in units of any size.
        #[test]
        fn derivatives_and_conjugates(
            z in -3.0_f64..3.0, label in -3.0_f64..3.0, shift in -5.0_f64..5.0, power in -3_i32..4, name in 0_usize..3,
        ) {
            let name = ["squared", "huber:0.7", "poisson"][name];
            // Exponentials of large numbers have no finite differences.
            let scale = if name == "poisson" { 1.0 } else { 10f64.powi(power) };
            let y = if name == "poisson" { label.abs() } else { shift + scale * label };
            let loss = Units::new(parse(name).unwrap(), shift, scale).unwrap();
            let derive = |z: f64| {
                let (mut slope, mut curvature) = ([0.0], [0.0]);
                let at = Derivatives { slope: &mut slope, curvature: &mut curvature };
                (loss.derive(&[z], y, at), slope[0], curvature[0])
            };
            let (value, slope, curvature) = derive(z);
            prop_assert_eq!(value, loss.value(&[z], y));
            let h = 1e-5;
            let (above, below) = (derive(z + h), derive(z - h));
            let size = 1.0 + value.abs() + slope.abs() + curvature.abs();
            prop_assert!(((above.0 - below.0) / (2.0 * h) - slope).abs() < 1e-4 * size);
            // Where a corner of the slope is near, the difference is between the curvatures on both sides.
            let near = above.2.max(below.2).max(curvature);
            let least = above.2.min(below.2).min(curvature);
            let found = (above.1 - below.1) / (2.0 * h);
            prop_assert!(found < near + 1e-4 * size && found > least - 1e-4 * size);
            // Rounding must not lead out of the domain.
            let dual = slope * (1.0 - 1e-12);
            let touch = loss.conjugate(&[dual], y) - (dual * z - value);
            let size = size + (slope * z).abs() + (slope / scale * shift).abs();
            prop_assert!(touch.abs() < 1e-9 * size, "{touch}");
        }
    }

    #[test]
    fn units_that_cannot_be() {
        let squared = || parse("squared").unwrap();
        assert!(Units::new(squared(), f64::NAN, 1.0).unwrap_err().to_string().contains("shift"));
        assert!(Units::new(squared(), 0.0, 0.0).unwrap_err().to_string().contains("above 0"));
        let classes = parse("multinomial").unwrap().for_classes(3).unwrap();
        assert!(Units::new(classes, 0.0, 1.0).unwrap_err().to_string().contains("single score"));
    }
}

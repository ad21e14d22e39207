//! Losses: what a score z costs where the label is y.
//!
//! | name | ℓ(z, y) | labels |
//! |---|---|---|
//! | `squared` | (z − y)² | numbers |
//! | `absolute` | \|z − y\| | numbers |
//! | `huber[:δ]` | r²/2 for \|r\| ≤ δ, δ\|r\| − δ²/2 beyond, r = z − y | numbers |
//! | `quantile[:τ]` | τ(y − z) + (z − y)₊ | numbers |
//! | `logistic` | log(1 + e^{−yz}) | ±1 |
//! | `hinge` | (1 − yz)₊ | ±1 |
//! | `smoothed-hinge[:γ]` | the same with a corner that is a parabola of width γ | ±1 |
//! | `multinomial` | log Σ_k e^{z_k} − z_y | classes 0, 1, … |
//! | `poisson` | e^z − yz + y log y − y | counts |
//!
//! All are convex in z. Another is one small type that implements [`Loss`].

mod absolute;
mod hinge;
mod huber;
mod logistic;
mod multinomial;
mod poisson;
mod quantile;
mod shape;
mod smoothed_hinge;
mod squared;

pub use absolute::Absolute;
pub use hinge::Hinge;
pub use huber::Huber;
pub use logistic::Logistic;
pub use multinomial::Multinomial;
pub use poisson::Poisson;
pub use quantile::Quantile;
pub use shape::Shape;
pub use smoothed_hinge::SmoothedHinge;
pub use squared::Squared;

pub(crate) use shape::{Kernel, Peak};

use crate::{Error, Result};
use std::fmt::Debug;
use std::sync::Arc;

/// What labels must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Labels {
    /// Any number.
    Real,
    /// −1 or 1.
    Sign,
    /// 0, 1, … up to the number of classes, which is [`Loss::scores`].
    Class,
    /// A number of at least 0.
    Count,
}

/// Where the first and second derivatives in the scores are written.
#[derive(Debug)]
pub struct Derivatives<'a> {
    /// ∂ℓ/∂z, one a score. At a kink any subgradient.
    pub slope: &'a mut [f64],
    /// ∂²ℓ/∂z², scores × scores, row-major; 0 where it does not exist.
    pub curvature: &'a mut [f64],
}

/// Where the losses of many examples are written, with their derivatives; one example after another.
#[derive(Debug)]
pub struct Slots<'a> {
    /// ∂ℓ/∂z, examples × scores.
    pub slope: &'a mut [f64],
    /// ∂²ℓ/∂z², examples × scores × scores.
    pub curvature: &'a mut [f64],
    /// ℓ, one an example.
    pub losses: &'a mut [f64],
}

/// A loss ℓ(z, y), convex in the scores z.
pub trait Loss: Debug + Send + Sync {
    /// Name with its parameter, as [`parse`] takes it.
    fn name(&self) -> String;
    /// What labels must be.
    fn labels(&self) -> Labels;
    /// How many scores an example has.
    fn scores(&self) -> usize {
        1
    }
    /// ℓ(z, y).
    fn value(&self, z: &[f64], y: f64) -> f64;
    /// ℓ(z, y), with its derivatives written.
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64;
    /// [`Loss::derive`] for many examples. Compiled once for each loss, so that a loop over examples calls no function
    /// through a table.
    fn derive_all(&self, z: &[f64], y: &[f64], to: Slots<'_>) {
        let k = self.scores();
        let slopes = to.slope.chunks_exact_mut(k).zip(to.curvature.chunks_exact_mut(k * k));
        let slots =
            slopes.zip(to.losses).map(|((slope, curvature), loss)| (Derivatives { slope, curvature }, loss));
        for ((z, y), (at, loss)) in z.chunks_exact(k).zip(y).zip(slots) {
            *loss = self.derive(z, *y, at);
        }
    }
    /// ℓ*(a, y) = sup over z of ⟨a, z⟩ − ℓ(z, y), +∞ outside its domain.
    fn conjugate(&self, a: &[f64], y: f64) -> f64;
    /// Whether it has a gradient everywhere.
    fn is_smooth(&self) -> bool {
        true
    }
    /// For a loss that is not smooth: a smooth one, at most `width` log 2 below it. Its slopes are slopes of this one.
    fn smoothed(&self, width: f64) -> Option<Arc<dyn Loss>> {
        let _ = width;
        None
    }
    /// The same loss for so many classes; `None`: it has no classes.
    fn for_classes(&self, classes: usize) -> Option<Arc<dyn Loss>> {
        let _ = classes;
        None
    }
    /// What a loss of one score is made of; with it a model can be fitted to the worst case over moved examples, see
    /// [`Perturbation`](super::Perturbation).
    fn shape(&self) -> Option<Shape> {
        None
    }
}

/// What may follow a loss's name after a colon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub symbol: &'static str,
    /// What it must be.
    pub domain: &'static str,
    /// What it is where none is given.
    pub default: f64,
}

/// A row of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name without parameter, as typed on the command line.
    pub name: &'static str,
    /// Its parameter, if it has one.
    pub parameter: Option<Parameter>,
    /// One line of description.
    pub summary: &'static str,
    /// Makes one from its parameter.
    pub build: fn(f64) -> Result<Arc<dyn Loss>>,
}

/// Every loss with a name.
pub fn registry() -> &'static [Entry] {
    &[
        squared::ENTRY,
        absolute::ENTRY,
        huber::ENTRY,
        quantile::ENTRY,
        logistic::ENTRY,
        hinge::ENTRY,
        smoothed_hinge::ENTRY,
        multinomial::ENTRY,
        poisson::ENTRY,
    ]
}

/// The loss of a name such as `squared` or `huber:2`; the inverse of [`Loss::name`].
///
/// ```
/// use fenchel::robust::loss::parse;
///
/// assert_eq!(parse("huber:2")?.value(&[5.0], 0.0), 8.0);
/// assert!(parse("quantile:2").unwrap_err().to_string().contains("between 0 and 1"));
/// assert!(parse("square").unwrap_err().to_string().contains("did you mean 'squared'"));
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// A name no one knows (the nearest is suggested), a parameter that is not wanted, not a number, or outside its domain.
pub fn parse(text: &str) -> Result<Arc<dyn Loss>> {
    let (name, given) = match text.split_once(':') {
        Some((name, parameter)) => (name.trim(), Some(parameter.trim())),
        None => (text.trim(), None),
    };
    let Some(entry) = registry().iter().find(|entry| entry.name == name) else {
        return Err(Error::unknown("loss", name, registry().iter().map(|entry| entry.name)));
    };
    match (entry.parameter, given) {
        (None, None) => (entry.build)(f64::NAN),
        (None, Some(_)) => {
            Err(Error::invalid("loss", format!("'{text}'"), format!("'{name}' with no parameter")))
        }
        (Some(parameter), None) => (entry.build)(parameter.default),
        (Some(parameter), Some(given)) => match given.parse::<f64>() {
            Ok(value) => (entry.build)(value),
            Err(_) => {
                let what = format!("{} of {name}", parameter.symbol);
                Err(Error::invalid(what, format!("'{given}'"), parameter.domain))
            }
        },
    }
}

/// Whether labels are what a loss takes.
///
/// ```
/// use fenchel::robust::loss::{check_labels, parse};
///
/// let error = check_labels(&*parse("logistic")?, &[1.0, 0.0]).unwrap_err();
/// assert_eq!(error.to_string(), "label of row 2 for logistic is 0; it must be -1 or 1");
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidValue`] with the first row that is at fault.
pub fn check_labels(loss: &dyn Loss, labels: &[f64]) -> Result<()> {
    let wanted = match loss.labels() {
        Labels::Real => return Ok(()),
        Labels::Sign => "-1 or 1".to_owned(),
        Labels::Class => format!("a class, 0 to {}", loss.scores() - 1),
        Labels::Count => "a number of at least 0".to_owned(),
    };
    let fits = |y: f64| match loss.labels() {
        Labels::Real => true,
        Labels::Sign => y == 1.0 || y == -1.0,
        Labels::Class => y >= 0.0 && y < loss.scores() as f64 && y.fract() == 0.0,
        Labels::Count => y >= 0.0,
    };
    match labels.iter().position(|y| !fits(*y)) {
        Some(i) => {
            Err(Error::invalid(format!("label of row {} for {}", i + 1, loss.name()), labels[i], wanted))
        }
        None => Ok(()),
    }
}

/// Writes the derivatives of a loss with one score.
fn number(at: Derivatives<'_>, slope: f64, curvature: f64) {
    at.slope[0] = slope;
    at.curvature[0] = curvature;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All of the registry, parameters of their own, and what is smoothed of them.
    fn all() -> Vec<Arc<dyn Loss>> {
        let mut all: Vec<_> = registry().iter().map(|entry| parse(entry.name).unwrap()).collect();
        all.extend(["huber:0.1", "quantile:0.05", "smoothed-hinge:0.01"].map(|name| parse(name).unwrap()));
        all.push(parse("multinomial").unwrap().for_classes(4).unwrap());
        let smoothed: Vec<_> =
            all.iter().flat_map(|loss| [1.0, 1e-3].map(|w| loss.smoothed(w))).flatten().collect();
        all.extend(smoothed);
        all
    }

    /// A label of the kind wanted, from any number.
    fn label(loss: &dyn Loss, y: f64) -> f64 {
        match loss.labels() {
            Labels::Real => y,
            Labels::Sign => y.signum(),
            Labels::Class => (y.abs() * 7.0) as u64 as f64 % loss.scores() as f64,
            Labels::Count => y.abs().floor(),
        }
    }

    fn at(loss: &dyn Loss, z: &[f64], y: f64) -> (f64, Vec<f64>, Vec<f64>) {
        let k = loss.scores();
        let (mut slope, mut curvature) = (vec![f64::NAN; k], vec![f64::NAN; k * k]);
        let value = loss.derive(z, y, Derivatives { slope: &mut slope, curvature: &mut curvature });
        (value, slope, curvature)
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Fenchel and Young: ℓ(z) + ℓ*(a) ≥ ⟨a, z⟩ for slopes a of any other score, with equality for z's own. That is
        /// convexity, the slope and the conjugate in one.
        #[test]
        fn conjugates_and_slopes(z in prop::array::uniform4(-30.0_f64..30.0), other in prop::array::uniform4(-30.0_f64..30.0), y in -20.0_f64..20.0, scale in -8_i32..2) {
            let scale = 10f64.powi(scale);
            for loss in all() {
                let y = label(&*loss, y);
                let (z, other) = (z.map(|z| z * scale), other.map(|z| z * scale));
                let (z, other) = (&z[..loss.scores()], &other[..loss.scores()]);
                let (value, slope, _) = at(&*loss, z, y);
                prop_assert_eq!(value, loss.value(z, y));
                let terms = value.abs() + dot(&slope, z).abs() + (y * slope[0]).abs() + y.abs() * (1.0 + y.abs()).ln();
                let gap = value + loss.conjugate(&slope, y) - dot(&slope, z);
                prop_assert!(gap.abs() <= 1e-13 * (terms + 1.0), "{:?}: {} {:?} {} {}", loss, gap, z, y, value);
                let (there, away, _) = at(&*loss, other, y);
                let gap = value + loss.conjugate(&away, y) - dot(&away, z);
                prop_assert!(gap >= -1e-13 * (terms + there.abs() + dot(&away, z).abs() + (y * away[0]).abs() + 1.0), "{:?}: {}", loss, gap);
            }
        }

        /// Curvatures are differences of slopes, and slopes differences of values.
        #[test]
        fn finite_differences(z in prop::array::uniform4(-3.0_f64..3.0), y in -20.0_f64..20.0) {
            for loss in all() {
                let (y, k) = (label(&*loss, y), loss.scores());
                let (_, slope, curvature) = at(&*loss, &z[..k], y);
                // Kinks, of the loss or of its slope.
                let (r, m) = (z[0] - y, 1.0 - y * z[0]);
                let near = [r, r.abs() - 1.345, r.abs() - 0.1, m, m - 1.0, m - 0.01].iter().any(|x| x.abs() < 0.01);
                if near && k == 1 && loss.name() != "squared" && loss.name() != "logistic" {
                    continue;
                }
                for j in 0..k {
                    let h = 1e-6;
                    let (mut up, mut down) = (z, z);
                    up[j] += h;
                    down[j] -= h;
                    let (above, slope_above, _) = at(&*loss, &up[..k], y);
                    let (below, slope_below, _) = at(&*loss, &down[..k], y);
                    let numeric = (above - below) / (2.0 * h);
                    let size = 1.0 + above.abs() + slope[j].abs();
                    prop_assert!((numeric - slope[j]).abs() < 1e-8 * size, "{:?} {} {}", loss, numeric, slope[j]);
                    for i in 0..k {
                        let numeric = (slope_above[i] - slope_below[i]) / (2.0 * h);
                        let exact = curvature[i * k + j];
                        prop_assert!((numeric - exact).abs() < 1e-8 * (1.0 + slope[i].abs() + exact.abs()), "{:?} {} {}", loss, numeric, exact);
                    }
                }
            }
        }

        /// Nothing is NaN or negative, however far the score.
        #[test]
        fn far_scores(z in prop::array::uniform4(-1.0_f64..1.0), y in -1.0_f64..1.0, scale in -300_i32..150, of_y in -300_i32..150) {
            let (scale, of_y) = (10f64.powi(scale), 10f64.powi(of_y));
            for loss in all() {
                let z = z.map(|z| z * scale);
                let (value, slope, curvature) = at(&*loss, &z[..loss.scores()], label(&*loss, y * of_y));
                // A smoothed loss is below its own, by at most the largest width log 2.
                let below = if parse(&loss.name()).unwrap().is_smooth() { 0.0 } else { std::f64::consts::LN_2 };
                prop_assert!(value >= -below - 1e-12 * (scale + of_y), "{:?} {}", loss, value);
                prop_assert!(slope.iter().chain(&curvature).all(|x| !x.is_nan()), "{:?}", loss);
            }
        }

        /// A smoothed loss is below its own by at most w log 2.
        #[test]
        fn smoothed_losses_are_near(z in -30.0_f64..30.0, y in -20.0_f64..20.0, width in -8_i32..2) {
            let width = 10f64.powi(width);
            for loss in all() {
                if let (false, Some(smooth)) = (loss.is_smooth(), loss.smoothed(width)) {
                    let y = label(&*loss, y);
                    let below = loss.value(&[z], y) - smooth.value(&[z], y);
                    prop_assert!(below >= -1e-13 * (1.0 + z.abs()) && below <= width * std::f64::consts::LN_2 + 1e-13 * (1.0 + z.abs()), "{:?} {}", loss, below);
                    prop_assert!(smooth.is_smooth());
                }
            }
        }
    }

    #[test]
    fn known_values() {
        let value = |name: &str, z: f64, y: f64| parse(name).unwrap().value(&[z], y);
        // Half the Poisson deviance of a count of 3 where 2 were expected: 3 log(3/2) − 1.
        assert!((value("poisson", 2f64.ln(), 3.0) - (3.0 * 1.5_f64.ln() - 1.0)).abs() < 1e-15);
        assert_eq!(value("poisson", 0.0, 0.0), 1.0);
        assert_eq!(value("quantile:0.9", 1.0, 3.0), 1.8);
        assert!((value("quantile:0.9", 3.0, 1.0) - 0.2).abs() < 1e-15);
        assert_eq!(value("smoothed-hinge", 0.5, 1.0), 0.125);
        assert_eq!(value("smoothed-hinge", -1.0, 1.0), 1.5);
        // log(1 + e^-800) and log(1 + e^800).
        assert_eq!(value("logistic", 800.0, 1.0), 0.0);
        assert_eq!(value("logistic", 800.0, -1.0), 800.0);
        let three = Multinomial::new(3).unwrap();
        assert!((three.value(&[1.0, 1.0, 1.0], 2.0) - 3f64.ln()).abs() < 1e-15);
        assert_eq!(three.value(&[1e5, 0.0, 0.0], 1.0), 1e5);
    }

    #[test]
    fn names_are_read_back() {
        for loss in all() {
            let again = parse(&loss.name()).unwrap();
            assert_eq!(again.name(), loss.name());
        }
        assert!(Multinomial::new(1).is_err());
        assert!(parse("huber:-1").is_err() && parse("squared:2").is_err() && parse("huber:x").is_err());
    }
}

//! The worst case over moved examples.

mod ascent;
mod shift;

pub(crate) use shift::{Push, Shift};

use super::loss::Kernel;
use super::{Examples, Linear, LinearModel};
use crate::simd::dot;
use crate::{Error, Result};
use ascent::{Ascent, quadratic};
use rayon::prelude::*;

/// Examples may be moved, at a price κ for each unit of squared distance; their labels stay.
///
/// ```text
/// ℓ̂(θ; x, y) = sup over z of ℓ(θz + θ₀, y) − κ Σ_j ((z_j − x_j)/unit_j)²
/// ```
///
/// A risk of the losses ℓ̂ is the worst case over unbalanced transport: weights may change at the price of the divergence,
/// and features at this one. Its dual with KL is λ log mean exp(ℓ̂/λ).
///
/// A linear model sees z through its score alone. With v = Σ (unit_j θ_j)² the score moves by s at the price κ s²/v, so that
/// ℓ̂ = sup over s of ℓ(u + s, y) − κ s²/v, u = θx + θ₀:
///
/// | loss | ℓ̂ |
/// |---|---|
/// | `squared` | κ r²/(κ − v) for v < κ, ∞ beyond |
/// | `absolute` | \|r\| + v/4κ |
/// | `hinge` | (1 − yu + v/4κ)₊ |
/// | `quantile:τ` | the larger of τ(−r) + τ² v/4κ and (1 − τ) r + (1 − τ)² v/4κ |
/// | `huber:δ` | the same loss with r²/(2 − v/κ) in the middle for v < 2κ, δ\|r\| + (v/2κ − 1) δ²/2 beyond |
/// | `smoothed-hinge:γ` | the same with γ − v/2κ for γ, (1 − yu + v/4κ − γ/2)₊ for v > 2κγ |
/// | `logistic` | by a root that Newton's method finds to all digits |
///
/// For `multinomial`, and losses of one's own without a [`Shape`](super::loss::Shape), it is found by accelerated gradient
/// ascent from several points. That is exact where the supremum is of a concave function, κ large against v times the
/// curvature of the loss; elsewhere it is the largest value found, which ℓ̂ is not below. The losses of `poisson` grow faster
/// than any square: ℓ̂ is ∞ unless θ = 0.
///
/// [`Linear::perturbed`](super::Linear::perturbed) fits a model to it.
///
/// ```
/// use fenchel::robust::{Examples, LinearModel, Perturbation, loss};
///
/// let model = LinearModel::new(loss::parse("squared")?, vec![0.0], vec![1.0])?;
/// let examples = Examples::new(1, vec![3.0], vec![1.0])?;
/// let worst = Perturbation::new(5.0)?.moves(&model, &examples)?;
/// // r = 2, v = 1: 5 · 4/(5 − 1), at z = 3.5.
/// assert_eq!((worst.losses[0], worst.features[0], worst.distances[0]), (5.0, 3.5, 0.5));
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// Wang, Shen, Zavlanos and Johansson (2024) for the dual; Gladin and co-authors (2025) for its safe form.
#[derive(Debug, Clone, PartialEq)]
pub struct Perturbation {
    price: f64,
    units: Option<Vec<f64>>,
}

/// Where the worst case has moved examples to.
#[derive(Debug, Clone, PartialEq)]
pub struct Moves {
    /// ℓ̂ of each example.
    pub losses: Vec<f64>,
    /// How far each is moved, in units; ∞ where ℓ̂ is.
    pub distances: Vec<f64>,
    /// The features z of each, row by row; as they were where ℓ̂ is ∞.
    pub features: Vec<f64>,
}

impl Perturbation {
    /// At a price κ, in the unit of the loss over that of the features squared.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless κ is finite and above 0.
    pub fn new(price: f64) -> Result<Self> {
        if !(price > 0.0 && price.is_finite()) {
            return Err(Error::invalid("price of moving examples", price, "a finite number above 0"));
        }
        Ok(Perturbation { price, units: None })
    }

    /// Distances in a unit for each feature, such as its standard deviation; a feature of unit 0 stays as it is.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a unit that is not finite or below 0.
    pub fn in_units(mut self, units: Vec<f64>) -> Result<Self> {
        if let Some(j) = units.iter().position(|unit| !(*unit >= 0.0 && unit.is_finite())) {
            let what = format!("unit of feature {}", j + 1);
            return Err(Error::invalid(what, units[j], "a finite number, at least 0"));
        }
        self.units = Some(units);
        Ok(self)
    }

    /// κ.
    pub fn price(&self) -> f64 {
        self.price
    }

    /// The units of features; none is 1 for all.
    pub fn units(&self) -> Option<&[f64]> {
        self.units.as_deref()
    }

    /// The unit of a feature.
    pub(crate) fn unit(&self, j: usize) -> f64 {
        self.units.as_ref().map_or(1.0, |units| units[j])
    }

    /// Refuses units that are not those of so many features.
    pub(crate) fn suit(&self, width: usize) -> Result<()> {
        match &self.units {
            Some(units) if units.len() != width => {
                Err(Error::shape("units", format!("one a feature, {width}"), units.len()))
            }
            _ => Ok(()),
        }
    }

    /// ℓ̂ of a model at examples, with where they are moved to.
    ///
    /// # Errors
    /// As [`LinearModel::losses`], and [`Error::Shape`] unless there is a unit for each feature.
    pub fn moves(&self, model: &LinearModel, examples: &Examples) -> Result<Moves> {
        self.suit(model.width())?;
        let losses = model.losses(examples)?;
        let (d, k, loss) = (model.width(), model.intercept().len(), model.loss());
        let theta: Vec<&[f64]> = (0..k).map(|c| &model.coefficients()[c * d..(c + 1) * d]).collect();
        let of = |theta: &[f64]| (0..d).map(|j| self.unit(j) * theta[j]).collect::<Vec<f64>>();
        let scaled: Vec<Vec<f64>> = theta.iter().map(|theta| of(theta)).collect();
        let gram: Vec<f64> = (0..k * k).map(|at| dot(&scaled[at / k], &scaled[at % k])).collect();
        let mut scores = vec![0.0; k * examples.len()];
        model.scores(examples.features(), &mut scores)?;
        let kernel =
            loss.shape().map(|shape| Kernel::new(shape, loss.labels(), gram[0] / (2.0 * self.price), 0.0));
        let ascent = Ascent { loss, price: self.price, gram: &gram };
        let found: Vec<(f64, Vec<f64>)> = scores
            .par_chunks_exact(k)
            .zip(examples.labels())
            .zip(losses)
            .map(|((z, y), plain)| match (&kernel, gram.iter().all(|g| *g == 0.0)) {
                (_, true) => (plain, vec![0.0; k]),
                (Some(kernel), _) => {
                    let peak = kernel.at(z[0], *y);
                    (peak.value, vec![0.5 * peak.slope / self.price])
                }
                (None, _) => ascent.climb(z, *y),
            })
            .collect();
        let mut moves = Moves {
            losses: Vec::with_capacity(examples.len()),
            distances: Vec::with_capacity(examples.len()),
            features: examples.features().to_vec(),
        };
        for (i, (value, along)) in found.iter().enumerate() {
            moves.losses.push(*value);
            if !value.is_finite() {
                moves.distances.push(f64::INFINITY);
                continue;
            }
            // Not below 0 by rounding.
            moves.distances.push(quadratic(&gram, along).max(0.0).sqrt());
            for (c, along) in along.iter().enumerate() {
                let z = moves.features[i * d..(i + 1) * d].iter_mut();
                z.zip(&scaled[c]).enumerate().for_each(|(j, (z, s))| *z += along * s * self.unit(j));
            }
        }
        Ok(moves)
    }
}

impl Linear<'_> {
    /// For the worst case over examples that may be moved as well: the risk is that of the losses ℓ̂ of a [`Perturbation`].
    ///
    /// The same methods find the minimum, and the same certificate proves it, for [`Linear::fit`], [`Linear::fit_from`] and
    /// [`Linear::path`]. Coefficients of squared losses stay where v < κ. What
    /// [`Options::standardise`](super::Options::standardise) says is about penalties: distances are in the units of the
    /// perturbation.
    ///
    /// ```
    /// use fenchel::optim::Silent;
    /// use fenchel::robust::{Examples, Linear, Options, Perturbation, Precision, Risk, loss};
    ///
    /// let x: Vec<f64> = (0..40).map(|i| f64::from(i) / 10.0).collect();
    /// let y = x.iter().map(|x| 2.0 * x + (9.0 * x).sin()).collect();
    /// let examples = Examples::new(1, x, y)?;
    /// let model = Linear::new(&examples, loss::parse("absolute")?, Risk::mean(), Options::default())?;
    /// let moved = model.perturbed(&Perturbation::new(2.5)?)?.fit(&Precision::default(), &mut Silent)?;
    /// // |r| becomes |r| + ‖θ‖²/4κ: an ordinary fit with a penalty.
    /// let options = Options { l2: 0.1, ..Options::default() };
    /// let model = Linear::new(&examples, loss::parse("absolute")?, Risk::mean(), options)?;
    /// let penalised = model.fit(&Precision::default(), &mut Silent)?;
    /// assert!((moved.objective - penalised.objective).abs() < 1e-8 * moved.objective);
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a loss without a [`Shape`](super::loss::Shape), such as `multinomial` and `poisson`, and for
    /// examples that stay in their files, [`Error::Shape`] unless there is a unit for each feature.
    pub fn perturbed(mut self, perturbation: &Perturbation) -> Result<Self> {
        if self.design_is_streamed() {
            return Err(Error::invalid(
                "moved examples",
                "examples that stay in files",
                "examples in memory",
            ));
        }
        self.shift = Some(Shift::new(perturbation, &*self.loss, &self.design)?);
        Ok(self)
    }
}

//! The best distribution of noise with given marginals.

use crate::error::{Error, Result};
use crate::measure::Rng;
use crate::measure::alias::AliasTable;
use crate::smoothmax::SmoothMax;

/// The noise that makes the expected maximum largest among all with the same marginals.
///
/// A divergence f with temperature λ and reference η fixes the distribution functions of the noise,
///
/// ```text
/// F_i(s) = 1 − min{1, η_i (f*)'((a − s)/λ)},        a = −λ Σ η_j f_j(0),
/// ```
///
/// and the smooth maximum is the best expected maximum over all dependences between them (Taşkesen, Shafieezadeh-Abadeh
/// and Kuhn 2022, Proposition 3.6 and Theorem 3.7, which have f(0) = 0). It is attained: draw an atom j from the choice
/// probabilities p, then each z_i by itself, z_j from the upper p_j of its distribution and the other z_i
/// from the lower 1 − p_i of theirs. Then u_j + z_j is the maximum, choices have frequencies p, marginals are F_i, and the
/// expected maximum is the smooth maximum.
///
/// ```
/// use fenchel::choice::Extremal;
/// use fenchel::{divergence, measure::Rng, smoothmax::SmoothMax};
///
/// let u = [1.0, 0.4, -2.0];
/// let smooth = SmoothMax::new(divergence::parse("chi2")?, 0.5)?;
/// let best = Extremal::new(smooth, &u)?;
/// let (mut rng, mut z) = (Rng::new(1), [0.0; 3]);
/// let chosen = best.sample(&mut rng, &mut z)?;
/// assert!((0..3).all(|i| u[i] + z[i] <= u[chosen] + z[chosen]));
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Extremal {
    smooth: SmoothMax,
    p: Vec<f64>,
    /// Draws from p.
    choice: AliasTable,
    value: f64,
    /// a, with what an unnormalised reference adds.
    shift: f64,
}

impl Extremal {
    /// At the scores `u`.
    ///
    /// # Errors
    /// Those of [`SmoothMax::evaluate`]; [`Error::InvalidValue`] for a divergence whose marginals are not continuous
    /// (`none`, `cvar`), or with infinite f(0), whose noise has infinite mean.
    pub fn new(mut smooth: SmoothMax, u: &[f64]) -> Result<Self> {
        let mut p = vec![0.0; u.len()];
        let value = smooth.evaluate(u, &mut p)?.value;
        let div = smooth.divergence();
        if !div.is_smooth() {
            let expected = "one whose weights depend continuously on the scores: else marginals have atoms and choices ties";
            return Err(Error::invalid("divergence", div.name(), expected));
        }
        let own = |i: usize| div.marginal(i).map_or_else(|| div.f_at_zero(), |own| own.f_at_zero());
        let at_zero: f64 = smooth
            .reference()
            .iter()
            .enumerate()
            .filter(|(_, eta)| **eta > 0.0)
            .map(|(i, eta)| eta * own(i))
            .sum();
        if !at_zero.is_finite() {
            return Err(Error::invalid(
                "divergence",
                div.name(),
                "one with finite f(0): else the noise has no mean",
            ));
        }
        let shift = smooth.lambda() * (smooth.log_mass() - at_zero);
        let choice = AliasTable::new(&p, p.iter().sum());
        Ok(Extremal { smooth, p, choice, value, shift })
    }

    /// The choice probabilities p.
    pub fn probabilities(&self) -> &[f64] {
        &self.p
    }

    /// The expected maximum, which is the smooth maximum of the scores.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// F_i(s), the distribution function of z_i. Where the divergence caps the density it may start above 0: the noise is
    /// then −∞ with that probability.
    ///
    /// # Panics
    /// If there is no atom i, as a slice would.
    pub fn distribution(&self, i: usize, s: f64) -> f64 {
        let (div, eta) = (self.smooth.divergence(), self.smooth.reference()[i]);
        if eta == 0.0 {
            return 1.0;
        }
        let scaled = (self.shift - s) / self.smooth.lambda();
        let density = div.marginal(i).map_or_else(|| div.conj_prime(scaled), |own| own.conj_prime(scaled));
        1.0 - (eta * density).min(1.0)
    }

    /// The number that z_i exceeds with probability `survival`, in (0, 1): F_i⁻¹(1 − survival).
    ///
    /// # Panics
    /// If there is no atom i, as a slice would.
    pub fn quantile(&self, i: usize, survival: f64) -> f64 {
        let (div, eta) = (self.smooth.divergence(), self.smooth.reference()[i]);
        if eta == 0.0 {
            return f64::NEG_INFINITY;
        }
        let t = survival / eta;
        let slope = match div.marginal(i) {
            None if t < div.cap() => div.f_prime(t),
            Some(own) if t < own.cap() => own.f_prime(t),
            _ => return f64::NEG_INFINITY,
        };
        self.shift - self.smooth.lambda() * slope
    }

    /// Draws the noise into `z`, one number an atom, and returns the atom that is chosen: the one of largest u_i + z_i, but
    /// for ties by rounding.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is room for one number an atom.
    pub fn sample(&self, rng: &mut Rng, z: &mut [f64]) -> Result<usize> {
        if z.len() != self.p.len() {
            return Err(Error::shape("noise", format!("one number an atom, {}", self.p.len()), z.len()));
        }
        let chosen = self.choice.draw(rng);
        for (i, (z, p)) in z.iter_mut().zip(&self.p).enumerate() {
            let survival = if i == chosen { p * rng.uniform() } else { p + (1.0 - p) * rng.uniform() };
            *z = self.quantile(i, survival);
        }
        Ok(chosen)
    }
}

//! Generalised extreme value distributions by their generating functions.

use std::fmt;
use std::sync::Arc;

use super::Smoothing;
use crate::error::{Error, Result};
use crate::logspace::{logsumexp, softmax_into};
use crate::measure::Rng;

/// Euler's constant γ, the mean of the standard Gumbel distribution.
const EULER: f64 = 0.577_215_664_901_532_9;

/// A generating function G of a generalised extreme value distribution (McFadden 1978): on positive arguments,
/// non-negative, growing to infinity in each of them, homogeneous of degree 1/λ, with mixed derivatives that alternate
/// in sign.
///
/// The noise is centred: θ(z ≤ s) = exp(−e^{−γ} G(e^{−s_1}, …, e^{−s_N})), with Euler's constant γ. With it
///
/// ```text
/// E[max_i u_i + z_i] = λ log G(e^{u_1}, …, e^{u_N}),        p_i = λ ∂/∂u_i log G(e^u),
/// ```
///
/// and each z_i is Gumbel with variance λ²π²/6 and mean λ log G(1_i), 1_i the i-th unit vector. Without the factor
/// e^{−γ}, as in equation (19) of Taşkesen, Shafieezadeh-Abadeh and Kuhn (2022), all z_i and the expected maximum are
/// larger by λγ.
///
/// The two methods that compute work in place, in logarithms and in units of λ; [`FromFunction`] makes a generating
/// function from a formula, [`ExtremeValue`] is the checked interface.
pub trait GeneratingFunction: fmt::Debug + Send + Sync {
    /// N, the number of atoms.
    fn atoms(&self) -> usize;

    /// log G(e^{λx}) for scores x in units of λ, the largest of which is 0; −∞ is allowed, NaN is not. The
    /// gradient in x, which is the vector of choice probabilities, replaces x. `scratch` is room that the caller keeps.
    fn log_g(&self, x: &mut [f64], scratch: &mut Vec<f64>) -> f64;

    /// Draws z/λ from the distribution exp(−G(e^{−z})), not centred; `false` if there is no way to.
    fn draw(&self, rng: &mut Rng, z: &mut [f64], scratch: &mut Vec<f64>) -> bool {
        let _ = (rng, z, scratch);
        false
    }
}

/// Choices under noise with a generalised extreme value distribution: expected maximum, probabilities, draws.
///
/// ```
/// use std::sync::Arc;
/// use fenchel::choice::{ExtremeValue, Multinomial, Nested, Smoothing};
///
/// // Three ways to work; two of them are buses, which differ by their colour alone.
/// let u = [1.0, 1.0, 1.0];
/// let mut p = [0.0; 3];
/// let mut logit = ExtremeValue::new(Arc::new(Multinomial::new(3)?), 1.0)?;
/// logit.maximum(&u, &mut p)?;
/// assert!((p[0] - 1.0 / 3.0).abs() < 1e-15);
/// let mut nested = ExtremeValue::new(Arc::new(Nested::of(&[(1.0, &[0]), (1e-6, &[1, 2])])?), 1.0)?;
/// nested.maximum(&u, &mut p)?;
/// assert!((p[0] - 0.5).abs() < 1e-6 && (p[1] - 0.25).abs() < 1e-6);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ExtremeValue {
    generating: Arc<dyn GeneratingFunction>,
    lambda: f64,
    scratch: Vec<f64>,
}

impl ExtremeValue {
    /// With scale λ, in units of the scores.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless λ is finite and above 0.
    pub fn new(generating: Arc<dyn GeneratingFunction>, lambda: f64) -> Result<Self> {
        if !(lambda > 0.0 && lambda.is_finite()) {
            return Err(Error::invalid("lambda", lambda, "a finite number above 0"));
        }
        Ok(ExtremeValue { generating, lambda, scratch: Vec::new() })
    }

    /// N, the number of atoms.
    pub fn atoms(&self) -> usize {
        self.generating.atoms()
    }

    /// The scale λ: each z_i is Gumbel with variance λ²π²/6.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// λγ: what equation (19) of Taşkesen, Shafieezadeh-Abadeh and Kuhn (2022), which does not centre the noise, adds to
    /// every z_i and to the expected maximum.
    pub fn euler_term(&self) -> f64 {
        self.lambda * EULER
    }

    /// Draws the noise z.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is room for one number an atom; [`Error::InvalidValue`] if the generating function
    /// has no sampler.
    pub fn sample(&mut self, rng: &mut Rng, z: &mut [f64]) -> Result<()> {
        if z.len() != self.atoms() {
            return Err(Error::shape("noise", format!("one number an atom, {}", self.atoms()), z.len()));
        }
        if !self.generating.draw(rng, z, &mut self.scratch) {
            let found = format!("{:?}", self.generating);
            return Err(Error::invalid("generating function", found, "one that can be drawn from"));
        }
        for z in z {
            *z = self.lambda * (*z - EULER);
        }
        Ok(())
    }
}

impl Smoothing for ExtremeValue {
    fn maximum(&mut self, u: &[f64], p: &mut [f64]) -> Result<f64> {
        let top = check_scores(u, self.atoms(), p.len())?;
        for (p, u) in p.iter_mut().zip(u) {
            // Halves, since a difference of finite numbers may overflow.
            *p = 2.0 * ((0.5 * u - 0.5 * top) / self.lambda);
        }
        Ok(top + self.lambda * self.generating.log_g(p, &mut self.scratch))
    }
}

/// The largest of the scores, which are finite and as many as they must be.
pub(super) fn check_scores(u: &[f64], atoms: usize, room: usize) -> Result<f64> {
    if u.len() != atoms {
        return Err(Error::shape("scores", format!("one an atom, {atoms}"), u.len()));
    }
    if room != atoms {
        return Err(Error::shape("weights", format!("as many as scores, {atoms}"), room));
    }
    let mut top = f64::NEG_INFINITY;
    for (i, u) in u.iter().enumerate() {
        if !u.is_finite() {
            return Err(Error::non_finite("scores", i, *u));
        }
        top = top.max(*u);
    }
    Ok(top)
}

/// log of masses that must be positive and finite.
pub(super) fn log_masses(masses: &[f64]) -> Result<Vec<f64>> {
    masses
        .iter()
        .enumerate()
        .map(|(i, m)| {
            if *m > 0.0 && m.is_finite() {
                Ok(m.ln())
            } else {
                Err(Error::invalid(format!("masses[{i}]"), m, "a finite number above 0"))
            }
        })
        .collect()
}

/// A standard Gumbel number, distribution function exp(−e^{−s}).
pub(super) fn gumbel(rng: &mut Rng) -> f64 {
    -rng.exponential().ln()
}

/// Multinomial logit, G(s) = Σ m_i s_i^{1/λ}: independent Gumbel noise with means λ log m_i.
///
/// The expected maximum is λ log Σ m_i e^{u_i/λ}: with masses 1, log-sum-exp; with masses η_i, the log-partition function
/// over the probability η, which is the smooth maximum of `kl`. Proposition 3.4 of Taşkesen, Shafieezadeh-Abadeh and Kuhn
/// (2022) has masses Nη_i, which adds λ log N.
#[derive(Debug, Clone)]
pub struct Multinomial {
    log_masses: Vec<f64>,
}

impl Multinomial {
    /// All masses 1: every z_i has mean 0.
    ///
    /// # Errors
    /// [`Error::Shape`] without atoms.
    pub fn new(atoms: usize) -> Result<Self> {
        Self::weighted(&vec![1.0; atoms])
    }

    /// With masses m_i, not normalised.
    ///
    /// # Errors
    /// [`Error::Shape`] without atoms; [`Error::InvalidValue`] for a mass that is not a finite number above 0.
    pub fn weighted(masses: &[f64]) -> Result<Self> {
        if masses.is_empty() {
            return Err(Error::shape("masses", "at least one", 0));
        }
        Ok(Multinomial { log_masses: log_masses(masses)? })
    }
}

impl GeneratingFunction for Multinomial {
    fn atoms(&self) -> usize {
        self.log_masses.len()
    }

    fn log_g(&self, x: &mut [f64], scratch: &mut Vec<f64>) -> f64 {
        scratch.clear();
        scratch.extend(x.iter().zip(&self.log_masses).map(|(x, m)| x + m));
        softmax_into(scratch, 1.0, x);
        logsumexp(scratch)
    }

    fn draw(&self, rng: &mut Rng, z: &mut [f64], _scratch: &mut Vec<f64>) -> bool {
        for (z, m) in z.iter_mut().zip(&self.log_masses) {
            *z = m + gumbel(rng);
        }
        true
    }
}

type Formula = Arc<dyn Fn(&[f64], &mut [f64]) -> f64 + Send + Sync>;

/// A generating function from a formula: G(s) = H(s_1^{1/λ}, …, s_N^{1/λ}) with H homogeneous of degree 1.
///
/// H is only asked for arguments between 0 and 1, the largest of which is 1, so that nothing overflows.
///
/// ```
/// use std::sync::Arc;
/// use fenchel::choice::{ExtremeValue, FromFunction, Smoothing};
///
/// // Two alternatives of one nest with dissimilarity ½: H(t) = √(t₁² + t₂²).
/// let h = FromFunction::new("nest of two", 2, |t, gradient| {
///     let h = t[0].hypot(t[1]);
///     gradient[0] = t[0] / h;
///     gradient[1] = t[1] / h;
///     h
/// })?;
/// let mut choice = ExtremeValue::new(Arc::new(h), 1.0)?;
/// let mut p = [0.0; 2];
/// let value = choice.maximum(&[700.0, 700.0], &mut p)?;
/// assert!((value - 700.0 - 2f64.ln() / 2.0).abs() < 1e-12 && (p[0] - 0.5).abs() < 1e-15);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Clone)]
pub struct FromFunction {
    name: String,
    atoms: usize,
    formula: Formula,
}

impl fmt::Debug for FromFunction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} of {} atoms", self.name, self.atoms)
    }
}

impl FromFunction {
    /// `formula(t, gradient)` returns H(t) and writes ∂H/∂t_i to `gradient`.
    ///
    /// # Errors
    /// [`Error::Shape`] without atoms; [`Error::InvalidValue`] if H is not positive, not homogeneous of degree 1, or its
    /// gradient is negative or does not satisfy Euler's identity Σ t_i ∂_i H = H, at one of some points looked at.
    pub fn new(
        name: impl Into<String>,
        atoms: usize,
        formula: impl Fn(&[f64], &mut [f64]) -> f64 + Send + Sync + 'static,
    ) -> Result<Self> {
        if atoms == 0 {
            return Err(Error::shape("generating function", "at least one atom", 0));
        }
        let built = FromFunction { name: name.into(), atoms, formula: Arc::new(formula) };
        let mut rng = Rng::new(0);
        let (mut t, mut gradient) = (vec![0.0; atoms], vec![0.0; atoms]);
        for _ in 0..8 {
            t.iter_mut().for_each(|t| *t = (-3.0 * rng.exponential()).exp());
            let h = (built.formula)(&t, &mut gradient);
            let euler: f64 = t.iter().zip(&gradient).map(|(t, g)| t * g).sum();
            let valid = h > 0.0 && gradient.iter().all(|g| *g >= 0.0);
            t.iter_mut().for_each(|t| *t *= 0.25);
            let scaled = 4.0 * (built.formula)(&t, &mut gradient);
            let near = |x: f64| (x - h).abs() <= 1e-9 * h;
            if !valid || !near(euler) || !near(scaled) {
                let found = format!("H = {h} with 4 H(t/4) = {scaled} and <t, gradient> = {euler}");
                let expected =
                    "positive and homogeneous of degree 1, with its gradient, which is not negative";
                return Err(Error::invalid(format!("generating function {}", built.name), found, expected));
            }
        }
        Ok(built)
    }
}

impl GeneratingFunction for FromFunction {
    fn atoms(&self) -> usize {
        self.atoms
    }

    fn log_g(&self, x: &mut [f64], scratch: &mut Vec<f64>) -> f64 {
        for x in x.iter_mut() {
            *x = x.exp();
        }
        scratch.resize(x.len(), 0.0);
        let h = (self.formula)(x, scratch);
        let mut total = 0.0;
        for (x, gradient) in x.iter_mut().zip(scratch.iter()) {
            *x *= gradient / h;
            total += *x;
        }
        x.iter_mut().for_each(|p| *p /= total);
        h.ln()
    }
}

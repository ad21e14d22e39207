//! The checked interface.

use std::sync::Arc;

use super::bisection::bisect;
use super::reference::{normalised, resolved};
use super::{Row, Scratch, Smoothed, hessian_product};
use crate::bounds::{Bracket, regularisation_gap};
use crate::divergence::{Divergence, pairwise};
use crate::error::{Error, Result};
use crate::simd::Real;

/// How the threshold is found.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Method {
    /// A closed form where there is one, else safeguarded Newton, to rounding level.
    #[default]
    Automatic,
    /// Bisection that guarantees ‖p − p*‖₂ ≤ ε: Algorithm 2 of Taşkesen, Shafieezadeh-Abadeh and Kuhn (2022).
    Bisection {
        /// ε > 0.
        epsilon: f64,
    },
}

/// A smooth maximum; its weights are in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SmoothMaximum {
    /// The smooth maximum, in units of the scores.
    pub value: f64,
    /// The dual minimiser τ, in units of the scores; where it is an interval, a point of it.
    pub threshold: f64,
    /// Passes over the scores that the search for τ took.
    pub passes: u32,
    /// A bound on ‖p − p*‖₂ where the method gives one: with [`Method::Bisection`]. It is at most the ε asked for,
    /// unless thresholds that close are one number in double precision.
    pub weight_error: Option<f64>,
    /// τ = anchor + λ·offset up to the constant of an unnormalised reference, with more digits than `threshold` has.
    inner: Smoothed,
}

/// A smooth maximum between two sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Certificate {
    /// Σ p_i u_i − λ Σ η_i f(p_i/η_i): below the smooth maximum for any p in the simplex.
    pub primal: f64,
    /// τ + λ Σ η_i f*((u_i − τ)/λ): above it for any τ.
    pub dual: f64,
    /// dual − primal, ≥ 0 but for rounding.
    pub gap: f64,
}

/// Smooth maxima with one divergence, temperature and reference.
///
/// It owns the room it works in, so that evaluating allocates only when the number of scores changes; clone it for
/// each thread. Inputs are `f32` or `f64`; all arithmetic is in `f64`.
///
/// ```
/// use std::sync::Arc;
/// use fenchel::divergence::ChiSquare;
/// use fenchel::smoothmax::SmoothMax;
///
/// // Sparsemax: χ² with a uniform reference and λ = 1/(2N).
/// let mut sparsemax = SmoothMax::new(Arc::new(ChiSquare), 1.0 / 6.0)?;
/// let mut p = [0.0_f64; 3];
/// sparsemax.evaluate(&[1.0, 0.5, -1.0], &mut p)?;
/// assert!((p[0] - 0.75).abs() < 1e-15 && (p[1] - 0.25).abs() < 1e-15 && p[2] == 0.0);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SmoothMax {
    divergence: Arc<dyn Divergence>,
    lambda: f64,
    method: Method,
    /// Whether `eta` was given, or is uniform and follows the number of scores.
    given: bool,
    eta: Vec<f64>,
    /// log of the total mass of the reference, if that counts.
    log_mass: f64,
    /// The divergence for the present number of atoms.
    resolved: Arc<dyn Divergence>,
    u: Vec<f64>,
    p: Vec<f64>,
    d: Vec<f64>,
    scratch: Scratch,
}

impl SmoothMax {
    /// With temperature λ, in units of the scores, and a uniform reference of whatever length the scores have.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless λ is finite and above 0.
    pub fn new(divergence: Arc<dyn Divergence>, lambda: f64) -> Result<Self> {
        if !(lambda > 0.0 && lambda.is_finite()) {
            return Err(Error::invalid("lambda", lambda, "a finite number above 0"));
        }
        Ok(SmoothMax {
            resolved: divergence.clone(),
            divergence,
            lambda,
            method: Method::default(),
            given: false,
            eta: Vec::new(),
            log_mass: 0.0,
            u: Vec::new(),
            p: Vec::new(),
            d: Vec::new(),
            scratch: Scratch::default(),
        })
    }

    /// With reference masses η_i ≥ 0. Atoms with η_i = 0, or less than the smallest normal number times their sum,
    /// get no weight. If they do not sum to 1 they are normalised; for `kl` value and threshold then grow by
    /// λ log Ση, so that η = 1 gives log-sum-exp.
    ///
    /// # Errors
    /// [`Error::NonFinite`] for NaN or infinity, [`Error::InvalidValue`] for a negative mass or if all are 0,
    /// [`Error::Shape`] if there is none.
    pub fn with_reference<T: Real>(mut self, eta: &[T]) -> Result<Self> {
        let (eta, log_mass) = normalised("reference", eta)?;
        self.eta = eta;
        // A probability that misses 1 by rounding is one.
        let is_probability = log_mass.abs() < 4.0 * T::EPSILON.to_f64() * (self.eta.len() as f64).sqrt();
        self.log_mass =
            if self.divergence.counts_reference_mass() && !is_probability { log_mass } else { 0.0 };
        self.given = true;
        self.resolve();
        Ok(self)
    }

    /// With another method for the threshold.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless ε is finite and above 0.
    pub fn with_method(mut self, method: Method) -> Result<Self> {
        if let Method::Bisection { epsilon } = method
            && !(epsilon > 0.0 && epsilon.is_finite())
        {
            return Err(Error::invalid("epsilon", epsilon, "a finite number above 0"));
        }
        self.method = method;
        Ok(self)
    }

    /// The divergence, for the present number of atoms.
    pub fn divergence(&self) -> &dyn Divergence {
        &*self.resolved
    }

    /// The temperature λ.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// Normalised reference masses; empty before the first evaluation if the reference is uniform.
    pub fn reference(&self) -> &[f64] {
        &self.eta
    }

    /// log of the reference's total mass where that counts, in units of λ.
    pub(crate) fn log_mass(&self) -> f64 {
        self.log_mass
    }

    fn resolve(&mut self) {
        self.resolved = resolved(&self.divergence, &self.eta);
    }

    /// Checks the scores, copies them, and returns their spread.
    fn take<T: Real>(&mut self, u: &[T]) -> Result<f64> {
        if u.is_empty() {
            return Err(Error::shape("scores", "at least one", 0));
        }
        if self.given && u.len() != self.eta.len() {
            return Err(Error::shape(
                "scores",
                format!("as many as the reference, {}", self.eta.len()),
                u.len(),
            ));
        }
        self.u.clear();
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for (i, u) in u.iter().map(|u| u.to_f64()).enumerate() {
            if !u.is_finite() {
                return Err(Error::non_finite("scores", i, u));
            }
            (min, max) = (min.min(u), max.max(u));
            self.u.push(u);
        }
        let n = u.len();
        if self.eta.len() != n {
            self.eta.clear();
            self.eta.resize(n, 1.0 / n as f64);
            self.resolve();
        }
        if let Some(expected) = self.resolved.atoms()
            && expected != n
        {
            return Err(Error::shape("scores", format!("as many as marginals, {expected}"), n));
        }
        Ok(max - min)
    }

    /// The temperature, raised by what no digit of the result can show where scores divided by it would overflow.
    fn effective_lambda(&self, spread: f64) -> f64 {
        self.lambda.max(spread.min(f64::MAX) * 1e-290)
    }

    /// The smooth maximum of the scores `u`; the weights go to `p`. They are at least 0 and sum to 1 within
    /// 4√N units in the last place.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no scores, or not as many as weights or reference masses;
    /// [`Error::NonFinite`] for a score that is NaN or infinite; [`Error::Unbounded`] if the accuracy asked of
    /// [`Method::Bisection`] has no guarantee for the divergence.
    pub fn evaluate<T: Real>(&mut self, u: &[T], p: &mut [T]) -> Result<SmoothMaximum> {
        if p.len() != u.len() {
            return Err(Error::shape("weights", format!("as many as scores, {}", u.len()), p.len()));
        }
        let spread = self.take(u)?;
        self.p.resize(u.len(), 0.0);
        let row = Row { u: &self.u, eta: &self.eta, eta_rest: 0.0, lambda: self.effective_lambda(spread) };
        let (inner, weight_error) = match self.method {
            Method::Automatic => (self.resolved.solve(&row, None, &mut self.p, &mut self.scratch), None),
            Method::Bisection { epsilon } => {
                let (inner, error) = bisect(&*self.resolved, &row, epsilon, &mut self.p, &mut self.scratch)?;
                (inner, Some(error))
            }
        };
        for (p, weight) in p.iter_mut().zip(&self.p) {
            *p = T::from_f64(*weight);
        }
        let shift = self.lambda * self.log_mass;
        Ok(SmoothMaximum {
            value: inner.value + shift,
            threshold: inner.threshold + shift,
            passes: inner.passes,
            weight_error,
            inner,
        })
    }

    /// The smooth maximum of `u` from both sides: from below by the weights `p`, from above by the threshold of
    /// `at`, each recomputed from its definition.
    ///
    /// # Errors
    /// As [`SmoothMax::evaluate`].
    pub fn certify<T: Real>(&mut self, u: &[T], p: &[T], at: &SmoothMaximum) -> Result<Certificate> {
        if p.len() != u.len() {
            return Err(Error::shape("weights", format!("as many as scores, {}", u.len()), p.len()));
        }
        let spread = self.take(u)?;
        self.p.clear();
        self.p.extend(p.iter().map(|p| p.to_f64()));
        let (n, lambda) = (u.len(), self.effective_lambda(spread));
        let (u, p, eta, anchor) = (&self.u, &self.p, &self.eta, at.inner.anchor);
        let mean = pairwise(n, |i| if p[i] > 0.0 { p[i] * u[i] } else { 0.0 });
        let shift = self.lambda * self.log_mass;
        let primal = mean - lambda * self.resolved.penalty(p, eta) + shift;
        self.scratch.reserve(n);
        let x = &mut self.scratch.x[..n];
        crate::divergence::fill_scores(&Row { u, eta, eta_rest: 0.0, lambda }, anchor, x);
        let theta = at.inner.offset;
        let conj = if at.inner.margin > 0.0 && at.inner.margin.is_finite() {
            self.resolved.conj_sum_near_end(x, eta, at.inner.margin)
        } else {
            self.resolved.conj_sum(x, eta, theta)
        };
        let dual = anchor + lambda * (theta + conj) + shift;
        Ok(Certificate { primal, dual, gap: dual - primal })
    }

    /// Where the maximum of the scores lies, over the atoms with reference mass, given their smooth maximum: above it
    /// by at least λf(1) and at most λ max_i {η_i f(1/η_i) + f(0)(1 − η_i)}.
    ///
    /// # Errors
    /// [`Error::Unbounded`] if the divergence does not let one atom have all weight.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use fenchel::{divergence::Kl, smoothmax::SmoothMax};
    ///
    /// // max ≤ λ log Σ e^{u/λ} ≤ max + λ log n, here in its mean form.
    /// let mut lse = SmoothMax::new(Arc::new(Kl), 0.1)?;
    /// let top = lse.evaluate(&[1.0, 0.0, 0.5], &mut [0.0; 3])?;
    /// let bracket = lse.maximum(&top)?;
    /// assert!(bracket.contains(1.0, 1e-12) && (bracket.width() - 0.1 * 3f64.ln()).abs() < 1e-12);
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    pub fn maximum(&self, at: &SmoothMaximum) -> Result<Bracket> {
        let gap = regularisation_gap(&*self.resolved, &self.eta, self.lambda)?;
        Ok(Bracket { lower: at.inner.value + gap.lower, upper: at.inner.value + gap.upper })
    }

    /// out = H v with the Hessian H of the smooth maximum at the scores whose weights are `p`.
    ///
    /// # Errors
    /// [`Error::Shape`] if lengths differ or there has been no reference or evaluation of that length.
    pub fn hessian_product<T: Real>(&mut self, p: &[T], v: &[T], out: &mut [T]) -> Result<()> {
        let n = self.eta.len();
        for (what, length) in [("weights", p.len()), ("vector", v.len()), ("product", out.len())] {
            if length != n {
                return Err(Error::shape(what, format!("as many as the reference, {n}"), length));
            }
        }
        self.p.clear();
        self.p.extend(p.iter().map(|p| p.to_f64()));
        self.u.clear();
        self.u.extend(v.iter().map(|v| v.to_f64()));
        self.d.resize(n, 0.0);
        self.resolved.curvatures(&self.p, &self.eta, 1.0 / self.lambda, &mut self.d);
        hessian_product(&self.d, &self.u, &mut self.p);
        for (out, value) in out.iter_mut().zip(&self.p) {
            *out = T::from_f64(*value);
        }
        Ok(())
    }
}

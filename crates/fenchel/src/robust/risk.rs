//! The worst-case mean of a vector of losses.

use crate::divergence::{Cvar, Divergence, Row, SafeKl, Scratch, Smoothed, Unregularised, pairwise, top};
use crate::smoothmax::hessian_product;
use crate::smoothmax::reference::{normalised, resolved};
use crate::{Error, Result};
use std::sync::Arc;

/// How far from the reference p̂ the worst case may stray.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strength {
    /// At a price: λ > 0 times the divergence, in the unit of the losses.
    Penalty(f64),
    /// Within a ball: divergence at most r ≥ 0.
    Radius(f64),
}

/// A risk: what is made of the losses of all examples.
///
/// ```text
/// penalised    max over p of Σ p_i ℓ_i − λ D_f(p‖p̂)
/// constrained  max over p of Σ p_i ℓ_i   with   D_f(p‖p̂) ≤ r
///              = min over τ, λ ≥ 0 of τ + λr + λ Σ p̂_i f*((ℓ_i − τ)/λ)
/// ```
///
/// D_f is centred, 0 at p = p̂, in the constrained form. [`Risk::mean`] is the mean, for which nothing strays.
///
/// ```
/// use fenchel::divergence;
/// use fenchel::robust::{Risk, Strength};
///
/// let losses = [1.0, 2.0, 6.0];
/// let mut p = [0.0; 3];
/// let kl = Risk::new(divergence::parse("kl")?, Strength::Penalty(2.0))?;
/// let worst = kl.of(&losses, &[], &mut p)?;
///
/// // The ball of the radius that the penalty led to has the same worst case, at the same price.
/// let ball = Risk::new(divergence::parse("kl")?, Strength::Radius(worst.divergence))?;
/// let same = ball.of(&losses, &[], &mut p)?;
/// assert!((same.lambda - 2.0).abs() < 1e-9);
/// assert!((same.value - (worst.value + 2.0 * worst.divergence)).abs() < 1e-12);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Risk {
    /// None is the mean.
    divergence: Option<Arc<dyn Divergence>>,
    strength: Strength,
    /// The multiplier of a radius is not taken below this.
    floor: f64,
}

/// A worst case; its weights are in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worst {
    /// The risk, from the dual side: it is at most this.
    pub value: f64,
    /// The risk, from the side of the weights: it is at least this.
    pub lower: f64,
    /// The penalty at which the weights are the worst case: λ, or the multiplier of the radius; infinite for the mean
    /// and where the radius is 0.
    pub lambda: f64,
    /// τ: losses above it count.
    pub threshold: f64,
    /// D_f(p‖p̂) of the weights, 0 at p = p̂.
    pub divergence: f64,
}

/// The Hessian of the risk in the losses: diag(d) − ddᵀ/Σd − eeᵀ/e₀.
#[derive(Debug, Clone, Default)]
pub(crate) struct Curvature {
    /// d_i = p̂_i (f*)''(s_i)/λ, s_i = (ℓ_i − τ)/λ.
    pub d: Vec<f64>,
    /// Σ d_i.
    pub total: f64,
    /// e_i = d_i (s_i − s̄), where the multiplier moves too; else empty.
    pub e: Vec<f64>,
    /// Σ d_i (s_i − s̄)².
    pub spread: f64,
}

impl Curvature {
    /// out = H w.
    pub(crate) fn apply(&self, w: &[f64], out: &mut [f64]) {
        hessian_product(&self.d, w, out);
        if !self.e.is_empty() {
            let across = pairwise(w.len(), |i| self.e[i] * w[i]) / self.spread;
            out.iter_mut().zip(&self.e).for_each(|(out, e)| *out -= e * across);
        }
    }
}

impl Risk {
    /// The mean Σ p̂_i ℓ_i: empirical risk minimisation.
    pub fn mean() -> Self {
        Risk { divergence: None, strength: Strength::Radius(0.0), floor: 0.0 }
    }

    /// With a divergence and its strength.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless λ is finite and above 0, or r finite and at least 0.
    pub fn new(divergence: Arc<dyn Divergence>, strength: Strength) -> Result<Self> {
        match strength {
            Strength::Penalty(lambda) if !(lambda > 0.0 && lambda.is_finite()) => {
                return Err(Error::invalid("lambda", lambda, "a finite number above 0"));
            }
            Strength::Radius(r) if !(r >= 0.0 && r.is_finite()) => {
                return Err(Error::invalid("radius", r, "a finite number, at least 0"));
            }
            _ => {}
        }
        Ok(Risk { divergence: Some(divergence), strength, floor: 0.0 })
    }

    /// The same divergence with another strength; the mean stays the mean.
    ///
    /// # Errors
    /// As [`Risk::new`].
    pub fn with_strength(&self, strength: Strength) -> Result<Self> {
        self.divergence.clone().map_or_else(|| Ok(Risk::mean()), |f| Risk::new(f, strength))
    }

    /// The divergence; none is the mean.
    pub fn divergence(&self) -> Option<&dyn Divergence> {
        self.divergence.as_deref()
    }

    /// The divergence, to be kept.
    pub(crate) fn shared(&self) -> Option<Arc<dyn Divergence>> {
        self.divergence.clone()
    }

    /// Its strength.
    pub fn strength(&self) -> Strength {
        self.strength
    }

    /// Whether worst-case weights depend continuously on any losses.
    pub fn is_smooth(&self) -> bool {
        self.divergence.as_ref().is_none_or(|f| f.is_smooth())
    }

    /// For a reference that leaves some examples out, or a divergence that has to know how many there are.
    pub(crate) fn resolved(&self, eta: &[f64]) -> Self {
        let divergence = self.divergence.as_ref().map(|f| resolved(f, eta));
        Risk { divergence, ..self.clone() }
    }

    /// A smooth risk that tends to this one as `width` goes to 0, in the unit of the losses, and whose weights are weights
    /// of this one.
    pub(crate) fn smoothed(&self, width: f64) -> Self {
        let Some(f) = &self.divergence else { return self.clone() };
        if !f.is_smooth() {
            let cap = f.cap();
            // Safe KL bends at the cap as it does at 0.
            let smooth = if cap.is_infinite() {
                f.smoothed()
            } else {
                SafeKl::new(1.0 / cap).ok().map(|f| Arc::new(f) as Arc<dyn Divergence>)
            };
            // A cap of 1 leaves no choice.
            let Some(smooth) = smooth else { return Risk::mean() };
            return Risk { divergence: Some(smooth), strength: Strength::Penalty(width), floor: 0.0 };
        }
        match self.strength {
            Strength::Penalty(lambda) => {
                Risk { strength: Strength::Penalty(lambda.max(width)), ..self.clone() }
            }
            Strength::Radius(_) => Risk { floor: width, ..self.clone() },
        }
    }

    /// The risk of these losses under the reference p̂ (uniform if empty, else normalised), with the worst-case weights.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is none or lengths differ, [`Error::NonFinite`] for losses or weights that are NaN or
    /// infinite, [`Error::InvalidValue`] for a reference below 0 or 0 everywhere.
    pub fn of(&self, losses: &[f64], reference: &[f64], p: &mut [f64]) -> Result<Worst> {
        let n = losses.len();
        if n == 0 || p.len() != n {
            return Err(Error::shape("losses", "at least one, and as many as weights", n));
        }
        if let Some(i) = losses.iter().position(|x| !x.is_finite()) {
            return Err(Error::non_finite("losses", i, losses[i]));
        }
        let eta = self::reference(reference, n)?;
        if let Some(expected) = self.divergence.as_ref().and_then(|f| f.atoms())
            && expected != n
        {
            return Err(Error::shape("losses", format!("as many as marginals, {expected}"), n));
        }
        let risk = self.resolved(&eta);
        let worst = risk.worst(losses, &eta, None, p, &mut Scratch::default());
        Ok(risk.completed(worst, losses, &eta, p))
    }

    /// [`Risk::of`] without checks, for a resolved risk and a reference that sums to 1. `near` is the worst case of similar
    /// losses. What a solver does not need is left to [`Risk::completed`]: NaN.
    pub(crate) fn worst(
        &self,
        losses: &[f64],
        eta: &[f64],
        near: Option<&Worst>,
        p: &mut [f64],
        scratch: &mut Scratch,
    ) -> Worst {
        let n = losses.len();
        let mean = || pairwise(n, |i| if eta[i] > 0.0 { eta[i] * losses[i] } else { 0.0 });
        let Some(f) = self.divergence.as_deref() else {
            p.copy_from_slice(eta);
            let value = mean();
            return Worst { value, lower: value, lambda: f64::INFINITY, threshold: value, divergence: 0.0 };
        };
        let mut at = Search { f, losses, eta, p, scratch };
        match self.strength {
            Strength::Penalty(lambda) => {
                let found = at.solve(lambda, near.map(|near| near.threshold));
                let Smoothed { value, threshold, .. } = found;
                Worst { value, lower: f64::NAN, lambda, threshold, divergence: f64::NAN }
            }
            Strength::Radius(radius) => at.within(radius, self.floor, near),
        }
    }

    /// A worst case with its divergence and its lower side.
    pub(crate) fn completed(&self, worst: Worst, losses: &[f64], eta: &[f64], p: &[f64]) -> Worst {
        let (Some(f), Strength::Penalty(lambda)) = (self.divergence.as_deref(), self.strength) else {
            return worst;
        };
        let divergence = f.centred_penalty(p, eta);
        let mean = pairwise(p.len(), |i| if p[i] > 0.0 { p[i] * losses[i] } else { 0.0 });
        Worst { lower: mean - lambda * (divergence + f.f_at_one()), divergence, ..worst }
    }

    /// The Hessian at the worst case of these losses.
    pub(crate) fn curvature(
        &self,
        losses: &[f64],
        eta: &[f64],
        p: &[f64],
        worst: &Worst,
        out: &mut Curvature,
    ) {
        let n = p.len();
        out.e.clear();
        out.d.resize(n, 0.0);
        (out.total, out.spread) = (0.0, 0.0);
        let Some(f) = self.divergence.as_deref().filter(|_| worst.lambda > 0.0 && worst.lambda.is_finite())
        else {
            out.d.fill(0.0);
            return;
        };
        f.curvatures(p, eta, 1.0 / worst.lambda, &mut out.d);
        let s = |i: usize| (losses[i] - worst.threshold) / worst.lambda;
        let (total, mean, spread) = moments(&out.d, s);
        out.total = total;
        let moves = matches!(self.strength, Strength::Radius(_)) && worst.lambda > self.floor;
        if moves && total > 0.0 && spread > 0.0 {
            out.spread = spread;
            out.e.extend((0..n).map(|i| if out.d[i] > 0.0 { out.d[i] * (s(i) - mean) } else { 0.0 }));
        }
    }
}

/// A search for the multiplier.
struct Search<'a> {
    f: &'a dyn Divergence,
    losses: &'a [f64],
    eta: &'a [f64],
    p: &'a mut [f64],
    scratch: &'a mut Scratch,
}

impl Search<'_> {
    /// The smooth maximum at λ.
    fn solve(&mut self, lambda: f64, start: Option<f64>) -> Smoothed {
        let row = Row { u: self.losses, eta: self.eta, eta_rest: 0.0, lambda };
        self.f.solve(&row, start, self.p, self.scratch)
    }

    /// The smooth maximum at λ, and the centred divergence of its weights.
    fn at(&mut self, lambda: f64, start: Option<f64>) -> (Smoothed, f64) {
        let found = self.solve(lambda, start);
        (found, self.f.centred_penalty(self.p, self.eta))
    }

    /// Σ p_i ℓ_i.
    fn mean(&self) -> f64 {
        pairwise(self.p.len(), |i| if self.p[i] > 0.0 { self.p[i] * self.losses[i] } else { 0.0 })
    }

    /// min over λ ≥ `floor` of λ `radius` + the centred smooth maximum at λ.
    fn within(mut self, radius: f64, floor: f64, near: Option<&Worst>) -> Worst {
        let (most, _) = top(self.losses, self.eta);
        let least = (0..self.losses.len())
            .filter(|i| self.eta[*i] > 0.0)
            .fold(f64::INFINITY, |least, i| least.min(self.losses[i]));
        let spread = (most - least).min(f64::MAX);
        let is_mean = radius == 0.0 && self.f.is_smooth();
        if is_mean || spread == 0.0 {
            self.p.copy_from_slice(self.eta);
            let lower = self.mean();
            let (lambda, value) =
                if is_mean { (f64::INFINITY, lower) } else { (floor, lower + floor * radius) };
            return Worst { value, lower, lambda, threshold: lower, divergence: 0.0 };
        }
        let centre = self.f.f_at_one();
        // Below this λ is 0 for all that can be told from the value.
        let smallest = (1e-13 * spread).max(f64::MIN_POSITIVE).max(floor);
        let start = near.filter(|near| near.lambda > smallest && near.lambda.is_finite());
        // log D falls with log λ, for small D in proportion to 1/λ². Newton's method, kept between the two sides; the lower
        // one is looked at only where it leads there.
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut lambda = start.map_or(smallest, |near| near.lambda);
        let mut threshold = start.map(|near| near.threshold);
        let mut best = (f64::INFINITY, smallest);
        let mut idle = 0;
        for _ in 0..200 {
            let (found, divergence) = self.at(lambda, threshold);
            if lambda == smallest && divergence <= radius {
                let lower = self.mean();
                let value =
                    if floor > 0.0 { found.value + smallest * (radius + centre) } else { self.limit(found) };
                return Worst { value, lower, lambda: floor, threshold: found.threshold, divergence };
            }
            let miss = if divergence > 0.0 { (divergence / radius).ln() } else { f64::NEG_INFINITY };
            if miss.abs() < best.0 {
                best = (miss.abs(), lambda);
                idle = 0;
            } else {
                idle += 1;
            }
            if miss > 0.0 {
                low = lambda
            } else {
                high = lambda
            }
            // Below the first bound misses are rounding.
            if miss.abs() < 1e-15 || (best.0 < 1e-12 && idle >= 2) || high / low < 1.0 + 4.0 * f64::EPSILON {
                break;
            }
            threshold = Some(found.threshold);
            if lambda == smallest && high.is_infinite() {
                lambda = (spread / (1.0 + 2.0 * radius.sqrt())).max(2.0 * smallest);
                continue;
            }
            let slope = self.slope(lambda, found.threshold) / divergence;
            let newton = lambda * (miss / slope).clamp(-3.0, 3.0).exp();
            let inside = newton.is_finite() && newton > low && newton < high;
            lambda = match (inside, high.is_finite()) {
                (true, _) => newton,
                (false, true) if low > 0.0 => (low * high).sqrt(),
                (false, true) => 0.1 * high,
                (false, false) => 10.0 * lambda,
            }
            .max(smallest);
        }
        let lambda = best.1;
        let (found, mut divergence) = self.at(lambda, None);
        let value = found.value + lambda * (radius + centre);
        // But for rounding, which would leave weight where there is none.
        if divergence > radius * (1.0 + 1e-10) {
            // By convexity this much of the way from p̂ is inside.
            let share = radius / divergence;
            for (p, eta) in self.p.iter_mut().zip(self.eta) {
                *p = eta + share * (*p - eta);
            }
            divergence = radius;
        }
        Worst { value, lower: self.mean(), lambda, threshold: found.threshold, divergence }
    }

    /// −dD/d log λ = Σ η_i (f*)''(s_i)(s_i − s̄)².
    fn slope(&mut self, lambda: f64, threshold: f64) -> f64 {
        let n = self.p.len();
        let scratch = &mut self.scratch;
        scratch.reserve(n);
        let d = &mut scratch.x[..n];
        self.f.curvatures(self.p, self.eta, 1.0, d);
        moments(d, |i| (self.losses[i] - threshold) / lambda).2
    }

    /// The risk as λ goes to 0: the largest loss, or the mean of the largest that a capped density can choose.
    fn limit(&self, at: Smoothed) -> f64 {
        if self.f.is_per_atom() {
            return at.value;
        }
        let (mut p, mut scratch) = (vec![0.0; self.p.len()], Scratch::default());
        let row = Row { u: self.losses, eta: self.eta, eta_rest: 0.0, lambda: 1.0 };
        match Cvar::new(1.0 / self.f.cap()) {
            Ok(tail) => tail.solve(&row, None, &mut p, &mut scratch).value,
            Err(_) => Unregularised.solve(&row, None, &mut p, &mut scratch).value,
        }
    }
}

/// Reference weights that sum to 1; none given is all the same.
pub(crate) fn reference(weights: &[f64], n: usize) -> Result<Vec<f64>> {
    if weights.is_empty() {
        return Ok(vec![1.0 / n as f64; n]);
    }
    if weights.len() != n {
        return Err(Error::shape("weights", format!("as many as examples, {n}"), weights.len()));
    }
    Ok(normalised("weights", weights)?.0)
}

/// Σ d_i, the mean s̄ of s under d, and Σ d_i (s_i − s̄)².
fn moments(d: &[f64], s: impl Fn(usize) -> f64) -> (f64, f64, f64) {
    let total = pairwise(d.len(), |i| d[i]);
    let mean = pairwise(d.len(), |i| if d[i] > 0.0 { d[i] / total * s(i) } else { 0.0 });
    let square = |i: usize| (s(i) - mean) * (s(i) - mean);
    (total, mean, pairwise(d.len(), |i| if d[i] > 0.0 { d[i] * square(i) } else { 0.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::divergence;
    use crate::measure::Rng;

    /// The Hessian in the losses is what differences of weights are, whether the multiplier moves or not.
    #[test]
    fn curvature_is_a_difference_of_weights() {
        let mut rng = Rng::new(3);
        let n = 12;
        let eta = reference(&(0..n).map(|_| 0.2 + rng.uniform()).collect::<Vec<_>>(), n).unwrap();
        for name in
            ["kl", "chi2", "tsallis:1.5", "hyperbolic", "safe-kl:0.05", "marginal-moments:12", "kl-cvar:0.1"]
        {
            for strength in [Strength::Penalty(0.5), Strength::Radius(0.1), Strength::Radius(0.4)] {
                let risk = Risk::new(divergence::parse(name).unwrap(), strength).unwrap();
                let losses: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
                let direction: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
                let at = |h: f64| {
                    let losses: Vec<f64> = losses.iter().zip(&direction).map(|(x, v)| x + h * v).collect();
                    let mut p = vec![0.0; n];
                    let worst = risk.worst(&losses, &eta, None, &mut p, &mut Scratch::default());
                    (losses, p, worst)
                };
                let (losses, p, worst) = at(0.0);
                let mut bend = Curvature::default();
                risk.curvature(&losses, &eta, &p, &worst, &mut bend);
                let mut exact = vec![0.0; n];
                bend.apply(&direction, &mut exact);
                let h = 1e-6;
                let ((_, above, _), (_, below, _)) = (at(h), at(-h));
                for i in 0..n {
                    let numeric = (above[i] - below[i]) / (2.0 * h);
                    assert!(
                        (numeric - exact[i]).abs() < 1e-6,
                        "{name} {strength:?} {worst:?}: {i} {numeric} {}",
                        exact[i]
                    );
                }
            }
        }
    }
}

//! Noise of which mean and covariance are known.

use super::gev::check_scores;
use super::polar::cholesky;
use super::trace::{Frame, Point};
use crate::divergence::one_plus_ratio;
use crate::error::{Error, Result};
use crate::simd;

/// Scores this many standard deviations of the noise below the best are moved up to there.
const FAR: f64 = 1e12;
/// The gap that is asked for, in units of the noise's standard deviation.
const TOLERANCE: f64 = 1e-11;
const MOST_ITERATIONS: u32 = 100;
/// How singular the covariance may be: least pivot of its Cholesky factor over its diagonal.
const SINGULAR: f64 = 1e-12;

/// The best expected maximum over all noise with mean zero and a given covariance Σ,
///
/// ```text
/// sup { E[max_i u_i + z_i] : E z = 0, E zzᵀ = Σ } = max over p in the simplex of ⟨u, p⟩ + T(p),
/// T(p) = tr (Σ^½ (diag p − ppᵀ) Σ^½)^½
/// ```
///
/// (Ahipaşaoğlu, Li and Natarajan 2019; equation 23 of Taşkesen, Shafieezadeh-Abadeh and Kuhn 2022, where the covariance has to
/// be λ²Σ). With only the diagonal of Σ fixed it would be `marginal-moments`, which is larger. The maximum is attained inside
/// the simplex; it takes N − 1 of the dimensions of Σ, since what is common to all z_i changes no choice and has mean zero.
///
/// T is concave, so the gap max_i g_i − ⟨g, p⟩ of the gradient g at any p bounds what is missing to the maximum: it comes
/// with the answer. The maximiser is found by Newton's method with conjugate gradients, from the probabilities of marginal
/// moments, damped where it leads too far; a step costs some tens of N³ operations.
///
/// ```
/// use fenchel::choice::Chebyshev;
///
/// // Two alternatives: only the variance v of z_1 − z_2 matters, and ψ = (u_1 + u_2 + √((u_1 − u_2)² + v))/2.
/// let mut chebyshev = Chebyshev::new(&[2.0, 0.5, 0.5, 3.0])?;
/// let mut p = [0.0; 2];
/// let best = chebyshev.evaluate(&[1.0, 0.0], &mut p)?;
/// assert!((best.value - (1.0 + 5f64.sqrt()) / 2.0).abs() < 1e-14);
/// assert!((p[0] - (1.0 + 1.0 / 5f64.sqrt()) / 2.0).abs() < 1e-12 && best.gap < 1e-10);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chebyshev {
    atoms: usize,
    /// Cholesky factor of the covariance in units, N × N.
    factor: Vec<f64>,
    /// Standard deviations of the noise less its mean over the atoms.
    centred: Vec<f64>,
    /// The largest of them.
    unit: f64,
    frame: Frame,
    point: Point,
}

/// A best expected maximum. The choice probabilities are in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChebyshevMaximum {
    /// ⟨u, p⟩ + T(p): below the maximum, but for rounding.
    pub value: f64,
    /// At most this much below the maximum: the duality gap at p.
    pub gap: f64,
    /// Newton steps taken.
    pub iterations: u32,
}

impl Chebyshev {
    /// For a covariance matrix, row-major, N × N, in squared units of the scores.
    ///
    /// # Errors
    /// [`Error::Shape`] if it is not square or empty; [`Error::NonFinite`]; [`Error::InvalidValue`] if it is not symmetric,
    /// or if, but for a shift common to all atoms, the noise of one is a combination of that of others with less than 1e-12 of
    /// its variance left: there may then be atoms that are never chosen, or weights that are not unique.
    pub fn new(covariance: &[f64]) -> Result<Self> {
        let atoms = covariance.len().isqrt();
        if atoms == 0 || atoms * atoms != covariance.len() {
            return Err(Error::shape("covariance", "N × N numbers", covariance.len()));
        }
        for i in 0..atoms {
            for j in 0..atoms {
                let (here, there) = (covariance[i * atoms + j], covariance[j * atoms + i]);
                let at = format!("row {i}, column {j}");
                if !here.is_finite() {
                    return Err(Error::non_finite("covariance", at, here));
                }
                if (here - there).abs() > 1e-12 * here.abs().max(there.abs()) {
                    return Err(Error::invalid(format!("covariance at {at}"), here, {
                        format!("{there}, as at row {j}, column {i}: symmetric")
                    }));
                }
                if i == j && here < 0.0 {
                    return Err(Error::invalid(
                        format!("covariance at {at}"),
                        here,
                        "a variance, at least 0",
                    ));
                }
            }
        }
        let mut built = Chebyshev {
            atoms,
            factor: Vec::new(),
            centred: vec![0.0; atoms],
            unit: 1.0,
            frame: Frame::default(),
            point: Point::default(),
        };
        if atoms == 1 {
            return Ok(built);
        }
        let n = atoms as f64;
        let means: Vec<f64> =
            covariance.chunks_exact(atoms).map(|row| row.iter().map(|c| c / n).sum()).collect();
        let mean = means.iter().map(|m| m / n).sum::<f64>();
        for i in 0..atoms {
            let variance = covariance[i * atoms + i] - 2.0 * means[i] + mean;
            built.centred[i] = variance.max(0.0).sqrt();
        }
        built.unit = built.centred.iter().copied().fold(0.0, f64::max);
        if built.unit <= 0.0 {
            return Err(singular(1));
        }
        let scaled = |shift: f64| covariance.iter().map(|c| c / built.unit / built.unit + shift).collect();
        built.factor = scaled(0.0);
        if cholesky(&mut built.factor, atoms, SINGULAR).is_err() {
            // A shift common to all atoms has no effect, but can make the matrix regular.
            built.factor = scaled(1.0);
            cholesky(&mut built.factor, atoms, SINGULAR).map_err(singular)?;
        }
        Ok(built)
    }

    /// N, the number of atoms.
    pub fn atoms(&self) -> usize {
        self.atoms
    }

    /// The best expected maximum of the scores `u`, with the choice probabilities in `p`.
    ///
    /// The gap asked for is 1e-11 standard deviations of the noise, or what rounding of the scores allows. Where correlations
    /// are within 1e-6 of 1 between noises of very different sizes the search may stop early: the gap says so.
    /// Scores more than 1e12 standard deviations below the best count as 1e12; the gap
    /// includes what that may change.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of scores or weights than N, [`Error::NonFinite`].
    pub fn evaluate(&mut self, u: &[f64], p: &mut [f64]) -> Result<ChebyshevMaximum> {
        let top = check_scores(u, self.atoms, p.len())?;
        if self.atoms == 1 {
            p[0] = 1.0;
            return Ok(ChebyshevMaximum { value: top, gap: 0.0, iterations: 0 });
        }
        let mut far = 0.0;
        let scores: Vec<f64> = u
            .iter()
            .map(|u| {
                let score = 2.0 * ((0.5 * u - 0.5 * top) / self.unit);
                far += f64::from(u8::from(score < -FAR));
                score.max(-FAR)
            })
            .collect();
        let spread = -scores.iter().copied().fold(0.0, f64::min);
        self.start(&scores, p);
        self.enter(&scores, p);
        self.point.evaluate(&self.frame);
        let asked = TOLERANCE + 4.0 * f64::EPSILON * self.atoms as f64 * spread;
        let (mut damping, mut stalled, mut iterations) = (0.0, 0, 0);
        let mut next = Point::default();
        while self.point.gap > asked && iterations < MOST_ITERATIONS && stalled < 8 {
            iterations += 1;
            let (step, base_step, promised) = self.point.newton_step(&self.frame, damping);
            self.point.moved(&step, base_step, &mut next);
            next.evaluate(&self.frame);
            let noise = 16.0 * f64::EPSILON * (1.0 + self.point.value.abs());
            if promised <= noise {
                // Where values are equal to rounding slopes still tell which point is better.
                if next.steepest < 0.99 * self.point.steepest {
                    (damping, stalled) = (0.1 * damping, 0);
                } else {
                    (damping, stalled) = (f64::max(8.0 * damping, 1e-5), stalled + 1);
                    continue;
                }
            } else {
                let kept = (next.value - self.point.value) / promised;
                if kept > 0.75 {
                    damping = if damping > 1e-7 { 0.1 * damping } else { 0.0 };
                } else if kept <= 0.25 || kept.is_nan() {
                    damping = f64::max(8.0 * damping, 1e-5);
                }
                if kept <= 1e-4 || kept.is_nan() {
                    continue;
                }
            }
            std::mem::swap(&mut self.point, &mut next);
            if self.point.p.iter().any(|p| *p > self.point.p_base) {
                self.leave(p);
                self.enter(&scores, p);
                self.point.evaluate(&self.frame);
            }
        }
        self.leave(p);
        // What the atoms that were moved up can add: at most v/(4 FAR) each, with v the variance of the difference of two
        // noises, which is at most 4 where deviations are at most 1.
        let moved = 4.0 * far / (4.0 * FAR);
        let value = simd::dot(&scores, p) + self.point.s.iter().sum::<f64>() - moved;
        let gap = self.point.gap + moved;
        Ok(ChebyshevMaximum { value: top + self.unit * value, gap: self.unit * gap, iterations })
    }

    /// The choice probabilities of marginal moments, with the same variances.
    fn start(&self, scores: &[f64], p: &mut [f64]) {
        let sigma: Vec<f64> = self.centred.iter().map(|s| (s / self.unit).max(1e-6)).collect();
        let mut weigh = |tau: f64| {
            let mut total = 0.0;
            for ((p, u), sigma) in p.iter_mut().zip(scores).zip(&sigma) {
                *p = 0.5 * one_plus_ratio((u - tau) / sigma).0;
                total += *p;
            }
            total
        };
        let (mut low, mut high) = (-1.0, (self.atoms as f64).sqrt());
        while weigh(low) < 1.0 {
            low *= 2.0;
        }
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if weigh(middle) > 1.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        let total = weigh(high);
        p.iter_mut().for_each(|p| *p /= total);
    }

    /// Takes the most probable atom as base.
    fn enter(&mut self, scores: &[f64], p: &[f64]) {
        let frame = &mut self.frame;
        frame.others = (0..self.atoms).collect();
        frame.others.sort_by(|i, j| p[*j].total_cmp(&p[*i]));
        frame.base = frame.others.remove(0);
        frame.deviations = frame.others.iter().map(|i| (self.centred[*i] / self.unit).max(1e-6)).collect();
        frame.scores = frame.others.iter().map(|i| scores[*i] - scores[frame.base]).collect();
        self.point.p = frame.others.iter().map(|i| p[*i]).collect();
        self.point.p_base = p[frame.base];
        let row = |i: usize| &self.factor[i * self.atoms..(i + 1) * self.atoms];
        let base = row(frame.base);
        frame.rows.clear();
        for i in &frame.others {
            frame.rows.extend(row(*i).iter().zip(base).map(|(l, base)| l - base));
        }
    }

    fn leave(&self, p: &mut [f64]) {
        p[self.frame.base] = self.point.p_base;
        for (i, weight) in self.frame.others.iter().zip(&self.point.p) {
            p[*i] = *weight;
        }
    }

    /// The noise that attains the maximum last evaluated, a distribution on N points: with probability p_j it is row j of
    /// `out` (N × N, row-major), up to a shift common to all atoms, and then atom j is chosen. Mean and covariance of the
    /// differences are those asked for.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is room for N² numbers, or if nothing has been evaluated.
    pub fn worst_case(&self, out: &mut [f64]) -> Result<()> {
        let n = self.atoms;
        if out.len() != n * n {
            return Err(Error::shape("noise", format!("{} numbers", n * n), out.len()));
        }
        out.fill(0.0);
        if n == 1 {
            return Ok(());
        }
        if self.point.s.is_empty() {
            return Err(Error::shape("evaluations", "at least one", 0));
        }
        let mut step = vec![0.0; n - 1];
        for (j, row) in out.chunks_exact_mut(n).enumerate() {
            // X (1_j − p), where 1_j is 0 for the base.
            for ((step, p), i) in step.iter_mut().zip(&self.point.p).zip(&self.frame.others) {
                *step = f64::from(u8::from(*i == j)) - p;
            }
            for (s, t) in self.point.s.iter().zip(self.point.t.chunks_exact(n - 1)) {
                let along = s * simd::dot(t, &step);
                for (t, i) in t.iter().zip(&self.frame.others) {
                    row[*i] += self.unit * along * t;
                }
            }
        }
        Ok(())
    }
}

fn singular(atom: usize) -> Error {
    let expected = "positive definite on differences; leave out atoms whose noise is that of another one, or a mixture \
                    of others', but for a common shift";
    Error::invalid("covariance", format!("singular at atom {atom}"), expected)
}

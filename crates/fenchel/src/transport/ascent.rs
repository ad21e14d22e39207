//! The steps of averaged stochastic gradient ascent, one at a time, for those who want to look on.

use super::oracle::DualOracle;
use super::problem::{Frozen, SemiDiscrete, purpose};
use super::settings::{Asgd, Settings, Solver, StepRule};
use crate::divergence::{Row, Scratch};
use crate::error::{Error, Result};
use crate::measure::{Design, Sampler};
use crate::simd;
use crate::smoothmax::bisection::bisect;

/// Points drawn at a time.
pub(super) const DRAWN: usize = 1024;

/// Averaged stochastic gradient ascent, Algorithm 1 of Taşkesen, Shafieezadeh-Abadeh and Kuhn (2022), under the
/// caller's control: the steps that [`Solver::Asgd`] takes, without its certificate, for curves over T.
///
/// ```
/// use fenchel::transport::{Asgd, Lambda, SemiDiscrete, StepRule};
/// use fenchel::{cost, divergence, measure};
///
/// let atoms = measure::PointCloud::new(1, vec![-1.0, 1.0, 2.0])?;
/// let (source, cost) = (measure::parse("gaussian:1")?, cost::parse("l1")?);
/// let problem = SemiDiscrete::new(source, atoms, cost, divergence::parse("kl")?, Lambda::Absolute(0.5))?;
/// let asgd = Asgd { steps: 1000, rule: StepRule::PracticalDecaying, ..Asgd::default() };
/// let mut ascent = problem.ascent(asgd, 7)?;
/// for t in [1, 10, 100, 1000] {
///     ascent.advance_to(t)?;
///     println!("{t} {:?}", ascent.average());
/// }
/// assert!(ascent.average().iter().sum::<f64>().abs() < 1e-12);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug)]
pub struct Ascent {
    problem: Frozen,
    walk: Walk,
    seed: u64,
    points: Vec<f64>,
    drawn: u64,
}

impl SemiDiscrete {
    /// Averaged stochastic gradient ascent from φ = 0, step by step. Its samples depend on `seed` alone, so that runs
    /// of different rules and lengths share theirs.
    ///
    /// # Errors
    /// As [`SemiDiscrete::solve`] with [`Solver::Asgd`].
    pub fn ascent(&self, asgd: Asgd, seed: u64) -> Result<Ascent> {
        Settings { solver: Solver::Asgd(asgd), ..Settings::default() }.validate()?;
        let problem = self.freeze(seed)?;
        let walk = Walk::new(&problem, asgd)?;
        let per_draw = (DRAWN / asgd.batch).max(1);
        let points = vec![0.0; per_draw * asgd.batch * problem.dim];
        Ok(Ascent { problem, walk, seed, points, drawn: 0 })
    }
}

impl Ascent {
    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.walk.t
    }

    /// φ̄, the average so far: of φ_0..φ_{t−1}, or of φ_1..φ_t with [`StepRule::Lipschitz`]. One number for each atom
    /// with mass, in units of the cost; they sum to 0.
    pub fn average(&self) -> &[f64] {
        &self.walk.mean
    }

    /// φ_t.
    pub fn iterate(&self) -> &[f64] {
        &self.walk.phi
    }

    /// Goes on until `t` steps are taken; nothing happens if they are.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if `t` is beyond the number of steps that the run was set up for, on which step sizes
    /// depend; [`Error::NonFinite`] if a cost or a potential is no longer finite.
    pub fn advance_to(&mut self, t: u64) -> Result<()> {
        if t as f64 > self.walk.steps.horizon {
            let limit = format!("at most {}, the length of the run", self.walk.steps.horizon);
            return Err(Error::invalid("step", t, limit));
        }
        let each = self.walk.batch * self.problem.dim;
        let per_draw = (self.points.len() / each) as u64;
        let sampler = Sampler::new(&*self.problem.source, Design::Iid, self.seed, purpose::ASGD);
        while self.walk.t < t {
            let place = (self.walk.t % per_draw) as usize;
            if place == 0 {
                sampler.fill(self.drawn, &mut self.points)?;
                self.drawn += per_draw * self.walk.batch as u64;
            }
            let h = self.walk.step(&self.problem, &self.points[place * each..][..each])?;
            if !h.is_finite() {
                return Err(Error::non_finite("the dual", format!("step {}", self.walk.t), h));
            }
        }
        Ok(())
    }
}

/// Where a run is.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) steps: Steps,
    batch: usize,
    oracle: DualOracle<f64>,
    inexact: Option<Inexact>,
    /// φ_t.
    pub(super) phi: Vec<f64>,
    /// φ̄_t.
    pub(super) mean: Vec<f64>,
    /// The last gradient.
    pub(super) gradient: Vec<f64>,
    /// Steps taken.
    pub(super) t: u64,
}

impl Walk {
    pub(super) fn new(problem: &Frozen, asgd: Asgd) -> Result<Walk> {
        let zeros = vec![0.0; problem.atoms()];
        Ok(Walk {
            steps: Steps::new(problem, asgd)?,
            batch: asgd.batch,
            oracle: DualOracle::new(problem),
            inexact: Inexact::new(problem, asgd.oracle_error)?,
            phi: zeros.clone(),
            mean: zeros.clone(),
            gradient: zeros,
            t: 0,
        })
    }

    /// One step on the batch `xs`. Returns the batch's value at φ_{t−1}; if that is not finite, no step is taken.
    pub(super) fn step(&mut self, problem: &Frozen, xs: &[f64]) -> Result<f64> {
        self.t += 1;
        let h = match &mut self.inexact {
            None => self.oracle.evaluate(xs, &self.phi, &mut self.gradient)?,
            Some(inexact) => inexact.evaluate(problem, xs, &self.phi, self.t, &mut self.gradient)?,
        };
        if h.is_finite() {
            let averaged_before = !matches!(self.steps.rule, StepRule::Lipschitz);
            if averaged_before {
                average(&mut self.mean, &self.phi, self.t);
            }
            simd::axpy(self.steps.step(self.t as f64), &self.gradient, &mut self.phi);
            if !averaged_before {
                average(&mut self.mean, &self.phi, self.t);
            }
        }
        Ok(h)
    }
}

/// The step rule, made concrete.
#[derive(Debug)]
pub(super) struct Steps {
    rule: StepRule,
    pub(super) horizon: f64,
    pub(super) oracle_error: f64,
    /// Smoothness L of the dual, 1/cost.
    pub(super) lipschitz: f64,
    /// Self-concordance √2 M/λ, 1/cost.
    pub(super) concordance: f64,
}

impl Steps {
    pub(super) fn new(problem: &Frozen, asgd: Asgd) -> Result<Steps> {
        let f = &*problem.divergence;
        let lipschitz =
            problem.eta.iter().fold(0.0_f64, |a, &e| a.max(f.clipped_lipschitz(e))) / problem.lambda;
        let concordance = std::f64::consts::SQRT_2 * f.self_concordance() / problem.lambda;
        let steps = Steps {
            rule: asgd.rule,
            horizon: asgd.steps as f64,
            oracle_error: asgd.oracle_error,
            lipschitz,
            concordance,
        };
        let unfit = |what: &str| Err(Error::invalid("step rule", format!("{:?}", asgd.rule), what));
        match asgd.rule {
            StepRule::Lipschitz if !lipschitz.is_finite() => {
                unfit("another one: this divergence has no Lipschitz constant")
            }
            StepRule::SelfConcordant if !concordance.is_finite() => {
                unfit("another one: this divergence is not self-concordant")
            }
            _ => Ok(steps),
        }
    }

    /// γ_t.
    pub(super) fn step(&self, t: f64) -> f64 {
        let root = self.horizon.sqrt();
        let r = 2.0 + self.oracle_error;
        match self.rule {
            StepRule::Continuous => 1.0 / (2.0 * r * r * root),
            StepRule::Lipschitz => 1.0 / (2.0 * r * r * root + self.lipschitz),
            StepRule::SelfConcordant => {
                let g = self.concordance.max(r);
                1.0 / (2.0 * g * g * root)
            }
            StepRule::PracticalConstant => 1.0 / (4.0 * root),
            StepRule::PracticalDecaying => 1.0 / (4.0 * t.sqrt()),
        }
    }
}

/// mean ← mean + (φ − mean)/t.
fn average(mean: &mut [f64], phi: &[f64], t: u64) {
    let share = 1.0 / t as f64;
    for (m, p) in mean.iter_mut().zip(phi) {
        *m += share * (p - *m);
    }
}

/// The paper's inexact oracle: weights by bisection, to within ε̄/(2√t), normalised.
#[derive(Debug)]
struct Inexact {
    oracle_error: f64,
    u: Vec<f64>,
    p: Vec<f64>,
    scratch: Scratch,
}

impl Inexact {
    fn new(problem: &Frozen, oracle_error: f64) -> Result<Option<Self>> {
        if oracle_error == 0.0 || !problem.is_smooth {
            return Ok(None);
        }
        let n = problem.atoms();
        Ok(Some(Inexact {
            oracle_error,
            u: vec![0.0; n],
            p: vec![0.0; n],
            scratch: Scratch::with_capacity(n),
        }))
    }

    fn evaluate(
        &mut self,
        problem: &Frozen,
        xs: &[f64],
        phi: &[f64],
        t: u64,
        gradient: &mut [f64],
    ) -> Result<f64> {
        let batch = (xs.len() / problem.dim) as f64;
        let epsilon = self.oracle_error / (2.0 * (t as f64).sqrt());
        gradient.copy_from_slice(&problem.nu);
        let mut value = 0.0;
        for x in xs.chunks_exact(problem.dim) {
            problem.cost.rows(x, &problem.points, &mut self.u);
            for (u, p) in self.u.iter_mut().zip(phi) {
                *u = p - *u;
            }
            if self.u.iter().any(|u| !u.is_finite()) {
                return Ok(f64::NAN);
            }
            let row =
                Row { u: &self.u, eta: &problem.eta, eta_rest: problem.eta_rest, lambda: problem.lambda };
            let (s, _) = bisect(&*problem.divergence, &row, epsilon, &mut self.p, &mut self.scratch)?;
            value += s.value;
            // Σp < 1 would let φ drift along the constants.
            let sum: f64 = self.p.iter().sum();
            simd::axpy(-1.0 / (batch * sum), &self.p, gradient);
        }
        Ok(simd::dot(&problem.nu, phi) - value / batch)
    }
}

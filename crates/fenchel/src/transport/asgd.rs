//! Averaged stochastic gradient ascent: Algorithm 1 of Taşkesen, Shafieezadeh-Abadeh and Kuhn, as printed.
//!
//! φ_0 = 0; at step t draw x_t, let p_t be within ε̄/(2√t) of the gradient of the smooth c-transform at
//! φ_{t−1}, and put φ_t = φ_{t−1} + γ(ν − p_t). The answer is the mean of φ_0..φ_{T−1} (of φ_1..φ_T for the
//! Lipschitz rule). The guarantees of Theorem 4.6 and Corollary 4.10 come back as numbers.

use super::auto::Run;
use super::evaluate::{Want, pass};
use super::hessian::System;
use super::net::Net;
use super::newton::center;
use super::oracle::DualOracle;
use super::problem::{Frozen, SemiDiscrete, purpose};
use super::settings::{Asgd, Settings, StepRule};
use super::solution::{AsgdBounds, Certified, HistoryPoint, Solution};
use crate::divergence::{Row, Scratch};
use crate::error::{Error, Result};
use crate::measure::{Design, Sampler};
use crate::optim::{Loop, Progress, Status};
use crate::simd;
use crate::smoothmax::bisection::bisect;

/// Points drawn at a time.
const DRAWN: usize = 1024;

pub(crate) fn solve(
    owner: &SemiDiscrete,
    problem: &Frozen,
    settings: &Settings,
    asgd: Asgd,
    control: Loop<'_>,
) -> Result<Solution> {
    let steps = Steps::new(problem, asgd)?;
    let mut run = Run::new(problem, settings, control);
    if !problem.is_smooth {
        // Only the certificate's plan needs a smooth divergence: one too weak to show.
        run.lambda = 0.05 * settings.tolerance * problem.unit;
    }
    ascend(&mut run, problem, settings, asgd, &steps)?;
    let drawn = (asgd.steps as f64 * asgd.batch as f64 / 8.0).clamp(4096.0, 131_072.0);
    let evidence = run.certificate(drawn as usize, run.ended == Some(Status::Interrupted))?;
    let tolerance = settings.tolerance;
    let holds = evidence.marginal.l1 <= tolerance && evidence.interval.width() <= tolerance * problem.unit;
    let (status, certified) = if holds {
        (Status::Converged, Certified::Interval)
    } else {
        (evidence.ended.or(run.ended).unwrap_or(Status::MaxIterations), Certified::Nothing)
    };
    let bounds = guarantees(problem, &run.phi, run.lambda, settings.seed, asgd, &steps)?;
    let mut solution = run.solution(owner, &evidence, status, certified, "asgd");
    solution.asgd = Some(bounds);
    Ok(solution)
}

/// The step rule, made concrete.
struct Steps {
    rule: StepRule,
    horizon: f64,
    oracle_error: f64,
    /// Smoothness L of the dual, 1/cost.
    lipschitz: f64,
    /// Self-concordance √2 M/λ, 1/cost.
    concordance: f64,
}

impl Steps {
    fn new(problem: &Frozen, asgd: Asgd) -> Result<Steps> {
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
    fn step(&self, t: f64) -> f64 {
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

fn ascend(
    run: &mut Run<'_, '_>,
    problem: &Frozen,
    settings: &Settings,
    asgd: Asgd,
    steps: &Steps,
) -> Result<()> {
    let n = problem.atoms();
    let dim = problem.dim;
    let mut oracle: DualOracle<f64> = DualOracle::new(problem);
    let mut inexact = Inexact::new(problem, asgd.oracle_error)?;
    let sampler = Sampler::new(&*problem.source, Design::Iid, settings.seed, purpose::ASGD);
    let per_draw = (DRAWN / asgd.batch).max(1);
    let mut points = vec![0.0; per_draw * asgd.batch * dim];
    let (mut phi, mut mean, mut gradient) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let (mut value, mut slope) = (0.0, vec![0.0; n]);
    let mut window = 0.0;
    let mut t = 0_u64;
    let mut report = 16_u64;
    while t < asgd.steps {
        sampler.fill(run.samples, &mut points)?;
        for xs in points.chunks_exact(asgd.batch * dim) {
            if t == asgd.steps {
                break;
            }
            t += 1;
            let h = match &mut inexact {
                None => oracle.evaluate(xs, &phi, &mut gradient)?,
                Some(inexact) => inexact.evaluate(problem, xs, &phi, t, &mut gradient)?,
            };
            if !h.is_finite() {
                if phi.iter().all(|p| p.is_finite()) {
                    let cost = format!("cost {}", problem.cost.name());
                    return Err(Error::non_finite(cost, format!("the batch of step {t}"), f64::NAN));
                }
                run.ended = Some(Status::Diverged);
                run.phi.copy_from_slice(&mean);
                return Ok(());
            }
            value += h;
            simd::axpy(1.0, &gradient, &mut slope);
            window += 1.0;
            let averaged_before = !matches!(asgd.rule, StepRule::Lipschitz);
            if averaged_before {
                average(&mut mean, &phi, t);
            }
            simd::axpy(steps.step(t as f64), &gradient, &mut phi);
            if !averaged_before {
                average(&mut mean, &phi, t);
            }
            run.samples += asgd.batch as u64;
            if t == report || t == asgd.steps {
                report *= 2;
                run.history.push(HistoryPoint {
                    samples: run.samples,
                    seconds: run.control.seconds(),
                    lambda: problem.lambda,
                    value: value / window,
                    marginal_l1: slope.iter().map(|g| g.abs()).sum::<f64>() / window,
                    marginal_chi2: slope.iter().zip(&problem.nu).map(|(g, v)| g * g / v).sum::<f64>()
                        / (window * window),
                });
                (value, window) = (0.0, 0.0);
                slope.fill(0.0);
            }
        }
        let error = run.history.last().map_or(1.0, |h| h.marginal_l1);
        let progress = Progress {
            phase: "solving",
            fraction: 0.9 * t as f64 / asgd.steps as f64,
            samples: run.samples,
            error,
            target: settings.tolerance,
            iterate: &mean,
        };
        run.ended = run.control.check(&progress);
        if run.ended.is_some() {
            break;
        }
    }
    run.phi.copy_from_slice(&mean);
    Ok(())
}

/// mean ← mean + (φ − mean)/t.
fn average(mean: &mut [f64], phi: &[f64], t: u64) {
    let share = 1.0 / t as f64;
    for (m, p) in mean.iter_mut().zip(phi) {
        *m += share * (p - *m);
    }
}

/// The paper's inexact oracle: weights by bisection, to within ε̄/(2√t), normalised.
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

/// Theorem 4.6 and Corollary 4.10 with R = 2, φ_0 = 0, at the potentials returned.
fn guarantees(
    problem: &Frozen,
    phi: &[f64],
    lambda: f64,
    seed: u64,
    asgd: Asgd,
    steps: &Steps,
) -> Result<AsgdBounds> {
    let mut centered = phi.to_vec();
    center(&mut centered);
    let norm = simd::dot(&centered, &centered).sqrt();
    let (t, e, r) = (steps.horizon, asgd.oracle_error, 2.0 + asgd.oracle_error);
    let bias = e / t.sqrt() * (2.0 * norm * norm + 37.0 / (2.0 * r * r)).sqrt();
    let continuous = r * r / t.sqrt() * norm * norm + 1.0 / (4.0 * t.sqrt()) + bias;
    let lipschitz = steps.lipschitz.is_finite().then(|| {
        steps.lipschitz / (2.0 * t) * norm * norm
            + r * r / t.sqrt() * norm * norm
            + (e * e + 2.0) / (4.0 * r * r * t.sqrt())
            + bias
    });
    let curvature = if problem.is_smooth { least_curvature(problem, &centered, lambda, seed)? } else { 0.0 };
    let self_concordant = (steps.concordance.is_finite() && curvature > 0.0).then(|| {
        let g = steps.concordance.max(r);
        g * g / (curvature * t) * (4.0 * g * norm + 20.0).powi(4)
    });
    Ok(AsgdBounds {
        continuous,
        lipschitz,
        self_concordant,
        potential_norm: norm,
        curvature,
        step: steps.step(t),
    })
}

/// κ: smallest eigenvalue of −∇²h orthogonal to constants, by inverse iteration on a sample.
fn least_curvature(problem: &Frozen, phi: &[f64], lambda: f64, seed: u64) -> Result<f64> {
    let n = problem.atoms();
    if n < 2 {
        return Ok(0.0);
    }
    let len = (4_000_000 / n).clamp(256, 16_384);
    let mut net = Net::draw(problem, seed, purpose::CURVATURE, len)?;
    let hessian = pass(problem, &mut net, phi, lambda, Want { rows: len, ..Want::default() }).hessian;
    let system = System::new(&hessian, vec![0.0; n]);
    let mut v: Vec<f64> = (0..n).map(|i| ((i + 1) as f64 * 0.618_033_988_749_895).fract() - 0.5).collect();
    let mut curvature = f64::INFINITY;
    for _ in 0..60 {
        center(&mut v);
        let size = simd::dot(&v, &v).sqrt();
        if size == 0.0 || !size.is_finite() {
            return Ok(0.0);
        }
        v.iter_mut().for_each(|x| *x /= size);
        let quotient = simd::dot(&v, &system.apply(&v)) / lambda;
        if quotient >= 0.9999 * curvature {
            return Ok(if quotient * lambda > 1e-13 { quotient } else { 0.0 });
        }
        curvature = quotient;
        v = system.solve(&v);
    }
    Ok(curvature.max(0.0))
}

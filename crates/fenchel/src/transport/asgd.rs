//! Averaged stochastic gradient ascent: Algorithm 1 of Taşkesen, Shafieezadeh-Abadeh and Kuhn, as printed.
//!
//! φ_0 = 0; at step t draw x_t, let p_t be within ε̄/(2√t) of the gradient of the smooth c-transform at
//! φ_{t−1}, and put φ_t = φ_{t−1} + γ(ν − p_t). The answer is the mean of φ_0..φ_{T−1} (of φ_1..φ_T for the
//! Lipschitz rule). The guarantees of Theorem 4.6 and Corollary 4.10 come back as numbers.

use super::ascent::{DRAWN, Steps, Walk};
use super::auto::Run;
use super::checkpoint::{Ascending, Place, State};
use super::evaluate::{Want, pass};
use super::hessian::System;
use super::net::Net;
use super::newton::center;
use super::problem::{Frozen, SemiDiscrete, purpose};
use super::settings::{Asgd, Settings, StepRule};
use super::solution::{AsgdBounds, Certified, HistoryPoint, Solution};
use crate::bounds::AscentGuarantee;
use crate::error::{Error, Result};
use crate::measure::{Design, Sampler};
use crate::optim::{Loop, Progress, Status};
use crate::simd;

pub(crate) fn solve(
    owner: &SemiDiscrete,
    problem: &Frozen,
    settings: &Settings,
    asgd: Asgd,
    control: Loop<'_>,
    state: Option<State>,
) -> Result<Solution> {
    let mut walk = Walk::new(problem, asgd)?;
    let mut run = Run::new(problem, settings, control);
    if !problem.is_smooth {
        // Only the certificate's plan needs a smooth divergence: one too weak to show. The ascent follows the user's own
        // weights.
        run.lambda = 0.05 * settings.tolerance * problem.unit;
        run.shows = 0.0;
    }
    let (from, drawn) = match state.map(|state| run.restore(state, &[])).transpose()? {
        // The ascent was over.
        Some(Place::Certify(_, drawn)) => (None, Some(drawn)),
        Some(Place::Ascend(from)) => (Some(from), None),
        _ => (Some(Ascending::new(problem.atoms())), None),
    };
    if let Some(from) = from {
        ascend(&mut run, problem, settings, asgd, &mut walk, from)?;
    }
    let samples = (asgd.steps as f64 * asgd.batch as f64 / 8.0).clamp(4096.0, 131_072.0);
    let ascended = run.samples * problem.atoms() as u64;
    let evidence = run.certificate(samples as usize, None, drawn)?;
    let tolerance = settings.tolerance;
    let holds = evidence.marginal.l1 <= tolerance && evidence.interval.width() <= tolerance * problem.unit;
    let (status, certified) = if holds {
        (Status::Converged, Certified::Interval)
    } else {
        (run.ended.or(evidence.ended).unwrap_or(Status::MaxIterations), Certified::Nothing)
    };
    problem.work.add(ascended, ascended);
    let guarantee = guarantee(problem, &run.phi, run.lambda, settings.seed, &walk.steps)?;
    let mut solution = run.solution(owner, &evidence, status, certified, "asgd");
    solution.asgd = Some(bounds(&guarantee, &walk.steps));
    Ok(solution)
}

fn ascend(
    run: &mut Run<'_, '_>,
    problem: &Frozen,
    settings: &Settings,
    asgd: Asgd,
    walk: &mut Walk,
    from: Ascending,
) -> Result<()> {
    let dim = problem.dim;
    let sampler = Sampler::new(&*problem.source, Design::Iid, settings.seed, purpose::ASGD);
    let most = settings.memory.unwrap_or(i64::MAX as u64) / (8 * dim as u64);
    if asgd.batch as u64 > most {
        let expected = format!("at most {most}, for its points to be in the memory allowed");
        return Err(Error::invalid("batch", asgd.batch, expected));
    }
    let per_draw = (DRAWN / asgd.batch).max(1);
    let mut points = vec![0.0; per_draw * asgd.batch * dim];
    let Ascending { t, phi, mean, mut value, mut slope, mut window, mut report } = from;
    (walk.t, walk.phi, walk.mean) = (t, phi, mean);
    while walk.t < asgd.steps {
        let (phi, mean, slope_so_far) = (walk.phi.clone(), walk.mean.clone(), slope.clone());
        run.offer(Place::Ascend(Ascending {
            t: walk.t,
            phi,
            mean,
            value,
            slope: slope_so_far,
            window,
            report,
        }));
        sampler.fill(run.samples, &mut points)?;
        for xs in points.chunks_exact(asgd.batch * dim) {
            if walk.t == asgd.steps {
                break;
            }
            let h = walk.step(problem, xs)?;
            let t = walk.t;
            if !h.is_finite() {
                if walk.phi.iter().all(|p| p.is_finite()) {
                    let cost = format!("cost {}", problem.cost.name());
                    return Err(Error::non_finite(cost, format!("the batch of step {t}"), f64::NAN));
                }
                run.ended = Some(Status::Diverged);
                run.phi.copy_from_slice(&walk.mean);
                return Ok(());
            }
            value += h;
            simd::axpy(1.0, &walk.gradient, &mut slope);
            window += 1.0;
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
            fraction: 0.9 * walk.t as f64 / asgd.steps as f64,
            samples: run.samples,
            error,
            target: settings.tolerance,
            iterate: &problem.as_given(&walk.mean),
        };
        run.ended = run.control.within(run.solving_until()).check(&progress);
        if run.ended.is_some() {
            break;
        }
    }
    run.phi.copy_from_slice(&walk.mean);
    Ok(())
}

impl SemiDiscrete {
    /// The constants of Theorem 4.6 for this problem's dual, φ_0 = 0, with optimal potentials `phi` of the atoms with
    /// mass. κ is the smallest curvature orthogonal to constants (which the steps never leave), on a sample of at most
    /// 16,384 points; 0 for a divergence that is not smooth.
    ///
    /// # Errors
    /// [`Error::Shape`] if `phi` is not one number for each atom with mass; as [`SemiDiscrete::solve`].
    pub fn ascent_guarantee(&self, phi: &[f64], oracle_error: f64, seed: u64) -> Result<AscentGuarantee> {
        let problem = self.freeze(seed)?;
        if phi.len() != problem.atoms() {
            let expected = format!("{} numbers, one an atom with mass", problem.atoms());
            return Err(Error::shape("phi", expected, phi.len()));
        }
        let steps =
            Steps::new(&problem, Asgd { oracle_error, rule: StepRule::Continuous, ..Asgd::default() })?;
        guarantee(&problem, phi, problem.lambda, seed, &steps)
    }
}

/// Theorem 4.6 and Corollary 4.10 with R = 2, φ_0 = 0.
fn guarantee(
    problem: &Frozen,
    phi: &[f64],
    lambda: f64,
    seed: u64,
    steps: &Steps,
) -> Result<AscentGuarantee> {
    let mut centered = phi.to_vec();
    center(&mut centered);
    Ok(AscentGuarantee {
        distance: simd::dot(&centered, &centered).sqrt(),
        gradient: 2.0,
        oracle_error: steps.oracle_error,
        smoothness: steps.lipschitz,
        concordance: steps.concordance,
        curvature: if problem.is_smooth { least_curvature(problem, &centered, lambda, seed)? } else { 0.0 },
    })
}

/// The same as numbers, at the potentials returned.
fn bounds(guarantee: &AscentGuarantee, steps: &Steps) -> AsgdBounds {
    let t = steps.horizon;
    let finite = |bound: f64| bound.is_finite().then_some(bound);
    AsgdBounds {
        continuous: guarantee.continuous(t),
        lipschitz: finite(guarantee.lipschitz(t)),
        self_concordant: finite(guarantee.self_concordant(t)),
        potential_norm: guarantee.distance,
        curvature: guarantee.curvature,
        step: steps.step(t),
    }
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
    let system = System::new(&hessian, n);
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
        v = system.solve(&v, None, &|| true);
    }
    Ok(curvature.max(0.0))
}

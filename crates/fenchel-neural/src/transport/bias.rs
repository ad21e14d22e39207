//! How far safe transport can be from entropic transport.

use super::certificate::progress;
use super::pairs::{Table, mean};
use super::settings::{Pairs, Settings};
use super::training::Run;
use super::{NeuralTransport, Objective};
use crate::purpose;
use fenchel::divergence::Divergence;
use fenchel::measure::{Design, PointCloud};
use fenchel::optim::{Loop, Observer};
use fenchel::transport::continuous::{self, CTransform, Potential, Solution};
use fenchel::{Error, Result};
use std::ops::Range;
use std::sync::Arc;

/// Independent samples of the target, of the source, and of their pairs, with Student's t for two of them and more.
const TARGETS: usize = 2048;
const SOURCES: usize = 512;
const REPLICATES: usize = 8;
const QUANTILES: [f64; REPLICATES - 1] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365];

/// A bound on W_safe − W, transport regularised by safe KL less transport regularised by KL; [`NeuralTransport::bias`] measures it.
///
/// With φ_x = (v − c(x, ·))/λ, F the log-partition functional of the target and F_ρ its safe form, the semi-duals at any v are
/// J = E v − λ E_x F(φ_x) ≤ W and J_ρ = E v − λ E_x F_ρ(φ_x) ≤ W_safe, so that
///
/// ```text
/// 0 ≤ W_safe − W ≤ λ E_x[F(φ_x) − F_ρ(φ_x)] + (W_safe − J_ρ).
/// ```
///
/// There is no condition on how large densities are. The second term falls to 0 as v comes to what is best for safe KL. In the first one each x
/// adds at most λ(4ρ E\[t²|x\] − ρ/2) if ρ ≤ 1/(4 E\[t²|x\]), and at most λρ sup t if ρ sup t < 1, t = e^{φ − F} the density that
/// v has for KL.
///
/// There is a bound from the plan's side as well: if the density t of the best plan for KL is at most 1/ρ everywhere, it is a plan for safe KL,
/// and W_safe − W ≤ λ E\[f_ρ(t) − f(t)\] = (λ/ρ) E\[ρt + (1 − ρt) log(1 − ρt)\] ≤ λρ E t². Between normal measures densities are not
/// bounded, however small λρ is; so that is not what is measured.
///
/// Expectations are over fresh samples. A logarithm of a mean over m points of the target falls short by what it loses from m/2 to m points, to first order
/// in 1/m, and that is added to F; F_ρ is left short, which makes the bound larger.
#[derive(Debug, Clone, PartialEq)]
pub struct Bias {
    /// λ E_x\[F(φ_x) − F_ρ(φ_x)\]: the bound, if v is the best for safe KL.
    pub measured: f64,
    /// Half-width of its 95% interval.
    pub error: f64,
    /// What is known of safe transport at v. Its weights are bounded: no exponential widens its interval, however small λ is.
    pub safe: Solution,
}

impl Bias {
    /// The bound of W_safe − W for v as it is, with W_safe − J_ρ as plans between samples bound it.
    pub fn upper(&self) -> f64 {
        self.measured + self.error + self.safe.gap.max(0.0)
    }

    /// What W is not below: W ≥ J = J_ρ − λ E_x\[F(φ_x) − F_ρ(φ_x)\]. Where λ is small, so that e^s is not known well in places of little mass,
    /// this says more than the interval of [`NeuralTransport::certify`].
    pub fn lower_value(&self) -> f64 {
        self.safe.interval.lower - self.measured - self.error
    }
}

pub(super) fn bias(
    transport: &NeuralTransport,
    v: Arc<dyn Potential>,
    settings: &continuous::Settings,
    observer: &mut dyn Observer,
) -> Result<Bias> {
    let Objective::Safe { .. } = transport.objective else {
        return Err(Error::invalid("objective", transport.objective, "a safe one: no other has this bias"));
    };
    let problem = &transport.problem;
    let safe = problem.with_divergence(transport.divergence.clone())?;
    let name = format!("network {}", transport.objective);
    let (safe, _) = safe.certify(v.clone(), name, settings, &mut *observer)?;
    let mut control = Loop::resumed(settings.max_seconds, safe.seconds, observer);
    let own = Settings { seed: settings.seed, ..Settings::default() };
    let run = Run::new(transport, &own)?;
    let dim = v.dim();
    let mut found = Vec::with_capacity(REPLICATES);
    for r in 0..REPLICATES {
        let ended = control.check(&progress(r as f64 / REPLICATES as f64, settings));
        if r >= 2 && ended.is_some() {
            break;
        }
        let [mut xs, ys] = run.points(Design::Iid, purpose::BIAS + r as u64, 0, TARGETS)?;
        xs.truncate(SOURCES * dim);
        let vs = v.values(&ys)?;
        let transformed = |part: Range<usize>, divergence: &Arc<dyn Divergence>| -> Result<Vec<f64>> {
            let cloud = PointCloud::new(dim, ys[part.start * dim..part.end * dim].to_vec())?;
            let (phi, cost) = (vs[part].to_vec(), problem.cost().clone());
            CTransform::new(&cloud, phi, cost, divergence.clone(), run.dual.lambda)?.values(&xs)
        };
        // For KL the c-transform is −λF; for others a threshold is left to be evaluated.
        let kl = |part: Range<usize>| transformed(part, problem.divergence()).map(|u| -mean(&u));
        let (all, half) = (0..TARGETS, TARGETS / 2);
        let halves = 0.5 * (kl(0..half)? + kl(half..TARGETS)?);
        let us = transformed(all.clone(), &run.dual.divergence)?;
        let table = Table::new(&**problem.cost(), dim, &xs, &ys, Pairs::All)?;
        let of_safe = run.dual.lambda * run.dual.penalty(&table, &us, &vs) - mean(&us);
        found.push(2.0 * kl(all)? - halves - of_safe);
    }
    let measured = mean(&found);
    let squares: f64 = found.iter().map(|d| (d - measured).powi(2)).sum();
    let error = QUANTILES[found.len() - 2] * (squares / (found.len() * (found.len() - 1)) as f64).sqrt();
    Ok(Bias { measured, error, safe })
}

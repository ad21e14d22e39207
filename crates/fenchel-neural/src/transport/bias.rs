//! How far safe transport can be from entropic transport.

use super::pairs::{Dual, Table, mean};
use super::settings::{Pairs, Settings};
use super::training::Run;
use super::{NeuralTransport, Objective};
use crate::purpose;
use fenchel::measure::Design;
use fenchel::optim::Observer;
use fenchel::transport::continuous::{self, Potential};
use fenchel::{Error, Result};
use std::sync::Arc;

/// Independent pairs of samples, of so many points of either side, and Student's t for them.
const REPLICATES: usize = 8;
const POINTS: usize = 1024;
const QUANTILE: f64 = 2.365;

/// A bound on W_safe − W, transport regularised by safe KL less transport regularised by KL; [`NeuralTransport::bias`] measures it.
///
/// With L and L_ρ the dual values of KL and of safe KL, for any v, u and u_ρ,
///
/// ```text
/// 0 ≤ W_safe − W ≤ (L_ρ(u_ρ, v) − L(u, v)) + (W_safe − L_ρ(u_ρ, v)),
/// ```
///
/// since W ≥ L(u, v). There is no condition on how large densities are. With u and u_ρ the best for v, as here, the first term is
/// λ E_x\[F(φ_x) − F_ρ(φ_x)\], φ_x = (v − c(x, ·))/λ, F the log-partition functional of the target and F_ρ its safe form; where
/// ρ ≤ 1/(4 E\[t²|x\]) at almost all x it is at most 4λρ E t², t the density that v has for KL. The second one falls to 0 as v comes to
/// what is best for safe KL.
///
/// There is a bound from the other side as well: if the density t of the best plan for KL is below 1/ρ everywhere, it is a plan for
/// safe KL, and W_safe − W ≤ λ E\[f_ρ(t) − f(t)\] = (λ/ρ) E\[ρt + (1 − ρt) log(1 − ρt)\] ≤ λρ E t². Densities between normal measures
/// are not bounded, so that it is not what is measured here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bias {
    /// L_ρ(u_ρ, v) − L(u, v): the bound, if v is the best for safe KL.
    pub measured: f64,
    /// Half-width of its 95% interval.
    pub error: f64,
    /// W_safe − L_ρ(u_ρ, v), as plans between samples bound it.
    pub gap: f64,
}

impl Bias {
    /// The bound for v as it is.
    pub fn upper(&self) -> f64 {
        self.measured + self.error + self.gap
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
    let safe = transport.problem.with_divergence(transport.divergence.clone())?;
    let (solution, of_safe) = safe.certify(v.clone(), "safe", settings, observer)?;
    let (_, of_kl) = transport.problem.certify(v.clone(), "kl", settings, observer)?;
    let own = Settings { seed: settings.seed, ..Settings::default() };
    let run = Run::new(transport, &own)?;
    let kl = Dual { divergence: transport.problem.divergence().clone(), lambda: run.dual.lambda };
    let mut differences = [0.0; REPLICATES];
    for (r, difference) in differences.iter_mut().enumerate() {
        let [xs, ys] = run.points(Design::Sobol, purpose::BIAS + r as u64, 0, POINTS)?;
        let table = Table::new(&**transport.problem.cost(), v.dim(), &xs, &ys, Pairs::All)?;
        let vs = v.values(&ys)?;
        let (by_safe, by_kl) = (of_safe.u().values(&xs)?, of_kl.u().values(&xs)?);
        // The mean of v is in both.
        *difference = mean(&by_safe) - mean(&by_kl)
            + run.dual.lambda * (kl.penalty(&table, &by_kl, &vs) - run.dual.penalty(&table, &by_safe, &vs));
    }
    let measured = mean(&differences);
    let squares: f64 = differences.iter().map(|d| (d - measured).powi(2)).sum();
    let error = QUANTILE * (squares / (REPLICATES * (REPLICATES - 1)) as f64).sqrt();
    Ok(Bias { measured, error, gap: solution.gap.max(0.0) })
}

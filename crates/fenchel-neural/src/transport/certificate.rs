//! What is given to the engine to be certified.

use super::NeuralTransport;
use super::pairs::{Dual, Table};
use super::settings::{Pairs, Settings};
use super::training::Run;
use crate::purpose;
use fenchel::Result;
use fenchel::cost::Transposed;
use fenchel::measure::{Design, PointCloud};
use fenchel::optim::{Loop, Progress};
use fenchel::transport::continuous::{self, CTransform, Potential};
use std::sync::Arc;

/// Points of either side that c-transforms are over, and on whose pairs potentials are compared.
const POINTS: usize = 2048;
const COMPARED: usize = 1024;

/// Rounds of c-transforms at most.
const ROUNDS: usize = 64;

/// Rounds in a row that need not be better.
const PATIENCE: usize = 2;

/// v, or what Sinkhorn's iteration between samples makes of it, for as many rounds as the dual value on further samples rises with.
///
/// Between the samples themselves a round never makes it worse. Where λ is small, and v is off by several λ in places where there is little mass,
/// it is by far the better: v counts there by e^{v/λ}.
pub(super) fn better(
    transport: &NeuralTransport,
    v: Arc<dyn Potential>,
    settings: &continuous::Settings,
    control: &mut Loop<'_>,
) -> Result<Arc<dyn Potential>> {
    let own = Settings { seed: settings.seed, ..Settings::default() };
    let run = Run::new(transport, &own)?;
    let (problem, lambda) = (&transport.problem, run.dual.lambda);
    let (dim, n) = (v.dim(), POINTS.min(settings.max_samples));
    let transformed = |points: &[f64], phi: Vec<f64>, backward: bool| -> Result<CTransform> {
        let cost = problem.cost().clone();
        let cost = if backward { Transposed::of(cost) } else { cost };
        let cloud = PointCloud::new(dim, points.to_vec())?;
        CTransform::new(&cloud, phi, cost, problem.divergence().clone(), lambda)
    };
    let [xs, ys] = run.points(Design::Sobol, purpose::TRANSFORMED, 0, n)?;
    let [on_x, on_y] = run.points(Design::Sobol, purpose::TRANSFORMED + 1, 0, COMPARED)?;
    let table = Table::new(&**problem.cost(), dim, &on_x, &on_y, Pairs::All)?;
    let dual = Dual { divergence: problem.divergence().clone(), lambda };
    let judged = |v: &dyn Potential| -> Result<(CTransform, f64)> {
        let u = transformed(&ys, v.values(&ys)?, false)?;
        let value = dual.value(&table, &u.values(&on_x)?, &v.values(&on_y)?);
        Ok((u, value))
    };
    let (mut u, mut most) = judged(&*v)?;
    let (mut best, mut idle) = (v, 0);
    for round in 0..ROUNDS {
        if control.check(&progress(round as f64 / ROUNDS as f64, settings)).is_some() {
            break;
        }
        let next = transformed(&xs, u.values(&xs)?, true)?;
        let value;
        (u, value) = judged(&next)?;
        if value > most || most == f64::NEG_INFINITY {
            (most, best, idle) = (value, Arc::new(next), 0);
        } else {
            idle += 1;
            if idle == PATIENCE {
                break;
            }
        }
    }
    Ok(best)
}

/// What is said while a certificate is prepared.
pub(super) fn progress(fraction: f64, settings: &continuous::Settings) -> Progress<'static> {
    let target = settings.tolerance;
    Progress { phase: "certifying", fraction, samples: 0, error: f64::NAN, target, iterate: &[] }
}

//! What is given to the engine to be certified.

use super::NeuralTransport;
use super::pairs::{Dual, Table};
use super::settings::{Pairs, Settings};
use super::training::Run;
use crate::purpose;
use fenchel::Result;
use fenchel::cost::Transposed;
use fenchel::measure::{Design, PointCloud};
use fenchel::transport::continuous::{self, CTransform, Potential};
use std::sync::Arc;

/// Points of either side that c-transforms are over, and on whose pairs potentials are compared.
const POINTS: usize = 2048;
const COMPARED: usize = 1024;

/// v, or the c-transform of its c-transform, over samples: whichever has the higher dual value on further ones.
///
/// On the samples the second is never the worse. Where λ is small, and v is off by several λ in places where there is little mass, it is by
/// far the better: v counts there by e^{v/λ}.
pub(super) fn better(
    transport: &NeuralTransport,
    v: Arc<dyn Potential>,
    settings: &continuous::Settings,
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
    let u = transformed(&ys, v.values(&ys)?, false)?;
    let twice: Arc<dyn Potential> = Arc::new(transformed(&xs, u.values(&xs)?, true)?);
    let last = transformed(&ys, twice.values(&ys)?, false)?;

    let [xs, ys] = run.points(Design::Sobol, purpose::TRANSFORMED + 1, 0, COMPARED)?;
    let table = Table::new(&**problem.cost(), dim, &xs, &ys, Pairs::All)?;
    let dual = Dual { divergence: problem.divergence().clone(), lambda };
    let value = |u: &CTransform, v: &dyn Potential| -> Result<f64> {
        let (us, vs) = (u.values(&xs)?, v.values(&ys)?);
        Ok(dual.value(&table, &us, &vs))
    };
    Ok(if value(&last, &*twice)? > value(&u, &*v)? { twice } else { v })
}

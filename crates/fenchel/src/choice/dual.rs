//! Any smooth maximum in the dual of semi-discrete transport.

use super::Smoothing;
use crate::cost::Cost;
use crate::error::{Error, Result};
use crate::measure::{PointCloud, Source};

/// The smooth c-transform ψ(x) = smoothmax(φ − c(x, ·)) at a point x, with its gradient in φ: p_i is the share of the
/// mass at x that goes to atom i.
///
/// # Errors
/// [`Error::Shape`] where lengths differ; those of the smooth maximum.
///
/// ```
/// use std::sync::Arc;
/// use fenchel::choice::{ExtremeValue, Multinomial, c_transform};
/// use fenchel::{cost, measure::PointCloud};
///
/// let atoms = PointCloud::new(1, vec![0.0, 1.0])?;
/// let mut logit = ExtremeValue::new(Arc::new(Multinomial::weighted(&[0.5, 0.5])?), 0.1)?;
/// let mut p = [0.0; 2];
/// let l1 = cost::parse("l1")?;
/// let psi = c_transform(&mut logit, &*l1, &atoms, &[0.0, 0.0], &[0.5], &mut p)?;
/// assert!((psi + 0.5).abs() < 1e-15 && p == [0.5, 0.5]);
/// # Ok::<(), fenchel::Error>(())
/// ```
pub fn c_transform(
    smoothing: &mut dyn Smoothing,
    cost: &dyn Cost,
    atoms: &PointCloud,
    phi: &[f64],
    x: &[f64],
    p: &mut [f64],
) -> Result<f64> {
    let mut u = Vec::with_capacity(phi.len());
    check(atoms, phi, x)?;
    scores(cost, atoms, phi, x, &mut u);
    smoothing.maximum(&u, p)
}

/// The dual h(φ) = ⟨ν, φ⟩ − mean over the points of ψ(x), with its gradient ν − mean p(x). `xs` are points of the source, one
/// after another.
///
/// h is concave in φ for every [`Smoothing`]; it is what averaged stochastic ascent climbs from batches, and what
/// W_λ is at its maximum (Taşkesen, Shafieezadeh-Abadeh and Kuhn 2022, equation 12).
///
/// # Errors
/// [`Error::Shape`] where lengths differ or there is no point; those of the smooth maximum.
pub fn dual_on(
    smoothing: &mut dyn Smoothing,
    cost: &dyn Cost,
    atoms: &PointCloud,
    nu: &[f64],
    phi: &[f64],
    xs: &[f64],
    gradient: &mut [f64],
) -> Result<f64> {
    for (what, length) in [("masses", nu.len()), ("gradient", gradient.len())] {
        if length != atoms.len() {
            return Err(Error::shape(what, format!("one number an atom, {}", atoms.len()), length));
        }
    }
    let points = xs.len() / atoms.dim();
    check(atoms, phi, xs)?;
    let (mut u, mut p) = (Vec::with_capacity(phi.len()), vec![0.0; phi.len()]);
    let mut value: f64 = nu.iter().zip(phi).map(|(nu, phi)| nu * phi).sum();
    gradient.copy_from_slice(nu);
    let share = 1.0 / points as f64;
    for x in xs.chunks_exact(atoms.dim()) {
        scores(cost, atoms, phi, x, &mut u);
        value -= share * smoothing.maximum(&u, &mut p)?;
        for (gradient, p) in gradient.iter_mut().zip(&p) {
            *gradient -= share * p;
        }
    }
    Ok(value)
}

fn check(atoms: &PointCloud, phi: &[f64], xs: &[f64]) -> Result<()> {
    if phi.len() != atoms.len() {
        return Err(Error::shape("potential", format!("one number an atom, {}", atoms.len()), phi.len()));
    }
    if xs.is_empty() || !xs.len().is_multiple_of(atoms.dim()) {
        let expected = format!("rows of {} numbers, at least one", atoms.dim());
        return Err(Error::shape("points", expected, format!("{} numbers", xs.len())));
    }
    Ok(())
}

/// u_i = φ_i − c(x, y_i).
fn scores(cost: &dyn Cost, atoms: &PointCloud, phi: &[f64], x: &[f64], u: &mut Vec<f64>) {
    u.clear();
    u.extend(phi.iter().enumerate().map(|(i, phi)| phi - cost.eval(x, atoms.point(i))));
}

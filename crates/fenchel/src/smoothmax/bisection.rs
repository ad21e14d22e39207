//! Algorithm 2 of Taşkesen, Shafieezadeh-Abadeh and Kuhn (2022): bisection for the threshold with a guarantee.

use crate::divergence::{
    Divergence, Row, Scratch, Smoothed, dual_value, fill_scores, normalise, pairwise, top,
};
use crate::error::{Error, Result};

/// Weights with ‖p − p*‖₂ ≤ ε, and the bound on it that was reached.
///
/// The search is between min u − λf'(1), where no term is below η_i, and max u − λf'(1), where none is above (for a
/// uniform reference these are the ends of Algorithm 2), or where terms are so compared to 1/N if each atom has a
/// generator of its own. With L̄ the
/// Lipschitz constant of the terms clipped to [0, 1] it stops when the interval is below δ = ε/(L̄√N). Algorithm 2
/// returns the upper end, where Σp ≤ 1. Both p* and the mixture of the ends with Σp = 1 lie between the weights
/// at the two ends, atom by atom, so that the mixture, returned here, has the same guarantee (Theorem 4.9).
pub(crate) fn bisect<D: Divergence + ?Sized>(
    div: &D,
    row: &Row<'_>,
    epsilon: f64,
    p: &mut [f64],
    scratch: &mut Scratch,
) -> Result<(Smoothed, f64)> {
    let n = row.u.len();
    scratch.reserve(n);
    let max = top(row.u, row.eta).0;
    let own = |i: usize| div.marginal(i);
    let kept = || (0..n).filter(|i| row.eta[*i] > 0.0);
    let lipschitz = kept().fold(0.0, |worst: f64, i| {
        let eta = row.eta[i];
        worst.max(own(i).map_or_else(|| div.clipped_lipschitz(eta), |own| own.clipped_lipschitz(eta)))
    });
    if !lipschitz.is_finite() {
        let reason = format!("the weights of {} are not Lipschitz continuous in the threshold", div.name());
        return Err(Error::Unbounded { bound: "accuracy of bisection", reason });
    }
    let (x, q) = (&mut scratch.x[..n], &mut scratch.z[..n]);
    fill_scores(row, max, x);
    let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
    for i in kept() {
        // Each term is 1/N here, or η_i.
        let end = x[i]
            - own(i).map_or_else(|| div.f_prime_at_one(), |own| own.f_prime(1.0 / (n as f64 * row.eta[i])));
        (lo, hi) = (lo.min(end), hi.max(end));
    }
    if !(lo.is_finite() && hi.is_finite()) {
        // One atom, at its cap.
        return Ok((div.solve(row, None, p, scratch), 0.0));
    }
    // In units of λ: the terms have Lipschitz constant `lipschitz`.
    let root_n = (n as f64).sqrt();
    let delta = epsilon / (lipschitz * root_n);
    let mut passes = 0;
    while hi - lo > delta {
        let middle = lo + 0.5 * (hi - lo);
        if middle <= lo || middle >= hi {
            break;
        }
        passes += 1;
        if clipped(div, x, row.eta, middle, q) > 1.0 { lo = middle } else { hi = middle }
    }
    clipped(div, x, row.eta, hi, p);
    clipped(div, x, row.eta, lo, q);
    let (less, more) = (pairwise(n, |i| p[i]), pairwise(n, |i| q[i]));
    if more > less {
        let share = ((1.0 - less) / (more - less)).clamp(0.0, 1.0);
        p.iter_mut().zip(&*q).for_each(|(p, q)| *p += share * (q - *p));
    }
    normalise(div, p, row.eta);
    let error = lipschitz * root_n * (hi - lo);
    if hi - lo > delta {
        // Double precision cannot tell thresholds further apart; the search in other variables may.
        return Ok((div.solve(row, None, p, scratch), error));
    }
    let value = dual_value(div, row, x, max, hi, |x| div.conj_sum(x, row.eta, hi));
    let threshold = max + row.lambda * hi;
    let smoothed =
        Smoothed { value, threshold, passes: passes + 2, anchor: max, offset: hi, margin: hi + div.s_max() };
    Ok((smoothed, error))
}

/// p_i = min{1, η_i (f*)'(x_i − θ)}. Returns the sum before clipping: it exceeds 1 wherever the clipped one does, and
/// also where one term is clipped and the others vanish in rounding.
fn clipped<D: Divergence + ?Sized>(div: &D, x: &[f64], eta: &[f64], theta: f64, p: &mut [f64]) -> f64 {
    let sum = div.weigh(x, eta, theta, p).sum;
    p.iter_mut().for_each(|p| *p = p.min(1.0));
    sum
}

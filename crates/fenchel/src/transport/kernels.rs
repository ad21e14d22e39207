//! Small loops over one row of scores, compiled for the instruction sets that matter.

use multiversion::multiversion;

const LANES: usize = 16;

/// c_i ← φ_i − c_i in place; returns the maximum (−∞ for an empty row), or NaN if one is not finite.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma", "x86_64+avx2+fma"))]
pub(crate) fn scores(phi: &[f64], c: &mut [f64]) -> f64 {
    let n = phi.len().min(c.len());
    let (phi, c) = (&phi[..n], &mut c[..n]);
    let mut best = [f64::NEG_INFINITY; LANES];
    // Stays 0, unless a score is not finite.
    let mut poison = [0.0; LANES];
    let mut phi_lanes = phi.chunks_exact(LANES);
    let mut c_lanes = c.chunks_exact_mut(LANES);
    for (p, c) in (&mut phi_lanes).zip(&mut c_lanes) {
        for k in 0..LANES {
            let u = p[k] - c[k];
            c[k] = u;
            best[k] = if u > best[k] { u } else { best[k] };
            poison[k] += 0.0 * u;
        }
    }
    for (p, c) in phi_lanes.remainder().iter().zip(c_lanes.into_remainder()) {
        let u = p - *c;
        *c = u;
        best[0] = if u > best[0] { u } else { best[0] };
        poison[0] += 0.0 * u;
    }
    let poison: f64 = poison.iter().sum();
    best.iter().fold(f64::NEG_INFINITY, |a, &b| if b > a { b } else { a }) + poison
}

/// The same in single precision.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma", "x86_64+avx2+fma"))]
pub(crate) fn scores_f32(phi: &[f32], c: &mut [f32]) -> f32 {
    let n = phi.len().min(c.len());
    let (phi, c) = (&phi[..n], &mut c[..n]);
    let mut best = [f32::NEG_INFINITY; 2 * LANES];
    // Stays 0, unless a score is not finite.
    let mut poison = [0.0; 2 * LANES];
    let mut phi_lanes = phi.chunks_exact(2 * LANES);
    let mut c_lanes = c.chunks_exact_mut(2 * LANES);
    for (p, c) in (&mut phi_lanes).zip(&mut c_lanes) {
        for k in 0..2 * LANES {
            let u = p[k] - c[k];
            c[k] = u;
            best[k] = if u > best[k] { u } else { best[k] };
            poison[k] += 0.0 * u;
        }
    }
    for (p, c) in phi_lanes.remainder().iter().zip(c_lanes.into_remainder()) {
        let u = p - *c;
        *c = u;
        best[0] = if u > best[0] { u } else { best[0] };
        poison[0] += 0.0 * u;
    }
    let poison: f32 = poison.iter().sum();
    best.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a }) + poison
}

/// y_i ← max(y_i, u_i − shift).
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma", "x86_64+avx2+fma"))]
pub(crate) fn raise(u: &[f64], shift: f64, y: &mut [f64]) {
    for (y, u) in y.iter_mut().zip(u) {
        let v = u - shift;
        *y = if v > *y { v } else { *y };
    }
}

/// Σ p_i² v_i. Weights whose square would be subnormal, and slow, count as zero.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma", "x86_64+avx2+fma"))]
pub(crate) fn square_dot(p: &[f64], v: &[f64]) -> f64 {
    let n = p.len().min(v.len());
    let mut sum = [0.0; LANES];
    let mut p_lanes = p[..n].chunks_exact(LANES);
    let mut v_lanes = v[..n].chunks_exact(LANES);
    for (p, v) in (&mut p_lanes).zip(&mut v_lanes) {
        for k in 0..LANES {
            let p = if p[k] > 1e-100 { p[k] } else { 0.0 };
            sum[k] += p * p * v[k];
        }
    }
    for (p, v) in p_lanes.remainder().iter().zip(v_lanes.remainder()) {
        let p = if *p > 1e-100 { *p } else { 0.0 };
        sum[0] += p * p * v;
    }
    sum.iter().sum()
}

//! Failures once found by the property tests, shrunk and kept.

use fenchel::divergence::parse;
use fenchel::smoothmax::{Method, SmoothMax};

fn solve(name: &str, lambda: f64, u: &[f64], eta: &[f64]) -> (f64, f64, Vec<f64>) {
    let mut solver = SmoothMax::new(parse(name).unwrap(), lambda).unwrap().with_reference(eta).unwrap();
    let mut p = vec![0.0; u.len()];
    let top = solver.evaluate(u, &mut p).unwrap();
    (top.value, solver.certify(u, &p, &top).unwrap().primal, p)
}

/// The root lies 1,780 λ below the largest score, where its exponential has underflown.
#[test]
fn root_beyond_the_reach_of_exponentials() {
    let u: Vec<f64> = (0..100).map(|i| f64::from((i * 7919) % 101) / 50.0 - 1.0).collect();
    let (value, primal, p) = solve("safe-kl:0.9", 1e-3, &u, &[1.0; 100]);
    assert!((value - primal).abs() < 1e-14 && (p.iter().sum::<f64>() - 1.0).abs() < 1e-14);
}

/// η of the top atom so small that the threshold cannot be told from the end of the conjugate's domain, while all
/// scores are close on the scale of λ.
#[test]
fn heavy_tail_with_tiny_reference() {
    let (u, eta) =
        ([-6.069934148108514e-4, 6.856302234853952e-2, 2.4911523061939358e-2], [1.0, 3.29e-28, 1.0]);
    let (value, primal, _) = solve("tsallis:0.1", 0.159_909_938_262_709_24, &u, &eta);
    assert!((value - primal).abs() < 1e-15, "{value} {primal}");
}

/// λ/spread = 1e222: λ times the square of a rounding error of the threshold is still 1e190.
#[test]
fn temperature_far_above_the_scores() {
    for name in ["safe-kl-centered:0.1", "kl", "chi2", "hyperbolic", "tsallis:0.5", "marginal-moments"] {
        let (value, ..) = solve(name, 6.1e222, &[2.2, 0.0, -2.3], &[1.0 / 3.0; 3]);
        assert!((value + 0.1 / 3.0).abs() < 1e-15, "{name}: {value}");
    }
}

/// One atom, n = 1: the threshold runs off to −∞ and stays a number.
#[test]
fn one_atom_of_marginal_moments() {
    for lambda in [1e-134, 1.0, 1e293] {
        let (value, primal, p) = solve("marginal-moments", lambda, &[1.4e-148], &[1.0]);
        assert!(p == [1.0] && value == 1.4e-148 && primal == value);
    }
}

/// Clipped to 1, the top atom's term alone makes the sum 1 to rounding far below the threshold.
#[test]
fn bisection_with_one_atom_that_takes_all() {
    let u = [-0.2418339525679457, -0.0019753796679434646, 0.001501809128049847, 32.503326859731004];
    let eta = [1.02e-18, 1.19e-18, 5.09e-17, 1.0];
    let mut solver =
        SmoothMax::new(parse("tsallis:0.5").unwrap(), 0.0374).unwrap().with_reference(&eta).unwrap();
    solver = solver.with_method(Method::Bisection { epsilon: 0.02 }).unwrap();
    let mut p = [0.0; 4];
    let top = solver.evaluate(&u, &mut p).unwrap();
    assert!((top.value - u[3]).abs() < 1e-12 && (top.threshold - (u[3] - 0.0374)).abs() < 1e-9, "{top:?}");
}

/// d of one atom outweighs all others by 1e33: v less its mean must not cancel.
#[test]
fn hessian_product_where_one_entry_outweighs_all() {
    let d = [1e20, 1.0, 2.0];
    let mut out = [0.0; 3];
    fenchel::smoothmax::hessian_product(&d, &[0.3, 0.7, -0.1], &mut out);
    assert!((out[1] - 0.4).abs() < 1e-15 && (out[2] + 0.8).abs() < 1e-15);
    assert!((out[0] - 0.4).abs() < 1e-15, "{out:?}");
}

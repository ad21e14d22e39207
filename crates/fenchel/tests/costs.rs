//! Ground costs: rows against single pairs, extreme magnitudes, the laws of a metric, names.

// Known values have the digits they were computed with.
#![allow(clippy::excessive_precision)]

use fenchel::cost::{self, Cost, CostFn};
use fenchel::measure::{Rng, Soa, stream};
use proptest::prelude::*;

const NAMES: [&str; 15] = [
    "linf",
    "l1",
    "l2",
    "sqeuclidean",
    "cosine",
    "lp:1.5",
    "lp:3",
    "lp:4",
    "lp:2.5",
    "lp:3^3",
    "lp:1.5^2",
    "l2^3",
    "l1^0.5",
    "linf^1.5",
    "lp:7^4",
];

fn points(rng: &mut Rng, n: usize, dim: usize, scale: f64, offset: f64) -> Vec<f64> {
    (0..n * dim).map(|_| offset + scale * rng.normal()).collect()
}

/// Relative rounding allowed for d coordinates: a sum of d terms, a root, a power.
fn rounding(dim: usize, epsilon: f64) -> f64 {
    (dim as f64 + 24.0) * epsilon
}

fn assert_rows_are_pairs(cost: &dyn Cost, dim: usize, xs: &[f64], ys: &[f64]) {
    let atoms = Soa::from_rows(dim, ys).unwrap();
    let (b, n) = (xs.len() / dim, atoms.len());
    let mut out = vec![f64::NAN; b * n];
    cost.rows(xs, &atoms, &mut out);
    for s in 0..b {
        for i in 0..n {
            let exact = cost.eval(&xs[s * dim..][..dim], &ys[i * dim..][..dim]);
            let error = (out[s * n + i] - exact).abs();
            // The cosine's own error is relative to 1: the directions carry a rounding each.
            let size = if cost.name() == "cosine" { 1.0 } else { exact };
            assert!(
                error <= rounding(dim, f64::EPSILON) * size,
                "{} d={dim} sample {s} atom {i}: {} against {exact}",
                cost.name(),
                out[s * n + i]
            );
        }
    }
}

#[test]
fn rows_agree_with_pairs_for_every_shape() {
    for name in NAMES {
        let cost = cost::parse(name).unwrap();
        for (k, (b, n, dim)) in
            [(1, 1, 1), (3, 5, 2), (4, 16, 3), (5, 257, 4), (9, 300, 5), (6, 31, 11), (7, 40, 64)]
                .into_iter()
                .enumerate()
        {
            let mut rng = stream(3, k as u64, 0);
            let (xs, ys) = (points(&mut rng, b, dim, 1.0, 0.0), points(&mut rng, n, dim, 2.0, 0.5));
            assert_rows_are_pairs(&*cost, dim, &xs, &ys);
        }
    }
}

#[test]
fn single_precision_agrees() {
    for name in NAMES {
        let cost = cost::parse(name).unwrap();
        for (b, n, dim) in [(1, 3, 1), (5, 70, 2), (6, 300, 7), (4, 40, 64)] {
            let mut rng = stream(4, dim as u64, 0);
            let narrow = |v: Vec<f64>| v.iter().map(|x| *x as f32).collect::<Vec<f32>>();
            let wide = |v: &[f32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
            let (xs, ys) =
                (narrow(points(&mut rng, b, dim, 1.0, 0.0)), narrow(points(&mut rng, n, dim, 1.0, 0.0)));
            let mut out = vec![f32::NAN; b * n];
            cost.rows_f32(&xs, &Soa::from_rows(dim, &ys).unwrap(), &mut out);
            for (at, c) in out.iter().enumerate() {
                let (x, y) = (&wide(&xs)[at / n * dim..][..dim], &wide(&ys)[at % n * dim..][..dim]);
                let exact = cost.eval(x, y);
                let size = if name == "cosine" { 1.0 } else { exact };
                let error = (f64::from(*c) - exact).abs();
                assert!(error <= rounding(dim, 1.2e-7) * size, "{name} d={dim}: {c} against {exact}");
            }
        }
    }
}

/// Scaling coordinates by a power of two is exact, so the whole range can be held against magnitude one.
#[test]
fn extreme_magnitudes_scale_exactly() {
    for name in NAMES {
        let cost = cost::parse(name).unwrap();
        let degree = cost.degree().unwrap();
        for dim in [1, 2, 5, 9] {
            let mut rng = stream(5, dim as u64, 0);
            let (xs, ys) = (points(&mut rng, 5, dim, 1.0, 0.0), points(&mut rng, 37, dim, 1.0, 0.0));
            let mut plain = vec![0.0; 5 * 37];
            cost.rows(&xs, &Soa::from_rows(dim, &ys).unwrap(), &mut plain);
            for power in [-1000, -660, -500, -166, 166, 500, 660, 1000] {
                if (degree * f64::from(power)).abs() > 1000.0 {
                    continue; // the cost itself cannot be represented
                }
                let scaled = |v: &[f64]| v.iter().map(|x| x * 2f64.powi(power)).collect::<Vec<f64>>();
                let (xs, ys) = (scaled(&xs), scaled(&ys));
                let mut out = vec![0.0; plain.len()];
                cost.rows(&xs, &Soa::from_rows(dim, &ys).unwrap(), &mut out);
                for (c, at_one) in out.iter().zip(&plain) {
                    let expected = at_one * 2f64.powf(degree * f64::from(power));
                    let size = if name == "cosine" { 1.0 } else { expected };
                    // Powers of numbers far from one round with their logarithm.
                    let tolerance = rounding(dim, f64::EPSILON) * (1.0 + degree * 8.0);
                    assert!(
                        (c - expected).abs() <= tolerance * size,
                        "{name} 2^{power}: {c} against {expected}"
                    );
                }
            }
        }
    }
}

/// Coordinates near 1e6 with differences near one: subtraction first loses nothing (all inputs are exact).
#[test]
fn offsets_cost_no_digits() {
    for name in NAMES.into_iter().filter(|n| *n != "cosine") {
        let cost = cost::parse(name).unwrap();
        assert!(cost.translation_invariant());
        let mut rng = stream(6, 0, 0);
        let grid = |v: Vec<f64>| v.iter().map(|x| (x * 1024.0).round() / 1024.0).collect::<Vec<f64>>();
        let (xs, ys) = (grid(points(&mut rng, 6, 3, 1.0, 0.0)), grid(points(&mut rng, 50, 3, 1.0, 0.0)));
        let far = |v: &[f64]| v.iter().map(|x| x + 1048576.0).collect::<Vec<f64>>();
        let (mut near, mut moved) = (vec![0.0; 300], vec![0.0; 300]);
        cost.rows(&xs, &Soa::from_rows(3, &ys).unwrap(), &mut near);
        cost.rows(&far(&xs), &Soa::from_rows(3, &far(&ys)).unwrap(), &mut moved);
        assert_eq!(near, moved, "{name}");
    }
}

/// Computed with 50 digits; at other magnitudes through exact scaling (the test above).
#[test]
fn agrees_with_high_precision() {
    let (x, y) = ([0.3, -1.7, 2.25, 1e-3], [1.1, 0.4, -0.6, 2e-3]);
    let known = [
        ("linf", 2.8499999999999999778),
        ("l1", 5.7510000000000000555),
        ("l2", 3.6293940265559483532),
        ("sqeuclidean", 13.17250099999999994),
        ("cosine", 1.4557527470214152854),
        ("lp:1.5", 4.1878502341714242547),
        ("lp:3", 3.2050092443693207651),
        ("lp:4", 3.0437795961906119437),
        ("lp:2.5", 3.3587858448259372944),
        ("lp:3^3", 32.922125000999999357),
        ("lp:1.5^2", 17.538089583849652966),
        ("l2^3", 47.808196444202256021),
        ("l1^0.5", 2.3981242670053610163),
        ("linf^1.5", 4.811353759598227616),
        ("lp:7^4", 70.319409653287684415),
    ];
    for (name, exact) in known {
        let cost = cost::parse(name).unwrap();
        let mut out = [f64::NAN; 20];
        // Twenty copies of the atom, so that whole registers are met as well as single lanes.
        cost.rows(&x, &Soa::from_rows(4, &y.repeat(20)).unwrap(), &mut out);
        for c in out.into_iter().chain([cost.eval(&x, &y)]) {
            assert!((c / exact - 1.0).abs() < 2e-15, "{name}: {c} against {exact}");
        }
    }
}

#[test]
fn duplicates_zeros_and_near_parallel_directions() {
    for name in NAMES {
        let cost = cost::parse(name).unwrap();
        let ys = [1.0, 2.0, 3.0, -1.0, 0.5, 0.25];
        let mut out = [f64::NAN; 4];
        cost.rows(&ys, &Soa::from_rows(3, &ys).unwrap(), &mut out);
        assert!(out[0].abs() < 1e-30 && out[3].abs() < 1e-30, "{name}: {out:?}");
        assert!(out[1] > 0.1 && out[1] == out[2], "{name}: {out:?}");
    }
    let cosine = cost::parse("cosine").unwrap();
    let mut out = [f64::NAN; 3];
    cosine.rows(&[1.0, 0.0], &Soa::from_rows(2, &[0.0, 0.0, 1.0, 1e-10, -3.0, 0.0]).unwrap(), &mut out);
    assert_eq!(out[0], 1.0);
    assert!((out[1] / 5e-21 - 1.0).abs() < 1e-12, "{out:?}");
    assert_eq!(out[2], 2.0);
}

#[test]
fn closures_and_empty_blocks() {
    let cost =
        CostFn::new("hamming", |x: &[f64], y: &[f64]| x.iter().zip(y).filter(|(a, b)| a != b).count() as f64);
    assert_rows_are_pairs(&cost, 2, &[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 1.0, 4.0]);
    let mut out = [0f32; 2];
    cost.rows_f32(&[1.0, 2.0], &Soa::from_rows(2, &[1.0, 2.0, 0.0, 2.0]).unwrap(), &mut out);
    assert_eq!(out, [0.0, 1.0]);
    for name in NAMES {
        let cost = cost::parse(name).unwrap();
        cost.rows(&[1.0, 2.0], &Soa::with_dim(2), &mut []);
        cost.rows(&[], &Soa::from_rows(2, &[1.0, 2.0]).unwrap(), &mut []);
        cost.rows_f32(&[1.0, 2.0], &Soa::with_dim(2), &mut []);
    }
    cost.rows(&[1.0, 2.0], &Soa::with_dim(2), &mut []);
}

#[test]
fn names_round_trip_and_errors_help() {
    for name in NAMES {
        assert_eq!(cost::parse(name).unwrap().name(), name);
    }
    for (alias, name) in [
        ("l2^2", "sqeuclidean"),
        ("lp:2", "l2"),
        ("lp:inf", "linf"),
        (" lp:1 ", "l1"),
        ("lp:2^2", "sqeuclidean"),
    ] {
        assert_eq!(cost::parse(alias).unwrap().name(), name);
    }
    for (bad, says) in [
        ("lnf", "did you mean 'linf'"),
        ("", "unknown cost"),
        ("lp", "lp:1.5"),
        ("lp:0.5", "at least 1"),
        ("lp:nan", "at least 1"),
        ("lp:-inf", "at least 1"),
        ("lp:x", "lp:1.5"),
        ("l2:3", "without a parameter"),
        ("l2^0", "above 0"),
        ("l2^-1", "above 0"),
        ("l2^", "above 0"),
        ("l2^inf", "above 0"),
        ("lp:3^nan", "above 0"),
    ] {
        let message = cost::parse(bad).unwrap_err().to_string();
        assert!(message.contains(says), "{bad}: {message}");
    }
}

proptest! {
    #[test]
    fn laws_of_a_metric(
        raw in prop::collection::vec((-1e3..1e3, -300i32..300), 12),
        which in 0..6usize,
    ) {
        let name = ["linf", "l1", "l2", "lp:1.5", "lp:3", "lp:2.5"][which];
        let cost = cost::parse(name).unwrap();
        let numbers: Vec<f64> = raw.iter().map(|(m, e): &(f64, i32)| m * 2f64.powi(*e)).collect();
        let (x, y, z) = (&numbers[..4], &numbers[4..8], &numbers[8..]);
        let (xy, yz, xz) = (cost.eval(x, y), cost.eval(y, z), cost.eval(x, z));
        prop_assert!(xy.is_finite() && xy > 0.0);
        prop_assert_eq!(cost.eval(x, x), 0.0);
        prop_assert_eq!(xy, cost.eval(y, x));
        prop_assert!(xz <= (xy + yz) * (1.0 + 1e-13));
        // Norms decrease in p.
        prop_assert!(cost::parse("linf").unwrap().eval(x, y) <= xy * (1.0 + 1e-13));
        prop_assert!(cost::parse("l1").unwrap().eval(x, y) >= xy * (1.0 - 1e-13));
    }

    #[test]
    fn finite_points_never_give_nan(
        raw in prop::collection::vec(any::<f64>().prop_filter("finite", |x| x.is_finite()), 4..40),
        which in 0..NAMES.len(),
        dim in 1..4usize,
    ) {
        let cost = cost::parse(NAMES[which]).unwrap();
        let rows = raw.len() / dim;
        let ys = &raw[..rows * dim];
        let mut out = vec![0.0; rows * rows];
        cost.rows(ys, &Soa::from_rows(dim, ys).unwrap(), &mut out);
        for (at, c) in out.iter().enumerate() {
            let exact = cost.eval(&ys[at / rows * dim..][..dim], &ys[at % rows * dim..][..dim]);
            prop_assert!(!c.is_nan() && *c >= 0.0);
            prop_assert!(!exact.is_nan() && exact >= 0.0);
        }
    }

    #[test]
    fn any_name_parses_or_explains(name in "[a-z0-9:^. -]{0,12}|(l2|lp|linf):?[0-9.e^-]{0,8}") {
        match cost::parse(&name) {
            Ok(cost) => prop_assert!(cost.eval(&[1.0, 2.0], &[2.0, 4.0]) >= 0.0),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

//! Generalised extreme value noise: closed forms, draws, magnitudes.

use fenchel::choice::{ExtremeValue, FromFunction, GeneratingFunction, Multinomial, Nested, Smoothing, Tree};
use fenchel::choice::{c_transform, dual_on};
use fenchel::cost;
use fenchel::divergence::Kl;
use fenchel::logspace::logsumexp;
use fenchel::measure::{PointCloud, Rng};
use fenchel::smoothmax::SmoothMax;
use std::sync::Arc;

fn of(g: impl GeneratingFunction + 'static, lambda: f64) -> ExtremeValue {
    ExtremeValue::new(Arc::new(g), lambda).unwrap()
}

/// Trees with one and two levels, an atom in several nests, masses: all shapes, by number.
fn model(kind: usize, rng: &mut Rng) -> Nested {
    let mut rho = || 0.05 + 0.95 * rng.uniform();
    match kind % 4 {
        0 => Nested::of(&[(rho(), &[0, 1, 2]), (rho(), &[3, 4])]).unwrap(),
        1 => Nested::of(&[(rho(), &[0, 3]), (1.0, &[2]), (rho(), &[1, 4])])
            .unwrap()
            .with_masses(&[0.1, 2.0, 1.0, 0.5, 30.0])
            .unwrap(),
        2 => {
            let inner = Tree::nest(rho(), [Tree::leaf(3), Tree::leaf(4)]);
            Nested::tree(&[Tree::leaf(0), Tree::nest(rho(), [Tree::leaf(1), inner, Tree::leaf(2)])]).unwrap()
        }
        _ => Nested::tree(&[
            Tree::nest(rho(), [Tree::leaf(0), Tree::share(1, 0.3), Tree::share(2, 0.5)]),
            Tree::nest(rho(), [Tree::share(1, 0.7), Tree::share(2, 0.5), Tree::leaf(3)]),
            Tree::leaf(4),
        ])
        .unwrap(),
    }
}

/// λ log Σ m_i e^{u_i/λ}: log-sum-exp with masses 1, the smooth maximum of `kl` with the masses of a probability, and λ log N more
/// with N times those (Proposition 3.4 with its constant put right).
#[test]
fn multinomial_is_log_sum_exp() {
    let mut rng = Rng::new(1);
    for _ in 0..500 {
        let n = 1 + rng.below(9) as usize;
        let lambda = 10f64.powf(6.0 * rng.uniform() - 3.0);
        let u: Vec<f64> = (0..n).map(|_| 10.0 * lambda * rng.normal()).collect();
        let scale = lambda + u.iter().fold(0.0, |top: f64, u| top.max(u.abs()));
        let scaled: Vec<f64> = u.iter().map(|u| u / lambda).collect();
        let (mut p, mut q) = (vec![0.0; n], vec![0.0; n]);
        let plain = of(Multinomial::new(n).unwrap(), lambda).maximum(&u, &mut p).unwrap();
        assert!((plain - lambda * logsumexp(&scaled)).abs() < 1e-14 * scale * n as f64);
        let eta: Vec<f64> = (0..n).map(|_| 0.01 + rng.uniform()).collect();
        let total: f64 = eta.iter().sum();
        let eta: Vec<f64> = eta.iter().map(|e| e / total).collect();
        let mut kl = SmoothMax::new(Arc::new(Kl), lambda).unwrap().with_reference(&eta).unwrap();
        let expected = kl.evaluate(&u, &mut q).unwrap().value;
        let value = of(Multinomial::weighted(&eta).unwrap(), lambda).maximum(&u, &mut p).unwrap();
        assert!((value - expected).abs() < 1e-13 * scale);
        assert!(p.iter().zip(&q).all(|(p, q)| (p - q).abs() < 1e-13));
        let counted: Vec<f64> = eta.iter().map(|e| e * n as f64).collect();
        let value = of(Multinomial::weighted(&counted).unwrap(), lambda).maximum(&u, &mut p).unwrap();
        assert!((value - expected - lambda * (n as f64).ln()).abs() < 1e-13 * scale);
    }
}

/// The two-level formula, written out; ρ = 1 everywhere is multinomial; nests of nests with ρ = 1 vanish; a formula of the
/// user's gives the same.
#[test]
fn nested_formulas() {
    let mut rng = Rng::new(2);
    let (a, b) = (0.4, 0.7);
    let h = move |t: &[f64], gradient: &mut [f64]| {
        let first = t[0].powf(1.0 / a) + t[1].powf(1.0 / a) + t[2].powf(1.0 / a);
        let second = t[3].powf(1.0 / b) + t[4].powf(1.0 / b);
        for i in 0..5 {
            let (sum, rho) = if i < 3 { (first, a) } else { (second, b) };
            gradient[i] = if t[i] > 0.0 { sum.powf(rho - 1.0) * t[i].powf(1.0 / rho - 1.0) } else { 0.0 };
        }
        first.powf(a) + second.powf(b)
    };
    let mut own = of(FromFunction::new("two nests", 5, h).unwrap(), 0.5);
    let mut nested = of(Nested::of(&[(a, &[0, 1, 2]), (b, &[3, 4])]).unwrap(), 0.5);
    let inner = Tree::nest(1.0, [Tree::leaf(0), Tree::nest(1.0, [Tree::leaf(1), Tree::leaf(2)])]);
    let deep = [Tree::nest(a, [inner]), Tree::nest(b, [Tree::leaf(4), Tree::leaf(3)])];
    let mut deep = of(Nested::tree(&deep).unwrap(), 0.5);
    let mut flat = of(Nested::of(&[(1.0, &[0, 1, 2]), (1.0, &[3, 4])]).unwrap(), 0.5);
    let mut logit = of(Multinomial::new(5).unwrap(), 0.5);
    for _ in 0..500 {
        let u: [f64; 5] = [0.0; 5].map(|_| 2.0 * rng.normal());
        let sum = |range: std::ops::Range<usize>, rho: f64| -> f64 {
            range.map(|i| (u[i] / 0.5 / rho).exp()).sum::<f64>().powf(rho)
        };
        let expected = 0.5 * (sum(0..3, a) + sum(3..5, b)).ln();
        let (mut p, mut q) = ([0.0; 5], [0.0; 5]);
        assert!((nested.maximum(&u, &mut p).unwrap() - expected).abs() < 1e-12);
        for same in [&mut own, &mut deep] {
            assert!((same.maximum(&u, &mut q).unwrap() - expected).abs() < 1e-12);
            assert!(p.iter().zip(&q).all(|(p, q)| (p - q).abs() < 1e-12));
        }
        let (x, y) = (flat.maximum(&u, &mut p).unwrap(), logit.maximum(&u, &mut q).unwrap());
        assert!((x - y).abs() < 1e-13 && p.iter().zip(&q).all(|(p, q)| (p - q).abs() < 1e-13));
    }
}

/// Gradient by differences, probabilities, translation, convexity; and finite answers for scores and λ of any magnitude.
#[test]
fn laws_at_all_magnitudes() {
    let mut rng = Rng::new(3);
    for kind in 0..400 {
        let lambda = 10f64.powf(4.0 * rng.uniform() - 2.0);
        let mut g = of(model(kind, &mut rng), lambda);
        let u: [f64; 5] = [0.0; 5].map(|_| 3.0 * lambda * rng.normal());
        let (mut p, mut q) = ([0.0; 5], [0.0; 5]);
        let value = g.maximum(&u, &mut p).unwrap();
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-14 && p.iter().all(|p| *p >= 0.0));
        let up = g.maximum(&u.map(|u| u + 7.0 * lambda), &mut q).unwrap();
        assert!((up - value - 7.0 * lambda).abs() < 1e-12 * lambda);
        for i in 0..5 {
            let h = 1e-3 * lambda;
            let mut at = |h: f64| {
                let mut u = u;
                u[i] += h;
                g.maximum(&u, &mut q).unwrap()
            };
            let (one, two) = (at(h) - at(-h), at(2.0 * h) - at(-2.0 * h));
            assert!(((8.0 * one - two) / (12.0 * h) - p[i]).abs() < 1e-6, "{kind}");
            assert!(at(h) + at(-h) >= 2.0 * value - 1e-12 * lambda);
        }
        let huge: [f64; 5] = [0.0; 5].map(|_| rng.normal() * 10f64.powf(614.0 * rng.uniform() - 307.0));
        for lambda in [1e-300, 1e-5, 1.0, 1e300] {
            let mut g = of(model(kind, &mut rng), lambda);
            let value = g.maximum(&huge, &mut p).unwrap();
            let top = huge.iter().copied().fold(f64::MIN, f64::max);
            assert!(value.is_finite() && (p.iter().sum::<f64>() - 1.0).abs() < 1e-14, "{huge:?} {lambda}");
            // Masses are between 0.1 and 30, shares above 0.3, ten leaves at most.
            assert!(value >= top - 3.0 * lambda && value <= top + 6.0 * lambda, "{value} {top} {lambda}");
        }
    }
}

/// Monte Carlo: the mean of max u_i + z_i, the frequencies of choices, mean and variance of each z_i, correlations
/// 1 − ρ² inside a nest and 1 − (ρρ')² inside a nest of a nest. 200,000 draws, six standard errors: each assertion fails by chance with probability below 2e-9.
#[test]
fn draws_have_the_distribution() {
    let draws = 200_000;
    let mut rng = Rng::new(4);
    for kind in 0..5 {
        let lambda = [0.5, 1.0, 3.0][kind % 3];
        let mut g = match kind {
            4 => of(Multinomial::weighted(&[1.0, 0.2, 3.0, 0.4, 1.0]).unwrap(), lambda),
            _ => of(model(kind, &mut rng), lambda),
        };
        let u: [f64; 5] = [0.0; 5].map(|_| lambda * rng.normal());
        let (mut p, mut z, mut q) = ([0.0; 5], [0.0; 5], [0.0; 5]);
        let value = g.maximum(&u, &mut p).unwrap();
        let (mut count, mut mean, mut square) = ([0.0; 5], 0.0, 0.0);
        let (mut own, mut own_square) = ([0.0; 5], [0.0; 5]);
        for _ in 0..draws {
            g.sample(&mut rng, &mut z).unwrap();
            let best = (0..5).max_by(|i, j| (u[*i] + z[*i]).total_cmp(&(u[*j] + z[*j]))).unwrap();
            count[best] += 1.0 / f64::from(draws);
            let top = u[best] + z[best];
            mean += top / f64::from(draws);
            square += top * top / f64::from(draws);
            for i in 0..5 {
                own[i] += z[i] / f64::from(draws);
                own_square[i] += z[i] * z[i] / f64::from(draws);
            }
        }
        let root = f64::from(draws).sqrt();
        // The maximum is Gumbel too, with the same variance.
        let variance = (lambda * std::f64::consts::PI).powi(2) / 6.0;
        assert!((mean - value).abs() < 6.0 * variance.sqrt() / root, "{kind}: {mean} {value}");
        assert!((square - mean * mean - variance).abs() < 6.0 * variance * 2.1 / root, "{kind}");
        for i in 0..5 {
            let error = 6.0 * (p[i] * (1.0 - p[i])).sqrt() / root + 1e-4;
            assert!((count[i] - p[i]).abs() < error, "{kind}: {count:?} {p:?}");
            // E z_i = λ log G at the i-th unit vector: all other scores at −∞, or far enough below.
            let mut alone = [-1e6 * lambda; 5];
            alone[i] = 0.0;
            let expected = g.maximum(&alone, &mut q).unwrap();
            assert!((own[i] - expected).abs() < 6.0 * variance.sqrt() / root, "{kind} {i}");
            let found = own_square[i] - own[i] * own[i];
            // The fourth central moment of a Gumbel number is 5.4 squared variances.
            assert!((found - variance).abs() < 6.0 * 2.1 * variance / root, "{kind} {i}: {found} {variance}");
        }
    }
    let rho = 0.6;
    let inner = Tree::nest(0.7, [Tree::leaf(0), Tree::leaf(1)]);
    let tree = [Tree::nest(rho, [inner, Tree::leaf(2)]), Tree::leaf(3)];
    let mut g = of(Nested::tree(&tree).unwrap(), 1.0);
    let (mut z, mut products) = ([0.0; 4], [0.0; 3]);
    for _ in 0..draws {
        g.sample(&mut rng, &mut z).unwrap();
        for (i, product) in products.iter_mut().enumerate() {
            *product += z[0] * z[i + 1] / f64::from(draws);
        }
    }
    let variance = std::f64::consts::PI.powi(2) / 6.0;
    for (product, r) in products.iter().zip([0.7 * rho, rho, 1.0]) {
        assert!(
            (product / variance - (1.0 - r * r)).abs() < 6.0 * 2.4 / f64::from(draws).sqrt(),
            "{product}"
        );
    }
    assert!((g.euler_term() - 0.5772156649).abs() < 1e-10);
}

/// The dual of transport with nested noise: by ascent on 200 points to where the gradient vanishes. With ρ = 1 it is the dual
/// of `kl`; with ρ < 1 the smooth maximum is smaller, so the dual is larger.
#[test]
fn dual_of_transport() {
    let mut rng = Rng::new(6);
    let ys = PointCloud::new(2, (0..8).map(|_| rng.normal()).collect()).unwrap();
    let xs: Vec<f64> = (0..400).map(|_| rng.normal()).collect();
    let nu = [0.1, 0.2, 0.3, 0.4];
    let l1 = cost::parse("l1").unwrap();
    let solve = |smoothing: &mut dyn Smoothing| {
        let (mut phi, mut gradient) = ([0.0; 4], [0.0; 4]);
        for _ in 0..3000 {
            dual_on(smoothing, &*l1, &ys, &nu, &phi, &xs, &mut gradient).unwrap();
            // The gradient is 1/(λρ)-Lipschitz.
            (0..4).for_each(|i| phi[i] += 0.2 * gradient[i]);
        }
        let value = dual_on(smoothing, &*l1, &ys, &nu, &phi, &xs, &mut gradient).unwrap();
        assert!(gradient.iter().all(|g| g.abs() < 1e-9), "{gradient:?}");
        let mut p = [0.0; 4];
        let mean: f64 = xs
            .chunks_exact(2)
            .map(|x| c_transform(smoothing, &*l1, &ys, &phi, x, &mut p).unwrap() / 200.0)
            .sum();
        let linear: f64 = nu.iter().zip(&phi).map(|(n, f)| n * f).sum();
        assert!((linear - mean - value).abs() < 1e-12);
        value
    };
    let kl = solve(&mut SmoothMax::new(Arc::new(Kl), 0.5).unwrap().with_reference(&[1.0; 4]).unwrap());
    let logit = solve(&mut of(Multinomial::new(4).unwrap(), 0.5));
    assert!((kl - logit).abs() < 1e-12);
    let nested = solve(&mut of(Nested::of(&[(0.5, &[0, 1]), (0.8, &[2, 3])]).unwrap(), 0.5));
    assert!(nested > logit + 0.01, "{nested} {logit}");
}

#[test]
fn errors_name_what_is_wrong() {
    let message = |built: fenchel::Result<Nested>| built.unwrap_err().to_string();
    assert!(message(Nested::of(&[(0.0, &[0])])).contains("dissimilarity is 0; it must be above 0"));
    assert!(message(Nested::of(&[(1.5, &[0])])).contains("at most 1"));
    assert!(message(Nested::of(&[(0.5, &[])])).contains("nest"));
    assert!(message(Nested::of(&[])).contains("nest"));
    assert!(message(Nested::of(&[(0.5, &[0, 2])])).contains("no atom 1"));
    assert!(message(Nested::of(&[(0.5, &[usize::MAX])])).contains("no atom 0"));
    assert!(message(Nested::tree(&[Tree::share(0, -1.0)])).contains("share of atom 0"));
    assert!(message(Nested::of(&[(0.5, &[0])]).unwrap().with_masses(&[1.0, 1.0])).contains("masses"));
    assert!(Multinomial::weighted(&[1.0, 0.0]).unwrap_err().to_string().contains("masses[1]"));
    assert!(Multinomial::new(0).is_err());
    let g = Arc::new(Multinomial::new(2).unwrap());
    assert!(ExtremeValue::new(g.clone(), 0.0).is_err());
    let mut g = ExtremeValue::new(g, 1.0).unwrap();
    assert!(g.maximum(&[1.0], &mut [0.0]).is_err());
    assert!(g.maximum(&[1.0, f64::INFINITY], &mut [0.0; 2]).is_err());
    assert!(g.sample(&mut Rng::new(1), &mut [0.0; 3]).is_err());
    let quadratic = FromFunction::new("squares", 2, |t, g| {
        g.copy_from_slice(&[2.0 * t[0], 2.0 * t[1]]);
        t[0] * t[0] + t[1] * t[1]
    });
    assert!(quadratic.unwrap_err().to_string().contains("homogeneous of degree 1"));
    let sum = FromFunction::new("sum", 2, |t, g| {
        g.fill(1.0);
        t[0] + t[1]
    });
    let mut sum = ExtremeValue::new(Arc::new(sum.unwrap()), 1.0).unwrap();
    assert!(sum.sample(&mut Rng::new(1), &mut [0.0; 2]).unwrap_err().to_string().contains("drawn"));
}

//! Best expected maxima over noise with a given covariance: against the semidefinite program, closed forms, exact
//! distributions, and the proof that comes with them.

use fenchel::choice::{Chebyshev, Smoothing};
use fenchel::divergence::MarginalMoments;
use fenchel::measure::Rng;
use fenchel::smoothmax::SmoothMax;
use std::sync::Arc;

/// FFᵀ/N + `ridge`·I with F standard normal: row-major, times scale².
fn wishart(n: usize, ridge: f64, scale: f64, rng: &mut Rng) -> Vec<f64> {
    let f: Vec<f64> = (0..n * n).map(|_| rng.normal()).collect();
    let mut s = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            let dot: f64 = (0..n).map(|k| f[i * n + k] * f[j * n + k]).sum();
            s[i * n + j] = scale * scale * (dot / n as f64 + if i == j { ridge } else { 0.0 });
        }
    }
    s
}

/// Scores of Clarabel's solutions of the semidefinite program (`scripts/chebyshev-sdp`), which are as exact as 1e-8.
#[test]
fn semidefinite_programs() {
    let mut kinds = Vec::new();
    for line in include_str!("data/chebyshev_sdp.csv").lines() {
        let mut fields = line.split(',');
        let kind = fields.next().unwrap();
        let n: usize = fields.next().unwrap().parse().unwrap();
        let numbers: Vec<f64> = fields.map(|x| x.parse().unwrap()).collect();
        let (u, rest) = numbers.split_at(n);
        let (covariance, rest) = rest.split_at(n * n);
        let (value, weights) = (rest[0], &rest[1..]);
        let mut p = vec![0.0; n];
        let best = Chebyshev::new(covariance).unwrap().evaluate(u, &mut p).unwrap();
        assert!((best.value - value).abs() < 2e-8 * (1.0 + value.abs()), "{kind} {n}: {best:?}, {value}");
        assert!(best.gap < 1e-10, "{kind} {n}: {best:?}");
        for (p, w) in p.iter().zip(weights) {
            // Near the maximum the value is quadratic in p.
            assert!((p - w).abs() < 1e-3, "{kind} {n}: {p} {w}");
        }
        kinds.push(kind.to_owned());
    }
    assert_eq!(kinds.len(), 25);
}

/// ψ = (u_1 + u_2 + √((u_1 − u_2)² + v))/2 with v the variance of z_1 − z_2, over 200 orders of magnitude.
#[test]
fn two_alternatives() {
    let mut rng = Rng::new(1);
    for _ in 0..2000 {
        let scale = 10f64.powf(200.0 * rng.uniform() - 100.0);
        let s = wishart(2, 0.01, scale, &mut rng);
        let u = [0.0; 2].map(|_| scale * rng.normal() * 10f64.powf(8.0 * rng.uniform() - 4.0));
        let mut p = [0.0; 2];
        let best = Chebyshev::new(&s).unwrap().evaluate(&u, &mut p).unwrap();
        let (d, v) = ((u[0] - u[1]) / scale, (s[0] - 2.0 * s[1] + s[3]) / scale / scale);
        let root = (d * d + v).sqrt();
        let exact = u[0].max(u[1]) + scale * 0.5 * v / (d.abs() + root);
        let size = u[0].abs().max(u[1].abs()).max(scale);
        assert!((best.value - exact).abs() < 1e-14 * size, "{best:?} {exact}");
        assert!(best.gap <= 1e-10 * scale + 1e-14 * size, "{best:?} {scale}");
        // A gap is at least the smaller probability times the slope, from which p is no further than 4 gap/root.
        let least = 0.5 * v / (root * (d.abs() + root));
        let found = p[usize::from(d > 0.0)];
        let rounding = 1e-14 * root * least;
        assert!((found - least).abs() * root < 4.0 * best.gap / scale + rounding, "{found} {least} {best:?}");
    }
}

/// Equal scores, independent noise of variance σ²: p = 1/N, ψ = σ(N − 1)/√N. And with correlation r between all, σ² is
/// (1 − r)σ², since only differences matter.
#[test]
fn equal_scores_independent_noise() {
    for n in [2usize, 3, 10, 40] {
        for r in [0.0, 0.9, 0.9999, -0.5 / n as f64] {
            let s: Vec<f64> = (0..n * n).map(|at| if at / n == at % n { 4.0 } else { 4.0 * r }).collect();
            let mut p = vec![0.0; n];
            let best = Chebyshev::new(&s).unwrap().evaluate(&vec![7.0; n], &mut p).unwrap();
            let exact = 7.0 + 2.0 * (1.0 - r).sqrt() * (n as f64 - 1.0) / (n as f64).sqrt();
            assert!((best.value - exact).abs() < 1e-12, "{n} {r}: {best:?} {exact}");
            assert!(p.iter().all(|p| (p - 1.0 / n as f64).abs() < 1e-10));
        }
    }
}

/// The worst case is a distribution on N points: its mean is zero, the covariance of its differences the one asked for, each
/// point chooses its own atom, and the expected maximum, a sum, is the value. So the value is attained, and the gap says
/// that nothing is above it.
#[test]
fn attained_by_a_distribution_on_n_points() {
    let mut rng = Rng::new(5);
    for case in 0..300 {
        let n = 2 + case % 11;
        let scale = 10f64.powi(case as i32 % 7 - 3);
        let s = wishart(n, [1.0, 1e-2, 1e-4][case % 3], scale, &mut rng);
        let spread = 10f64.powf(4.0 * rng.uniform() - 2.0);
        let mut u: Vec<f64> = (0..n).map(|_| scale * spread * rng.normal()).collect();
        if case % 4 == 0 && n > 2 {
            u[1] = u[0];
        }
        let mut chebyshev = Chebyshev::new(&s).unwrap();
        let (mut p, mut z) = (vec![0.0; n], vec![0.0; n * n]);
        let best = chebyshev.evaluate(&u, &mut p).unwrap();
        chebyshev.worst_case(&mut z).unwrap();
        let size = scale * (1.0 + spread);
        assert!(best.gap < 1e-9 * size, "{case}: {best:?}");
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-14 && p.iter().all(|p| *p > 0.0));
        let at = |j: usize, i: usize| z[j * n + i] - z[j * n];
        let mut expected = 0.0;
        for j in 0..n {
            let mean: f64 = (0..n).map(|k| p[k] * at(k, j)).sum();
            assert!(mean.abs() < 1e-9 * size, "{case}: mean {mean}");
            for i in 0..n {
                let second: f64 = (0..n).map(|k| p[k] * at(k, i) * at(k, j)).sum();
                let asked = s[i * n + j] - s[j] - s[i] + s[0];
                assert!((second - asked).abs() < 1e-9 * scale * scale, "{case}: {second} {asked}");
            }
            let own = u[j] + z[j * n + j];
            let top = (0..n).map(|i| u[i] + z[j * n + i]).fold(f64::NEG_INFINITY, f64::max);
            assert!(own >= top - 1e-8 * (size + top.abs()), "{case}: {own} {top}");
            expected += p[j] * top;
        }
        assert!((expected - best.value).abs() < 1e-9 * size, "{case}: {expected} {best:?}");
    }
}

/// No distribution with that covariance does better: a Gaussian one, by 20,000 draws. The maximum has variance at most that of
/// the largest noise, so that the mean is off by more than six standard errors with probability below 1e-8 a case. And
/// draws three times as large do better, so that a value that is too large would be seen.
#[test]
fn above_gaussian_noise() {
    let mut rng = Rng::new(9);
    for case in 0..10 {
        let n = 2 + case;
        let f: Vec<f64> = (0..n * n).map(|_| rng.normal()).collect();
        let mut s = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                s[i * n + j] = (0..n).map(|k| f[i * n + k] * f[j * n + k]).sum();
            }
        }
        let u: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let mut p = vec![0.0; n];
        let best = Chebyshev::new(&s).unwrap().evaluate(&u, &mut p).unwrap();
        let draws = 20_000;
        let (mut mean, mut tripled) = (0.0, 0.0);
        for _ in 0..draws {
            let g: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
            let z = |i: usize| -> f64 { (0..n).map(|k| f[i * n + k] * g[k]).sum() };
            let top = |times: f64| (0..n).map(|i| u[i] + times * z(i)).fold(f64::NEG_INFINITY, f64::max);
            mean += top(1.0) / f64::from(draws);
            tripled += top(3.0) / f64::from(draws);
        }
        let largest = (0..n).map(|i| s[i * n + i]).fold(0.0, f64::max).sqrt();
        let error = 6.0 * largest / f64::from(draws).sqrt();
        assert!(mean < best.value + best.gap + error, "{mean} {best:?}");
        assert!(tripled > best.value + 3.0 * error, "{tripled} {best:?}");
    }
}

/// tr √(diag p − ppᵀ): the N − 1 eigenvalues μ other than 0 lie between the p_i, one in each gap, where Σ p_i²/(p_i − μ)
/// rises through 1.
fn trace(p: &[f64]) -> f64 {
    let mut sorted = p.to_vec();
    sorted.sort_by(f64::total_cmp);
    let root = |gap: &[f64]| {
        let (mut low, mut high) = (gap[0], gap[1]);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            let sum: f64 = p.iter().map(|p| p * p / (p - middle)).sum();
            (low, high) = if sum < 1.0 { (middle, high) } else { (low, middle) };
        }
        (0.5 * (low + high)).sqrt()
    };
    sorted.windows(2).map(root).sum()
}

/// Independent noise of variance 1: the value is ⟨u, p⟩ + tr √(diag p − ppᵀ), with the trace from the secular equation, and no
/// other p has a larger one. Fixing the covariance allows less than fixing the variances, by the difference of that trace and
/// Σ √(p_i(1 − p_i)).
#[test]
fn below_marginal_moments() {
    let mut rng = Rng::new(12);
    for _ in 0..100 {
        let n = 3 + rng.below(6) as usize;
        let u: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let identity: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
        let (mut p, mut q) = (vec![0.0; n], vec![0.0; n]);
        let full = Chebyshev::new(&identity).unwrap().evaluate(&u, &mut p).unwrap();
        let mut marginal = SmoothMax::new(Arc::new(MarginalMoments::automatic()), 1.0).unwrap();
        // R = D_f − √(N − 1).
        let fixed = marginal.evaluate(&u, &mut q).unwrap().value + (n as f64 - 1.0).sqrt();
        assert!(full.value < fixed - 1e-3, "{full:?} {fixed}");
        let at = |p: &[f64], trace: f64| p.iter().zip(&u).map(|(p, u)| p * u).sum::<f64>() + trace;
        assert!((at(&p, trace(&p)) - full.value).abs() < 1e-12 * (1.0 + full.value.abs()), "{full:?}");
        let separate: f64 = q.iter().map(|q| (q * (1.0 - q)).sqrt()).sum();
        assert!((at(&q, separate) - fixed).abs() < 1e-12 * (1.0 + fixed.abs()), "{fixed}");
        for _ in 0..20 {
            let weights: Vec<f64> = p.iter().map(|p| p * rng.exponential()).collect();
            let total: f64 = weights.iter().sum();
            let other: Vec<f64> = weights.iter().map(|w| w / total).collect();
            assert!(at(&other, trace(&other)) <= full.value + full.gap, "{other:?} {full:?}");
        }
    }
}

/// Translation, units, order of atoms, a common shift of the noise; gradient by differences; convexity along lines.
#[test]
fn laws() {
    let mut rng = Rng::new(20);
    for case in 0..60 {
        let n = 2 + case % 7;
        let s = wishart(n, 0.05, 1.0, &mut rng);
        let u: Vec<f64> = (0..n).map(|_| 2.0 * rng.normal()).collect();
        let of = |s: &[f64], u: &[f64]| {
            let mut p = vec![0.0; n];
            let value = Chebyshev::new(s).unwrap().maximum(u, &mut p).unwrap();
            (value, p)
        };
        let (value, p) = of(&s, &u);
        let moved: Vec<f64> = u.iter().map(|u| u + 3.0).collect();
        assert!((of(&s, &moved).0 - value - 3.0).abs() < 1e-11);
        let (big, large): (Vec<f64>, Vec<f64>) =
            (s.iter().map(|s| 1e12 * s).collect(), u.iter().map(|u| 1e6 * u).collect());
        assert!((1e-6 * of(&big, &large).0 - value).abs() < 1e-11);
        let shifted: Vec<f64> = s.iter().map(|s| s + 2.5).collect();
        assert!((of(&shifted, &u).0 - value).abs() < 1e-10);
        let reversed: Vec<f64> = s.iter().rev().copied().collect();
        let backwards: Vec<f64> = u.iter().rev().copied().collect();
        let (same, q) = of(&reversed, &backwards);
        assert!((same - value).abs() < 1e-11);
        assert!(p.iter().zip(q.iter().rev()).all(|(p, q)| (p - q).abs() < 1e-7));
        for i in 0..n {
            let h = 1e-4;
            let at = |h: f64| {
                let mut u = u.clone();
                u[i] += h;
                of(&s, &u).0
            };
            let slope = (8.0 * (at(h) - at(-h)) - at(2.0 * h) + at(-2.0 * h)) / (12.0 * h);
            assert!((slope - p[i]).abs() < 1e-6, "{case}: {slope} {}", p[i]);
            assert!(at(h) + at(-h) >= 2.0 * value - 1e-11);
        }
    }
}

/// Scores over twenty orders of magnitude, noise over six, or over one for atoms that share almost all of it.
#[test]
fn many_magnitudes() {
    let mut rng = Rng::new(31);
    for case in 0..600 {
        let n = 2 + case % 9;
        let (common, decades) = [(0.0, 6.0), (0.9, 6.0), (0.999_999, 1.0)][case % 3];
        let deviation: Vec<f64> = (0..n).map(|_| 10f64.powf(decades * (rng.uniform() - 0.5))).collect();
        let s: Vec<f64> = (0..n * n)
            .map(|at| {
                let r = if at / n == at % n { 1.0 } else { common };
                r * deviation[at / n] * deviation[at % n]
            })
            .collect();
        let u: Vec<f64> = (0..n).map(|_| -(10f64.powf(20.0 * rng.uniform() - 10.0))).collect();
        let (mut p, top) = (vec![0.0; n], u.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        let best = Chebyshev::new(&s).unwrap().evaluate(&u, &mut p).unwrap();
        let unit = deviation.iter().copied().fold(0.0, f64::max);
        let spread = u.iter().copied().fold(0.0, |least: f64, u| least.min(u)).abs().min(1e12 * unit);
        assert!(best.value >= top && best.value <= top + 2.0 * unit * (n as f64).sqrt(), "{case}: {best:?}");
        // Rounding of the slopes, which are as large as the spread of scores, times the condition of the factor.
        let condition = ((1.0 + n as f64 * common) / (1.0 - common)).sqrt();
        let rounding = 32.0 * f64::EPSILON * n as f64 * condition * (spread + unit);
        assert!(best.gap <= 1e-11 * unit + rounding, "{case}: {best:?} {unit} {spread}");
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-14 && p.iter().all(|p| *p > 0.0));
    }
}

/// Atoms far below the best, by 1e10 to 1e250 standard deviations of at most 1: values are those without them, but for v/(4d),
/// with v ≤ 4 the variance of a difference of noises and d the distance; value and gap enclose that.
#[test]
fn far_atoms_hardly_count() {
    let mut rng = Rng::new(33);
    for case in 0..100 {
        let (n, near) = (5, 2 + case % 3);
        let mut s = wishart(n, 0.1, 1.0, &mut rng);
        let most = (0..n).map(|i| s[i * n + i]).fold(0.0, f64::max);
        s.iter_mut().for_each(|s| *s /= most);
        let mut u: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        u[near..].iter_mut().for_each(|u| *u = -(10f64.powf(10.0 + 240.0 * rng.uniform())));
        let part: Vec<f64> = (0..near * near).map(|at| s[at / near * n + at % near]).collect();
        let (mut p, mut q) = (vec![0.0; n], vec![0.0; near]);
        let all = Chebyshev::new(&s).unwrap().evaluate(&u, &mut p).unwrap();
        let without = Chebyshev::new(&part).unwrap().evaluate(&u[..near], &mut q).unwrap();
        let added: f64 = u[near..].iter().map(|u| 1.01 / -u).sum();
        let rounding = 1e-14 * (1.0 + without.value.abs());
        assert!(all.value <= without.value + without.gap + added + rounding, "{all:?} {without:?}");
        assert!(all.value + all.gap >= without.value - rounding, "{all:?} {without:?}");
        // Slopes are as large as 1e12, and the gap cannot be less than their rounding.
        assert!(all.gap < 4.0 * f64::EPSILON * n as f64 * 1.1e12, "{all:?}");
        assert!(p[near..].iter().all(|p| *p < 1e-8), "{p:?}");
    }
}

/// Some hundred atoms.
#[test]
fn a_hundred_and_fifty_atoms() {
    let mut rng = Rng::new(40);
    let n = 150;
    let s = wishart(n, 0.1, 1.0, &mut rng);
    let mut u: Vec<f64> = (0..n).map(|_| 3.0 * rng.normal()).collect();
    u[17] = u[3];
    let mut p = vec![0.0; n];
    let best = Chebyshev::new(&s).unwrap().evaluate(&u, &mut p).unwrap();
    assert!(best.gap < 1e-9 && best.iterations < 40, "{best:?}");
}

#[test]
fn errors_name_what_is_wrong() {
    let message = |s: &[f64]| Chebyshev::new(s).unwrap_err().to_string();
    assert_eq!(message(&[1.0, 0.0]), "covariance: expected N × N numbers, found 2");
    assert!(message(&[1.0, f64::NAN, 0.0, 1.0]).contains("row 0, column 1"));
    assert!(message(&[1.0, 0.5, 0.4, 1.0]).contains("symmetric"));
    assert!(message(&[1.0, 0.0, 0.0, -1.0]).contains("variance"));
    // Two atoms with one noise, and a noise that is the mean of two others.
    assert!(message(&[2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]).contains("singular at atom 2"));
    assert!(message(&[0.0; 4]).contains("singular"));
    assert!(message(&[1.0, 2.0, 2.0, 1.0]).contains("singular"));
    let mut one = Chebyshev::new(&[3.0]).unwrap();
    let mut p = [0.0];
    assert_eq!(one.evaluate(&[5.0], &mut p).unwrap().value, 5.0);
    assert!(one.evaluate(&[1.0, 2.0], &mut p).unwrap_err().to_string().contains("scores"));
    assert!(one.evaluate(&[f64::NAN], &mut p).unwrap_err().to_string().contains("NaN"));
}

//! Log-sum-exp and its family: semantics at the edges, and laws that hold for every input.

use fenchel::Error;
use fenchel::logspace::*;
use fenchel::simd::{Level, Real};
use proptest::prelude::*;

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// Equal, NaN included.
fn same<T: Real>(a: T, b: f64) -> bool {
    a.to_f64() == b || (a.is_nan() && b.is_nan())
}

fn edges<T: Real>() {
    let cases: [(&[f64], f64); 12] = [
        (&[], -INF),
        (&[-INF], -INF),
        (&[-INF, -INF, -INF], -INF),
        (&[0.0, INF], INF),
        (&[INF, -INF], INF),
        (&[INF, INF], INF),
        (&[NAN], NAN),
        (&[0.0, NAN, INF], NAN),
        (&[-INF, NAN], NAN),
        (&[1.5], 1.5),
        (&[-2.5, -INF], -2.5),
        (&[0.0, -1e30], 0.0),
    ];
    for level in Level::ALL.into_iter().filter(|l| l.is_available()) {
        for (x, want) in cases {
            // The value stays when any number of e^−∞ is added, on either side, in any position in a register.
            for (before, after) in [(0, 0), (1, 0), (7, 3), (100, 29), (600, 0), (0, 5000), (70_000, 70_000)]
            {
                let mut padded = vec![T::NEG_INFINITY; before];
                padded.extend(x.iter().map(|&x| T::from_f64(x)));
                padded.resize(padded.len() + after, T::NEG_INFINITY);
                let got = logsumexp_at(level, &padded);
                assert!(same(got, want), "{level:?} {x:?} + {before}, {after}: {got}");
            }
        }
    }
    let all: Vec<Vec<T>> = cases.iter().map(|(x, _)| x.iter().map(|&x| T::from_f64(x)).collect()).collect();
    for (x, (_, want)) in all.iter().zip(cases) {
        let ones = vec![T::ONE; x.len()];
        assert!(same(logsumexp_weighted(x, &ones).unwrap(), want), "weighted {x:?}");
        assert!(same(logsumexp_temperature(x, T::from_f64(2.0)).unwrap(), want), "temperature {x:?}");
        let mut stream = LogSumExp::new();
        x.iter().for_each(|x| stream.push(x.to_f64()));
        assert!(same(stream.value(), want), "stream {x:?}: {}", stream.value());
        let mut slices = LogSumExp::new();
        slices.extend(x);
        assert!(same(slices.value(), want), "slices {x:?}");
        let mut out = [T::ZERO];
        logsumexp_rows(MatrixView::new(x, 1, x.len()).unwrap(), &mut out).unwrap();
        assert!(same(out[0], want), "row {x:?}");
        logsumexp_columns(MatrixView::new(x, x.len(), 1).unwrap(), &mut out).unwrap();
        assert!(same(out[0], want), "column {x:?}");
    }
}

#[test]
fn edges_f64() {
    edges::<f64>();
}

#[test]
fn edges_f32() {
    edges::<f32>();
}

#[test]
fn subnormal_and_huge_numbers() {
    let tiny = f64::from_bits(1);
    assert_eq!(logsumexp(&[tiny]), tiny);
    assert_eq!(logsumexp(&[tiny, tiny]), 2f64.ln());
    assert_eq!(logsumexp(&[-tiny, -1e300]), -tiny);
    assert_eq!(logsumexp(&[f64::MAX, f64::MAX]), f64::MAX);
    assert_eq!(logsumexp(&[f64::MIN, f64::MAX]), f64::MAX);
    assert_eq!(logsumexp(&[f32::MIN, f32::MIN]), f32::MIN);
    assert_eq!(logmeanexp(&[f64::MAX; 1000]), f64::MAX);
}

#[test]
fn nan_is_seen_wherever_it_is() {
    for n in [1, 5, 64, 129, 3000, 140_000] {
        for at in [0, n / 3, n / 2, n - 1] {
            let mut x = vec![-1.0; n];
            x[at] = NAN;
            assert!(logsumexp(&x).is_nan(), "{at} of {n}");
            // Also beside a number that outweighs all others.
            x[(at + n / 2 + 1) % n] = if n > 1 { 1e6 } else { NAN };
            assert!(logsumexp(&x).is_nan(), "{at} of {n}, dominated");
        }
    }
}

#[test]
fn pairs() {
    for (a, b, sum) in [
        (0.0, -INF, 0.0),
        (-INF, -INF, -INF),
        (INF, -INF, INF),
        (INF, INF, INF),
        (INF, 0.0, INF),
        (NAN, 0.0, NAN),
        (-INF, NAN, NAN),
        (700.0, 700.0, 700.0 + std::f64::consts::LN_2),
        (1e300, -1e300, 1e300),
    ] {
        assert!(same(logaddexp(a, b), sum) && same(logaddexp(b, a), sum), "{a} {b}");
    }
    for (a, b, difference) in [
        (0.0, -INF, 0.0),
        (-INF, -INF, -INF),
        (INF, INF, NAN),
        (INF, 0.0, INF),
        (0.0, INF, NAN),
        (0.0, 1.0, NAN),
        (NAN, 0.0, NAN),
        (0.0, NAN, NAN),
        (5.0, 5.0, -INF),
    ] {
        assert!(same(logsubexp(a, b), difference), "{a} {b}");
    }
    // Nearly equal, where subtracting exponentials would leave nothing.
    let got = logsubexp(1.0, 1.0 - 2f64.powi(-52));
    assert!((got - (1.0 - 52.0 * std::f64::consts::LN_2)).abs() < 1e-13, "{got}");
}

#[test]
fn signs_and_weights() {
    let (log, sign) = logsumexp_signed(&[3.0, 3.0], &[1.0, -1.0]).unwrap();
    assert_eq!((log, sign), (-INF, 0.0));
    let (log, sign) = logsumexp_signed(&[3.0, 3.0, -700.0], &[1.0, -1.0, -2.0]).unwrap();
    assert_eq!(sign, -1.0);
    assert!((log - (2f64.ln() - 700.0)).abs() < 1e-12);
    let (log, sign) = logsumexp_signed(&[INF, 3.0], &[-1.0, 1.0]).unwrap();
    assert_eq!((log, sign), (INF, -1.0));
    assert!(logsumexp_signed(&[INF, INF], &[-1.0, 1.0]).unwrap().0.is_nan());
    assert!(logsumexp_signed(&[NAN, 1.0], &[-1.0, 1.0]).unwrap().1.is_nan());
    // Weight 0 leaves an entry out, whatever it is.
    for x in [NAN, INF, 1e300, -INF] {
        assert_eq!(logsumexp_weighted(&[x, 2.0], &[0.0, 1.0]).unwrap(), 2.0);
    }
    assert_eq!(logsumexp_weighted(&[1.0, 2.0], &[0.0, 0.0]).unwrap(), -INF);
    // Weights over many magnitudes.
    let w = [1e-300, 1e300, 1e-10];
    let got = logsumexp_weighted(&[690.0, -690.0, 0.0], &w).unwrap();
    let want = [690.0 + 1e-300f64.ln(), -690.0 + 1e300f64.ln(), 1e-10f64.ln()];
    assert!((got - logsumexp(&want)).abs() < 1e-12, "{got}");
}

#[test]
fn misuse_is_an_error_that_names_it() {
    let shape = |e: Result<_, Error>| matches!(e, Err(Error::Shape { .. }));
    assert!(shape(logsumexp_weighted(&[1.0], &[1.0, 2.0]).map(drop)));
    assert!(shape(softmax(&[1.0], &mut [0.0, 0.0])));
    assert!(shape(softmax_rows(&[1.0; 6], 4, &mut [0.0; 6])));
    assert!(shape(softmax_rows(&[1.0; 6], 0, &mut [0.0; 6])));
    assert!(shape(MatrixView::new(&[1.0; 6], 4, 2).map(drop)));
    assert!(shape(MatrixView::new(&[1.0; 6], usize::MAX, 2).map(drop)));
    assert!(shape(MatrixView::strided(&[1.0; 6], (2, 2), (4, 2)).map(drop)));
    assert!(shape(MatrixView::strided(&[1.0; 6], (2, 2), (usize::MAX, 2)).map(drop)));
    assert!(shape(logsumexp_rows(MatrixView::new(&[1.0; 6], 3, 2).unwrap(), &mut [0.0; 2])));
    assert!(shape(logsumexp_columns(MatrixView::new(&[1.0; 6], 3, 2).unwrap(), &mut [0.0; 3])));
    assert!(shape(cross_entropy::<f64>(&[], &[], None).map(drop)));
    assert!(shape(cross_entropy(&[1.0; 3], &[0, 0], None).map(drop)));
    assert!(shape(cross_entropy(&[1.0; 4], &[0, 0], Some(&mut [0.0; 3])).map(drop)));
    assert!(shape(info_nce(&[1.0; 3], 2, 1.0, None).map(drop)));
    let message = |e: Result<f64, Error>| e.unwrap_err().to_string();
    assert!(message(cross_entropy(&[1.0; 4], &[0, 2], None)).contains("labels[1] is 2"));
    assert!(message(logsumexp_weighted(&[1.0, 1.0], &[1.0, -2.0])).contains("weights[1] is -2"));
    assert!(message(logsumexp_weighted(&[1.0, 1.0], &[NAN, 1.0])).contains("weights at 0"));
    for tau in [0.0, -1.0, NAN, INF] {
        assert!(message(logsumexp_temperature(&[1.0], tau)).contains("temperature"));
        assert!(message(logmeanexp_temperature(&[1.0], tau)).contains("temperature"));
        assert!(ensemble(&[1.0], None, tau).is_err());
    }
    assert!(ensemble::<f64>(&[], None, 1.0).is_err());
    assert!(ensemble(&[INF], None, 1.0).is_err());
    assert!(ensemble(&[1.0, -INF], None, 1.0).is_err());
    assert!(ensemble(&[1.0], Some(&[-1.0]), 1.0).is_err());
}

#[test]
fn softmax_at_the_edges() {
    let soft = |x: &[f64]| {
        let mut p = vec![7.0; x.len()];
        softmax(x, &mut p).unwrap();
        let mut log_p = vec![7.0; x.len()];
        log_softmax(x, &mut log_p).unwrap();
        (p, log_p)
    };
    assert_eq!(soft(&[INF, 0.0, -INF, INF]).0, [0.5, 0.0, 0.0, 0.5]);
    assert_eq!(soft(&[INF, 0.0]).1, [0.0, -INF]);
    assert_eq!(soft(&[3.0, -INF]), (vec![1.0, 0.0], vec![0.0, -INF]));
    for nothing in [[-INF, -INF], [NAN, 0.0], [NAN, INF], [NAN, -INF]] {
        let (p, log_p) = soft(&nothing);
        assert!(p.iter().chain(&log_p).all(|p| p.is_nan()), "{nothing:?}");
    }
    softmax::<f64>(&[], &mut []).unwrap();
    log_softmax::<f64>(&[], &mut []).unwrap();
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let x: Vec<f64> = (0..700_001).map(|i| f64::from(i % 7919) * 1e-3 + f64::from(i) * 1e-6).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut out = vec![0.0; 7];
            logsumexp_rows(MatrixView::new(&x[..700_000], 7, 100_000).unwrap(), &mut out).unwrap();
            let mut columns = vec![0.0; 700];
            logsumexp_columns(MatrixView::new(&x[..700_000], 1000, 700).unwrap(), &mut columns).unwrap();
            let mut tall = vec![0.0; 2];
            logsumexp_columns(MatrixView::new(&x[..700_000], 350_000, 2).unwrap(), &mut tall).unwrap();
            columns.extend(tall);
            let mut p = vec![0.0; x.len()];
            softmax(&x, &mut p).unwrap();
            let mut gradient = vec![0.0; 700_000];
            let labels: Vec<usize> = (0..1000).map(|i| i % 700).collect();
            let loss = cross_entropy(&x[..700_000], &labels, Some(&mut gradient)).unwrap();
            (logsumexp(&x), out, columns, p, loss, gradient)
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(5));
}

#[test]
fn saved_and_loaded() {
    for x in [vec![], vec![-INF], vec![INF, 2.0], vec![NAN], vec![0.1, 700.0, -3.0, 700.0], vec![1e-320]] {
        let mut state = LogSumExp::new();
        state.extend(&x);
        let text = serde_json::to_string(&state).unwrap();
        let mut loaded: LogSumExp = serde_json::from_str(&text).unwrap();
        assert_eq!(loaded.count(), x.len() as u64);
        assert!(same(loaded.value(), state.value()), "{text}");
        // It goes on as if nothing had happened.
        state.push(699.5);
        loaded.push(699.5);
        assert!(same(loaded.value(), state.value()), "{text}");
    }
}

#[test]
fn ensembles() {
    // A harmonic oscillator, E = k + ½: all in closed form.
    let energies: Vec<f64> = (0..2000).map(|k| f64::from(k) + 0.5).collect();
    for tau in [0.05, 1.0, 30.0] {
        let e = ensemble(&energies, None, tau).unwrap();
        let b = 1.0 / tau;
        let near = |got: f64, want: f64| (got - want).abs() <= 1e-13 * want.abs() + 1e-300;
        assert!(near(e.log_partition, -b / 2.0 - (-(-b).exp()).ln_1p()), "{e:?}");
        assert!(near(e.free_energy, 0.5 + tau * (-(-b).exp()).ln_1p()), "{e:?}");
        assert!(near(e.internal_energy, 0.5 + 1.0 / b.exp_m1()), "{e:?}");
        assert!(near(e.heat_capacity, (0.5 * b / (0.5 * b).sinh()).powi(2)), "{e:?}");
        assert!(near(e.entropy, b / b.exp_m1() - (-(-b).exp()).ln_1p()), "{e:?}");
        // Far from 0, with a forbidden state, each state twice.
        let mut shifted: Vec<f64> = energies.iter().map(|e| e - 4096.0).collect();
        shifted.push(INF);
        let twice = ensemble(&shifted, Some(&vec![2.0; shifted.len()]), tau).unwrap();
        assert!((twice.entropy - e.entropy - 2f64.ln()).abs() < 1e-13, "{twice:?}");
        assert!(near(twice.heat_capacity, e.heat_capacity));
        assert!((twice.internal_energy + 4096.0 - e.internal_energy).abs() < 1e-11);
    }
}

/// Numbers of all magnitudes from 1e-300 to 1e300, of both signs, and slices of one scale.
fn scores() -> impl Strategy<Value = Vec<f64>> {
    let any_scale =
        (-300.0..300.0f64, any::<bool>()).prop_map(|(e, s)| if s { 1.0 } else { -1.0 } * 10f64.powf(e));
    let one_scale = (-300.0..300.0f64, prop::collection::vec(-1.0..1.0f64, 1..200))
        .prop_map(|(e, x)| x.into_iter().map(|x| x * 10f64.powf(e)).collect());
    let ordinary = prop::collection::vec(-30.0..30.0f64, 1..3000);
    prop_oneof![prop::collection::vec(any_scale, 1..300), one_scale, ordinary]
}

/// What the documentation allows between two ways of computing the same sum.
fn allowance(x: &[f64], value: f64) -> f64 {
    f64::EPSILON * (2.0 * value.abs() + 2.0 * (x.len() as f64).ln() + 10.0)
}

fn state_of(x: &[f64]) -> LogSumExp {
    let mut state = LogSumExp::new();
    state.extend(x);
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn between_the_maximum_and_log_n_more(x in scores(), e in -300.0..300.0f64) {
        let max = x.iter().copied().fold(-INF, f64::max);
        let n = x.len() as f64;
        let tau = 10f64.powf(e);
        for (value, tau) in [(logsumexp(&x), 1.0), (logsumexp_temperature(&x, tau).unwrap(), tau)] {
            prop_assert!(value >= max, "{value} < {max}");
            let above = max + tau * n.ln();
            let rounding = f64::EPSILON * (above.abs() + tau * (n.ln() + 10.0));
            prop_assert!(value <= above + rounding, "{value} > {above}");
        }
        let mean = logmeanexp_temperature(&x, tau).unwrap();
        let rounding = f64::EPSILON * (max.abs() + tau * (n.ln() + 10.0));
        prop_assert!(mean <= max + rounding && mean >= max - tau * n.ln() - rounding);
    }

    #[test]
    fn merging_commutes_and_associates(x in scores(), cuts in (0.0..1.0f64, 0.0..1.0f64)) {
        let n = x.len() as f64;
        let (i, j) = ((cuts.0 * n) as usize, (cuts.1 * n) as usize);
        let (i, j) = (i.min(j), i.max(j));
        let (a, b, c) = (state_of(&x[..i]), state_of(&x[i..j]), state_of(&x[j..]));
        let merged = |mut a: LogSumExp, b: &LogSumExp| { a.merge(b); a };
        let whole = logsumexp(&x);
        let allowed = allowance(&x, whole);
        let left = merged(merged(a, &b), &c);
        let right = merged(a, &merged(b, &c));
        let turned = merged(merged(c, &a), &b);
        for way in [left, right, turned] {
            prop_assert!((way.value() - whole).abs() <= allowed, "{} {whole}", way.value());
            prop_assert_eq!(way.count(), x.len() as u64);
        }
        // Exactly: order of two, and the unit.
        prop_assert_eq!(merged(a, &b), merged(b, &a));
        prop_assert_eq!(merged(a, &LogSumExp::new()), a);
        prop_assert_eq!(merged(LogSumExp::new(), &a), a);
        // One by one.
        let stream: LogSumExp = x.iter().copied().collect();
        prop_assert!((stream.value() - whole).abs() <= allowed, "{} {whole}", stream.value());
    }

    #[test]
    fn every_level_and_order_agrees(x in scores()) {
        let value = logsumexp_at(Level::Scalar, &x);
        let mut turned = x.clone();
        turned.reverse();
        let mut sorted = x.clone();
        sorted.sort_by(f64::total_cmp);
        for level in Level::ALL {
            for x in [&x, &turned, &sorted] {
                let other = logsumexp_at(level, x);
                prop_assert!((other - value).abs() <= allowance(x, value), "{level:?}: {other} {value}");
            }
        }
    }

    #[test]
    fn translation_and_monotonicity(x in prop::collection::vec(-30.0..30.0f64, 1..300), c in -1e3..1e3f64, i in 0usize..300) {
        let value = logsumexp(&x);
        let shifted: Vec<f64> = x.iter().map(|x| x + c).collect();
        let allowed = 2.0 * allowance(&x, value.abs() + c.abs());
        prop_assert!((logsumexp(&shifted) - (value + c)).abs() <= allowed);
        let mut raised = x.clone();
        raised[i % x.len()] += 1.0;
        prop_assert!(logsumexp(&raised) >= value - allowed);
    }

    #[test]
    fn softmax_is_a_probability_and_the_gradient(x in scores(), tau_e in -3.0..3.0f64) {
        let n = x.len() as f64;
        let mut p = vec![0.0; x.len()];
        softmax(&x, &mut p).unwrap();
        prop_assert!(p.iter().all(|&p| (0.0..=1.0).contains(&p)));
        let total: f64 = p.iter().sum();
        prop_assert!((total - 1.0).abs() <= 4.0 * n.sqrt() * f64::EPSILON, "{total}");
        let mut log_p = vec![0.0; x.len()];
        log_softmax(&x, &mut log_p).unwrap();
        for (p, l) in p.iter().zip(&log_p) {
            // exp magnifies the rounding of the logarithm.
            prop_assert!((l.exp() - p).abs() <= f64::EPSILON * p * (l.abs() + n.ln() + 10.0) + 1e-307, "{p} {l}");
        }
        // Temperature divides the scores.
        let tau = 10f64.powf(tau_e);
        let ordinary: Vec<f64> = x.iter().map(|x| x.clamp(-5.0, 5.0)).collect();
        let divided: Vec<f64> = ordinary.iter().map(|x| x / tau).collect();
        let mut q = p.clone();
        softmax_temperature(&ordinary, tau, &mut p).unwrap();
        softmax(&divided, &mut q).unwrap();
        for (p, q) in p.iter().zip(&q) {
            prop_assert!((p - q).abs() <= 4.0 * f64::EPSILON * (10.0 / tau + 10.0) * q + 1e-307, "{p} {q}");
        }
    }

    #[test]
    fn gradients_by_finite_differences(x in prop::collection::vec(-3.0..3.0f64, 12), tau in 0.3..3.0f64, i in 0usize..9) {
        let h = 1e-5;
        let labels = [1usize, 3, 0];
        let mut gradient = vec![0.0; 12];
        cross_entropy(&x, &labels, Some(&mut gradient)).unwrap();
        let at = |x: &[f64]| cross_entropy(x, &labels, None).unwrap();
        let moved = |h: f64| { let mut x = x.clone(); x[i] += h; x };
        let slope = (at(&moved(h)) - at(&moved(-h))) / (2.0 * h);
        prop_assert!((slope - gradient[i]).abs() <= 1e-9, "{slope} {}", gradient[i]);
        let mut gradient = vec![0.0; 9];
        info_nce(&x[..9], 3, tau, Some(&mut gradient)).unwrap();
        let at = |x: &[f64]| info_nce(&x[..9], 3, tau, None).unwrap();
        let slope = (at(&moved(h)) - at(&moved(-h))) / (2.0 * h);
        prop_assert!((slope - gradient[i]).abs() <= 1e-8, "{slope} {}", gradient[i]);
        // Rows of the gradient sum to 0.
        prop_assert!(gradient.chunks(3).all(|row| row.iter().sum::<f64>().abs() <= 1e-15 / tau.min(1.0)));
    }

    #[test]
    fn axes_and_strides(rows in 1usize..40, columns in 1usize..600, gap in 0usize..3, seed in 0u64..1000) {
        let (row_stride, column_stride) = (columns * (gap + 1) + gap, gap + 1);
        let size = rows * row_stride + columns * column_stride;
        let mut z = seed;
        let data: Vec<f64> = (0..size).map(|_| {
            z = z.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (z >> 40) as f64 / 1e6 - 8.0
        }).collect();
        let view = MatrixView::strided(&data, (rows, columns), (row_stride, column_stride)).unwrap();
        let dense: Vec<f64> = (0..rows * columns).map(|k| view.get(k / columns, k % columns).unwrap()).collect();
        let dense_view = MatrixView::new(&dense, rows, columns).unwrap();
        for (a, b) in [(view, dense_view), (view.transposed(), dense_view.transposed())] {
            let n = a.shape().0;
            let (mut by_stride, mut by_copy) = (vec![0.0; n], vec![0.0; n]);
            logsumexp_rows(a, &mut by_stride).unwrap();
            logsumexp_rows(b, &mut by_copy).unwrap();
            for (i, (s, d)) in by_stride.iter().zip(&by_copy).enumerate() {
                let row: Vec<f64> = (0..a.shape().1).map(|j| a.get(i, j).unwrap()).collect();
                let want = logsumexp(&row);
                prop_assert!((s - want).abs() <= allowance(&row, want), "{s} {want}");
                prop_assert!((d - want).abs() <= allowance(&row, want), "{d} {want}");
            }
        }
    }

    #[test]
    fn pairs_are_slices_of_two(a in -800.0..800.0f64, d in -60.0..60.0f64) {
        let b = a + d;
        let sum = logaddexp(a, b);
        prop_assert!((sum - logsumexp(&[a, b])).abs() <= f64::EPSILON * (sum.abs() + 2.0));
        // e^sum − e^a = e^b, as far as the sum still knows b.
        let back = logsubexp(sum, a);
        let known = f64::EPSILON * (sum.abs() + 4.0) * (1.0 + (a - b).exp());
        prop_assert!(known > 0.1 || (back - b).abs() <= 2.0 * known, "{back} {b}");
    }

    #[test]
    fn weights_are_repetitions(x in prop::collection::vec(-20.0..20.0f64, 1..100), w in prop::collection::vec(0u32..4, 100)) {
        let weights: Vec<f64> = w[..x.len()].iter().map(|&w| f64::from(w)).collect();
        let repeated: Vec<f64> = x.iter().zip(&w).flat_map(|(&x, &w)| vec![x; w as usize]).collect();
        let got = logsumexp_weighted(&x, &weights).unwrap();
        let want = logsumexp(&repeated);
        prop_assert!(got == want || (got - want).abs() <= allowance(&repeated, want), "{got} {want}");
        let mut stream = LogSumExp::new();
        x.iter().zip(&weights).for_each(|(&x, &w)| stream.push_weighted(x, w));
        prop_assert!(stream.value() == want || (stream.value() - want).abs() <= allowance(&repeated, want));
        let negative: Vec<f64> = weights.iter().map(|w| -w).collect();
        let (log, sign) = logsumexp_signed(&x, &negative).unwrap();
        prop_assert_eq!(log, got);
        prop_assert_eq!(sign, if repeated.is_empty() { 0.0 } else { -1.0 });
    }

    #[test]
    fn f32_agrees_with_f64(x in scores()) {
        let x: Vec<f32> = x.iter().map(|&x| (x as f32).clamp(-1e30, 1e30)).collect();
        let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let want = logsumexp(&wide);
        let allowed = f64::from(f32::EPSILON) * (want.abs() + (x.len() as f64).ln() + 5.0);
        prop_assert!((f64::from(logsumexp(&x)) - want).abs() <= allowed);
    }
}

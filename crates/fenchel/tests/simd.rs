//! The vector kernels, each at every level that this machine has.

use fenchel::simd::{self, Level, Real};

/// The levels that can be run here.
fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|l| l.is_available())
}

/// A cheap reproducible stream of numbers in [0, 1).
fn unit(i: u64) -> f64 {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Distance in units in the last place of `want` (at least the smallest subnormal).
fn ulps<T: Real>(got: T, want: f64) -> f64 {
    if got.to_f64() == want || (got.is_nan() && want.is_nan()) {
        return 0.0;
    }
    let smallest = if T::NAME == "f32" { 2f64.powi(-149) } else { f64::from_bits(1) };
    let ulp = (2f64.powf(want.abs().log2().floor()) * T::EPSILON.to_f64()).max(smallest);
    (got.to_f64() - want).abs() / ulp
}

fn exp_is_accurate<T: Real>(lowest: f64, highest: f64) {
    let n = 100_003;
    let mut x: Vec<T> = (0..n).map(|i| T::from_f64(lowest + (highest - lowest) * unit(i))).collect();
    x.extend((0..n).map(|i| T::from_f64((unit(i) - 0.5) * 10f64.powf(-20.0 * unit(i + n)))));
    let mut out = vec![T::ZERO; x.len()];
    for level in levels() {
        simd::exp_into_at(level, &x, &mut out);
        let (worst, at) = x.iter().zip(&out).fold((0.0, T::ZERO), |(worst, at), (&x, &e)| {
            let off = ulps(e, x.to_f64().exp());
            if off <= worst { (worst, at) } else { (off, x) }
        });
        println!("{} {level:?}: {worst} ulp at {at}", T::NAME);
        // std's own half unit comes on top for f64.
        assert!(worst <= 1.5, "{} {level:?}: {worst} ulp at {at}", T::NAME);
    }
}

#[test]
fn exp_within_one_and_a_half_ulp() {
    exp_is_accurate::<f64>(-745.0, 709.7);
    exp_is_accurate::<f32>(-103.9, 88.7);
}

fn exp_ends<T: Real>() {
    let x = [0.0, -0.0, f64::NEG_INFINITY, f64::INFINITY, f64::NAN, -1e30, 1e30, -746.0, 710.0];
    let want = [1.0, 1.0, 0.0, f64::INFINITY, f64::NAN, 0.0, f64::INFINITY, 0.0, f64::INFINITY];
    for level in levels() {
        // Every position in a register and every length of the rest.
        for pad in 0..33 {
            let mut padded = vec![T::from_f64(-1.0); pad];
            padded.extend(x.map(T::from_f64));
            let mut out = vec![T::ZERO; padded.len()];
            simd::exp_into_at(level, &padded, &mut out);
            for (i, want) in want.iter().enumerate() {
                assert_eq!(ulps(out[pad + i], *want), 0.0, "{level:?}: exp({}) = {}", x[i], out[pad + i]);
            }
        }
    }
}

#[test]
fn exp_at_the_ends_of_its_domain() {
    exp_ends::<f64>();
    exp_ends::<f32>();
}

fn log1p_is_accurate<T: Real>() {
    let n = 100_003;
    let mut x: Vec<T> = (0..n).map(|i| T::from_f64(-1.0 + 3.0 * unit(i))).collect();
    let largest = if T::NAME == "f32" { 38.0 } else { 308.0 };
    x.extend((0..n).map(|i| T::from_f64(10f64.powf(largest * (2.0 * unit(i + n) - 1.0)))));
    x.extend((0..n).map(|i| T::from_f64(-(10f64.powf(-20.0 * unit(i))))));
    x.extend([0.0, -1.0, -2.0, f64::INFINITY, f64::NAN, f64::NEG_INFINITY].map(T::from_f64));
    x.extend([T::MAX, T::MIN_POSITIVE]);
    let mut out = vec![T::ZERO; x.len()];
    for level in levels() {
        simd::log1p_into_at(level, &x, &mut out);
        let (worst, at) = x.iter().zip(&out).fold((0.0, T::ZERO), |(worst, at), (&x, &e)| {
            let off = ulps(e, x.to_f64().ln_1p());
            if off <= worst { (worst, at) } else { (off, x) }
        });
        println!("{} {level:?}: {worst} ulp at {at}", T::NAME);
        assert!(worst <= 2.0, "{} {level:?}: {worst} ulp at {at}", T::NAME);
    }
}

#[test]
fn log1p_within_two_ulp() {
    log1p_is_accurate::<f64>();
    log1p_is_accurate::<f32>();
}

/// Every kernel against the plain loop, for every length around the block sizes, on unaligned slices.
fn agree_with_plain_loops<T: Real>(tolerance: f64) {
    for level in levels() {
        for n in (0..300).chain([511, 1024, 4099]) {
            let values = |seed: u64| -> Vec<T> {
                (0..n + 1).map(|i| T::from_f64(8.0 * unit(seed * 10_000 + i as u64) - 4.0)).collect()
            };
            let (u, y, eta) = (values(1), values(2), values(3));
            let (u, y) = (&u[1..], &y[1..]);
            let eta: Vec<T> = eta[1..].iter().map(|x| x.abs()).collect();

            let shift = simd::max_at(level, u);
            assert_eq!(shift, u.iter().fold(T::NEG_INFINITY, |a, &b| if b > a { b } else { a }));

            let scale = T::from_f64(0.7);
            let near = |got: T, want: f64, magnitude: f64, what: &str| {
                let off = (got.to_f64() - want).abs();
                assert!(off <= tolerance * (magnitude + 1e-30), "{what} {level:?} n = {n}: {got} {want}");
            };
            for eta in [None, Some(&eta[..])] {
                let mut out = vec![T::from_f64(-7.0); n + 1];
                let sum = simd::exp_weights_at(level, u, shift, scale, eta, &mut out[1..]);
                let mut total = 0.0;
                for i in 0..n {
                    let e = ((u[i] - shift) * scale).to_f64().exp() * eta.map_or(1.0, |eta| eta[i].to_f64());
                    near(out[i + 1], e, e, "exp_weights");
                    total += e;
                }
                near(sum, total, total, "sum of exp_weights");
                assert_eq!(out[0], T::from_f64(-7.0));
                if eta.is_none() {
                    let again = simd::exp_sum_at(level, u, shift, scale);
                    assert_eq!(sum, again, "exp_sum {level:?} n = {n}");
                }
            }
            near(simd::sum_at(level, &eta), eta.iter().map(|x| x.to_f64()).sum(), 4.0 * n as f64, "sum");
            let dot: f64 = u.iter().zip(y).map(|(a, b)| a.to_f64() * b.to_f64()).sum();
            near(simd::dot_at(level, u, y), dot, 16.0 * n as f64, "dot");
            let mut z = y.to_vec();
            simd::axpy_at(level, scale, u, &mut z);
            for i in 0..n {
                near(z[i], scale.to_f64() * u[i].to_f64() + y[i].to_f64(), 8.0, "axpy");
            }
        }
    }
}

#[test]
fn kernels_agree_with_plain_loops() {
    agree_with_plain_loops::<f64>(2e-15);
    agree_with_plain_loops::<f32>(8e-7);
}

/// Weights at and below the cut are zero, those above it right, in every place of a register.
fn tiny_weights_are_zero<T: Real>(cut: f64) {
    let n = 4003;
    let x: Vec<T> = (0..n)
        .map(|i| T::from_f64(cut * (0.9 + 0.2 * unit(i))))
        .chain([cut, cut * (1.0 + 1e-6), f64::NEG_INFINITY, -1e30].map(T::from_f64))
        .collect();
    let eta: Vec<T> = (0..x.len() as u64).map(|i| T::from_f64(0.5 + unit(i))).collect();
    for level in levels() {
        for eta in [None, Some(&eta[..])] {
            let mut out = vec![T::ONE; x.len()];
            simd::exp_weights_at(level, &x, T::ZERO, T::ONE, eta, &mut out);
            let mut kept = 0;
            for (i, (x, e)) in x.iter().zip(&out).enumerate() {
                if x.to_f64() <= cut {
                    assert_eq!(*e, T::ZERO, "{level:?}: {x}");
                } else {
                    let want = x.to_f64().exp() * eta.map_or(1.0, |eta| eta[i].to_f64());
                    assert!(ulps(*e, want) <= 2.5, "{level:?}: {x} gives {e}");
                    kept += 1;
                }
            }
            assert!(kept > n / 3);
        }
    }
}

#[test]
fn exp_weights_cuts_tiny_weights_off_and_softmax_does_not() {
    tiny_weights_are_zero::<f64>(-640.0);
    tiny_weights_are_zero::<f32>(-64.0);
    let mut p = [0.0_f32; 2];
    fenchel::logspace::softmax(&[0.0, -80.0], &mut p).unwrap();
    assert!(ulps(p[1], (-80f64).exp()) <= 2.0);
}

#[test]
fn max_passes_over_nan_and_exp_weights_does_not() {
    for level in levels() {
        for n in 1..80 {
            for at in 0..n {
                let mut x: Vec<f64> = (0..n).map(|i| -(i as f64)).collect();
                x[at] = f64::NAN;
                let want = match (at, n) {
                    (0, 1) => f64::NEG_INFINITY,
                    (0, _) => -1.0,
                    _ => 0.0,
                };
                assert_eq!(simd::max_at(level, &x), want);
                let mut out = vec![0.0; n];
                assert!(simd::exp_weights_at(level, &x, 0.0, 1.0, None, &mut out).is_nan());
                assert!(out[at].is_nan() && out.iter().filter(|e| e.is_nan()).count() == 1);
                assert!(simd::exp_sum_at(level, &x, 0.0, 1.0).is_nan());
            }
        }
    }
}

#[test]
fn sums_do_not_lose_terms() {
    // A plain f32 sum of 2^24 + 100 ones stalls at 2^24, one in 16 lanes at 2^28.
    let n = (1 << 24) + 100;
    let zeros = vec![0.0_f32; n];
    for level in levels() {
        assert_eq!(simd::exp_sum_at(level, &zeros, 0.0, 1.0), n as f32);
    }
    // Overflow is infinite, not NaN.
    for level in levels() {
        assert_eq!(simd::exp_sum_at(level, &[1e4_f64; 300], 0.0, 1.0), f64::INFINITY);
        assert_eq!(simd::sum_at(level, &[1e308_f64; 300]), f64::INFINITY);
    }
}

#[test]
fn vectorize_returns_what_the_closure_returns() {
    let x: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    assert_eq!(simd::vectorize(|| x.iter().map(|x| x * 2.0).sum::<f32>()), 999_000.0);
}

fn columns<T: Real>() {
    for (m, n) in [(1, 1), (3, 5), (4, 16), (5, 37), (9, 64), (2, 0), (7, 1023)] {
        let x: Vec<f64> = (0..m * n).map(|i| T::from_f64(unit(i as u64) - 0.5).to_f64()).collect();
        let w: Vec<f64> = (0..n).map(|i| T::from_f64(unit(9_000 + i as u64)).to_f64()).collect();
        let a: Vec<f64> = (0..m).map(|i| T::from_f64(unit(500 + i as u64) - 0.3).to_f64()).collect();
        let narrow = |x: &[f64]| x.iter().map(|x| T::from_f64(*x)).collect::<Vec<_>>();
        let (xs, ws, a_s) = (narrow(&x), narrow(&w), narrow(&a));
        let bound = 4.0 * (m.max(n) as f64) * T::EPSILON.to_f64();
        for level in levels() {
            let mut out = vec![T::from_f64(7.0); n];
            simd::combine_at(level, &xs, &a_s, &mut out);
            for (r, out) in out.iter().enumerate() {
                let want: f64 = (0..m).map(|j| a[j] * x[j * n + r]).sum();
                assert!((out.to_f64() - want).abs() <= bound, "{level:?} {m} {n} {r}");
            }
            // Added to what is there; above the diagonal nothing is touched.
            let mut gram = vec![T::ONE; m * m];
            simd::add_gram_at(level, &xs, &ws, &mut gram);
            for i in 0..m {
                for j in 0..m {
                    let sum: f64 = (0..n).map(|r| w[r] * x[i * n + r] * x[j * n + r]).sum();
                    let want = if j <= i { 1.0 + sum } else { 1.0 };
                    let off = (gram[i * m + j].to_f64() - want).abs();
                    assert!(off <= bound * (1.0 + n as f64 / 8.0), "{level:?} {m} {n} {i} {j}: {off}");
                }
            }
        }
    }
}

#[test]
fn products_with_columns() {
    columns::<f64>();
    columns::<f32>();
}

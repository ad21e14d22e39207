//! Speed of log-sum-exp, and of the two limits it runs against: reading memory, and exp in cache.
//!
//! `cargo bench -p fenchel --bench logsumexp` prints one JSON object a line: `name`, `numbers_per_second`
//! (the best of many runs), `level`, `threads`.

use std::hint::black_box;
use std::time::Instant;

use fenchel::logspace::{self, MatrixView};
use fenchel::simd::{self, Real};
use rayon::prelude::*;

const N: usize = 10_000_000;
const COLUMNS: usize = 1000;
/// Seconds spent on one measurement.
const BUDGET: f64 = 0.35;
/// Numbers that are in the first-level cache together with their exponentials.
const IN_CACHE: usize = 1024;

/// Standard-normal numbers (Box–Muller on a Weyl sequence hashed by SplitMix64).
fn normal<T: Real>(n: usize) -> Vec<T> {
    let unit = |i: usize| {
        let mut z = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let value = |i| {
        let radius = (-2.0 * (1.0 - unit(2 * i)).ln()).sqrt();
        T::from_f64(radius * (std::f64::consts::TAU * unit(2 * i + 1)).cos())
    };
    (0..n).into_par_iter().map(value).collect()
}

fn measure(name: &str, numbers: usize, mut run: impl FnMut()) {
    run();
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut runs = 0;
    while start.elapsed().as_secs_f64() < BUDGET || runs < 5 {
        let begin = Instant::now();
        run();
        best = best.min(begin.elapsed().as_secs_f64());
        runs += 1;
    }
    println!(
        "{{\"name\":\"{name}\",\"numbers_per_second\":{:.4e},\"level\":\"{}\",\"threads\":{}}}",
        numbers as f64 / best,
        simd::level().name(),
        rayon::current_num_threads()
    );
}

fn all<T: Real>() {
    let name = T::NAME;
    let x = normal::<T>(N);
    measure(&format!("logsumexp/{name}/whole"), N, || {
        black_box(logspace::logsumexp(black_box(&x)));
    });
    let rows = N / COLUMNS;
    let mut out = vec![T::ZERO; rows];
    measure(&format!("logsumexp/{name}/rows{COLUMNS}"), N, || {
        let view = MatrixView::new(black_box(&x), rows, COLUMNS).expect("rows times columns numbers");
        logspace::logsumexp_rows(view, &mut out).expect("one place a row");
        black_box(&out);
    });
    measure(&format!("machine/read/{name}"), N, || {
        let sum: T = black_box(&x).par_chunks(1 << 16).map(plain_sum).sum();
        black_box(sum);
    });
    // All threads at once, each on its own piece of cache.
    let repeats = 2000;
    let threads = rayon::current_num_threads();
    measure(&format!("machine/exp/{name}"), threads * repeats * IN_CACHE, || {
        rayon::broadcast(|_| {
            let mut out = [T::ZERO; IN_CACHE];
            for _ in 0..repeats {
                simd::exp_into(black_box(&x[..IN_CACHE]), black_box(&mut out));
            }
        });
    });
    let begin = x.len() / 2;
    let piece = &x[begin..begin + 2048];
    measure(&format!("one-thread/cache/{name}"), repeats * piece.len(), || {
        for _ in 0..repeats {
            black_box(logspace::logsumexp(black_box(piece)));
        }
    });
    measure(&format!("one-thread/exp_weights/{name}"), repeats * IN_CACHE, || {
        let mut out = [T::ZERO; IN_CACHE];
        for _ in 0..repeats {
            let x = black_box(&x[..IN_CACHE]);
            black_box(simd::exp_weights(x, T::ONE, T::ONE, None, black_box(&mut out)));
        }
    });
}

/// A sum as fast as memory allows: 64 lanes, no compensation.
fn plain_sum<T: Real>(x: &[T]) -> T {
    simd::vectorize(|| {
        let mut lanes = [T::ZERO; 64];
        let mut chunks = x.chunks_exact(64);
        for chunk in chunks.by_ref() {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += *x;
            }
        }
        lanes.into_iter().chain(chunks.remainder().iter().copied()).sum()
    })
}

fn main() {
    all::<f64>();
    all::<f32>();
}

//! Sources: moments, distributions, numbered samples, scrambled nets, names.
//!
//! Statistical tests run on fixed seeds; the bounds are such that a correct sampler would fail one of them with
//! probability below 1e-4 for a fresh seed.

use fenchel::measure::{
    Ball, Design, FromFn, Gaussian, Mixture, PointCloud, Rng, Sampler, Simplex, Sobol, Source, Sphere,
    UniformBox, draw_points, normal_quantile, parse, registry, stream,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn sample(source: &dyn Source, design: Design, seed: u64, n: usize) -> Vec<f64> {
    let mut out = vec![f64::NAN; n * source.dim()];
    draw_points(source, design, seed, 1, 0, n, &mut out).unwrap();
    out
}

fn every_source() -> Vec<Arc<dyn Source>> {
    let mut all: Vec<Arc<dyn Source>> = Vec::new();
    for entry in registry() {
        for dim in [1, 2, 3, 4, 7] {
            all.push((entry.build)(dim).unwrap());
        }
    }
    all.push(Arc::new(Gaussian::new(&[1.0, -2.0], &[4.0, 1.5, 1.5, 1.0]).unwrap()));
    all.push(Arc::new(
        Gaussian::new(&[0.0, 0.0, 5.0], &[1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]).unwrap(),
    ));
    all.push(Arc::new(UniformBox::new(&[-3.0, 1.0], &[-1.0, 1.5]).unwrap()));
    let cloud =
        PointCloud::weighted(2, vec![0.0, 1.0, 5.0, -1.0, 9.0, 9.0, 2.0, 3.0], vec![1.0, 2.0, 0.0, 5.0]);
    all.push(Arc::new(cloud.unwrap()));
    all.push(Arc::new(PointCloud::new(1, vec![1.0, 2.0, 4.0, 8.0, 16.0]).unwrap()));
    let parts: Vec<Arc<dyn Source>> = vec![all[1].clone(), all[6].clone(), all[11].clone()];
    all.push(Arc::new(Mixture::new(parts, &[1.0, 0.0, 3.0]).unwrap()));
    all
}

/// Mean and variance of each coordinate against the exact ones. With 150 coordinates tested, five standard
/// errors of the mean leave 1e-4; the variance's standard error comes from the sample's fourth moment, and
/// six of them allow for that estimate.
#[test]
fn moments_of_independent_draws() {
    const N: usize = 40_000;
    for source in every_source() {
        let (mean, variance) = source.moments().unwrap();
        let points = sample(&*source, Design::Iid, 17, N);
        for k in 0..source.dim() {
            let column: Vec<f64> = points.iter().skip(k).step_by(source.dim()).copied().collect();
            let n = N as f64;
            let m = column.iter().sum::<f64>() / n;
            let v = column.iter().map(|x| (x - mean[k]).powi(2)).sum::<f64>() / n;
            let fourth = column.iter().map(|x| (x - mean[k]).powi(4)).sum::<f64>() / n;
            let name = source.name();
            assert!((m - mean[k]).abs() <= 5.0 * (variance[k] / n).sqrt() + 1e-12, "{name} [{k}]: mean {m}");
            let error = ((fourth - v * v).max(0.0) / n).sqrt();
            assert!((v - variance[k]).abs() <= 6.0 * error + 1e-12, "{name} [{k}]: variance {v}");
        }
    }
}

/// Averages over scrambled Sobol' points are unbiased and much closer: both moments within a tenth of the
/// independent standard error at n = 2^14 (in at most 8 dimensions; far below in the mean).
#[test]
fn moments_of_sobol_points() {
    const N: usize = 1 << 14;
    for source in every_source() {
        let (mean, variance) = source.moments().unwrap();
        assert_eq!(Sampler::new(&*source, Design::Sobol, 1, 1).design(), Design::Sobol);
        let points = sample(&*source, Design::Sobol, 5, N);
        for k in 0..source.dim() {
            let column: Vec<f64> = points.iter().skip(k).step_by(source.dim()).copied().collect();
            let n = N as f64;
            let m = column.iter().sum::<f64>() / n;
            let v = column.iter().map(|x| (x - mean[k]).powi(2)).sum::<f64>() / n;
            let fourth = column.iter().map(|x| (x - mean[k]).powi(4)).sum::<f64>() / n;
            let name = source.name();
            let slack = 1e-12 + 1.0 / n * variance[k].sqrt();
            assert!(
                (m - mean[k]).abs() <= 0.1 * (variance[k] / n).sqrt() + slack,
                "{name} [{k}]: mean {m} {}",
                mean[k]
            );
            let error = ((fourth - v * v).max(0.0) / n).sqrt();
            let slack = 1e-12 + 4.0 / n * variance[k];
            assert!(
                (v - variance[k]).abs() <= 0.25 * error + slack,
                "{name} [{k}]: variance {v} {}",
                variance[k]
            );
        }
    }
}

/// Kolmogorov's distance of a sample from a distribution function, times √n: above 2.5 with probability 7.5e-6.
fn kolmogorov(mut values: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let distance = values.iter().enumerate().fold(0.0f64, |most, (i, x)| {
        let f = distribution(*x);
        most.max(f - i as f64 / n).max((i as f64 + 1.0) / n - f)
    });
    distance * n.sqrt()
}

/// Scalar functions of the points whose distribution is known, for both designs: the two roads to a point
/// (drawing, and mapping the cube) must lead to the same measure.
#[test]
fn distributions() {
    const N: usize = 20_000;
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    // Φ by bisection of its inverse, which is tested against high precision elsewhere.
    let phi = |x: f64| {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if normal_quantile(middle) < x { low = middle } else { high = middle }
        }
        low
    };
    type Check = (Arc<dyn Source>, Box<dyn Fn(&[f64]) -> f64>, Box<dyn Fn(f64) -> f64>);
    let mut checks: Vec<Check> = Vec::new();
    let gaussian: Arc<dyn Source> = Arc::new(Gaussian::new(&[1.0, 2.0], &[4.0, 1.0, 1.0, 1.0]).unwrap());
    checks.push((gaussian, Box::new(|x| (x[0] - x[1] + 1.0) / 3f64.sqrt()), Box::new(phi)));
    checks.push((parse("gaussian:2").unwrap(), Box::new(norm), Box::new(|r| 1.0 - (-0.5 * r * r).exp())));
    for dim in [1usize, 2, 3, 4, 6] {
        let ball: Arc<dyn Source> = Arc::new(Ball::new(dim).unwrap());
        checks.push((ball, Box::new(norm), Box::new(move |r| r.powi(dim as i32))));
    }
    // A coordinate on the 2-sphere is uniform; the angle on the circle is; on the 3-sphere, the density of x is
    // ∝ √(1 − x²).
    let sphere = |dim| -> Arc<dyn Source> { Arc::new(Sphere::new(dim).unwrap()) };
    for k in 0..3 {
        checks.push((sphere(3), Box::new(move |x| x[k]), Box::new(|z| 0.5 * (z + 1.0))));
    }
    checks.push((sphere(2), Box::new(|x| x[1].atan2(x[0])), Box::new(|a| 0.5 + a / std::f64::consts::TAU)));
    let semicircle = |x: f64| 0.5 + (x * (1.0 - x * x).sqrt() + x.asin()) / std::f64::consts::PI;
    checks.push((sphere(4), Box::new(|x| x[2]), Box::new(semicircle)));
    for (dim, k) in [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (5, 1), (5, 4)] {
        let simplex: Arc<dyn Source> = Arc::new(Simplex::new(dim).unwrap());
        let rest = dim as i32 - 1;
        checks.push((simplex, Box::new(move |x| x[k]), Box::new(move |t| 1.0 - (1.0 - t).powi(rest))));
    }
    for (source, scalar, distribution) in &checks {
        for design in [Design::Iid, Design::Sobol] {
            let points = sample(&**source, design, 23, N);
            let values = points.chunks_exact(source.dim()).map(scalar).collect();
            let distance = kolmogorov(values, distribution);
            assert!(distance < 2.5, "{} {design:?}: {distance}", source.name());
        }
    }
}

#[test]
fn points_lie_where_they_must() {
    for design in [Design::Iid, Design::Sobol] {
        for dim in [1, 2, 3, 4, 9] {
            for (name, inside) in [
                (
                    "ball",
                    (|x: &[f64]| x.iter().map(|x| x * x).sum::<f64>() <= 1.0 + 1e-14) as fn(&[f64]) -> bool,
                ),
                ("sphere", |x| (x.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-14),
                ("simplex", |x| x.iter().all(|x| *x >= 0.0) && (x.iter().sum::<f64>() - 1.0).abs() < 1e-14),
                ("uniform", |x| x.iter().all(|x| *x > 0.0 && *x < 1.0)),
            ] {
                let source = parse(&format!("{name}:{dim}")).unwrap();
                assert!(sample(&*source, design, 3, 2000).chunks_exact(dim).all(inside), "{name}:{dim}");
            }
        }
    }
}

/// χ² of drawn indices against the weights (3 degrees of freedom: above 25 with probability 2e-5), and exact
/// shares from a net.
#[test]
fn clouds_and_mixtures_follow_their_weights() {
    let weights = vec![0.0, 1.0, 2.0, 0.0, 4.0, 1.0, 0.0];
    let cloud = PointCloud::weighted(1, (0..7).map(f64::from).collect(), weights.clone()).unwrap();
    let parts = (0..7).map(|i| Arc::new(PointCloud::new(1, vec![f64::from(i)]).unwrap()) as Arc<dyn Source>);
    let mixture = Mixture::new(parts.collect(), &weights).unwrap();
    for source in [&cloud as &dyn Source, &mixture] {
        let counts = |points: Vec<f64>| {
            let mut counts = [0.0; 7];
            points.iter().for_each(|x| counts[*x as usize] += 1.0);
            counts
        };
        let drawn = counts(sample(source, Design::Iid, 9, 8000));
        let chi2: f64 = (0..7)
            .filter(|i| weights[*i] > 0.0)
            .map(|i| (drawn[i] - 1000.0 * weights[i]).powi(2) / (1000.0 * weights[i]))
            .sum();
        assert!(chi2 < 25.0, "{}: {drawn:?}", source.name());
        assert_eq!(drawn[0] + drawn[3] + drawn[6], 0.0);
        let net = counts(sample(source, Design::Sobol, 9, 8192));
        for i in 0..7 {
            assert_eq!(net[i], 1024.0 * weights[i], "{}: {net:?}", source.name());
        }
    }
}

/// One point of the numbered sample, however it is asked for.
#[test]
fn numbered_samples_do_not_depend_on_the_asking() {
    for source in every_source() {
        for design in [Design::Iid, Design::Sobol] {
            let (dim, sampler) = (source.dim(), Sampler::new(&*source, design, 41, 2));
            let mut all = vec![0.0; 1500 * dim];
            sampler.fill(0, &mut all).unwrap();
            for (start, n) in [(0, 1), (1, 255), (255, 2), (256, 256), (300, 700), (1499, 1), (7, 0)] {
                let mut part = vec![f64::NAN; n * dim];
                sampler.fill(start as u64, &mut part).unwrap();
                assert_eq!(
                    part,
                    all[start * dim..(start + n) * dim],
                    "{} {design:?} {start}+{n}",
                    source.name()
                );
            }
            let mut other = vec![0.0; 1500 * dim];
            for (seed, purpose) in [(41, 3), (42, 2)] {
                draw_points(&*source, design, seed, purpose, 0, 1500, &mut other).unwrap();
                // One point, or two of which a net takes every other one, leave no choice.
                let trivial = ["simplex:1", "sphere:1"].contains(&source.name().as_str());
                assert!(other != all || trivial, "{}", source.name());
            }
        }
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let source = parse("ball:3").unwrap();
    for design in [Design::Iid, Design::Sobol] {
        let runs: Vec<Vec<f64>> = [1, 2, 5]
            .into_iter()
            .map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| sample(&*source, design, 3, 10_007))
            })
            .collect();
        assert!(runs[0] == runs[1] && runs[1] == runs[2]);
    }
}

/// Every two-dimensional projection of a few coordinates is spread: each of the n dyadic rectangles of every
/// shape holds few of n points, and in the first two coordinates (a net with t = 0) exactly one.
#[test]
fn nets_in_two_dimensions() {
    let bits = 8u32;
    let n = 1usize << bits;
    let mut points = vec![0.0; n * 12];
    Sobol::new(12, 77).unwrap().fill(0, &mut points);
    for (a, b) in (0..12).flat_map(|b| (0..b).map(move |a| (a, b))) {
        for left in 0..=bits {
            let mut counts = vec![0; n];
            for point in points.chunks_exact(12) {
                let i = (point[a] * f64::from(1u32 << left)) as usize;
                let j = (point[b] * f64::from(1u32 << (bits - left))) as usize;
                counts[(i << (bits - left)) + j] += 1;
            }
            let most = *counts.iter().max().unwrap();
            assert!(if (a, b) == (0, 1) { most == 1 } else { most <= 16 }, "({a}, {b}), 2^{left}: {most}");
        }
    }
}

/// Over scramblings a single point is uniform: Kolmogorov on each of a few points and coordinates, and the
/// pairs of coordinates in 4 × 4 cells (15 degrees of freedom: above 50 with probability 1.2e-5).
#[test]
fn scrambling_makes_each_point_uniform() {
    const SEEDS: u64 = 4000;
    for index in [0, 1, 5, 1 << 31] {
        let points: Vec<[f64; 3]> = (0..SEEDS)
            .map(|seed| {
                let mut point = [0.0; 3];
                Sobol::new(3, seed).unwrap().fill(index, &mut point);
                point
            })
            .collect();
        for k in 0..3 {
            let distance = kolmogorov(points.iter().map(|p| p[k]).collect(), |u| u);
            assert!(distance < 2.5, "point {index}, coordinate {k}: {distance}");
            let mut cells = [0.0; 16];
            for p in &points {
                cells[(p[k] * 4.0) as usize * 4 + (p[(k + 1) % 3] * 4.0) as usize] += 1.0;
            }
            let mean = SEEDS as f64 / 16.0;
            let chi2: f64 = cells.iter().map(|c: &f64| (c - mean).powi(2) / mean).sum();
            assert!(chi2 < 50.0, "point {index}, coordinates {k} and next: {chi2}");
        }
    }
}

/// The mean of a smooth function over scrambled points: unbiased over 64 scramblings (four standard errors), and
/// far more accurate than independent draws (whose standard error would be 0.0176/√n·…).
#[test]
fn integration_beats_independent_draws() {
    let n = 1024;
    let f =
        |x: &[f64]| x.iter().enumerate().map(|(k, x)| 1.0 + (x - 0.5) / (k as f64 + 1.0)).product::<f64>();
    let means: Vec<f64> = (0..64)
        .map(|seed| {
            let mut points = vec![0.0; n * 5];
            Sobol::new(5, seed).unwrap().fill(0, &mut points);
            points.chunks_exact(5).map(f).sum::<f64>() / n as f64
        })
        .collect();
    let average = means.iter().sum::<f64>() / 64.0;
    let deviation = (means.iter().map(|m| (m - average).powi(2)).sum::<f64>() / 63.0).sqrt();
    // Var f = Π(1 + 1/(12k²)) − 1 = 0.128; independent draws would deviate by √(0.128/1024) = 0.0112.
    assert!((average - 1.0).abs() < 4.0 * deviation / 8.0, "{average} ± {deviation}");
    assert!(deviation < 0.0112 / 50.0, "{deviation}");
}

#[test]
fn sources_without_a_map_or_with_too_many_numbers_are_drawn() {
    let ring =
        FromFn::new(2, |rng: &mut Rng, x: &mut [f64]| x.fill_with(|| rng.normal())).unwrap().named("ring");
    assert_eq!(Sampler::new(&ring, Design::Sobol, 1, 1).design(), Design::Iid);
    assert_eq!(sample(&ring, Design::Sobol, 1, 300), sample(&ring, Design::Iid, 1, 300));
    let wide = parse(&format!("gaussian:{}", Sobol::MAX_DIM + 1)).unwrap();
    assert_eq!(Sampler::new(&*wide, Design::Sobol, 1, 1).design(), Design::Iid);
    let mixture = Mixture::new(vec![Arc::new(ring), parse("ball:2").unwrap()], &[1.0, 1.0]).unwrap();
    assert_eq!((mixture.uniforms(), mixture.moments()), (None, None));
}

#[test]
fn a_closure_that_makes_nonsense_is_named() {
    let bad = FromFn::new(2, |_: &mut Rng, x: &mut [f64]| x[1] = f64::NAN).unwrap().named("mine");
    let mut out = [0.0; 6];
    let message = draw_points(&bad, Design::Iid, 1, 1, 255, 3, &mut out).unwrap_err().to_string();
    assert_eq!(message, "source mine at point 255, coordinate 1 is NaN; it must be a finite number");
    assert!(draw_points(&bad, Design::Iid, 1, 1, 0, 2, &mut out).is_err());
    assert!(Sampler::new(&bad, Design::Iid, 1, 1).fill(0, &mut out[..5]).is_err());
}

/// A source that counts its points, and so has to be asked for them in order.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Source for Counting {
    fn dim(&self) -> usize {
        1
    }
    fn name(&self) -> String {
        "counting".into()
    }
    fn draw(&self, _: &mut Rng, out: &mut [f64]) {
        out.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed) as f64);
    }
    fn in_order(&self) -> bool {
        true
    }
}

#[test]
fn sources_with_a_state_are_drawn_in_order() {
    let points = sample(&Counting::default(), Design::Sobol, 1, 100_000);
    assert!(points.iter().enumerate().all(|(i, x)| *x == i as f64));
}

#[test]
fn covariances() {
    let sound = Gaussian::new(&[0.0; 3], &[2.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
    assert_eq!(sound.moments().unwrap().1[2], 0.0);
    // Scale does not matter, rank does not matter.
    for scale in [1e-300, 1e-12, 1.0, 1e12, 1e300] {
        let g = Gaussian::new(&[0.0; 2], &[scale, scale, scale, scale]).unwrap();
        for x in sample(&g, Design::Iid, 1, 50).chunks_exact(2) {
            assert!((x[0] - x[1]).abs() <= 1e-7 * scale.sqrt(), "{x:?}");
        }
        assert!(Gaussian::new(&[0.0; 2], &[scale, 1.01 * scale, 1.01 * scale, scale]).is_err());
    }
    for (mean, covariance, says) in [
        (vec![0.0; 2], vec![1.0, 2.0, 2.0, 1.0], "positive semidefinite"),
        (vec![0.0; 2], vec![1.0, 0.5, 0.4, 1.0], "symmetric"),
        (vec![0.0; 2], vec![-1.0, 0.0, 0.0, 1.0], "variance"),
        (vec![0.0; 2], vec![0.0, 0.5, 0.5, 1.0], "positive semidefinite"),
        // Every pair is a covariance, all three are not.
        (vec![0.0; 3], vec![1.0, 0.9, -0.9, 0.9, 1.0, 0.9, -0.9, 0.9, 1.0], "an eigenvalue is negative"),
        (vec![0.0; 2], vec![1.0, 0.0, 1.0], "2 × 2"),
        (vec![0.0; 2], vec![1.0, 0.0, f64::NAN, 1.0], "row 1, column 0"),
        (vec![f64::INFINITY], vec![1.0], "mean"),
        (vec![], vec![], "at least 1"),
    ] {
        let message = Gaussian::new(&mean, &covariance).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn bad_clouds_and_boxes_are_named() {
    for (cloud, says) in [
        (PointCloud::new(0, vec![1.0]), "at least 1"),
        (PointCloud::new(2, vec![]), "at least one row"),
        (PointCloud::new(2, vec![1.0; 3]), "rows of 2 numbers"),
        (PointCloud::new(2, vec![1.0, 2.0, f64::NAN, 1.0]), "row 1, column 0"),
        (PointCloud::weighted(1, vec![1.0, 2.0], vec![1.0]), "2 numbers"),
        (PointCloud::weighted(1, vec![1.0, 2.0], vec![1.0, -1.0]), "weight 1 is -1"),
        (PointCloud::weighted(1, vec![1.0, 2.0], vec![0.0, 0.0]), "every weight is zero"),
        (PointCloud::weighted(1, vec![1.0, 2.0], vec![1e308, 1e308]), "divide"),
        (PointCloud::weighted(1, vec![1.0, 2.0], vec![f64::INFINITY, 1.0]), "index 0"),
    ] {
        let message = cloud.unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
    assert!(UniformBox::new(&[0.0, 2.0], &[1.0, 1.0]).unwrap_err().to_string().contains("lower corner [1]"));
    assert!(UniformBox::new(&[0.0], &[1.0, 1.0]).is_err());
    assert!(UniformBox::new(&[-1e308], &[1e308]).is_err());
    assert!(Mixture::new(vec![], &[]).is_err());
    assert!(Mixture::new(vec![parse("ball:2").unwrap(), parse("ball:3").unwrap()], &[1.0, 1.0]).is_err());
}

#[test]
fn names() {
    for entry in registry() {
        let source = parse(&format!("{}:3", entry.name)).unwrap();
        assert_eq!((source.dim(), source.name()), (3, format!("{}:3", entry.name)));
    }
    for (bad, says) in [
        ("gausian:2", "did you mean 'gaussian'?"),
        ("gaussian", "for instance gaussian:2"),
        ("ball:0", "from 1 to"),
        ("ball:-1", "from 1 to"),
        ("ball:2.5", "from 1 to"),
        ("ball:99999999999999999999999", "from 1 to"),
        ("ball:", "for instance ball:2"),
        ("", "unknown source"),
    ] {
        let message = parse(bad).unwrap_err().to_string();
        assert!(message.contains(says), "{bad}: {message}");
    }
}

/// Known words, from an independent implementation in another language: a change would change every recorded
/// result.
#[test]
fn streams_stay_what_they_are() {
    let words = |seed, purpose, block| stream(seed, purpose, block).next_u64();
    assert_eq!(words(0, 0, 0), STREAM_000);
    assert_eq!(words(1, 2, 3), STREAM_123);
    let mut point = [0.0; 2];
    Sobol::new(2, 1).unwrap().fill(3, &mut point);
    assert_eq!(point.map(f64::to_bits), SOBOL_1_3);
}

const STREAM_000: u64 = 13455478169099370058;
const STREAM_123: u64 = 8987842135230422633;
const SOBOL_1_3: [u64; 2] = [4603472065912568509, 4590259535928264472];

proptest! {
    #[test]
    fn any_name_parses_or_explains(name in "\\PC{0,12}|(gaussian|ball|simplex):?[0-9.e-]{0,7}") {
        match parse(&name) {
            Ok(source) => prop_assert!(source.dim() >= 1),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn any_cloud_is_refused_or_drawn_from(
        points in prop::collection::vec(any::<f64>(), 0..12),
        weights in prop::collection::vec(prop_oneof![any::<f64>(), 0.0..1.0, Just(0.0)], 0..6),
        dim in 0..4usize,
    ) {
        if let Ok(cloud) = PointCloud::weighted(dim, points, weights) {
            for design in [Design::Iid, Design::Sobol] {
                let mut out = vec![0.0; 50 * dim];
                draw_points(&cloud, design, 1, 1, 0, 50, &mut out).unwrap();
                let weights = cloud.weights().unwrap();
                for point in out.chunks_exact(dim) {
                    let known = (0..cloud.len()).any(|i| weights[i] > 0.0 && cloud.point(i) == point);
                    prop_assert!(known, "{:?} drawn from {:?}", point, cloud);
                }
            }
        }
    }

    /// Any covariance AAᵀ is accepted, and reproduced in its diagonal.
    #[test]
    fn any_gram_matrix_is_a_covariance(a in prop::collection::vec(-10.0..10.0f64, 16), rank in 1..5usize, e in -100..100i32) {
        let scale = 2f64.powi(e);
        let entry = |i: usize, j: usize| (0..rank).map(|k| a[i * 4 + k] * scale * (a[j * 4 + k] * scale)).sum::<f64>();
        let covariance: Vec<f64> = (0..16).map(|at| entry(at / 4, at % 4)).collect();
        let gaussian = Gaussian::new(&[0.0; 4], &covariance).unwrap();
        for (i, v) in gaussian.moments().unwrap().1.iter().enumerate() {
            prop_assert!((v - covariance[i * 5]).abs() <= 1e-12 * covariance[i * 5]);
        }
    }
}

//! Speed of semi-discrete transport.
//!
//! `cargo bench -p fenchel --bench transport` times the stochastic gradient and prints one JSON object a
//! line: `name`, `pairs_per_second` (sample–atom pairs, the best of many runs), `threads`.
//!
//! `cargo bench -p fenchel --bench transport -- --solve ATOMS.npy --lambda 0.01 --tolerance 0.1 --seed 1`
//! solves one problem from cold (standard Gaussian source, uniform weights, squared Euclidean, KL or another
//! `--divergence`) with the default solver and prints, a line for each potential it went through, `seconds` since the start of the
//! process's main function and `potential`; in the end those of the solution, with `certified`.

use std::hint::black_box;
use std::time::Instant;

use fenchel::measure::file::Table;
use fenchel::measure::{self, PointCloud, Rng};
use fenchel::optim::{Flow, Progress};
use fenchel::transport::{Lambda, Scalar, SemiDiscrete, Settings};
use fenchel::{Result, cost, divergence};

/// Samples a step.
const BATCH: usize = 256;
/// Seconds spent on one measurement.
const BUDGET: f64 = 0.5;

fn problem(dim: usize, atoms: Vec<f64>, divergence: &str, lambda: f64) -> Result<SemiDiscrete> {
    SemiDiscrete::new(
        measure::parse(&format!("gaussian:{dim}"))?,
        PointCloud::new(dim, atoms)?,
        cost::parse("sqeuclidean")?,
        divergence::parse(divergence)?,
        Lambda::Absolute(lambda),
    )
}

fn normals(rng: &mut Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| rng.normal()).collect()
}

fn gradient<T: Scalar>(precision: &str, n: usize, dim: usize) -> Result<()> {
    let mut rng = Rng::new(1);
    let atoms = normals(&mut rng, n * dim);
    let mut oracle = problem(dim, atoms, "kl", 0.1)?.oracle::<T>(0)?;
    let xs: Vec<T> = normals(&mut rng, BATCH * dim).into_iter().map(T::number).collect();
    let phi = vec![T::number(0.0); n];
    let mut gradient = phi.clone();
    oracle.evaluate(&xs, &phi, &mut gradient)?;
    let (begin, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while begin.elapsed().as_secs_f64() < BUDGET || runs < 5 {
        let start = Instant::now();
        oracle.evaluate(black_box(&xs), black_box(&phi), &mut gradient)?;
        best = best.min(start.elapsed().as_secs_f64());
        black_box(&gradient);
        runs += 1;
    }
    println!(
        "{{\"name\":\"dense-gradient/{precision}/n{n}-d{dim}\",\"pairs_per_second\":{:.4e},\"threads\":{}}}",
        (n * BATCH) as f64 / best,
        rayon::current_num_threads()
    );
    Ok(())
}

/// What follows `flag` among the arguments.
fn argument<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    let place = arguments.iter().position(|a| a == flag)?;
    arguments.get(place + 1).map(String::as_str)
}

fn number<N: std::str::FromStr>(arguments: &[String], flag: &str, default: N) -> Result<N> {
    argument(arguments, flag)
        .map_or(Ok(default), |text| text.parse().map_err(|_| fenchel::Error::invalid(flag, text, "a number")))
}

fn solve(start: Instant, path: &str, arguments: &[String]) -> Result<()> {
    let table = Table::read(path)?;
    let divergence = argument(arguments, "--divergence").unwrap_or("kl");
    let lambda = number(arguments, "--lambda", 0.01)?;
    let problem = problem(table.width(), table.values().to_vec(), divergence, lambda)?;
    let settings = Settings {
        tolerance: number(arguments, "--tolerance", Settings::default().tolerance)?,
        seed: number(arguments, "--seed", 0)?,
        ..Settings::default()
    };
    let mut potentials: Vec<(f64, Vec<f64>)> = Vec::new();
    let mut note = |progress: &Progress<'_>| {
        // While atoms are merged there is nothing to judge yet.
        if progress.phase == "solving" && !progress.iterate.is_empty() {
            potentials.push((start.elapsed().as_secs_f64(), progress.iterate.to_vec()));
        }
        Flow::Continue
    };
    let solution = problem.solve(&settings, &mut note)?;
    let seconds = start.elapsed().as_secs_f64();
    for (seconds, potential) in potentials {
        println!("{}", serde_json::json!({"name": "solve", "seconds": seconds, "potential": potential}));
    }
    let solved = serde_json::json!({
        "name": "solve",
        "seconds": seconds,
        "certified": solution.status,
        "samples": solution.samples,
        "potential": solution.potential,
    });
    println!("{solved}");
    Ok(())
}

fn main() -> Result<()> {
    let start = Instant::now();
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(path) = argument(&arguments, "--solve") {
        return solve(start, path, &arguments);
    }
    for (n, dim) in [(10_000, 2), (1_000, 64)] {
        gradient::<f32>("f32", n, dim)?;
        gradient::<f64>("f64", n, dim)?;
    }
    Ok(())
}

//! Speed of robust learning.
//!
//! `cargo bench -p fenchel --bench robust -- --fit TABLE.npy --divergence kl --lambda 1` fits a linear model of the last
//! column by the others with squared loss, exactly, several times, and prints one JSON object: `seconds` (the best),
//! `objective`, `gap`, `status`, `iterations`. `--tolerance` is that of the certified gap.
//!
//! `… -- --train TABLE.npy --method joint --lambda 1 --batch 10` trains by joint stochastic gradients, with the step and ρ of
//! `--step` and `--rho`, and prints `epochs_per_second`; `--method passes` by passes, with nothing to tune.

use fenchel::measure::file::Table;
use fenchel::optim::Silent;
use fenchel::robust::{Examples, Linear, Options, Passes, Precision, Risk, Sgd, Strength, loss};
use fenchel::{Error, Result, divergence};
use std::time::Instant;

/// Seconds spent on one measurement, and the fewest runs.
const BUDGET: f64 = 2.0;
const RUNS: u32 = 3;

/// What follows `flag` among the arguments.
fn argument<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    let place = arguments.iter().position(|a| a == flag)?;
    arguments.get(place + 1).map(String::as_str)
}

fn number<N: std::str::FromStr>(arguments: &[String], flag: &str, default: N) -> Result<N> {
    argument(arguments, flag)
        .map_or(Ok(default), |text| text.parse().map_err(|_| Error::invalid(flag, text, "a number")))
}

/// The last column by the others.
fn examples(path: &str) -> Result<Examples> {
    let table = Table::read(path)?;
    let width = table.width() - 1;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for row in table.values().chunks_exact(width + 1) {
        x.extend_from_slice(&row[..width]);
        y.push(row[width]);
    }
    Examples::new(width, x, y)
}

/// The best of several runs, in seconds.
fn best<T>(mut run: impl FnMut() -> Result<T>) -> Result<(f64, T)> {
    let (begin, mut shortest, mut runs, mut last) = (Instant::now(), f64::INFINITY, 0, None);
    while runs < RUNS || begin.elapsed().as_secs_f64() < BUDGET {
        let start = Instant::now();
        last = Some(run()?);
        shortest = shortest.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    last.map(|last| (shortest, last)).ok_or_else(|| Error::shape("runs", "at least one", 0))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let (fit, train) = (argument(&arguments, "--fit"), argument(&arguments, "--train"));
    let Some(path) = fit.or(train) else {
        println!("nothing to do: give --fit TABLE.npy or --train TABLE.npy");
        return Ok(());
    };
    let examples = examples(path)?;
    let name = argument(&arguments, "--divergence").unwrap_or("kl");
    let risk = Risk::new(divergence::parse(name)?, Strength::Penalty(number(&arguments, "--lambda", 1.0)?))?;
    let loss = loss::parse("squared")?;
    let fresh = || Linear::new(&examples, loss.clone(), risk.clone(), Options::default());
    let line = if fit.is_some() {
        let precision =
            Precision { tolerance: number(&arguments, "--tolerance", 1e-9)?, ..Precision::default() };
        let (seconds, fit) = best(|| fresh()?.fit(&precision, &mut Silent))?;
        serde_json::json!({
            "name": "fit", "seconds": seconds, "objective": fit.objective, "gap": fit.gap,
            "status": fit.status, "iterations": fit.iterations,
        })
    } else {
        // The certificate at the end is counted, and spread over the passes.
        let epochs = (2_000_000 / examples.len()).clamp(10, 100) as u32;
        let batch = number(&arguments, "--batch", 100)?;
        let passes = Passes { batch, epochs, ..Passes::default() };
        let joint = Sgd {
            batch,
            epochs,
            step: Some(number(&arguments, "--step", 1e-6)?),
            rho: Some(number(&arguments, "--rho", 0.1)?),
            ..Sgd::default()
        };
        let method = argument(&arguments, "--method").unwrap_or("joint");
        let (seconds, trained) = best(|| match method {
            "joint" => fresh()?.sgd(&joint, 1e-2, None, &mut Silent),
            "passes" => fresh()?.passes(&passes, 1e-300, None, &mut Silent),
            other => Err(Error::unknown("method", other, ["joint", "passes"])),
        })?;
        let made = trained.history.len() - 1;
        serde_json::json!({
            "name": "train", "epochs_per_second": made as f64 / seconds,
            "objective": trained.fit.objective, "status": trained.fit.status,
        })
    };
    println!("{line}");
    Ok(())
}

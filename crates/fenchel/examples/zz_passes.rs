#![allow(missing_docs)]
use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::optim::Silent;
use fenchel::robust::loss;
use fenchel::robust::{Examples, Linear, Options, Passes, Precision, Risk, Strength};
use std::io::Read;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mut text = String::new();
    std::fs::File::open("/work/shared/data/california_housing.csv")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let (mut x, mut y) = (vec![], vec![]);
    for line in text.lines().skip(1) {
        let v: Vec<f64> = line.split(',').map(|v| v.parse().unwrap()).collect();
        x.extend(&v[..8]);
        y.push(v[8]);
    }
    let raw = Examples::new(8, x, y).unwrap();
    let m = raw.moments(true);
    let scale: f64 = std::env::var("SCALE").map_or(1.0, |s| s.parse().unwrap());
    let x: Vec<f64> =
        raw.features().iter().enumerate().map(|(i, x)| (x - m[i % 8].0) / m[i % 8].1 * scale).collect();
    let ex = Examples::new(8, x, raw.labels().to_vec()).unwrap();
    let only = args.get(1).cloned().unwrap_or_default();
    let starts: Vec<f64> =
        args.get(2).map_or(vec![0.0, 100.0], |s| s.split(',').map(|s| s.parse().unwrap()).collect());
    let batches: Vec<usize> =
        args.get(3).map_or(vec![10, 100, 1000], |s| s.split(',').map(|s| s.parse().unwrap()).collect());
    let radius = args.get(4).is_some_and(|s| s == "radius");
    let cases: Vec<(&str, Vec<f64>)> = if radius {
        vec![
            ("kl", vec![0.001, 0.01, 0.1, 1.0, 3.0]),
            ("chi2", vec![0.01, 0.1, 1.0, 10.0]),
            ("kl-cvar:0.1", vec![0.1, 1.0]),
            ("cvar:0.1", vec![1.0]),
            ("mean", vec![0.0]),
        ]
    } else {
        vec![
            ("kl", vec![0.1, 1.0, 3.0, 10.0, 100.0]),
            ("chi2", vec![0.1, 1.0, 3.0, 10.0, 100.0]),
            ("cvar:0.1", vec![1.0]),
            ("cvar:0.01", vec![1.0]),
            ("none", vec![1.0]),
        ]
    };
    for (name, lambdas) in cases {
        if !only.is_empty() && !only.split(',').any(|o| name.starts_with(o)) {
            continue;
        }
        for l in lambdas {
            let risk = if name == "mean" {
                Risk::mean()
            } else {
                Risk::new(
                    divergence::parse(name).unwrap(),
                    if radius { Strength::Radius(l) } else { Strength::Penalty(l) },
                )
                .unwrap()
            };
            let tol = if risk.is_smooth() { 1e-9 } else { 1e-6 };
            let model = Linear::new(&ex, loss::parse("squared").unwrap(), risk, Options::default()).unwrap();
            let exact =
                model.fit(&Precision { tolerance: tol, ..Precision::default() }, &mut Silent).unwrap();
            for batch in &batches {
                for start in &starts {
                    let (mut w3, mut w5, mut w50, mut wg, mut wb, mut bad, mut most, mut conv) =
                        (0.0f64, 0.0f64, 0.0f64, 0.0f64, 0.0f64, 0, 0, 0);
                    let time = std::time::Instant::now();
                    let seeds: u64 = std::env::var("SEEDS").map_or(3, |s| s.parse().unwrap());
                    for seed in 0..seeds {
                        let mut rng = Rng::new(seed + 5);
                        let c: Vec<f64> = (0..9).map(|_| start * rng.normal()).collect();
                        let p = Passes { batch: *batch, epochs: 50, seed };
                        let r = model.passes(
                            &p,
                            1e-4,
                            if *start > 0.0 { Some((&c[8..], &c[..8])) } else { None },
                            &mut Silent,
                        );
                        let r = match r {
                            Ok(r) => r,
                            Err(e) => {
                                println!("{name} {l}: {e}");
                                continue;
                            }
                        };
                        let off = |k: usize| {
                            100.0
                                * (r.history.iter().take(k + 1).copied().fold(f64::INFINITY, f64::min)
                                    / exact.objective
                                    - 1.0)
                        };
                        let flag = if off(5) > 10.0 || off(50) > 1.0 { "BAD" } else { "" };
                        w3 = w3.max(off(3));
                        w5 = w5.max(off(5));
                        w50 = w50.max(off(50));
                        wg = wg.max(r.fit.gap / r.fit.objective);
                        wb = wb.max((exact.objective - r.fit.lower_bound) / exact.objective);
                        if r.fit.lower_bound > exact.objective * (1.0 + 2.0 * tol) {
                            println!("BOUND WRONG");
                        }
                        most = most.max(r.history.len() - 1);
                        conv += usize::from(r.fit.status.is_converged());
                        bad += usize::from(flag == "BAD");
                        if flag == "BAD" && std::env::var("SHOW").is_ok() {
                            println!("   seed {seed} 5: {} 50: {}", off(5), off(50));
                        }
                        if std::env::var("HIST").is_ok() {
                            println!(
                                "   exact {:.5} {:?}",
                                exact.objective,
                                r.history.iter().take(51).map(|h| format!("{h:.4}")).collect::<Vec<_>>()
                            );
                        }
                    }
                    println!(
                        "{name:9} {l:6} b{batch:<5} start {start:<6} | 3: {w3:9.3}% 5: {w5:9.4}% 50: {w50:8.4}% | passes {most:2} conv {conv}/{seeds} gap {wg:.1e} bound {wb:.1e} {:.2}s {}",
                        time.elapsed().as_secs_f64(),
                        if bad > 0 { format!("BAD {bad}") } else { String::new() }
                    );
                }
            }
        }
    }
}

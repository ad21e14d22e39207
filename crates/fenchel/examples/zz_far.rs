#![allow(missing_docs)]
use fenchel::measure::Rng;
use fenchel::optim::Silent;
use fenchel::robust::{Examples, Linear, Options, Passes, Precision, Risk, Strength, loss};
fn main() {
    let (n, d) = (100_000, 50);
    let mut rng = Rng::new(1);
    let mut t = |dof: usize| { let z = rng.normal(); let s: f64 = (0..dof).map(|_| rng.normal().powi(2)).sum::<f64>() / dof as f64; z / s.sqrt() };
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let row: Vec<f64> = (0..d).map(|j| if j % 2 == 0 { t(3) } else { t(30) }).collect();
        y.push(row.iter().enumerate().map(|(j, x)| x * (j as f64 * 0.7).sin()).sum::<f64>() + t(3));
        x.extend(row);
    }
    let ex = Examples::new(d, x, y).unwrap();
    for (dv, ls) in [("kl", vec![1.0, 10.0, 100.0, 1000.0]), ("chi2", vec![1.0, 100.0]), ("cvar:0.1", vec![1.0])] {
        for l in ls {
            let risk = Risk::new(fenchel::divergence::parse(dv).unwrap(), Strength::Penalty(l)).unwrap();
            let lin = Linear::new(&ex, loss::parse("squared").unwrap(), risk, Options::default()).unwrap();
            let f = lin.fit(&Precision { tolerance: 1e-7, ..Precision::default() }, &mut Silent).unwrap();
            let e = f.objective;
            for batch in [10, 100, 1000] {
                let (mut w5, mut w50, mut gap) = (0f64, 0f64, 0f64);
                for seed in 0..1 {
                    let t = lin.passes(&Passes { batch, epochs: 50, seed }, 1e-8, None, &mut Silent).unwrap();
                    let m = |k: usize| t.history.iter().take(k + 1).copied().fold(f64::INFINITY, f64::min) / e - 1.0;
                    w5 = w5.max(m(5)); w50 = w50.max(m(50)); gap = gap.max(t.fit.gap / t.fit.objective);
                    println!("{dv} {l} (objective {e:.2}, mean {:.2}, exact {:.2} s) batch {batch}: after 5 {w5:.1e} after 50 {w50:.1e} gap {gap:.1e} {:.2} s{}{}", f.mean_loss, f.seconds, t.fit.seconds, if w5 > 0.1 { "  BAD5" } else { "" }, if w50 > 0.01 { "  BAD50" } else { "" });
                }
            }
        }
    }
}

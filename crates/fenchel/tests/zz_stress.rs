use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::optim::Silent;
use fenchel::robust::loss::{self, Labels};
use fenchel::robust::*;
#[test]
fn stress() {
    let mut rng = Rng::new(99);
    let names = ["squared", "absolute", "huber", "quantile:0.2", "logistic", "hinge", "smoothed-hinge:0.3"];
    let (mut all, mut bad, mut steps) = (0, 0, 0);
    let mut slow = 0.0_f64;
    let deadline = std::time::Instant::now();
    while deadline.elapsed().as_secs() < 40 {
        let name = names[(rng.uniform() * 7.0) as usize];
        let l = loss::parse(name).unwrap();
        let d = 1 + (rng.uniform() * 6.0) as usize;
        let n = 10 + (rng.uniform() * 200.0) as usize;
        let scale: Vec<f64> = (0..d).map(|_| 10f64.powf(4.0 * rng.uniform() - 2.0)).collect();
        let heavy = rng.uniform() < 0.3;
        let (mut x, mut y) = (vec![], vec![]);
        for _ in 0..n {
            let mut z = 0.3;
            for s in &scale {
                let g = rng.normal();
                z += g;
                x.push(s * g + 2.0 * s);
            }
            let e = rng.normal();
            z += if heavy { e / rng.uniform() } else { 0.3 * e };
            y.push(if l.labels() == Labels::Sign { z.signum() } else { z });
        }
        let ex = Examples::new(d, x, y).unwrap();
        let lam = 10f64.powf(3.0 * rng.uniform() - 2.0);
        let f = ["kl", "safe-kl:0.1", "chi2", "cvar:0.2", "kl-cvar:0.2"][(rng.uniform() * 5.0) as usize];
        let st = if rng.uniform() < 0.5 { Strength::Penalty(lam) } else { Strength::Radius(lam.min(1.0)) };
        let risk = if rng.uniform() < 0.2 {
            Risk::mean()
        } else {
            Risk::new(divergence::parse(f).unwrap(), st).unwrap()
        };
        let o = Options {
            intercept: rng.uniform() < 0.8,
            standardise: rng.uniform() < 0.5,
            l1: if rng.uniform() < 0.3 { 0.05 } else { 0.0 },
            l2: if rng.uniform() < 0.3 { 0.05 } else { 0.0 },
        };
        let price = 10f64.powf(5.0 * rng.uniform() - 3.0);
        let units = if rng.uniform() < 0.7 { scale.clone() } else { vec![1.0; d] };
        let p = Perturbation::new(price).unwrap().in_units(units).unwrap();
        let Ok(m) = Linear::new(&ex, l, risk.clone(), o) else { continue };
        let moved = rng.uniform() < 0.85;
        let m = if moved { m.perturbed(&p).unwrap() } else { m };
        let fit = m.fit(&Precision { max_iterations: 5000, ..Precision::default() }, &mut Silent).unwrap();
        all += 1;
        steps += fit.iterations;
        slow = slow.max(fit.seconds);
        if !fit.status.is_converged() {
            bad += 1;
            println!(
                "{name} moved {moved} heavy {heavy} n {n} d {d} {f} {st:?} mean {} {o:?} κ {price}: {:?} obj {} gap {} steps {}",
                risk.divergence().is_none(),
                fit.status,
                fit.objective,
                fit.gap,
                fit.iterations
            );
        }
    }
    println!("{all} fits, {bad} bad, {} steps each, slowest {slow}", f64::from(steps) / f64::from(all));
}

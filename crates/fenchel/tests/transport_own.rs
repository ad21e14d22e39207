//! Transport with divergences of the user's own: a generator for each atom, marginal distributions, a name that
//! is taken.

mod common;

use common::{cloud, generators, maximise, potentials, settings, solve, source, weighted};
use fenchel::cost;
use fenchel::divergence::{ChiSquare, Divergence, FromGenerator, Kl, PerAtom, parse};
use fenchel::measure::{PointCloud, Rng, Source};
use fenchel::transport::{Lambda, SemiDiscrete};
use std::sync::Arc;

fn problem(
    source: Arc<dyn Source>,
    atoms: PointCloud,
    divergence: Arc<dyn Divergence>,
    eta: Vec<f64>,
) -> SemiDiscrete {
    let l2 = cost::parse("l2").unwrap();
    SemiDiscrete::new(source, atoms, l2, divergence, Lambda::Absolute(0.3)).unwrap().reference(eta).unwrap()
}

/// `n` atoms of the plane with their masses.
fn atoms(n: usize, seed: u64) -> (PointCloud, Vec<f64>) {
    let mut rng = Rng::new(seed);
    let points: Vec<f64> = (0..2 * n).map(|_| rng.normal()).collect();
    let masses: Vec<f64> = (0..n).map(|_| 0.2 + rng.uniform()).collect();
    let atoms = weighted(2, &points, &masses);
    let nu = atoms.probabilities();
    (atoms, nu)
}

/// Every second atom its own generator, KL or χ² or capped KL, for 3 and for 40 atoms (more than 32: where atoms are
/// looked at block by block). From a cloud nothing is random: the dual at the potentials, with each smooth maximum
/// by a search over its threshold in the tests' own formulas, is the value reported, and for 3 atoms it is the
/// dual's maximum.
#[test]
fn a_generator_for_each_atom() {
    let kinds = ["kl", "chi2", "kl-cvar:0.25"];
    let (xs, lambda) = (atoms(50, 4).0, 0.3);
    for n in [3, 40] {
        let (ys, nu) = atoms(n, 5);
        let names: Vec<&str> = (0..n).map(|i| kinds[i % 3]).collect();
        let own = names.iter().map(|name| parse(name).unwrap()).collect();
        let p = problem(
            Arc::new(cloud(2, xs.points())),
            ys.clone(),
            Arc::new(PerAtom::new("mine", own).unwrap()),
            nu.clone(),
        );
        let s = solve(&p, &settings(1e-5, 1));
        assert!(s.status.is_converged(), "{n}: {s:?}");
        let formulas: Vec<_> = names.iter().map(|name| generators::of(name, n)).collect();
        let l2 = cost::parse("l2").unwrap();
        let dual = |phi: &[f64]| {
            let smoothmax = |x: &[f64]| {
                let u: Vec<f64> =
                    ys.points().chunks_exact(2).zip(phi).map(|(y, p)| p - l2.eval(x, y)).collect();
                let at = |tau: f64| {
                    let f = |i: usize| nu[i] * (formulas[i].conj)((u[i] - tau) / lambda);
                    tau + lambda * (0..n).map(f).sum::<f64>()
                };
                -maximise(|tau| -at(tau), -9.0, 9.0).1
            };
            let mean = xs.points().chunks_exact(2).map(smoothmax).sum::<f64>() / 50.0;
            nu.iter().zip(phi).map(|(v, p)| v * p).sum::<f64>() - mean
        };
        let phi = potentials(&s);
        assert!((dual(&phi) - s.value).abs() <= 1e-9, "{n}: {} {}", dual(&phi), s.value);
        if n == 3 {
            let top = maximise(|a| maximise(|b| dual(&[a, b, 0.0]), -3.0, 3.0).1, -3.0, 3.0).1;
            assert!(s.interval.lower - 1e-8 <= top && top <= s.interval.upper + 1e-8, "{top} {s:?}");
        }
    }
}

/// Forty times KL is KL, atom by atom or not, from samples too; the intervals are the same to rounding.
#[test]
fn the_same_generator_for_each_atom() {
    let (ys, nu) = atoms(40, 6);
    let own = (0..40).map(|_| Arc::new(Kl) as Arc<dyn Divergence>).collect();
    let per_atom: Arc<dyn Divergence> = Arc::new(PerAtom::new("mine", own).unwrap());
    let [a, b] = [Arc::new(Kl) as Arc<dyn Divergence>, per_atom].map(|divergence| {
        solve(&problem(source("gaussian:2"), ys.clone(), divergence, nu.clone()), &settings(2e-2, 3))
    });
    assert!(a.status.is_converged() && b.status.is_converged());
    let both = [(a.value, b.value), (a.interval.upper, b.interval.upper), (a.bounds.upper, b.bounds.upper)];
    for (a, b) in both {
        assert!((a - b).abs() <= 0.25 * 2e-2, "{a} {b}");
    }
}

/// A generator under the name of another is not taken for it.
#[test]
fn a_name_that_is_taken() {
    let (ys, nu) = atoms(5, 7);
    let called_kl = FromGenerator::new("kl", |s: f64| 0.5 * (s + 1.0).max(0.0)).unwrap();
    let [a, b] = [Arc::new(ChiSquare) as Arc<dyn Divergence>, Arc::new(called_kl)].map(|divergence| {
        let eta: Vec<f64> = nu.iter().rev().copied().collect();
        let from = Arc::new(cloud(2, atoms(30, 8).0.points()));
        solve(&problem(from, ys.clone(), divergence, eta), &settings(1e-5, 3))
    });
    assert!((a.value - b.value).abs() <= 1e-5 * a.cost_spread, "{} {}", a.value, b.value);
}

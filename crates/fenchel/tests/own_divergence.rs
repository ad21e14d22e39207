//! A divergence from outside with f(0) = ∞, which none of the named ones has, through everything built on it.

use fenchel::divergence::Divergence;
use fenchel::measure::{PointCloud, parse};
use fenchel::optim::Silent;
use fenchel::smoothmax::SmoothMax;
use fenchel::transport::{Lambda, SemiDiscrete, Settings, Solution};
use fenchel::{bounds, cost};
use std::sync::Arc;

/// f(t) = t − 1 − log t.
#[derive(Debug, Clone, Copy)]
struct ReverseKl;

impl Divergence for ReverseKl {
    fn name(&self) -> String {
        "reverse-kl".into()
    }
    fn f(&self, t: f64) -> f64 {
        if t > 0.0 { t - 1.0 - t.ln() } else { f64::INFINITY }
    }
    fn f_prime(&self, t: f64) -> f64 {
        if t > 0.0 { 1.0 - 1.0 / t } else { f64::NEG_INFINITY }
    }
    fn conj(&self, s: f64) -> f64 {
        if s < 1.0 { -(-s).ln_1p() } else { f64::INFINITY }
    }
    fn conj_prime(&self, s: f64) -> f64 {
        if s < 1.0 { 1.0 / (1.0 - s) } else { f64::INFINITY }
    }
    fn conj_second(&self, s: f64) -> f64 {
        self.conj_prime(s) * self.conj_prime(s)
    }
    fn s_max(&self) -> f64 {
        1.0
    }
    fn power(&self) -> f64 {
        -1.0
    }
}

fn solve(points: Vec<f64>, weights: Vec<f64>) -> Solution {
    let atoms = PointCloud::weighted(1, points, weights).unwrap();
    let (source, cost) = (parse("gaussian:1").unwrap(), cost::parse("l1").unwrap());
    let lambda = Lambda::Absolute(0.1);
    let problem = SemiDiscrete::new(source, atoms, cost, Arc::new(ReverseKl), lambda).unwrap();
    problem.solve(&Settings { tolerance: 1e-2, ..Settings::default() }, &mut Silent).unwrap()
}

#[test]
fn smooth_maximum_has_no_gap() {
    let mut smooth = SmoothMax::new(Arc::new(ReverseKl), 0.5).unwrap();
    let (scores, mut p) = ([1.0, 0.8, -3.0, -1e3], [0.0; 4]);
    let top = smooth.evaluate(&scores, &mut p).unwrap();
    let proof = smooth.certify(&scores, &p, &top).unwrap();
    assert!(proof.gap.abs() < 1e-12, "{proof:?}");
    assert!(p.iter().all(|p| *p > 0.0));
}

#[test]
fn interval_is_finite_on_both_sides() {
    let solution = solve(vec![-1.0, 0.0, 1.0], vec![1.0, 2.0, 1.0]);
    assert!(solution.status.is_converged());
    let width = solution.interval.width();
    assert!(width <= 1e-2 * solution.cost_spread, "{:?}", solution.interval);
    assert!(solution.interval.contains(solution.value));
    // Nothing is known a priori: all weight on one atom costs infinitely much.
    assert_eq!(solution.regularisation_gap, None);
}

#[test]
fn one_atom_costs_nothing_to_regularise() {
    let solution = solve(vec![2.0], vec![1.0]);
    // E|x − 2| = 4Φ(2) − 2 + 2φ(2), of a standard normal x.
    let error = (solution.value - 2.016_981_405_233_659).abs();
    assert!(error < 1e-2 * solution.cost_spread, "off by {error}");
    assert_eq!(solution.regularisation_gap, Some(0.0));
    let gap = bounds::regularisation_gap(&ReverseKl, &[1.0], 0.1).unwrap();
    assert_eq!((gap.lower, gap.upper), (0.0, 0.0));
}

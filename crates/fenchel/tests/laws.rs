//! What holds for every divergence of the registry.

use std::sync::Arc;

use fenchel::divergence::{Divergence, parse, registry};
use fenchel::smoothmax::{Scratch, smoothmax_into};

fn all() -> Vec<Arc<dyn Divergence>> {
    registry().iter().flat_map(|e| e.examples).map(|name| parse(name).unwrap()).collect()
}

#[test]
fn names_round_trip() {
    for div in all() {
        assert_eq!(parse(&div.name()).unwrap().name(), div.name());
    }
}

#[test]
fn primal_equals_dual() {
    let mut scratch = Scratch::default();
    for div in all() {
        for lambda in [1e-3, 0.1, 1.0, 10.0] {
            let u: Vec<f64> = (0..100).map(|i| ((i * 7919) % 101) as f64 / 50.0 - 1.0).collect();
            let eta = vec![0.01; 100];
            let mut p = vec![0.0; 100];
            let d = div.for_atoms(&(0..100).collect::<Vec<_>>()).unwrap_or(div.clone());
            let top = smoothmax_into(&*d, &u, &eta, 0.0, lambda, None, &mut p, &mut scratch);
            let primal: f64 =
                p.iter().zip(&u).map(|(p, u)| p * u).sum::<f64>() - lambda * d.penalty(&p, &eta);
            let sum: f64 = p.iter().sum();
            assert!((top.value - primal).abs() < 1e-10 && (sum - 1.0).abs() < 1e-14);
        }
    }
}

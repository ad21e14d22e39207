//! Costs of pairs, and what the objective and its slopes are on them, in double precision.

use super::settings::Pairs;
use fenchel::cost::Cost;
use fenchel::divergence::Divergence;
use fenchel::measure::Soa;
use fenchel::{Error, Result};
use rayon::prelude::*;
use std::sync::Arc;

/// Points of the source that a worker takes at a time.
const TILE: usize = 16;

/// Costs of pairs of points.
#[derive(Debug)]
pub(super) struct Table {
    /// A row a point of the source; of matched pairs one number a row.
    costs: Vec<f64>,
    pairs: Pairs,
}

impl Table {
    /// Of points `xs` and `ys` (row-major).
    pub(super) fn new(cost: &dyn Cost, dim: usize, xs: &[f64], ys: &[f64], pairs: Pairs) -> Result<Self> {
        let (n, m) = (xs.len() / dim, ys.len() / dim);
        let mut costs = vec![0.0; if pairs == Pairs::All { n * m } else { n }];
        match pairs {
            Pairs::All => {
                let atoms = Soa::from_rows(dim, ys)?;
                let rows = costs.par_chunks_mut(TILE * m).zip(xs.par_chunks(TILE * dim));
                rows.for_each(|(costs, xs)| cost.rows(xs, &atoms, costs));
            }
            Pairs::Matched => {
                let points = xs.par_chunks(dim).zip(ys.par_chunks(dim));
                costs.par_iter_mut().zip(points).for_each(|(c, (x, y))| *c = cost.eval(x, y));
            }
        }
        if let Some(at) = costs.iter().position(|c| !c.is_finite()) {
            let (i, j) = if pairs == Pairs::All { (at / m, at % m) } else { (at, at) };
            let place = format!("x = {:?}, y = {:?}", &xs[i * dim..][..dim], &ys[j * dim..][..dim]);
            return Err(Error::non_finite(format!("cost {}", cost.name()), place, costs[at]));
        }
        Ok(Table { costs, pairs })
    }

    /// u(x) + v(y) − c(x, y) of all pairs, row by row.
    pub(super) fn slack(&self, us: &[f64], vs: &[f64]) -> Vec<f64> {
        let width = self.costs.len() / us.len();
        let rows = self.costs.chunks_exact(width).zip(us).enumerate();
        rows.flat_map(|(i, (costs, u))| {
            let vs = if self.pairs == Pairs::All { vs } else { &vs[i..=i] };
            costs.iter().zip(vs).map(move |(c, v)| u + v - c)
        })
        .collect()
    }
}

/// The dual of a divergence at a strength.
#[derive(Debug, Clone)]
pub(super) struct Dual {
    pub(super) divergence: Arc<dyn Divergence>,
    pub(super) lambda: f64,
}

impl Dual {
    /// mean u + mean v − λ mean f*(s), s = (u + v − c)/λ; −∞ if some f*(s) is beyond all numbers, NaN if a potential is none.
    pub(super) fn value(&self, table: &Table, us: &[f64], vs: &[f64]) -> f64 {
        mean(us) + mean(vs) - self.lambda * self.penalty(table, us, vs)
    }

    /// mean f*(s).
    pub(super) fn penalty(&self, table: &Table, us: &[f64], vs: &[f64]) -> f64 {
        let width = table.costs.len() / us.len();
        let row = |(i, costs): (usize, &[f64])| -> f64 {
            let vs = if table.pairs == Pairs::All { vs } else { &vs[i..=i] };
            let scores = costs.iter().zip(vs).map(|(c, v)| (us[i] + v - c) / self.lambda);
            scores.map(|s| self.divergence.conj(s)).sum::<f64>() / width as f64
        };
        let rows: Vec<f64> = table.costs.par_chunks(width).enumerate().map(row).collect();
        mean(&rows)
    }

    /// Standard error of the value over all pairs of independent points: each point adds its potential and its share of the penalty.
    pub(super) fn error(&self, table: &Table, us: &[f64], vs: &[f64]) -> f64 {
        let (n, m) = (us.len() as f64, vs.len());
        let (mut by_x, mut by_y) = (us.to_vec(), vs.to_vec());
        for ((costs, u), x) in table.costs.chunks_exact(m).zip(us).zip(&mut by_x) {
            for ((c, v), y) in costs.iter().zip(vs).zip(&mut by_y) {
                let penalty = self.lambda * self.divergence.conj((u + v - c) / self.lambda);
                *x -= penalty / m as f64;
                *y -= penalty / n;
            }
        }
        let square = |parts: &[f64]| {
            let (middle, n) = (mean(parts), parts.len() as f64);
            parts.iter().map(|part| (part - middle).powi(2)).sum::<f64>() / (n * (n - 1.0))
        };
        (square(&by_x) + square(&by_y)).sqrt()
    }

    /// b times the slopes of the value in each u(x) and v(y): 1 less the mean of the weights (f*)'(s) of the point's pairs. `false` if some
    /// weight is not a finite number.
    pub(super) fn slopes(
        &self,
        table: &Table,
        us: &[f64],
        vs: &[f64],
        by_x: &mut Vec<f64>,
        by_y: &mut Vec<f64>,
    ) -> bool {
        let weight = |u: f64, v: f64, c: f64| self.divergence.conj_prime((u + v - c) / self.lambda);
        by_x.clear();
        by_y.clear();
        if table.pairs == Pairs::Matched {
            by_x.extend(
                table.costs.iter().zip(us.iter().zip(vs)).map(|(c, (u, v))| 1.0 - weight(*u, *v, *c)),
            );
            by_y.extend_from_slice(by_x);
        } else {
            let (n, m) = (us.len() as f64, vs.len());
            let mut weights = vec![0.0; table.costs.len()];
            let rows = weights.par_chunks_mut(m).zip(table.costs.par_chunks(m)).zip(us);
            rows.for_each(|((row, costs), u)| {
                row.iter_mut().zip(costs.iter().zip(vs)).for_each(|(w, (c, v))| *w = weight(*u, *v, *c));
            });
            by_y.resize(m, 1.0);
            for row in weights.chunks_exact(m) {
                by_x.push(1.0 - row.iter().sum::<f64>() / m as f64);
                by_y.iter_mut().zip(row).for_each(|(slope, w)| *slope -= w / n);
            }
        }
        by_x.iter().chain(&*by_y).all(|slope| slope.is_finite())
    }
}

/// From the first number: a large constant costs no digits.
pub(super) fn mean(values: &[f64]) -> f64 {
    let from = values.first().copied().unwrap_or(0.0);
    if from.is_infinite() {
        return from;
    }
    from + values.iter().map(|x| x - from).sum::<f64>() / values.len() as f64
}

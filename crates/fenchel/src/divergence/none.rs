//! No divergence: the maximum itself.

use std::sync::Arc;

use super::registry::{Entry, Parameter};
use super::solve::top;
use super::{Divergence, Kl, Row, Scratch, Smoothed};

pub(super) const ENTRY: Entry = Entry {
    name: "none",
    parameter: Parameter::None,
    summary: "no regularisation: the maximum itself, all weight on the first atom that attains it",
    examples: &["none"],
    build: |_| Ok(Arc::new(Unregularised)),
};

/// f = 0 on \[0, ∞): the smooth maximum is max u_i, one subgradient of which puts all weight on the argmax of
/// lowest index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unregularised;

impl Divergence for Unregularised {
    fn name(&self) -> String {
        ENTRY.name.into()
    }
    fn f(&self, t: f64) -> f64 {
        if t < 0.0 { f64::INFINITY } else { 0.0 }
    }
    fn f_prime(&self, _t: f64) -> f64 {
        0.0
    }
    fn conj(&self, s: f64) -> f64 {
        if s > 0.0 { f64::INFINITY } else { 0.0 }
    }
    fn conj_prime(&self, s: f64) -> f64 {
        if s > 0.0 { f64::INFINITY } else { 0.0 }
    }
    fn conj_second(&self, _s: f64) -> f64 {
        0.0
    }
    fn s_max(&self) -> f64 {
        0.0
    }
    fn negligible_below(&self) -> f64 {
        0.0
    }
    fn curvature(&self, _t: f64) -> f64 {
        0.0
    }
    fn is_smooth(&self) -> bool {
        false
    }
    fn smoothed(&self) -> Option<Arc<dyn Divergence>> {
        Some(Arc::new(Kl))
    }
    fn solve(&self, row: &Row<'_>, _start: Option<f64>, p: &mut [f64], _scratch: &mut Scratch) -> Smoothed {
        let (max, at) = top(row.u, row.eta);
        p.fill(0.0);
        if at < p.len() {
            p[at] = 1.0;
        }
        Smoothed { value: max, threshold: max, passes: 1, anchor: max, offset: 0.0, margin: 0.0 }
    }
}

//! Sums whose rounding error does not grow with their length.

use crate::simd::vectorize;

/// Σ p_i and Σ η_i (f*)'' of one pass over a row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Mass {
    /// Σ p_i.
    pub sum: f64,
    /// Σ η_i (f*)''((u_i − τ)/λ): minus the derivative of `sum` in the threshold (in units of λ).
    pub slope: f64,
}

const LANES: usize = 8;
const BLOCK: usize = 128;

/// Block sums merged as a binary tree: partial sums of 2^k blocks wait at level k.
pub(super) struct Tree<const K: usize> {
    level: [[f64; K]; 40],
    count: usize,
}

impl<const K: usize> Tree<K> {
    pub(super) fn new() -> Self {
        Tree { level: [[0.0; K]; 40], count: 0 }
    }

    pub(super) fn push(&mut self, mut value: [f64; K]) {
        let mut k = 0;
        while self.count >> k & 1 == 1 {
            for (v, held) in value.iter_mut().zip(self.level[k]) {
                *v += held;
            }
            k += 1;
        }
        self.level[k] = value;
        self.count += 1;
    }

    pub(super) fn total(&self) -> [f64; K] {
        let mut total = [0.0; K];
        for k in 0..usize::BITS as usize - self.count.leading_zeros() as usize {
            if self.count >> k & 1 == 1 {
                for (t, held) in total.iter_mut().zip(self.level[k]) {
                    *t += held;
                }
            }
        }
        total
    }
}

#[inline(always)]
fn fold(lanes: [f64; LANES]) -> f64 {
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}

/// p_i = η_i t_i with (t_i, c_i) = g(i, x_i); returns Σ p_i and Σ η_i c_i. Branch-free g become vector code.
#[inline]
pub(crate) fn sweep(x: &[f64], eta: &[f64], p: &mut [f64], g: impl Fn(usize, f64) -> (f64, f64)) -> Mass {
    vectorize(|| sweep_body(x, eta, p, g))
}

#[inline(always)]
fn sweep_body(x: &[f64], eta: &[f64], p: &mut [f64], g: impl Fn(usize, f64) -> (f64, f64)) -> Mass {
    let n = x.len().min(eta.len()).min(p.len());
    let mut tree = Tree::<2>::new();
    let mut begin = 0;
    while begin < n {
        let end = (begin + BLOCK).min(n);
        let (x, eta, p) = (&x[begin..end], &eta[begin..end], &mut p[begin..end]);
        let (mut sum, mut slope) = ([0.0; LANES], [0.0; LANES]);
        let whole = x.len() / LANES * LANES;
        let chunks = x[..whole].chunks_exact(LANES).zip(eta[..whole].chunks_exact(LANES));
        for (k, ((x, eta), p)) in chunks.zip(p[..whole].chunks_exact_mut(LANES)).enumerate() {
            for l in 0..LANES {
                let (t, c) = g(begin + k * LANES + l, x[l]);
                p[l] = eta[l] * t;
                sum[l] += p[l];
                slope[l] += eta[l] * c;
            }
        }
        for i in whole..x.len() {
            let (t, c) = g(begin + i, x[i]);
            p[i] = eta[i] * t;
            sum[i - whole] += p[i];
            slope[i - whole] += eta[i] * c;
        }
        tree.push([fold(sum), fold(slope)]);
        begin = end;
    }
    let [sum, slope] = tree.total();
    Mass { sum, slope }
}

/// Σ over i < n of g(i), pairwise over blocks.
#[inline]
pub(crate) fn pairwise(n: usize, g: impl Fn(usize) -> f64) -> f64 {
    vectorize(|| pairwise_body(n, g))
}

#[inline(always)]
fn pairwise_body(n: usize, g: impl Fn(usize) -> f64) -> f64 {
    let mut tree = Tree::<1>::new();
    let mut begin = 0;
    while begin < n {
        let end = (begin + BLOCK).min(n);
        let mut lanes = [0.0; LANES];
        let whole = begin + (end - begin) / LANES * LANES;
        let mut i = begin;
        while i < whole {
            for (l, lane) in lanes.iter_mut().enumerate() {
                *lane += g(i + l);
            }
            i += LANES;
        }
        for i in whole..end {
            lanes[i - whole] += g(i);
        }
        tree.push([fold(lanes)]);
        begin = end;
    }
    tree.total()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_counted_once() {
        for n in [0_usize, 1, 7, 8, 9, 127, 128, 129, 1000, 12345] {
            let expected = (n * n.saturating_sub(1) / 2) as f64;
            assert_eq!(pairwise(n, |i| i as f64), expected);
            let (x, eta) = ((0..n).map(|i| i as f64).collect::<Vec<_>>(), vec![2.0; n]);
            let mut p = vec![0.0; n];
            let mass = sweep(&x, &eta, &mut p, |i, x| (x, i as f64));
            assert_eq!((mass.sum, mass.slope), (2.0 * expected, 2.0 * expected));
            assert!(p.iter().zip(&x).all(|(p, x)| *p == 2.0 * x));
        }
    }

    #[test]
    fn error_does_not_grow_with_length() {
        let n = 1_000_000;
        assert!((pairwise(n, |_| 0.1) - 1e5).abs() < 1e5 * 4.0 * f64::EPSILON);
    }
}

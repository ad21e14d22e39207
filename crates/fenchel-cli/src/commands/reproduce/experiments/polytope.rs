//! Knapsack polytopes {x in [0, 1]^d : w·x ≤ b}: exact volumes, and transport distances to two points by integrals over
//! one variable.

/// A polytope with whole weights, and a right-hand side that is a multiple of one half.
pub(super) struct Polytope {
    pub w: Vec<f64>,
    pub b: f64,
    pub norm2: f64,
    /// The volume as a fraction.
    volume: (i128, i128),
    /// Sums of subsets of w with their signs, in ascending order.
    corners: Vec<(f64, f64)>,
    /// (d − 1)! Πw.
    scale: f64,
}

/// Nodes and weights of Gauss and Legendre's rule of five points on [−1, 1].
const GAUSS: [(f64, f64); 5] = [
    (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.0, 0.568_888_888_888_888_9),
    (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.906_179_845_938_664, 0.236_926_885_056_189_08),
];

impl Polytope {
    pub fn new(weights: &[i64], twice_b: i64) -> Self {
        let d = weights.len() as u32;
        let (mut numerator, mut corners) = (0_i128, Vec::new());
        for subset in 0..1_u32 << d {
            let sum: i64 = (0..d as usize).filter(|i| subset >> i & 1 == 1).map(|i| weights[i]).sum();
            let sign = if subset.count_ones() % 2 == 0 { 1 } else { -1 };
            numerator += sign * i128::from((twice_b - 2 * sum).max(0)).pow(d);
            corners.push((sum as f64, sign as f64));
        }
        corners.sort_by(|a, b| a.0.total_cmp(&b.0));
        let product: i128 = weights.iter().map(|w| i128::from(*w)).product();
        let factorial: i128 = (1..=i128::from(d)).product();
        let w: Vec<f64> = weights.iter().map(|w| *w as f64).collect();
        Polytope {
            b: 0.5 * twice_b as f64,
            norm2: w.iter().map(|w| w * w).sum(),
            w,
            volume: (numerator, factorial * product * (1 << d)),
            corners,
            scale: (factorial / i128::from(d) * product) as f64,
        }
    }

    pub fn volume(&self) -> f64 {
        self.volume.0 as f64 / self.volume.1 as f64
    }

    /// log₂ of δ of Corollary 2.5.
    pub fn log2_delta(&self) -> f64 {
        let d = self.w.len() as f64;
        let factorial: f64 = (1..=self.w.len()).map(|i| i as f64).product();
        let (sum, product): (f64, f64) = (self.w.iter().sum(), self.w.iter().product());
        -(6.0 * factorial * product).log2() - d * (sum + 2.0).log2() - (d + 1.0) * (d + 1.0).log2()
    }

    /// 4b/‖w‖²: ‖x‖² − ‖x − y‖² = k(w·x − b).
    fn k(&self) -> f64 {
        4.0 * self.b / self.norm2
    }

    /// Something of the size of the costs' standard deviation.
    pub fn spread(&self) -> f64 {
        0.25 * (self.w.len() as f64).sqrt()
    }

    /// Density of w·x at s.
    fn density(&self, s: f64) -> f64 {
        let power = self.w.len() as i32 - 1;
        let all: f64 = self.w.iter().sum();
        // From the nearer end: fewer terms cancel.
        let s = s.min(all - s);
        let terms = self.corners.iter().take_while(|c| c.0 < s || (power == 0 && c.0 <= s));
        terms.map(|c| c.1 * (s - c.0).powi(power)).sum::<f64>().max(0.0) / self.scale
    }

    /// ∫ from b to s of f(σ) times the density, between the kinks.
    fn integral(&self, s: f64, f: impl Fn(f64) -> f64) -> f64 {
        let (low, high) = (self.b.min(s), self.b.max(s));
        let mut ends = vec![low];
        ends.extend(self.corners.iter().map(|c| c.0).filter(|c| low < *c && *c < high));
        ends.push(high);
        let mut total = 0.0;
        for pair in ends.windows(2) {
            let (middle, half) = (0.5 * (pair[0] + pair[1]), 0.5 * (pair[1] - pair[0]));
            for (node, weight) in GAUSS {
                let at = middle + half * node;
                total += half * weight * f(at) * self.density(at);
            }
        }
        if s < self.b { -total } else { total }
    }

    /// The s − b with P(w·x ≤ s) = volume + `more`, for |more| of any size.
    fn quantile_excess(&self, more: f64) -> f64 {
        let all: f64 = self.w.iter().sum();
        let (mut low, mut high) = if more < 0.0 { (-self.b, 0.0) } else { (0.0, all - self.b) };
        // Small excesses are found relative to themselves: first by powers of two.
        let mut reach = high.max(-low);
        let sign = if more < 0.0 { -1.0 } else { 1.0 };
        while reach > 1e-40 && self.integral_excess(0.5 * sign * reach).abs() > more.abs() {
            reach *= 0.5;
        }
        (low, high) = (0.5 * reach, reach);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.integral_excess(sign * middle).abs() > more.abs() { high = middle } else { low = middle }
        }
        sign * 0.5 * (low + high)
    }

    /// P(w·x ≤ b + e) less the volume, exact to its own digits.
    fn integral_excess(&self, e: f64) -> f64 {
        if e.abs() < 1e-6 { e * self.density(self.b + 0.5 * e) } else { self.integral(self.b + e, |_| 1.0) }
    }

    /// W(μ, ν_t) less its minimum, for t = volume + `more` and p = 2: ∫ k(σ − b) over the density between b and the quantile.
    fn excess(&self, more: f64) -> f64 {
        let e = self.quantile_excess(more);
        if e.abs() < 1e-6 {
            0.5 * self.k() * e * e * self.density(self.b + 2.0 / 3.0 * e)
        } else {
            self.k() * self.integral(self.b + e, |s| s - self.b)
        }
    }

    /// W(μ, ν_t) for p = 2.
    pub fn distance(&self, t: f64) -> f64 {
        // At t = volume each x goes to the nearer point: E‖x‖² − k E(w·x − b)₊.
        let all: f64 = self.w.iter().sum();
        let above = self.integral(all, |s| s - self.b);
        let more = t - self.volume();
        let excess = if more == 0.0 { 0.0 } else { self.excess(more) };
        self.w.len() as f64 / 3.0 - self.k() * above + excess
    }

    /// Index of the cell of the grid of 2^levels cells that the volume is in, and where in the cell: exact.
    fn cell(&self, levels: u32) -> (u128, f64) {
        let (numerator, denominator) = (self.volume.0.unsigned_abs(), self.volume.1.unsigned_abs());
        let (mut index, mut rest) = (0_u128, numerator);
        for _ in 0..levels {
            rest *= 2;
            index = 2 * index + rest / denominator;
            rest %= denominator;
        }
        (index, rest as f64 / denominator as f64)
    }

    /// t_l − volume, exact to its own digits.
    fn offset(&self, l: u128, levels: u32) -> f64 {
        let (cell, inside) = self.cell(levels);
        ((l as i128 - cell as i128) as f64 - inside) * (-f64::from(levels)).exp2()
    }

    /// g(t_l) − g(t_{l−1}) for g(t) = W(μ, ν_t) and p = 2, exact to its own digits but for some six where values of g are equal
    /// to as many.
    pub fn difference(&self, l: u128, levels: u32) -> f64 {
        let width = (-f64::from(levels)).exp2();
        let (left, right) = (self.offset(l - 1, levels), self.offset(l, levels));
        if left.abs().max(right.abs()) < 1e3 * width {
            self.excess(right) - self.excess(left)
        } else {
            width * self.k() * self.quantile_excess(0.5 * (left + right))
        }
    }

    /// ε of Lemma A.1: differences grow with l, so the least are at the volume.
    pub fn epsilon(&self, levels: u32) -> f64 {
        let cell = self.cell(levels).0;
        let near = cell.saturating_sub(2).max(1)..=(cell + 3).min(1 << levels);
        let sizes = near.map(|l| self.difference(l, levels).abs()).filter(|a| *a > 0.0);
        0.25 * sizes.fold(f64::INFINITY, f64::min)
    }

    /// |t_l − volume|.
    pub fn error(&self, l: u128, levels: u32) -> f64 {
        self.offset(l, levels).abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: {x ≤ ¼}; the triangle below x + 2y = 1; a cube cut in halves by symmetry.
    #[test]
    fn volumes_and_distances_known_by_hand() {
        assert_eq!(Polytope::new(&[2], 1).volume(), 0.25);
        assert_eq!(Polytope::new(&[1, 2], 2).volume(), 0.25);
        assert_eq!(Polytope::new(&[1, 1, 1], 3).volume(), 0.5);
        // In dimension 1 with b = w/2: points 0 and 1; W = ∫ to t of x² + ∫ from t of (1 − x)².
        let line = Polytope::new(&[2], 2);
        for t in [0.0, 0.1, 0.5, 0.9, 1.0_f64] {
            let exact = (t.powi(3) + (1.0 - t).powi(3)) / 3.0;
            assert!((line.distance(t) - exact).abs() < 1e-14, "{t}: {} {exact}", line.distance(t));
        }
    }

    /// The sum of differences is the difference of sums, over all of a grid; and they grow.
    #[test]
    fn differences_add_up_and_grow() {
        for (w, twice_b) in [(&[2][..], 1), (&[1, 2], 2), (&[1, 2, 3], 5), (&[1, 1, 2, 3, 5], 13)] {
            let body = Polytope::new(w, twice_b);
            let levels = 12;
            let all: Vec<f64> = (1..=1 << levels).map(|l| body.difference(l, levels)).collect();
            let total = body.distance(1.0) - body.distance(0.0);
            // The midpoint rule, at the ends of a quantile function that starts like t^(1/d).
            let error = (-1.2 * f64::from(levels)).exp2() * body.distance(0.0);
            assert!((all.iter().sum::<f64>() - total).abs() < error, "{w:?}");
            assert!(all.windows(2).all(|pair| pair[1] > pair[0]), "{w:?}");
            let least = all.iter().map(|a| a.abs()).fold(f64::INFINITY, f64::min);
            assert!((body.epsilon(levels) - 0.25 * least).abs() < 1e-12 * least);
            assert!((body.error(1 << 11, levels) - (0.5 - body.volume()).abs()).abs() < 1e-15);
        }
    }
}

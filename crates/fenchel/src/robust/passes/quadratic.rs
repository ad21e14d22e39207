//! Sums of quadratic models.

use crate::simd::axpy;

/// c + ⟨b, δ⟩ + ½ ⟨δ, Hδ⟩ in δ = v − (where v is now): what rows that have been seen have for their losses, weighed.
#[derive(Debug, Clone)]
pub(super) struct Quadratic {
    /// Σ p̂ of the rows.
    pub mass: f64,
    pub c: f64,
    pub b: Vec<f64>,
    /// The lower triangle, row by row.
    pub h: Vec<f64>,
}

impl Quadratic {
    pub(super) fn new(size: usize) -> Self {
        Quadratic { mass: 0.0, c: 0.0, b: vec![0.0; size], h: vec![0.0; size * size] }
    }

    pub(super) fn clear(&mut self) {
        (self.mass, self.c) = (0.0, 0.0);
        self.b.fill(0.0);
        self.h.fill(0.0);
    }

    /// self = `a`·self + `s`·other.
    pub(super) fn scale_add(&mut self, a: f64, s: f64, other: &Quadratic) {
        self.mass = a * self.mass + s * other.mass;
        self.c = a * self.c + s * other.c;
        for (mine, theirs) in [(&mut self.b, &other.b), (&mut self.h, &other.h)] {
            mine.iter_mut().zip(theirs).for_each(|(x, y)| *x = a * *x + s * y);
        }
    }

    /// Hδ, into `out`.
    pub(super) fn product(&self, delta: &[f64], out: &mut [f64]) {
        let n = delta.len();
        out.fill(0.0);
        for i in 0..n {
            let row = &self.h[i * n..i * n + i + 1];
            out[i] += row.iter().zip(delta).map(|(h, d)| h * d).sum::<f64>();
            axpy(delta[i], &row[..i], &mut out[..i]);
        }
    }

    /// The value at δ.
    pub(super) fn value(&self, delta: &[f64], room: &mut [f64]) -> f64 {
        self.product(delta, room);
        let terms = delta.iter().zip(&self.b).zip(room).map(|((d, b), h)| d * (b + 0.5 * *h));
        self.c + terms.sum::<f64>()
    }

    /// The same function, seen from δ.
    pub(super) fn shift(&mut self, delta: &[f64], room: &mut [f64]) {
        self.product(delta, room);
        for (i, (b, h)) in self.b.iter_mut().zip(&*room).enumerate() {
            self.c += delta[i] * (*b + 0.5 * h);
            *b += h;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Rng;

    #[test]
    fn a_shift_changes_nothing() {
        let mut rng = Rng::new(2);
        let n = 4;
        let mut q = Quadratic::new(n);
        q.c = 0.7;
        q.b.iter_mut().chain(&mut q.h).for_each(|x| *x = rng.normal());
        let h = |q: &Quadratic, i: usize, j: usize| q.h[i.max(j) * n + i.min(j)];
        let value = |q: &Quadratic, d: &[f64]| {
            let square: f64 =
                (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| d[i] * h(q, i, j) * d[j]).sum();
            q.c + q.b.iter().zip(d).map(|(b, d)| b * d).sum::<f64>() + 0.5 * square
        };
        let to = [0.3, -2.0, 1.0, 0.5];
        let before = value(&q, &[1.3, -1.0, 0.0, 2.5]);
        q.shift(&to, &mut [0.0; 4]);
        assert!((value(&q, &[1.0, 1.0, -1.0, 2.0]) - before).abs() < 1e-12);
    }
}

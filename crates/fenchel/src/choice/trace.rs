//! The trace T(p) = tr (Σ^½ (diag p − ppᵀ) Σ^½)^½ with its derivatives, as seen from the most probable atom.

use super::polar::orthogonalise_rows;
use crate::simd;

/// The problem with p_base = 1 − Σ p_i taken out, in units of the noise's standard deviation. Its n = N − 1 variables are
/// free but for their signs, and diag p − ppᵀ is regular on them.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    pub base: usize,
    /// The other atoms, most probable first.
    pub others: Vec<usize>,
    /// Their scores less the base's.
    pub scores: Vec<f64>,
    /// Standard deviations of their noise.
    pub deviations: Vec<f64>,
    /// L, n × N: L Lᵀ is the covariance of z_i − z_base.
    pub rows: Vec<f64>,
}

/// What is known of the objective at one p.
#[derive(Debug, Clone, Default)]
pub(super) struct Point {
    /// Probabilities of the others, and of the base.
    pub p: Vec<f64>,
    pub p_base: f64,
    /// ⟨scores, p⟩ + T.
    pub value: f64,
    /// Singular values s_k of (diag p − ppᵀ)^½ L; T is their sum.
    pub s: Vec<f64>,
    /// Rows t_k of X = Σ s_k t_k t_kᵀ, for which X (diag p − ppᵀ) X = L Lᵀ. T has the gradient ½ diag X − Xp.
    pub t: Vec<f64>,
    /// ⟨t_k, p⟩.
    b: Vec<f64>,
    gradient: Vec<f64>,
    /// Its largest entry, but for signs.
    pub steepest: f64,
    /// What is missing to the maximum is at most this.
    pub gap: f64,
    work: Vec<f64>,
}

impl Point {
    /// Everything else from `p` and `p_base`.
    ///
    /// With q = √p and κ = 1/(1 + √p_base), diag p − ppᵀ is the square of (I − κqqᵀ) diag q, so T is the sum of the singular
    /// values of K, which has the rows q_i (L_i − κ Σ p_j L_j).
    pub fn evaluate(&mut self, frame: &Frame) {
        let n = self.p.len();
        let columns = n + 1;
        let root = self.p_base.sqrt();
        let kappa = 1.0 / (1.0 + root);
        self.work.clear();
        self.work.resize(columns * columns, 0.0);
        let (k, mean) = self.work.split_at_mut(n * columns);
        let rows = || frame.rows.chunks_exact(columns).zip(&self.p);
        for (row, p) in rows() {
            simd::axpy(kappa * p, row, mean);
        }
        for (k, (row, p)) in k.chunks_exact_mut(columns).zip(rows()) {
            let q = p.sqrt();
            for ((k, l), mean) in k.iter_mut().zip(row).zip(mean.iter()) {
                *k = q * (l - mean);
            }
        }
        self.t.clear();
        self.t.resize(n * n, 0.0);
        (0..n).for_each(|i| self.t[i * n + i] = 1.0);
        orthogonalise_rows(k, &mut self.t, n);
        self.b.clear();
        self.b.resize(n, 0.0);
        self.s.clear();
        self.s.extend(k.chunks_exact(columns).map(|row| simd::dot(row, row).sqrt()));
        // Left singular vectors u_k lie in `t`; t_k = diag q⁻¹ (I − κqqᵀ)⁻¹ u_k.
        self.gradient.clear();
        self.gradient.extend_from_slice(&frame.scores);
        for ((t, b), s) in self.t.chunks_exact_mut(n).zip(&mut self.b).zip(&self.s) {
            let along: f64 = t.iter().zip(&self.p).map(|(u, p)| u * p.sqrt()).sum();
            *b = along / root;
            for ((t, p), g) in t.iter_mut().zip(&self.p).zip(&mut self.gradient) {
                *t = *t / p.sqrt() + kappa * *b;
                *g += s * *t * (0.5 * *t - *b);
            }
        }
        self.steepest = self.gradient.iter().fold(0.0, |top: f64, g| top.max(g.abs()));
        let rising = self.gradient.iter().copied().fold(0.0, f64::max);
        self.gap = (rising - simd::dot(&self.gradient, &self.p)).max(0.0);
        self.value = simd::dot(&frame.scores, &self.p) + self.s.iter().sum::<f64>();
    }

    /// The Newton step for the others and for the base, and the increase that it promises. It solves
    /// (H + damping·D) step = gradient by conjugate gradients; D is the Hessian that independent noise would have.
    pub fn newton_step(&mut self, frame: &Frame, damping: f64) -> (Vec<f64>, f64, f64) {
        let n = self.p.len();
        let damped: Vec<f64> = frame
            .deviations
            .iter()
            .zip(&self.p)
            .map(|(sigma, p)| damping * 0.25 * sigma / (p * p.sqrt()))
            .collect();
        let diagonal: Vec<f64> =
            self.hessian_diagonal().iter().zip(&damped).map(|(d, more)| d + more).collect();
        let mut step = vec![0.0; n];
        let mut residual = self.gradient.clone();
        let mut z: Vec<f64> = residual.iter().zip(&diagonal).map(|(r, d)| r / d).collect();
        let mut direction = z.clone();
        let mut norm = simd::dot(&residual, &z);
        let start = norm;
        // Tighter near the maximum, where steps are good enough to be worth it.
        let enough = start * start.clamp(1e-12, 1e-2);
        let mut product = vec![0.0; n];
        for _ in 0..4 * n + 10 {
            if norm <= enough {
                break;
            }
            self.hessian_times(&direction, &mut product);
            for ((product, v), more) in product.iter_mut().zip(&direction).zip(&damped) {
                *product += more * v;
            }
            let curvature = simd::dot(&direction, &product);
            if curvature <= 0.0 {
                break;
            }
            let length = norm / curvature;
            simd::axpy(length, &direction, &mut step);
            simd::axpy(-length, &product, &mut residual);
            for ((z, r), d) in z.iter_mut().zip(&residual).zip(&diagonal) {
                *z = r / d;
            }
            let next = simd::dot(&residual, &z);
            let ratio = next / norm;
            norm = next;
            for (direction, z) in direction.iter_mut().zip(&z) {
                *direction = z + ratio * *direction;
            }
        }
        let spent: f64 = step.iter().zip(&damped).map(|(d, more)| more * d * d).sum();
        let promised = 0.5 * (simd::dot(&step, &self.gradient) + spent);
        let base_step = -step.iter().sum::<f64>();
        (step, base_step, promised)
    }

    /// product = H v with H = −∇²T: with E_kl = t_kᵀ (diag v − vpᵀ − pvᵀ) t_l,
    /// vᵀHv = ½ Σ_kl E_kl² s_k s_l/(s_k + s_l) + vᵀXv.
    fn hessian_times(&mut self, v: &[f64], product: &mut [f64]) {
        let n = self.p.len();
        self.work.clear();
        self.work.resize(n * n + 3 * n, 0.0);
        let (e, rest) = self.work.split_at_mut(n * n);
        let (weighted, rest) = rest.split_at_mut(n);
        let (along, sum) = rest.split_at_mut(n);
        let row = |k: usize| &self.t[k * n..(k + 1) * n];
        for (k, along) in along.iter_mut().enumerate() {
            *along = simd::dot(row(k), v);
        }
        for k in 0..n {
            for ((w, t), v) in weighted.iter_mut().zip(row(k)).zip(v) {
                *w = t * v;
            }
            for l in 0..=k {
                let entry = simd::dot(weighted, row(l)) - along[k] * self.b[l] - self.b[k] * along[l];
                let scaled = entry * (self.s[k] * (self.s[l] / (self.s[k] + self.s[l])));
                e[k * n + l] = scaled;
                e[l * n + k] = scaled;
            }
        }
        product.fill(0.0);
        for k in 0..n {
            let own = &e[k * n..(k + 1) * n];
            sum.fill(0.0);
            for (l, e) in own.iter().enumerate() {
                simd::axpy(*e, row(l), sum);
            }
            let shift = self.s[k] * along[k] - simd::dot(own, &self.b);
            for ((product, t), sum) in product.iter_mut().zip(row(k)).zip(sum.iter()) {
                *product += t * (0.5 * sum + shift);
            }
        }
    }

    fn hessian_diagonal(&self) -> Vec<f64> {
        let n = self.p.len();
        let mut diagonal = vec![0.0; n];
        for k in 0..n {
            let (t, b, s) = (&self.t[k * n..(k + 1) * n], self.b[k], self.s[k]);
            for l in 0..=k {
                let (other, c, r) = (&self.t[l * n..(l + 1) * n], self.b[l], self.s[l]);
                let weight = if l < k { 1.0 } else { 0.5 } * (s * (r / (s + r)));
                simd::vectorize(|| {
                    for ((d, t), o) in diagonal.iter_mut().zip(t).zip(other) {
                        let entry = t * o - t * c - b * o;
                        *d += weight * entry * entry;
                    }
                });
            }
            for (d, t) in diagonal.iter_mut().zip(t) {
                *d += s * t * t;
            }
        }
        diagonal
    }

    /// `next` is this point moved by the step: straight where probabilities change by less than half, so that what atoms with
    /// almost the same noise exchange leaves their sum alone; else along p(1 − r/2)⁻² or the like, on which the slopes of √p,
    /// of which T is made, are straight, by factors of about ten at most.
    pub fn moved(&self, step: &[f64], base_step: f64, next: &mut Point) {
        let shift = |p: f64, d: f64| {
            let r = (d / p).clamp(-1.7, 1.4);
            if r < -0.5 {
                p * 0.5 / (0.5 - r).powi(2)
            } else if r > 0.5 && p < 0.01 {
                p / (1.0 - 0.5 * r).powi(2)
            } else {
                p + d
            }
        };
        next.p.clear();
        next.p.extend(self.p.iter().zip(step).map(|(p, d)| shift(*p, *d)));
        next.p_base = shift(self.p_base, base_step);
        let total = next.p_base + next.p.iter().sum::<f64>();
        next.p_base /= total;
        next.p.iter_mut().for_each(|p| *p /= total);
    }
}

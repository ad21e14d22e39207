//! Small loops over one row of scores, or a few.

use crate::simd::{Kernel, Real, Simd, level};

/// c_i ← φ_i − c_i in place; returns the maximum (−∞ for an empty row), or NaN if one is not finite.
pub(crate) fn scores<T: Real>(phi: &[T], c: &mut [T]) -> T {
    T::run(level(), Scores { phi, c })
}

struct Scores<'a, T> {
    phi: &'a [T],
    c: &'a mut [T],
}

impl<T: Real> Kernel<T> for Scores<'_, T> {
    type Out = T;
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> T {
        let lanes = S::LANES;
        let zero = s.splat(T::ZERO);
        let mut best = [s.splat(T::NEG_INFINITY); 4];
        // Stays 0, unless a score is not finite.
        let mut poison = [zero; 4];
        let mut phi = self.phi.chunks_exact(4 * lanes);
        let mut c = self.c.chunks_exact_mut(4 * lanes);
        for (phi, c) in phi.by_ref().zip(c.by_ref()) {
            for r in 0..4 {
                let u = s.sub(s.load(&phi[r * lanes..]), s.load(&c[r * lanes..]));
                s.store(u, &mut c[r * lanes..]);
                best[r] = s.max(u, best[r]);
                poison[r] = s.fma(u, zero, poison[r]);
            }
        }
        for (phi, c) in phi.remainder().chunks(lanes).zip(c.into_remainder().chunks_mut(lanes)) {
            let u = s.sub(s.load_part(phi, T::ZERO), s.load_part(c, T::ZERO));
            s.store_part(u, c);
            // The lanes after the end are not scores.
            best[0] = s.max(s.load_part(c, T::NEG_INFINITY), best[0]);
            poison[0] = s.fma(u, zero, poison[0]);
        }
        let best = s.max(s.max(best[0], best[1]), s.max(best[2], best[3]));
        let poison = s.add(s.add(poison[0], poison[1]), s.add(poison[2], poison[3]));
        s.max_lanes(best) + s.sum_lanes(poison)
    }
}

/// The place of the second largest of some scores, and how far it is below the largest.
pub(crate) fn runner_up(u: &[f64]) -> Option<(usize, f64)> {
    let (mut first, mut second, mut place) = (f64::NEG_INFINITY, f64::NEG_INFINITY, (0, 0));
    for (i, &u) in u.iter().enumerate() {
        if u > second {
            if u > first {
                (first, second, place) = (u, first, (i, place.0));
            } else {
                (second, place.1) = (u, i);
            }
        }
    }
    (second > f64::NEG_INFINITY).then_some((place.1, first - second))
}

/// q_i += Σ_s a_s p_si, for rows p that lie one after the other.
pub(crate) fn add_rows<T: Real>(a: &[T], p: &[T], q: &mut [T]) {
    T::run(level(), AddRows { a, p, q });
}

struct AddRows<'a, T> {
    a: &'a [T],
    p: &'a [T],
    q: &'a mut [T],
}

impl<T: Real> Kernel<T> for AddRows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (lanes, n) = (S::LANES, self.q.len());
        let mut i = 0;
        while n - i >= 4 * lanes {
            let mut sums: [S::V; 4] = std::array::from_fn(|r| s.load(&self.q[i + r * lanes..]));
            for (a, p) in self.a.iter().zip(self.p.chunks_exact(n)) {
                let (a, p) = (s.splat(*a), &p[i..i + 4 * lanes]);
                for r in 0..4 {
                    sums[r] = s.fma(a, s.load(&p[r * lanes..]), sums[r]);
                }
            }
            for (r, sum) in sums.into_iter().enumerate() {
                s.store(sum, &mut self.q[i + r * lanes..]);
            }
            i += 4 * lanes;
        }
        while i < n {
            let end = n.min(i + lanes);
            let mut sum = s.load_part(&self.q[i..end], T::ZERO);
            for (a, p) in self.a.iter().zip(self.p.chunks_exact(n)) {
                sum = s.fma(s.splat(*a), s.load_part(&p[i..end], T::ZERO), sum);
            }
            s.store_part(sum, &mut self.q[i..end]);
            i = end;
        }
    }
}

/// y_i ← max(y_i, u_i − shift).
pub(crate) fn raise<T: Real>(u: &[T], shift: T, y: &mut [T]) {
    T::run(level(), Raise { u, shift, y });
}

struct Raise<'a, T> {
    u: &'a [T],
    shift: T,
    y: &'a mut [T],
}

impl<T: Real> Kernel<T> for Raise<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let shift = s.splat(self.shift);
        for (y, u) in self.y.chunks_mut(S::LANES).zip(self.u.chunks(S::LANES)) {
            let v = s.max(s.sub(s.load_part(u, T::ZERO), shift), s.load_part(y, T::ZERO));
            s.store_part(v, y);
        }
    }
}

/// Σ p_i² v_i. Weights whose square would be subnormal, and slow, count as zero.
pub(crate) fn square_dot<T: Real>(p: &[T], v: &[T]) -> T {
    T::run(level(), SquareDot { p, v })
}

struct SquareDot<'a, T> {
    p: &'a [T],
    v: &'a [T],
}

impl<T: Real> Kernel<T> for SquareDot<'_, T> {
    type Out = T;
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> T {
        let (zero, least) = (s.splat(T::ZERO), s.splat(T::MIN_POSITIVE.sqrt()));
        let mut sums = [zero; 2];
        for (p, v) in self.p.chunks(2 * S::LANES).zip(self.v.chunks(2 * S::LANES)) {
            let cut = S::LANES.min(p.len());
            for (sum, (p, v)) in sums.iter_mut().zip([(&p[..cut], &v[..cut]), (&p[cut..], &v[cut..])]) {
                let p = s.load_part(p, T::ZERO);
                let p = s.if_less(least, p, p, zero);
                *sum = s.fma(s.mul(p, p), s.load_part(v, T::ZERO), *sum);
            }
        }
        s.sum_lanes(s.add(sums[0], sums[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_up_is_the_second_of_all() {
        let mut rng = crate::measure::stream(4, 0, 0);
        assert_eq!(runner_up(&[]), None);
        assert_eq!(runner_up(&[3.0]), None);
        assert_eq!(runner_up(&[3.0, 3.0]), Some((1, 0.0)));
        for _ in 0..1000 {
            let len = 2 + (rng.uniform() * 20.0) as usize;
            // Few values: ties.
            let u: Vec<f64> = (0..len).map(|_| (rng.uniform() * 10.0).floor() - 5.0).collect();
            let mut sorted = u.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let (place, gap) = runner_up(&u).unwrap();
            assert_eq!((u[place], gap), (sorted[1], sorted[0] - sorted[1]), "{u:?}");
            let first = u.iter().position(|u| *u == sorted[0]).unwrap();
            assert_ne!(place, first, "{u:?}");
        }
    }
}

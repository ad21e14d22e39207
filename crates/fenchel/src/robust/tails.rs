//! Means of the tails of losses.

use crate::{Error, Result};

/// CVaR of losses at several shares of their mass: for each share a the mean of the largest losses that together have a of the
/// mass,
///
/// ```text
/// CVaR_a = (Σ over the largest of w_i ℓ_i)/(a Σ w_i),
/// ```
///
/// where the last of them counts in part. It is the value of [`Risk`](super::Risk) for `cvar:a`, for all shares from one
/// ordering of the losses, with room for four bytes a loss. Weights w_i need not sum to 1.
///
/// ```
/// use fenchel::robust::tails;
///
/// let cvar = tails(&[4.0, 0.0, 1.0, 3.0], &[1.0; 4], &[0.25, 0.5, 1.0])?;
/// assert_eq!(cvar, [4.0, 3.5, 2.0]);
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] without losses, or unless there is a weight for each; [`Error::NonFinite`] for losses or weights that are
/// NaN or infinite; [`Error::InvalidValue`] for weights below 0 or 0 everywhere, or shares that are not above 0 and at most 1.
pub fn tails(losses: &[f64], weights: &[f64], shares: &[f64]) -> Result<Vec<f64>> {
    let n = losses.len();
    if n == 0 || weights.len() != n {
        return Err(Error::shape("losses", "at least one, and as many as weights", n));
    }
    for (name, numbers) in [("losses", losses), ("weights", weights)] {
        if let Some(i) = numbers.iter().position(|x| !x.is_finite()) {
            return Err(Error::non_finite(name, i, numbers[i]));
        }
    }
    if let Some(i) = weights.iter().position(|weight| *weight < 0.0) {
        return Err(Error::invalid(format!("weights[{i}]"), weights[i], "a number of at least 0"));
    }
    if let Some(share) = shares.iter().find(|share| !(**share > 0.0 && **share <= 1.0)) {
        return Err(Error::invalid("share of a tail", share, "a number above 0 and at most 1"));
    }
    let mut order: Vec<u32> = (0..n as u32).filter(|i| weights[*i as usize] > 0.0).collect();
    let total = weights.iter().fold(Sum::default(), Sum::and).total();
    if total == 0.0 {
        return Err(Error::invalid("weights", "0 everywhere", "positive for at least one loss"));
    }
    order.sort_unstable_by(|a, b| losses[*b as usize].total_cmp(&losses[*a as usize]).then(a.cmp(b)));
    let mut narrow: Vec<usize> = (0..shares.len()).collect();
    narrow.sort_by(|a, b| shares[*a].total_cmp(&shares[*b]));
    let mut left = narrow.into_iter().peekable();
    let mut tails = vec![f64::NAN; shares.len()];
    let (mut mass, mut sum) = (Sum::default(), Sum::default());
    for (k, i) in order.iter().enumerate() {
        let (loss, weight) = (losses[*i as usize], weights[*i as usize]);
        let is_last = k + 1 == order.len();
        let ends_here = |share: f64| is_last || mass.total() + weight >= share * total;
        while let Some(at) = left.next_if(|at| ends_here(shares[*at])) {
            let wanted = shares[at] * total;
            tails[at] = (sum.total() + (wanted - mass.total()) * loss) / wanted;
        }
        mass = mass.and(&weight);
        sum = sum.and(&(weight * loss));
    }
    Ok(tails)
}

/// A sum that keeps what rounding takes from it (Neumaier).
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn and(self, x: &f64) -> Self {
        let next = self.sum + x;
        let lost = if self.sum.abs() >= x.abs() { (self.sum - next) + x } else { (x - next) + self.sum };
        Sum { sum: next, lost: self.lost + lost }
    }

    fn total(&self) -> f64 {
        self.sum + self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::divergence::Cvar;
    use crate::measure::Rng;
    use crate::robust::{Risk, Strength};
    use std::sync::Arc;

    /// The tails are risks: with ties, weights of many sizes and of 0, and losses of either sign.
    #[test]
    fn tails_are_risks() {
        let mut rng = Rng::new(8);
        for round in 0..200 {
            let n = 1 + rng.below(400) as usize;
            let size = 10f64.powf(12.0 * rng.uniform() - 6.0);
            let losses: Vec<f64> = (0..n).map(|_| size * (4.0 * rng.normal()).round() + size).collect();
            let mut weights: Vec<f64> = (0..n).map(|_| (3.0 * rng.normal()).exp()).collect();
            weights.iter_mut().step_by(3).skip(1).for_each(|weight| *weight = 0.0);
            let shares = [0.5, 0.01, 1.0, 0.25, rng.uniform().max(1e-6)];
            let mut p = vec![0.0; n];
            for (share, tail) in shares.iter().zip(tails(&losses, &weights, &shares).unwrap()) {
                let f = Arc::new(Cvar::new(*share).unwrap());
                let risk = Risk::new(f, Strength::Penalty(1.0)).unwrap();
                let value = risk.of(&losses, &weights, &mut p).unwrap().value;
                let most = losses.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
                assert!((tail - value).abs() <= 1e-12 * most, "{round} {n} {share}: {tail} {value}");
            }
        }
    }

    #[test]
    fn bad_input_is_named() {
        let says = |losses: &[f64], weights: &[f64], share: f64| {
            tails(losses, weights, &[share]).unwrap_err().to_string()
        };
        assert!(says(&[], &[], 0.5).contains("at least one"));
        assert!(says(&[1.0], &[1.0, 1.0], 0.5).contains("as many as weights"));
        assert!(says(&[1.0, f64::NAN], &[1.0; 2], 0.5).contains("losses"));
        assert!(says(&[1.0; 2], &[1.0, -1.0], 0.5).contains("weights[1]"));
        assert!(says(&[1.0], &[0.0], 0.5).contains("0 everywhere"));
        for share in [0.0, -0.1, 1.5, f64::NAN] {
            assert!(says(&[1.0], &[1.0], share).contains("share"));
        }
    }
}

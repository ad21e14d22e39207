//! Means over runs, fitted slopes, and how certain they are.

/// A number and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error over runs.
    pub error: f64,
}

/// Mean and standard error of numbers that come one by one (Welford 1962).
#[derive(Debug, Clone, Copy, Default)]
pub struct Running {
    n: f64,
    mean: f64,
    square: f64,
}

impl Running {
    /// One more number.
    pub fn push(&mut self, v: f64) {
        self.n += 1.0;
        let step = v - self.mean;
        self.mean += step / self.n;
        self.square += step * (v - self.mean);
    }

    /// What is known after at least two.
    pub fn estimate(&self) -> Estimate {
        Estimate { value: self.mean, error: (self.square / (self.n * (self.n - 1.0))).sqrt() }
    }
}

/// Mean and standard error.
pub fn mean(values: &[f64]) -> Estimate {
    let mut running = Running::default();
    values.iter().for_each(|v| running.push(*v));
    running.estimate()
}

/// The slope of log(mean of y over runs) against log x, by least squares over the points where `within` holds of x,
/// with its standard error by the jackknife over runs. `runs[r][i]` belongs to `x[i]`.
pub fn slope(x: &[f64], runs: &[Vec<f64>], within: impl Fn(f64) -> bool) -> Estimate {
    let kept: Vec<usize> = (0..x.len()).filter(|i| within(x[*i])).collect();
    let without = |left_out: Option<usize>| {
        let points = kept.iter().map(|&i| {
            let (mut sum, mut n) = (0.0, 0.0);
            for (_, run) in runs.iter().enumerate().filter(|(r, _)| Some(*r) != left_out) {
                sum += run[i];
                n += 1.0;
            }
            (x[i].ln(), (sum / n).ln())
        });
        least_squares(&points.collect::<Vec<_>>())
    };
    let n = runs.len() as f64;
    let each: Vec<f64> = (0..runs.len()).map(|r| without(Some(r))).collect();
    let centre = each.iter().sum::<f64>() / n;
    let square: f64 = each.iter().map(|v| (v - centre) * (v - centre)).sum();
    Estimate { value: without(None), error: ((n - 1.0) / n * square).sqrt() }
}

/// The slope of the line through points.
fn least_squares(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |(a, b), p| (a + p.0 / n, b + p.1 / n));
    let (xy, xx) = points
        .iter()
        .fold((0.0, 0.0), |(a, b), p| (a + (p.0 - mx) * (p.1 - my), b + (p.0 - mx) * (p.0 - mx)));
    xy / xx
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_has_its_exponent() {
        let x = [1.0, 10.0, 100.0, 1000.0];
        // Each run a multiple of 3/x^1.5, which moves no slope; the first point is off and left out.
        let runs: Vec<Vec<f64>> = (1..=5)
            .map(|r| {
                x.iter()
                    .map(|x: &f64| if *x == 1.0 { 77.0 } else { f64::from(r) * 3.0 / x.powf(1.5) })
                    .collect()
            })
            .collect();
        let fitted = slope(&x, &runs, |x| x > 1.0);
        assert!((fitted.value + 1.5).abs() < 1e-12 && fitted.error < 1e-12, "{fitted:?}");
    }

    /// The jackknife of a mean is its standard error: with two points a decade apart the slope is the logarithm to
    /// base ten of the second mean, whose relative error is that of the mean, to first order.
    #[test]
    fn the_error_is_that_of_the_mean() {
        let values: Vec<f64> = (0..50).map(|i| 1.0 + 0.01 * f64::from(i * 37 % 50)).collect();
        let runs: Vec<Vec<f64>> = values.iter().map(|v| vec![1.0, *v]).collect();
        let m = mean(&values);
        let fitted = slope(&[1.0, 10.0], &runs, |_| true);
        assert!((fitted.value - m.value.log10()).abs() < 1e-12);
        let expected = m.error / m.value / 10f64.ln();
        assert!((fitted.error / expected - 1.0).abs() < 0.02, "{} {expected}", fitted.error);
        assert!(
            (m.value - 1.245).abs() < 1e-12 && (m.error - 0.145_774 / 50f64.sqrt()).abs() < 1e-5,
            "{m:?}"
        );
    }
}

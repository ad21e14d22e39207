//! Kernels of reproducing spaces: what potentials can be sums of.

use crate::error::{Error, Result};
use crate::measure::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The shape of a kernel κ(x, x'), with r = ‖x − x'‖/σ for a bandwidth σ. All have κ(x, x) = 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// e^{−r²}: infinitely smooth functions.
    #[default]
    Gaussian,
    /// e^{−r}, Matérn of smoothness 1/2: continuous functions.
    Matern12,
    /// (1 + √3 r) e^{−√3 r}, smoothness 3/2: functions with a derivative.
    Matern32,
    /// (1 + √5 r + 5r²/3) e^{−√5 r}, smoothness 5/2: functions with two.
    Matern52,
    /// e^{−Σ_k |x_k − x'_k|/σ}: continuous, with corners along the axes.
    Laplace,
}

/// A kernel with a name: one row of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// The kernel.
    pub kernel: Kernel,
}

/// Every kernel.
pub fn registry() -> &'static [Entry] {
    const fn entry(name: &'static str, summary: &'static str, kernel: Kernel) -> Entry {
        Entry { name, summary, kernel }
    }
    const ALL: [Entry; 5] = [
        entry("gaussian", "e^(−r²), infinitely smooth", Kernel::Gaussian),
        entry("matern:0.5", "e^(−r), continuous", Kernel::Matern12),
        entry("matern:1.5", "(1 + √3 r) e^(−√3 r), differentiable once", Kernel::Matern32),
        entry("matern:2.5", "(1 + √5 r + 5r²/3) e^(−√5 r), differentiable twice", Kernel::Matern52),
        entry("laplace", "e^(−Σ |x_k − x'_k|/σ), continuous, product over coordinates", Kernel::Laplace),
    ];
    &ALL
}

impl fmt::Display for Kernel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = registry().iter().find(|e| e.kernel == *self).map_or("", |e| e.name);
        out.write_str(name)
    }
}

/// ```
/// use fenchel::transport::continuous::Kernel;
/// assert_eq!("matern:1.5".parse::<Kernel>()?, Kernel::Matern32);
/// assert!("gausian".parse::<Kernel>().unwrap_err().to_string().contains("did you mean 'gaussian'?"));
/// # Ok::<(), fenchel::Error>(())
/// ```
impl FromStr for Kernel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let name = text.trim();
        registry()
            .iter()
            .find(|e| e.name == name)
            .map(|e| e.kernel)
            .ok_or_else(|| Error::unknown("kernel", name, registry().iter().map(|e| e.name)))
    }
}

impl Kernel {
    /// κ(x, x') for points `difference` = x − x' apart, at bandwidth σ.
    pub fn eval(self, difference: impl Iterator<Item = f64>, bandwidth: f64) -> f64 {
        match self {
            Kernel::Laplace => (-difference.map(f64::abs).sum::<f64>() / bandwidth).exp(),
            _ => self.radial(difference.map(|d| d * d).sum::<f64>(), bandwidth),
        }
    }

    /// Replaces squared distances (sums of absolute differences, for [`Kernel::Laplace`]) by values of the kernel.
    pub(super) fn apply(self, values: &mut [f64], bandwidth: f64) {
        for v in values {
            *v = match self {
                Kernel::Laplace => (-*v / bandwidth).exp(),
                _ => self.radial(*v, bandwidth),
            };
        }
    }

    fn radial(self, square: f64, bandwidth: f64) -> f64 {
        let r2 = square / (bandwidth * bandwidth);
        let scaled = |nu2: f64| (nu2 * r2).sqrt();
        match self {
            Kernel::Gaussian => (-r2).exp(),
            Kernel::Matern12 | Kernel::Laplace => (-r2.sqrt()).exp(),
            Kernel::Matern32 => {
                let s = scaled(3.0);
                (1.0 + s) * (-s).exp()
            }
            Kernel::Matern52 => {
                let s = scaled(5.0);
                (1.0 + s + s * s / 3.0) * (-s).exp()
            }
        }
    }

    /// A frequency of the kernel's spectral measure at bandwidth 1, into `omega`: E cos(ω·(x − x')) = κ(x, x') (Bochner).
    pub(super) fn frequency(self, rng: &mut Rng, omega: &mut [f64]) {
        let mut degrees = match self {
            Kernel::Gaussian => {
                omega.iter_mut().for_each(|w| *w = std::f64::consts::SQRT_2 * rng.normal());
                return;
            }
            Kernel::Laplace => {
                // A Cauchy number for every coordinate.
                for w in omega {
                    *w = rng.normal() / rng.normal();
                }
                return;
            }
            Kernel::Matern12 => 1,
            Kernel::Matern32 => 3,
            Kernel::Matern52 => 5,
        };
        // Student's t with 2ν degrees of freedom.
        let nu2 = f64::from(degrees);
        let mut chi2 = 0.0;
        while degrees > 0 {
            chi2 += rng.normal().powi(2);
            degrees -= 1;
        }
        let scale = (nu2 / chi2).sqrt();
        omega.iter_mut().for_each(|w| *w = scale * rng.normal());
    }
}

//! Measures one can draw from, and points: samplers, clouds, quasi-Monte Carlo.
//!
//! A [`Source`] draws points; [`Sampler`] numbers them so that a seed means the same points whoever draws them;
//! [`PointCloud`] is a finite measure, [`mod@file`] reads one. [`parse`] makes a source from its name, and [`registry`] lists the names.

pub(crate) mod alias;
mod ball;
mod closure;
mod cloud;
mod design;
pub mod file;
mod gaussian;
mod mixture;
mod quantile;
mod rng;
mod simplex;
mod soa;
mod sobol;
mod sobol_table;
mod source;
mod uniform;

pub use ball::{Ball, Sphere};
pub use closure::FromFn;
pub use cloud::{PointCloud, check_weights};
pub use design::{Design, Sampler, draw_points};
pub use gaussian::Gaussian;
pub use mixture::Mixture;
pub use quantile::normal_quantile;
pub use rng::{Rng, stream};
pub use simplex::Simplex;
pub use soa::Soa;
pub use sobol::Sobol;
pub use source::Source;
pub use uniform::UniformBox;

use crate::{Error, Result};
use std::sync::Arc;

/// The largest dimension a name may ask for.
const MAX_DIM: usize = 1_000_000;

/// A source with a name: one row of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name; a source is written `name:dimension`.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// Makes the source of a dimension.
    pub build: fn(usize) -> Result<Arc<dyn Source>>,
}

/// Every named source.
pub fn registry() -> &'static [Entry] {
    &[
        Entry {
            name: "gaussian",
            summary: "standard normal N(0, I)",
            build: |dim| Ok(Arc::new(Gaussian::standard(dim)?)),
        },
        Entry {
            name: "uniform",
            summary: "uniform on the unit cube [0, 1]^d",
            build: |dim| Ok(Arc::new(UniformBox::unit(dim)?)),
        },
        Entry {
            name: "ball",
            summary: "uniform on the unit ball",
            build: |dim| Ok(Arc::new(Ball::new(dim)?)),
        },
        Entry {
            name: "sphere",
            summary: "uniform on the unit sphere of R^d",
            build: |dim| Ok(Arc::new(Sphere::new(dim)?)),
        },
        Entry {
            name: "simplex",
            summary: "uniform on the probability simplex with d corners",
            build: |dim| Ok(Arc::new(Simplex::new(dim)?)),
        },
    ]
}

/// Makes a source from `name:dimension`, for instance `gaussian:2`.
///
/// ```
/// let source = fenchel::measure::parse("ball:3")?;
/// assert_eq!(source.dim(), 3);
/// let error = fenchel::measure::parse("gausian:2").unwrap_err();
/// assert!(error.to_string().contains("did you mean 'gaussian'?"));
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// A name no one knows (the nearest is suggested), a dimension that is missing or not a whole number of at least
/// one and at most a million.
pub fn parse(name: &str) -> Result<Arc<dyn Source>> {
    let (base, dim) = match name.trim().split_once(':') {
        Some((base, dim)) => (base.trim(), Some(dim.trim())),
        None => (name.trim(), None),
    };
    let Some(entry) = registry().iter().find(|e| e.name == base) else {
        return Err(Error::unknown("source", base, registry().iter().map(|e| e.name)));
    };
    let dim = dim.and_then(|d| d.parse().ok()).filter(|d| (1..=MAX_DIM).contains(d)).ok_or_else(|| {
        let expected =
            format!("{base}:DIMENSION with a whole number from 1 to {MAX_DIM}, for instance {base}:2");
        Error::invalid("source", name, expected)
    })?;
    (entry.build)(dim)
}

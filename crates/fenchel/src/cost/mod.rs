//! Ground costs c(x, y): what it takes to move a unit of mass from x to y.
//!
//! [`parse`] makes a cost from its name and [`registry`] lists the names; [`CostFn`] makes one of a closure. A name
//! may carry a parameter and a power: `l2`, `lp:1.5`, `linf^2`, `lp:1.5^3` (the cube of the 1.5-norm).

mod closure;
mod cosine;
mod ground;
mod kernel;
mod l1;
mod l2;
mod linf;
mod lp;
mod pow;
mod power;
mod real;
mod sqeuclidean;
mod transposed;

pub use closure::CostFn;
pub use cosine::Cosine;
pub use ground::Cost;
pub use l1::L1;
pub use l2::L2;
pub use linf::Linf;
pub use lp::Lp;
pub use power::Power;
pub use sqeuclidean::SqEuclidean;
pub use transposed::Transposed;

use crate::{Error, Result};
use std::sync::Arc;

/// A cost with a name: one row of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// The parameter after the colon, if the cost takes one.
    pub parameter: Option<&'static str>,
    /// One line on what it is.
    pub summary: &'static str,
    /// Makes the cost from its parameter.
    pub build: fn(f64) -> Result<Arc<dyn Cost>>,
}

/// Every named cost.
pub fn registry() -> &'static [Entry] {
    &[
        Entry {
            name: "linf",
            parameter: None,
            summary: "largest difference of a coordinate, max |x_k − y_k|",
            build: |_| Ok(Arc::new(Linf)),
        },
        Entry {
            name: "l1",
            parameter: None,
            summary: "sum of the differences, Σ |x_k − y_k|",
            build: |_| Ok(Arc::new(L1)),
        },
        Entry {
            name: "l2",
            parameter: None,
            summary: "Euclidean distance, (Σ (x_k − y_k)²)^½",
            build: |_| Ok(Arc::new(L2)),
        },
        Entry {
            name: "sqeuclidean",
            parameter: None,
            summary: "squared Euclidean distance, Σ (x_k − y_k)²",
            build: |_| Ok(Arc::new(SqEuclidean)),
        },
        Entry {
            name: "lp",
            parameter: Some("p"),
            summary: "distance of the p-norm, (Σ |x_k − y_k|^p)^(1/p), p ≥ 1",
            build: |p| Ok(Arc::new(Lp::new(p)?)),
        },
        Entry {
            name: "cosine",
            parameter: None,
            summary: "one minus the cosine of the angle at the origin",
            build: |_| Ok(Arc::new(Cosine)),
        },
    ]
}

/// What a distance that goes by another name in other libraries is called here. The nearest word to `euclidean` is its square.
fn elsewhere(name: &str) -> Option<&'static str> {
    match name.to_lowercase().as_str() {
        "euclidean" => Some("l2"),
        "cityblock" | "manhattan" => Some("l1"),
        "chebyshev" => Some("linf"),
        _ => None,
    }
}

/// Makes a cost from its name: `NAME`, `NAME:PARAMETER`, and either with `^POWER` behind it.
///
/// `l2^2` is `sqeuclidean`; `lp:1`, `lp:2`, `lp:inf` are `l1`, `l2`, `linf`.
///
/// ```
/// let cost = fenchel::cost::parse("lp:3^2")?;
/// assert!((cost.eval(&[0.0, 0.0], &[1.0, 1.0]) - 2f64.powf(2.0 / 3.0)).abs() < 1e-15);
/// let error = fenchel::cost::parse("sqeuclidian").unwrap_err();
/// assert!(error.to_string().contains("did you mean 'sqeuclidean'?"));
/// let error = fenchel::cost::parse("euclidean").unwrap_err();
/// assert!(error.to_string().contains("did you mean 'l2'?"));
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// A name no one knows (the nearest is suggested), a parameter that is missing, superfluous or outside its
/// domain, a power that is not a finite number above 0.
pub fn parse(name: &str) -> Result<Arc<dyn Cost>> {
    let (norm, power) = match name.trim().rsplit_once('^') {
        Some((norm, power)) => (norm.trim(), Some(power.trim())),
        None => (name.trim(), None),
    };
    let (base, parameter) = match norm.split_once(':') {
        Some((base, parameter)) => (base.trim(), Some(parameter.trim())),
        None => (norm, None),
    };
    let Some(entry) = registry().iter().find(|e| e.name == base) else {
        let known = registry().iter().map(|e| e.name);
        return Err(match elsewhere(base) {
            None => Error::unknown("cost", base, known),
            Some(here) => Error::UnknownName {
                kind: "cost",
                name: base.to_owned(),
                suggestion: Some(here.to_owned()),
                known: known.map(str::to_owned).collect(),
            },
        });
    };
    let parameter = match (entry.parameter, parameter) {
        (None, None) => f64::NAN,
        (None, Some(_)) => return Err(Error::invalid("cost", name, format!("{base}, without a parameter"))),
        (Some(what), text) => text.and_then(|t| t.parse::<f64>().ok()).ok_or_else(|| {
            let expected = format!("{base}:{what} with a number {what}, for instance {base}:1.5");
            Error::invalid("cost", name, expected)
        })?,
    };
    let power = match power {
        None => 1.0,
        Some(text) => text.parse::<f64>().ok().filter(|r| r.is_finite() && *r > 0.0).ok_or_else(|| {
            let expected = format!("{norm}^POWER with a finite number above 0, for instance {norm}^2");
            Error::invalid("cost", name, expected)
        })?,
    };
    match (base, parameter) {
        ("lp", 1.0) => raise(Arc::new(L1), power),
        ("l2", _) | ("lp", 2.0) if power == 2.0 => Ok(Arc::new(SqEuclidean)),
        ("lp", 2.0) => raise(Arc::new(L2), power),
        ("lp", f64::INFINITY) => raise(Arc::new(Linf), power),
        ("lp", p) => Ok(Arc::new(Lp::raised(p, power)?)),
        _ => raise((entry.build)(parameter)?, power),
    }
}

fn raise(base: Arc<dyn Cost>, power: f64) -> Result<Arc<dyn Cost>> {
    if power == 1.0 { Ok(base) } else { Ok(Arc::new(Power::new(base, power)?)) }
}

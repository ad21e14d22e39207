//! The engine's lists of names, for Python to agree with.

use crate::errors::OrRaise;
use fenchel::divergence::{self, Parameter};
use pyo3::prelude::*;

/// `(name without parameter, parameter)` of a divergence's name, once the engine has accepted it.
#[pyfunction]
pub fn canonical_divergence(py: Python<'_>, name: &str) -> PyResult<(String, Option<f64>)> {
    let name = divergence::parse(name).or_raise(py)?.name();
    Ok(match name.split_once(':') {
        Some((base, parameter)) => (base.to_owned(), parameter.parse().ok()),
        None => (name, None),
    })
}

/// Rows `(name as typed, parameter's symbol or None, whether it must be given, summary, examples)` of the divergences.
type DivergenceRow = (String, Option<&'static str>, bool, &'static str, Vec<&'static str>);

/// Every divergence with a name.
#[pyfunction]
pub fn registry() -> Vec<DivergenceRow> {
    divergence::registry()
        .iter()
        .map(|entry| {
            let (symbol, required) = match entry.parameter {
                Parameter::Required { symbol, .. } => (Some(symbol), true),
                Parameter::Optional { symbol, .. } => (Some(symbol), false),
                _ => (None, false),
            };
            (entry.name.to_owned(), symbol, required, entry.summary, entry.examples.to_vec())
        })
        .collect()
}

//! Errors of the engine as exceptions of `fenchel.errors`.

use fenchel::Error;
use pyo3::prelude::*;

/// The exception that says what `error` says.
pub fn raised(py: Python<'_>, error: Error) -> PyErr {
    let class = match &error {
        Error::Shape { .. } => "ShapeError",
        Error::NonFinite { .. } => "NonFiniteError",
        Error::UnknownName { .. } => "UnknownNameError",
        Error::Infeasible { .. } => "InfeasibleError",
        Error::Unbounded { .. } => "UnboundedError",
        Error::File { .. } => "DataFileError",
        _ => "InvalidInputError",
    };
    exception(py, class, error.to_string())
}

/// An exception of a class of `fenchel.errors`.
pub fn exception(py: Python<'_>, class: &str, message: String) -> PyErr {
    let made = || py.import("fenchel.errors")?.getattr(class)?.call1((message,));
    made().map_or_else(|error| error, PyErr::from_value)
}

/// An argument that is outside its domain.
pub fn invalid(py: Python<'_>, name: &str, value: impl std::fmt::Display, expected: &str) -> PyErr {
    raised(py, Error::invalid(name, value, expected))
}

/// `?` for results of the engine.
pub trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for fenchel::Result<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| raised(py, error))
    }
}

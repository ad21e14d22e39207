//! Python functions that the engine calls.

use pyo3::prelude::*;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The first exception that a function called by the engine has raised. The engine only learns that numbers are missing; who
/// started it asks here why.
#[derive(Debug, Clone, Default)]
pub struct Failure(Arc<Mutex<Option<PyErr>>>);

impl Failure {
    /// Keeps an exception, if it is the first.
    fn keep(&self, error: PyErr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// The exception, which is then forgotten.
    pub fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// The first exception in any of several places; none is left in the others.
pub fn first(failures: &[Failure]) -> Option<PyErr> {
    failures.iter().fold(None, |found, failure| {
        let taken = failure.take();
        found.or(taken)
    })
}

/// A function of Python, and where its exceptions go.
pub struct Callback {
    function: Py<PyAny>,
    /// Where they go.
    pub failure: Failure,
}

impl fmt::Debug for Callback {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Callback")
    }
}

impl Callback {
    /// A function without exceptions so far.
    pub fn new(function: Py<PyAny>) -> Self {
        Callback { function, failure: Failure::default() }
    }

    /// Lets `call` call the function and write numbers to `out`; NaN where that raises an exception.
    pub fn fill(&self, out: &mut [f64], call: impl FnOnce(&Bound<'_, PyAny>, &mut [f64]) -> PyResult<()>) {
        if self.failure.is_set() {
            return out.fill(f64::NAN); // the engine is about to find out
        }
        Python::attach(|py| {
            if let Err(error) = call(self.function.bind(py), out) {
                self.failure.keep(error);
                out.fill(f64::NAN);
            }
        });
    }
}

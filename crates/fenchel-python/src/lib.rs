//! The extension module `fenchel._engine`: takes NumPy arrays and names, calls the engine, returns arrays and tuples.
//!
//! What users see (names, defaults, documentation, results) is written in Python, in `python/fenchel/`; here is only what
//! needs the engine. Arrays are read where they are. Long work runs without the interpreter lock in a pool of threads of
//! its own, watched for Ctrl-C ([`run`]).

mod arrays;
mod callback;
mod errors;
mod logspace;
mod observer;
mod registry;
mod robust;
mod run;
mod smoothmax;
mod transport;

use pyo3::prelude::*;

/// What `fenchel` is made of; not a public interface.
#[pymodule]
mod _engine {
    use super::*;

    #[pymodule_export]
    use super::logspace::{log_softmax, logaddexp, logmeanexp, logsubexp, logsumexp, softmax};
    #[pymodule_export]
    use super::registry::{canonical_divergence, registry};
    #[pymodule_export]
    use super::robust::{network_losses, network_scores, network_train};
    #[pymodule_export]
    use super::robust::{robust_choose, robust_fit, robust_has_strength, robust_loss, robust_risk};
    #[pymodule_export]
    use super::run::{after_fork, num_threads, set_num_threads};
    #[pymodule_export]
    use super::smoothmax::{entmax, smoothmax};
    #[pymodule_export]
    use super::transport::{
        Continuous, ContinuousSolution, Cost, Coupling, Plan, Solution, Source, Transport, kernel, loaded,
        parse_memory,
    };

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

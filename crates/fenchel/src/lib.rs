//! One idea worked out: a smooth maximum is sup_p ⟨u, p⟩ − λ D_f(p‖η).
pub mod bounds;
pub mod cost;
pub mod divergence;
pub mod error;
pub mod logspace;
pub mod measure;
pub mod optim;
pub mod simd;
pub mod smoothmax;
pub mod transport;

pub use error::{Error, Result};

//! logspace

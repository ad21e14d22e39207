//! The smooth maximum: value, weights and threshold together.

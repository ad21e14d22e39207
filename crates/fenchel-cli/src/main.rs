//! The command `fenchel`.
fn main() {}

//! What can go wrong, said in the user's terms: what, where, and what it must be.

use std::fmt;
use std::path::PathBuf;

/// The result of every fallible call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything a caller can get wrong. Nothing panics on user input: it comes back as one of these.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// Two things do not fit together: a length, a dimension, a number of columns.
    Shape {
        /// What was looked at, for instance `reference`.
        what: String,
        /// The shape it must have, in words.
        expected: String,
        /// The shape it has, in words.
        found: String,
    },
    /// A parameter is outside its domain.
    InvalidValue {
        /// The parameter's name, for instance `lambda`.
        name: String,
        /// The value it was given.
        value: String,
        /// What it must be, for instance `a finite number above 0`.
        expected: String,
    },
    /// A number that must be finite is NaN or infinite.
    NonFinite {
        /// What was looked at, for instance `scores` or `atoms`.
        what: String,
        /// Where: an index, or `row 3, column 1`.
        at: String,
        /// The number found there.
        value: f64,
    },
    /// A file could not be read, understood or written.
    File {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1, where known.
        line: Option<u64>,
        /// Column, counted from 1 (a field of a CSV file, not a character), where known.
        column: Option<u64>,
        /// What is wrong and what is wanted.
        message: String,
    },
    /// A name that no registry knows.
    UnknownName {
        /// What kind of thing was named: `divergence`, `cost`, `source`.
        kind: &'static str,
        /// The name given.
        name: String,
        /// The nearest known name, if one is near.
        suggestion: Option<String>,
        /// Every known name.
        known: Vec<String>,
    },
    /// The problem has no solution: an atom asks for more mass than the divergence lets it have.
    Infeasible {
        /// Index of the atom, counted from 0.
        atom: usize,
        /// Why no plan exists.
        reason: String,
    },
    /// A bound that is infinite carries no information; this says why.
    Unbounded {
        /// The bound that was asked for.
        bound: &'static str,
        /// Why it is infinite.
        reason: String,
    },
}

impl Error {
    /// Shorthand for [`Error::InvalidValue`].
    pub fn invalid(name: impl Into<String>, value: impl fmt::Display, expected: impl Into<String>) -> Self {
        Error::InvalidValue { name: name.into(), value: value.to_string(), expected: expected.into() }
    }

    /// Shorthand for [`Error::Shape`].
    pub fn shape(what: impl Into<String>, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Error::Shape { what: what.into(), expected: expected.to_string(), found: found.to_string() }
    }

    /// Shorthand for [`Error::NonFinite`].
    pub fn non_finite(what: impl Into<String>, at: impl fmt::Display, value: f64) -> Self {
        Error::NonFinite { what: what.into(), at: at.to_string(), value }
    }

    /// Shorthand for [`Error::File`] without a position.
    pub fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Error::File { path: path.into(), line: None, column: None, message: message.into() }
    }

    /// An [`Error::UnknownName`] that suggests the nearest of the `known` names, whatever the case.
    pub fn unknown<S: AsRef<str>>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = S>,
    ) -> Self {
        let known: Vec<String> = known.into_iter().map(|s| s.as_ref().to_owned()).collect();
        let lower = name.to_lowercase();
        let suggestion = known
            .iter()
            .map(|k| (edit_distance(&lower, k), k))
            .min_by_key(|(d, _)| *d)
            .filter(|(d, k)| *d <= 1 + k.chars().count() / 3)
            .map(|(_, k)| k.clone());
        Error::UnknownName { kind, name: name.to_owned(), suggestion, known }
    }
}

/// Optimal string alignment distance: insertions, deletions, substitutions, adjacent swaps.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let width = b.len() + 1;
    let mut d = vec![0usize; (a.len() + 1) * width];
    for (j, cell) in d.iter_mut().take(width).enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        d[i * width] = i;
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (d[(i - 1) * width + j] + 1)
                .min(d[i * width + j - 1] + 1)
                .min(d[(i - 1) * width + j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(d[(i - 2) * width + j - 2] + 1);
            }
            d[i * width + j] = best;
        }
    }
    d[a.len() * width + b.len()]
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Shape { what, expected, found } => {
                write!(out, "{what}: expected {expected}, found {found}")
            }
            Error::InvalidValue { name, value, expected } => {
                write!(out, "{name} is {value}; it must be {expected}")
            }
            Error::NonFinite { what, at, value } => {
                write!(out, "{what} at {at} is {value}; it must be a finite number")
            }
            Error::File { path, line, column, message } => {
                write!(out, "{}", path.display())?;
                if let Some(line) = line {
                    write!(out, ", line {line}")?;
                }
                if let Some(column) = column {
                    write!(out, ", column {column}")?;
                }
                write!(out, ": {message}")
            }
            Error::UnknownName { kind, name, suggestion, known } => {
                write!(out, "unknown {kind} '{name}'")?;
                if let Some(s) = suggestion {
                    write!(out, "; did you mean '{s}'?")?;
                }
                write!(out, " (known: {})", known.join(", "))
            }
            Error::Infeasible { atom, reason } => write!(out, "atom {atom}: {reason}"),
            Error::Unbounded { bound, reason } => write!(out, "{bound} is infinite: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_name() {
        let known = ["kl", "safe-kl", "chi2", "hyperbolic"];
        for (typed, nearest) in
            [("sfae-kl", "safe-kl"), ("chi", "chi2"), ("hyprebolic", "hyperbolic"), ("KL", "kl")]
        {
            let Error::UnknownName { suggestion, .. } = Error::unknown("divergence", typed, known) else {
                unreachable!()
            };
            assert_eq!(suggestion.as_deref(), Some(nearest));
        }
        let Error::UnknownName { suggestion, .. } = Error::unknown("divergence", "wasserstein", known) else {
            unreachable!()
        };
        assert_eq!(suggestion, None);
    }
}

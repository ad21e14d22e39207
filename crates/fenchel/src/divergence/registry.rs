//! The one list of divergences: names for the command line, tests and benches all come from it.

use std::fmt;
use std::sync::Arc;

use super::{Divergence, chi2, cvar, hyperbolic, kl, kl_cvar, marginal_moments, none, safe_kl, tsallis};
use crate::error::{Error, Result};

/// What may follow a divergence's name after a colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parameter {
    /// Nothing.
    None,
    /// A number that must be given.
    Required {
        /// The parameter's name.
        symbol: &'static str,
        /// What it must be.
        domain: &'static str,
    },
    /// A number that may be given.
    Optional {
        /// The parameter's name.
        symbol: &'static str,
        /// What it must be.
        domain: &'static str,
    },
}

/// A row of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name without parameter, as typed on the command line.
    pub name: &'static str,
    /// Its parameter.
    pub parameter: Parameter,
    /// One line of description.
    pub summary: &'static str,
    /// Instances for tests, benches and help texts.
    pub examples: &'static [&'static str],
    /// Makes one; [`parse`] has checked that a required parameter is there.
    pub build: fn(Option<f64>) -> Result<Arc<dyn Divergence>>,
}

impl fmt::Display for Entry {
    /// The name as it is to be typed: `kl`, `safe-kl:RHO`, `marginal-moments[:N]`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parameter {
            Parameter::None => write!(out, "{}", self.name),
            Parameter::Required { symbol, .. } => write!(out, "{}:{}", self.name, symbol.to_uppercase()),
            Parameter::Optional { symbol, .. } => write!(out, "{}[:{}]", self.name, symbol.to_uppercase()),
        }
    }
}

const ENTRIES: &[Entry] = &[
    none::ENTRY,
    kl::ENTRY,
    safe_kl::ENTRY,
    safe_kl::CENTERED,
    chi2::ENTRY,
    tsallis::ENTRY,
    hyperbolic::ENTRY,
    marginal_moments::ENTRY,
    cvar::ENTRY,
    kl_cvar::ENTRY,
];

/// Every divergence with a name.
pub fn registry() -> &'static [Entry] {
    ENTRIES
}

/// The divergence of a name such as `kl` or `safe-kl:0.1`; the inverse of [`Divergence::name`].
///
/// # Errors
/// [`Error::UnknownName`] with the nearest known name; [`Error::InvalidValue`] if a parameter is missing, not
/// wanted, not a number, or outside its domain.
///
/// ```
/// use fenchel::divergence::{Divergence, parse};
///
/// assert_eq!(parse("safe-kl:0.1")?.cap(), 10.0);
/// assert!(parse("safe-kl:2").unwrap_err().to_string().contains("below 1"));
/// assert!(parse("chi").unwrap_err().to_string().contains("did you mean 'chi2'"));
/// # Ok::<(), fenchel::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Arc<dyn Divergence>> {
    let (name, given) = match text.split_once(':') {
        Some((name, parameter)) => (name.trim(), Some(parameter.trim())),
        None => (text.trim(), None),
    };
    let Some(entry) = ENTRIES.iter().find(|entry| entry.name == name) else {
        return Err(Error::unknown("divergence", name, ENTRIES.iter().map(|entry| entry.name)));
    };
    let what = format!("divergence {name}");
    let (symbol, domain, required) = match entry.parameter {
        Parameter::None => {
            return match given {
                None => (entry.build)(None),
                Some(_) => {
                    Err(Error::invalid(what, format!("'{text}'"), format!("'{name}' with no parameter")))
                }
            };
        }
        Parameter::Required { symbol, domain } => (symbol, domain, true),
        Parameter::Optional { symbol, domain } => (symbol, domain, false),
    };
    match given {
        None if required => Err(Error::invalid(
            what,
            format!("'{text}'"),
            format!("'{name}:{symbol}' with {symbol} {domain}, for instance '{}'", entry.examples[0]),
        )),
        None => (entry.build)(None),
        Some(given) => match given.parse::<f64>() {
            Ok(value) => (entry.build)(Some(value)),
            Err(_) => Err(Error::invalid(format!("{symbol} of {name}"), format!("'{given}'"), domain)),
        },
    }
}

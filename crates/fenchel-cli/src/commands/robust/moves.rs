//! Rows that the worst case may move: at which price, in which units.

use super::encoding::Encoding;
use crate::failure::Result;
use fenchel::robust::Perturbation;
use serde::{Deserialize, Serialize};

/// As a model keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moves {
    /// κ.
    pub price: f64,
    /// The unit of distances of each feature; 0 for one that stays.
    pub units: Vec<f64>,
}

impl Moves {
    /// At a price, in the units of columns, or of the deviations given; what was text stays as it is.
    pub fn new(price: f64, encoding: &Encoding, deviations: Option<Vec<f64>>) -> Self {
        let is_number = encoding.numbers();
        let units = deviations.unwrap_or_else(|| vec![1.0; is_number.len()]);
        let of = |(unit, is_number): (f64, &bool)| if *is_number { unit } else { 0.0 };
        Moves { price, units: units.into_iter().zip(&is_number).map(of).collect() }
    }

    /// What the engine makes of it.
    pub fn perturbation(&self) -> Result<Perturbation> {
        Ok(Perturbation::new(self.price)?.in_units(self.units.clone())?)
    }

    /// In words.
    pub fn words(&self) -> String {
        format!("rows moved at price {}", crate::report::plain(self.price, 4))
    }
}

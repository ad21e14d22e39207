//! A trained network as a potential, and its file.

use super::standard::Standard;
use crate::network::parameters::{read, read_sealed, write_sealed, written};
use crate::network::{Mlp, Network, evaluate};
use fenchel::transport::continuous::Potential;
use fenchel::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a file begins.
const MARK: &[u8] = b"fenchel potential 1\n";

/// A potential that is a network: in double precision outside, single within.
///
/// ```text
/// v(y) = offset + unit · network((y − centre)/scale)
/// ```
///
/// Centre and scale are those of each coordinate on a pilot sample, the unit is the spread of the costs. Coordinates that are
/// constant on the pilot sample are left out, and points farther than 10⁴ scales count as there.
#[derive(Debug, Clone)]
pub struct NetworkPotential<N> {
    /// Without gradients.
    network: N,
    standard: Standard,
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct File {
    description: String,
    parameters: Vec<f32>,
    standard: Standard,
}

impl<N: Network> NetworkPotential<N> {
    pub(super) fn new(network: &N, standard: Standard) -> Self {
        NetworkPotential { network: network.valid(), standard }
    }

    /// The network, without gradients.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// Saves architecture, parameters and scales. The file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let file = File {
            description: self.network.description(),
            parameters: read(&self.network),
            standard: self.standard.clone(),
        };
        write_sealed(MARK, path, &file)
    }

    /// Loads what [`save`](NetworkPotential::save) wrote into a network of the same make, to the bit; its own parameters do not matter.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, is none of this kind, is damaged, or has a potential of another network.
    pub fn load(network: N, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::filled(network, read_sealed(MARK, "potential", path)?, path)
    }

    fn filled(network: N, file: File, path: &Path) -> Result<Self> {
        let wanted = network.description();
        if file.description != wanted {
            return Err(Error::file(path, format!("is of a {}, not of a {wanted}", file.description)));
        }
        let wrong = |e: Error| Error::file(path, format!("is no potential: {e}"));
        file.standard.check(network.inputs()).map_err(wrong)?;
        let network = written(network, &file.parameters).map_err(wrong)?;
        Ok(NetworkPotential::new(&network, file.standard))
    }
}

impl NetworkPotential<Mlp> {
    /// Loads a perceptron of whatever size the file says.
    ///
    /// # Errors
    /// As [`load`](NetworkPotential::load).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file: File = read_sealed(MARK, "potential", path)?;
        match Mlp::described(&file.description, file.parameters.len()) {
            Some(network) => Self::filled(network, file, path),
            None => Err(Error::file(path, format!("is of a {}, not of a perceptron", file.description))),
        }
    }
}

impl<N: Network + Sync> Potential for NetworkPotential<N> {
    fn dim(&self) -> usize {
        self.network.inputs()
    }

    fn fill(&self, points: &[f64], values: &mut [f64]) {
        let scores = evaluate(&self.network, &self.standard.features(points));
        values.iter_mut().zip(self.standard.values(&scores)).for_each(|(value, v)| *value = v);
    }
}

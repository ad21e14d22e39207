//! Parameters as numbers in a row, and as files.
//!
//! The order is that in which burn visits a module: field by field as they are declared. Numbers are `f32`, and come back to the bit.

use super::{Network, numbers};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use fenchel::measure::file::write_atomically;
use fenchel::optim::{of_another_version, sealed, unsealed};
use fenchel::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a file of parameters begins.
const MARK: &[u8] = b"fenchel network 1\n";

/// How many there are.
pub fn count(module: &impl Module) -> usize {
    module.num_params()
}

/// All of them.
pub fn read(module: &impl Module) -> Vec<f32> {
    struct Reader(Vec<f32>);

    impl ModuleVisitor for Reader {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(numbers(param.val()));
        }
    }

    let mut reader = Reader(Vec::new());
    module.visit(&mut reader);
    reader.0
}

/// The module with these in place of its own. What is not to be trained stays untrained.
///
/// # Errors
/// [`Error::Shape`] unless there are as many as it has.
pub fn written<M: Module>(module: M, values: &[f32]) -> Result<M> {
    let wanted = count(&module);
    if values.len() != wanted {
        return Err(Error::shape(
            "parameters",
            format!("as many as the network has, {wanted}"),
            values.len(),
        ));
    }
    Ok(put(module, values))
}

/// [`written`] without a check.
pub(crate) fn put<M: Module>(module: M, values: &[f32]) -> M {
    struct Writer<'a>(&'a [f32]);

    impl ModuleMapper for Writer<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|old| {
                let shape = old.shape();
                let (own, rest) = self.0.split_at(shape.num_elements());
                self.0 = rest;
                let data = TensorData::new(own.to_vec(), shape).convert_dtype(old.dtype());
                let new = Tensor::from_data(data, &old.device());
                if old.is_require_grad() { new.require_grad() } else { new }
            })
        }
    }

    module.map(&mut Writer(values))
}

/// Gradients in the same order, 0 where there is none. They are taken out of `gradients`.
pub fn gradient(module: &impl Module, gradients: &mut Gradients, out: &mut Vec<f32>) {
    struct Taker<'a>(&'a mut Gradients, &'a mut Vec<f32>);

    impl ModuleVisitor for Taker<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            match value.grad_remove(self.0) {
                Some(gradient) => self.1.extend(numbers(gradient)),
                None => self.1.resize(self.1.len() + value.shape().num_elements(), 0.0),
            }
        }
    }

    out.clear();
    module.visit(&mut Taker(gradients, out));
}

/// A file of parameters.
#[derive(Serialize, Deserialize)]
struct File {
    description: String,
    values: Vec<f32>,
}

/// Saves parameters, with the network's description. The file appears whole or not at all.
///
/// ```
/// use fenchel_neural::network::{Mlp, parameters};
///
/// let path = std::env::temp_dir().join("fenchel-network-example.bin");
/// let network = Mlp::new(2, &[8], 1, 1)?;
/// parameters::save(&network, &path)?;
/// // Whatever is in the network that they are loaded into is replaced.
/// let again = parameters::load(Mlp::new(2, &[8], 1, 2)?, &path)?;
/// assert_eq!(parameters::read(&again), parameters::read(&network));
/// let error = parameters::load(Mlp::new(3, &[8], 1, 2)?, &path).unwrap_err();
/// assert!(error.to_string().contains("perceptron 2-8-1"));
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] if it cannot be written.
pub fn save(network: &impl Network, path: impl AsRef<Path>) -> Result<()> {
    let file = File { description: network.description(), values: read(network) };
    write_sealed(MARK, path, &file)
}

/// Text and numbers into a file that appears whole or not at all.
pub(crate) fn write_sealed(mark: &[u8], path: impl AsRef<Path>, what: &impl Serialize) -> Result<()> {
    // There is nothing that cannot be written.
    let body = postcard::to_stdvec(what).unwrap_or_default();
    write_atomically(path, |out| out.write_all(&sealed(mark, &body)))
}

/// What [`write_sealed`] wrote; `what` is for messages.
pub(crate) fn read_sealed<T: for<'de> Deserialize<'de>>(mark: &[u8], what: &str, path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    let body = unsealed(mark, what, path, &bytes)?;
    postcard::from_bytes(body).map_err(|_| Error::file(path, of_another_version(what)))
}

/// Loads what [`save`] wrote into a network of the same make.
///
/// # Errors
/// [`Error::File`] if the file cannot be read, is none of this kind, is damaged, or has parameters of another network.
pub fn load<N: Network>(network: N, path: impl AsRef<Path>) -> Result<N> {
    let path = path.as_ref();
    let file: File = read_sealed(MARK, "network", path)?;
    let wanted = network.description();
    if file.description != wanted {
        return Err(Error::file(path, format!("is of a {}, not of a {wanted}", file.description)));
    }
    written(network, &file.values)
}

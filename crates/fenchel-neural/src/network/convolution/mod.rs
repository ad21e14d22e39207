//! Convolution with 3 × 3, ReLU and the largest of 2 × 2 as one operation, with its gradient.
//!
//! A picture at a time all three stay in the cache of a core, pictures go side by side, and the gradient passes through one pixel of
//! four: that is several times as fast as the operations one by one. On devices other than the processor it is those.

mod kernel;

// The macro looks for this name.
use burn;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{DType, Device, Tensor, TensorData};
use kernel::{KERNEL, Layer, POOL};
use std::sync::Arc;

/// What is left of a side.
pub(super) fn shrunk(side: usize) -> usize {
    (side + 1).saturating_sub(KERNEL) / POOL
}

/// Kernels and biases.
#[derive(Module, Debug)]
pub(super) struct Convolution {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl Convolution {
    /// Side of the kernels.
    pub(super) const SIDE: usize = KERNEL;

    pub(super) fn new((weight, bias): (Param<Tensor<4>>, Param<Tensor<1>>)) -> Self {
        Convolution { weight, bias }
    }

    /// Convolution, ReLU, pooling.
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        let is_single = [x.dtype(), weight.dtype(), bias.dtype()].iter().all(|dtype| *dtype == DType::F32);
        if is_single && x.device().inner() == Device::flex() {
            let out = <Dispatch as Convolved>::convolved(
                x.into_dispatch(),
                weight.into_dispatch(),
                bias.into_dispatch(),
            );
            return Tensor::from_dispatch(out);
        }
        let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
        let z = relu(conv2d(x, weight, Some(bias), options));
        max_pool2d(z, MaxPoolOptions::new([POOL, POOL]))
    }
}

/// The operation.
#[backend_extension(Flex, Autodiff)]
trait Convolved: Backend {
    /// Pictures × channels × height × width, and as many kernels as biases.
    fn convolved(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// The numbers of a contiguous tensor.
fn slice(tensor: &FloatTensor<Flex>) -> &[f32] {
    let from = tensor.layout().start_offset();
    &tensor.storage::<f32>()[from..from + tensor.layout().num_elements()]
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FloatTensor<Flex> {
    Flex::float_from_data(TensorData::new(values, shape.to_vec()), &Default::default())
}

fn layer(x: &FloatTensor<Flex>, weight: &FloatTensor<Flex>) -> Layer {
    let (x, w) = (x.layout().shape(), weight.layout().shape());
    Layer { inputs: x[1], height: x[2], width: x[3], outputs: w[0] }
}

/// The result, and which pixel each number is from.
fn forward(
    x: &FloatTensor<Flex>,
    weight: &FloatTensor<Flex>,
    bias: &FloatTensor<Flex>,
) -> (FloatTensor<Flex>, Vec<u8>) {
    let layer = layer(x, weight);
    let (values, from) = layer.forward(slice(x), slice(weight), slice(&bias.to_contiguous()));
    let shape = [x.layout().shape()[0], layer.outputs, shrunk(layer.height), shrunk(layer.width)];
    (tensor(values, &shape), from)
}

impl Convolved for Flex {
    fn convolved(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        forward(&x.to_contiguous(), &weight.to_contiguous(), &bias).0
    }
}

/// The way back.
#[derive(Debug)]
struct Back;

/// What it needs.
#[derive(Debug, Clone)]
struct Kept {
    x: FloatTensor<Flex>,
    weight: FloatTensor<Flex>,
    from: Arc<Vec<u8>>,
}

impl Backward<Flex, 3> for Back {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let slope = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let Kept { x, weight, from } = ops.state;
        let [of_x, of_weight, of_bias] = ops.parents.map(|parent| parent.map(|node| node.id));
        let layer = layer(&x, &weight);
        let asks = (of_x.is_some(), of_weight.is_some() || of_bias.is_some());
        let found = layer.backward(slice(&x), slice(&weight), slice(&slope), &from, asks);
        let mut put = |node: Option<NodeId>, values: Vec<f32>, shape: &[usize]| {
            if let Some(node) = node {
                gradients.register::<Flex>(node, tensor(values, shape));
            }
        };
        put(of_x, found.x, x.layout().shape());
        put(of_weight, found.weight, weight.layout().shape());
        put(of_bias, found.bias, &[layer.outputs]);
    }
}

impl<C: CheckpointStrategy> Convolved for Autodiff<Flex, C> {
    fn convolved(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let prepared = Back.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful();
        let (x, weight) = (x.primitive().to_contiguous(), weight.primitive().to_contiguous());
        let (out, from) = forward(&x, &weight, bias.primitive());
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(Kept { x, weight, from: Arc::new(from) }, out),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{device, numbers};
    use fenchel::measure::Rng;

    fn drawn<const D: usize>(rng: &mut Rng, shape: [usize; D], device: &Device) -> Tensor<D> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal() as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// Values and gradients are those of the operations one by one.
    #[test]
    fn one_operation_is_three() {
        let mut rng = Rng::new(1);
        for (n, channels, height, width, outputs) in
            [(1, 1, 28, 28, 32), (9, 32, 13, 13, 64), (17, 3, 6, 11, 6), (2, 2, 4, 5, 8), (33, 1, 5, 4, 1)]
        {
            let x = drawn(&mut rng, [n, channels, height, width], &device()).require_grad();
            let parameters = (
                Param::from_tensor(drawn(&mut rng, [outputs, channels, 3, 3], &device())),
                Param::from_tensor(drawn(&mut rng, [outputs], &device())),
            );
            let layer = Convolution::new(parameters);
            let (weight, bias) = (layer.weight.val(), layer.bias.val());
            let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
            let z = relu(conv2d(x.clone(), weight.clone(), Some(bias.clone()), options));
            let (ours, theirs) = (layer.forward(x.clone()), max_pool2d(z, MaxPoolOptions::new([2, 2])));
            assert_eq!(ours.dims(), theirs.dims());
            let slope = drawn(&mut rng, ours.dims(), &device().inner());
            let mut of_ours = (ours.clone() * slope.clone()).sum().backward();
            let mut of_theirs = (theirs.clone() * slope).sum().backward();
            let near = |a: Vec<f32>, b: Vec<f32>| {
                let size = b.iter().fold(1.0_f32, |most, b| most.max(b.abs()));
                assert_eq!(a.len(), b.len());
                for (a, b) in a.iter().zip(&b) {
                    assert!((a - b).abs() < 1e-5 * size, "{n} {channels} {height} {width}: {a} {b}");
                }
            };
            near(numbers(ours), numbers(theirs));
            let both = [&mut of_ours, &mut of_theirs].map(|g| {
                let of_weight = weight.grad_remove(g).map(numbers).unwrap_or_default();
                let of_bias = bias.grad_remove(g).map(numbers).unwrap_or_default();
                [x.grad_remove(g).map(numbers).unwrap_or_default(), of_weight, of_bias]
            });
            let [ours, theirs] = both;
            ours.into_iter().zip(theirs).for_each(|(a, b)| near(a, b));
        }
    }

    /// What is not a number is seen.
    #[test]
    fn no_number_stays_none() {
        let mut rng = Rng::new(2);
        let device = device().inner();
        let weight = drawn(&mut rng, [6, 1, 3, 3], &device);
        let layer =
            Convolution::new((Param::from_tensor(weight), Param::from_tensor(Tensor::zeros([6], &device))));
        let mut x = vec![1.0_f32; 100];
        x[55] = f32::NAN;
        let x = Tensor::from_data(TensorData::new(x, [1, 1, 10, 10]), &device);
        assert!(numbers(layer.forward(x)).iter().any(|z| z.is_nan()));
    }
}

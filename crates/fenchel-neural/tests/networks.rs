//! Networks as numbers: shapes, seeds, parameters, files.

mod common;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use common::{regression, small_cnn};
use fenchel::measure::Rng;
use fenchel_neural::burn;
use fenchel_neural::network::{Activation, Cnn, Image, Mlp, Network, device, parameters, scores};
use fenchel_neural::optimiser::{Optimiser, Rule};

/// What a perceptron is, in double precision.
fn by_hand(theta: &[f32], sizes: &[usize], x: &[f32]) -> Vec<f64> {
    let mut z: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
    let mut rest = theta;
    for (k, pair) in sizes.windows(2).enumerate() {
        let (weight, after) = rest.split_at(pair[0] * pair[1]);
        let (bias, after) = after.split_at(pair[1]);
        rest = after;
        z = (0..pair[1])
            .map(|o| {
                let sum: f64 = (0..pair[0]).map(|i| z[i] * f64::from(weight[i * pair[1] + o])).sum();
                let out = sum + f64::from(bias[o]);
                if k + 2 < sizes.len() { out.max(0.0) } else { out }
            })
            .collect();
    }
    assert!(rest.is_empty());
    z
}

#[test]
fn perceptrons_are_what_they_say() {
    let mut rng = Rng::new(1);
    for sizes in [vec![3, 2], vec![5, 7, 1], vec![4, 256, 128, 10]] {
        let [inputs, hidden @ .., outputs] = &sizes[..] else { unreachable!() };
        let network = Mlp::new(*inputs, hidden, *outputs, 4).unwrap();
        let theta = parameters::read(&network);
        assert_eq!(theta.len(), parameters::count(&network));
        let x: Vec<f32> = (0..300 * inputs).map(|_| rng.normal() as f32).collect();
        let out = scores(&network, &x).unwrap();
        assert_eq!(out.len(), 300 * outputs);
        for (x, z) in x.chunks(*inputs).zip(out.chunks(*outputs)) {
            for (z, exact) in z.iter().zip(by_hand(&theta, &sizes, x)) {
                assert!((f64::from(*z) - exact).abs() < 1e-5, "{z} {exact}");
            }
        }
    }
}

/// Convolution, ReLU and pooling as sums and maxima.
fn pooled(x: &[f64], dims: [usize; 3], weight: &[f32], bias: &[f32]) -> (Vec<f64>, [usize; 3]) {
    let [channels, height, width] = dims;
    let (h, w) = (height - 2, width - 2);
    let at = |o: usize, i: usize, j: usize| {
        let mut sum = f64::from(bias[o]);
        for c in 0..channels {
            for (a, b) in (0..3).flat_map(|a| (0..3).map(move |b| (a, b))) {
                let k = f64::from(weight[((o * channels + c) * 3 + a) * 3 + b]);
                sum += k * x[(c * height + i + a) * width + j + b];
            }
        }
        sum.max(0.0)
    };
    let mut out = Vec::new();
    for o in 0..bias.len() {
        for (i, j) in (0..h / 2).flat_map(|i| (0..w / 2).map(move |j| (2 * i, 2 * j))) {
            out.push(at(o, i, j).max(at(o, i + 1, j)).max(at(o, i, j + 1)).max(at(o, i + 1, j + 1)));
        }
    }
    (out, [bias.len(), h / 2, w / 2])
}

#[test]
fn convolutions_are_what_they_say() {
    let mut rng = Rng::new(2);
    for image in [
        Image { channels: 1, height: 10, width: 10 },
        Image { channels: 3, height: 13, width: 18 },
        Image { channels: 2, height: 28, width: 11 },
    ] {
        let network = Cnn::new(image, 3, 9).unwrap();
        let theta = parameters::read(&network);
        let x: Vec<f32> = (0..2 * network.inputs()).map(|_| rng.normal() as f32).collect();
        let out = scores(&network, &x).unwrap();
        for (x, z) in x.chunks(network.inputs()).zip(out.chunks(3)) {
            let x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            let (first, rest) = theta.split_at(32 * image.channels * 9 + 32);
            let (second, rest) = rest.split_at(64 * 32 * 9 + 64);
            let (weight, bias) = first.split_at(first.len() - 32);
            let (z1, dims) = pooled(&x, [image.channels, image.height, image.width], weight, bias);
            let (weight, bias) = second.split_at(second.len() - 64);
            let (z2, dims) = pooled(&z1, dims, weight, bias);
            assert_eq!(dims.iter().product::<usize>(), z2.len());
            let z2: Vec<f32> = z2.iter().map(|x| *x as f32).collect();
            for (z, exact) in z.iter().zip(by_hand(rest, &[z2.len(), 128, 3], &z2)) {
                assert!((f64::from(*z) - exact).abs() < 1e-5, "{z} {exact}");
            }
        }
    }
}

#[test]
fn seeds_say_all() {
    let theta = |seed| parameters::read(&Mlp::new(6, &[20, 8], 2, seed).unwrap());
    assert_eq!(theta(3), theta(3));
    assert_ne!(theta(3), theta(4));
    assert_eq!(parameters::read(&small_cnn(2, 5)), parameters::read(&small_cnn(2, 5)));
    // Uniform on ±1/√m: the second moment is 1/3m.
    let wide = parameters::read(&Mlp::new(400, &[], 300, 1).unwrap());
    let mean = wide.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / wide.len() as f64;
    assert!((mean * 1200.0 - 1.0).abs() < 0.02 && wide.iter().all(|x| x.abs() <= 0.05));
}

/// A user's own: one parameter that is trained, one that is not.
#[derive(Module, Debug)]
struct Own {
    scale: Param<Tensor<1>>,
    fixed: Param<Tensor<2>>,
}

impl Network for Own {
    fn inputs(&self) -> usize {
        self.fixed.dims()[0]
    }
    fn outputs(&self) -> usize {
        self.fixed.dims()[1]
    }
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.fixed.val()) * self.scale.val().unsqueeze()
    }
}

fn own() -> Own {
    Own {
        scale: Param::from_data([0.5_f32], &device()),
        fixed: Param::from_data([[1.0_f32], [-1.0]], &device()).set_require_grad(false),
    }
}

#[test]
fn what_is_fixed_stays() {
    let network = own();
    assert_eq!(scores(&network, &[3.0, 1.0]).unwrap(), [1.0]);
    assert_eq!(parameters::read(&network), [0.5, 1.0, -1.0]);
    let changed = parameters::written(network, &[2.0, 1.0, -1.0]).unwrap();
    assert!(changed.scale.is_require_grad() && !changed.fixed.is_require_grad());
    let y = changed.forward(Tensor::from_data([[3.0_f32, 1.0]], &device().inner()));
    let mut out = Vec::new();
    parameters::gradient(&changed, &mut y.sum().backward(), &mut out);
    assert_eq!(out, [2.0, 0.0, 0.0]);
    let error = parameters::written(changed, &[1.0]).unwrap_err().to_string();
    assert!(error.contains("3"), "{error}");
}

#[test]
fn files_give_the_same_bits() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("network");
    let network = small_cnn(4, 6);
    parameters::save(&network, &path).unwrap();
    let again = parameters::load(small_cnn(4, 7), &path).unwrap();
    assert_eq!(parameters::read(&again), parameters::read(&network));
    let refused = |error: fenchel::Error, part: &str| {
        let error = error.to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(parameters::load(small_cnn(3, 7), &path).unwrap_err(), "4 scores");
    refused(parameters::load(own(), &path).unwrap_err(), "convolutions");
    refused(parameters::load(own(), place.path().join("none")).unwrap_err(), "cannot be read");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, &bytes).unwrap();
    refused(parameters::load(small_cnn(4, 7), &path).unwrap_err(), "damaged");
    std::fs::write(&path, b"something else").unwrap();
    refused(parameters::load(small_cnn(4, 7), &path).unwrap_err(), "is no network");
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |error: fenchel::Error, part: &str| {
        let error = error.to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(Mlp::new(0, &[], 1, 0).unwrap_err(), "inputs");
    refused(Mlp::new(1, &[3, 0], 1, 0).unwrap_err(), "hidden layer 2");
    refused(Mlp::new(1, &[], 0, 0).unwrap_err(), "outputs");
    let image = Image { channels: 1, height: 10, width: 9 };
    refused(Cnn::new(image, 1, 0).unwrap_err(), "at least 10");
    refused(Cnn::new(Image { channels: 0, height: 10, width: 10 }, 1, 0).unwrap_err(), "channels");
    let network = Mlp::new(2, &[3], 1, 0).unwrap();
    refused(scores(&network, &[1.0, 2.0, 3.0]).unwrap_err(), "2-3-1");
    refused(scores(&network, &[1.0, 2.0, 3.0, f32::NAN]).unwrap_err(), "row 2, column 2");
    assert!(scores(&network, &[]).unwrap().is_empty());
}

#[test]
fn smooth_activations() {
    for (activation, slope) in [(Activation::Softplus, 0.5), (Activation::Tanh, 1.0), (Activation::Relu, 0.0)]
    {
        let network = Mlp::new(1, &[1], 1, 0).unwrap().with_activation(activation);
        let network = parameters::written(network, &[1.0, 0.0, 1.0, 0.0]).unwrap();
        let h = 1e-2;
        let out = scores(&network, &[-h, h]).unwrap();
        let found = if activation == Activation::Relu { out[0] } else { (out[1] - out[0]) / (2.0 * h) };
        assert!((found - slope).abs() < 1e-3, "{activation:?} {found}");
        assert!(network.description().contains(activation.name()));
    }
}

/// Both rules against their formulas in double precision, over some steps of a quadratic.
#[test]
fn rules_are_their_formulas() {
    let examples = regression(1, 5, 3);
    let start = examples.features();
    for rule in [Rule::Sgd { momentum: 0.9 }, Rule::Sgd { momentum: 0.0 }, Rule::ADAM] {
        let mut theta = start.to_vec();
        let mut exact: Vec<f64> = start.iter().map(|x| f64::from(*x)).collect();
        let mut optimiser = Optimiser::new(rule, 5).unwrap();
        let (mut m, mut v) = ([0.0; 5], [0.0; 5]);
        for t in 1..=50 {
            let g: Vec<f32> = theta.iter().enumerate().map(|(j, x)| (j + 1) as f32 * x).collect();
            optimiser.step(&mut theta, &g, 0.01);
            for j in 0..5 {
                let g = (j + 1) as f64 * exact[j];
                match rule {
                    Rule::Sgd { momentum } => {
                        m[j] = momentum * m[j] + g;
                        exact[j] -= 0.01 * (g + momentum * m[j]);
                    }
                    Rule::Adam { decay, epsilon } => {
                        m[j] = decay.0 * m[j] + (1.0 - decay.0) * g;
                        v[j] = decay.1 * v[j] + (1.0 - decay.1) * g * g;
                        let (a, b) = (1.0 - decay.0.powi(t), 1.0 - decay.1.powi(t));
                        exact[j] -= 0.01 * (m[j] / a) / ((v[j] / b).sqrt() + epsilon);
                    }
                }
            }
        }
        for (theta, exact) in theta.iter().zip(&exact) {
            assert!((f64::from(*theta) - exact).abs() < 1e-5, "{rule:?}: {theta} {exact}");
        }
    }
    assert!(Optimiser::new(Rule::Sgd { momentum: 1.0 }, 1).is_err());
    assert!(Optimiser::new(Rule::Adam { decay: (0.9, -0.1), epsilon: 1e-8 }, 1).is_err());
    assert!(Optimiser::new(Rule::Adam { decay: (0.9, 0.9), epsilon: 0.0 }, 1).is_err());
}

//! Speed of training steps.
//!
//! `cargo bench -p fenchel-neural --bench steps` prints one JSON object a line for each network and batch size: `name`, `batch`,
//! `seconds` of a whole step (the best of many), and of its parts `forward`, `backward`, `update`. A step takes a batch of features to
//! scores, losses and their weights in the joint form of safe KL, goes back, and moves parameters by Nesterov's momentum.
//!
//! `transport` is a step of two perceptrons as potentials of transport, all pairs of the batch: `seconds` alone, the mean of a run, the drawing of
//! points included.
//!
//! `… -- cnn` runs those whose name holds `cnn`.

use burn::tensor::{Tensor, TensorData};
use fenchel::divergence::{self, Divergence, SafeKl};
use fenchel::measure::{self, Rng};
use fenchel::optim::Silent;
use fenchel::robust::loss::{self, Loss, Slots};
use fenchel::transport::Lambda;
use fenchel::transport::continuous::Continuous;
use fenchel::{Error, Result, cost};
use fenchel_neural::burn;
use fenchel_neural::network::{Cnn, Image, Mlp, Network, device, keep_freed_memory, parameters};
use fenchel_neural::optimiser::{Optimiser, Rule};
use fenchel_neural::transport::{NeuralTransport, Objective, Settings};
use std::time::Instant;

/// Seconds spent on one measurement, and the fewest steps.
const BUDGET: f64 = 1.5;
const STEPS: u32 = 5;

/// Seconds of a step and of its parts.
#[derive(Clone, Copy)]
struct Times {
    all: f64,
    forward: f64,
    backward: f64,
    update: f64,
}

fn step<N: Network>(name: &str, mut network: N, loss: &dyn Loss, batch: usize) -> Result<()> {
    let (d, k) = (network.inputs(), network.outputs());
    let mut rng = Rng::new(1);
    let x: Vec<f32> = (0..batch * d).map(|_| rng.uniform() as f32).collect();
    let y: Vec<f64> = (0..batch).map(|_| rng.below(k as u64) as f64).collect();
    let f = SafeKl::new(0.1)?;
    let mut theta = parameters::read(&network);
    let mut optimiser = Optimiser::new(Rule::default(), theta.len())?;
    let mut gradient = Vec::new();
    let (mut losses, mut slope, mut curvature) =
        (vec![0.0; batch], vec![0.0; batch * k], vec![0.0; batch * k * k]);
    let place = device().inner();
    let mut best: Option<Times> = None;
    let (begin, mut steps) = (Instant::now(), 0);
    while steps < STEPS || begin.elapsed().as_secs_f64() < BUDGET {
        let start = Instant::now();
        let scores = network.forward(Tensor::from_data(TensorData::new(x.clone(), [batch, d]), &place));
        let read = scores.clone().into_data().try_into_vec::<f32>();
        let z: Vec<f64> = read
            .map_err(|_| Error::shape("scores", "numbers of single precision", "others"))?
            .into_iter()
            .map(f64::from)
            .collect();
        let forward = start.elapsed().as_secs_f64();
        let to = Slots { losses: &mut losses, slope: &mut slope, curvature: &mut curvature };
        loss.derive_all(&z, &y, to);
        let weights: Vec<f64> = losses.iter().map(|loss| f.conj_prime(loss - 1.0) / batch as f64).collect();
        let c: Vec<f32> = slope.iter().enumerate().map(|(at, s)| (s * weights[at / k]) as f32).collect();
        let constant = Tensor::<2>::from_data(TensorData::new(c, [batch, k]), &place);
        let mut gradients = (scores * constant).sum().backward();
        parameters::gradient(&network, &mut gradients, &mut gradient);
        let backward = start.elapsed().as_secs_f64();
        optimiser.step(&mut theta, &gradient, 1e-6);
        network = parameters::written(network, &theta)?;
        let all = start.elapsed().as_secs_f64();
        let times = Times { all, forward, backward: backward - forward, update: all - backward };
        best = Some(best.filter(|best| best.all <= all).unwrap_or(times));
        steps += 1;
    }
    if let Some(Times { all, forward, backward, update }) = best {
        let line = serde_json::json!({
            "name": name, "batch": batch, "seconds": all,
            "forward": forward, "backward": backward, "update": update,
        });
        println!("{line}");
    }
    Ok(())
}

/// Potentials of 784 features under the ℓ1 cost, by a step that is given.
fn transport(batch: usize) -> Result<()> {
    let problem = Continuous::new(
        measure::parse("uniform:784")?,
        measure::parse("uniform:784")?,
        cost::parse("l1")?,
        divergence::parse("kl")?,
        Lambda::Relative(0.1),
    )?;
    let transport = NeuralTransport::new(problem, Objective::Safe { rho: 0.1 })?;
    let run = |steps| -> Result<f64> {
        let rule = Rule::ADAM;
        let settings = Settings {
            batch,
            rule,
            step: Some(1e-4),
            steps,
            every: u64::MAX,
            validation: 2,
            ..Settings::default()
        };
        let networks = transport.perceptrons(&Mlp::HIDDEN, 1)?;
        Ok(transport.train(networks, &settings, &mut Silent)?.seconds)
    };
    // What comes before the first step is in both.
    let (few, many) = (5, 45);
    let seconds = (run(many)? - run(few)?) / (many - few) as f64;
    println!("{}", serde_json::json!({ "name": "transport", "batch": batch, "seconds": seconds }));
    Ok(())
}

fn main() -> Result<()> {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    keep_freed_memory();
    let (squared, entropy) = (loss::parse("squared")?, loss::parse("multinomial")?);
    let entropy = entropy.for_classes(10).unwrap_or(entropy);
    for batch in [1, 32, 256] {
        if "mlp-1".contains(&wanted) {
            step("mlp-1", Mlp::new(784, &Mlp::HIDDEN, 1, 1)?, &*squared, batch)?;
        }
        if "mlp-10".contains(&wanted) {
            step("mlp-10", Mlp::new(784, &Mlp::HIDDEN, 10, 1)?, &*entropy, batch)?;
        }
        if "transport".contains(&wanted) {
            transport(batch)?;
        }
        if "cnn-10".contains(&wanted) {
            let image = Image { channels: 1, height: 28, width: 28 };
            step("cnn-10", Cnn::new(image, 10, 1)?, &*entropy, batch)?;
        }
    }
    Ok(())
}

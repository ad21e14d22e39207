//! Examples that several tests share.

#![allow(dead_code)] // Each test takes what it needs.

pub mod transport;

use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::optim::{Flow, Observer, Progress};
use fenchel::robust::{Risk, Strength, loss};
use fenchel_neural::network::{Cnn, Image, Mlp};
use fenchel_neural::robust::{Examples, Robust};

/// Rows of normal numbers, with a label that is a bent function of them and noise.
pub fn regression(n: usize, width: usize, seed: u64) -> Examples {
    let mut rng = Rng::new(seed);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let row: Vec<f64> = (0..width).map(|_| rng.normal()).collect();
        y.push(row.iter().sum::<f64>().sin() + 0.3 * rng.normal());
        x.extend(row.iter().map(|x| *x as f32));
    }
    Examples::new(width, x, y).unwrap()
}

/// Rows around a centre for each class.
pub fn classes(n: usize, width: usize, classes: usize, seed: u64) -> Examples {
    let mut rng = Rng::new(seed);
    let centres: Vec<f64> = (0..classes * width).map(|_| rng.normal()).collect();
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..n {
        let class = i % classes;
        x.extend((0..width).map(|j| (centres[class * width + j] + 0.7 * rng.normal()) as f32));
        y.push(class as f64);
    }
    Examples::new(width, x, y).unwrap()
}

pub fn penalised(name: &str, lambda: f64) -> Risk {
    Risk::new(divergence::parse(name).unwrap(), Strength::Penalty(lambda)).unwrap()
}

pub fn squared<'a>(examples: &'a Examples, risk: Risk) -> Robust<'a> {
    Robust::new(examples, loss::parse("squared").unwrap(), risk).unwrap()
}

pub fn entropy<'a>(examples: &'a Examples, risk: Risk) -> Robust<'a> {
    Robust::new(examples, loss::parse("multinomial").unwrap(), risk).unwrap()
}

pub fn linear(width: usize, seed: u64) -> Mlp {
    Mlp::new(width, &[], 1, seed).unwrap()
}

pub fn small_cnn(outputs: usize, seed: u64) -> Cnn {
    Cnn::new(Image { channels: 1, height: 10, width: 10 }, outputs, seed).unwrap()
}

/// Keeps every state that is offered, and stops after so many questions between batches.
pub struct Keeper {
    pub states: Vec<Vec<u8>>,
    pub asked: usize,
    pub most: usize,
}

impl Keeper {
    pub fn new(most: usize) -> Self {
        Keeper { states: Vec::new(), asked: 0, most }
    }
}

impl Observer for Keeper {
    fn progress(&mut self, progress: &Progress<'_>) -> Flow {
        assert!((0.0..=1.0).contains(&progress.fraction));
        self.asked += usize::from(progress.phase == "training");
        if self.asked >= self.most { Flow::Stop } else { Flow::Continue }
    }
    fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
        self.states.push(save());
    }
}

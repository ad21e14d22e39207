//! The images that are transported, and those that are held back to measure with.

use super::training::Plan;
use crate::commands::reproduce::data::Folder;
use crate::commands::reproduce::lab::Lab;
use crate::commands::reproduce::statistics::{Estimate, mean};
use crate::failure::{Failure, Result};
use fenchel::cost::{Cost, L1};
use fenchel::images::{Family, ImageSet};
use fenchel::logspace::{logmeanexp, softmax};
use fenchel::measure::Soa;
use fenchel::transport::continuous::Potential;
use rayon::prelude::*;

/// Streams of random numbers: which images are held back, which are trained with, what is drawn.
const SPLIT: u64 = 1;
const DRAWN: u64 = 2;

/// Images of source and target.
pub struct Images {
    /// Where they are from.
    pub label: String,
    /// Whether they are the user's; drawn shapes only show that all of it runs.
    pub real: bool,
    /// To train with.
    pub train: [ImageSet; 2],
    /// To measure with; no run sees them.
    pub test: [ImageSet; 2],
}

impl Images {
    /// The folders of the user's, or drawn shapes.
    pub fn new(lab: &Lab, plan: &Plan) -> Result<Self> {
        let (label, parts, real) = match lab.folders() {
            Some([source, target]) => {
                let label = format!("images of {} (source) and {} (target)", source.label(), target.label());
                (label, [divided(lab, plan, source)?, divided(lab, plan, target)?], true)
            }
            _ => {
                let drawn = |family, odd| -> Result<(ImageSet, ImageSet)> {
                    let seed = lab.seed().wrapping_add(DRAWN + odd);
                    let all = ImageSet::drawn(family, plan.drawn + plan.test, seed)?;
                    let all = reduced(&all, plan.side)?;
                    parted(all.split(&[plan.test, plan.drawn], lab.seed().wrapping_add(SPLIT))?)
                };
                let label = "drawn shapes: filled ones (source) and ones of a pen (target)".to_owned();
                (label, [drawn(Family::Solids, 0)?, drawn(Family::Strokes, 1)?], false)
            }
        };
        let [(train_x, test_x), (train_y, test_y)] = parts;
        let size = |set: &ImageSet| format!("{} × {}", set.height(), set.width());
        let sizes = [&train_x, &test_x, &train_y, &test_y].map(size);
        if sizes.iter().any(|other| *other != sizes[0]) {
            let words = |a: &String, b: &String| if a == b { a.clone() } else { format!("{a} and {b}") };
            let (from, to) = (words(&sizes[0], &sizes[1]), words(&sizes[2], &sizes[3]));
            let message = format!(
                "--data: images of the source are {from}, those of the target {to}; they must all have one size"
            );
            return Err(Failure::new(message));
        }
        Ok(Images { label, real, train: [train_x, train_y], test: [test_x, test_y] })
    }
}

/// Images to train and to test with, of a folder with both or with one part.
fn divided(lab: &Lab, plan: &Plan, folder: &Folder) -> Result<(ImageSet, ImageSet)> {
    let seed = lab.seed().wrapping_add(SPLIT);
    let enough = |what: &str, set: &ImageSet, least: usize, why: &str| {
        if set.len() >= least {
            return Ok(());
        }
        let (label, n) = (folder.label(), set.len());
        Err(Failure::new(format!("--data: {label} has {n} {what}; at least {least} are wanted here, {why}")))
    };
    match &folder.test {
        Some(test) => {
            enough("images to train with", &folder.train, plan.batch, "as many as a batch has")?;
            enough("images to test with", test, plan.test, "to measure with")?;
            let train = folder.train.split(&[plan.train.min(folder.train.len())], seed)?;
            parted([test.split(&[plan.test], seed)?, train].concat())
        }
        None => {
            let why = format!("{} to measure with and a batch of {}", plan.test, plan.batch);
            enough("images", &folder.train, plan.test + plan.batch, &why)?;
            let train = plan.train.min(folder.train.len() - plan.test);
            parted(folder.train.split(&[plan.test, train], seed)?)
        }
    }
}

/// With so many pixels a side.
fn reduced(set: &ImageSet, side: usize) -> Result<ImageSet> {
    let pixels = set.pooled(side, side)?.into_iter().map(|p| p as f32).collect();
    let small = ImageSet::new(side, side, pixels)?;
    Ok(match set.labels() {
        Some(labels) => small.with_labels(labels.to_vec())?,
        None => small,
    })
}

/// The first set is to test with, the second to train with.
fn parted(sets: Vec<ImageSet>) -> Result<(ImageSet, ImageSet)> {
    let mut sets = sets.into_iter();
    match (sets.next(), sets.next()) {
        (Some(test), Some(train)) => Ok((train, test)),
        _ => Err(Failure::new("images could not be divided")),
    }
}

/// Images that are held back, with the costs of all their pairs.
pub struct Held {
    /// Targets, one after the other.
    ys: Vec<f64>,
    /// A row an image of the source.
    costs: Vec<f64>,
    columns: usize,
}

/// What a potential is worth on them.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The semi-dual.
    pub value: f64,
    /// c-transforms at the images of the source, potentials at those of the target: the value is the sum of their means.
    us: Vec<f64>,
    /// See `us`.
    pub vs: Vec<f64>,
}

impl Held {
    /// All pairs of the test images.
    pub fn new(images: &Images) -> Result<Self> {
        let [xs, ys] = images.test.each_ref().map(|set| doubles(set.pixels()));
        let dim = images.test[0].size();
        let columns = ys.len() / dim;
        let atoms = Soa::from_rows(dim, &ys)?;
        let mut costs = vec![0.0; xs.len() / dim * columns];
        let rows = costs.par_chunks_mut(columns).zip(xs.par_chunks(dim));
        rows.for_each(|(costs, x)| L1.rows(x, &atoms, costs));
        Ok(Held { ys, costs, columns })
    }

    /// (v − c(x, ·))/ε for an image x of the source.
    fn scores(&self, i: usize, vs: &[f64], epsilon: f64) -> Vec<f64> {
        let costs = &self.costs[i * self.columns..][..self.columns];
        costs.iter().zip(vs).map(|(c, v)| (v - c) / epsilon).collect()
    }

    /// mean v − ε mean log mean e^((v − c)/ε): the semi-dual of the two test sets. NaN if v is no number somewhere.
    pub fn judge(&self, v: &dyn Potential, epsilon: f64) -> Judged {
        let mut vs = vec![0.0; self.columns];
        v.fill(&self.ys, &mut vs);
        let rows = self.costs.len() / self.columns;
        let transformed = |i: usize| -epsilon * logmeanexp(&self.scores(i, &vs, epsilon));
        let us: Vec<f64> = (0..rows).into_par_iter().map(transformed).collect();
        let value = mean(&us).value + mean(&vs).value;
        Judged { value: if value.is_finite() { value } else { f64::NAN }, us, vs }
    }

    /// Where the plan of v sends an image of the source in the mean: a mean of images of the target.
    pub fn barycentre(&self, i: usize, vs: &[f64], epsilon: f64) -> Result<Vec<f32>> {
        let dim = self.ys.len() / self.columns;
        let mut weights = vec![0.0; self.columns];
        softmax(&self.scores(i, vs, epsilon), &mut weights)?;
        let mut mean = vec![0.0; dim];
        for (w, y) in weights.iter().zip(self.ys.chunks_exact(dim)) {
            mean.iter_mut().zip(y).for_each(|(m, y)| *m += w * y);
        }
        Ok(mean.into_iter().map(|m| m as f32).collect())
    }
}

impl Judged {
    /// How much more this one is worth than another, with the standard error that test images bring: both are measured on the same ones.
    pub fn above(&self, other: &Judged) -> Estimate {
        let part = |a: &[f64], b: &[f64]| mean(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>());
        let (x, y) = (part(&self.us, &other.us), part(&self.vs, &other.vs));
        Estimate { value: x.value + y.value, error: x.error.hypot(y.error) }
    }
}

fn doubles(pixels: &[f32]) -> Vec<f64> {
    pixels.iter().map(|p| f64::from(*p)).collect()
}

//! Wrong labels where images are hard to tell.

use super::ImageSet;
use crate::measure::stream;
use crate::optim::Silent;
use crate::robust::{Examples, Linear, LinearModel, Options, Precision, Risk, loss::Multinomial};
use crate::{Error, Result};
use std::sync::Arc;

/// The stream of random numbers that chooses what the weak model learns from.
const WEAK: u64 = 0x696d_6167_6502;

/// What the weak model sees: at most so many means of blocks along a side, and so many parameters.
const SIDE: usize = 7;
const PARAMETERS: usize = 800;
/// Images that it learns from, at most.
const LEARNT: usize = 2000;
/// Penalty on its coefficients, which keeps its predictions soft where classes could be told apart without a mistake.
const PENALTY: f64 = 1e-3;

/// Noise in labels that depends on the images: those that are hard to tell get the label that they are taken for.
///
/// A weak model, multinomial and linear in means over blocks of pixels (7 × 7, fewer where classes are many), learns from at most
/// 2,000 of the images, drawn by the seed. The margin of an image is
///
/// ```text
/// log p(label) − max over other classes c of log p(c)
/// ```
///
/// and of the round(ratio · n) images with the smallest margins the label is replaced by that other class. Images that the model
/// gets wrong, the surest mistakes first, come before those that it gets right. After Algan and Ulusoy, "Label noise types and their effects
/// on deep learning" (2020), who take a distilled network in place of the linear model, and order mistakes and the others by
/// the probability of the other class.
///
/// ```
/// use fenchel::images::{Family, ImageSet, LabelNoise};
///
/// let shapes = ImageSet::drawn(Family::Strokes, 400, 1)?;
/// let noisy = LabelNoise::default().labels(&shapes)?;
/// let changed = noisy.iter().zip(shapes.labels().unwrap()).filter(|(a, b)| a != b).count();
/// assert_eq!(changed, 100);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelNoise {
    /// The share of labels that are replaced.
    pub ratio: f64,
    /// Chooses what the weak model learns from.
    pub seed: u64,
}

impl Default for LabelNoise {
    fn default() -> Self {
        LabelNoise { ratio: 0.25, seed: 0 }
    }
}

impl LabelNoise {
    /// The labels of these images, with noise.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a ratio outside of [0, 1] or fewer than two classes, [`Error::Shape`] without labels.
    pub fn labels(&self, images: &ImageSet) -> Result<Vec<u8>> {
        if !(0.0..=1.0).contains(&self.ratio) {
            return Err(Error::invalid("ratio", self.ratio, "from 0 to 1"));
        }
        let labels = images.labelled()?;
        let classes = images.classes();
        if classes.len() < 2 {
            return Err(Error::invalid(
                "labels",
                format!("{} in every image", classes[0]),
                "of at least two classes",
            ));
        }
        // A class as the model counts them.
        let mut number = [0; 256];
        classes.iter().enumerate().for_each(|(k, class)| number[usize::from(*class)] = k);
        let given: Vec<usize> = labels.iter().map(|y| number[usize::from(*y)]).collect();

        let k = classes.len();
        let order = self.order(&given, k);
        let scores = scores(images, &given, k, &order)?;
        let mut hardest: Vec<(f64, usize)> = Vec::with_capacity(order.len());
        let mut others = vec![0; order.len()];
        for i in order {
            let z = &scores[i * k..(i + 1) * k];
            let other = (0..k).filter(|c| *c != given[i]).fold(None, |best: Option<usize>, c| match best {
                Some(best) if z[best] >= z[c] => Some(best),
                _ => Some(c),
            });
            others[i] = other.unwrap_or(given[i]);
            hardest.push((z[given[i]] - z[others[i]], i));
        }
        // Of equal margins the first in random order.
        hardest.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut noisy = labels.to_vec();
        let count = (self.ratio * labels.len() as f64).round() as usize;
        for (_, i) in &hardest[..count] {
            noisy[*i] = classes[others[*i]];
        }
        Ok(noisy)
    }

    /// The images in random order, but one of each class before all others: the first are learnt from.
    fn order(&self, given: &[usize], classes: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..given.len()).collect();
        stream(self.seed, WEAK, 0).shuffle(&mut order);
        let mut seen = vec![false; classes];
        let (mut firsts, others): (Vec<usize>, Vec<usize>) =
            order.into_iter().partition(|i| !std::mem::replace(&mut seen[given[*i]], true));
        firsts.extend(others);
        firsts
    }
}

/// What the weak model makes of all images: scores of all classes, image by image.
fn scores(images: &ImageSet, given: &[usize], k: usize, order: &[usize]) -> Result<Vec<f64>> {
    let side = (1..=SIDE).rev().find(|side| (side * side + 1) * k <= PARAMETERS).unwrap_or(1);
    let (rows, columns) = (side.min(images.height()), side.min(images.width()));
    let (features, width) = (images.pooled(rows, columns)?, rows * columns);
    let learnt = &order[..order.len().min(LEARNT.max(k))];
    let examples = Examples::new(
        width,
        learnt.iter().flat_map(|i| &features[i * width..(i + 1) * width]).copied().collect(),
        learnt.iter().map(|i| given[*i] as f64).collect(),
    )?;
    let loss = Arc::new(Multinomial::new(k)?);
    let options = Options { standardise: true, l2: PENALTY, ..Options::default() };
    // Without a limit of time, so that labels are the same wherever they are made.
    let precision = Precision { tolerance: 1e-3, max_iterations: 100, max_seconds: None };
    let fit = Linear::new(&examples, loss.clone(), Risk::mean(), options)?.fit(&precision, &mut Silent)?;
    let model = LinearModel::new(loss, fit.intercept, fit.coefficients)?;
    let mut scores = vec![0.0; images.len() * k];
    model.scores(&features, &mut scores)?;
    Ok(scores)
}

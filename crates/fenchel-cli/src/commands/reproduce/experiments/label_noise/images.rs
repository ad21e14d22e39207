//! What is learnt from and tested on: images with wrong labels, and others with right ones.

use super::training::Plan;
use crate::commands::reproduce::data::Folder;
use crate::commands::reproduce::lab::Lab;
use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::images::{Family, ImageSet, LabelNoise};
use fenchel_neural::network::{Cnn, Image};
use fenchel_neural::robust::Examples;

/// The share of labels that are replaced.
pub const RATIO: f64 = 0.25;

/// A part with fewer images says nothing.
const LEAST: usize = 10;

/// Images in three parts.
pub struct Images {
    /// With noise in the labels.
    pub train: Examples,
    /// With noise in the labels.
    pub validation: Examples,
    /// With labels as they are.
    pub test: Examples,
    /// Their size.
    pub image: Image,
    /// How many classes there are.
    pub classes: usize,
    /// Labels of the first two parts that were replaced.
    pub replaced: usize,
    /// What they are, in words.
    pub name: String,
    /// Whether they are the user's, not drawn here.
    pub real: bool,
}

impl Images {
    /// Those of the user's folder, or shapes that are drawn.
    pub fn new(lab: &Lab, plan: &Plan) -> Result<Self> {
        let seed = lab.seed();
        let [learn, validate, test] = plan.images;
        let Some(folder) = lab.folders().and_then(<[Folder]>::first) else {
            let shapes = ImageSet::drawn(Family::Strokes, learn + validate + test, seed)?;
            let parts = shapes.split(&[learn + validate, test], seed)?;
            let name = "drawn shapes of ten classes, built in".to_owned();
            let both = [&parts[0], &parts[1]];
            return Ok(Images::noisy(both, &shapes.classes(), [learn, validate], seed, name)?);
        };
        let (name, all) = (folder.label(), &folder.train);
        let ours = |e: Error| Failure::from(e).at("--data").after(&format!(" ({name})"));
        let mut classes = all.classes();
        let (mut parts, sizes) = match &folder.test {
            Some(apart) => {
                let [of_train, of_test] = [all, apart].map(|set| (set.height(), set.width()));
                if of_train != of_test {
                    let [(h, w), (v, u)] = [of_train, of_test];
                    let message = format!(
                        "--data: {name}: images to learn from have {h} × {w} pixels, those to test with {v} × {u}; they must be of one size"
                    );
                    return Err(Failure::new(message));
                }
                classes.extend(apart.classes());
                let sizes = fitted(all.len(), [learn, validate], &name)?;
                let [test] = fitted(apart.len(), [test], &name)?;
                let mut parts = all.split(&[sizes[0] + sizes[1]], seed).map_err(ours)?;
                parts.extend(apart.split(&[test], seed).map_err(ours)?);
                (parts, sizes)
            }
            None => {
                let [learn, validate, test] = fitted(all.len(), [learn, validate, test], &name)?;
                (all.split(&[learn + validate, test], seed).map_err(ours)?, [learn, validate])
            }
        };
        let (unknown, known) = (parts.swap_remove(1), parts.swap_remove(0));
        classes.sort_unstable();
        classes.dedup();
        let found = Images::noisy([&known, &unknown], &classes, sizes, seed, name.clone());
        found.map(|images| Images { real: true, ..images }).map_err(ours)
    }

    /// Noise for the labels of `known`, which is divided into two parts of these sizes.
    fn noisy(
        [known, unknown]: [&ImageSet; 2],
        classes: &[u8],
        sizes: [usize; 2],
        seed: u64,
        name: String,
    ) -> fenchel::Result<Self> {
        let image = Image { channels: 1, height: known.height(), width: known.width() };
        // Whether the network takes them is better known now.
        Cnn::new(image, classes.len().max(1), seed)?;
        let noisy = LabelNoise { ratio: RATIO, seed }.labels(known)?;
        let clean = known.labels().unwrap_or_default();
        let replaced = clean.iter().zip(&noisy).filter(|(a, b)| a != b).count();
        let parts = known.clone().with_labels(noisy)?.split(&sizes, seed.wrapping_add(1))?;
        let examples = |set: &ImageSet| {
            let number = |y: &u8| classes.iter().position(|c| c == y).unwrap_or(0) as f64;
            let labels = set.labels().unwrap_or_default().iter().map(number).collect();
            Examples::new(set.size(), set.pixels().to_vec(), labels)
        };
        Ok(Images {
            train: examples(&parts[0])?,
            validation: examples(&parts[1])?,
            test: examples(unknown)?,
            image,
            classes: classes.len(),
            replaced,
            name,
            real: false,
        })
    }
}

/// Parts as large as wanted, or in the same proportion where there are too few images.
fn fitted<const N: usize>(there: usize, wanted: [usize; N], name: &str) -> Result<[usize; N]> {
    let total: usize = wanted.iter().sum();
    let parts = if there < total { wanted.map(|part| part * there / total) } else { wanted };
    if parts.iter().any(|part| *part < LEAST) {
        let needed = wanted.iter().map(|part| (LEAST * total).div_ceil(*part)).max().unwrap_or(0);
        let message = format!(
            "--data: {name}: {there} images are too few for {N} part{} of them; at least {needed} are needed",
            if N == 1 { "" } else { "s" }
        );
        return Err(Failure::new(message));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_proportion() {
        assert_eq!(fitted(1000, [400, 100, 200], "f").unwrap(), [400, 100, 200]);
        assert_eq!(fitted(350, [400, 100, 200], "f").unwrap(), [200, 50, 100]);
        assert_eq!(fitted(70, [400, 100, 200], "f").unwrap(), [40, 10, 20]);
        let refused = format!("{:?}", fitted(69, [400, 100, 200], "f").unwrap_err());
        assert!(refused.contains("69 images") && refused.contains("at least 70"), "{refused}");
        assert_eq!(fitted(12, [200], "f").unwrap(), [12]);
    }
}

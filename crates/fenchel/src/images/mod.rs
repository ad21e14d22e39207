//! Sets of grey images: read, drawn, divided, and mislabelled.
//!
//! [`ImageSet::read`] takes a folder in the format of MNIST, [`ImageSet::drawn`] draws shapes where no data are at hand,
//! [`LabelNoise`] replaces labels of images that a weak model finds hard to tell.

mod drawn;
mod folder;
mod noise;

pub use drawn::Family;
pub use folder::Part;
pub use noise::LabelNoise;

use crate::measure::{PointCloud, stream};
use crate::{Error, Result};

/// The stream of random numbers of [`ImageSet::split`].
const SPLIT: u64 = 0x696d_6167_6500;

/// Grey images of one size, with a class each if they have any.
///
/// A pixel is a number from 0, the background, to 1, full ink; pixels of an image lie row by row from its top, images one after
/// another.
///
/// ```
/// use fenchel::images::{Family, ImageSet};
///
/// let shapes = ImageSet::drawn(Family::Solids, 100, 7)?;
/// assert_eq!((shapes.len(), shapes.height(), shapes.width()), (100, 28, 28));
/// let parts = shapes.split(&[80, 20], 1)?;
/// assert_eq!((parts[0].len(), parts[1].len()), (80, 20));
/// let two = shapes.of_classes(&[0, 4])?;
/// assert_eq!((two.len(), two.classes()), (20, vec![0, 4]));
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSet {
    height: usize,
    width: usize,
    pixels: Vec<f32>,
    labels: Option<Vec<u8>>,
}

impl ImageSet {
    /// Images of `height` × `width` pixels from 0 to 1, at least one, without labels.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a side of no pixel or a pixel outside of [0, 1], [`Error::Shape`] for pixels that make no
    /// whole images.
    pub fn new(height: usize, width: usize, pixels: Vec<f32>) -> Result<Self> {
        for (name, side) in [("height", height), ("width", width)] {
            if side == 0 {
                return Err(Error::invalid(name, side, "at least 1"));
            }
        }
        let size = height.saturating_mul(width);
        if pixels.is_empty() || !pixels.len().is_multiple_of(size) {
            let expected = format!("at least one image of {height} × {width}");
            return Err(Error::shape("pixels", expected, format!("{} numbers", pixels.len())));
        }
        if let Some(at) = pixels.iter().position(|x| !(0.0..=1.0).contains(x)) {
            let what = format!(
                "pixel of image {}, row {}, column {} (counted from 0)",
                at / size,
                at % size / width,
                at % width
            );
            return Err(Error::invalid(what, pixels[at], "from 0 to 1"));
        }
        Ok(ImageSet { height, width, pixels, labels: None })
    }

    /// The same from bytes, 0 to 255, which are divided by 255.
    ///
    /// # Errors
    /// As [`ImageSet::new`].
    pub fn from_bytes(height: usize, width: usize, bytes: &[u8]) -> Result<Self> {
        Self::new(height, width, bytes.iter().map(|b| f32::from(*b) / 255.0).collect())
    }

    /// With other labels, one an image.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are as many as images.
    pub fn with_labels(mut self, labels: Vec<u8>) -> Result<Self> {
        if labels.len() != self.len() {
            return Err(Error::shape(
                "labels",
                format!("one for each of {} images", self.len()),
                labels.len(),
            ));
        }
        self.labels = Some(labels);
        Ok(self)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.size()
    }

    /// Never: there is at least one.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Rows of pixels of an image.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels of an image.
    pub fn size(&self) -> usize {
        self.height * self.width
    }

    /// All pixels.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// The pixels of one image, counted from 0.
    pub fn image(&self, i: usize) -> &[f32] {
        &self.pixels[i * self.size()..(i + 1) * self.size()]
    }

    /// One label an image, if there are any.
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref()
    }

    /// The labels that occur, in ascending order; none without labels.
    pub fn classes(&self) -> Vec<u8> {
        let mut classes = self.labels.clone().unwrap_or_default();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// The labels, which have to be there.
    fn labelled(&self) -> Result<&[u8]> {
        self.labels().ok_or_else(|| Error::shape("labels", "one for each image", "none"))
    }

    /// The images of these numbers, counted from 0, in that order; one may come several times.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a number too large, [`Error::Shape`] for none.
    pub fn subset(&self, numbers: &[usize]) -> Result<Self> {
        if numbers.is_empty() {
            return Err(Error::shape("images", "at least one", 0));
        }
        if let Some(i) = numbers.iter().find(|i| **i >= self.len()) {
            return Err(Error::invalid("the number of an image", i, format!("below {}", self.len())));
        }
        let pixels = numbers.iter().flat_map(|i| self.image(*i)).copied().collect();
        let labels = self.labels().map(|labels| numbers.iter().map(|i| labels[*i]).collect());
        Ok(ImageSet { pixels, labels, ..*self })
    }

    /// The images of some classes, in the order in which they are.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a class without an image, [`Error::Shape`] without labels or classes.
    pub fn of_classes(&self, classes: &[u8]) -> Result<Self> {
        let labels = self.labelled()?;
        if let Some(class) = classes.iter().find(|class| !labels.contains(class)) {
            let known = self.classes().iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
            return Err(Error::invalid("class", class, format!("one that occurs: {known}")));
        }
        let numbers: Vec<usize> = (0..self.len()).filter(|i| classes.contains(&labels[*i])).collect();
        self.subset(&numbers)
    }

    /// Disjoint parts of these sizes, drawn at random: the same for the same seed. Images that no part has room for are left out.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for parts that are empty or together larger than the set.
    pub fn split(&self, sizes: &[usize], seed: u64) -> Result<Vec<Self>> {
        let total = sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size));
        if total.is_none_or(|total| total > self.len()) || sizes.contains(&0) {
            let expected = format!("at least 1 each, and together at most {}", self.len());
            return Err(Error::invalid("sizes of parts", format!("{sizes:?}"), expected));
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        stream(seed, SPLIT, 0).shuffle(&mut order);
        let mut rest = &order[..];
        let part = |size: &usize| {
            let (part, others) = rest.split_at(*size);
            rest = others;
            self.subset(part)
        };
        sizes.iter().map(part).collect()
    }

    /// The images as points of as many coordinates as pixels, of equal weight.
    ///
    /// # Errors
    /// As [`PointCloud::new`].
    pub fn cloud(&self) -> Result<PointCloud> {
        PointCloud::new(self.size(), self.pixels.iter().map(|x| f64::from(*x)).collect())
    }

    /// Means over blocks of pixels, as equal as can be, `rows` × `columns` of them an image: image by image, row by row.
    ///
    /// ```
    /// use fenchel::images::ImageSet;
    ///
    /// let image = ImageSet::new(2, 4, vec![0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.5])?;
    /// assert_eq!(image.pooled(1, 2)?, [0.75, 0.125]);
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for no rows or columns, or more of them than pixels.
    pub fn pooled(&self, rows: usize, columns: usize) -> Result<Vec<f64>> {
        for (name, blocks, side) in [("rows", rows, self.height), ("columns", columns, self.width)] {
            if !(1..=side).contains(&blocks) {
                return Err(Error::invalid(name, blocks, format!("from 1 to {side}")));
            }
        }
        let mut means = Vec::with_capacity(self.len() * rows * columns);
        for image in self.pixels.chunks_exact(self.size()) {
            for r in 0..rows {
                for c in 0..columns {
                    let down = r * self.height / rows..(r + 1) * self.height / rows;
                    let across = c * self.width / columns..(c + 1) * self.width / columns;
                    let count = (down.len() * across.len()) as f64;
                    let block = down.flat_map(|y| &image[y * self.width..][across.clone()]);
                    means.push(block.map(|x| f64::from(*x)).sum::<f64>() / count);
                }
            }
        }
        Ok(means)
    }
}

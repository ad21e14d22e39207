//! Folders in the format of MNIST: a file of images and one of labels, both IDX, plain or compressed.

use super::ImageSet;
use crate::measure::file::Idx;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Which images of a folder: those to learn from or those to test with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`.
    Train,
    /// `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, or `test-…`.
    Test,
}

impl Part {
    /// What precedes `images` in the name of a file, in one of these ways.
    fn marks(self) -> &'static [&'static str] {
        match self {
            Part::Train => &["train"],
            Part::Test => &["t10k", "test"],
        }
    }
}

/// What a name is made of: what precedes `images` or `labels`, and which of the two it is.
fn parts(name: &str) -> Option<(&str, bool)> {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let stem = |kind: &str| {
        let ends = ["-", "."].map(|mark| {
            format!("{kind}{mark}{}", if kind == "images" { "idx3-ubyte" } else { "idx1-ubyte" })
        });
        ends.iter().find_map(|end| plain.strip_suffix(end.as_str()))
    };
    stem("images").map(|stem| (stem, true)).or_else(|| stem("labels").map(|stem| (stem, false)))
}

impl ImageSet {
    /// Reads images and labels from a folder in the format of MNIST: files that are called `…images-idx3-ubyte` and
    /// `…labels-idx1-ubyte`, with the same beginning, with or without `.gz`. Without a part the folder must have one only.
    ///
    /// # Errors
    /// [`Error::File`] for a folder that cannot be read, without such files or with several; and as [`ImageSet::read_files`].
    pub fn read(folder: impl AsRef<Path>, part: Option<Part>) -> Result<Self> {
        let folder = folder.as_ref();
        let unreadable = |e: std::io::Error| Error::file(folder, format!("cannot be read: {e}"));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            if let Ok(name) = entry.map_err(unreadable)?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        let fits = |stem: &str| part.is_none_or(|part| part.marks().iter().any(|mark| stem.contains(mark)));
        let one = |what: &str, wanted: &dyn Fn(&str, bool) -> bool| -> Result<(PathBuf, String)> {
            let found: Vec<(&String, &str)> = names
                .iter()
                .filter_map(|name| {
                    parts(name).filter(|(stem, images)| wanted(stem, *images)).map(|(stem, _)| (name, stem))
                })
                .collect();
            match found[..] {
                [(name, stem)] => Ok((folder.join(name), stem.to_owned())),
                [] => Err(Error::file(folder, format!("has no file {what}"))),
                _ => {
                    let all = found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
                    let message = format!(
                        "has several files {what}: {all}; say which part is meant, or leave one of them"
                    );
                    Err(Error::file(folder, message))
                }
            }
        };
        let of = match part {
            None => "",
            Some(Part::Train) => "train-",
            Some(Part::Test) => "t10k-",
        };
        let what = format!("of images ({of}images-idx3-ubyte, or the same with .gz)");
        let (images, stem) = one(&what, &|stem, images| images && fits(stem))?;
        let what = format!("of labels ({stem}labels-idx1-ubyte, or the same with .gz)");
        let (labels, _) = one(&what, &|other, images| !images && other == stem)?;
        Self::read_files(images, Some(&labels))
    }

    /// Reads images from an IDX file of three dimensions, and labels from one of a single dimension. Bytes are divided by 255;
    /// numbers of other types must be from 0 to 1 as they are.
    ///
    /// # Errors
    /// [`Error::File`] for files that cannot be read, are no sound IDX files, have other dimensions or pixels outside of [0, 1],
    /// labels that are no whole numbers from 0 to 255, or another number of labels than of images.
    pub fn read_files(images: impl AsRef<Path>, labels: Option<&Path>) -> Result<Self> {
        let path = images.as_ref();
        let file = Idx::read(path)?;
        let [height, width] = *file.shape() else {
            let dims = file.shape().len() + 1;
            let message =
                format!("holds an array of {dims} dimensions; images have 3: their number, height and width");
            return Err(Error::file(path, message));
        };
        let set = match file.bytes() {
            Some(bytes) => Self::from_bytes(height, width, bytes),
            None => Self::new(height, width, file.numbers().map(|x| x as f32).collect()),
        };
        let set = set.map_err(|e| Error::file(path, e.to_string()))?;
        match labels {
            None => Ok(set),
            Some(labels) => {
                let found = read_labels(labels)?;
                if found.len() != set.len() {
                    let message = format!(
                        "holds {} labels for the {} images of {}",
                        found.len(),
                        set.len(),
                        path.display()
                    );
                    return Err(Error::file(labels, message));
                }
                set.with_labels(found)
            }
        }
    }
}

fn read_labels(path: &Path) -> Result<Vec<u8>> {
    let file = Idx::read(path)?;
    if !file.shape().is_empty() {
        let dims = file.shape().len() + 1;
        return Err(Error::file(path, format!("holds an array of {dims} dimensions; labels have 1")));
    }
    if let Some(bytes) = file.bytes() {
        return Ok(bytes.to_vec());
    }
    let mut labels = Vec::with_capacity(file.rows());
    for (i, y) in file.numbers().enumerate() {
        if y.fract() != 0.0 || !(0.0..=255.0).contains(&y) {
            let message =
                format!("label {} (counted from 1) is {y}; a whole number from 0 to 255 is wanted", i + 1);
            return Err(Error::file(path, message));
        }
        labels.push(y as u8);
    }
    Ok(labels)
}

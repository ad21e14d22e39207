//! Sets of images: folders, parts, drawn shapes, and labels that are wrong where images are hard to tell.

use fenchel::images::{Family, ImageSet, LabelNoise, Part};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::Write;
use std::path::Path;

fn idx(code: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
    let sizes = shape.iter().flat_map(|n| n.to_be_bytes());
    [0, 0, code, shape.len() as u8].into_iter().chain(sizes).chain(data.iter().copied()).collect()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// n images of 2 × 3, and labels; the first byte of image i is 10 i.
fn write(folder: &Path, stem: &str, n: u8, gz: bool) {
    let pixels: Vec<u8> = (0..n).flat_map(|i| [10 * i, 255, 0, 1, 2, 51]).collect();
    let labels: Vec<u8> = (0..n).map(|i| i % 3).collect();
    for (name, bytes) in [
        ("images-idx3-ubyte", idx(8, &[u32::from(n), 2, 3], &pixels)),
        ("labels-idx1-ubyte", idx(8, &[u32::from(n)], &labels)),
    ] {
        let (end, bytes) = if gz { (".gz", packed(&bytes)) } else { ("", bytes) };
        std::fs::write(folder.join(format!("{stem}{name}{end}")), bytes).unwrap();
    }
}

#[test]
fn folders_in_the_format_of_mnist() {
    for gz in [false, true] {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path();
        write(folder, "t10k-", 5, gz);
        std::fs::write(folder.join("readme.txt"), "no images").unwrap();
        for part in [None, Some(Part::Test)] {
            let set = ImageSet::read(folder, part).unwrap();
            assert_eq!((set.len(), set.height(), set.width()), (5, 2, 3));
            assert_eq!(set.image(2), [20.0 / 255.0, 1.0, 0.0, 1.0 / 255.0, 2.0 / 255.0, 0.2]);
            assert_eq!((set.labels().unwrap(), set.classes()), (&[0, 1, 2, 0, 1][..], vec![0, 1, 2]));
        }
        let says = ImageSet::read(folder, Some(Part::Train)).unwrap_err().to_string();
        assert!(says.contains("has no file of images (train-images-idx3-ubyte"), "{says}");
        write(folder, "train-", 7, gz);
        assert_eq!(ImageSet::read(folder, Some(Part::Train)).unwrap().len(), 7);
        assert_eq!(ImageSet::read(folder, Some(Part::Test)).unwrap().len(), 5);
        let says = ImageSet::read(folder, None).unwrap_err().to_string();
        assert!(
            says.contains("has several files of images") && says.contains("say which part is meant"),
            "{says}"
        );
    }
}

#[test]
fn mistakes_in_folders_are_named() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let says = |part: Option<Part>| ImageSet::read(folder, part).unwrap_err().to_string();
    assert!(says(None).contains("has no file of images"));
    write(folder, "emnist-letters-train-", 4, true);
    assert_eq!(ImageSet::read(folder, Some(Part::Train)).unwrap().len(), 4);
    write(folder, "emnist-letters-train-", 4, false);
    assert!(says(None).contains("several files of images"), "plain and compressed");
    let labels = folder.join("emnist-letters-train-labels-idx1-ubyte");
    std::fs::remove_file(labels.with_file_name("emnist-letters-train-images-idx3-ubyte.gz")).unwrap();
    assert!(says(None).contains("several files of labels"));
    std::fs::remove_file(folder.join("emnist-letters-train-labels-idx1-ubyte.gz")).unwrap();
    std::fs::write(&labels, idx(8, &[3], &[1, 2, 3])).unwrap();
    assert!(says(None).contains("holds 3 labels for the 4 images of"), "{}", says(None));
    std::fs::write(&labels, idx(8, &[2, 2], &[1, 2, 3, 4])).unwrap();
    assert!(says(None).contains("holds an array of 2 dimensions; labels have 1"), "{}", says(None));
    let floats = [1.0_f32, 2.5, 0.0, 3.0].map(f32::to_be_bytes).concat();
    std::fs::write(&labels, idx(0x0d, &[4], &floats)).unwrap();
    assert!(says(None).contains("label 2 (counted from 1) is 2.5"), "{}", says(None));
    std::fs::write(&labels, b"1\n2\n").unwrap();
    assert!(says(None).contains("labels-idx1-ubyte: is not a sound IDX file"), "{}", says(None));
    std::fs::remove_file(&labels).unwrap();
    assert!(
        says(None).contains("has no file of labels (emnist-letters-train-labels-idx1-ubyte"),
        "{}",
        says(None)
    );

    let images = folder.join("emnist-letters-train-images-idx3-ubyte");
    assert_eq!(ImageSet::read_files(&images, None).unwrap().labels(), None);
    std::fs::write(&images, idx(8, &[4, 6], &[0; 24])).unwrap();
    let says = ImageSet::read_files(&images, None).unwrap_err().to_string();
    assert!(says.contains("2 dimensions; images have 3"), "{says}");
    std::fs::write(&images, idx(0x0d, &[1, 1, 2], &[0.5_f32, 1.5].map(f32::to_be_bytes).concat())).unwrap();
    let says = ImageSet::read_files(&images, None).unwrap_err().to_string();
    assert!(
        says.contains("image 0, row 0, column 1 (counted from 0) is 1.5; it must be from 0 to 1"),
        "{says}"
    );
    let says = ImageSet::read(folder.join("nowhere"), None).unwrap_err().to_string();
    assert!(says.contains("nowhere: cannot be read"), "{says}");
}

#[test]
fn what_makes_no_set_is_refused() {
    assert!(ImageSet::new(0, 2, vec![0.0; 4]).is_err());
    assert!(ImageSet::new(2, 2, vec![]).is_err());
    assert!(ImageSet::new(2, 2, vec![0.0; 5]).is_err());
    assert!(ImageSet::new(usize::MAX, 2, vec![0.0; 4]).is_err());
    for bad in [f32::NAN, -0.1, 1.01, f32::INFINITY] {
        assert!(ImageSet::new(1, 2, vec![0.0, bad]).is_err(), "{bad}");
    }
    let set = ImageSet::from_bytes(1, 1, &[0, 255, 7]).unwrap();
    assert!(set.clone().with_labels(vec![1, 2]).is_err());
    assert!(set.of_classes(&[1]).is_err() && set.subset(&[]).is_err() && set.subset(&[3]).is_err());
    let set = set.with_labels(vec![4, 4, 9]).unwrap();
    assert!(set.of_classes(&[5]).unwrap_err().to_string().contains("one that occurs: 4, 9"));
    assert!(set.of_classes(&[]).is_err());
    assert!(
        set.split(&[2, 2], 0).is_err()
            && set.split(&[0], 0).is_err()
            && set.split(&[usize::MAX, 2], 0).is_err()
    );
    assert!(set.pooled(0, 1).is_err() && set.pooled(1, 2).is_err());
    assert!(ImageSet::drawn(Family::Solids, 0, 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn parts_are_disjoint_and_keep_labels(n in 3usize..60, share in 0.0..1.0, seed: u64) {
        let bytes: Vec<u8> = (0..n as u8).flat_map(|i| [i, 255 - i]).collect();
        let set = ImageSet::from_bytes(1, 2, &bytes).unwrap().with_labels((0..n as u8).collect()).unwrap();
        let first = 1 + (share * (n - 2) as f64) as usize;
        let parts = set.split(&[first, n - first], seed).unwrap();
        let mut seen: Vec<u8> = parts.iter().flat_map(|p| p.labels().unwrap()).copied().collect();
        for part in &parts {
            for (i, y) in part.labels().unwrap().iter().enumerate() {
                prop_assert_eq!(part.image(i), set.image(usize::from(*y)));
            }
        }
        prop_assert_eq!(&parts, &set.split(&[first, n - first], seed).unwrap());
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..n as u8).collect::<Vec<_>>());
    }

    /// Means of blocks, weighed by their pixels, are the mean of the image; 1 × 1 blocks are the image.
    #[test]
    fn blocks_add_up(h in 1usize..12, w in 1usize..12, seed: u64) {
        let bytes: Vec<u8> = (0..h * w).map(|i| (seed.wrapping_mul(i as u64 * 2 + 1) >> 32) as u8).collect();
        let set = ImageSet::from_bytes(h, w, &bytes).unwrap();
        let whole = set.pooled(1, 1).unwrap()[0];
        let direct = set.pixels().iter().map(|x| f64::from(*x)).sum::<f64>() / (h * w) as f64;
        prop_assert!((whole - direct).abs() < 1e-12);
        let fine: Vec<f32> = set.pooled(h, w).unwrap().iter().map(|x| *x as f32).collect();
        prop_assert_eq!(fine, set.pixels());
        for rows in 1..=h {
            let sizes: Vec<usize> = (0..rows).map(|r| (r + 1) * h / rows - r * h / rows).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            let blocks = set.pooled(rows, 1).unwrap();
            let sum: f64 = blocks.iter().zip(&sizes).map(|(b, s)| b * *s as f64).sum();
            prop_assert!((sum / h as f64 - whole).abs() < 1e-12);
        }
    }
}

/// Means of the pixels over all images of a class.
fn means(set: &ImageSet, class: u8) -> Vec<f64> {
    let of = set.of_classes(&[class]).unwrap();
    let n = of.len() as f64;
    (0..set.size()).map(|k| (0..of.len()).map(|i| f64::from(of.image(i)[k])).sum::<f64>() / n).collect()
}

#[test]
fn shapes_are_inside_and_differ() {
    let families = [Family::Solids, Family::Strokes];
    for family in families {
        let set = ImageSet::drawn(family, 2000, 5).unwrap();
        assert_eq!(set, ImageSet::drawn(family, 2000, 5).unwrap());
        assert_ne!(set, ImageSet::drawn(family, 2000, 6).unwrap());
        // Image i does not depend on how many there are.
        assert_eq!(ImageSet::drawn(family, 33, 5).unwrap().image(32), set.image(32));
        assert_eq!(set.classes(), (0..10).collect::<Vec<_>>());
        for i in 0..set.len() {
            let image = set.image(i);
            let border =
                (0..28).flat_map(|k| [image[k], image[27 * 28 + k], image[28 * k], image[28 * k + 27]]);
            // Grain is everywhere, ink is not: 0.06 is its largest standard deviation.
            assert!(border.fold(0.0, f32::max) < 0.4, "image {i} of {family:?} is cut off");
            let ink = image.iter().filter(|x| **x > 0.5).count();
            assert!((20..450).contains(&ink), "image {i} of {family:?}: {ink} dark pixels");
        }
        let class_means: Vec<Vec<f64>> = (0..10).map(|c| means(&set, c)).collect();
        for a in 0..10 {
            for b in 0..a {
                let apart: f64 =
                    class_means[a].iter().zip(&class_means[b]).map(|(x, y)| (x - y).powi(2)).sum();
                assert!(
                    apart > 0.5,
                    "{} and {} of {family:?}: {apart}",
                    family.classes()[a],
                    family.classes()[b]
                );
            }
        }
    }
    let [solids, strokes] = families.map(Family::classes);
    assert!(solids.iter().all(|name| !strokes.contains(name)));
}

/// Areas of figures that have a formula, from the pixels of many: ink times area, so in proportion to those of the disc.
#[test]
fn areas_are_those_of_the_figures() {
    use std::f64::consts::PI;
    let set = ImageSet::drawn(Family::Solids, 20_000, 2).unwrap();
    let ink = |class: u8| means(&set, class).iter().sum::<f64>();
    // Grain is cut off at 0 and so has a mean on the background; twice the same background cancels.
    let background = {
        let corner: f64 = (0..10).map(|class| means(&set, class)[0]).sum::<f64>() / 10.0;
        784.0 * corner
    };
    let of = |class: u8, area: f64| (ink(class) - background) / area;
    let disc = of(0, PI);
    let figures = [
        (1, 0.81 * PI / 2.0),
        (3, 0.6 * PI),
        (4, 1.4 * 1.4),
        (5, 1.76 * 0.92),
        (6, 3.0 * 3f64.sqrt() / 4.0),
        (7, 2.5 * (0.4 * PI).sin()),
        (8, 10.0 * 0.5 * 0.45 * (0.2 * PI).sin()),
        (9, 1.05 * 0.5 + 0.5 * 0.9 * 1.5),
    ];
    for (class, area) in figures {
        let ratio = of(class, area) / disc;
        assert!((ratio - 1.0).abs() < 0.03, "{}: {ratio}", Family::Solids.classes()[usize::from(class)]);
    }
}

fn shapes(n: usize) -> ImageSet {
    ImageSet::drawn(Family::Solids, n, 3).unwrap()
}

/// The numbers of the images whose label has changed.
fn changed(set: &ImageSet, noisy: &[u8]) -> Vec<usize> {
    (0..set.len()).filter(|i| noisy[*i] != set.labels().unwrap()[*i]).collect()
}

#[test]
fn noise_has_exactly_its_ratio() {
    let set = shapes(600);
    for ratio in [0.0, 0.001, 0.1, 0.25, 0.3337, 0.9, 1.0] {
        let noisy = LabelNoise { ratio, seed: 4 }.labels(&set).unwrap();
        assert_eq!(changed(&set, &noisy).len(), (600.0 * ratio).round() as usize, "{ratio}");
        assert!(noisy.iter().all(|y| *y < 10));
    }
    // More noise keeps what less has changed.
    let less = LabelNoise { ratio: 0.1, seed: 4 }.labels(&set).unwrap();
    assert_eq!(less, LabelNoise { ratio: 0.1, seed: 4 }.labels(&set).unwrap());
    let more = LabelNoise { ratio: 0.3, seed: 4 }.labels(&set).unwrap();
    assert!(changed(&set, &less).iter().all(|i| less[*i] == more[*i]));
}

#[test]
fn noise_depends_on_the_images() {
    let set = shapes(2000);
    let noisy = LabelNoise { ratio: 0.25, seed: 1 }.labels(&set).unwrap();
    let flipped = changed(&set, &noisy);
    assert_eq!(flipped.len(), 500);
    // χ² of the 90 kinds of changes, were each as likely: above 165 with probability 1e-6.
    let mut counts = [[0.0_f64; 10]; 10];
    for i in &flipped {
        counts[usize::from(set.labels().unwrap()[*i])][usize::from(noisy[*i])] += 1.0;
    }
    let expected = 500.0 / 90.0;
    let off = (0..10).flat_map(|a| (0..10).map(move |b| (a, b))).filter(|(a, b)| a != b);
    let chi2: f64 = off.map(|(a, b): (usize, usize)| (counts[a][b] - expected).powi(2) / expected).sum();
    assert!(chi2 > 165.0, "{chi2}");
    // What looks alike is mixed up: a disc and a pentagon rather than a disc and an arrow.
    assert!(counts[0][7] + counts[7][0] > 10.0 * (counts[0][9] + counts[9][0]).max(1.0), "{counts:?}");
    // It is the image that decides: another weak model finds much the same images hard. By chance it would be a quarter of them.
    let other = changed(&set, &LabelNoise { ratio: 0.25, seed: 2 }.labels(&set).unwrap());
    let both = other.iter().filter(|i| flipped.contains(i)).count();
    assert!(both > 300, "{both}");
}

#[test]
fn any_labels_and_sizes_take_noise() {
    // Two classes with far-off numbers, one of them rare, in images smaller than the blocks.
    let bytes: Vec<u8> = (0..60).flat_map(|i: u8| [i, 4 * i, 255 - i]).collect();
    let labels = (0..60).map(|i| if i % 20 == 0 { 255 } else { 3 }).collect();
    let set = ImageSet::from_bytes(1, 3, &bytes).unwrap().with_labels(labels).unwrap();
    let noisy = LabelNoise::default().labels(&set).unwrap();
    assert_eq!(changed(&set, &noisy).len(), 15);
    assert!(noisy.iter().all(|y| [3, 255].contains(y)));
    // As many classes as there are labels.
    let bytes: Vec<u8> = (0..=255).collect();
    let many = ImageSet::from_bytes(1, 1, &bytes).unwrap().with_labels(bytes).unwrap();
    assert_eq!(changed(&many, &LabelNoise::default().labels(&many).unwrap()).len(), 64);

    for ratio in [-0.1, 1.1, f64::NAN] {
        assert!(LabelNoise { ratio, seed: 0 }.labels(&set).is_err());
    }
    let one = ImageSet::from_bytes(1, 1, &[1, 2]).unwrap();
    assert!(LabelNoise::default().labels(&one).is_err());
    assert!(LabelNoise::default().labels(&one.with_labels(vec![5, 5]).unwrap()).is_err());
}

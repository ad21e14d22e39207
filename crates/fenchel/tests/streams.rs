//! Files that stay on disk: the same points, moments and mistakes as loaded ones, and rows drawn in proportion.

use fenchel::measure::file::{Drawn, FileSource, Selection, Table};
use fenchel::measure::{Design, PointCloud, Rng, Sampler, Source};
use proptest::prelude::*;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So little that every index is thinned out.
const TIGHT: u64 = 4096;

const NAMED: Selection<'static> = Selection { columns: &["b", "a"], weights: Some("w"), reference: None };

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// a, b and w of n rows: correlated, far from zero in b, every seventh weight zero.
fn numbers(n: usize) -> Vec<[f64; 3]> {
    let mut rng = Rng::new(n as u64);
    (0..n)
        .map(|i| {
            let a = rng.normal();
            [a, 1e6 + 0.3 * a + rng.normal(), if i % 7 == 3 { 0.0 } else { rng.exponential() }]
        })
        .collect()
}

fn csv(rows: &[[f64; 3]]) -> String {
    let mut text = String::from("a,b,w\n");
    for [a, b, w] in rows {
        writeln!(text, "{a},{b},{w}").unwrap();
    }
    text
}

/// The same rows in every dress that text has: marks, comments, blank lines, quotation marks with line breaks in them.
fn dressed(rows: &[[f64; 3]]) -> String {
    let mut text = String::from("\u{feff}# first\r\n\r\n\"a\";\"b\";\"w\";\"no\nte\"\r\n");
    for (i, [a, b, w]) in rows.iter().enumerate() {
        match i % 4 {
            0 => writeln!(text, "{a};{b};{w};x\r").unwrap(),
            1 => write!(text, " {a} ;\"{b}\"; {w};\"two\n# lines; \"\"quoted\"\"\"\n\n").unwrap(),
            2 => write!(text, "# a remark\n\n#;;\n{a};{b};{w};\r\n").unwrap(),
            _ => write!(text, "{a};{b};{w};7\n\n\r\n").unwrap(),
        }
    }
    text
}

fn blanks(rows: &[[f64; 3]]) -> String {
    let mut text = String::from("# written by hand\n a   b w\n");
    for [a, b, w] in rows {
        writeln!(text, "  {a} {b}   {w} \n#").unwrap();
    }
    text
}

fn npy(dtype: &str, fortran: bool, shape: [usize; 2], bytes: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header =
        format!("{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': ({}, {})}}\n", shape[0], shape[1]);
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}

/// Rows in C or Fortran order.
fn array(rows: &[[f64; 3]], fortran: bool) -> Vec<u8> {
    let bytes: Vec<u8> = if fortran {
        (0..3).flat_map(|k| rows.iter().flat_map(move |r| r[k].to_le_bytes())).collect()
    } else {
        rows.iter().flatten().flat_map(|x| x.to_le_bytes()).collect()
    };
    npy("<f8", fortran, [rows.len(), 3], &bytes)
}

fn loaded(path: &Path, selection: &Selection<'_>) -> fenchel::Result<PointCloud> {
    let mut wanted = selection.columns.to_vec();
    wanted.extend(selection.weights);
    let table = Table::read_columns(path, &wanted)?;
    let last = wanted.len().to_string();
    table.split(selection.weights.map(|_| last.as_str()), None).and_then(|s| s.points.into_cloud(s.weights))
}

fn points(source: &dyn Source, design: Design, seed: u64, start: u64, n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * source.dim()];
    Sampler::new(source, design, seed, 5).fill(start, &mut out).unwrap();
    out
}

#[test]
fn points_and_moments_are_those_of_the_loaded_file() {
    let place = Place::new();
    for n in [1, 2, 17, 3000] {
        let mut rows = numbers(n);
        rows[0][2] = 1.0;
        let files = [
            (place.file("comma.csv", csv(&rows)), "b", "a", "w"),
            (place.file("dressed.csv", dressed(&rows)), "b", "a", "w"),
            (place.file("blanks.txt", blanks(&rows)), "b", "a", "w"),
            (place.file("c.npy", array(&rows, false)), "2", "1", "3"),
            (place.file("fortran.npy", array(&rows, true)), "2", "1", "3"),
        ];
        for (path, b, a, w) in &files {
            for weights in [None, Some(*w)] {
                let selection = Selection { columns: &[b, a], weights, reference: None };
                let cloud = loaded(path, &selection).unwrap();
                let file = FileSource::open(path, &selection, TIGHT).unwrap();
                assert_eq!((file.len(), file.dim(), file.name()), (n as u64, 2, cloud.name()));
                for (start, m) in [(0, 5000), (77, 400)] {
                    let wanted = points(&cloud, Design::Sobol, 3, start, m);
                    assert!(points(&file, Design::Sobol, 3, start, m) == wanted, "{path:?} {n} {weights:?}");
                }
                let (mean, variance) = cloud.moments().unwrap();
                let (m, v) = file.moments().unwrap();
                for k in 0..2 {
                    assert!((m[k] - mean[k]).abs() <= 1e-14 * mean[k].abs().max(1.0), "{m:?} {mean:?}");
                    // A mean of 1e6 is known to 1e-10, and every deviation with it.
                    assert!((v[k] - variance[k]).abs() <= 1e-9 * variance[k], "{v:?} {variance:?}");
                }
            }
        }
    }
}

#[test]
fn numbers_of_every_type() {
    let place = Place::new();
    let values: Vec<i64> = (0..900).map(|i| (i * 37) % 113 - 7).collect();
    let bytes = |of: &dyn Fn(i64) -> Vec<u8>| values.iter().flat_map(|v| of(*v)).collect::<Vec<u8>>();
    for (dtype, data) in [
        ("<f4", bytes(&|v| (v as f32).to_le_bytes().to_vec())),
        (">f8", bytes(&|v| (v as f64).to_be_bytes().to_vec())),
        ("<i2", bytes(&|v| (v as i16).to_le_bytes().to_vec())),
        (">i8", bytes(&|v| v.to_be_bytes().to_vec())),
        ("|i1", bytes(&|v| (v as i8).to_le_bytes().to_vec())),
    ] {
        for fortran in [false, true] {
            let path = place.file("typed.npy", npy(dtype, fortran, [300, 3], &data));
            let selection = Selection { columns: &["1", "2", "3"], ..Selection::default() };
            let cloud = loaded(&path, &selection).unwrap();
            let file = FileSource::open(&path, &selection, TIGHT).unwrap();
            let wanted = points(&cloud, Design::Sobol, 0, 0, 2000);
            assert_eq!(points(&file, Design::Sobol, 0, 0, 2000), wanted, "{dtype}");
        }
    }
}

#[test]
fn a_point_depends_on_its_number_alone() {
    let place = Place::new();
    let file = FileSource::open(place.file("a.csv", csv(&numbers(5000))), &NAMED, TIGHT).unwrap();
    for design in [Design::Iid, Design::Sobol] {
        let all = points(&file, design, 1, 0, 6000);
        for (start, n) in [(0, 1), (255, 2), (256, 3000), (1234, 777)] {
            assert!(
                points(&file, design, 1, start, n) == all[start as usize * 2..][..2 * n],
                "{design:?} {start}"
            );
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(|| points(&file, design, 1, 0, 6000)) == all);
        }
    }
    // Points drawn one after another from a generator are rows, too.
    let (mut one, mut two) = ([0.0; 8], [0.0; 8]);
    file.draw(&mut Rng::new(5), &mut one);
    let mut rng = Rng::new(5);
    two.chunks_mut(2).for_each(|p| file.draw(&mut rng, p));
    assert_eq!(one, two);
}

/// χ² of the counts of rows, whose first coordinate is their number, against their probabilities, and degrees of freedom.
fn chi2(points: &[f64], p: &[f64]) -> (f64, f64) {
    let mut counts = vec![0.0; p.len()];
    points.iter().for_each(|x| counts[*x as usize] += 1.0);
    let n = points.len() as f64;
    let terms = counts.iter().zip(p).filter(|(_, p)| **p > 0.0);
    assert!(counts.iter().zip(p).all(|(c, p)| *p > 0.0 || *c == 0.0));
    let freedom = p.iter().filter(|p| **p > 0.0).count() as f64 - 1.0;
    (terms.map(|(c, p)| (c - n * p).powi(2) / (n * p)).sum(), freedom)
}

#[test]
fn rows_are_drawn_in_proportion() {
    let place = Place::new();
    let mut rng = Rng::new(11);
    let weights: Vec<f64> =
        (0..200).map(|i| if i % 5 == 0 { 0.0 } else { 0.2 + rng.exponential() }).collect();
    let text: String = weights.iter().enumerate().map(|(i, w)| format!("{i},{w}\n")).collect();
    let path = place.file("w.csv", &text);
    let total: f64 = weights.iter().sum();
    let weighted: Vec<f64> = weights.iter().map(|w| w / total).collect();
    for (column, p) in [(Some("2"), weighted), (None, vec![1.0 / 200.0; 200])] {
        let selection = Selection { columns: &["1"], weights: column, reference: None };
        let file = FileSource::open(&path, &selection, TIGHT).unwrap();
        let (chi2, freedom) = chi2(&points(&file, Design::Iid, 8, 0, 100_000), &p);
        // Normal approximation: exceeded with probability 3e-7.
        assert!(chi2 < freedom + 5.0 * (2.0 * freedom).sqrt() + 10.0, "{chi2} {freedom}");
    }
}

#[test]
fn several_files_are_one_measure() {
    let place = Place::new();
    let rows = numbers(900);
    let cut = [0, 1, 350, 900];
    for selection in [NAMED, Selection { weights: None, ..NAMED }] {
        let parts = cut.windows(2).map(|c| {
            // A part needs some weight.
            let mut part = rows[c[0]..c[1]].to_vec();
            part[0][2] = 0.5;
            part
        });
        let parts: Vec<_> = parts.collect();
        let cloud = loaded(&place.file("all.csv", csv(&parts.concat())), &selection).unwrap();
        let files = parts.iter().enumerate().map(|(i, part)| {
            FileSource::open(place.file(&format!("{i}.csv"), csv(part)), &selection, TIGHT).unwrap()
        });
        let joined = files.reduce(|a, b| a.join(b).unwrap()).unwrap().named("all");
        assert_eq!((joined.len(), joined.name().as_str()), (900, "all"));
        let wanted = points(&cloud, Design::Sobol, 9, 0, 4000);
        assert!(points(&joined, Design::Sobol, 9, 0, 4000) == wanted, "{selection:?}");
        let ((m, v), (mean, variance)) = (joined.moments().unwrap(), cloud.moments().unwrap());
        for k in 0..2 {
            assert!(
                (m[k] - mean[k]).abs() < 1e-14 * mean[k].abs().max(1.0)
                    && (v[k] / variance[k] - 1.0).abs() < 1e-9
            );
        }
    }
    let one = || FileSource::open(place.file("one.csv", "a,b,w\n1,2,3\n"), &NAMED, TIGHT).unwrap();
    let columns = Selection { columns: &["a"], ..NAMED };
    let other = FileSource::open(place.file("two.csv", "a,b,w\n1,2,3\n"), &columns, TIGHT).unwrap();
    assert!(one().join(other).unwrap_err().to_string().contains("has 1 coordinates, "));
    let bare = FileSource::open(
        place.file("two.csv", "a,b,w\n1,2,3\n"),
        &Selection { weights: None, ..NAMED },
        TIGHT,
    );
    assert!(one().join(bare.unwrap()).unwrap_err().to_string().contains("has weights"));
}

#[test]
fn standardised_points() {
    let place = Place::new();
    let path = place.file("s.csv", csv(&numbers(400)));
    let open = || FileSource::open(&path, &NAMED, TIGHT).unwrap();
    let (mean, variance) = open().moments().unwrap();
    let scale: Vec<f64> = variance.iter().map(|v| v.sqrt()).collect();
    let mapped = open().mapped(&mean, &scale).unwrap();
    let raw = points(&open(), Design::Sobol, 0, 0, 50);
    let wanted: Vec<f64> = raw.iter().enumerate().map(|(i, x)| (x - mean[i % 2]) / scale[i % 2]).collect();
    assert_eq!(points(&mapped, Design::Sobol, 0, 0, 50), wanted);
    let (m, v) = mapped.moments().unwrap();
    assert!(m.iter().all(|m| *m == 0.0) && v.iter().all(|v| (v - 1.0).abs() < 1e-15));
    assert!(open().mapped(&mean, &[1.0]).is_err());
    assert!(open().mapped(&mean, &[1.0, 0.0]).is_err());
    assert!(open().mapped(&[f64::NAN, 0.0], &scale).is_err());
}

/// What a file that is only read in pieces is refused with.
fn streamed_error(path: &Path, selection: &Selection<'_>) -> Option<String> {
    FileSource::open(path, selection, TIGHT).err().map(|e| e.to_string())
}

#[test]
fn mistakes_are_those_of_the_loaded_file() {
    let place = Place::new();
    let all = Selection::default();
    let weighted = Selection { weights: Some("2"), ..all };
    let good = "1,2\n".repeat(40_000);
    let cases: Vec<(Vec<u8>, Selection<'_>)> = vec![
        (b"".to_vec(), all),
        (b"a,b\n".to_vec(), all),
        (format!("{good}# so far\n\n1,x\n").into_bytes(), all),
        (format!("{good}1,2,3\n1,x\n").into_bytes(), all),
        (format!("{good}\r\n1,inf\n").into_bytes(), all),
        (format!("{good}1,-2\n").into_bytes(), weighted),
        (b"1,0\n2,0\n".to_vec(), weighted),
        (b"1,1e308\n2,1e308\n".to_vec(), weighted),
        (format!("{good}1,x\n{good}\0").into_bytes(), all),
        (b"1,2\n".to_vec(), Selection { columns: &["3"], ..all }),
        (b"lat,lon\n1,2\n".to_vec(), Selection { columns: &["lxt"], ..all }),
        (b"1\n".to_vec(), Selection { weights: Some("1"), ..all }),
        (b"PK\x03\x04".to_vec(), all),
        (b"\x93NUMPY".to_vec(), all),
        (b"\x93NUMPY\x09\x00".to_vec(), all),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(), all),
        (npy("<f8", false, [3, 2], &[0; 40]), all),
        (npy("<f8", false, [3, 2], &[0; 50]), all),
        (npy("<c16", false, [3, 2], &[0; 96]), all),
        (npy("<f8", false, [0, 2], &[]), all),
        (npy("<f4", true, [2, 2], &[0, 0, 0, 0, 0, 0, 192, 127, 0, 0, 0, 0, 0, 0, 128, 127]), all),
        (npy("|i1", false, [2, 2], &[1, 1, 1, 255]), weighted),
    ];
    for (content, selection) in cases {
        let path = place.file("wrong", &content);
        let wanted = if selection.columns.is_empty() {
            Table::read(&path).and_then(|t| t.split(selection.weights, None)).err()
        } else {
            loaded(&path, &selection).err()
        };
        let wanted = wanted.map(|e| e.to_string());
        assert!(wanted.is_some(), "{:?}", String::from_utf8_lossy(&content[..content.len().min(80)]));
        assert_eq!(streamed_error(&path, &selection), wanted);
    }
    let directory = streamed_error(place.0.path(), &all).unwrap();
    assert!(directory.ends_with("is a directory; a file is wanted"), "{directory}");
    let nowhere = streamed_error(&place.0.path().join("nowhere"), &all).unwrap();
    assert!(nowhere.ends_with("there is no such file"), "{nowhere}");
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused_alike(text in "(\u{feff})?([-+0-9.eEinfa,;\t \"'#\r\n\0]|NaN|1e99|x,y){0,120}") {
        let place = Place::new();
        let path = place.file("any", &text);
        match (Table::read(&path), FileSource::open(&path, &Selection::default(), TIGHT)) {
            (Ok(table), Ok(file)) => {
                let cloud = table.into_cloud(None).unwrap();
                prop_assert_eq!(points(&file, Design::Sobol, 1, 0, 64), points(&cloud, Design::Sobol, 1, 0, 64));
            }
            (Err(one), Err(other)) => prop_assert_eq!(one.to_string(), other.to_string()),
            (one, other) => prop_assert!(false, "{one:?} {other:?}"),
        }
    }
}

#[test]
fn a_quotation_mark_left_open_does_not_take_all_memory() {
    let place = Place::new();
    let text = format!("1,2\n3,\"4\n{}", "5,6\n".repeat(17 << 20));
    let message = streamed_error(&place.file("open.csv", text), &Selection::default()).unwrap();
    assert!(message.contains("is a quotation mark left open?"), "{message}");
}

#[test]
fn a_file_that_changes_is_an_error() {
    let place = Place::new();
    let rows = numbers(20_000);
    for content in [csv(&rows).into_bytes(), array(&rows, false), array(&rows, true)] {
        let path = place.file("live", &content);
        let selection = Selection { columns: &["1", "2"], ..Selection::default() };
        let file = FileSource::open(&path, &selection, TIGHT).unwrap();
        let draw = || Sampler::new(&file, Design::Sobol, 0, 0).fill(0, &mut [0.0; 2000]);
        assert!(draw().is_ok());
        let handle = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        handle.set_len(content.len() as u64 / 2).unwrap();
        let message = draw().unwrap_err().to_string();
        assert!(message.contains("has changed while it was used: it had "), "{message}");
        let mut point = [0.0; 2];
        file.draw(&mut Rng::new(0), &mut point);
        assert!(point[0].is_nan());
        // The same length, but not the same bytes.
        std::fs::write(&path, vec![b'#'; content.len()]).unwrap();
        handle.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let message = draw().unwrap_err().to_string();
        assert!(message.contains("has changed while it was used; leave it alone"), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused() {
    let place = Place::new();
    let path = place.0.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let message = streamed_error(&path, &Selection::default()).unwrap();
    assert!(message.contains("is a pipe, which can be read only once"), "{message}");
}

#[test]
fn rows_drawn_without_weights_are_a_simple_sample() {
    let place = Place::new();
    let text: String = (0..1000).map(|i| format!("{i},{}\n", i % 7)).collect();
    let path = place.file("n.csv", &text);
    let first = Selection { columns: &["1"], ..Selection::default() };
    let read = |m, seed| Drawn::read(&path, &first, m, seed, TIGHT).unwrap();
    let mut counts = vec![0.0; 1000];
    for seed in 0..400 {
        let drawn = read(50, seed);
        assert_eq!((drawn.rows.len(), drawn.of, drawn.dim), (50, 1000, 1));
        assert!(drawn.rows.is_sorted_by(|a, b| a < b), "without replacement");
        assert!(drawn.points.iter().zip(&drawn.rows).all(|(x, r)| *x == *r as f64));
        assert!(drawn.weights.is_none() && drawn.reference.is_none());
        drawn.rows.iter().for_each(|r| counts[*r as usize] += 1.0);
    }
    // Each row 20 times on the average, with variance 19: χ² of 1000 terms, beyond by 6 σ with probability 1e-9.
    let chi2: f64 = counts.iter().map(|c| (c - 20.0) * (c - 20.0) / 19.0).sum();
    assert!((chi2 - 1000.0).abs() < 6.0 * 2000f64.sqrt(), "{chi2}");
    assert_eq!(read(50, 3).rows, read(50, 3).rows);
    for m in [1000, 5000] {
        assert_eq!(read(m, 0).rows, (0..1000).collect::<Vec<_>>());
    }
    // The reference of a row comes along as it is.
    let selection = Selection { reference: Some("2"), ..first };
    let drawn = Drawn::read(&path, &selection, 30, 1, TIGHT).unwrap();
    let reference: Vec<f64> = drawn.rows.iter().map(|r| (r % 7) as f64).collect();
    assert_eq!(drawn.reference, Some(reference));
    assert!(Drawn::read(&path, &first, 0, 1, TIGHT).is_err());
}

#[test]
fn rows_drawn_by_weight_estimate_sums_without_bias() {
    let place = Place::new();
    let rows = numbers(300);
    let (mut heavy, path) = (rows.clone(), place.0.path().join("w.csv"));
    heavy[17][2] = 40.0;
    std::fs::write(&path, csv(&heavy)).unwrap();
    let selection = Selection { columns: &["a", "b"], weights: Some("w"), reference: None };
    let read = |m, seed| Drawn::read(&path, &selection, m, seed, TIGHT).unwrap();
    // Of the weights, and of the weights of the rows with a > 0.
    let truth: [f64; 2] =
        [0.0, 1.0].map(|all| heavy.iter().filter(|r| all == 0.0 || r[0] > 0.0).map(|r| r[2]).sum());
    let repeats = 2000;
    let mut sums = [(0.0, 0.0); 2];
    for seed in 0..repeats {
        let drawn = read(40, seed);
        let weights = drawn.weights.unwrap();
        assert_eq!((drawn.rows.len(), weights.len()), (40, 40));
        assert!(drawn.rows.is_sorted_by(|a, b| a < b) && drawn.rows.contains(&17));
        let all: f64 = weights.iter().sum();
        let some: f64 =
            weights.iter().zip(drawn.points.chunks(2)).filter(|(_, p)| p[0] > 0.0).map(|(w, _)| w).sum();
        for (sum, x) in sums.iter_mut().zip([all, some]) {
            *sum = (sum.0 + x, sum.1 + x * x);
        }
        for ((row, w), eta) in drawn.rows.iter().zip(&weights).zip(&drawn.reference.unwrap()) {
            let own = heavy[*row as usize][2];
            assert!(own > 0.0 && *w >= own && (eta - w / own).abs() <= 1e-15 * eta, "{row} {w} {own} {eta}");
        }
    }
    for ((sum, square), truth) in sums.into_iter().zip(truth) {
        let n = repeats as f64;
        let (mean, error) = (sum / n, ((square / n - (sum / n).powi(2)) / n).sqrt());
        // Five standard errors: missed with probability 6e-7.
        assert!(error > 0.0 && (mean - truth).abs() < 5.0 * error, "{mean} ± {error}, {truth}");
    }
    // All rows: the file itself, rows without weight too.
    let all = read(300, 0);
    assert_eq!(all.weights.unwrap(), heavy.iter().map(|r| r[2]).collect::<Vec<_>>());
    assert!(all.reference.is_none());
    // More than have weight, but not all: those with weight.
    let most = read(290, 0);
    assert!(most.rows.len() < 290 && most.rows.iter().all(|r| heavy[*r as usize][2] > 0.0));
    assert_eq!(most.rows.len(), heavy.iter().filter(|r| r[2] > 0.0).count());
}

#[test]
fn a_source_in_a_file_is_shared_between_threads() {
    let place = Place::new();
    let file: Arc<dyn Source> =
        Arc::new(FileSource::open(place.file("a.csv", csv(&numbers(500))), &NAMED, TIGHT).unwrap());
    let alone = points(&*file, Design::Iid, 4, 0, 3000);
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let file = file.clone();
            std::thread::spawn(move || points(&*file, Design::Iid, 4, 0, 3000))
        })
        .collect();
    for run in runs {
        assert!(run.join().unwrap() == alone);
    }
}

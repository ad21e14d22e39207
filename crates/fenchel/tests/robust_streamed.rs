//! Examples that stay in their files: the models are those of the same examples in memory, and what is wrong with a file is told
//! with its place.

use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::measure::file::Roles;
use fenchel::optim::{Flow, Progress, Silent, Status};
use fenchel::robust::loss::{self, Labels, Loss};
use fenchel::robust::{
    Examples, Linear, Method, Options, Passes, Perturbation, Precision, Risk, Sgd, StreamedExamples,
    Strength, Trained,
};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

const FEATURES: usize = 4;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

/// Rows of features of different sizes, a label and a weight; few have gross errors.
fn table(kind: Labels, n: usize) -> Vec<[f64; FEATURES + 2]> {
    let mut rng = Rng::new(5);
    (0..n)
        .map(|i| {
            let x = [rng.normal(), 1e4 + 300.0 * rng.normal(), 1e-3 * rng.exponential(), 7.0];
            let gross = if i % 300 == 0 { 4.0 } else { 0.0 };
            let score = 0.8 * x[0] - 0.01 * (x[1] - 1e4) + 900.0 * x[2] + rng.normal() + gross;
            let label = match kind {
                Labels::Sign => (score > 1.0).into(),
                Labels::Class => 3.0 + f64::from(score > 0.0) + f64::from(score > 2.0),
                Labels::Count => score.abs().floor(),
                _ => score,
            };
            [x[0], x[1], x[2], x[3], label, if i % 11 == 4 { 0.0 } else { 0.5 + rng.uniform() }]
        })
        .collect()
}

fn csv(rows: &[[f64; FEATURES + 2]]) -> String {
    let mut text = String::from("a,b,c,d,y,w,note\n");
    for [a, b, c, d, y, w] in rows {
        writeln!(text, "{a},{b},{c},{d},{y},{w},\"said, quoted\"").unwrap();
    }
    text
}

fn npy(rows: &[[f64; FEATURES + 2]]) -> Vec<u8> {
    let header =
        format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, {})}}\n", rows.len(), FEATURES + 2);
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(rows.iter().flatten().flat_map(|x| x.to_le_bytes()));
    file
}

#[cfg(feature = "parquet")]
fn parquet(path: PathBuf, rows: &[[f64; FEATURES + 2]]) -> PathBuf {
    use ::parquet::data_type::DoubleType;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;
    let columns: String =
        ["a", "b", "c", "d", "y", "w"].map(|name| format!("required double {name};")).concat();
    let schema = Arc::new(parse_message_type(&format!("message s {{ {columns} }}")).unwrap());
    let file = fs::File::create(&path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    for rows in rows.chunks(700) {
        let mut group = writer.next_row_group().unwrap();
        for k in 0..FEATURES + 2 {
            let values: Vec<f64> = rows.iter().map(|row| row[k]).collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<DoubleType>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    path
}

const NAMED: Roles<'static> = Roles { target: "y", columns: &[], without: &["note"], weights: Some("w") };
const NUMBERED: Roles<'static> =
    Roles { target: "5", columns: &["1", "2", "3", "4"], without: &[], weights: Some("6") };

/// Numbers row by row, as [`Examples`] have them; classes in ascending order.
fn loaded(rows: &[[f64; FEATURES + 2]], loss: &dyn Loss) -> Examples {
    let features = rows.iter().flat_map(|row| row[..FEATURES].to_vec()).collect();
    let label = |y: f64| match loss.labels() {
        Labels::Sign => 2.0 * y - 1.0,
        Labels::Class => y - 3.0,
        _ => y,
    };
    let labels = rows.iter().map(|row| label(row[FEATURES])).collect();
    let weights = rows.iter().map(|row| row[FEATURES + 1]).collect();
    Examples::new(FEATURES, features, labels).unwrap().weighted(weights).unwrap()
}

fn risk(name: &str, lambda: f64) -> Risk {
    Risk::new(divergence::parse(name).unwrap(), Strength::Penalty(lambda)).unwrap()
}

fn squared() -> Arc<dyn Loss> {
    loss::parse("squared").unwrap()
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

/// Where all is in one window the order is that of memory, and so is every step, but for the rounding of the moments.
#[test]
fn with_room_for_everything_passes_are_those_in_memory() {
    let place = Place::new();
    let rows = table(Labels::Real, 3000);
    let memory = loaded(&rows, &*squared());
    let mut cases = vec![
        ("csv", vec![place.file("x.csv", csv(&rows))], NAMED),
        ("npy", vec![place.file("x.npy", npy(&rows))], NUMBERED),
        (
            "shards",
            vec![
                place.file("1.csv", csv(&rows[..1])),
                place.file("2.csv", csv(&rows[1..2000])),
                place.file("3.csv", csv(&rows[2000..])),
            ],
            NAMED,
        ),
        (
            "shards of two formats",
            vec![place.file("1.npy", npy(&rows[..900])), place.file("2.npy", npy(&rows[900..]))],
            NUMBERED,
        ),
    ];
    #[cfg(feature = "parquet")]
    cases.push((
        "parquet",
        vec![parquet(place.0.path().join("x.parquet"), &rows)],
        Roles { without: &[], ..NAMED },
    ));
    let settings = Passes { batch: 50, epochs: 3, seed: 4, ..Passes::default() };
    let run = |model: Linear<'_>| model.passes(&settings, 1e-12, None, &mut Silent).unwrap();
    let there = run(Linear::new(&memory, squared(), risk("kl", 2.0), Options::default()).unwrap());
    for (case, paths, roles) in cases.drain(..) {
        let examples = StreamedExamples::open(&paths, &roles, 8 << 20).unwrap();
        assert_eq!((examples.len(), examples.width()), (3000, FEATURES), "{case}");
        assert_eq!(examples.weights(), memory.weights(), "{case}");
        for centred in [false, true] {
            for ((m, s), (mean, scale)) in examples.moments(centred).iter().zip(memory.moments(centred)) {
                assert!(
                    (m - mean).abs() <= 1e-13 * (mean.abs() + scale) && close(*s, scale, 1e-9),
                    "{case}: {m} {mean} {s} {scale}"
                );
            }
        }
        let here = run(Linear::streamed(&examples, squared(), risk("kl", 2.0), Options::default()).unwrap());
        assert_eq!(here.history.len(), there.history.len(), "{case}");
        for (a, b) in here.history.iter().zip(&there.history) {
            assert!(close(*a, *b, 1e-7), "{case}: {:?} {:?}", here.history, there.history);
        }
        for (a, b) in here.fit.losses.iter().zip(&there.fit.losses) {
            assert!((a - b).abs() < 1e-5 * (1.0 + b), "{case}: {a} {b}");
        }
    }
}

/// In many small windows, with every loss: the optimum, and a certificate that holds.
#[test]
fn small_windows_lead_to_the_same_optimum() {
    let place = Place::new();
    for entry in loss::registry() {
        let loss = loss::parse(entry.name).unwrap();
        let rows = table(loss.labels(), 2000);
        let examples =
            StreamedExamples::open(&[place.file("x.npy", npy(&rows))], &NUMBERED, 32 << 10).unwrap();
        let loss = loss.for_classes(3).unwrap_or(loss);
        let (examples, classes) = examples.classified(&*loss).unwrap();
        let wanted: &[f64] = match loss.labels() {
            Labels::Sign => &[0.0, 1.0],
            Labels::Class => &[3.0, 4.0, 5.0],
            _ => &[],
        };
        assert_eq!(classes, wanted);
        let memory = loaded(&rows, &*loss);
        for (name, lambda) in [("kl", 0.5), ("chi2", 0.5), ("cvar:0.2", 1.0)] {
            let options = Options { l2: 1e-4, standardise: true, ..Options::default() };
            let exact = Linear::new(&memory, loss.clone(), risk(name, lambda), options).unwrap();
            let exact =
                exact.fit(&Precision { tolerance: 1e-7, ..Precision::default() }, &mut Silent).unwrap();
            let model = Linear::streamed(&examples, loss.clone(), risk(name, lambda), options).unwrap();
            let trained = model.passes(&Passes::default(), 1e-4, None, &mut Silent).unwrap();
            let there = Linear::new(&memory, loss.clone(), risk(name, lambda), options).unwrap();
            let there = there.passes(&Passes::default(), 1e-4, None, &mut Silent).unwrap().fit.objective;
            let (off, at_most) =
                (trained.fit.objective / exact.objective - 1.0, there / exact.objective - 1.0);
            let case = format!("{} {name}: {off}, in memory {at_most}: {:?}", loss.name(), trained.history);
            // Where corners are rounded the order of examples decides how near they come.
            let smooth = loss.is_smooth() && name != "cvar:0.2";
            assert!(off > -2e-7 && off < if smooth { 1e-3 } else { at_most + 3e-3 }, "{case}");
            assert!(trained.fit.lower_bound <= exact.objective * (1.0 + 2e-7), "{case}");
            if smooth {
                assert_eq!(trained.fit.status, Status::Converged, "{case}");
            }
        }
    }
}

/// Newton's method and bounds over files are those over memory.
#[test]
fn exact_fits_are_those_in_memory() {
    let place = Place::new();
    let rows = table(Labels::Real, 2000);
    let memory = loaded(&rows, &*squared());
    let examples = StreamedExamples::open(&[place.file("x.csv", csv(&rows))], &NAMED, 1 << 16).unwrap();
    let radius = |r| Risk::new(divergence::parse("kl").unwrap(), Strength::Radius(r)).unwrap();
    for loss in ["squared", "absolute"] {
        for risk in [Risk::mean(), radius(0.3), risk("kl", 1.0), risk("none", 1.0), radius(0.0)] {
            for (l1, l2) in [(0.0, 0.0), (0.01, 0.0), (0.0, 0.01)] {
                let loss = loss::parse(loss).unwrap();
                let options = Options { l1, l2, standardise: true, ..Options::default() };
                let precision = Precision { tolerance: 1e-6, ..Precision::default() };
                let there = Linear::new(&memory, loss.clone(), risk.clone(), options).unwrap();
                let there = there.fit(&precision, &mut Silent).unwrap();
                let here = Linear::streamed(&examples, loss, risk.clone(), options).unwrap();
                let here = here.fit(&precision, &mut Silent).unwrap();
                let case =
                    format!("{risk:?} {l1} {l2}: {here:?}\n{there:?}").chars().take(900).collect::<String>();
                assert!(here.status.is_converged() && there.status.is_converged(), "{case}");
                assert!(close(here.objective, there.objective, 2e-6), "{case}");
            }
        }
    }
}

#[test]
fn gradients_on_batches_of_files() {
    let place = Place::new();
    let rows = table(Labels::Real, 3000);
    let memory = loaded(&rows, &*squared());
    let examples = StreamedExamples::open(&[place.file("x.npy", npy(&rows))], &NUMBERED, 1 << 16).unwrap();
    let settings = Sgd { batch: 20, epochs: 15, averaging: true, ..Sgd::default() };
    let model = || Linear::streamed(&examples, squared(), risk("kl", 5.0), Options::default()).unwrap();
    let run = |model: Linear<'_>, step| -> Trained {
        model.sgd(&Sgd { step, ..settings }, 1e-2, None, &mut Silent).unwrap()
    };
    let there = run(Linear::new(&memory, squared(), risk("kl", 5.0), Options::default()).unwrap(), None);
    let here = run(model(), there.step);
    assert!(close(here.fit.objective, there.fit.objective, 0.02), "{:?} {:?}", here.history, there.history);
    // A step size that is found on one window.
    let tried = run(model(), None);
    assert!(tried.step.is_some() && tried.fit.objective < 0.02 * tried.history[0], "{:?}", tried.history);
    // The bound is that of all examples, however far the end is from the minimum.
    for lambda in [0.5, 5.0] {
        let exact = Linear::new(&memory, squared(), risk("kl", lambda), Options::default()).unwrap();
        let least = exact.fit(&Precision::default(), &mut Silent).unwrap().objective;
        let model = Linear::streamed(&examples, squared(), risk("kl", lambda), Options::default()).unwrap();
        for epochs in [3, 15] {
            let fit = model.sgd(&Sgd { epochs, ..settings }, 1e-2, None, &mut Silent).unwrap().fit;
            let bound = fit.lower_bound / least;
            assert!((0.98..1.0 + 1e-9).contains(&bound), "λ {lambda}: {bound}, {}", fit.objective / least);
        }
    }
    let many = Sgd { method: Method::Multilevel, ..settings };
    let says = model().sgd(&many, 1e-2, None, &mut Silent).unwrap_err().to_string();
    assert!(says.contains("multilevel") && says.contains("files"), "{says}");
}

/// Bits depend neither on threads nor, but for the order, on memory; another seed is another order.
#[test]
fn the_same_bits_for_any_number_of_threads() {
    let place = Place::new();
    let rows = table(Labels::Real, 5000);
    let path = place.file("x.csv", csv(&rows));
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let examples = StreamedExamples::open(&[&path], &NAMED, 1 << 17).unwrap();
            let model =
                Linear::streamed(&examples, squared(), risk("chi2", 1.0), Options::default()).unwrap();
            model.passes(&Passes { seed, epochs: 2, ..Passes::default() }, 1e-9, None, &mut Silent).unwrap()
        })
    };
    let first = run(1, 1);
    for threads in [2, 5] {
        let again = run(threads, 1);
        assert_eq!(first.history, again.history);
        assert_eq!(first.fit.coefficients, again.fit.coefficients);
        assert_eq!(first.fit.lower_bound, again.fit.lower_bound);
    }
    assert_ne!(first.history, run(1, 2).history);
}

#[test]
fn passes_over_files_can_be_stopped() {
    let place = Place::new();
    let rows = table(Labels::Real, 3000);
    let examples = StreamedExamples::open(&[place.file("x.npy", npy(&rows))], &NUMBERED, 1 << 16).unwrap();
    let model = Linear::streamed(&examples, squared(), risk("kl", 1.0), Options::default()).unwrap();
    let mut calls = 0;
    let mut observer = |progress: &Progress<'_>| {
        calls += 1;
        assert!((0.0..=1.0).contains(&progress.fraction));
        if calls > 40 { Flow::Stop } else { Flow::Continue }
    };
    let settings = Passes { batch: 10, ..Passes::default() };
    let fit = model.passes(&settings, 1e-15, None, &mut observer).unwrap().fit;
    assert!(fit.status == Status::Interrupted && fit.objective.is_finite());
}

/// Files that are cut off, or written anew, while they are learnt from.
#[test]
fn files_that_change_are_told_of() {
    let rows = table(Labels::Real, 3000);
    for (name, content, roles) in [("x.npy", npy(&rows), NUMBERED), ("x.csv", csv(&rows).into_bytes(), NAMED)]
    {
        for cut in [content.len() / 3, content.len() - 1] {
            let place = Place::new();
            let path = place.file(name, &content);
            let examples = StreamedExamples::open(&[&path], &roles, 1 << 16).unwrap();
            let model = Linear::streamed(&examples, squared(), risk("kl", 1.0), Options::default()).unwrap();
            let mut calls = 0;
            let mut observer = |_: &Progress<'_>| {
                calls += 1;
                if calls == 5 {
                    fs::write(&path, &content[..cut]).unwrap();
                }
                Flow::Continue
            };
            let trained = model.passes(&Passes::default(), 1e-15, None, &mut observer);
            let says = trained.map(|_| ()).unwrap_err().to_string();
            assert!(says.contains(name) && says.contains("has changed while it was used"), "{says}");
            let says = model.fit(&Precision::default(), &mut Silent).unwrap_err().to_string();
            assert!(says.contains("has changed while it was used"), "{says}");
        }
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let place = Place::new();
    let open = |name: &str, text: &str, roles: &Roles<'_>| {
        StreamedExamples::open(&[place.file(name, text)], roles, 1 << 16).map(|_| ()).unwrap_err().to_string()
    };
    let roles = Roles { target: "y", ..Roles::default() };
    for (text, wanted) in [
        ("x,y\n1,2\nNaN,3\n", "x.csv, line 3, column 1: 'NaN' is not finite"),
        ("x,y\n1,2\n5,\n", "x.csv, line 3, column 2: is empty"),
        ("x,y\n1,2\n5,NA\n", "x.csv, line 3, column 2: 'NA' is not a number"),
        ("x,y\n1,2\nred,2\n", "x.csv, line 3, column 1: 'red' is not a number"),
        ("x,z\n1,2\n", "'y'"),
        ("x,x,y\n1,2,3\n", "several columns called 'x'"),
    ] {
        let says = open("x.csv", text, &roles);
        assert!(says.contains(wanted), "{says}");
    }
    let weighted = Roles { weights: Some("w"), ..roles };
    for (text, wanted) in [
        ("x,y,w\n1,2,-3\n", "line 2, column 3: the weight -3 is negative"),
        ("x,y,w\n1,2,0\n", "every weight is zero"),
    ] {
        let says = open("x.csv", text, &weighted);
        assert!(says.contains(wanted), "{says}");
    }
    assert!(
        open("x.csv", "x,y\n1,2\n", &Roles { weights: Some("y"), ..roles })
            .contains("both target and weights")
    );
    assert!(
        open("x.csv", "x,y\n1,2\n", &Roles { columns: &["x", "y"], ..roles }).contains("feature as well")
    );
    let mut rows = table(Labels::Real, 20);
    rows[6][2] = f64::NAN;
    let path = place.file("x.npy", npy(&rows));
    let says = StreamedExamples::open(&[path], &NUMBERED, 1 << 16).unwrap_err().to_string();
    assert!(says.contains("x.npy") && says.contains("row 7, column 3"), "{says}");
    // The second file is at fault.
    let good = place.file("good.csv", "x,y\n1,2\n");
    let other = place.file("other.csv", "z,y\n1,2\n");
    let says = StreamedExamples::open(&[good, other], &roles, 1 << 16).unwrap_err().to_string();
    assert!(says.contains("other.csv") && says.contains("other columns"), "{says}");
    // Which examples are moved is found with all of them at once.
    let good = StreamedExamples::open(&[place.file("good.csv", "x,y\n1,2\n")], &roles, 1 << 16).unwrap();
    let model = Linear::streamed(&good, squared(), Risk::mean(), Options::default()).unwrap();
    let says = model.perturbed(&Perturbation::new(1.0).unwrap()).unwrap_err().to_string();
    assert!(says.contains("in memory"), "{says}");
    let none: [&str; 0] = [];
    assert!(StreamedExamples::open(&none, &roles, 1 << 16).is_err());
}

#[test]
fn labels_suit_their_loss_or_are_named() {
    let place = Place::new();
    let roles = Roles { target: "y", ..Roles::default() };
    let open = |text: &str| StreamedExamples::open(&[place.file("x.csv", text)], &roles, 1 << 16).unwrap();
    let says = |examples: &StreamedExamples, loss: &str| {
        let loss = loss::parse(loss).unwrap();
        let loss = loss.for_classes(3).unwrap_or(loss);
        Linear::streamed(examples, loss, risk("kl", 1.0), Options::default())
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let three = open("x,y\n1,1\n2,-1\n3,2\n");
    assert!(says(&three, "logistic").contains("line 4"), "{}", says(&three, "logistic"));
    assert!(says(&three, "poisson").contains("line 3"));
    assert!(says(&three, "multinomial").contains("line 3"));
    assert!(says(&open("x,y\n1,1\n2,1\n"), "hinge").contains("at least two classes"));
    let logistic = loss::parse("logistic").unwrap();
    assert!(three.clone().classified(&*logistic).unwrap_err().to_string().contains('3'));
    assert_eq!(open("x,y\n1,7\n2,-2\n").classified(&*logistic).unwrap().1, [-2.0, 7.0]);
    let many: String = (0..1200).map(|i| format!("{i},{i}\n")).collect();
    let many = open(&format!("x,y\n{many}"));
    assert!(many.clone().classified(&*logistic).unwrap_err().to_string().contains("more than 1000"));
    assert!(says(&many, "multinomial").contains("more than 1000"));
}

//! `fenchel robust --memory`: files that do not fit are learnt from where they are, with the same result.

mod common;

use common::{Place, npy};
use std::fmt::Write;

/// Enough for the rows below, and an eighth of it is not enough for their numbers.
const LITTLE: &str = "40MiB";

const ROWS: usize = 30_000;
const COLUMNS: usize = 24;

/// Independent enough.
struct Numbers(u64);

impl Numbers {
    fn normal(&mut self) -> f64 {
        let sum: f64 = (0..12)
            .map(|_| {
                self.0 =
                    self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (self.0 >> 11) as f64 / (1u64 << 53) as f64
            })
            .sum();
        sum - 6.0
    }
}

/// Features, a label that is their alternating sum but for noise and a few gross errors, and its sign.
fn rows() -> Vec<f64> {
    let mut numbers = Numbers(7);
    let mut all = Vec::with_capacity(ROWS * COLUMNS);
    for i in 0..ROWS {
        let x: Vec<f64> = (2..COLUMNS).map(|_| numbers.normal()).collect();
        let sum: f64 = x.iter().enumerate().map(|(j, x)| if j % 2 == 0 { *x } else { -x }).sum();
        let y = sum + numbers.normal() + if i % 997 == 0 { 9.0 } else { 0.0 };
        all.extend(x);
        all.extend([y, f64::from(u8::from(y > 0.5))]);
    }
    all
}

fn csv(rows: &[f64]) -> String {
    let names: Vec<String> = (1..COLUMNS - 1).map(|j| format!("f{j}")).collect();
    let mut text = names.join(",") + ",y,class\n";
    for row in rows.chunks(COLUMNS) {
        let cells: Vec<String> = row.iter().map(f64::to_string).collect();
        writeln!(text, "{}", cells.join(",")).unwrap();
    }
    text
}

#[test]
fn files_that_do_not_fit_give_the_same_model() {
    let place = Place::new();
    let rows = rows();
    place.file("x.npy", npy(&[ROWS, COLUMNS], &rows));
    let (half, text) = (ROWS / 2 * COLUMNS, csv(&rows));
    let cut = text.match_indices('\n').nth(ROWS / 2).unwrap().0 + 1;
    place.file("1.csv", &text[..cut]);
    place.file("2.csv", csv(&rows[half..]));
    let (numbered, named) = (["x.npy", "--target", "23"], ["1.csv", "2.csv", "--target", "y"]);
    for (data, without, risk) in [
        (&numbered[..], "24", &["--lambda", "3"][..]),
        (&named[..], "class", &["--lambda", "rel:2", "--divergence", "chi2"]),
        (&named[..], "class", &["--radius", "0.05"]),
        (&numbered[..], "24", &["--divergence", "mean", "--l2", "0.01"]),
    ] {
        let common = [&["robust"], data, &["--without", without, "--json", "--no-pictures"], risk].concat();
        let there = place.run(&[&common[..], &["--out", "there"]].concat());
        let here = place.run(&[&common[..], &["--out", "here", "--memory", LITTLE]].concat());
        assert!(here.code == 0 && there.code == 0, "{here:?} {there:?}");
        let (here, there) = (here.json(), there.json());
        assert_eq!((&here["streamed"], &there["streamed"]), (&true.into(), &serde_json::Value::Bool(false)));
        assert_eq!(here["solver"] == "passes", risk[1] != "mean");
        for key in ["rows", "features", "target", "divergence", "loss"] {
            assert_eq!(here[key], there[key], "{key}");
        }
        for key in ["objective", "mean_loss", "largest_loss", "worst_mean_loss", "lambda", "radius"] {
            let (a, b) = (here[key].as_f64(), there[key].as_f64());
            let close = a.zip(b).is_none_or(|(a, b)| (a - b).abs() <= 1e-3 * b.abs());
            assert!(a.is_some() == b.is_some() && close, "{key}: {a:?} {b:?} {risk:?}");
        }
        for k in 0..5 {
            let [a, b] = [&here, &there].map(|json| json["cvar"][k]["value"].as_f64().unwrap());
            assert!((a - b).abs() <= 1e-3 * b, "{a} {b}");
        }
        let names = |json: &serde_json::Value| {
            json["coefficients"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(names(&here), names(&there));
        assert_eq!(place.list("here"), ["model.json", "result.json", "weights.csv"]);
        assert_eq!(place.read("here/weights.csv").lines().count(), ROWS + 1);
        let quality =
            [&["robust", "evaluate", "here/model.json"], &data[..data.len() - 2], &["--json"]].concat();
        let quality = place.run(&quality).json();
        let (mean, wanted) = (quality["mean_loss"].as_f64().unwrap(), here["mean_loss"].as_f64().unwrap());
        assert!((mean - wanted).abs() < 1e-9 * wanted, "{mean} {wanted}");
    }
}

#[test]
fn classes_and_tables() {
    let place = Place::new();
    place.file("x.csv", csv(&rows()));
    let fit =
        ["robust", "x.csv", "--target", "class", "--without", "y", "--loss", "logistic", "--lambda", "2"];
    let run = place.run(&[&fit[..], &["--memory", LITTLE]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.contains("rows of x.csv, read where they are; loss logistic"), "{}", run.out);
    for (picture, says) in [("losses", "logistic loss of class"), ("convergence", "passes over the rows")] {
        let text = place.read(&format!("fenchel-out/{picture}.svg"));
        assert!(text.contains(says), "{text}");
    }
    let model: serde_json::Value = serde_json::from_str(&place.read("fenchel-out/model.json")).unwrap();
    assert_eq!(model["classes"], serde_json::json!(["0", "1"]));
    let quality = place.run(&["robust", "evaluate", "fenchel-out/model.json", "x.csv", "--json"]).json();
    assert!(quality["accuracy"].as_f64().unwrap() > 0.8, "{quality}");
    // What fits is fitted as ever.
    let json = place.run(&[&fit[..], &["--memory", "2GiB", "--json", "--no-pictures"]].concat()).json();
    assert_eq!(json["streamed"], serde_json::Value::Bool(false));
}

#[test]
fn what_files_cannot_do_is_said() {
    let place = Place::new();
    let mut rows = rows();
    let text = csv(&rows);
    place.file("x.csv", &text);
    place.file("text.csv", text.replacen("0\n", "red\n", 1));
    place.file("gap.csv", text.replacen(",1\n", ",\n", 1));
    rows[COLUMNS] = f64::NAN;
    place.file("nan.npy", npy(&[ROWS, COLUMNS], &rows));
    let refused = |args: &[&str], parts: &[&str]| {
        place.refused(&[&["robust"], args, &["--memory", LITTLE]].concat(), parts)
    };
    refused(
        &["x.csv", "--target", "y", "--one-hot", "class"],
        &["--one-hot", "all rows in memory", "--memory"],
    );
    refused(&["x.csv", "--target", "y", "--missing", "drop"], &["--missing", "--memory"]);
    refused(
        &["text.csv", "--target", "y"],
        &["text.csv, line", "'red' is not a number", "only with all rows in memory"],
    );
    refused(&["gap.csv", "--target", "y"], &["gap.csv, line", "is empty", "only with all rows in memory"]);
    refused(&["nan.npy", "--target", "23"], &["nan.npy", "row 2, column 1", "only with all rows in memory"]);
    refused(&["x.csv", "--target", "z"], &["unknown column 'z'"]);
    place.refused(&["robust", "x.csv", "--target", "y", "--memory", "16MiB"], &["--memory", "at least"]);
    place.refused(&["robust", "x.csv", "--target", "y", "--memory", "x"], &["--memory"]);
}

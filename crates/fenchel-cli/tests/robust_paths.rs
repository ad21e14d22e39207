//! `fenchel robust --path` and `--cross-validate`: fits with several strengths, and the choice of one.

mod common;
#[path = "common/learning.rs"]
mod learning;

use common::Place;
use fenchel::optim::Silent;
use fenchel::robust::validation::{Candidates, Shift, Validation};
use fenchel::robust::{Examples, Options, Precision, Risk, Strength, loss};
use learning::{close, column, fit, houses, number, numbers};
use serde_json::Value;

const HOUSES: [&str; 5] = ["t.csv", "--target", "price", "--without", "region"];

fn place(n: usize) -> Place {
    let place = Place::new();
    place.file("t.csv", houses(n));
    place
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&HOUSES[..], more].concat()
}

fn strengths(found: &Value) -> Vec<f64> {
    found.as_array().unwrap().iter().map(|entry| number(&entry["strength"])).collect()
}

/// Every fit of a path is the fit with its strength alone, and the model that is saved is that of the strength given.
#[test]
fn a_path_is_single_fits() {
    let place = place(120);
    for (kind, given, list) in [
        ("--radius", "0.2", "1,0.01,0.1"),
        ("--lambda", "200", "1000,40,200"),
        ("--lambda", "rel:1", "rel:4,rel:0.5,300"),
    ] {
        let path = fit(&place, &with(&[kind, given, "--path", list]));
        let files: Vec<_> = path["files"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
        assert!(files.contains(&"fenchel-out/path.csv"), "{files:?}");
        let csv = place.read("fenchel-out/path.csv");
        let model = place.read("fenchel-out/model.json");
        let points = path["path"].as_array().unwrap().clone();
        assert_eq!(points.len(), 3);
        let order = strengths(&path["path"]);
        assert!(order.windows(2).all(|w| if kind == "--radius" { w[0] < w[1] } else { w[0] > w[1] }));
        assert_eq!(numbers(&csv, "strength"), order);
        assert_eq!(column(&csv, "status"), ["converged"; 3]);
        for (k, point) in points.iter().enumerate() {
            let strength = point["strength"].to_string();
            let single = fit(&place, &with(&[kind, &strength]));
            for key in ["objective", "mean_loss", "effective_sample_size", "lambda", "radius"] {
                let digits = if key == "objective" { 2e-6 } else { 2e-3 };
                assert!(close(number(&point[key]), number(&single[key]), digits), "{kind} {strength} {key}");
            }
            assert!(number(&point["gap"]) <= 1e-6 * number(&point["objective"]));
            assert_eq!(number(&point["objective"]), numbers(&csv, "objective")[k]);
            assert_eq!(number(&point["coefficients"]["age"]), numbers(&csv, "coefficient age")[k]);
            assert_eq!(number(&point["intercept"]), numbers(&csv, "intercept")[k]);
            assert_eq!(number(&point["cvar"][2]["value"]), numbers(&csv, "cvar_10")[k]);
            let [a, b] = [point, &single].map(|found| number(&found["coefficients"]["size"]));
            assert!(close(a, b, 1e-3), "{kind} {strength}: {a} {b}");
        }
        let alone = fit(&place, &with(&[kind, given]));
        assert_eq!(place.read("fenchel-out/model.json"), model, "the model is that of {kind} {given} alone");
        assert_eq!(alone["objective"], path["objective"]);
        assert!(alone["path"].is_null() && alone["validation"].is_null() && alone["history"].is_null());
    }
}

#[test]
fn counted_strengths_are_about_the_one_given() {
    let place = place(60);
    let found = fit(&place, &with(&["--path", "5"]));
    let radii = strengths(&found["path"]);
    assert_eq!(radii.len(), 5);
    assert_eq!((radii[0], radii[2], radii[4]), (0.01, 0.1, 1.0));
    assert!(radii.windows(2).all(|w| close(w[1] / w[0], 10f64.sqrt(), 1e-12)), "{radii:?}");
    let found = fit(&place, &with(&["--lambda", "rel:2", "--path", "3"]));
    let mean = number(&found["ordinary_mean_loss"]);
    assert_eq!(strengths(&found["path"]), [20.0 * mean, 2.0 * mean, 0.2 * mean]);
}

/// What one sees of a path: a table that says which model is saved, and a picture.
#[test]
fn a_path_is_told_of_and_drawn() {
    let place = place(120);
    let run = place.run(&[&["robust"], &with(&["--path", "0,0.1,1"])[..]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.contains("from the mildest; model.json is the fit with radius 0.1\n"), "{}", run.out);
    assert!(run.out.contains("radius  objective  mean loss  worst 10 %  effective"), "{}", run.out);
    assert!(run.out.contains("path.csv, losses.svg, losses.png, path.svg, path.png"), "{}", run.out);
    let picture = place.read("fenchel-out/path.svg");
    for word in ["robust objective", "mean loss", "size", "age", "model.json", "radius (smaller is milder)"] {
        assert!(picture.contains(word), "{word}");
    }
    // A picture from earlier is not left beside another path.
    fit(&place, &with(&["--path", "0.1,1"]));
    assert!(!place.exists("fenchel-out/path.svg") && place.exists("fenchel-out/path.csv"));
}

#[test]
fn classes_have_their_own_columns() {
    let place = Place::new();
    let mut text = String::from("a,b,y\n");
    for i in 0..90 {
        let t = f64::from(i);
        let (a, b) = ((0.9 * t).sin(), (1.7 * t).cos());
        let class = (1.2 * a - b + 1.5 * (2.3 * t * t).sin()).clamp(-1.4, 1.4).round();
        text.push_str(&format!("{a},{b},\"{}\"\n", ["less, much", "same", "more"][(class + 1.0) as usize]));
    }
    place.file("c.csv", text);
    let found = fit(&place, &["c.csv", "--target", "y", "--loss", "multinomial", "--path", "0.01,0.3"]);
    let csv = place.read("fenchel-out/path.csv");
    let head = csv.lines().next().unwrap();
    assert!(head.contains("\"coefficient less, much b\",coefficient more a"), "{head}");
    let last = number(&found["path"][1]["coefficients"]["same"]["b"]);
    assert_eq!(csv.lines().nth(2).unwrap().rsplit(',').next().unwrap().parse(), Ok(last));
}

/// The scores and the choice are those of the engine on the same examples.
#[test]
fn the_choice_is_that_of_the_engine() {
    let place = place(120);
    let text = houses(120);
    let (sizes, ages) = (numbers(&text, "size"), numbers(&text, "age"));
    let features = sizes.iter().zip(&ages).flat_map(|(size, age)| [*size, *age]).collect();
    let examples = Examples::new(2, features, numbers(&text, "price")).unwrap();
    let groups =
        column(&text, "region").into_iter().map(|r| u32::from(r == "east") + 2 * u32::from(r == "north"));
    let kl = fenchel::divergence::parse("kl").unwrap();
    let cvar = fenchel::divergence::parse("cvar:0.1").unwrap();
    let within = Risk::new(kl.clone(), Strength::Radius(0.5)).unwrap();
    let tail = Risk::new(cvar, Strength::Penalty(1.0)).unwrap();
    let radii = [0.0, 0.02, 0.3, 3.0];
    let candidates = Candidates {
        precision: Precision { tolerance: 1e-6, ..Precision::default() },
        options: Options { l2: 0.01, ..Options::default() },
        ..Candidates::new(loss::parse("squared").unwrap(), kl, radii.map(Strength::Radius).to_vec())
    };
    let mut chosen = Vec::new();
    for (text, shift) in [
        ("none", Shift::None),
        ("reweighted:0.5", Shift::Reweighted(within)),
        ("reweighted:cvar:0.1", Shift::Reweighted(tail)),
        ("group:region", Shift::Groups(groups.collect())),
        ("feature:age:-1.5", Shift::tilted(&ages, -1.5).unwrap()),
    ] {
        let folds = Validation { folds: 4, seed: 9 };
        let wanted = folds.choose(&examples, &candidates, &shift, &mut Silent).unwrap();
        let found = fit(
            &place,
            &with(&[
                "--l2",
                "0.01",
                "--path",
                "3,0.3,0.02,0",
                "--cross-validate",
                "4",
                "--shift",
                text,
                "--seed",
                "9",
            ]),
        );
        let validation = &found["validation"];
        assert_eq!(strengths(&validation["scores"]), radii);
        for (found, wanted) in validation["scores"].as_array().unwrap().iter().zip(&wanted.scores) {
            assert_eq!(number(&found["mean"]), wanted.mean, "{text}");
            assert_eq!(number(&found["standard_error"]), wanted.standard_error, "{text}");
            let folds: Vec<f64> = found["folds"].as_array().unwrap().iter().map(number).collect();
            assert_eq!(folds, wanted.folds, "{text}");
        }
        let best = radii[wanted.best];
        assert_eq!(number(&validation["chosen"]), best, "{text}");
        chosen.push(best);
        let csv = place.read("fenchel-out/validation.csv");
        assert_eq!(numbers(&csv, "mean"), wanted.scores.iter().map(|s| s.mean).collect::<Vec<_>>());
        assert_eq!(numbers(&csv, "fold_4"), wanted.scores.iter().map(|s| s.folds[3]).collect::<Vec<_>>());
        // And it is fitted to all rows.
        let model = place.read("fenchel-out/model.json");
        let alone = fit(&place, &with(&["--l2", "0.01", "--radius", &best.to_string()]));
        assert_eq!(place.read("fenchel-out/model.json"), model, "{text}");
        assert_eq!(alone["objective"], found["objective"]);
    }
    assert!(chosen.iter().any(|radius| *radius != chosen[0]), "the shift decides: {chosen:?}");
}

#[test]
fn a_validation_is_told_of_and_drawn() {
    let place = place(120);
    let more = ["--cross-validate", "3", "--shift", "group:region", "--lambda", "rel:1"];
    let run = place.run(&[&["robust"], &with(&more)[..]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    for word in [
        "chosen  ",
        "of 7 candidates, in 3 folds for --shift group:region",
        "largest mean held-out loss by region",
    ] {
        assert!(run.out.contains(word), "no '{word}' in: {}", run.out);
    }
    assert!(run.out.contains("times the mean loss of the ordinary fit"), "{}", run.out);
    assert_eq!(run.out.lines().filter(|line| line.ends_with("  chosen")).count(), 1, "{}", run.out);
    let picture = place.read("fenchel-out/validation.svg");
    for word in ["Cross-validation in 3 folds", "λ (larger is milder)", "model.json"] {
        assert!(picture.contains(word), "{word}");
    }
    assert!(!place.exists("fenchel-out/path.csv"), "candidates are no path");
    // Another seed deals other folds; the same seed the same.
    let seeded =
        |seed: &str| fit(&place, &with(&[&more[..], &["--seed", seed]].concat()))["validation"].clone();
    assert_eq!(seeded("1"), seeded("1"));
    assert_ne!(seeded("1")["scores"], seeded("2")["scores"]);
}

/// A chosen strength at an end of the candidates is said to be there.
#[test]
fn ends_of_the_candidates_are_noted() {
    let place = place(120);
    let notes = |path: &str| {
        let more = ["--path", path, "--cross-validate", "3", "--shift", "none"];
        let found = fit(&place, &with(&more));
        (number(&found["validation"]["chosen"]), found["notes"].to_string())
    };
    let (chosen, said) = notes("1,3,10");
    assert!(chosen == 1.0 && said.contains("the smallest of the candidates"), "{said}");
    let (chosen, said) = notes("0,1,3");
    assert!(chosen == 0.0 && said == "[]", "nothing is milder than the ordinary fit: {said}");
}

#[test]
fn spent_time_leaves_what_there_is() {
    let place = place(120);
    let run = |more: &[&str]| {
        let run = place.run(&[&["robust", "--json", "--max-time", "1e-9"], &with(more)[..]].concat());
        assert_eq!(run.code, 1, "{run:?}");
        run.json()
    };
    let found = run(&["--path", "5", "--cross-validate", "3", "--shift", "none"]);
    assert_eq!((&found["status"], &found["validation"]["status"]), (&"max_time".into(), &"max_time".into()));
    assert!(found["validation"]["chosen"].is_null() && found["path"] == serde_json::json!([]), "{found}");
    let notes = found["notes"].to_string();
    assert!(notes.contains("0 of 5 strengths") && notes.contains("nothing was chosen"), "{notes}");
    assert!(!place.exists("fenchel-out/validation.csv"));
    assert_eq!(place.read("fenchel-out/path.csv").lines().count(), 1);
    assert_eq!(place.run(&["robust", "predict", "fenchel-out/model.json", "t.csv"]).code, 0);
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let place = place(1500);
    let files = |threads: &str| {
        let more = ["--path", "4", "--cross-validate", "3", "--shift", "reweighted", "--threads", threads];
        let found = fit(&place, &with(&more));
        let files = ["path.csv", "validation.csv", "model.json"];
        (found["validation"].clone(), files.map(|file| place.read(&format!("fenchel-out/{file}"))))
    };
    assert_eq!(files("1"), files("3"));
}

#[test]
fn mistakes_are_named() {
    let place = place(30);
    let refused = |more: &[&str], parts: &[&str]| {
        place.refused(&[&["robust"], &with(more)[..]].concat(), parts);
    };
    for path in ["", "1", "0", "-3", "0.1", "five", "100000"] {
        refused(&["--path", path], &["--path", path, "0.1,1,10", "a whole number from 2 to 1000"]);
    }
    refused(&["--path", "0.1,0.1"], &["--path", "0.1 twice"]);
    refused(&["--path", "0.1,,1"], &["--path", "radius", "''", "at least 0"]);
    refused(&["--path", "0.1,-1"], &["--path", "'-1'", "at least 0"]);
    refused(&["--path", "0.1,inf"], &["--path", "'inf'", "finite"]);
    refused(&["--path", "0.1,rel:1"], &["--path", "'rel:1'", "--lambda"]);
    refused(&["--lambda", "1", "--path", "0,1"], &["--path", "lambda", "'0'", "above 0"]);
    refused(&["--radius", "0", "--path", "3"], &["--path", "must not be 0", "0,0.1,1"]);
    refused(
        &["--radius", "0", "--cross-validate", "3", "--shift", "none"],
        &["--cross-validate", "must not be 0"],
    );
    for divergence in ["mean", "cvar:0.1", "none"] {
        for option in [&["--path", "3"][..], &["--cross-validate", "3", "--shift", "none"]] {
            refused(&[&["--divergence", divergence], option].concat(), &[option[0], divergence, "neither"]);
        }
    }
    let validate = |folds: &'static str, shift: &'static str| ["--cross-validate", folds, "--shift", shift];
    for folds in ["0", "1"] {
        refused(&validate(folds, "none"), &["--cross-validate", folds, "at least 2"]);
    }
    refused(&validate("31", "none"), &["--cross-validate", "31", "30"]);
    refused(&["--cross-validate", "3"], &["--cross-validate", "--shift none"]);
    refused(&["--shift", "none"], &["--shift", "--cross-validate"]);
    refused(&validate("3", "worse"), &["--shift", "'worse'", "group:COLUMN"]);
    refused(&validate("3", "group"), &["--shift group", "group:age"]);
    refused(&validate("3", "group:regon"), &["--shift", "'regon'", "did you mean 'region'"]);
    refused(&validate("3", "feature:region"), &["t.csv, line 2, column 3", "'region'", "number"]);
    refused(&validate("3", "feature:age:nan"), &["--shift", "finite"]);
    refused(&validate("3", "reweighted:-1"), &["--shift", "-1", "at least 0"]);
    refused(&validate("3", "reweighted:cvr:0.1"), &["--shift", "cvr", "cvar"]);
    for solver in ["passes", "joint"] {
        refused(&["--lambda", "9", "--solver", solver, "--path", "3"], &["--path", solver, "exact"]);
        let both = [&["--lambda", "9", "--solver", solver], &validate("3", "none")[..]].concat();
        refused(&both, &["--cross-validate", solver, "exact"]);
    }
    place.file("c.csv", "x,c,y\n1,5,1\n2,5,2\n3,5,4\n4,5,4\n");
    let args = ["robust", "c.csv", "--target", "y", "--cross-validate", "2", "--shift", "feature:c"];
    place.refused(&args, &["c.csv, column 2", "5 in every row", "varies"]);
}

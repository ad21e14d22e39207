//! `fenchel robust --move-price`: fits to the worst case over moved rows.

mod common;
#[path = "common/learning.rs"]
mod learning;

use common::Place;
use learning::{close, fit, houses, number, numbers};

fn place() -> Place {
    let place = Place::new();
    place.file("houses.csv", houses(90));
    place
}

const DATA: [&str; 5] = ["houses.csv", "--target", "price", "--without", "region"];

/// |r| becomes |r| + ‖θ‖²/4κ, in the units of the columns and in standard deviations.
#[test]
fn absolute_losses_are_penalised() {
    let place = place();
    for units in [&[][..], &["--standardize"]] {
        for more in [&["--divergence", "mean"][..], &["--lambda", "5"], &["--divergence", "cvar:0.3"]] {
            let base = [&DATA[..], &["--loss", "absolute"], units, more].concat();
            let moved = fit(&place, &[&base[..], &["--move-price", "5"]].concat());
            let penalised = fit(&place, &[&base[..], &["--l2", "0.05"]].concat());
            let (a, b) = (number(&moved["objective"]), number(&penalised["objective"]));
            assert!(close(a, b, 3e-6), "{base:?}: {a} {b}");
            assert_eq!(number(&moved["move_price"]), 5.0);
            assert!(penalised["move_price"].is_null() && penalised["mean_distance"].is_null());
        }
    }
}

/// What is written fits together, and the model knows the price when it is evaluated.
#[test]
fn results_and_evaluation() {
    let place = place();
    let args = ["--lambda", "40", "--move-price", "30", "--standardize", "--tolerance", "1e-9"];
    let run = place.run(&[&["robust"], &DATA[..], &args].concat());
    assert_eq!(run.code, 0, "{run:?}");
    for word in
        ["divergence kl, λ = 40, rows moved at price 30", "standard deviations on average with the weights"]
    {
        assert!(run.out.contains(word), "no '{word}' in: {}", run.out);
    }
    let result = fit(&place, &[&DATA[..], &args].concat());
    let csv = place.read("fenchel-out/weights.csv");
    let (weights, distances) = (numbers(&csv, "weight"), numbers(&csv, "distance"));
    let mean: f64 = weights.iter().zip(&distances).map(|(w, d)| w * d).sum();
    assert!(close(mean, number(&result["mean_distance"]), 1e-12) && mean > 0.0);
    let evaluate = ["robust", "evaluate", "fenchel-out/model.json", "houses.csv", "--json", "--by", "region"];
    let found = place.run(&evaluate).json();
    assert_eq!(number(&found["move_price"]), 30.0);
    assert!(close(number(&found["worst_case"]), number(&result["objective"]), 1e-9), "{found}");
    // Nothing moves where nothing may.
    let still = fit(&place, &[&DATA[..], &args[..2]].concat());
    assert!(number(&still["objective"]) < number(&result["objective"]));
    assert!(place.read("fenchel-out/weights.csv").starts_with("row,loss,weight\n"));
    // The mean has a worst case too.
    let mean =
        [&["robust"], &DATA[..], &["--divergence", "mean", "--move-price", "30", "--standardize"]].concat();
    assert_eq!(place.run(&mean).code, 0);
    let text = place.run(&evaluate[..4]).out;
    assert!(text.contains("worst case") && text.contains("ordinary mean, rows moved at price 30"), "{text}");
}

/// Text stays what it is.
#[test]
fn features_made_of_text_do_not_move() {
    let place = place();
    let base =
        ["houses.csv", "--target", "price", "--columns", "region", "--one-hot", "region", "--lambda", "500"];
    let moved = fit(&place, &[&base[..], &["--move-price", "1"]].concat());
    let still = fit(&place, &base);
    assert!(close(number(&moved["objective"]), number(&still["objective"]), 3e-6));
    assert_eq!(number(&moved["mean_distance"]), 0.0);
}

/// Other strengths are those of the same worst case.
#[test]
fn paths_and_folds_move_rows() {
    let place = place();
    let base = [&DATA[..], &["--lambda", "40", "--move-price", "30", "--standardize"]].concat();
    let result = fit(&place, &[&base[..], &["--path", "4,40,400"]].concat());
    let path = result["path"].as_array().expect("a path");
    assert!(close(number(&path[1]["objective"]), number(&result["objective"]), 3e-6), "{result}");
    let alone = fit(&place, &[&DATA[..], &["--lambda", "4"], &base[7..]].concat());
    assert!(close(number(&path[2]["objective"]), number(&alone["objective"]), 3e-6), "{result}");
    let folds = ["--path", "40,80", "--cross-validate", "3", "--shift", "none"];
    let scores = |args: &[&str]| {
        let result = fit(&place, &[args, &folds].concat());
        let scores = result["validation"]["scores"].as_array().expect("scores").clone();
        scores.iter().map(|score| number(&score["mean"])).collect::<Vec<f64>>()
    };
    let still = scores(&[&DATA[..], &["--lambda", "40", "--standardize"]].concat());
    assert!(scores(&base).iter().zip(&still).all(|(a, b)| !close(*a, *b, 1e-4)));
}

#[test]
fn what_cannot_be_is_refused() {
    let place = place();
    for price in ["0", "-1", "nan", "inf"] {
        place.refused(
            &[&["robust"], &DATA[..], &["--move-price", price]].concat(),
            &["--move-price", "above 0"],
        );
    }
    let moved = [&["robust"], &DATA[..], &["--lambda", "1", "--move-price", "1"]].concat();
    for solver in ["passes", "joint"] {
        place.refused(&[&moved[..], &["--solver", solver]].concat(), &["--move-price", "exact", solver]);
    }
    place.refused(&[&moved[..], &["--memory", "16KiB"]].concat(), &["--move-price", "all rows in memory"]);
    place.file("counts.csv", "x,y\n1,0\n2,3\n3,1\n");
    let counts = ["robust", "counts.csv", "--target", "y", "--move-price", "1", "--loss"];
    place.refused(&[&counts[..], &["poisson"]].concat(), &["poisson", "no faster than a square"]);
    place.refused(&[&counts[..], &["multinomial"]].concat(), &["multinomial", "one score"]);
    fit(&place, &[&DATA[..], &["--move-price", "1", "--out", "m"]].concat());
    let sound = place.read("m/model.json");
    for (part, bad, says) in
        [("\"price\": 1.0", "\"price\": -1.0", "above 0"), ("\"units\": [", "\"units\": [1.0,", "3 units")]
    {
        assert!(sound.contains(part), "{sound}");
        place.file("bad.json", sound.replace(part, bad));
        place.refused(&["robust", "evaluate", "bad.json", "houses.csv"], &["bad.json", says]);
    }
}

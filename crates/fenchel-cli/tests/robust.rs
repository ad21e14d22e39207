//! `fenchel robust` on good input: what it prints, what it writes, how it ends.

mod common;
#[path = "common/learning.rs"]
mod learning;

use common::Place;
use learning::{close, fit, houses, number, numbers};
use serde_json::Value;

#[test]
fn a_fit_is_told_of_and_written() {
    let place = Place::new();
    place.file("houses.csv", houses(120));
    let run = place.run(&["robust", "houses.csv", "--target", "price", "--one-hot", "region"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{run:?}");
    for word in [
        "price from 4 features, 120 rows of houses.csv",
        "loss squared, divergence kl, radius 0.1",
        "converged",
        "minimum in [",
        "5 % ",
        "which leads to λ = ",
        "effective sample size",
        "line 7 ",
        "intercept",
        "region=north",
        "a standard deviation",
        "Newton steps",
        "fenchel-out: result.json, model.json, weights.csv, losses.svg, losses.png",
    ] {
        assert!(run.out.contains(word), "no '{word}' in: {}", run.out);
    }
    let files = ["losses.png", "losses.svg", "model.json", "result.json", "weights.csv"];
    assert_eq!(place.list("fenchel-out"), files, "these files and no temporary ones");

    let result: Value = serde_json::from_str(&place.read("fenchel-out/result.json")).unwrap();
    for key in [
        "status",
        "objective",
        "lower_bound",
        "gap",
        "coefficients",
        "intercept",
        "loss",
        "divergence",
        "lambda",
        "radius",
        "mean_loss",
        "cvar",
        "effective_sample_size",
        "heaviest_rows",
        "rows",
        "features",
        "iterations",
        "seconds",
        "files",
    ] {
        assert!(!result[key].is_null(), "{key}");
    }
    assert_eq!(result["status"], "converged");
    let objective = number(&result["objective"]);
    assert!(number(&result["lower_bound"]) <= objective * (1.0 + 1e-12));
    assert!(number(&result["gap"]) <= 1e-6 * objective);
    let names: Vec<_> = result["coefficients"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["age", "region=north", "region=west", "size"]);
    let shares: Vec<f64> = result["cvar"].as_array().unwrap().iter().map(|c| number(&c["share"])).collect();
    assert_eq!(shares, [0.5, 0.25, 0.1, 0.05, 0.01]);
    let heaviest = result["heaviest_rows"].as_array().unwrap();
    assert_eq!(heaviest.len(), 5);
    for row in heaviest {
        // A gross error, in the line after that of its number, which counts from 0 and without the names.
        assert_eq!(number(&row["row"]) as usize % 17, 5, "{row}");
        assert_eq!(number(&row["line"]), number(&row["row"]) + 2.0);
    }

    let weights = place.read("fenchel-out/weights.csv");
    assert!(weights.starts_with("row,loss,weight\n0,"), "{weights}");
    let (losses, p) = (numbers(&weights, "loss"), numbers(&weights, "weight"));
    assert_eq!(losses.len(), 120);
    assert!(close(p.iter().sum(), 1.0, 1e-12));
    assert!(close(losses.iter().sum::<f64>() / 120.0, number(&result["mean_loss"]), 1e-13));
    // Σ p log(p n) is the radius.
    let divergence: f64 = p.iter().map(|p| p * (120.0 * p).ln()).sum();
    assert!(close(divergence, 0.1, 1e-9) && close(number(&result["radius"]), 0.1, 1e-9), "{divergence}");

    let svg = place.read("fenchel-out/losses.svg");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"));
    assert!(svg.contains("radius 0.1") && svg.contains("converged"), "the title says what it is");
    let png = std::fs::read(place.path().join("fenchel-out/losses.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000);
}

#[test]
fn json_and_quiet() {
    let place = Place::new();
    place.file("t.csv", houses(40));
    let args = ["robust", "t.csv", "--target", "price", "--without", "region"];
    let run = place.run(&[&args[..], &["--json"]].concat());
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(run.out, place.read("fenchel-out/result.json"));
    assert!(place.exists("fenchel-out/losses.png"));
    let run = place.run(&[&args[..], &["-q", "--no-pictures"]].concat());
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", ""));
    assert!(!place.exists("fenchel-out/losses.png"), "a picture of an earlier result is not left");
}

#[test]
fn the_ordinary_fit_is_least_squares() {
    let place = Place::new();
    place.file("t.csv", "x,y\n0,1\n1,3\n2,2\n3,5\n");
    let found = fit(&place, &["t.csv", "--target", "y", "--divergence", "mean", "--tolerance", "1e-12"]);
    // By hand: means 1.5 and 2.75, slope 5.5/5, residuals −0.1, 0.8, −1.3, 0.6.
    assert!(close(number(&found["coefficients"]["x"]), 1.1, 1e-10), "{found}");
    assert!(close(number(&found["intercept"]), 1.1, 1e-10));
    assert!(
        close(number(&found["mean_loss"]), 0.675, 1e-12) && close(number(&found["objective"]), 0.675, 1e-12)
    );
    let tails: Vec<f64> = found["cvar"].as_array().unwrap().iter().map(|c| number(&c["value"])).collect();
    assert!(
        close(tails[0], 1.165, 1e-9) && close(tails[1], 1.69, 1e-9) && close(tails[4], 1.69, 1e-9),
        "{tails:?}"
    );
    assert_eq!(
        (&found["divergence"], &found["lambda"], &found["radius"]),
        (&"mean".into(), &Value::Null, &Value::Null)
    );
    assert_eq!(number(&found["effective_sample_size"]), 4.0);
    let run = place.run(&["robust", "t.csv", "--target", "y", "--divergence", "mean"]);
    assert!(run.out.contains("ordinary mean"), "{}", run.out);
    for word in ["heaviest", "strength", "worst case"] {
        assert!(!run.out.contains(word), "nothing strays: {}", run.out);
    }

    // A row that weighs as two is two rows.
    place.file("w.csv", "x,w,y\n0,1,1\n1,2,3\n2,1,2\n3,0.5,5\n");
    place.file("rows.csv", "x,y\n0,1\n0,1\n1,3\n1,3\n1,3\n1,3\n2,2\n2,2\n3,5\n");
    let weighted = fit(&place, &["w.csv", "--target", "y", "--weights", "w", "--tolerance", "1e-10"]);
    let repeated = fit(&place, &["rows.csv", "--target", "y", "--tolerance", "1e-10"]);
    for key in ["objective", "mean_loss", "lambda", "intercept"] {
        assert!(close(number(&weighted[key]), number(&repeated[key]), 1e-5), "{key}: {weighted} {repeated}");
    }
    assert_eq!(weighted["features"], 1, "weights are no feature");
    // Through the origin: 22/14.
    let through =
        ["t.csv", "--target", "y", "--divergence", "mean", "--no-intercept", "--tolerance", "1e-12"];
    let found = fit(&place, &through);
    assert!(
        found["intercept"].is_null() && close(number(&found["coefficients"]["x"]), 22.0 / 14.0, 1e-10),
        "{found}"
    );
}

#[test]
fn lambda_and_radius_lead_to_each_other() {
    let place = Place::new();
    place.file("t.csv", houses(90));
    let args = ["t.csv", "--target", "price", "--without", "region", "--tolerance", "1e-11"];
    for divergence in ["kl", "chi2", "safe-kl:0.05"] {
        let ball = fit(&place, &[&args[..], &["--divergence", divergence, "--radius", "0.2"]].concat());
        let lambda = ball["lambda"].to_string();
        let price = fit(&place, &[&args[..], &["--divergence", divergence, "--lambda", &lambda]].concat());
        assert_eq!(price["lambda"], ball["lambda"]);
        assert!(close(number(&price["radius"]), 0.2, 1e-4), "{price}");
        for name in ["size", "age"] {
            let [a, b] = [&ball, &price].map(|found| number(&found["coefficients"][name]));
            assert!(close(a, b, 1e-5), "{divergence} {name}: {a} {b}");
        }
        assert!(close(number(&ball["intercept"]), number(&price["intercept"]), 1e-4));
    }
    let mean = fit(&place, &[&args[..], &["--divergence", "mean"]].concat());
    let relative = fit(&place, &[&args[..], &["--lambda", "rel:0.5"]].concat());
    assert_eq!(relative["ordinary_mean_loss"], mean["mean_loss"]);
    assert_eq!(number(&relative["lambda"]), 0.5 * number(&mean["mean_loss"]));
    assert!(number(&relative["mean_loss"]) > number(&mean["mean_loss"]));
    let run = place.run(&[&["robust"], &args[..], &["--lambda", "rel:0.5"]].concat());
    assert!(run.out.contains("0.5 times the mean loss of the ordinary fit"), "{}", run.out);
    // Weights that may not stray at all.
    let none = fit(&place, &[&args[..], &["--radius", "0"]].concat());
    assert!(none["lambda"].is_null() && close(number(&none["objective"]), number(&mean["objective"]), 1e-9));
}

#[test]
fn strengths_that_change_nothing_are_not_shown() {
    let place = Place::new();
    place.file("t.csv", houses(60));
    let args = ["t.csv", "--target", "price", "--without", "region"];
    for divergence in ["cvar:0.2", "none"] {
        let with = |more: &[&'static str]| [&args[..], &["--divergence", divergence], more].concat();
        let found = fit(&place, &with(&[]));
        assert!(found["lambda"].is_null() && found["radius"].is_null(), "{found}");
        let model: Value = serde_json::from_str(&place.read("fenchel-out/model.json")).unwrap();
        assert_eq!(model["risk"], serde_json::json!({"divergence": divergence}));
        assert_eq!(fit(&place, &with(&["--lambda", "9"]))["coefficients"], found["coefficients"]);
        let run = place.run(&[&["robust"], &with(&["--radius", "9"])[..]].concat());
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.out.contains("--radius changes nothing") && !run.out.contains("strength"), "{}", run.out);
        let evaluated =
            place.run(&["robust", "evaluate", "fenchel-out/model.json", "t.csv", "--json"]).json();
        assert!(close(number(&evaluated["worst_case"]), number(&found["objective"]), 1e-6), "{evaluated}");
    }
}

#[test]
fn every_loss_and_divergence_of_the_lists() {
    let place = Place::new();
    let mut text = String::from("a,b,real,count,two,three\n");
    for i in 0..60 {
        let t = f64::from(i);
        let (a, b) = ((0.9 * t).sin(), (0.37 * t * t).cos());
        let noisy = a - 0.5 * b + 0.8 * (1.7 * t * t).sin();
        let three = if noisy < -0.4 {
            "low"
        } else if noisy < 0.4 {
            "mid"
        } else {
            "high"
        };
        text.push_str(&format!("{a},{b},{noisy},{},{},{three}\n", (3.0 + noisy).floor(), noisy > 0.0));
    }
    place.file("t.csv", &text);
    for entry in fenchel::robust::loss::registry() {
        let target = match entry.name {
            "logistic" | "hinge" | "smoothed-hinge" => "two",
            "multinomial" => "three",
            "poisson" => "count",
            _ => "real",
        };
        for divergence in ["mean", "kl", "cvar:0.3"] {
            let args = ["t.csv", "--target", target, "--columns", "a,b", "--loss", entry.name];
            let found = fit(&place, &[&args[..], &["--divergence", divergence]].concat());
            let full = fenchel::robust::loss::parse(entry.name).unwrap().name();
            assert_eq!(found["loss"], full.as_str(), "{}", entry.name);
            let run = place.run(&["robust", "predict", "fenchel-out/model.json", "t.csv"]);
            assert_eq!((run.code, run.out.lines().count()), (0, 61), "{}: {run:?}", entry.name);
            let run = place.run(&["robust", "evaluate", "fenchel-out/model.json", "t.csv", "--by", "three"]);
            assert_eq!(run.code, 0, "{}: {run:?}", entry.name);
        }
    }
    for divergence in fenchel::divergence::registry().iter().flat_map(|e| e.examples) {
        let found =
            fit(&place, &["t.csv", "--target", "real", "--columns", "a,b", "--divergence", divergence]);
        assert_eq!(found["divergence"], fenchel::divergence::parse(divergence).unwrap().name());
    }
}

#[test]
fn features_that_say_nothing_or_too_much() {
    let place = Place::new();
    place.file("t.csv", "x,c,twice,y\n0,7,0,1\n1,7,2,3\n2,7,4,2\n3,7,6,5\n");
    let args = ["t.csv", "--target", "y", "--divergence", "mean"];
    let found = fit(&place, &args);
    assert_eq!(number(&found["coefficients"]["c"]), 0.0);
    assert!(close(number(&found["objective"]), 0.675, 1e-6), "{found}");
    let sum = number(&found["coefficients"]["x"]) + 2.0 * number(&found["coefficients"]["twice"]);
    assert!(close(sum, 1.1, 1e-3), "{found}");
    assert!(
        place.run(&[&["robust"], &args[..]].concat()).out.contains("c is constant: its coefficient is 0")
    );
    let found = fit(&place, &[&args[..], &["--no-intercept"]].concat());
    assert!(
        found["notes"].as_array().unwrap().is_empty(),
        "without an intercept a constant says something: {found}"
    );

    // More features than rows: an objective of 0, or next to it.
    let wide: String = (0..5)
        .map(|i| {
            (0..9).map(|j| ((3 * i + 5 * j * j + i * j) % 11).to_string()).collect::<Vec<_>>().join(",")
                + "\n"
        })
        .collect();
    place.file("wide.csv", &wide);
    for more in [&[][..], &["--divergence", "mean"], &["--l2", "0.1", "--standardize"], &["--l1", "0.1"]] {
        let run = place.run(&[&["robust", "wide.csv", "--target", "9", "--json"], more].concat());
        assert!(run.code <= 1, "{more:?}: {run:?}");
        assert!(number(&run.json()["objective"]) < 10.0 && run.json()["features"] == 8, "{more:?}: {run:?}");
    }
    // No feature at all: the mean of the labels, and for absolute errors their median.
    place.file("y.csv", "1\n2\n9\n");
    let found = fit(&place, &["y.csv", "--target", "x1", "--divergence", "mean"]);
    assert!(close(number(&found["intercept"]), 4.0, 1e-6), "{found}");
    let found = fit(&place, &["y.csv", "--target", "1", "--divergence", "mean", "--loss", "absolute"]);
    assert!(close(number(&found["intercept"]), 2.0, 1e-3), "{found}");
}

#[test]
fn separable_classes_have_no_best_coefficients() {
    let place = Place::new();
    place.file("t.csv", "x,y\n0,a\n1,a\n2,b\n3,b\n");
    let run = place.run(&["robust", "t.csv", "--target", "y", "--loss", "logistic", "--json"]);
    assert!(run.code <= 1, "{run:?}");
    assert!(number(&run.json()["mean_loss"]) < 1e-3, "{run:?}");
    let penalised = fit(&place, &["t.csv", "--target", "y", "--loss", "logistic", "--l2", "0.1"]);
    assert!(number(&penalised["mean_loss"]) > 1e-2);
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let place = Place::new();
    place.file("t.csv", houses(3000));
    let solve = |threads: &str| {
        let mut json =
            fit(&place, &["t.csv", "--target", "price", "--without", "region", "--threads", threads]);
        json["seconds"] = Value::Null;
        (json, place.read("fenchel-out/weights.csv"))
    };
    assert_eq!(solve("1"), solve("3"));
}

#[test]
fn a_change_of_units_changes_nothing_but_the_units() {
    let place = Place::new();
    place.file("t.csv", houses(60));
    let mut metres = String::new();
    for line in houses(60).lines() {
        let (size, rest) = line.split_once(',').unwrap();
        let size = size.parse::<f64>().map_or(size.to_owned(), |x| (1000.0 * x).to_string());
        metres.push_str(&format!("{size},{rest}\n"));
    }
    place.file("u.csv", metres);
    let args =
        ["--target", "price", "--without", "region", "--l2", "3", "--standardize", "--tolerance", "1e-10"];
    let [a, b] = ["t.csv", "u.csv"].map(|file| fit(&place, &[&[file], &args[..]].concat()));
    assert!(close(number(&a["objective"]), number(&b["objective"]), 1e-9));
    let [x, y] = [&a, &b].map(|found| number(&found["coefficients"]["size"]));
    assert!(close(x, 1000.0 * y, 1e-5), "{x} {y}");
    let plain = fit(&place, &[&["t.csv"], &args[..6], &args[7..]].concat());
    assert!(!close(number(&plain["objective"]), number(&a["objective"]), 1e-3), "the penalty is another");
}

#[test]
fn not_converged_is_said_everywhere_and_written_all_the_same() {
    let place = Place::new();
    place.file("t.csv", houses(60));
    let args = ["robust", "t.csv", "--target", "price", "--without", "region", "--max-time", "1e-9"];
    let run = place.run(&args);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("NOT converged") && run.out.contains("--max-time"), "{}", run.out);
    let result: Value = serde_json::from_str(&place.read("fenchel-out/result.json")).unwrap();
    assert_eq!(result["status"], "max_time");
    assert!(place.read("fenchel-out/losses.svg").contains("NOT converged"));
    assert_eq!(place.run(&["robust", "predict", "fenchel-out/model.json", "t.csv"]).code, 0);
}

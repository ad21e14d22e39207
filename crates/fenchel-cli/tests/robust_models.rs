//! Models of `fenchel robust`: read back, put to use at other rows, made of columns of every kind.

mod common;
#[path = "common/learning.rs"]
mod learning;

use common::{Place, npy};
use learning::{close, column, fit, houses, number, numbers};
use serde_json::Value;

#[test]
fn a_model_that_is_read_back_gives_the_same_bits() {
    let place = Place::new();
    place.file("t.csv", houses(90));
    for more in [&["--divergence", "chi2"][..], &["--radius", "0.5", "--l2", "0.1", "--standardize"]] {
        let args = ["t.csv", "--target", "price", "--one-hot", "region"];
        let found = fit(&place, &[&args[..], more].concat());
        let run = place.run(&["robust", "predict", "fenchel-out/model.json", "t.csv"]);
        assert_eq!((run.code, run.err.as_str()), (0, ""));
        let written = place.run(&["robust", "predict", "fenchel-out/model.json", "t.csv", "--out", "p.csv"]);
        assert_eq!((written.code, written.out.as_str()), (0, ""));
        assert_eq!(place.read("p.csv"), run.out);
        let (predictions, prices) = (numbers(&run.out, "prediction"), numbers(&place.read("t.csv"), "price"));
        let losses = numbers(&place.read("fenchel-out/weights.csv"), "loss");
        assert_eq!(predictions.len(), 90);
        for ((z, y), loss) in predictions.iter().zip(&prices).zip(&losses) {
            assert_eq!((z - y) * (z - y), *loss);
        }
        let evaluated =
            place.run(&["robust", "evaluate", "fenchel-out/model.json", "t.csv", "--json"]).json();
        for key in ["mean_loss", "cvar", "largest_loss", "rows"] {
            assert_eq!(evaluated[key], found[key], "{key}");
        }
        assert!(close(number(&evaluated["rmse"]), number(&found["mean_loss"]).sqrt(), 1e-12));
        let penalty = if more[0] == "--radius" { 0.1 } else { 0.0 };
        let risk = number(&evaluated["worst_case"]);
        assert!(risk <= number(&found["objective"]) * (1.0 + 1e-9), "{evaluated} {found}");
        assert!(penalty > 0.0 || close(risk, number(&found["objective"]), 1e-9), "{evaluated} {found}");
    }
}

#[test]
fn columns_of_text_become_features() {
    let place = Place::new();
    // Means of y: a 2, b 5, c 9.
    place.file("t.csv", "g,y\nb,4\na,1\nc,9\na,3\nb,6\n");
    let args = ["t.csv", "--target", "y", "--one-hot", "g", "--divergence", "mean", "--tolerance", "1e-12"];
    let found = fit(&place, &args);
    let coefficients = found["coefficients"].as_object().unwrap();
    assert_eq!(coefficients.keys().collect::<Vec<_>>(), ["g=b", "g=c"]);
    assert!(close(number(&found["intercept"]), 2.0, 1e-9), "{found}");
    assert!(close(number(&coefficients["g=b"]), 3.0, 1e-9) && close(number(&coefficients["g=c"]), 7.0, 1e-9));
    place.file("new.csv", "other,g\nx,a\ny,c\n");
    let run = place.run(&["robust", "predict", "fenchel-out/model.json", "new.csv"]);
    let predictions = numbers(&run.out, "prediction");
    assert!(close(predictions[0], 2.0, 1e-9) && close(predictions[1], 9.0, 1e-9), "{run:?}");
    let found = fit(&place, &[&args[..], &["--no-intercept"]].concat());
    assert!(close(number(&found["coefficients"]["g=a"]), 2.0, 1e-9), "{found}");
    // Numbers may be categories too, and are the same however they are written.
    place.file("n.csv", "g,y\n2,4\n1,1\n10,9\n1.0,3\n2,6\n");
    let found = fit(&place, &["n.csv", "--target", "y", "--one-hot", "1", "--divergence", "mean"]);
    assert_eq!(found["coefficients"].as_object().unwrap().keys().collect::<Vec<_>>(), ["g=10", "g=2"]);
    place.file("m.csv", "g\n1.00\n2e0\n");
    let run = place.run(&["robust", "predict", "fenchel-out/model.json", "m.csv"]);
    let predictions = numbers(&run.out, "prediction");
    assert!(close(predictions[0], 2.0, 1e-6) && close(predictions[1], 5.0, 1e-6), "{run:?}");
}

#[test]
fn missing_cells() {
    let place = Place::new();
    place.file("t.csv", "a,g,w,y\n1,u,1,2\n2,,1,3\n,v,1,1\n4,v,2,6\n3,u,1,NA\n7,u,3,5\n");
    let args = ["--target", "y", "--one-hot", "g", "--weights", "w"];
    let with = |file, more: &[&'static str]| [&[file], &args[..], more].concat();
    let dropped = fit(&place, &with("t.csv", &["--missing", "drop"]));
    assert_eq!((&dropped["rows"], &dropped["rows_left_out"]), (&3.into(), &3.into()));
    let rows = column(&place.read("fenchel-out/weights.csv"), "row");
    assert_eq!(rows, ["0", "3", "5"]);
    place.file("whole.csv", "a,g,w,y\n1,u,1,2\n4,v,2,6\n7,u,3,5\n");
    let whole = fit(&place, &with("whole.csv", &[]));
    assert_eq!(dropped["coefficients"], whole["coefficients"]);
    assert_eq!(dropped["objective"], whole["objective"]);
    let run =
        place.run(&[&["robust"], &with("t.csv", &["--missing", "drop", "--out", "dropped"])[..]].concat());
    assert!(run.out.contains("3 rows with a missing cell"), "{}", run.out);
    let run = place.run(&["robust", "predict", "dropped/model.json", "t.csv"]);
    assert!(run.err.contains("2 rows"), "{run:?}");
    let predictions = column(&run.out, "prediction");
    assert_eq!(
        predictions.iter().map(|p| p.is_empty()).collect::<Vec<_>>(),
        [false, true, true, false, false, false]
    );
    let evaluated = place.run(&["robust", "evaluate", "dropped/model.json", "t.csv", "--json"]).json();
    assert_eq!((&evaluated["rows"], &evaluated["rows_left_out"]), (&3.into(), &3.into()));

    // The mean of a is (1 + 2 + 8 + 21)/7, that of v is 3/7 of what is there.
    place.file("t.csv", "a,g,w,y\n1,u,1,2\n2,,1,3\n,v,1,1\n4,v,2,6\n7,u,3,5\n");
    let filled = fit(&place, &with("t.csv", &["--missing", "mean", "--tolerance", "1e-11"]));
    let (a, v) = (32.0 / 7.0, 3.0 / 7.0);
    place.file("filled.csv", format!("a,g=v,w,y\n1,0,1,2\n2,{v},1,3\n{a},1,1,1\n4,1,2,6\n7,0,3,5\n"));
    let by_hand =
        ["filled.csv", "--target", "y", "--weights", "w", "--tolerance", "1e-11", "--out", "by-hand"];
    let by_hand = fit(&place, &by_hand);
    for name in ["a", "g=v"] {
        let [x, y] = [&filled, &by_hand].map(|found| number(&found["coefficients"][name]));
        assert!(close(x, y, 1e-6), "{name}: {x} {y}");
    }
    // The same means stand in other rows.
    place.file("new.csv", "g,a\n,\nu,1\n");
    let run = place.run(&["robust", "predict", "fenchel-out/model.json", "new.csv"]);
    let (theta, predictions) = (&filled["coefficients"], numbers(&run.out, "prediction"));
    let expected = number(&filled["intercept"]) + a * number(&theta["a"]) + v * number(&theta["g=v"]);
    assert!(close(predictions[0], expected, 1e-12), "{run:?}");
}

#[test]
fn two_classes_by_any_name() {
    let place = Place::new();
    let table = |names: [&str; 2]| {
        let mut text = String::from("a,b,label\n");
        for i in 0..50 {
            let t = f64::from(i);
            let (a, b) = ((0.9 * t).sin(), (0.37 * t * t).cos());
            let up = a - 0.5 * b + (1.7 * t * t).sin() > 0.0;
            text.push_str(&format!("{a},{b},{}\n", names[usize::from(up)]));
        }
        text
    };
    let mut first: Option<Value> = None;
    for names in [["-1", "1"], ["0", "1"], ["ham", "spam"], ["9", "10"], ["1.5", "22"]] {
        place.file("t.csv", table(names));
        for loss in ["logistic", "hinge"] {
            let found = fit(&place, &["t.csv", "--target", "label", "--loss", loss]);
            assert_eq!(found["classes"], serde_json::json!(names));
            let evaluated =
                place.run(&["robust", "evaluate", "fenchel-out/model.json", "t.csv", "--json"]).json();
            let run = place.run(&["robust", "predict", "fenchel-out/model.json", "t.csv"]);
            let (said, true_) = (column(&run.out, "prediction"), column(&place.read("t.csv"), "label"));
            let right = said.iter().zip(&true_).filter(|(a, b)| a == b).count();
            assert_eq!(number(&evaluated["accuracy"]), right as f64 / 50.0);
            assert!(right > 30 && evaluated["rmse"].is_null());
            if loss == "hinge" {
                let score = numbers(&run.out, "score");
                assert!(said.iter().zip(&score).all(|(said, z)| (said == names[1]) == (*z >= 0.0)));
                continue;
            }
            let [p, q] = names.map(|name| numbers(&run.out, &format!("P({name})")));
            assert!(p.iter().zip(&q).all(|(p, q)| close(p + q, 1.0, 1e-15)));
            assert!(said.iter().zip(&q).all(|(said, q)| (said == names[1]) == (*q >= 0.5)));
            let first = first.get_or_insert(found["coefficients"].clone());
            assert_eq!(&found["coefficients"], first, "{names:?}");
        }
        let run = place.run(&["robust", "t.csv", "--target", "label", "--loss", "logistic"]);
        assert!(run.out.contains(&format!("{} (+1), {} (−1)", names[1], names[0])), "{}", run.out);
    }
}

#[test]
fn several_classes_and_counts() {
    let place = Place::new();
    let mut text = String::from("x,kind,count\n");
    for i in 0..60 {
        let t = f64::from(i);
        let x = (0.9 * t).sin();
        let kind =
            ["red", "green", "blue"][((1.5 + 1.4 * x + 0.6 * (1.7 * t * t).sin()).max(0.0) as usize).min(2)];
        text.push_str(&format!("{x},{kind},{}\n", (3.0 * (x + (2.3 * t).cos()).exp()).floor()));
    }
    place.file("t.csv", &text);
    let found = fit(&place, &["t.csv", "--target", "kind", "--columns", "x", "--loss", "multinomial"]);
    for class in ["blue", "green", "red"] {
        assert!(
            found["coefficients"][class]["x"].is_number() && found["intercept"][class].is_number(),
            "{found}"
        );
    }
    let run = place.run(&["robust", "predict", "fenchel-out/model.json", "t.csv"]);
    assert!(run.out.starts_with("row,prediction,P(blue),P(green),P(red)\n0,"), "{}", run.out);
    for line in run.out.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let p: Vec<f64> = fields[2..].iter().map(|p| p.parse().unwrap()).collect();
        assert!(close(p.iter().sum(), 1.0, 1e-14));
        let best = (0..3).fold(0, |best, k| if p[k] > p[best] { k } else { best });
        assert_eq!(fields[1], ["blue", "green", "red"][best]);
    }
    let run = place.run(&["robust", "t.csv", "--target", "kind", "--columns", "x", "--loss", "multinomial"]);
    assert!(run.out.contains("x for red"), "{}", run.out);

    let found = fit(&place, &["t.csv", "--target", "count", "--columns", "x", "--loss", "poisson"]);
    let run = place.run(&["robust", "predict", "fenchel-out/model.json", "t.csv"]);
    let (x, means) = (numbers(&text, "x"), numbers(&run.out, "prediction"));
    for (x, mean) in x.iter().zip(&means) {
        let z = number(&found["intercept"]) + number(&found["coefficients"]["x"]) * x;
        assert!(close(*mean, z.exp(), 1e-14));
    }
}

#[test]
fn evaluation_by_groups() {
    let place = Place::new();
    place.file("t.csv", houses(99));
    fit(
        &place,
        &["t.csv", "--target", "price", "--without", "region", "--weights", "age", "--divergence", "mean"],
    );
    let args = ["robust", "evaluate", "fenchel-out/model.json", "t.csv", "--by", "region"];
    let json = place.run(&[&args[..], &["--json"]].concat()).json();
    assert_eq!((&json["weights"], &json["by"]), (&"age".into(), &"region".into()));
    let losses = numbers(&place.read("fenchel-out/weights.csv"), "loss");
    let (region, age) = (column(&place.read("t.csv"), "region"), numbers(&place.read("t.csv"), "age"));
    let groups = json["groups"].as_array().unwrap();
    let values: Vec<_> = groups.iter().map(|g| g["value"].as_str().unwrap()).collect();
    assert_eq!(values, ["east", "north", "west"]);
    for group in groups {
        let of = |i: &usize| group["value"] == region[*i].as_str();
        let total: f64 = (0..99).filter(of).map(|i| age[i]).sum();
        let mean: f64 = (0..99).filter(of).map(|i| age[i] / total * losses[i]).sum();
        let most = (0..99).filter(of).map(|i| losses[i]).fold(0.0, f64::max);
        assert!(close(number(&group["mean_loss"]), mean, 1e-12), "{group}");
        assert_eq!(number(&group["largest_loss"]), most);
        assert_eq!(group["worst_case"], group["mean_loss"], "the risk of this model is the mean");
        assert_eq!(group["rows"], 33);
    }
    let run = place.run(&args);
    for word in ["price of fenchel-out/model.json", "mean loss", "5 %", "RMSE", "R²", "north", "33"] {
        assert!(run.out.contains(word), "no '{word}' in: {}", run.out);
    }
    // Without the column of weights all rows weigh the same; a group may be without a name.
    let bare = "size,price,part\n10,50,a\n20,90,\n30,100,a\n";
    place.file("bare.csv", bare);
    let args = ["robust", "evaluate", "fenchel-out/model.json", "bare.csv", "--by", "part", "--json"];
    let json = place.run(&args).json();
    assert!(json["weights"].is_null());
    assert_eq!(json["groups"][1]["value"], Value::Null);
    assert_eq!(json["groups"][1]["rows"], 1);
    assert!(place.run(&args[..args.len() - 1]).out.contains("(missing)"));
}

#[test]
fn files_of_all_kinds() {
    let place = Place::new();
    let text = houses(60);
    let rows: Vec<&str> = text.lines().collect();
    place.file("all.csv", &text);
    place.file("one.csv", rows[..31].join("\n"));
    place.file("two.csv", [&rows[..1], &rows[31..]].concat().join("\n"));
    let args = ["--target", "price", "--one-hot", "region"];
    let all = fit(&place, &[&["all.csv"], &args[..]].concat());
    let parts = fit(&place, &[&["one.csv", "two.csv"], &args[..]].concat());
    assert_eq!(all["coefficients"], parts["coefficients"]);
    let both = parts["heaviest_rows"].as_array().unwrap();
    for row in both {
        let n = number(&row["row"]);
        let (file, line) = if n < 30.0 { ("one.csv", n + 2.0) } else { ("two.csv", n - 28.0) };
        assert_eq!((row["file"].as_str(), number(&row["line"])), (Some(file), line), "{row}");
    }
    let run = place.run(&["robust", "predict", "fenchel-out/model.json", "two.csv", "one.csv"]);
    assert_eq!(run.out.lines().count(), 61);

    let values: Vec<f64> = (0..30)
        .flat_map(|i| {
            let t = f64::from(i);
            [t.sin(), t.cos(), 2.0 + t.sin() - 3.0 * t.cos() + 0.3 * (7.0 * t).sin()]
        })
        .collect();
    place.file("t.npy", npy(&[30, 3], &values));
    let text: String = values.chunks(3).map(|r| format!("{},{},{}\n", r[0], r[1], r[2])).collect();
    place.file("t.csv", text);
    let binary = fit(&place, &["t.npy", "--target", "3"]);
    assert_eq!(binary["heaviest_rows"][0]["line"], Value::Null);
    assert_eq!(binary["coefficients"], fit(&place, &["t.csv", "--target", "3"])["coefficients"]);
    assert_eq!(binary["coefficients"].as_object().unwrap().keys().collect::<Vec<_>>(), ["x1", "x2"]);
    let run = place.run(&["robust", "t.npy", "--target", "3"]);
    assert!(run.out.contains("row "), "{}", run.out);
    let run = place.run(&["robust", "predict", "fenchel-out/model.json", "t.npy"]);
    assert_eq!(run.code, 0, "{run:?}");
}

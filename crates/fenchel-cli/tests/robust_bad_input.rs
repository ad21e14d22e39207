//! `fenchel robust`: every mistake is refused with exit code 2, before anything is written, in words that name it.

mod common;

use common::Place;

const TABLE: &str = "age,city,income,w,y\n31,Oslo,5,1,2\n40,Bergen,6,1,3\n29,Oslo,4,2,5\n55,Tromsø,9,1,4\n";

/// A place with the table, and arguments of a fit that would be good.
fn place() -> Place {
    let place = Place::new();
    place.file("t.csv", TABLE);
    place
}

const GOOD: [&str; 6] = ["robust", "t.csv", "--target", "y", "--without", "city"];

#[track_caller]
fn refused(place: &Place, more: &[&str], parts: &[&str]) {
    place.refused(&[&GOOD[..], more].concat(), parts);
}

#[test]
fn what_is_needed_is_said() {
    let place = place();
    place.refused(&["robust"], &["file of data", "fenchel robust data.csv --target y"]);
    place.refused(&["robust", "--target", "y"], &["file of data", "--target y"]);
    place.refused(&["robust", "t.csv"], &["t.csv", "--target", "age, city, income, w, y"]);
    place.refused(&["robust", "nowhere.csv"], &["nowhere.csv", "no such file"]);
    place.refused(&["robust", "nowhere.csv", "--target", "y"], &["nowhere.csv", "no such file"]);
    place.refused(&["robust", "predict"], &["<MODEL>"]);
    place.refused(&["robust", "predict", "m.json"], &["<DATA>"]);
    place.refused(&["robust", "evaluate", "m.json", "t.csv", "--bye", "city"], &["--bye", "--by"]);
    place.refused(&["robust", "predict", "m.json", "t.csv"], &["m.json", "no such file"]);
}

#[test]
fn files_that_are_no_tables() {
    let place = place();
    for (text, parts) in [
        ("", &["empty"][..]),
        ("age,y\n", &["line of names", "no row"]),
        ("age,y\n1,2\n3\n", &["line 3"]),
        ("age,y\n1,inf\n", &["line 2", "column 2", "finite"]),
    ] {
        place.file("bad.csv", text);
        place.refused(&["robust", "bad.csv", "--target", "y"], &[&["bad.csv"], parts].concat());
    }
    place.file("other.csv", "age,y\n1,2\n");
    place.refused(
        &["robust", "t.csv", "other.csv", "--target", "y"],
        &["other.csv", "other columns", "t.csv"],
    );
    place.file("same.csv", "a,a,y\n1,2,3\n2,4,4\n");
    place.refused(&["robust", "same.csv", "--target", "y"], &["columns 1 and 2", "'a'"]);
}

#[test]
fn columns_that_are_not_there_or_taken() {
    let place = place();
    place.refused(&["robust", "t.csv", "--target", "z"], &["--target", "t.csv", "'z'"]);
    place.refused(&["robust", "t.csv", "--target", "incme"], &["did you mean 'income'"]);
    place.refused(&["robust", "t.csv", "--target", "9"], &["9", "1 to 5"]);
    refused(&place, &["--weights", "ww"], &["--weights", "did you mean 'w'"]);
    refused(&place, &["--columns", "age,incom"], &["--columns", "did you mean 'income'"]);
    refused(&place, &["--without", "incom"], &["--without", "did you mean 'income'"]);
    refused(&place, &["--one-hot", "cty"], &["--one-hot", "did you mean 'city'"]);
    refused(&place, &["--columns", "3-1"], &["--columns", "3-1"]);
    refused(&place, &["--without", "0-2"], &["--without", "0-2"]);
    refused(&place, &["--columns", "age,y"], &["'y'", "--target", "feature"]);
    refused(&place, &["--columns", "1-5", "--weights", "w"], &["'w'", "--weights", "feature"]);
    refused(&place, &["--columns", "age,1"], &["'age'", "twice"]);
    refused(&place, &["--weights", "y"], &["'y'", "--target", "--weights"]);
    refused(&place, &["--one-hot", "city"], &["'city'", "no feature"]);
    refused(&place, &["--columns", "age", "--without", "age", "--no-intercept"], &["features", "intercept"]);
}

#[test]
fn text_where_numbers_belong() {
    let place = place();
    let fit = ["robust", "t.csv", "--target", "y"];
    place.refused(&fit, &["t.csv, line 2, column 2", "'city'", "'Oslo'", "--one-hot city", "--without city"]);
    refused(&place, &["--weights", "city"], &["line 2, column 2", "weight", "'Oslo'"]);
    let target = ["robust", "t.csv", "--target", "city"];
    place.refused(&target, &["line 2, column 2", "label 'Oslo'", "squared", "logistic"]);
    // The first text, not the first cell.
    place.file("late.csv", "a,y\n1,2\n2,3\nfour,5\n");
    place.refused(&["robust", "late.csv", "--target", "y"], &["line 4, column 1", "'four'"]);
    place.file("late.csv", "a,y\n1,2\n2,3\n4,five\n");
    place.refused(&["robust", "late.csv", "--target", "y"], &["line 4, column 2", "'five'"]);
    place.file("comma.csv", "a,y\n\"1,5\",2\n\"2,5\",3\n");
    place.refused(&["robust", "comma.csv", "--target", "y"], &["'1,5'", "with a point"]);
    // Between semicolons it is a number, if all of a column have it.
    place.file("both.csv", "a;y\n1,5;2\n2.5;3\n");
    place.refused(&["robust", "both.csv", "--target", "y"], &["line 2, column 1", "'1,5'", "decimal comma"]);
    place.file("semicolons.csv", "a;y\n1,5;2\n2,5;3,5\n4;5\n");
    let run = place.run(&["robust", "semicolons.csv", "--target", "y", "--out", "semicolons", "--json"]);
    assert!(run.code == 0 && run.json()["rows"] == 3, "{run:?}");
}

#[test]
fn missing_cells_are_counted() {
    let place = place();
    place.file("gaps.csv", "a,b,y\n1,2,3\n4,,5\n,,7\n2,2,2\n");
    let fit = ["robust", "gaps.csv", "--target", "y"];
    place.refused(
        &fit,
        &["gaps.csv, line 3, column 2", "'b'", "3 cells in 2 rows", "--missing drop", "--missing mean"],
    );
    place.file("gaps.csv", "a,b,y\n1,2,3\n4,,NA\n2,2,2\n");
    let mean = ["robust", "gaps.csv", "--target", "y", "--missing", "mean"];
    place.refused(&mean, &["line 3, column 3", "label", "'y'", "--missing drop"]);
    place.file("gaps.csv", "a,b,y\n1,NA,3\n4,,5\n");
    place.refused(&mean, &["column 2", "'b' has no mean", "--without b"]);
    let drop = ["robust", "gaps.csv", "--target", "y", "--missing", "drop"];
    place.refused(&drop, &["gaps.csv", "every row"]);
    place.refused(
        &["robust", "gaps.csv", "--target", "y", "--missing", "fill"],
        &["fill", "refuse", "drop", "mean"],
    );
    place.file("gaps.csv", "a,w,y\n1,1,3\n4,,5\n");
    place.refused(
        &["robust", "gaps.csv", "--target", "y", "--weights", "w", "--missing", "mean"],
        &["line 3", "weight"],
    );
}

#[test]
fn weights_that_are_none() {
    let place = place();
    place.file("w.csv", "x,w,z,y\n0,1,0,1\n1,-2,0,2\n2,1,0,4\n");
    let with = |column| ["robust", "w.csv", "--target", "y", "--weights", column];
    place.refused(&with("w"), &["w.csv, line 3, column 2", "-2", "negative"]);
    place.refused(&with("z"), &["w.csv, column 3", "zero"]);
}

#[test]
fn labels_that_a_loss_does_not_take() {
    let place = place();
    place.file("l.csv", "x,one,three,count\n0,a,p,1\n1,a,q,2\n2,a,r,-3\n3,a,p,0.5\n");
    let with = |target, loss| ["robust", "l.csv", "--columns", "x", "--target", target, "--loss", loss];
    for loss in ["logistic", "hinge", "smoothed-hinge", "multinomial"] {
        place.refused(&with("one", loss), &["l.csv, column 2", "every label is 'a'", loss]);
    }
    for loss in ["logistic", "hinge"] {
        place.refused(
            &with("three", loss),
            &["l.csv, column 3", "3 classes", "p, q, r", "--loss multinomial"],
        );
    }
    place.refused(&with("count", "poisson"), &["l.csv, line 4, column 4", "-3", "counts"]);
    place.refused(&with("three", "poisson"), &["l.csv, line 2, column 3", "'p'"]);
    place.file("huge.csv", "x,y\n1,2\n2,5e160\n");
    place.refused(
        &["robust", "huge.csv", "--target", "y"],
        &["huge.csv, line 3, column 2", "5e160", "out of range"],
    );
    // As many classes as would not fit into memory.
    let many: String = (0..3000).map(|i| format!("{},{}\n", i % 7, i)).collect();
    place.file("many.csv", many);
    place.refused(
        &["robust", "many.csv", "--target", "2", "--loss", "multinomial"],
        &["3000 scores", "memory"],
    );
}

#[test]
fn names_and_numbers_outside_their_domain() {
    let place = place();
    refused(&place, &["--loss", "square"], &["square", "did you mean 'squared'"]);
    refused(&place, &["--loss", "huber:-1"], &["huber", "above 0"]);
    refused(&place, &["--divergence", "kll"], &["kll", "did you mean 'kl'", "mean"]);
    refused(&place, &["--divergence", "cvar:2"], &["cvar", "at most 1"]);
    for lambda in ["0", "-1", "nan", "inf", "rel:0", "rel:", "abc"] {
        refused(&place, &["--lambda", lambda], &["lambda", lambda, "above 0"]);
        refused(&place, &["--lambda", lambda, "--divergence", "cvar:0.5"], &["lambda", "above 0"]);
    }
    for radius in ["-1", "nan", "inf"] {
        refused(&place, &["--radius", radius], &["radius", "at least 0"]);
    }
    refused(&place, &["--radius", "1", "--lambda", "1"], &["--radius", "--lambda"]);
    refused(&place, &["--divergence", "mean", "--lambda", "1"], &["mean", "--lambda"]);
    refused(&place, &["--divergence", "mean", "--radius", "1"], &["mean", "--radius"]);
    for option in ["--l1", "--l2"] {
        for value in ["-1", "nan", "inf"] {
            refused(&place, &[option, value], &[option, "at least 0"]);
        }
    }
    for option in ["--tolerance", "--max-time"] {
        for value in ["0", "-1", "nan", "inf"] {
            refused(&place, &[option, value], &[option, "above 0"]);
        }
    }
    refused(&place, &["--threads", "0"], &["threads", "at least 1"]);
    refused(&place, &["--tolerance", "small"], &["--tolerance", "small"]);
    // Labels that are met exactly have no mean loss to multiply.
    place.file("exact.csv", "x,y\n0,0\n1,0\n2,0\n");
    place.refused(&["robust", "exact.csv", "--target", "y", "--lambda", "rel:2"], &["rel:2", "--lambda"]);
}

#[test]
fn models_that_are_none() {
    let place = place();
    place.run(&[&GOOD[..], &["--out", "m"]].concat());
    let sound = place.read("m/model.json");
    let predict = ["robust", "predict", "bad.json", "t.csv"];
    for (text, parts) in [
        (sound[..sound.len() / 2].to_owned(), &["bad.json, line", "no sound model"][..]),
        (sound.replace("model 1", "model 7"), &["'fenchel robust model 7'", "'fenchel robust model 1'"]),
        (sound.replace("\"squared\"", "\"sqared\""), &["squared"]),
        (sound.replace("\"missing\": \"refuse\"", "\"missing\": \"mean\""), &["'age' has no means"]),
        (sound.replacen("\"name\": \"age\"", "\"nam\": \"age\"", 1), &["no sound model", "nam"]),
        (sound.replace("\"divergence\": \"kl\"", "\"divergence\": \"lk\""), &["lk", "kl"]),
        (sound.replace("\"target\"", "\"classes\": [\"a\"], \"target\""), &["1 classes"]),
        ("{}".to_owned(), &["no sound model", "format"]),
        (TABLE.to_owned(), &["bad.json, line 1", "no sound model"]),
    ] {
        assert_ne!(text, sound);
        place.file("bad.json", &text);
        place.refused(&predict, &[&["bad.json"], parts].concat());
        place.refused(&["robust", "evaluate", "bad.json", "t.csv"], &[&["bad.json"], parts].concat());
    }
    place.refused(&["robust", "predict", "m", "t.csv"], &["m: is a directory", "model.json"]);
}

#[test]
fn data_that_a_model_does_not_fit() {
    let place = place();
    let run = place.run(&["robust", "t.csv", "--target", "y", "--one-hot", "city", "--out", "m"]);
    assert_eq!(run.code, 0, "{run:?}");
    let check = |text: &str, parts: &[&str]| {
        place.file("new.csv", text);
        for action in ["predict", "evaluate"] {
            place.refused(&["robust", action, "m/model.json", "new.csv"], &[&["new.csv"], parts].concat());
        }
    };
    check("age,city,incom,w,y\n1,Oslo,2,1,3\n", &["no column 'income'", "did you mean 'incom'", "model"]);
    check(
        "age,city,income,w,y\n1,Oslo,2,1,3\n1,Paris,2,1,3\n",
        &["line 3, column 2", "'Paris'", "Bergen, Oslo, Tromsø"],
    );
    check(
        "age,city,income,w,y\n1,Oslo,2,1,3\n1,Oslo,much,1,3\n",
        &["line 3, column 3", "'much'", "'income'"],
    );
    check("age,city,income,w,y\n1,Oslo,2,1,3\n1,Oslo,,1,3\n", &["line 3, column 3", "'income' is missing"]);
    check("age,city,income,w,y\n1,Oslo,2,1,3\n1,,2,1,3\n", &["line 3, column 2", "'city' is missing"]);

    let evaluate = ["robust", "evaluate", "m/model.json", "new.csv"];
    place.file("new.csv", "age,city,income,w\n1,Oslo,2,1\n");
    place.refused(&evaluate, &["new.csv", "no column 'y'", "the model predicts it"]);
    assert_eq!(place.run(&["robust", "predict", "m/model.json", "new.csv"]).code, 0);
    place.file("new.csv", "age,city,income,w,y\n1,Oslo,2,1,NA\n");
    place.refused(&evaluate, &["line 2, column 5", "the label"]);
    place.file("new.csv", "age,city,income,w,y\n1,Oslo,2,1,many\n");
    place.refused(&evaluate, &["line 2, column 5", "'many'"]);
    place.file("new.csv", "age,city,income,w,y\n1,Oslo,2,1,3\n");
    place.refused(&[&evaluate[..], &["--by", "ctiy"]].concat(), &["--by", "did you mean 'city'"]);
    place.refused(
        &["robust", "predict", "m/model.json", "new.csv", "--out", "no/where.csv"],
        &["no/where.csv"],
    );

    place.run(&[
        "robust",
        "t.csv",
        "--target",
        "w",
        "--columns",
        "age",
        "--loss",
        "logistic",
        "--out",
        "two",
    ]);
    place.file("new.csv", "age,w\n1,1\n2,3\n");
    place.refused(&["robust", "evaluate", "two/model.json", "new.csv"], &["line 3, column 2", "'3'", "1, 2"]);
}

#[test]
fn output_that_cannot_be_written_is_noticed_before_fitting() {
    let place = place();
    place.file("taken", "a file");
    refused(&place, &["--out", "taken"], &["taken", "--out"]);
    assert_eq!(place.read("taken"), "a file");
}

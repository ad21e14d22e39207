//! Every mistake is refused with exit code 2, before anything is solved or written, in words that name it.

mod common;

use common::{Place, idx, npy};

const POINTS: &str = "a,b,c\n0,0,1\n1,0,2\n0,1,3\n";

#[test]
fn missing_and_unreadable_files() {
    let place = Place::new();
    place.refused(&["transport", "--target", "nowhere.csv"], &["nowhere.csv", "no such file"]);
    place.refused(&["max", "nowhere.csv"], &["nowhere.csv", "no such file"]);
    place.refused(&["transport", "--target", "."], &["directory"]);
    place.refused(&["transport", "--source", "nowhere.npy"], &["nowhere.npy", "no such file"]);
    place.refused(&["transport", "--source", "some/where"], &["some/where", "no such file"]);
}

/// A command that was built without Parquet says how to get one that was built with it.
#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_files_are_named() {
    let place = Place::new();
    place.file("shops.parquet", "PAR1 and so on");
    for option in ["--target", "--source"] {
        place.refused(&["transport", option, "shops.parquet"], &["shops.parquet", "--features parquet"]);
    }
}

#[test]
fn malformed_tables_name_line_and_column() {
    let cases: &[(&str, &[&str])] = &[
        ("a,b\n1,2\n3\n", &["line 3"]),
        ("a,b\n1,2\n3,4,5\n", &["line 3"]),
        ("a,b\n1,2\n3,four\n", &["line 3", "column 2", "four"]),
        ("a,b\n1,nan\n", &["line 2", "column 2"]),
        ("a,b\ninf,1\n", &["line 2", "column 1"]),
        ("a,b\n1,1e999\n", &["line 2", "column 2"]),
        ("a,b\n1,\n", &["line 2", "column 2"]),
        ("", &["empty"]),
        ("a,b\n", &["row"]),
    ];
    let place = Place::new();
    for (text, parts) in cases {
        place.file("t.csv", text);
        let mut all = vec!["t.csv"];
        all.extend_from_slice(parts);
        place.refused(&["transport", "--target", "t.csv"], &all);
        place.refused(&["transport", "--source", "t.csv"], &all);
        place.refused(&["max", "t.csv"], &all);
    }
    place.file("t.npy", npy(&[2, 2], &[1.0, 2.0, f64::NAN, 4.0]));
    place.refused(&["transport", "--target", "t.npy"], &["t.npy", "NaN"]);
    place.file("short.npy", &npy(&[2, 2], &[1.0, 2.0, 3.0, 4.0])[..90]);
    place.refused(&["transport", "--target", "short.npy"], &["short.npy"]);
    let images = idx(&[3, 2, 2], &[0, 64, 128, 255, 9, 9, 9, 9, 1, 2, 3, 4]);
    for (name, bytes, says) in [
        ("t10k-images-idx3-ubyte", &images[..20], "is cut off: 3 × 2 × 2 numbers"),
        ("kind.idx", &[0, 0, 7, 1, 0, 0, 0, 1, 5], "the type of its numbers is 0x07"),
        (
            "huge.idx",
            &idx(&[4_000_000_000, 28, 28], &[0; 1000]),
            "are 3136000000000 bytes, the file has 1000",
        ),
        ("images.gz", b"\x1f\x8b\x08\x00\x00", "is compressed by gzip, and cut off"),
    ] {
        place.file(name, bytes);
        place.refused(&["transport", "--target", name], &[name, says]);
        place.refused(&["transport", "--source", name], &[name, says]);
    }
    place.refused(
        &["transport", "--source", "no-images-idx3-ubyte"],
        &["no-images-idx3-ubyte", "no such file"],
    );
}

#[test]
fn dimensions_must_agree() {
    let place = Place::new();
    place.file("t.csv", POINTS);
    place.refused(
        &["transport", "--target", "t.csv", "--source", "gaussian:2"],
        &["gaussian:2", "2", "t.csv", "3"],
    );
    place.file("s.csv", "1,2\n3,4\n");
    place.refused(&["transport", "--target", "t.csv", "--source", "s.csv"], &["s.csv", "2", "3"]);
    place.file("s3.csv", "1,2,3\n3,4,5\n");
    place.refused(
        &["transport", "--target", "t.csv", "--source", "s3.csv", "s.csv"],
        &["s.csv", "s3.csv", "agree"],
    );
}

#[test]
fn weights_that_are_none() {
    let place = Place::new();
    place.file("t.csv", "x,w,z\n0,1,0\n1,-2,0\n2,1,0\n");
    for option in ["--weights", "--reference"] {
        let with = |column| ["transport", "--target", "t.csv", option, column];
        place.refused(&with("w"), &["t.csv", "line 3", "column 2", "-2", "negative"]);
        place.refused(&with("z"), &["t.csv", "column 3", "zero"]);
        place.refused(&with("ww"), &["t.csv", "'ww'", "did you mean 'w'"]);
        place.refused(&with("7"), &["t.csv", "7"]);
        let columns = ["transport", "--target", "t.csv", "--columns", "x", option, "w"];
        place.refused(&columns, &["t.csv", "line 3", "column 2", "negative"]);
    }
    place.refused(&["max", "t.csv", "--column", "x", "--reference", "w"], &["line 3", "negative"]);
    place.refused(&["max", "t.csv", "--column", "x", "--reference", "z"], &["zero"]);
    let source = ["transport", "--target", "t.csv", "--source", "t.csv", "--source-weights", "w"];
    place.refused(&source, &["t.csv", "line 3", "negative"]);
}

#[test]
fn columns_that_are_not_there() {
    let place = Place::new();
    place.file("t.csv", POINTS);
    let with = |columns| ["transport", "--target", "t.csv", "--columns", columns];
    place.refused(&with("a,d"), &["t.csv", "'d'"]);
    place.refused(&with("1-4"), &["t.csv", "4"]);
    place.refused(&with("3-1"), &["--columns", "3-1"]);
    place.refused(&with("0-2"), &["--columns", "0-2"]);
    place.refused(&with("1-999999999999"), &["--columns"]);
    place.refused(&["max", "t.csv"], &["t.csv", "--column", "a, b, c"]);
    place.refused(&["max", "t.csv", "--column", "d"], &["t.csv", "'d'"]);
    place.file("one.csv", "x\n1\n2\n");
    place.refused(&["transport", "--target", "one.csv", "--weights", "x"], &["one.csv", "no column is left"]);
}

#[test]
fn numbers_outside_their_domain() {
    let place = Place::new();
    place.file("t.csv", "x\n1\n2\n");
    for lambda in ["0", "-1", "nan", "inf", "rel:0", "rel:-1", "rel:", "abc", "1e999"] {
        place.refused(&["transport", "--lambda", lambda], &["lambda", "above 0"]);
    }
    for lambda in ["0", "-1", "nan", "inf", "abc"] {
        place.refused(&["max", "t.csv", "--lambda", lambda], &["lambda", "above 0"]);
    }
    for divergence in
        ["safe-kl:0", "safe-kl:1", "safe-kl:-0.5", "safe-kl:2", "safe-kl:nan", "safe-kl:x", "safe-kl"]
    {
        place.refused(&["transport", "--divergence", divergence], &["safe-kl", "below 1"]);
        place.refused(&["max", "t.csv", "--divergence", divergence], &["safe-kl", "below 1"]);
    }
    for divergence in ["tsallis:0", "tsallis:1", "cvar:0", "cvar:1.5", "kl-cvar:-1", "kl:3"] {
        let name = divergence.split(':').next().unwrap();
        place.refused(&["transport", "--divergence", divergence], &[name]);
    }
    for tolerance in ["0", "-1", "nan", "inf"] {
        place.refused(&["transport", "--tolerance", tolerance], &["tolerance", "above 0"]);
    }
    place.refused(&["transport", "--max-time", "0"], &["max_seconds", "above 0"]);
    place.refused(&["transport", "--max-time", "-3"], &["max_seconds", "above 0"]);
    place.refused(&["transport", "--threads", "0"], &["threads", "at least 1"]);
    place.refused(&["transport", "--solver", "asgd", "--steps", "0"], &["steps", "at least 1"]);
    place.refused(&["transport", "--solver", "asgd", "--batch", "0"], &["batch", "at least 1"]);
    place.refused(&["transport", "--solver", "asgd", "--oracle-error", "-1"], &["oracle_error"]);
    place.refused(&["transport", "--seed", "-1"], &["--seed"]);
    place.refused(&["transport", "--tolerance", "small"], &["--tolerance", "small"]);
    place.refused(&["transport", "--cost", "lp:0.5"], &["lp"]);
    place.refused(&["transport", "--cost", "l2^0"], &["l2"]);
    place.refused(&["transport", "--source", "gaussian:0"], &["gaussian", "1"]);
    place.refused(&["transport", "--source", "gaussian"], &["gaussian:DIMENSION"]);
}

#[test]
fn unknown_names_suggest_the_nearest() {
    let place = Place::new();
    for (args, nearest) in [
        (["transport", "--divergence", "sfae-kl:0.1"], "safe-kl"),
        (["transport", "--divergence", "chi"], "chi2"),
        (["transport", "--cost", "sqeuclidian"], "sqeuclidean"),
        (["transport", "--source", "gausian:2"], "gaussian"),
        (["transport", "--source", "unifrom:2"], "uniform"),
    ] {
        place.refused(&args, &[&format!("did you mean '{nearest}'?")]);
    }
    place.refused(&["transport", "--divergence", "wasserstein"], &["unknown divergence", "kl", "cvar"]);
    place.refused(&["transport", "--tolernace", "1"], &["--tolernace", "--tolerance"]);
    place.refused(&["transprot"], &["transprot", "transport"]);
    place.refused(&["transport", "--solver", "agsd"], &["agsd", "asgd"]);
    place.refused(&["man", "transprot"], &["transprot", "transport"]);
    place.refused(&["completions", "bsh"], &["bsh", "bash"]);
}

#[test]
fn options_that_do_not_go_together() {
    let place = Place::new();
    for option in
        [["--steps", "9"], ["--batch", "9"], ["--step-rule", "lipschitz"], ["--oracle-error", "0.1"]]
    {
        place.refused(&["transport", option[0], option[1]], &[option[0], "--solver asgd"]);
    }
    place.refused(&["transport", "--weights", "w"], &["--target"]);
    place.refused(&["transport", "--reference", "w"], &["--target"]);
    place.refused(&["transport", "--standardize"], &["--target"]);
    place.refused(&["transport", "--source-weights", "w"], &["--source"]);
    place.refused(
        &["transport", "--source", "gaussian:2", "--source-weights", "w"],
        &["--source-weights", "gaussian:2"],
    );
}

#[test]
fn infeasible_problems_name_the_atom() {
    let place = Place::new();
    place.file("t.csv", "x,nu,eta\n0,1,1\n1,1,0\n2,98,1\n");
    let with = |divergence, more: &'static [&'static str]| {
        let mut args = vec!["transport", "--target", "t.csv", "--columns", "x", "--weights", "nu"];
        args.extend(["--divergence", divergence]);
        args.extend(more);
        args
    };
    place.refused(&with("kl", &["--reference", "eta"]), &["atom 1"]);
    // One atom has 98% of the mass and a cap of 1.25 times its third.
    place.refused(&with("safe-kl:0.8", &[]), &["atom 2"]);
}

#[test]
fn output_that_cannot_be_written_is_noticed_before_solving() {
    let place = Place::new();
    place.file("taken", "a file");
    place.refused(&["transport", "--out", "taken"], &["taken", "--out"]);
    place.refused(&["transport", "--out", "taken/below"], &["taken/below", "--out"]);
    assert_eq!(place.read("taken"), "a file");
    place.file("t.csv", "x\n1\n2\n");
    place.refused(&["max", "t.csv", "--weights-out", "no/where.csv"], &["no/where.csv"]);
}

#[test]
fn nothing_at_all_shows_what_there_is() {
    let place = Place::new();
    let run = place.run(&[]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("fenchel transport"), "{}", run.err);
}

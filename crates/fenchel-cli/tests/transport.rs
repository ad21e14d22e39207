//! `fenchel transport` on good input: what it prints, what it writes, how it ends.

mod common;

use common::{Place, idx, npy};
use fenchel::transport::{Plan, Solution};
use serde_json::Value;

const KEYS: [&str; 8] =
    ["value", "interval", "bounds", "potential", "marginal_error", "samples", "seconds", "status"];

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap_or_else(|| panic!("{v} is no number"))
}

#[test]
fn the_built_in_problem_is_solved_and_everything_is_written() {
    let place = Place::new();
    let run = place.run(&["transport"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.err.is_empty(), "no progress where nobody looks: {}", run.err);
    for word in
        ["gaussian:2", "10 atoms", "linf", "kl", "λ = 0.1", "converged", "95% interval", "fenchel-out"]
    {
        assert!(run.out.contains(word), "no '{word}' in: {}", run.out);
    }
    let files = [
        "cells.png",
        "cells.svg",
        "convergence.png",
        "convergence.svg",
        "plan.json",
        "potentials.csv",
        "result.json",
    ];
    assert_eq!(place.list("fenchel-out"), files, "these files and no temporary ones");

    let result: Value = serde_json::from_str(&place.read("fenchel-out/result.json")).unwrap();
    for key in KEYS {
        assert!(!result[key].is_null(), "{key}");
    }
    assert_eq!(result["status"], "converged");
    let (value, interval, bounds) = (number(&result["value"]), &result["interval"], &result["bounds"]);
    assert!(number(&interval["lower"]) <= value && value <= number(&interval["upper"]));
    // Brute force on 4 million points: 0.82040.
    assert!((value - 0.8204).abs() < 5e-4, "{value}");
    let spread = number(&result["cost_spread"]);
    assert!(number(&interval["upper"]) - number(&interval["lower"]) <= 1e-3 * spread);
    assert!(number(&result["marginal_error"]["l1"]) <= 1e-3);
    assert!(number(&bounds["lower"]) < number(&bounds["upper"]));
    let potential: Vec<f64> = result["potential"].as_array().unwrap().iter().map(number).collect();
    assert_eq!(potential.len(), 10);
    assert!(potential.iter().sum::<f64>().abs() < 1e-9, "centred");

    let csv = place.read("fenchel-out/potentials.csv");
    let rows: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(rows[0], ["index", "x1", "x2", "weight", "potential"]);
    assert_eq!(rows.len(), 11);
    for (i, row) in rows[1..].iter().enumerate() {
        assert_eq!(row[0], i.to_string());
        assert_eq!(row[4].parse::<f64>().unwrap(), potential[i]);
        assert_eq!(row[3].parse::<f64>().unwrap(), 0.1);
    }

    let plan = Plan::load(place.path().join("fenchel-out/plan.json")).unwrap();
    let mut p = [0.0; 10];
    plan.weights(&[0.3, -0.2], &mut p).unwrap();
    assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert_eq!(Solution::load(place.path().join("fenchel-out/result.json")).unwrap().value, value);

    for name in ["cells", "convergence"] {
        let svg = place.read(&format!("fenchel-out/{name}.svg"));
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("kl, λ = 0.1") && svg.contains("converged"), "the title says what it is");
        // Embedded pixels are base64, which may spell anything.
        let drawn: String =
            svg.split("base64,").map(|part| part.split_once('"').map_or(part, |(_, rest)| rest)).collect();
        assert!(!drawn.contains("NaN"));
        let png = std::fs::read(place.path().join(format!("fenchel-out/{name}.png"))).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000);
    }
}

#[test]
fn json_is_the_result_and_nothing_else() {
    let place = Place::new();
    place.file("t.csv", "0\n1\n3\n");
    let run = place.run(&["transport", "--target", "t.csv", "--tolerance", "0.05", "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.err.is_empty());
    let printed = run.json();
    for key in KEYS {
        assert!(!printed[key].is_null(), "{key}");
    }
    assert_eq!(run.out, place.read("fenchel-out/result.json"));
    assert!(!place.exists("fenchel-out/cells.svg"), "cells are for the plane");
    assert!(place.exists("fenchel-out/convergence.svg"));
}

#[test]
fn quiet_prints_nothing() {
    let place = Place::new();
    place.file("t.csv", "0\n1\n");
    let run = place.run(&["transport", "--target", "t.csv", "--tolerance", "0.05", "-q", "--out", "a/b"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", ""));
    assert!(place.exists("a/b/result.json"));
}

#[test]
fn the_same_seed_gives_the_same_bits_for_any_number_of_threads() {
    let place = Place::new();
    place.file("t.csv", "0,0,1\n1,0,2\n3,1,0\n0,5,1\n");
    let solve = |threads: &str, seed: &str| {
        let args = ["transport", "--target", "t.csv", "--tolerance", "0.02", "--json", "--threads", threads];
        let mut json = place.run(&[&args[..], &["--seed", seed]].concat()).json();
        // Time is not part of the answer.
        json["seconds"] = Value::Null;
        for stage in json["history"].as_array_mut().unwrap() {
            stage["seconds"] = Value::Null;
        }
        json
    };
    let one = solve("1", "7");
    assert_eq!(one, solve("2", "7"));
    assert_eq!(one, solve("5", "7"));
    assert_ne!(one["potential"], solve("1", "8")["potential"]);
}

#[test]
fn not_converged_is_said_everywhere_and_written_all_the_same() {
    let place = Place::new();
    let run = place.run(&["transport", "--tolerance", "1e-9", "--max-time", "0.3"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("NOT converged"), "{}", run.out);
    let result: Value = serde_json::from_str(&place.read("fenchel-out/result.json")).unwrap();
    assert_ne!(result["status"], "converged");
    assert!(place.read("fenchel-out/cells.svg").contains("NOT converged"));
    assert!(place.read("fenchel-out/convergence.svg").contains("NOT converged"));
    let run = place.run(&["transport", "--solver", "asgd", "--steps", "50"]);
    assert_eq!(run.code, 1, "{run:?}");
}

#[test]
fn asgd_with_each_step_rule() {
    let place = Place::new();
    for rule in ["continuous", "lipschitz", "self-concordant", "practical-constant", "practical-decaying"] {
        let args = ["transport", "--solver", "asgd", "--steps", "2000", "--batch", "4", "--step-rule", rule];
        let run =
            place.run(&[&args[..], &["--oracle-error", "0.1", "--tolerance", "0.2", "--json"]].concat());
        assert!(run.code <= 1, "{rule}: {run:?}");
        assert!(run.json()["asgd"]["step"].as_f64().unwrap() > 0.0, "{rule}");
    }
    let run = place.run(&["transport", "--solver", "asgd", "--steps", "20000", "--tolerance", "0.1"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.contains("a priori bounds"));
}

#[test]
fn every_divergence_and_cost_of_the_lists() {
    let place = Place::new();
    place.file("t.csv", "-1,0,0\n1,0,1\n0,2,0\n0,-1,-1\n");
    let examples = fenchel::divergence::registry().iter().flat_map(|e| e.examples);
    for divergence in examples {
        let args = ["transport", "--target", "t.csv", "--divergence", divergence, "--tolerance", "0.05"];
        let more = ["--lambda", "rel:0.2", "--max-time", "20", "--json", "--no-pictures"];
        let run = place.run(&[&args[..], &more].concat());
        assert_eq!(run.code, 0, "{divergence}: {run:?}");
        let name = fenchel::divergence::parse(divergence).unwrap().name();
        assert_eq!(run.json()["divergence"], name);
    }
    for cost in ["linf", "l1", "l2", "sqeuclidean", "lp:1.5", "l2^1.5", "cosine"] {
        let args = [
            "transport",
            "--target",
            "t.csv",
            "--cost",
            cost,
            "--tolerance",
            "0.05",
            "--json",
            "--no-pictures",
        ];
        let run = place.run(&args);
        assert_eq!(run.code, 0, "{cost}: {run:?}");
    }
}

#[test]
fn files_as_source_and_target() {
    let place = Place::new();
    place.file("t.csv", "name,x,y,mass,ref\nfirst,0,0,1,1\nsecond,4,0,3,2\n");
    place.file("s1.csv", "x,y,m\n0,1,1\n4,1,1\n");
    place.file("s2.csv", "x,y,m\n4,-1,2\n");
    let args = [
        "transport",
        "--source",
        "s1.csv",
        "s2.csv",
        "--source-weights",
        "m",
        "--target",
        "t.csv",
        "--columns",
        "x,y",
        "--weights",
        "mass",
        "--divergence",
        "none",
        "--tolerance",
        "1e-3",
        "--json",
    ];
    let run = place.run(&args);
    assert_eq!(run.code, 0, "{run:?}");
    let json = run.json();
    // A quarter of the mass stays at x = 0 and three quarters at x = 4, each moving 1 up or down: cost 1.
    assert!((number(&json["value"]) - 1.0).abs() < 2e-2, "{}", json["value"]);
    assert!(number(&json["bounds"]["lower"]) <= 1.0 + 1e-9 && 1.0 <= number(&json["bounds"]["upper"]) + 1e-9);
    let csv = place.read("fenchel-out/potentials.csv");
    assert!(csv.starts_with("index,x,y,weight,potential\n0,0,0,0.25,"), "{csv}");
    assert!(place.exists("fenchel-out/cells.png"));

    let run =
        place.run(&["transport", "--target", "t.csv", "--columns", "2-3", "--reference", "ref", "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
    place.file("t.npy", npy(&[3, 2], &[0.0, 0.0, 1.0, 0.0, 0.0, 1.0]));
    let run = place.run(&["transport", "--target", "t.npy", "--source", "uniform:2", "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.json()["source"], "uniform:2");
}

#[test]
fn standardizing_is_reported_and_undoes_units() {
    let place = Place::new();
    place.file("t.csv", "x,y,c\n0,0,7\n1,0,7\n0,3,7\n5,1,7\n");
    place.file("u.csv", "x,y,c\n100,0,7\n300,0,7\n100,-0.3,7\n1100,-0.1,7\n");
    let solve = |name: &str| {
        let run =
            place.run(&["transport", "--target", name, "--standardize", "--tolerance", "0.02", "--json"]);
        assert_eq!(run.code, 0, "{run:?}");
        run.json()
    };
    let (a, b) = (solve("t.csv"), solve("u.csv"));
    assert_eq!(a["standardized"]["columns"], serde_json::json!(["x", "y", "c"]));
    assert_eq!(a["standardized"]["mean"], serde_json::json!([1.5, 1.0, 7.0]));
    assert_eq!(a["standardized"]["scale"][2], 1.0, "a constant column is only centred");
    // The second file is the first in other units, y mirrored: a symmetry of the Gaussian and the cost.
    assert!((number(&a["value"]) - number(&b["value"])).abs() < 0.02 * number(&a["cost_spread"]));
    let run = place.run(&["transport", "--target", "t.csv", "--standardize", "--tolerance", "0.02"]);
    assert!(run.out.contains("standardized") && run.out.contains("1 without spread"), "{}", run.out);
}

#[test]
fn degenerate_input_works() {
    let place = Place::new();
    let cases: &[(&str, &str, &[&str])] = &[
        ("one atom", "1,2\n", &[]),
        ("duplicate atoms", "1,2\n1,2\n0,0\n", &[]),
        ("all atoms the same", "1,2\n1,2\n1,2\n", &[]),
        ("zero weights", "x,y,w\n0,0,1\n1,1,0\n2,0,2\n", &["--weights", "w"]),
        ("all mass on one", "x,y,w\n0,0,0\n1,1,0\n2,0,2\n", &["--weights", "w"]),
        ("constant cost", "5,5\n5,5\n", &["--source", "point.csv"]),
        ("one sample", "0,0\n1,1\n2,5\n", &["--source", "point.csv"]),
        ("huge", "1e9,0\n-1e9,3e8\n0,1e9\n", &["--source", "uniform:2"]),
        ("tiny", "1e-9,0\n-1e-9,3e-9\n0,1e-9\n", &[]),
    ];
    place.file("point.csv", "3,4\n");
    for (what, target, more) in cases {
        place.file("t.csv", target);
        let args = ["transport", "--target", "t.csv", "--tolerance", "0.05", "--max-time", "20", "--json"];
        for divergence in ["none", "chi2"] {
            let run = place.run(&[&args[..], &["--no-pictures", "--divergence", divergence], more].concat());
            assert_eq!(run.code, 0, "{what}, {divergence}: {run:?}");
            assert!(run.json()["value"].is_number(), "{what}, {divergence}: {run:?}");
            assert!(!place.exists("fenchel-out/cells.svg"), "no pictures were wanted, nor old ones kept");
        }
        let run = place.run(&[&args[..], more].concat());
        assert_eq!(run.code, 0, "{what}: {run:?}");
        assert!(run.json()["value"].is_number(), "{what}: {run:?}");
        assert_eq!(place.list("fenchel-out").len(), 7);
    }
}

#[cfg(unix)]
#[test]
fn interruption_writes_what_there_is() {
    let place = Place::new();
    let args = ["transport", "--tolerance", "1e-9", "--solver", "asgd", "--steps", "100000000000"];
    let child = place.command(&args).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let result: Value = serde_json::from_str(&place.read("fenchel-out/result.json")).unwrap();
    assert_eq!(result["status"], "interrupted");
}

/// Images in the format of MNIST, plain or compressed, are what their pixels are in a table.
#[test]
fn images_are_rows_of_their_pixels() {
    let place = Place::new();
    let bytes: Vec<u8> = (0..60_u32).map(|i| (i * i * 37 % 256) as u8).collect();
    let images = idx(&[10, 2, 3], &bytes);
    let text: String = bytes
        .chunks(6)
        .map(|row| row.iter().map(u8::to_string).collect::<Vec<_>>().join(",") + "\n")
        .collect();
    place.file("images.csv", text);
    place.file("t10k-images-idx3-ubyte", &images);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, &images).unwrap();
    place.file("t10k-images-idx3-ubyte.gz", packed.finish().unwrap());
    let solved = |file: &str| {
        let more = ["--lambda", "rel:0.5", "--tolerance", "0.05", "--json", "--no-pictures"];
        let json =
            place.run(&[&["transport", "--source", file, "--target", file][..], &more].concat()).json();
        (json["potential"].clone(), json["interval"].clone())
    };
    let table = solved("images.csv");
    assert_eq!(solved("t10k-images-idx3-ubyte"), table);
    assert_eq!(solved("t10k-images-idx3-ubyte.gz"), table);
}

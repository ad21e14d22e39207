//! `fenchel robust --solver`: passes over batches, and stochastic gradients.

mod common;
#[path = "common/learning.rs"]
mod learning;

use common::Place;
use fenchel::robust::Method;
use learning::{close, fit, houses, number};
use serde_json::Value;
use std::time::Duration;

/// Labels of size 1, so that a price of 1 is mild and every method gets near the minimum.
fn waves(n: usize) -> String {
    let mut text = String::from("a,b,y\n");
    for i in 0..n {
        let t = i as f64;
        let (a, b) = ((0.7 * t).sin(), (1.3 * t).cos());
        text.push_str(&format!("{a},{b},{}\n", 1.0 + a - 0.5 * b + 0.6 * (2.1 * t * t).sin()));
    }
    text
}

fn place() -> Place {
    let place = Place::new();
    place.file("t.csv", waves(400));
    place
}

fn train(place: &Place, more: &[&str]) -> (i32, Value) {
    let args = ["robust", "t.csv", "--target", "y", "--json", "--no-pictures"];
    let run = place.run(&[&args[..], more].concat());
    assert!(run.code <= 1, "{run:?}");
    (run.code, run.json())
}

fn history(found: &Value) -> Vec<f64> {
    found["history"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::INFINITY)).collect()
}

#[test]
fn every_solver_comes_near_the_exact_fit() {
    let place = place();
    for (divergence, strength) in
        [("kl", ["--lambda", "1"]), ("chi2", ["--lambda", "0.5"]), ("kl", ["--radius", "0.1"])]
    {
        let problem = [&["--divergence", divergence], &strength[..]].concat();
        let exact = fit(&place, &[&["t.csv", "--target", "y"], &problem[..]].concat());
        assert_eq!((&exact["solver"], &exact["training"]), (&"exact".into(), &Value::Null));
        let least = number(&exact["objective"]);
        for solver in ["auto", "exact", "passes"].into_iter().chain(Method::ALL.map(Method::name)) {
            let batches = !["auto", "exact"].contains(&solver);
            let has_price = strength[0] == "--lambda";
            if solver == "sum-of-exponentials" && !(has_price && divergence == "kl") {
                continue;
            }
            let more = [
                &problem[..],
                &["--solver", solver],
                if batches { &["--batch", "50", "--epochs", "500"] } else { &[] },
            ];
            let (code, found) = train(&place, &more.concat());
            let what = format!("{divergence} {strength:?} {solver}: {found}");
            let objective = number(&found["objective"]);
            assert!(close(objective, least, 0.01), "{what}");
            assert!(
                number(&found["lower_bound"]) <= least * (1.0 + 1e-9) && objective >= least * (1.0 - 1e-6)
            );
            assert_eq!(found["status"] == "converged", code == 0, "{what}");
            if !batches {
                continue;
            }
            let training = &found["training"];
            let passes = history(&found);
            assert_eq!(passes.len() - 1, training["passes"].as_u64().unwrap() as usize, "{what}");
            assert!(passes[passes.len() - 1] < passes[0], "{what}");
            assert_eq!((&training["batch"], &training["epochs"]), (&50.into(), &500.into()), "{what}");
            let by_steps = solver != "passes";
            assert_eq!(training["step"].is_number(), by_steps, "{what}");
            assert!(by_steps || code == 0, "{what}");
            let safe = solver == "joint" && divergence == "kl";
            assert_eq!(training["rho"].as_f64(), safe.then_some(1e-3), "{what}");
            // Safe KL is below KL, by little where no weight comes near 1/ρ.
            assert!(!safe || (0.0..0.01 * objective).contains(&number(&training["rho_bias"])), "{what}");
        }
    }
}

#[test]
fn what_is_given_is_respected() {
    let place = place();
    let more = ["--lambda", "1", "--solver", "joint", "--rho", "0.05", "--step", "0.01", "--epochs", "7"];
    let (code, found) = train(&place, &[&more[..], &["--batch", "30", "--seed", "4"]].concat());
    let training = &found["training"];
    for (key, value) in
        [("rho", 0.05), ("step", 0.01), ("epochs", 7.0), ("passes", 7.0), ("batch", 30.0), ("seed", 4.0)]
    {
        assert_eq!(number(&training[key]), value, "{key}");
    }
    assert_eq!((code, training["step_given"].as_bool()), (1, Some(true)));
    // With a step that is given, the last pass is the result.
    assert!(close(*history(&found).last().unwrap(), number(&found["objective"]), 1e-12), "{found}");
    let bias = number(&training["rho_bias"]);
    let (_, milder) = train(&place, &[&more[..4], &["--rho", "0.0001"], &more[6..]].concat());
    assert!(bias > number(&milder["training"]["rho_bias"]) && bias > 0.0, "{bias} {milder}");
    for other in [&["--momentum", "0"][..], &["--averaging"], &["--alpha", "3"]] {
        assert_ne!(train(&place, &[&more[..], other].concat()).1["history"], found["history"], "{other:?}");
    }
    let repeat = |seed: &str| train(&place, &[&more[..], &["--seed", seed]].concat()).1["history"].clone();
    assert_eq!(repeat("1"), repeat("1"));
    assert_ne!(repeat("1"), repeat("2"));
}

/// Steps that are far too large or small: numbers stay finite and the status says what happened.
#[test]
fn steps_of_any_size_end_well() {
    let place = place();
    for solver in Method::ALL.map(Method::name) {
        for step in ["1e12", "1e-12"] {
            let more = ["--lambda", "1", "--solver", solver, "--step", step, "--epochs", "5"];
            let (code, found) = train(&place, &more);
            let what = format!("{solver} {step}: {found}");
            assert_eq!(code, 1, "{what}");
            let finite = |v: &Value| v.as_f64().is_some_and(f64::is_finite);
            for key in ["objective", "lower_bound", "mean_loss", "intercept", "gap", "seconds"] {
                assert!(finite(&found[key]), "{key}, {what}");
            }
            assert!(found["coefficients"].as_object().unwrap().values().all(finite), "{what}");
            assert_eq!(number(&found["training"]["step"]), step.parse::<f64>().unwrap(), "{what}");
            let status = found["status"].as_str().unwrap();
            assert!(status == "max_iterations" || (status == "diverged" && step == "1e12"), "{what}");
            let start = history(&found)[0];
            assert!(
                number(&found["objective"]) <= start * (1.0 + 1e-9) || status == "max_iterations",
                "{what}"
            );
            assert_eq!(place.run(&["robust", "predict", "fenchel-out/model.json", "t.csv"]).code, 0);
        }
    }
}

#[test]
fn training_is_told_of_and_drawn() {
    let place = place();
    let run = |solver: &str, more: &[&str]| {
        let args = ["robust", "t.csv", "--target", "y", "--lambda", "0.2", "--solver", solver];
        place.run(&[&args[..], more].concat())
    };
    let passes = run("passes", &[]);
    assert_eq!(passes.code, 0, "{passes:?}");
    assert!(passes.out.contains("passes over batches of 100, ") && passes.out.contains("convergence.svg"));
    assert!(!passes.out.contains("step size") && !passes.out.contains("overflows"), "{}", passes.out);
    let joint = run("joint", &["--epochs", "3"]);
    assert_eq!(joint.code, 1, "{joint:?}");
    for word in [
        "as --epochs allows were not enough",
        "step size  ",
        "chosen, at the end",
        "ρ = 0.001, which makes the objective lower by ",
        "overflows ",
        "joint: 3 passes over batches of 100, 12 steps in ",
    ] {
        assert!(joint.out.contains(word), "no '{word}' in: {}", joint.out);
    }
    let picture = place.read("fenchel-out/convergence.svg");
    for word in ["Objective of all rows", "lower bound", "tolerance", "passes over the rows"] {
        assert!(picture.contains(word), "{word}");
    }
    place.file(
        "t.csv",
        houses(120)
            .replace(",west,", ",")
            .replace(",east,", ",")
            .replace(",north,", ",")
            .replace("region,price", "y"),
    );
    let overflowing = run("dual-sgm", &["--epochs", "3", "--step", "1000"]);
    assert!(
        overflowing.out.contains("passed over: its gradient was")
            || overflowing.out.contains("passed over: their gradients were"),
        "{}",
        overflowing.out
    );
    let diverging = run("batch-weights", &["--step", "1e12"]);
    assert!(diverging.out.contains("try a smaller --step"), "{}", diverging.out);
}

#[test]
fn spent_time_ends_passes() {
    let place = place();
    for solver in ["passes", "joint", "multilevel"] {
        let (code, found) = train(&place, &["--lambda", "1", "--solver", solver, "--max-time", "1e-9"]);
        assert_eq!((code, &found["status"]), (1, &"max_time".into()), "{found}");
        let more = ["--lambda", "1", "--solver", solver, "--max-time", "0.5", "--epochs", "100000000"];
        let (_, found) = train(&place, &[&more[..], &["--tolerance", "1e-300"]].concat());
        assert_eq!(found["status"], "max_time", "{found}");
        assert!(number(&found["seconds"]) < 10.0);
    }
}

#[test]
fn what_does_not_go_together_is_named() {
    let place = place();
    let refused = |more: &[&str], parts: &[&str]| {
        place.refused(&[&["robust", "t.csv", "--target", "y"], more].concat(), parts);
    };
    refused(&["--solver", "pases"], &["solver 'pases'", "did you mean 'passes'", "sum-of-exponentials"]);
    for (option, value) in [
        ("--batch", "9"),
        ("--epochs", "9"),
        ("--step", "0.1"),
        ("--rho", "0.1"),
        ("--momentum", "0.5"),
        ("--alpha", "1"),
        ("--seed", "1"),
    ] {
        for solver in ["auto", "exact"] {
            refused(&["--solver", solver, option, value], &[option, "passes", solver]);
        }
    }
    refused(&["--averaging"], &["--averaging", "passes"]);
    let passes = ["--solver", "passes", "--lambda", "1"];
    for more in
        [&["--step", "1"][..], &["--rho", "0.1"], &["--momentum", "0"], &["--averaging"], &["--alpha", "1"]]
    {
        refused(&[&passes[..], more].concat(), &["passes has nothing to tune", more[0]]);
    }
    refused(&["--solver", "batch-weights", "--alpha", "1"], &["--alpha", "joint", "batch-weights"]);
    for solver in ["dual-sgm", "batch-weights", "multilevel"] {
        refused(&["--solver", solver, "--rho", "0.1"], &["--rho", "safe KL", "--solver joint"]);
    }
    refused(&["--solver", "joint", "--divergence", "chi2", "--rho", "0.1"], &["--rho", "--divergence kl"]);
    refused(&["--solver", "joint", "--divergence", "none"], &["joint", "none", "finite conjugate"]);
    refused(&["--solver", "sum-of-exponentials"], &["sum-of-exponentials", "--lambda"]);
    let sums = ["--solver", "sum-of-exponentials", "--divergence", "chi2", "--lambda", "1"];
    refused(&sums, &["sum-of-exponentials", "--divergence kl"]);
    for (option, bad) in [
        ("--batch", "0"),
        ("--batch", "-1"),
        ("--epochs", "0"),
        ("--step", "0"),
        ("--step", "nan"),
        ("--step", "inf"),
        ("--rho", "0"),
        ("--rho", "1"),
        ("--rho", "nan"),
        ("--momentum", "-0.1"),
        ("--momentum", "1"),
        ("--momentum", "nan"),
        ("--alpha", "inf"),
        ("--seed", "-1"),
        ("--seed", "1.5"),
    ] {
        refused(&["--solver", "joint", option, bad], &[option]);
    }
}

#[test]
fn solvers_are_listed() {
    let place = Place::new();
    let run = place.run(&["list", "solvers"]);
    for name in ["auto", "exact", "passes"].into_iter().chain(Method::ALL.map(Method::name)) {
        assert_eq!(run.out.lines().filter(|line| line.split_whitespace().next() == Some(name)).count(), 1);
    }
}

/// Ctrl-C ends passes, folds and paths; what there is by then is written.
#[cfg(unix)]
#[test]
fn ctrl_c_leaves_what_there_is() {
    let place = Place::new();
    place.file("t.csv", houses(60_000));
    let args = ["robust", "t.csv", "--target", "price", "--without", "region", "--json", "--no-pictures"];
    for more in [
        &["--lambda", "100", "--solver", "joint", "--epochs", "100000000", "--step", "1e-9"][..],
        &["--path", "1000", "--tolerance", "1e-12"],
        &["--cross-validate", "500", "--shift", "none", "--tolerance", "1e-12"],
    ] {
        let out = more[0].trim_start_matches('-');
        let child = place.command(&[&args[..], more, &["--out", out]].concat()).spawn().unwrap();
        // Made when all is read, just before the first fit.
        while !place.exists(out) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(1000));
        let pid = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{more:?}: {text}");
        let found: Value = serde_json::from_str(&text).unwrap();
        let path = found["path"].as_array().cloned().unwrap_or_default();
        assert!(path.len() < 1000, "{more:?}");
        let last = path.last().unwrap_or(&found);
        assert_eq!(last["status"], "interrupted", "{more:?}");
        assert_eq!(
            place.run(&["robust", "predict", &format!("{out}/model.json"), "t.csv", "--out", "p.csv"]).code,
            0
        );
    }
}

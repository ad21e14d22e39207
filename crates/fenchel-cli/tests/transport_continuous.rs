//! `fenchel transport` between two measures that points are drawn from.

mod common;

use common::{Place, Run};
use serde_json::Value;

fn transport(place: &Place, arguments: &str) -> Run {
    let words = std::iter::once("transport").chain(arguments.split_whitespace());
    place.run(&words.collect::<Vec<_>>())
}

/// Numbers from before in a file, enough that they are not few.
fn measures() -> Place {
    let place = Place::new();
    let row = |i: usize, shift: f64| {
        let part = |a: f64| (i as f64 * a).fract();
        format!("{},{},{}\n", part(0.754_877_666) + shift, part(0.569_840_291), 1 + i % 3)
    };
    place.file("before.csv", format!("x,y,size\n{}", (1..700).map(|i| row(i, 0.0)).collect::<String>()));
    place.file("after.csv", format!("x,y,size\n{}", (1..900).map(|i| row(i, 2.0)).collect::<String>()));
    place
}

#[test]
fn two_names() {
    let place = measures();
    let run = transport(&place, "--source gaussian:1 --target uniform:1 --lambda 0.5");
    assert_eq!(run.code, 0, "{run:?}");
    for words in ["gaussian:1 to uniform:1, both drawn from", "converged", "95% interval", "c-transforms"] {
        assert!(run.out.contains(words), "{words}: {}", run.out);
    }
    let result: Value = serde_json::from_str(&place.read("fenchel-out/result.json")).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let [lower, upper] = ["lower", "upper"].map(|end| number(&result["interval"][end]));
    assert!(lower <= number(&result["value"]) && number(&result["value"]) <= upper);
    assert_eq!(result["status"], "converged");
    let files = place.list("fenchel-out");
    for name in ["coupling.json", "coupling.png", "coupling.svg", "potentials.csv", "result.json"] {
        assert!(files.contains(&name.to_owned()), "{files:?}");
    }
    // A solve of the other kind leaves nothing that could be taken for its own.
    assert_eq!(transport(&place, "--target after.csv --weights size --tolerance 0.05").code, 0);
    let there = |name: &str| place.exists(&format!("fenchel-out/{name}"));
    assert!(!there("coupling.svg") && !there("coupling.json") && there("plan.json"));
}

#[test]
fn two_files_and_a_kernel() {
    let place = measures();
    let files = "--source before.csv --source-weights size --target after.csv --weights size --lambda 0.2";
    let run = transport(&place, &format!("{files} --potential kernel --kernel matern:2.5 --json --out k"));
    assert_eq!(run.code, 0, "{run:?}");
    let result = run.json();
    assert_eq!(result["solver"], "kernel matern:2.5");
    assert_eq!((&result["source_file"]["rows"], &result["target_file"]["rows"]), (&699.into(), &899.into()));
    assert!(result["bandwidth"].as_f64().unwrap() > 0.0);
    // Everything moves by 2: the cost without regularisation is about 4.
    assert!((result["bounds"]["upper"].as_f64().unwrap() - 4.0).abs() < 0.3, "{result}");
    // Both densities are shaded, and draws are of the target.
    let picture = place.read("k/coupling.svg");
    assert!(
        picture.matches("<image").count() == 2 && picture.matches("<circle").count() > 400,
        "{}",
        picture.len()
    );
    let potentials = place.read("k/potentials.csv");
    assert!(potentials.starts_with("side,x,y,potential\nsource,"), "{}", &potentials[..60]);
    assert!(potentials.contains("\ntarget,"));
    assert!(place.exists("k/coupling.png"));
    // The same bits again, whatever the threads; standardized, another problem.
    let again = transport(
        &place,
        &format!("{files} --potential kernel --kernel matern:2.5 --json --out k --threads 1 --no-pictures"),
    );
    assert_eq!(again.json()["value"], result["value"]);
    assert!(!place.exists("k/coupling.png"), "an old picture would be taken for one of this result");
    let map = transport(&place, &format!("{files} --potential samples --standardize --json --no-pictures"));
    assert_eq!(map.json()["standardized"]["columns"], serde_json::json!(["x", "y"]));
}

#[test]
fn files_that_are_read_where_they_are() {
    let place = Place::new();
    let row =
        |i: usize| format!("{},{}\n", (i as f64 * 0.754_877_666).fract(), (i as f64 * 0.569_840_291).fract());
    place.file("large.csv", format!("x,y\n{}", (1..150_000).map(row).collect::<String>()));
    let run = transport(
        &place,
        "--source gaussian:2 --target large.csv --potential samples --memory 16MiB --lambda rel:0.2 --tolerance 0.1 --no-pictures --json",
    );
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.json()["target_file"], serde_json::json!({"rows": 149_999, "streamed": true}));
}

#[test]
fn stochastic_gradients() {
    let place = Place::new();
    let problem =
        "--source gaussian:1 --target uniform:1 --lambda 0.05 --potential kernel --no-pictures --json";
    let run = transport(&place, &format!("{problem} --objective safe:0.1 --steps 3000 --rank 64"));
    assert!(run.code <= 1, "{run:?}");
    assert!(run.json()["step"].as_f64().unwrap() > 0.0);
    let run = transport(&place, &format!("{problem} --objective dual --steps 3000 --step 100"));
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(run.json()["status"], "diverged");
}

/// Interrupted by the clock, and taken up again: the same result.
#[test]
fn goes_on() {
    let place = Place::new();
    let problem = "--source gaussian:2 --target uniform:2 --lambda 0.05 --potential kernel --objective safe:0.1 --steps 20000 --rank 64 --no-pictures --json";
    let whole = transport(&place, problem).json();
    let part = transport(&place, &format!("{problem} --checkpoint run.ckpt --max-time 0.3"));
    assert_eq!(part.json()["status"], "max_time", "{part:?}");
    let resumed = transport(&place, "--resume run.ckpt --max-time 300 --json").json();
    for key in ["value", "interval", "step", "bandwidth", "samples", "status"] {
        assert_eq!(whole[key], resumed[key], "{key}");
    }
    let other = transport(&place, "--resume run.ckpt --seed 3 --max-time 300");
    assert_eq!(other.code, 2);
    assert!(other.err.contains("the seed was 0, now 3"), "{}", other.err);
    // A state of the other kind of problem.
    place.file("shops.csv", "x,y\n0,1\n2,3\n1,1\n");
    assert!(transport(&place, "--target shops.csv --checkpoint other.ckpt").code <= 1);
    let mixed = transport(&place, "--resume other.ckpt --target uniform:2");
    assert_eq!(mixed.code, 2, "{mixed:?}");
    assert!(mixed.err.contains("other.ckpt"), "{}", mixed.err);
}

/// Files, numbers and rows; killed by the clock and taken up again, the bits of a run in one go, on however many threads.
#[cfg(feature = "networks")]
#[test]
fn networks() {
    let place = Place::new();
    let problem = "--source gaussian:2 --target uniform:2 --potential network --hidden 32 --batch 64 --steps 1500 \
                   --no-pictures";
    let run = transport(&place, &format!("{problem} --out whole"));
    assert!(run.code <= 1, "{run:?}");
    for words in ["networks, by stochastic gradients on safe:0.03", "layers of 32", "bias of ρ", "v.network"]
    {
        assert!(run.out.contains(words), "{words}: {}", run.out);
    }
    let result: Value = serde_json::from_str(&place.read("whole/result.json")).unwrap();
    assert_eq!(result["training"]["steps"], 1500);
    assert!(result["solver"].as_str().unwrap().starts_with("network safe:0.03"), "{}", result["solver"]);
    let number = |value: &Value| value.as_f64().unwrap();
    // Entropic transport of the engine's own method, within both intervals.
    let own =
        transport(&place, "--source gaussian:2 --target uniform:2 --json --no-pictures --out own").json();
    let ends = |r: &Value| [number(&r["interval"]["lower"]), number(&r["interval"]["upper"])];
    let ([a, b], [c, d]) = (ends(&result), ends(&own));
    assert!(a <= d && c <= b, "[{a}, {b}], [{c}, {d}]");
    let bias = &result["training"]["bias"];
    assert!(number(&bias["upper"]) > 0.0 && number(&bias["lower_value"]) <= d, "{bias}");
    let part =
        transport(&place, &format!("{problem} --out part --checkpoint run.ckpt --max-time 0.2 --json"));
    assert_eq!(part.json()["status"], "max_time", "{part:?}");
    assert!(transport(&place, "--resume run.ckpt --max-time 300 --out part --threads 1").code <= 1);
    let bytes = |file: &str| std::fs::read(place.path().join(file)).unwrap();
    for file in ["u.network", "v.network", "potentials.csv"] {
        assert!(bytes(&format!("whole/{file}")) == bytes(&format!("part/{file}")), "{file}");
    }
    for (more, words) in [
        ("--resume run.ckpt --hidden 16", "of the same networks"),
        ("--resume run.ckpt --potential kernel", "run.ckpt"),
        ("--target uniform:2 --potential network --hidden 0", "--hidden"),
        ("--target uniform:2 --potential network --hidden 8 --rank 3", "--rank needs --potential kernel"),
        ("--target uniform:2 --potential kernel --hidden 8", "--hidden needs --potential network"),
        ("--target uniform:2 --potential network --objective safe-constant:0.1", "α is a network"),
        ("--target uniform:2 --potential network --objective safe:0.1 --divergence chi2", "kl"),
        ("--target uniform:2 --potential network --batch 0", "batch"),
        ("--target uniform:2 --potential network --step 0", "step"),
    ] {
        let run = transport(&place, more);
        assert_eq!(run.code, 2, "{more}: {run:?}");
        assert!(run.err.contains(words), "{more}: '{}' does not say '{words}'", run.err);
    }
    // A step that is too large for the dual is said to be.
    let lost = transport(
        &place,
        "--source gaussian:1 --target uniform:1 --lambda 0.02 --potential network --objective dual --step 1000 \
         --steps 300 --json --no-pictures --out lost",
    );
    let left = |out: &str| place.list(out).iter().filter(|name| name.ends_with(".network")).count();
    assert_eq!(left("part"), 2);
    assert!(transport(&place, "--target uniform:1 --no-pictures --out part").code <= 1);
    assert_eq!(left("part"), 0, "networks of an earlier run are gone");
    let training = &lost.json()["training"];
    assert_eq!(
        (&training["status"], &training["step_size"]),
        (&"diverged".into(), &1000.0.into()),
        "{lost:?}"
    );
}

#[test]
fn mistakes_are_named() {
    let place = measures();
    for (arguments, words) in [
        ("--target uniform:2 --steps 5", "--objective"),
        ("--target uniform:2 --kernel gaussian", "--potential kernel"),
        ("--target uniform:2 --solver asgd", "--solver asgd"),
        ("--target after.csv --kernel gaussian", "--potential kernel"),
        ("--potential kernel", "--target"),
        ("--target unifrom:2", "did you mean 'uniform'?"),
        ("--target uniform:2 --source gaussian:3", "they must agree"),
        ("--target uniform:2 --potential kernel --objective safe", "safe:ρ"),
        ("--target uniform:2 --potential kernel --objective safe:2", "between 0 and 1"),
        ("--target uniform:2 --potential kernel --kernel rbf", "unknown kernel 'rbf'"),
        ("--target uniform:2 --divergence none", "smooth"),
        ("--target uniform:2 --divergence chi2 --potential kernel --objective safe:0.1", "kl"),
        ("--target uniform:2 --weights a", "--weights"),
        ("--target uniform:2 --standardize", "--standardize"),
        ("--target uniform:2 --source-weights a", "--source-weights"),
        ("--target uniform:2 --target-sample 10", "--target-sample"),
        ("--target after.csv --weights sise --potential samples", "sise"),
        ("--target uniform:2 --potential kernel --rank 0", "rank"),
        ("--target uniform:2 --potential kernel --bandwidth -1", "bandwidth"),
        ("--target uniform:2 --tolerance 0", "tolerance"),
    ] {
        let run = transport(&place, arguments);
        assert_eq!(run.code, 2, "{arguments}: {run:?}");
        assert!(run.err.contains(words), "{arguments}: '{}' does not say '{words}'", run.err);
    }
}

//! `fenchel max`, `list`, `completions`, `man`, help.

mod common;

use common::{Place, npy};

#[test]
fn max_of_a_column() {
    let place = Place::new();
    place.file("t.csv", "id,loss,eta\nx,1,0\ny,2,1\nz,4,3\n");
    let run = place.run(&["max", "t.csv", "--column", "loss", "--json", "--weights-out", "p.csv"]);
    assert_eq!(run.code, 0, "{run:?}");
    let json = run.json();
    let value = ((1f64.exp() + 2f64.exp() + 4f64.exp()) / 3.0).ln();
    assert!((json["value"].as_f64().unwrap() - value).abs() < 1e-14);
    assert_eq!(json["threshold"], json["value"], "for kl they are the same number");
    let p: Vec<f64> = [1f64, 2.0, 4.0].iter().map(|u| (u - value).exp() / 3.0).collect();
    let effective = 1.0 / p.iter().map(|p| p * p).sum::<f64>();
    assert!((json["effective_number"].as_f64().unwrap() - effective).abs() < 1e-12);
    assert_eq!(json["largest"][0]["index"], 2);
    let csv = place.read("p.csv");
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!((rows[0], rows.len()), ("index,loss,weight", 4));
    for (row, (u, p)) in rows[1..].iter().zip([1.0, 2.0, 4.0].iter().zip(&p)) {
        let fields: Vec<f64> = row.split(',').map(|f| f.parse().unwrap()).collect();
        assert!(fields[1] == *u && (fields[2] - p).abs() < 1e-15, "{row}");
    }
}

#[test]
fn max_with_reference_temperature_and_divergence() {
    let place = Place::new();
    place.file("t.csv", "loss,eta\n1,0\n2,0.25\n4,0.75\n");
    let args = ["max", "t.csv", "--column", "1", "--reference", "eta", "--lambda", "0.5", "--json"];
    let json = place.run(&args).json();
    let value = 0.5 * (0.25 * 4f64.exp() + 0.75 * 8f64.exp()).ln();
    assert!((json["value"].as_f64().unwrap() - value).abs() < 1e-14);
    assert_eq!(json["maximum"], 4.0);
    assert_eq!(json["mean"], 3.5);

    // The worst quarter of 1..8 is 7 and 8.
    place.file("u.npy", npy(&[8], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]));
    let json = place.run(&["max", "u.npy", "--divergence", "cvar:0.25", "--json"]).json();
    assert!((json["value"].as_f64().unwrap() - 7.5).abs() < 1e-12);
    for entry in fenchel::divergence::registry() {
        for name in entry.examples {
            let run = place.run(&["max", "u.npy", "--divergence", name]);
            assert_eq!(run.code, 0, "{name}: {run:?}");
            let full = fenchel::divergence::parse(name).unwrap().name();
            assert!(run.out.contains("effective number") && run.out.contains(&full), "{}", run.out);
        }
    }
}

#[test]
fn max_of_one_number_and_of_extreme_numbers() {
    let place = Place::new();
    for (text, largest) in [("5\n", 5.0), ("1e300\n-1e300\n", 1e300), ("1e-300\n0\n", 1e-300)] {
        place.file("t.csv", text);
        let run = place.run(&["max", "t.csv", "--json"]);
        assert_eq!(run.code, 0, "{text}: {run:?}");
        let value = run.json()["value"].as_f64().unwrap();
        assert!(value <= largest && value.is_finite(), "{text}: {value}");
    }
}

#[test]
fn list_shows_every_name_once() {
    let place = Place::new();
    let run = place.run(&["list"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let names = fenchel::divergence::registry().iter().map(|e| e.name);
    let names = names.chain(fenchel::cost::registry().iter().map(|e| e.name));
    let names = names.chain(fenchel::robust::loss::registry().iter().map(|e| e.name));
    for name in names.chain(fenchel::measure::registry().iter().map(|e| e.name)) {
        let starts = |line: &&str| {
            line.trim_start().split([':', '[', ' ']).next() == Some(name) && line.starts_with(' ')
        };
        assert_eq!(run.out.lines().filter(starts).count(), 1, "{name}: {}", run.out);
    }
    let costs = place.run(&["list", "costs"]);
    assert!(costs.out.contains("linf") && !costs.out.contains("chi2"));
    assert!(run.out.lines().all(|l| l.chars().count() <= 110), "one line each");
}

#[test]
fn completions_and_manual_pages() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = place.run(&["completions", shell]);
        assert_eq!(run.code, 0);
        assert!(run.out.contains("fenchel") && run.out.contains("divergence"), "{shell}");
    }
    assert!(place.run(&["man"]).out.contains(".TH fenchel 1"));
    let page = place.run(&["man", "transport"]).out;
    assert!(page.contains(".TH fenchel-transport 1") && page.contains("certificate"), "{page}");
}

#[test]
fn help_teaches() {
    let place = Place::new();
    for (args, words) in [
        (vec!["--help"], ["transport", "Exit codes"]),
        (vec!["transport", "--help"], ["Examples:", "potentials.csv"]),
        (vec!["transport", "-h"], ["--lambda", "--help"]),
        (vec!["max", "--help"], ["Examples:", "threshold"]),
        (vec!["robust", "--help"], ["Examples:", "weights.csv"]),
        (vec!["robust", "predict", "--help"], ["Examples:", "probabilities"]),
        (vec!["robust", "evaluate", "-h"], ["Examples:", "--by"]),
        (vec!["--version"], ["fenchel", env!("CARGO_PKG_VERSION")]),
    ] {
        let run = place.run(&args);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{args:?}");
        for word in words {
            assert!(run.out.contains(word), "{args:?}: no '{word}' in: {}", run.out);
        }
    }
}

/// A reader that goes away early is no error and no panic.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_panic() {
    let place = Place::new();
    let mut child = place.command(&["list"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
    assert_ne!(output.status.code(), Some(101));
}

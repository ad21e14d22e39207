//! Arbitrary files and options: no panic, no hang, and an exit code that means something.

mod common;

use common::Place;
use proptest::prelude::*;

/// Bytes that look like a table often enough to get past the first check.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        4 => any::<f64>().prop_map(|v| v.to_string()),
        4 => (-1e3..1e3f64).prop_map(|v| format!("{v:.3}")),
        1 => "[ -~]{0,6}",
        1 => Just(String::new()),
    ];
    let row = prop::collection::vec(field, 1..4).prop_map(|f| f.join(","));
    let table = prop::collection::vec(row, 0..5).prop_map(|r| r.join("\n").into_bytes());
    let square = (1..4usize).prop_flat_map(|columns| {
        let row = prop::collection::vec(-1e3..1e3f64, columns);
        prop::collection::vec(row, 1..5).prop_map(|rows| {
            let line = |r: &Vec<f64>| r.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
            rows.iter().map(line).collect::<Vec<_>>().join("\n").into_bytes()
        })
    });
    let npy = (prop::collection::vec(any::<u8>(), 0..64), "[ -~]{0,80}").prop_map(|(data, header)| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), table, square, npy]
}

/// A number as somebody may type it.
fn typed() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>().prop_map(|v| v.to_string()),
        any::<f64>().prop_map(|v| format!("{v:e}")),
        (1e-6..1e3f64).prop_map(|v| v.to_string()),
        "[ -~]{0,8}",
    ]
}

/// Bad input is refused with a message; anything else leaves a result.
fn check(place: &Place, args: &[&str]) {
    let run = place.run(args);
    match run.code {
        0 | 1 => {
            let json = run.json();
            let found = ["value", "objective"].iter().any(|key| json[key].is_number());
            assert!(found || run.code == 1, "{args:?}: {json}");
        }
        2 => {
            let text = &run.err;
            assert!(text.starts_with("error: ") && text.lines().count() <= 2, "{args:?}: {text}");
            assert!(run.out.is_empty());
        }
        other => panic!("{args:?} ended with {other}: {run:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 30, ..ProptestConfig::default() })]

    #[test]
    fn any_file_as_column(bytes in content(), divergence in 0..10usize, lambda in typed()) {
        let place = Place::new();
        place.file("t.csv", &bytes);
        let name = fenchel::divergence::registry()[divergence % fenchel::divergence::registry().len()].examples[0];
        check(&place, &["max", "t.csv", "--json"]);
        let lambda = format!("--lambda={lambda}");
        check(&place, &["max", "t.csv", "--json", "--column", "1", "--divergence", name, &lambda]);
    }

    #[test]
    fn any_file_as_option(target in content(), source in content()) {
        let place = Place::new();
        place.file("t.csv", &target);
        place.file("s.csv", &source);
        let common = ["transport", "--json", "--max-time", "2", "--tolerance", "0.1", "--no-pictures", "--target", "t.csv"];
        check(&place, &[&common[..], &["--weights", "1"]].concat());
        check(&place, &[&common[..], &["--source", "s.csv", "--standardize"]].concat());
    }

    #[test]
    fn any_file_to_learn_from(bytes in content(), which in 0..6usize) {
        let place = Place::new();
        place.file("t.csv", &bytes);
        let common = ["robust", "t.csv", "--json", "--max-time", "1", "--no-pictures", "--target", "1"];
        let loss = ["squared", "absolute", "logistic", "multinomial", "poisson", "hinge"][which];
        check(&place, &[&common[..], &["--loss", loss, "--missing", "drop"]].concat());
        check(&place, &[&common[..], &["--one-hot", "2", "--missing", "mean", "--divergence", "cvar:0.5"]].concat());
    }

    #[test]
    fn any_number_as_option(
        lambda in typed(), tolerance in typed(), time in typed(), rho in typed(), which in 0..6usize,
    ) {
        let place = Place::new();
        place.file("t.csv", "0\n1\n4\n");
        let option = match which {
            0 => format!("--lambda={lambda}"),
            1 => format!("--lambda=rel:{lambda}"),
            2 => format!("--tolerance={tolerance}"),
            3 => format!("--divergence=safe-kl:{rho}"),
            4 => format!("--divergence=tsallis:{rho}"),
            _ => format!("--cost=lp:{rho}"),
        };
        // A time that is refused, or short; never the long one of the default.
        let time = match time.parse::<f64>() {
            Ok(t) if t > 1.0 => "1".to_owned(),
            _ => time,
        };
        let time = format!("--max-time={time}");
        let common = ["transport", "--target", "t.csv", "--json", "--no-pictures"];
        check(&place, &[&common[..], &[&option, "--max-time=1"]].concat());
        check(&place, &[&common[..], &[&time]].concat());
    }
}

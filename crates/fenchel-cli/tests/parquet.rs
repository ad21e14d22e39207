//! Parquet files on the command line, with the feature `parquet`.

mod common;

use common::Place;
use std::path::Path;

/// A file that pyarrow has written, and the same numbers as text.
fn place() -> Place {
    let place = Place::new();
    for name in ["pyarrow.parquet", "pyarrow.csv"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fenchel/tests/data").join(name);
        place.file(name, std::fs::read(path).unwrap());
    }
    place
}

#[test]
fn the_result_is_that_of_the_same_numbers_as_text() {
    let place = place();
    let options = ["--columns", "f64,place.lat", "--weights", "u8", "--tolerance", "0.05", "--no-pictures"];
    for more in [&[][..], &["--target-sample", "11"], &["--source", "SOURCE", "--source-weights", "u16"]] {
        let [text, parquet] = ["pyarrow.csv", "pyarrow.parquet"].map(|name| {
            let more: Vec<&str> =
                more.iter().map(|word| if *word == "SOURCE" { name } else { *word }).collect();
            let args =
                [&["transport", "--quiet", "--target", name, "--out", "out"], &options[..], &more].concat();
            let run = place.run(&args);
            (
                run.code,
                run.err.replace(name, "FILE"),
                (run.code < 2).then(|| place.read("out/potentials.csv")),
            )
        });
        assert!(text.0 < 2 && text == parquet, "{text:?}\n{parquet:?}");
    }
}

#[test]
fn what_holds_no_numbers_is_refused() {
    let place = place();
    let target = ["transport", "--target", "pyarrow.parquet"];
    place.refused(&target, &["pyarrow.parquet", "column 14", "'word' holds text; numbers are wanted"]);
    place.refused(&[&target[..], &["--columns", "f64,holes"]].concat(), &["row 18, column 20", "is null"]);
    place.refused(&[&target[..], &["--columns", "f46"]].concat(), &["f64"]);
}

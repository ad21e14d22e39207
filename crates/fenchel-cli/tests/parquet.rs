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

/// Values that claim to be numbers of a dictionary which is not there, over which the library that reads them panics.
#[test]
fn what_makes_no_sense_is_told_of_in_a_line() {
    let place = place();
    let sound = std::fs::read(place.path().join("pyarrow.parquet")).unwrap();
    let mut told = 0;
    for at in 0..sound.len() - 3 {
        // Where the header of a page may say that its values are plain.
        if sound[at..at + 3] == [0x15, 0x00, 0x15] {
            let mut damaged = sound.clone();
            damaged[at + 1] = 0x10;
            place.file("damaged.parquet", damaged);
            let options = ["--columns", "f64,place.lat", "--max-time", "0.1", "--no-pictures"];
            let run =
                place.run(&[&["transport", "--quiet", "--target", "damaged.parquet"], &options[..]].concat());
            if run.code == 2 {
                assert_eq!(run.err.lines().count(), 1, "{}", run.err);
                told += usize::from(run.err.contains("its bytes make no sense"));
            }
        }
    }
    assert!(told > 0);
}

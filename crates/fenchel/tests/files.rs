//! Reading and writing files: every format accepted, every mistake named, nothing panics.

use fenchel::Error;
use fenchel::measure::Source;
use fenchel::measure::file::{Table, write_atomically};
use proptest::prelude::*;

fn parse(text: &str) -> Table {
    Table::parse("t.csv", text.as_bytes()).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

/// The message, line and column of the error that `bytes` must cause.
fn error(bytes: &[u8]) -> (String, Option<u64>, Option<u64>) {
    match Table::parse("t.csv", bytes) {
        Err(Error::File { message, line, column, path }) => {
            assert_eq!(path.to_str(), Some("t.csv"));
            (message, line, column)
        }
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(bytes)),
    }
}

fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn npy_header(dtype: &str, fortran: bool, shape: &str) -> String {
    let fortran = if fortran { "True" } else { "False" };
    format!("{{'descr': '{dtype}', 'fortran_order': {fortran}, 'shape': {shape}, }}          \n")
}

#[test]
fn text_in_every_dress() {
    let expected = [1.0, 2.5, -3e-4, 4.0];
    for text in [
        "1,2.5\n-3e-4,4\n",
        "1,2.5\n-3e-4,4",
        "1,2.5\r\n-3e-4,4\r\n",
        "\u{feff}1,2.5\n-3e-4,4\n",
        "1;2.5\n-3e-4;4\n\n\n",
        "1\t2.5\n-3e-4\t4\n",
        "1 2.5\n-3e-4 4\n",
        "  1   2.5  \n\t-3e-4 \t 4\r\n  \n",
        " 1 , 2.5 \n -3e-4,\t4\n",
        "\"1\",\"2.5\"\n\"-3e-4\",+4\n",
        "\"1\" \"2.5\"\n-3e-4 4\n",
        "# x y\n1 2.5\n-3e-4 4\n",
        "\n\n# made by hand\n1,2.5\n\n# half way\n-3e-4,4\n   \n",
    ] {
        let table = parse(text);
        assert_eq!((table.width(), table.values()), (2, &expected[..]), "{text:?}");
        assert_eq!(table.columns(), None);
    }
}

#[test]
fn a_line_of_names() {
    for text in [
        "x,y\n1,2\n",
        "\u{feff}\"x\",y\r\n1,2\r\n",
        "x;y\n1;2",
        "x\ty\n1\t2\n",
        "x  y\n1 2\n",
        "\n# c\n x , y \n\n1,2\n",
    ] {
        let table = parse(text);
        assert_eq!(table.columns().unwrap(), ["x", "y"], "{text:?}");
        assert_eq!(table.values(), [1.0, 2.0]);
    }
    assert_eq!(parse("my score\n1\n2\n").columns().unwrap(), ["my score"]);
    assert_eq!(parse("\"a,b\";c\n1;2\n").columns().unwrap(), ["a,b", "c"]);
    assert_eq!(parse("3\n").values(), [3.0]);
    // A data file's decimals decide, not the names' punctuation.
    assert_eq!(parse("width (m, mean)\theight\n1\t2\n").width(), 2);
}

#[test]
fn mistakes_in_text_are_named_with_their_place() {
    type Case = (&'static [u8], &'static str, Option<u64>, Option<u64>);
    let cases: [Case; 24] = [
        (b"", "is empty", None, None),
        (b"\n\n  \n", "is empty", None, None),
        (b"\xef\xbb\xbf", "is empty", None, None),
        (b"# only a remark\n", "is empty", None, None),
        (b"x,y\n", "no row of numbers", None, None),
        (b"1,2\n3\n", "has 1 fields; 2 are wanted, as in the first row", Some(2), None),
        (b"x,y\n1,2\n\n3,4,5\n", "has 3 fields; 2 are wanted, as in the names", Some(4), None),
        (b"1 2\n3 4 5\n", "has 3 fields", Some(2), None),
        (b"1,2\n3,abc\n", "'abc' is not a number", Some(2), Some(2)),
        (b"# r\n\n1,2\n\n3,abc\n", "'abc' is not a number", Some(5), Some(2)),
        (b"x y\n1 2\n\n3 abc\n", "'abc' is not a number", Some(4), Some(2)),
        (b"1,abc\n2,3\n", "a line of names must hold no number", Some(1), Some(2)),
        (b"x,y\nNaN,1\n", "'NaN' is not finite", Some(2), Some(1)),
        (b"1,-inf\n", "'-inf' is not finite", Some(1), Some(2)),
        (b"1,2\n1e999,1\n", "'1e999' is not finite", Some(2), Some(1)),
        (b"1,\n2,3\n", "does the line end in a delimiter", Some(1), Some(2)),
        (b"1,2\n,3\n", "is empty; a number is wanted", Some(2), Some(1)),
        (b"1;2\n1,5;2\n", "with a point before decimals", Some(2), Some(1)),
        (b"x,y\n\"1,2\n3,4\n", "has 1 fields", Some(2), None),
        (b"1,2\n\x00,4\n", "zero byte", Some(2), None),
        (b"x\n\xff\xfe\n", "is not a number", Some(2), Some(1)),
        (b"\xff\xfe1\x00", "UTF-16", None, None),
        (b"PK\x03\x04zip", "ZIP", None, None),
        (b"\x1f\x8bgz", "gzip", None, None),
    ];
    for (bytes, says, line, column) in cases {
        let (message, found_line, found_column) = error(bytes);
        let text = String::from_utf8_lossy(bytes);
        assert!(message.contains(says), "{text:?}: {message}");
        assert_eq!((found_line, found_column), (line, column), "{text:?}: {message}");
    }
    let long = format!("x\n{}\n", "a".repeat(100_000));
    assert!(error(long.as_bytes()).0.len() < 200);
}

#[test]
fn columns_by_name_and_number() {
    let table = parse("lat,lon,mass,age\n1,2,3,4\n5,6,7,8\n");
    assert_eq!(table.column("lon").unwrap(), [2.0, 6.0]);
    assert_eq!(table.column("1").unwrap(), [1.0, 5.0]);
    assert_eq!(table.column(" 4 ").unwrap(), [4.0, 8.0]);
    assert_eq!(table.select(&["mass", "lat"]).unwrap().values(), [3.0, 1.0, 7.0, 5.0]);
    assert_eq!(table.without(&["lat", "3"]).unwrap().columns().unwrap(), ["lon", "age"]);
    for (column, says) in
        [("mas", "did you mean 'mass'?"), ("9", "no column 9"), ("0", "no column 0"), ("", "unknown")]
    {
        let message = table.column(column).unwrap_err().to_string();
        assert!(message.starts_with("t.csv: ") && message.contains(says), "{message}");
    }
    let message = parse("1,2\n").column("mass").unwrap_err().to_string();
    assert!(message.contains("no line of names"), "{message}");
    assert!(table.without(&["1", "lon", "mass", "4"]).is_err());
    assert!(table.select(&[]).is_err());
}

#[test]
fn columns_not_asked_for_may_hold_anything() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scores.csv");
    std::fs::write(&path, "who,score,note\nann,1.5,\nbob,2,\"said \"\"hi\"\", left\"\n").unwrap();
    let table = Table::read_columns(&path, &["score"]).unwrap();
    assert_eq!((table.values(), table.columns().unwrap()), (&[1.5, 2.0][..], &["score".to_owned()][..]));
    assert!(Table::read(&path).unwrap_err().to_string().contains("line 2, column 1: 'ann' is not a number"));
    assert!(
        Table::read_columns(&path, &["scroe"]).unwrap_err().to_string().contains("did you mean 'score'?")
    );
}

#[test]
fn weights_and_reference_are_split_off() {
    let split = parse("x,w,y,eta\n1,2,3,4\n5,0,7,8\n").split(Some("w"), Some("4")).unwrap();
    assert_eq!(split.points.values(), [1.0, 3.0, 5.0, 7.0]);
    assert_eq!((split.weights.unwrap(), split.reference.unwrap()), (vec![2.0, 0.0], vec![4.0, 8.0]));
    let same = parse("x,w\n1,2\n").split(Some("w"), Some("w")).unwrap();
    assert_eq!(same.points.width(), 1);
    for (text, says) in [
        ("x,w\n1,2\n\n3,-4\n", "t.csv, line 4, column 2: the weight -4 is negative"),
        ("x,w\n1,0\n3,0\n", "every weight is zero"),
        ("x,w\n1,1e308\n3,1e308\n", "overflows"),
        ("w\n1\n", "no column is left"),
    ] {
        let message = parse(text).split(Some("w"), None).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
    let cloud = parse("x,w\n1,1\n5,3\n").split(Some("w"), None).unwrap();
    let cloud = cloud.points.into_cloud(cloud.weights).unwrap();
    assert_eq!((cloud.name(), cloud.moments().unwrap().0), ("t.csv".to_owned(), vec![4.0]));
}

#[test]
fn standardised_columns() {
    for scale in [1e-300, 1.0, 1e300] {
        let text = format!("1,7,{}\n2,7,{}\n6,7,{}\n", scale, -scale, 1.5 * scale);
        let table = parse(&text).standardised();
        for k in 0..3 {
            let column = table.column(&(k + 1).to_string()).unwrap();
            let mean = column.iter().sum::<f64>() / 3.0;
            let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3.0;
            assert!(
                mean.abs() < 1e-15 && (variance - if k == 1 { 0.0 } else { 1.0 }).abs() < 1e-14,
                "{column:?}"
            );
        }
    }
}

#[test]
fn npy_of_every_type_and_order() {
    macro_rules! case {
        ($($name:literal $t:ty),*) => {$(
            for (mark, little) in [("<", true), (">", false)] {
                let numbers: [$t; 6] = [1 as $t, 2 as $t, 3 as $t, 4 as $t, 5 as $t, 100 as $t];
                let data: Vec<u8> =
                    numbers.iter().flat_map(|x| if little { x.to_le_bytes() } else { x.to_be_bytes() }).collect();
                for version in [1, 2, 3] {
                    let read = |fortran, shape: &str| {
                        let bytes = npy(version, &npy_header(&format!("{mark}{}", $name), fortran, shape), &data);
                        Table::parse("a.npy", &bytes).unwrap()
                    };
                    assert_eq!(read(false, "(3, 2)").values(), [1.0, 2.0, 3.0, 4.0, 5.0, 100.0]);
                    assert_eq!(read(true, "(3, 2)").values(), [1.0, 4.0, 2.0, 5.0, 3.0, 100.0]);
                    assert_eq!(read(true, "(6,)").width(), 1);
                    assert_eq!(read(false, "(1, 6)").len(), 1);
                }
            }
        )*};
    }
    case!("f8" f64, "f4" f32, "i8" i64, "i4" i32, "i2" i16, "u8" u64, "u4" u32, "u2" u16, "i1" i8, "u1" u8);
    let flags = npy(1, &npy_header("|b1", false, "(3,)"), &[0, 1, 2]);
    assert_eq!(Table::parse("b.npy", &flags).unwrap().values(), [0.0, 1.0, 1.0]);
}

#[test]
fn mistakes_in_npy_are_named() {
    let numbers: Vec<u8> = [1.0f64, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let nan: Vec<u8> = [1.0f64, f64::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
    let sound = npy_header("<f8", false, "(2,)");
    for (bytes, says) in [
        (
            npy(1, &npy_header("<f8", false, "(3,)"), &numbers),
            "is cut off: 3 × 1 numbers of type '<f8' are 24 bytes",
        ),
        (npy(1, &npy_header("<f8", false, "(1,)"), &numbers), "is too long"),
        (npy(1, &npy_header("<f8", false, "(1, 2, 1)"), &numbers), "an array of 3 dimensions"),
        (npy(1, &npy_header("<f8", false, "()"), &numbers), "an array of 0 dimensions"),
        (npy(1, &npy_header("<f8", false, "(0, 2)"), &[]), "an empty array"),
        (npy(1, &npy_header("<c16", false, "(1,)"), &numbers), "type '<c16'"),
        (npy(1, &npy_header("<U2", false, "(2,)"), &numbers), "floats (f4, f8) or integers"),
        (npy(1, &npy_header("", false, "(2,)"), &numbers), "type ''"),
        (npy(1, "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,)}", &numbers), "type '[("),
        (npy(1, &npy_header("<f8", false, "(4294967296, 4294967296)"), &numbers), "more than memory"),
        (npy(1, &npy_header("<f8", false, "(99999999999999999999,)"), &numbers), "whole numbers"),
        (npy(1, &npy_header("<f8", false, "(-1,)"), &numbers), "whole numbers"),
        (npy(1, &sound, &nan), "row 2, column 1 (counted from 1) is NaN"),
        (npy(9, &sound, &numbers), "version 9"),
        (npy(1, "{'descr': '<f8'}", &numbers), "lacks"),
        (npy(1, "{'sort': '<f8'}", &numbers), "unknown key 'sort'"),
        (npy(1, "{'descr: 3", &numbers), "without an end"),
        (npy(1, "", &numbers), "where '{' belongs"),
        (npy(1, "{'descr': '<f8', 'fortran_order': 1, 'shape': (2,)}", &numbers), "neither True nor False"),
        (b"\x93NUMPY".to_vec(), "ends within its header"),
        (b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), "ends within its header"),
    ] {
        let (message, line, _) = error(&bytes);
        assert!(message.contains(says), "{message}");
        assert_eq!(line, None);
    }
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Table::read(dir.path().join("none.csv")).unwrap_err().to_string();
    assert!(missing.contains("none.csv: there is no such file"), "{missing}");
    let directory = Table::read(dir.path()).unwrap_err().to_string();
    assert!(directory.contains("is a directory; a file is wanted"), "{directory}");
    #[cfg(unix)]
    assert!(Table::read("/dev/zero").unwrap_err().to_string().contains("is a device"));
}

#[test]
fn several_files_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (a, b) = (file("a.csv", "x,y\n1,2\n"), file("b.csv", "3;4\n5;6\n"));
    let (c, d) = (file("c.csv", "1\n"), file("d.csv", "y,x\n1,2\n"));
    let all = Table::read_all(&[&a, &b]).unwrap();
    assert_eq!(all.values(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert!(Table::read_all(&[&a, &c]).unwrap_err().to_string().contains("has 1 columns"));
    assert!(Table::read_all(&[&a, &d]).unwrap_err().to_string().contains("named otherwise"));
    assert!(Table::read_all::<&str>(&[]).is_err());
}

#[test]
fn written_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.csv");
    let entries = || std::fs::read_dir(dir.path()).unwrap().count();
    write_atomically(&path, |out| out.write_all(b"first")).unwrap();
    write_atomically(&path, |out| out.write_all(b"second")).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    let failed = write_atomically(&path, |out| {
        out.write_all(b"third")?;
        Err(std::io::Error::other("the disk is full"))
    });
    assert!(failed.unwrap_err().to_string().contains("out.csv: cannot be written: the disk is full"));
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    assert_eq!(entries(), 1, "a temporary file was left behind");
    let nowhere = write_atomically(dir.path().join("no/such/place.csv"), |_| Ok(())).unwrap_err().to_string();
    assert!(nowhere.contains("no directory") && nowhere.contains("no/such"), "{nowhere}");
    assert!(write_atomically(dir.path(), |_| Ok(())).unwrap_err().to_string().contains("is a directory"));
    assert!(write_atomically("", |_| Ok(())).is_err());
    #[cfg(unix)]
    {
        let link = dir.path().join("link.csv");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_atomically(&link, |out| out.write_all(b"through the link")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&path).unwrap(), b"through the link");
        write_atomically("/dev/null", |out| out.write_all(b"gone")).unwrap();
    }
}

/// A table or an error that says something; never a panic, and a table is always sound.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    match Table::parse("fuzz", bytes) {
        Err(error) => prop_assert!(error.to_string().len() < 2000),
        Ok(table) => {
            prop_assert!(table.width() > 0 && !table.values().is_empty());
            prop_assert_eq!(table.values().len(), table.width() * table.len());
            prop_assert!(table.values().iter().all(|x| x.is_finite()));
            for column in ["1", "x", "7", ""] {
                let _ = table.weights(column);
            }
            prop_assert!(table.standardised().values().iter().all(|x| x.is_finite()));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        survives(&bytes)?;
    }

    #[test]
    fn almost_text(text in "(\u{feff})?([-+0-9.eEinfa,;\t \"'#\r\n]|NaN|1e99|x,y){0,120}") {
        survives(text.as_bytes())?;
    }

    #[test]
    fn almost_npy(
        header in "\\{?('descr'|'shape'|\"fortran_order\"|:|,|True|False|'[<>|=][fiuc][1248]'|\\(|\\)|\\[|\\]|[0-9]{1,20}|L| ){0,24}\\}?",
        data in prop::collection::vec(any::<u8>(), 0..64),
        version in 0u8..5,
    ) {
        survives(&npy(version, &header, &data))?;
    }

    #[test]
    fn damaged_npy(
        rows in 0u64..6, columns in 0u64..4, fortran: bool,
        at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>(),
    ) {
        let data: Vec<u8> = (0..rows * columns).flat_map(|x| (x as f32).to_le_bytes()).collect();
        let sound = npy(1, &npy_header("<f4", fortran, &format!("({rows}, {columns})")), &data);
        survives(&sound)?;
        survives(&sound[..cut.index(sound.len())])?;
        let mut damaged = sound.clone();
        damaged[at.index(sound.len())] = byte;
        survives(&damaged)?;
    }

    /// What is written comes back, bit for bit, whatever the delimiter.
    #[test]
    fn round_trip(
        rows in prop::collection::vec(prop::collection::vec(any::<f64>().prop_filter("finite", |x| x.is_finite()), 3), 1..20),
        delimiter in prop::sample::select(vec![",", ";", "\t", " ", " , "]),
        names: bool,
        end in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let mut text = if names { ["a", "b", "c"].join(delimiter) + end } else { String::new() };
        for row in &rows {
            text += &(row.iter().map(f64::to_string).collect::<Vec<_>>().join(delimiter) + end);
        }
        let table = Table::parse("t", text.as_bytes()).unwrap();
        prop_assert_eq!(table.columns().is_some(), names);
        let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(table.values()), bits(&rows.concat()));
    }
}

//! Frames: columns of numbers and text with missing cells, from every format; mistakes named with their place.

use fenchel::Error;
use fenchel::measure::file::{Cells, Frame, Table};
use proptest::prelude::*;

fn parse(text: &str) -> Frame {
    Frame::parse("t.csv", text.as_bytes()).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

/// The message, line and column of the error that `bytes` must cause.
fn error(bytes: &[u8]) -> (String, Option<u64>, Option<u64>) {
    match Frame::parse("t.csv", bytes) {
        Err(Error::File { message, line, column, path }) => {
            assert_eq!(path.to_str(), Some("t.csv"));
            (message, line, column)
        }
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(bytes)),
    }
}

fn names(frame: &Frame) -> Vec<&str> {
    frame.columns().iter().map(|column| column.name.as_str()).collect()
}

/// The numbers of a column; none where missing.
fn numbers(frame: &Frame, column: usize) -> Vec<Option<f64>> {
    match &frame.columns()[column].cells {
        Cells::Numbers(cells) => cells.iter().map(|x| (!x.is_nan()).then_some(*x)).collect(),
        other => panic!("column {column} is not of numbers: {other:?}"),
    }
}

/// The text of a column; none where missing.
fn words(frame: &Frame, column: usize) -> Vec<Option<&str>> {
    match &frame.columns()[column].cells {
        Cells::Text(cells) => cells.iter().map(Option::as_deref).collect(),
        other => panic!("column {column} is not of text: {other:?}"),
    }
}

fn npy(fortran: bool, shape: &str, numbers: &[f64]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '<f8', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

#[test]
fn text_in_every_dress() {
    for text in [
        "who,age,city\nann,31,Oslo\nbob,,Bergen\n",
        "\u{feff}who;age;city\r\nann;31;Oslo\r\nbob;NA;Bergen",
        "who\tage\tcity\nann\t31\tOslo\nbob\t\tBergen\n",
        "who age city\nann 31 Oslo\nbob ? Bergen\n",
        "# made by hand\n\n who , age , city \n\nann, 31 ,Oslo\n# half way\n bob ,\t, Bergen \n   \n",
        "\"who\",\"age\",\"city\"\n\"ann\",\"31\",\"Oslo\"\n\"bob\",\"\",\"Bergen\"\n",
        "\"who\" \"age\" \"city\"\n\"ann\" \"31\" Oslo\nbob \"\" Bergen\n",
    ] {
        let frame = parse(text);
        assert_eq!((frame.len(), names(&frame)), (2, vec!["who", "age", "city"]), "{text:?}");
        assert_eq!(words(&frame, 0), [Some("ann"), Some("bob")], "{text:?}");
        assert_eq!(numbers(&frame, 1), [Some(31.0), None], "{text:?}");
        assert_eq!(words(&frame, 2), [Some("Oslo"), Some("Bergen")], "{text:?}");
        assert!(!frame.is_empty() && frame.path().to_str() == Some("t.csv"));
    }
    let quoted = parse("a,b\n\"said \"\"hi\"\", left\",1\n\"two\nlines\",2\n");
    assert_eq!(words(&quoted, 0), [Some("said \"hi\", left"), Some("two\nlines")]);
}

#[test]
fn what_is_missing() {
    let marks = [
        "", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NAN", "+nan", "null", "NULL", "None", "NONE", "<NA>",
        "#N/A", "?",
    ];
    for mark in marks {
        for (open, close) in [("", ""), ("\"", "\""), (" ", " ")] {
            let cell = format!("{open}{mark}{close}");
            let frame = parse(&format!("x,word,none\n1,{cell},{cell}\n{cell},b,{cell}\n2,{cell},{cell}\n"));
            assert_eq!(numbers(&frame, 0), [Some(1.0), None, Some(2.0)], "{cell:?}");
            assert_eq!(words(&frame, 1), [None, Some("b"), None], "{cell:?}");
            assert_eq!(numbers(&frame, 2), [None; 3], "{cell:?}");
            assert_eq!(frame.texts(2), [const { None::<String> }; 3]);
        }
    }
    for word in ["none", "na", "Null", "-", ".", "NAs", "N / A", "nano"] {
        assert_eq!(words(&parse(&format!("a,b\n1,{word}\n")), 1), [Some(word)]);
    }
}

/// At the beginning of a line it is no comment, whatever is around it; comments stay comments.
#[test]
fn an_excel_error_opens_no_comment() {
    let frame = parse("a,b\n#N/A,1\n # no, comment\n#N/As are,left out\n  #N/A ,2\n3,#N/A\n");
    assert_eq!(words(&frame, 0), [None, Some("# no"), None, Some("3")]);
    assert_eq!(words(&frame, 1), [Some("1"), Some("comment"), Some("2"), None]);
    for text in ["#N/A 1\n2 3\n", "  #N/A   1\n#N/Aught\n2 3", "#N/A;1\r\n2;3\r\n"] {
        let frame = parse(text);
        assert_eq!(
            (numbers(&frame, 0), numbers(&frame, 1)),
            (vec![None, Some(2.0)], vec![Some(1.0), Some(3.0)])
        );
    }
}

#[test]
fn text_stays_as_it_is() {
    // Numbers, and nothing, come before the first word; and after it.
    let frame = parse("id,n\n007,007\nNA,\n1e3,1e3\ninf,2\nA1,+3\n-0.50,4.50\n\u{e9}t\u{e9},5\n");
    let id = [Some("007"), None, Some("1e3"), Some("inf"), Some("A1"), Some("-0.50"), Some("\u{e9}t\u{e9}")];
    assert_eq!(words(&frame, 0), id);
    assert_eq!(frame.texts(0), id.map(|cell| cell.map(str::to_owned)));
    let n = [Some(7.0), None, Some(1000.0), Some(2.0), Some(3.0), Some(4.5), Some(5.0)];
    assert_eq!(numbers(&frame, 1), n);
    let shown = ["7", "", "1000", "2", "3", "4.5", "5"].map(|s| (!s.is_empty()).then(|| s.to_owned()));
    assert_eq!(frame.texts(1), shown);
    assert!(frame.texts(2).is_empty());
    // Several columns that turn out to be text, each at its own row, in a file of many buffers.
    let mut text = String::from("a,b,c,d\n");
    for i in 0..20_000 {
        let word = |at: i32| if i == at { "word".to_owned() } else { format!("{:03}", i % 500) };
        text += &format!("{},{},{i},{}\n", word(19_999), word(1), word(0));
    }
    let frame = parse(&text);
    for (column, at) in [(0, 19_999), (1, 1), (3, 0)] {
        for (i, cell) in words(&frame, column).into_iter().enumerate() {
            let expected = if i == at { "word".to_owned() } else { format!("{:03}", i % 500) };
            assert_eq!(cell, Some(expected.as_str()), "column {column}, row {i}");
        }
    }
    assert_eq!(numbers(&frame, 2), (0..20_000).map(|i| Some(f64::from(i))).collect::<Vec<_>>());
}

#[test]
fn a_line_of_names_or_none() {
    for (text, expected, rows) in [
        ("x,y\n1,a\n", &["x", "y"][..], 1),
        ("1,a\n2,b\n", &["x1", "x2"], 2),
        ("a,1\nb,2\n", &["x1", "x2"], 2),
        ("NaN,a\n1,b\n", &["x1", "x2"], 2),
        ("?,null\n1,2\n", &["x1", "x2"], 2),
        (",\n1,2\n", &["x1", "x2"], 2),
        ("NA,a\n1,2\n", &["NA", "a"], 1),
        ("a,b\nc,d\n", &["a", "b"], 1),
        // What pandas makes of an index.
        (",a,b\n0,1,2\n1,3,4\n", &["x1", "a", "b"], 2),
        ("word\nup\ndown\n", &["word"], 2),
    ] {
        let frame = parse(text);
        assert_eq!((names(&frame), frame.len()), (expected.to_vec(), rows), "{text:?}");
        assert!(frame.columns().iter().all(|column| column.cells.len() == rows && !column.cells.is_empty()));
    }
}

/// Between semicolons, as spreadsheets of many countries write them; all of a column in one way.
#[test]
fn decimals_with_a_comma() {
    let frame = parse("x;y;word\n3,25;2.5;1,5\n-0,5e3;;2\n1;7;up\n");
    assert_eq!(numbers(&frame, 0), [Some(3.25), Some(-500.0), Some(1.0)]);
    assert_eq!(numbers(&frame, 1), [Some(2.5), None, Some(7.0)]);
    assert_eq!(words(&frame, 2), [Some("1,5"), Some("2"), Some("up")]);
    // No line of names.
    assert_eq!(numbers(&parse("3,14;2,5\n1;2\n"), 1), [Some(2.5), Some(2.0)]);
    let (message, line, column) = error(b"x;y\n1;2,5\n1;1.234\n");
    assert!(message.contains("'2,5' has a decimal comma, '1.234' in line 3 a point"), "{message}");
    assert_eq!((line, column), (Some(2), Some(2)));
    // Neither thousands nor cells in quotes between commas.
    assert_eq!(words(&parse("x;y\n1,000,000;1\n1.000,5;2\n"), 0), [Some("1,000,000"), Some("1.000,5")]);
    assert_eq!(words(&parse("x,y\n\"3,14\",1\n"), 0), [Some("3,14")]);
}

#[test]
fn columns_that_nobody_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("t.csv");
    std::fs::write(&path, b"a,b,c\n1,inf,\xff\n2,x,y\n").unwrap();
    let frame = Frame::read_columns(&path, &|names| {
        assert_eq!(names, ["a", "b", "c"]);
        vec![0, 7]
    });
    let frame = frame.unwrap();
    assert_eq!((frame.len(), names(&frame)), (2, vec!["a", "b", "c"]));
    assert_eq!(numbers(&frame, 0), [Some(1.0), Some(2.0)]);
    assert_eq!((&frame.columns()[1].cells, &frame.columns()[2].cells), (&Cells::Unread, &Cells::Unread));
    assert!(frame.texts(2).is_empty());
    assert!(Frame::read_columns(&path, &|_| vec![0, 2]).unwrap_err().to_string().contains("UTF-8"));
    assert_eq!(Frame::read_columns(&path, &|_| Vec::new()).unwrap().len(), 2);
    std::fs::write(&path, npy(false, "(2, 2)", &[1.0, f64::INFINITY, 3.0, 4.0])).unwrap();
    let frame = Frame::read_columns(&path, &|names| {
        assert_eq!(names, ["x1", "x2"]);
        vec![0]
    });
    assert_eq!(numbers(&frame.unwrap(), 0), [Some(1.0), Some(3.0)]);
    assert!(Frame::read_columns(&path, &|_| vec![1]).is_err());
}

#[test]
fn columns_by_name_and_number() {
    let frame = parse("lat,lon,city\n1,2,a\n");
    for (column, index) in [("lat", 0), (" lon ", 1), ("3", 2), ("city", 2)] {
        assert_eq!(frame.column_index(column).unwrap(), index);
    }
    for (column, says) in
        [("ciy", "did you mean 'city'?"), ("4", "no column 4"), ("0", "no column 0"), ("", "unknown")]
    {
        let message = frame.column_index(column).unwrap_err().to_string();
        assert!(message.starts_with("t.csv: ") && message.contains(says), "{message}");
    }
    let bare = parse("1,2,a\n");
    assert_eq!((bare.column_index("x3").unwrap(), bare.column_index("3").unwrap()), (2, 2));
    let message = bare.column_index("city").unwrap_err().to_string();
    assert!(
        message.contains("has no line of names, so no column 'city'; give a number from 1 to 3"),
        "{message}"
    );
}

#[test]
fn mistakes_in_text_are_named_with_their_place() {
    type Case = (&'static [u8], &'static str, Option<u64>, Option<u64>);
    let cases: [Case; 21] = [
        (b"", "is empty; rows are wanted", None, None),
        (b"\n\n  \n", "is empty", None, None),
        (b"\xef\xbb\xbf", "is empty", None, None),
        (b"# only a remark\n", "is empty", None, None),
        (b"x,y\n", "has a line of names but no row", None, None),
        (b"1,2\n3\n", "has 1 fields; 2 are wanted, as in the first row", Some(2), None),
        (b"x,y\n1,2\n\n3,b,5\n", "has 3 fields; 2 are wanted, as in the names", Some(4), None),
        (b"1 2\n3 New York\n", "has 3 fields", Some(2), None),
        (b"x,y\n1,inf\n2,3\n", "'inf' is not finite; a finite number is wanted", Some(2), Some(2)),
        (b"x,y\n1,a\n\n-Infinity,b\n", "'-Infinity' is not finite", Some(4), Some(1)),
        (b"1,2\n1e999,1\n", "'1e999' is not finite", Some(2), Some(1)),
        // The first row at fault, and of that the first column.
        (b"1,2,3\n1,inf,-inf\ninf,1,1\n", "'inf' is not finite", Some(2), Some(2)),
        (b"x\ninf\n", "'inf' is not finite", Some(2), Some(1)),
        (b"x,y\n\"1,2\n3,4\n", "has 1 fields", Some(2), None),
        (b"a,b\nx\x00,4\n", "zero byte", Some(2), None),
        (b"a,b\n1,caf\xe9\n", "is not UTF-8; save the file as UTF-8", Some(2), Some(2)),
        (b"a,b\n1,2\n3,caf\xe9\n", "is not UTF-8", Some(3), Some(2)),
        (b"\xff\xfe1\x00", "UTF-16", None, None),
        (b"PK\x03\x04zip", "ZIP", None, None),
        (b"\x1f\x8bgz", "gzip", None, None),
        (b"\x89HDF", "HDF5", None, None),
    ];
    for (bytes, says, line, column) in cases {
        let (message, found_line, found_column) = error(bytes);
        let text = String::from_utf8_lossy(bytes);
        assert!(message.contains(says), "{text:?}: {message}");
        assert_eq!((found_line, found_column), (line, column), "{text:?}: {message}");
    }
    let long = format!("x\n1\ninf{}\n", "\u{e9}".repeat(100_000));
    assert_eq!(words(&parse(&long), 0)[0], Some("1"));
    let long = format!("x\n1{}\n", "0".repeat(100_000));
    assert!(error(long.as_bytes()).0.len() < 200);
}

#[test]
fn places() {
    let frame = parse("x,y\n\n1,2\n# remark\n\"3\",\"a\nb\"\n5,6\n");
    assert_eq!((0..4).map(|row| frame.place(row)).collect::<Vec<_>>(), [Some(3), Some(5), Some(7), None]);
    let says = frame.error(1, 1, "is no class; 0 or 1 is wanted").to_string();
    assert_eq!(says, "t.csv, line 5, column 2: is no class; 0 or 1 is wanted");
    let array = Frame::parse("a.npy", &npy(false, "(2, 2)", &[1.0, 2.0, 3.0, 4.0])).unwrap();
    assert_eq!(array.place(0), None);
    let says = array.error(1, 0, "is no class; 0 or 1 is wanted").to_string();
    assert_eq!(says, "a.npy: row 2, column 1 (counted from 1): is no class; 0 or 1 is wanted");
}

#[test]
fn arrays() {
    let nan = f64::NAN;
    for (fortran, data) in [(false, [1.0, nan, 3.0, -4.0, 5.0, 6.0]), (true, [1.0, 3.0, 5.0, nan, -4.0, 6.0])]
    {
        let frame = Frame::parse("a.npy", &npy(fortran, "(3, 2)", &data)).unwrap();
        assert_eq!((names(&frame), frame.len()), (vec!["x1", "x2"], 3));
        assert_eq!(numbers(&frame, 0), [Some(1.0), Some(3.0), Some(5.0)]);
        assert_eq!(numbers(&frame, 1), [None, Some(-4.0), Some(6.0)]);
        assert_eq!((frame.column_index("2").unwrap(), frame.column_index("x2").unwrap()), (1, 1));
        assert!(frame.column_index("y").unwrap_err().to_string().contains("has no line of names"));
    }
    assert_eq!(
        numbers(&Frame::parse("a.npy", &npy(true, "(2,)", &[nan, 1.0])).unwrap(), 0),
        [None, Some(1.0)]
    );
    let (message, line, column) = error(&npy(false, "(2, 2)", &[1.0, nan, f64::NEG_INFINITY, f64::INFINITY]));
    assert_eq!(message, "row 2, column 1 (counted from 1) is -inf; a finite number is wanted");
    assert_eq!((line, column), (None, None));
    assert!(error(&npy(false, "(3,)", &[1.0])).0.contains("is cut off"));
    assert!(error(&npy(false, "(0, 2)", &[])).0.contains("an empty array"));
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("people.csv");
    std::fs::write(&path, "who,age\nann,31\n").unwrap();
    let frame = Frame::read(&path).unwrap();
    assert_eq!((words(&frame, 0), numbers(&frame, 1)), (vec![Some("ann")], vec![Some(31.0)]));
    let missing = Frame::read(dir.path().join("none.csv")).unwrap_err().to_string();
    assert!(missing.contains("none.csv: there is no such file"), "{missing}");
    assert!(Frame::read(dir.path()).unwrap_err().to_string().contains("is a directory; a file is wanted"));
}

/// A frame or an error that says something; never a panic. Where a table can be made of it, a frame is the same.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    let frame = Frame::parse("fuzz", bytes);
    match &frame {
        Err(error) => prop_assert!(error.to_string().len() < 2000),
        Ok(frame) => {
            prop_assert!(!frame.columns().is_empty() && !frame.is_empty());
            for (k, column) in frame.columns().iter().enumerate() {
                prop_assert_eq!(column.cells.len(), frame.len());
                prop_assert_eq!(frame.texts(k).len(), frame.len());
                if let Cells::Numbers(cells) = &column.cells {
                    prop_assert!(cells.iter().all(|x| !x.is_infinite()));
                }
            }
            for column in ["1", "x", "7", ""] {
                let _ = frame.column_index(column);
            }
        }
    }
    if let Ok(table) = Table::parse("fuzz", bytes) {
        // A line of names that may as well be missing, and a cell that opens a comment in a table.
        let is_missing = |name: &String| ["", "NA", "?"].contains(&name.as_str());
        let differs = table.columns().is_some_and(|names| names.iter().all(is_missing));
        if differs || bytes.windows(4).any(|four| four == b"#N/A") {
            return Ok(());
        }
        let frame = frame.unwrap();
        prop_assert_eq!((frame.len(), frame.columns().len()), (table.len(), table.width()));
        for (k, column) in frame.columns().iter().enumerate() {
            prop_assert_eq!(&column.cells, &Cells::Numbers(table.column(&(k + 1).to_string()).unwrap()));
            if let Some(names) = table.columns().filter(|names| !names[k].is_empty()) {
                prop_assert_eq!(&column.name, &names[k]);
            }
        }
    }
    Ok(())
}

/// What may stand in a field without quotation marks, among blanks.
fn plain(text: &str) -> String {
    text.replace(['"', ',', ';', '\n', '#'], "_")
}

/// Columns of a frame as it is written: numbers as they are, text in quotes.
#[derive(Debug, Clone)]
enum Written {
    Numbers(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
}

fn column(rows: usize) -> impl Strategy<Value = Written> {
    let number = any::<f64>().prop_filter("finite", |x| x.is_finite());
    let numbers = prop::collection::vec(prop::option::of(number), rows).prop_map(Written::Numbers);
    // Words, numbers among them; delimiters, quotation marks and line breaks within.
    let word = "[a-mo-zé\"][a-z,;\t\"'# é\n]{0,8}[a-zé\"]|[0-9]{1,3}|-?[0-9]\\.[0-9]|inf|1e999";
    let text = (prop::collection::vec(prop::option::of(word), rows), 0..rows).prop_map(|(mut cells, at)| {
        cells[at] = Some("word".into());
        Written::Text(cells)
    });
    prop_oneof![numbers, text]
}

fn written() -> impl Strategy<Value = Vec<Written>> {
    (1_usize..20, 2_usize..5).prop_flat_map(|(rows, width)| prop::collection::vec(column(rows), width))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        survives(&bytes)?;
    }

    #[test]
    fn almost_text(text in "(\u{feff})?([-+0-9.eEinfa,;\t \"'#\r\n]|NaN|1e99|x,y|#N/A){0,120}") {
        survives(text.as_bytes())?;
    }

    #[test]
    fn almost_tables(text in "([a-c]?(,[a-c]?){2}\n)?(([0-9]|NA|\\?|inf|[a-c]|)(,([0-9]|NA|\\?|inf|[a-c]|)){2}\r?\n){0,12}") {
        survives(text.as_bytes())?;
    }

    #[test]
    fn damaged_npy(
        rows in 0u64..6, columns in 0u64..4, fortran: bool,
        at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>(),
    ) {
        let data: Vec<f64> = (0..rows * columns).map(|x| x as f64).collect();
        let sound = npy(fortran, &format!("({rows}, {columns})"), &data);
        survives(&sound)?;
        survives(&sound[..cut.index(sound.len())])?;
        let mut damaged = sound.clone();
        damaged[at.index(sound.len())] = byte;
        survives(&damaged)?;
    }

    /// What is written comes back, bit for bit, whatever the delimiter.
    #[test]
    fn round_trip(
        columns in written(),
        delimiter in prop::sample::select(vec![",", ";", "\t", " , "]),
        missing in prop::sample::select(vec!["", "NA", "NaN", "<NA>", "#N/A", "?"]),
        end in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let rows = match &columns[0] {
            Written::Numbers(cells) => cells.len(),
            Written::Text(cells) => cells.len(),
        };
        let line = |cells: Vec<String>| cells.join(delimiter) + end;
        let mut text = line((0..columns.len()).map(|k| format!("c{k}")).collect());
        for i in 0..rows {
            let cell = |column: &Written| match column {
                Written::Numbers(cells) => cells[i].map(|x| x.to_string()),
                // With blanks around it a field may not be quoted.
                Written::Text(cells) if delimiter == " , " => cells[i].as_deref().map(plain),
                Written::Text(cells) => cells[i].as_ref().map(|s| format!("\"{}\"", s.replace('"', "\"\""))),
            };
            text += &line(columns.iter().map(|column| cell(column).unwrap_or_else(|| missing.into())).collect());
        }
        let frame = Frame::parse("t", text.as_bytes()).unwrap();
        prop_assert_eq!(frame.len(), rows, "{}", text);
        for (k, column) in columns.iter().enumerate() {
            prop_assert_eq!(&frame.columns()[k].name, &format!("c{k}"));
            match (column, &frame.columns()[k].cells) {
                (Written::Numbers(cells), Cells::Numbers(found)) => {
                    let bits = |x: f64| if x.is_nan() { None } else { Some(x.to_bits()) };
                    let found: Vec<Option<u64>> = found.iter().map(|x| bits(*x)).collect();
                    prop_assert_eq!(found, cells.iter().map(|x| x.and_then(bits)).collect::<Vec<_>>());
                }
                (Written::Text(cells), Cells::Text(found)) if delimiter == " , " => {
                    let cells: Vec<_> = cells.iter().map(|cell| cell.as_deref().map(plain)).collect();
                    prop_assert_eq!(found, &cells);
                }
                (Written::Text(cells), Cells::Text(found)) => prop_assert_eq!(found, cells),
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
    }
}

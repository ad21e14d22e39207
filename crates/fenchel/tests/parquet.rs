//! Parquet files: the numbers that were written, by others and here; the same points as loaded ones; mistakes by name.

use fenchel::measure::file::{Cells, Drawn, FileSource, Frame, Selection, Table, size_loaded};
use fenchel::measure::{Design, PointCloud, Rng, Sampler, Source};
use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TIGHT: u64 = 4096;

const NAMED: Selection<'static> = Selection { columns: &["b", "a"], weights: Some("w"), reference: None };

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn place() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A column to be written; none is null.
enum Column {
    Double(Vec<Option<f64>>),
    Float(Vec<f32>),
    Long(Vec<i64>),
    Text(Vec<&'static str>),
    Words(Vec<Option<String>>),
    Flag(Vec<bool>),
    /// With what the format is to be told about them.
    Bytes(&'static str, Vec<&'static [u8]>),
}

/// Writes columns a, b, w, … in groups of so many rows.
fn write(path: &Path, columns: &[Column], rows: usize, group: usize, properties: WriterPropertiesBuilder) {
    let fields: String = columns
        .iter()
        .zip(["a", "b", "w", "word", "more"])
        .map(|(column, name)| match column {
            Column::Double(_) => format!("optional double {name}; "),
            Column::Float(_) => format!("required float {name}; "),
            Column::Long(_) => format!("required int64 {name}; "),
            Column::Text(_) => format!("required binary {name} (UTF8); "),
            Column::Words(_) => format!("optional binary {name} (UTF8); "),
            Column::Flag(_) => format!("required boolean {name}; "),
            Column::Bytes(mark, _) => format!("required binary {name} {mark}; "),
        })
        .collect();
    let schema = Arc::new(parse_message_type(&format!("message schema {{ {fields} }}")).unwrap());
    let mut writer =
        SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties.build())).unwrap();
    for from in (0..rows).step_by(group) {
        let here = from..(from + group).min(rows);
        let mut out = writer.next_row_group().unwrap();
        for column in columns {
            let mut next = out.next_column().unwrap().unwrap();
            match column {
                Column::Double(all) => {
                    let levels: Vec<i16> = all[here.clone()].iter().map(|x| i16::from(x.is_some())).collect();
                    let values: Vec<f64> = all[here.clone()].iter().flatten().copied().collect();
                    next.typed::<DoubleType>().write_batch(&values, Some(&levels), None).unwrap();
                }
                Column::Float(all) => {
                    next.typed::<FloatType>().write_batch(&all[here.clone()], None, None).unwrap();
                }
                Column::Long(all) => {
                    next.typed::<Int64Type>().write_batch(&all[here.clone()], None, None).unwrap();
                }
                Column::Text(all) => {
                    let words: Vec<ByteArray> = all[here.clone()].iter().map(|s| (*s).into()).collect();
                    next.typed::<ByteArrayType>().write_batch(&words, None, None).unwrap();
                }
                Column::Words(all) => {
                    let levels: Vec<i16> = all[here.clone()].iter().map(|x| i16::from(x.is_some())).collect();
                    let words: Vec<ByteArray> =
                        all[here.clone()].iter().flatten().map(|s| s.as_str().into()).collect();
                    next.typed::<ByteArrayType>().write_batch(&words, Some(&levels), None).unwrap();
                }
                Column::Flag(all) => {
                    next.typed::<BoolType>().write_batch(&all[here.clone()], None, None).unwrap();
                }
                Column::Bytes(_, all) => {
                    let bytes: Vec<ByteArray> = all[here.clone()].iter().map(|b| b.to_vec().into()).collect();
                    next.typed::<ByteArrayType>().write_batch(&bytes, None, None).unwrap();
                }
            }
            next.close().unwrap();
        }
        out.close().unwrap();
    }
    writer.close().unwrap();
}

fn doubles(values: impl IntoIterator<Item = f64>) -> Column {
    Column::Double(values.into_iter().map(Some).collect())
}

/// n rows of a (double), b (float) and w (integer weights, some 0).
fn numbers(n: usize) -> Vec<[f64; 3]> {
    let mut rng = Rng::new(n as u64);
    (0..n).map(|i| [rng.normal(), f64::from(rng.normal() as f32), (i * i % 7) as f64]).collect()
}

fn columns(rows: &[[f64; 3]]) -> [Column; 3] {
    [
        doubles(rows.iter().map(|r| r[0])),
        Column::Float(rows.iter().map(|r| r[1] as f32).collect()),
        Column::Long(rows.iter().map(|r| r[2] as i64).collect()),
    ]
}

fn codecs() -> [Compression; 6] {
    let (gzip, zstd) = (GzipLevel::try_new(4).unwrap(), ZstdLevel::try_new(2).unwrap());
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(gzip),
        Compression::ZSTD(zstd),
        Compression::LZ4_RAW,
        Compression::LZ4,
    ]
}

fn points(source: &dyn Source, design: Design, seed: u64, n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * source.dim()];
    Sampler::new(source, design, seed, 1).fill(0, &mut out).unwrap();
    out
}

fn error(path: &Path, columns: &[&str]) -> String {
    let selection = Selection { columns, ..Selection::default() };
    let streamed = FileSource::open(path, &selection, TIGHT).unwrap_err().to_string();
    let loaded = if columns.is_empty() { Table::read(path) } else { Table::read_columns(path, columns) };
    assert_eq!(loaded.unwrap_err().to_string(), streamed);
    streamed
}

/// Every type and compression, as pyarrow 26 writes them, against the same numbers as text; and a file of Polars 2.
#[test]
fn files_of_others() {
    let (wanted, path) = (Table::read(data("pyarrow.csv")).unwrap(), data("pyarrow.parquet"));
    let names = wanted.columns().unwrap();
    let columns: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = Table::read_columns(&path, &columns).unwrap();
    assert_eq!((found.columns(), found.values()), (wanted.columns(), wanted.values()));
    let polars = Table::read(data("polars.parquet")).unwrap();
    assert_eq!(polars.columns().unwrap(), ["f64", "f32", "i8"]);
    assert_eq!(polars.values(), wanted.select(&["f64", "f32", "i8"]).unwrap().values());
    // Rows that stay in the file.
    let selection = Selection { columns: &columns, ..Selection::default() };
    let source = FileSource::open(&path, &selection, TIGHT).unwrap();
    let cloud = PointCloud::new(columns.len(), wanted.values().to_vec()).unwrap();
    assert_eq!(points(&source, Design::Sobol, 3, 100), points(&cloud, Design::Sobol, 3, 100));
    assert_eq!(source.columns().unwrap(), names);
    // What holds no numbers is refused by name, and may stand beside what does.
    for (column, what) in [
        ("word", "'word' holds text"),
        ("day", "'day' holds dates or times"),
        ("when", "'when' holds dates or times"),
        ("list.list.element", "'list.list.element' holds lists"),
        ("wide", "'wide' holds decimals of more than 18 digits"),
        ("holes", "row 18, column 20 (counted from 1) is null; a number is wanted"),
        ("plaice.lat", "place.lat"),
        ("22", "has no column 22; give a number from 1 to 21"),
    ] {
        let says = error(&path, &[column]);
        assert!(says.contains("pyarrow.parquet") && says.contains(what), "{column}: {says}");
    }
    assert!(error(&path, &[]).contains("'word' holds text; numbers are wanted"));
    // 16 numeric columns with the one that has holes.
    assert_eq!(size_loaded(&path).unwrap(), Some(16 * 40 * 8));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever the layout of the file, rows are what was written, loaded or not.
    #[test]
    fn rows_are_what_was_written(
        n in 1_usize..3000,
        group in 1_usize..2000,
        page in 1_usize..500,
        codec in 0_usize..6,
        dictionary: bool,
        second: bool,
        memory in 1_u64..1 << 20,
    ) {
        // Not one group a row.
        let group = group.max(n / 20);
        let rows = numbers(n);
        let place = place();
        let path = place.path().join("x.parquet");
        let version = if second { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        let mut properties = WriterProperties::builder()
            .set_compression(codecs()[codec])
            .set_dictionary_enabled(dictionary)
            .set_data_page_row_count_limit(page)
            .set_write_batch_size(page.min(64))
            .set_writer_version(version);
        if second && !dictionary {
            properties = properties.set_column_encoding("a".into(), Encoding::BYTE_STREAM_SPLIT);
        }
        write(&path, &columns(&rows), n, group, properties);
        let table = Table::read(&path).unwrap();
        prop_assert_eq!(table.values(), rows.as_flattened());
        let chosen = Table::read_columns(&path, &["b", "1"]).unwrap();
        let wanted: Vec<f64> = rows.iter().flat_map(|r| [r[1], r[0]]).collect();
        prop_assert_eq!(chosen.values(), &wanted);
        // Points where they are.
        if rows.iter().any(|r| r[2] > 0.0) {
            let source = FileSource::open(&path, &NAMED, memory).unwrap();
            let weights = rows.iter().map(|r| r[2]).collect();
            let cloud = PointCloud::weighted(2, wanted.clone(), weights).unwrap();
            for k in [40, 700, 5000] {
                prop_assert_eq!(points(&source, Design::Sobol, 9, k), points(&cloud, Design::Sobol, 9, k));
            }
        }
        let plain = Selection { columns: &["b", "a"], ..Selection::default() };
        let (source, cloud) = (FileSource::open(&path, &plain, memory).unwrap(), PointCloud::new(2, wanted).unwrap());
        prop_assert_eq!(points(&source, Design::Sobol, 5, 900), points(&cloud, Design::Sobol, 5, 900));
        let (moments, all) = (source.moments().unwrap(), cloud.moments().unwrap());
        for (x, y) in moments.0.iter().chain(&moments.1).zip(all.0.iter().chain(&all.1)) {
            prop_assert!((x - y).abs() <= 1e-12 * (1.0 + y.abs()), "{} {}", x, y);
        }
    }

    /// So are the cells of a frame, where numbers and text may be missing.
    #[test]
    fn cells_are_what_was_written(
        cells in prop::collection::vec((prop::option::of(-9.0_f64..9.0), prop::option::of("[a-zé, \"]{0,12}|NA|007"), any::<bool>()), 1..800),
        group in 1_usize..600,
        page in 1_usize..200,
        codec in 0_usize..6,
        dictionary: bool,
        second: bool,
    ) {
        let n = cells.len();
        let group = group.max(n / 20);
        let place = place();
        let path = place.path().join("x.parquet");
        let version = if second { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        let properties = WriterProperties::builder()
            .set_compression(codecs()[codec])
            .set_dictionary_enabled(dictionary)
            .set_data_page_row_count_limit(page)
            .set_write_batch_size(page.min(64))
            .set_writer_version(version);
        let numbers = cells.iter().map(|(x, _, _)| *x).collect();
        let words: Vec<Option<String>> = cells.iter().map(|(_, word, _)| word.clone()).collect();
        let flags: Vec<bool> = cells.iter().map(|(_, _, flag)| *flag).collect();
        let columns = [Column::Double(numbers), Column::Words(words.clone()), Column::Flag(flags)];
        write(&path, &columns, n, group, properties);
        let frame = Frame::read(&path).unwrap();
        prop_assert_eq!(frame.len(), n);
        prop_assert_eq!(frame.columns().iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a", "b", "w"]);
        let Cells::Numbers(found) = &frame.columns()[0].cells else { panic!("{:?}", frame.columns()[0]) };
        let bits = |x: f64| x.to_bits();
        let found: Vec<Option<u64>> = found.iter().map(|x| (!x.is_nan()).then(|| bits(*x))).collect();
        prop_assert_eq!(found, cells.iter().map(|(x, _, _)| x.map(bits)).collect::<Vec<_>>());
        match &frame.columns()[1].cells {
            Cells::Text(found) => prop_assert_eq!(found, &words),
            Cells::Numbers(found) => prop_assert!(words.iter().all(Option::is_none) && found.iter().all(|x| x.is_nan())),
            Cells::Unread => prop_assert!(false),
        }
        let flags = cells.iter().map(|(_, _, flag)| f64::from(u8::from(*flag))).collect();
        prop_assert_eq!(&frame.columns()[2].cells, &Cells::Numbers(flags));
    }

    /// Damaged and cut files are refused in one line, or read as they are where numbers have changed; nothing panics.
    #[test]
    fn damage(codec in 0_usize..6, cut in 0.0_f64..1.0, at in prop::collection::vec((0.0_f64..1.0, any::<u8>()), 1..4)) {
        let place = place();
        let path = place.path().join("x.parquet");
        let properties = WriterProperties::builder().set_compression(codecs()[codec]).set_data_page_row_count_limit(50);
        write(&path, &columns(&numbers(300)), 300, 120, properties);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..(cut * bytes.len() as f64) as usize]).unwrap();
        if cut * bytes.len() as f64 >= 4.0 {
            let says = error(&path, &[]);
            prop_assert!(says.contains("is not a sound Parquet file") && says.lines().count() == 1, "{}", says);
        }
        let mut damaged = bytes.clone();
        for (place, byte) in at {
            damaged[4 + (place * (bytes.len() - 4) as f64) as usize] = byte;
        }
        std::fs::write(&path, &damaged).unwrap();
        let outcomes = [
            Table::read(&path).err(),
            FileSource::open(&path, &Selection::default(), TIGHT).err(),
            Drawn::read(&path, &Selection::default(), 10, 0, TIGHT).err(),
            Frame::read(&path).err(),
        ];
        for error in outcomes.into_iter().flatten() {
            let says = error.to_string();
            prop_assert!(says.contains("x.parquet") && says.lines().count() == 1, "{}", says);
        }
    }
}

#[test]
fn mistakes() {
    let place = place();
    let path = place.path().join("x.parquet");
    let plain = || WriterProperties::builder().set_data_page_row_count_limit(10);
    let ramp = || doubles((0..50).map(f64::from));
    let with = |at: usize, x: Option<f64>| {
        let mut values: Vec<Option<f64>> = (0..50).map(|i| Some(f64::from(i))).collect();
        values[at] = x;
        Column::Double(values)
    };
    write(&path, &[ramp(), with(37, Some(f64::NAN))], 50, 20, plain());
    assert!(
        error(&path, &[]).contains("row 38, column 2 (counted from 1) is NaN; a finite number is wanted")
    );
    assert_eq!(Table::read_columns(&path, &["a"]).unwrap().len(), 50);
    write(&path, &[with(41, None), ramp()], 50, 20, plain());
    assert!(
        error(&path, &["b", "a"]).contains("row 42, column 1 (counted from 1) is null; a number is wanted")
    );
    let words = Column::Text(vec!["there"; 50]);
    write(&path, &[ramp(), ramp(), ramp(), words], 50, 20, plain());
    assert!(error(&path, &[]).contains("'word' holds text; numbers are wanted"));
    assert!(error(&path, &["wrd"]).contains("word"));
    write(&path, &[ramp()], 0, 20, plain());
    assert!(error(&path, &[]).contains("holds no rows"));
    std::fs::write(&path, b"PARE and more PARE").unwrap();
    assert!(error(&path, &[]).contains("is an encrypted Parquet file"));
    std::fs::write(&path, b"PAR1").unwrap();
    assert!(error(&path, &[]).contains("is not a sound Parquet file"));
    // Weights.
    let weights = |w: Column| {
        write(&path, &[ramp(), ramp(), w], 50, 20, plain());
        let says = FileSource::open(&path, &NAMED, TIGHT).unwrap_err().to_string();
        assert_eq!(Table::read(&path).unwrap().split(Some("w"), None).unwrap_err().to_string(), says);
        says
    };
    assert!(weights(with(23, Some(-1.5))).contains("the weight -1.5 (row 24) is negative"));
    assert!(weights(doubles([0.0; 50])).contains("every weight is zero"));
}

#[test]
fn frames() {
    let place = place();
    let path = place.path().join("x.parquet");
    let plain = || WriterProperties::builder().set_data_page_row_count_limit(10);
    let ramp = || doubles((0..50).map(f64::from));
    let says = |columns: &[Column]| {
        write(&path, columns, 50, 20, plain());
        Frame::read(&path).unwrap_err().to_string()
    };
    // Numbers are those of a table, of others' files too.
    let polars = data("polars.parquet");
    let (frame, table) = (Frame::read(&polars).unwrap(), Table::read(&polars).unwrap());
    assert_eq!((frame.len(), frame.columns().len()), (table.len(), table.width()));
    for column in frame.columns() {
        assert_eq!(column.cells, Cells::Numbers(table.column(&column.name).unwrap()));
        assert_eq!(frame.column_index(&column.name).unwrap(), table.column_index(&column.name).unwrap());
    }
    let others = Frame::read(data("pyarrow.parquet")).unwrap_err().to_string();
    assert!(others.contains("; numbers or text are wanted"), "{others}");
    // Dates and whatever else matter only where they are asked for.
    let pick = |wanted: &'static str| {
        Frame::read_columns(data("pyarrow.parquet"), &|names| {
            names.iter().position(|name| name == wanted).into_iter().collect()
        })
    };
    let found = pick("day").unwrap_err().to_string();
    assert!(found.contains("'day' holds dates or times; numbers or text are wanted"), "{found}");
    let all = pick("").unwrap();
    let read = |name: &'static str| {
        pick(name).ok().map(|frame| {
            let index = frame.column_index(name).unwrap();
            frame.columns()[index].cells.len()
        })
    };
    let readable: Vec<usize> = all.columns().iter().filter_map(|c| read(c.name.clone().leak())).collect();
    assert!(readable.len() > 1 && readable.iter().all(|rows| *rows == all.len()), "{readable:?}");
    // Text of either mark; what holds neither numbers nor text; numbers that are not finite.
    let word = |mark| Column::Bytes(mark, [b"up".as_slice(), b"007"].repeat(25));
    for mark in ["(UTF8)", "(STRING)", "(ENUM)"] {
        write(&path, &[ramp(), word(mark)], 50, 20, plain());
        let frame = Frame::read(&path).unwrap();
        assert_eq!(frame.texts(1)[..2], [Some("up".to_owned()), Some("007".to_owned())]);
        assert!(matches!(&frame.columns()[1].cells, Cells::Text(cells) if cells.len() == 50), "{mark}");
        assert_eq!(frame.texts(0)[49], Some("49".to_owned()));
        let place = frame.error(3, 1, "is no class").to_string();
        assert!(place.ends_with("x.parquet: row 4, column 2 (counted from 1): is no class"), "{place}");
    }
    for mark in ["", "(JSON)", "(BSON)"] {
        let found = says(&[ramp(), word(mark)]);
        let expected = "column 2: 'b' holds bytes that are not marked as text; numbers or text are wanted";
        assert!(found.ends_with(expected), "{mark}: {found}");
        assert!(error(&path, &["b"]).contains("'b' holds text; numbers are wanted"));
    }
    let mut bytes = vec![b"up".as_slice(); 50];
    bytes[33] = b"caf\xe9";
    let found = says(&[ramp(), Column::Bytes("(UTF8)", bytes)]);
    assert!(found.ends_with("row 34, column 2 (counted from 1) is not UTF-8, as text has to be"), "{found}");
    let with = |at: usize, x: f64| doubles((0..50).map(|i| if i == at { x } else { 1.0 }));
    let found = says(&[with(30, f64::INFINITY), with(29, f64::NEG_INFINITY), ramp()]);
    assert!(
        found.ends_with("row 30, column 2 (counted from 1) is -inf; a finite number is wanted"),
        "{found}"
    );
    write(&path, &[with(30, f64::NAN), Column::Words(vec![None; 50])], 50, 20, plain());
    let frame = Frame::read(&path).unwrap();
    for (column, missing) in [(0, 1), (1, 50)] {
        let Cells::Numbers(cells) = &frame.columns()[column].cells else { panic!("column {column}") };
        assert_eq!(cells.iter().filter(|x| x.is_nan()).count(), missing);
        assert!(cells[30].is_nan());
    }
    write(&path, &[ramp()], 0, 20, plain());
    assert!(Frame::read(&path).unwrap_err().to_string().contains("holds no rows"));
}

#[test]
fn a_file_that_changes_is_an_error() {
    let place = place();
    let path = place.path().join("x.parquet");
    let properties = || WriterProperties::builder().set_data_page_row_count_limit(100);
    write(&path, &columns(&numbers(2000)), 2000, 500, properties());
    let source = FileSource::open(&path, &NAMED, TIGHT).unwrap();
    let sampler = Sampler::new(&source, Design::Sobol, 0, 0);
    let mut out = vec![0.0; 2 * 500];
    sampler.fill(0, &mut out).unwrap();
    write(&path, &columns(&numbers(1000)), 1000, 500, properties());
    let says = sampler.fill(0, &mut out).unwrap_err().to_string();
    assert!(says.contains("has changed while it was used"), "{says}");
}

#[test]
fn rows_are_drawn_as_from_text() {
    let rows = numbers(5000);
    let place = place();
    let (path, text) = (place.path().join("x.parquet"), place.path().join("x.csv"));
    write(&path, &columns(&rows), 5000, 1500, WriterProperties::builder());
    let lines: String = rows.iter().map(|[a, b, w]| format!("{a},{b},{w}\n")).collect();
    std::fs::write(&text, format!("a,b,w\n{lines}")).unwrap();
    for selection in [NAMED, Selection { columns: &["a"], ..Selection::default() }] {
        let draw = |path: &Path| Drawn::read(path, &selection, 200, 4, TIGHT).unwrap();
        let (here, there) = (draw(&path), draw(&text));
        assert_eq!((&here.rows, &here.points, &here.weights), (&there.rows, &there.points, &there.weights));
        assert_eq!((here.of, here.columns), (5000, there.columns));
    }
}

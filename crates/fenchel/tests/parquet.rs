//! Parquet files: the numbers that were written, by others and here; the same points as loaded ones; mistakes by name.

use fenchel::measure::file::{Drawn, FileSource, Selection, Table, size_loaded};
use fenchel::measure::{Design, PointCloud, Rng, Sampler, Source};
use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type};
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

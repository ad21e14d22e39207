//! IDX files: every type, rank and dress; every mistake named; nothing panics.

use fenchel::measure::Source;
use fenchel::measure::file::{Cells, FileSource, Frame, Selection, Table, size_loaded};
use fenchel::measure::{Design, draw_points};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::Write;

/// Types of numbers: code, bytes, and how one is written.
type Encode = fn(f64) -> Vec<u8>;
const TYPES: [(u8, usize, Encode); 6] = [
    (0x08, 1, |x| (x as u8).to_be_bytes().to_vec()),
    (0x09, 1, |x| (x as i8).to_be_bytes().to_vec()),
    (0x0b, 2, |x| (x as i16).to_be_bytes().to_vec()),
    (0x0c, 4, |x| (x as i32).to_be_bytes().to_vec()),
    (0x0d, 4, |x| (x as f32).to_be_bytes().to_vec()),
    (0x0e, 8, |x| x.to_be_bytes().to_vec()),
];

fn idx(code: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, shape.len() as u8];
    shape.iter().for_each(|n| bytes.extend(n.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The message of the error that `bytes` must cause.
fn error(bytes: &[u8]) -> String {
    let message = Table::parse("x.idx", bytes).unwrap_err().to_string();
    assert!(message.starts_with("x.idx: "), "{message}");
    assert_eq!(Frame::parse("x.idx", bytes).unwrap_err().to_string(), message);
    message
}

#[test]
fn every_type_and_rank() {
    for (code, _, encode) in TYPES {
        for shape in [&[6][..], &[3, 2], &[2, 3, 1], &[1, 1, 2, 3]] {
            let numbers = [0.0, 1.0, 127.0, 3.0, 77.0, 5.0];
            let plain = idx(code, shape, &numbers.map(encode).concat());
            let width: u32 = shape[1..].iter().product();
            for bytes in [plain.clone(), packed(&plain)] {
                let table = Table::parse("x", &bytes).unwrap();
                assert_eq!((table.len(), table.width()), (shape[0] as usize, width as usize));
                assert_eq!(table.values(), numbers, "{code} {shape:?}");
                let row: Vec<usize> = shape[1..].iter().map(|n| *n as usize).collect();
                assert_eq!(table.row_shape(), if row.is_empty() { vec![1] } else { row });
                assert_eq!(table.columns(), None);
                let frame = Frame::parse("x", &bytes).unwrap();
                let Cells::Numbers(first) = &frame.columns()[0].cells else { unreachable!() };
                assert_eq!(*first, table.column("1").unwrap());
            }
        }
    }
}

#[test]
fn signs_and_extremes() {
    let values = |code, data: &[u8], n| Table::parse("x", &idx(code, &[n], data)).unwrap().values().to_vec();
    assert_eq!(values(0x08, &[0, 127, 128, 255], 4), [0.0, 127.0, 128.0, 255.0]);
    assert_eq!(values(0x09, &[0x7f, 0x80, 0xff], 3), [127.0, -128.0, -1.0]);
    assert_eq!(values(0x0b, &[0x7f, 0xff, 0x80, 0], 2), [32767.0, -32768.0]);
    assert_eq!(values(0x0c, &[0x7f, 0xff, 0xff, 0xff, 0x80, 0, 0, 0], 2), [2147483647.0, -2147483648.0]);
    assert_eq!(values(0x0d, &1.5e-30_f32.to_be_bytes(), 1), [f64::from(1.5e-30_f32)]);
    assert_eq!(values(0x0e, &(-1.7e308_f64).to_be_bytes(), 1), [-1.7e308]);
}

#[test]
fn columns_leave_the_shape() {
    let table = Table::parse("x", &idx(8, &[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8])).unwrap();
    let chosen = table.select(&["4", "1"]).unwrap();
    assert_eq!((chosen.values(), chosen.row_shape()), (&[4.0, 1.0, 8.0, 5.0][..], &[2][..]));
    assert_eq!(Table::parse("t.csv", b"1,2,3\n").unwrap().row_shape(), [3]);
}

#[test]
fn mistakes_are_named() {
    let nan = [1.0_f32, f32::NAN].map(f32::to_be_bytes).concat();
    let cases: &[(Vec<u8>, &str)] = &[
        (vec![0, 0], "ends within its header"),
        (vec![0, 0, 8], "ends within its header"),
        (vec![0, 0, 8, 2, 0, 0, 0, 1], "ends within its header"),
        (idx(0x0a, &[1], &[1]), "the type of its numbers is 0x0a; 0x08 (u8)"),
        (idx(8, &[], &[1]), "has no dimension; at least 1"),
        (idx(8, &[3], &[1, 2]), "is cut off: 3 numbers of type '|u1' are 3 bytes, the file has 2"),
        (idx(8, &[2, 2, 2], &[1; 7]), "is cut off: 2 × 2 × 2 numbers"),
        (idx(8, &[0, 2], &[]), "holds an empty array (0 × 2)"),
        (idx(8, &[2, 0], &[]), "holds an empty array (2 × 0)"),
        (idx(8, &[4_000_000_000, 28, 28], &[0; 1000]), "is cut off: 4000000000 × 28 × 28 numbers"),
        (idx(0x0e, &[u32::MAX; 255], &[0; 1000]), "are more than memory"),
        (idx(0x0d, &[1, 2], &nan), "row 1, column 2 (counted from 1) is NaN"),
    ];
    for (bytes, says) in cases {
        if *says == "row 1, column 2 (counted from 1) is NaN" {
            // A frame takes it for a missing cell.
            assert!(Table::parse("x", bytes).unwrap_err().to_string().contains(says));
            continue;
        }
        let message = error(bytes);
        assert!(message.contains(says), "{message}");
        let message = error(&packed(bytes));
        assert!(message.contains(says), "{message}");
    }
    let long = idx(8, &[3], &[1, 2, 3, 4, 5]);
    assert!(error(&long).contains("is too long: 3 numbers of type '|u1' are 3 bytes, the file has 5"));
    assert!(error(&packed(&long)).contains("is too long: its header announces 11 bytes, and more follow"));
}

#[test]
fn damage_to_what_is_compressed_is_named() {
    let sound = packed(&idx(8, &[200], &(0..200).collect::<Vec<u8>>()));
    for cut in [3, 12, sound.len() / 2, sound.len() - 1] {
        assert!(error(&sound[..cut]).contains("is compressed by gzip, and cut off"), "{cut}");
    }
    let mut wrong = sound.clone();
    let at = wrong.len() - 6;
    wrong[at] ^= 1;
    assert!(error(&wrong).contains("is compressed by gzip, and damaged"), "{}", error(&wrong));
    let message = error(&[&sound[..], b"more"].concat());
    assert!(message.contains("is compressed by gzip, and"), "{message}");
    let message = error(&packed(b"x,y\n1,2\n"));
    assert!(message.contains("is compressed by gzip, and no IDX file; unpack it first"), "{message}");
    // Two members are one file.
    let plain = idx(8, &[4], &[1, 2, 3, 4]);
    let members = [packed(&plain[..5]), packed(&plain[5..])].concat();
    assert_eq!(Table::parse("x", &members).unwrap().values(), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn sizes_are_those_of_the_numbers() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = place.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let plain = idx(8, &[50, 4, 3], &[7; 600]);
    assert_eq!(size_loaded(file("a", &plain)).unwrap(), Some(4800));
    assert_eq!(size_loaded(file("a.gz", &packed(&plain))).unwrap(), Some(4800));
    let claims = idx(8, &[4_000_000_000, 28], &[0; 900]);
    for path in [file("b", &claims), file("b.gz", &packed(&claims))] {
        assert!(size_loaded(path).unwrap_err().to_string().contains("is cut off"));
    }
    assert!(size_loaded(file("c.gz", &packed(b"1,2\n"))).unwrap_err().to_string().contains("no IDX file"));
}

#[test]
fn rows_stay_in_plain_files() {
    let place = tempfile::tempdir().unwrap();
    for (code, _, encode) in TYPES {
        let numbers: Vec<f64> = (0..300).map(|i| f64::from(i * 37 % 120)).collect();
        let bytes = idx(code, &[100, 3, 1], &numbers.iter().flat_map(|x| encode(*x)).collect::<Vec<u8>>());
        let path = place.path().join("x");
        std::fs::write(&path, &bytes).unwrap();
        let file = FileSource::open(&path, &Selection::default(), 1 << 12).unwrap();
        let cloud = Table::read(&path).unwrap().into_cloud(None).unwrap();
        assert_eq!((file.len(), file.dim()), (100, 3));
        let drawn = |source: &dyn Source| {
            let mut points = vec![0.0; 3 * 64];
            draw_points(source, Design::Sobol, 3, 0, 0, 64, &mut points).unwrap();
            points
        };
        assert_eq!(drawn(&file), drawn(&cloud));
        std::fs::write(&path, packed(&bytes)).unwrap();
        let refused = FileSource::open(&path, &Selection::default(), 1 << 12).unwrap_err().to_string();
        assert!(
            refused
                .contains("is compressed by gzip, so that its rows cannot be read where they are; unpack it")
        );
    }
}

/// A sound table or an error that says something, and the same from the file where it is.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("any");
    std::fs::write(&path, bytes).unwrap();
    let streamed = FileSource::open(&path, &Selection::default(), 1 << 12);
    let compressed = bytes.starts_with(b"\x1f\x8b");
    match Table::read(&path) {
        Err(error) => {
            prop_assert!(error.to_string().len() < 2000);
            let other = streamed.unwrap_err();
            if !compressed {
                prop_assert_eq!(error.to_string(), other.to_string());
            }
        }
        Ok(table) => {
            prop_assert!(!table.values().is_empty() && table.values().iter().all(|x| x.is_finite()));
            prop_assert_eq!(table.values().len(), table.width() * table.len());
            prop_assert_eq!(table.row_shape().iter().product::<usize>(), table.width());
            prop_assert_eq!(streamed.is_err(), compressed);
            let size = size_loaded(&path).unwrap();
            prop_assert_eq!(size, Some(8 * table.values().len() as u64));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes(
        code in prop_oneof![Just(8u8), 0u8..16, any::<u8>()], rank in prop_oneof![1u8..4, any::<u8>()],
        rest in prop::collection::vec(prop_oneof![Just(0u8), 0u8..4, any::<u8>()], 0..100),
    ) {
        let bytes = [&[0, 0, code, rank][..], &rest].concat();
        survives(&bytes)?;
        survives(&packed(&bytes))?;
        survives(&[b"\x1f\x8b", &bytes[..]].concat())?;
    }

    #[test]
    fn damaged(
        kind in 0usize..6, shape in prop::collection::vec(0u32..4, 1..4), gz: bool,
        at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>(),
    ) {
        let (code, _, encode) = TYPES[kind];
        let count = shape.iter().product::<u32>();
        let data: Vec<u8> = (0..count).flat_map(|x| encode(f64::from(x))).collect();
        let sound = idx(code, &shape, &data);
        let sound = if gz { packed(&sound) } else { sound };
        prop_assert_eq!(Table::parse("x", &sound).is_ok(), count > 0);
        survives(&sound)?;
        survives(&sound[..cut.index(sound.len())])?;
        let mut damaged = sound.clone();
        damaged[at.index(sound.len())] = byte;
        if damaged.starts_with(&[0, 0]) || damaged.starts_with(b"\x1f\x8b") {
            survives(&damaged)?;
        }
    }

    #[test]
    fn round_trip(rows in 1u32..8, columns in 1u32..8, seed in prop::collection::vec(any::<f64>(), 49), gz: bool) {
        let numbers: Vec<f64> = seed.iter().map(|x| if x.is_finite() { *x } else { 0.5 }).collect();
        let numbers = &numbers[..(rows * columns) as usize];
        let bytes = idx(0x0e, &[rows, columns], &numbers.iter().flat_map(|x| x.to_be_bytes()).collect::<Vec<u8>>());
        let table = Table::parse("x", &if gz { packed(&bytes) } else { bytes }).unwrap();
        prop_assert!(table.values().iter().zip(numbers).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}

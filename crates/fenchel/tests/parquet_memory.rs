//! A Parquet file larger than the memory it is read with. A test of its own, as it looks at the whole process.

#![cfg(target_os = "linux")]

use fenchel::measure::file::{FileSource, Selection};
use fenchel::measure::{Design, Rng, Sampler, Source};
use parquet::data_type::DoubleType;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

const ROWS: usize = 12_000_000;
const GROUP: usize = 1 << 18;

/// The most that was resident since the last `reset`, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

/// x is uniform, y = x².
fn write(path: &Path) {
    let schema = Arc::new(parse_message_type("message s { required double x; required double y; }").unwrap());
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut writer =
        SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
    let mut rng = Rng::new(1);
    for from in (0..ROWS).step_by(GROUP) {
        let xs: Vec<f64> = (from..(from + GROUP).min(ROWS)).map(|_| rng.uniform()).collect();
        let mut group = writer.next_row_group().unwrap();
        for values in [xs.clone(), xs.iter().map(|x| x * x).collect()] {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<DoubleType>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn resident_memory_stays_within_the_budget() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.parquet");
    write(&path);
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size > 180_000_000, "{size}");
    // Forgets the mark; what the writer has left behind is subtracted.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = resident();
    let memory = 16 << 20;
    let source = FileSource::open(&path, &Selection::default(), memory).unwrap();
    assert_eq!((source.len(), source.dim()), (ROWS as u64, 2));
    let mut points = vec![0.0; 2 * 20_000];
    for purpose in 0..3 {
        Sampler::new(&source, Design::Sobol, 0, purpose).fill(0, &mut points).unwrap();
        assert!(points.chunks_exact(2).all(|p| p[1] == p[0] * p[0]));
        let mean = points.iter().step_by(2).sum::<f64>() / 20_000.0;
        // Hoeffding: 2·exp(−2·20000·0.02²) = 2e-7 for independent points; rows at Sobol' levels do no worse.
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }
    let (mean, variance) = source.moments().unwrap();
    // Six standard deviations of a mean of as many rows.
    assert!((mean[0] - 0.5).abs() < 6.0 * (1.0 / 12.0 / ROWS as f64).sqrt(), "{mean:?}");
    assert!((variance[0] - 1.0 / 12.0).abs() < 1e-3, "{variance:?}");
    let taken = peak().saturating_sub(before);
    assert!(taken < memory + (8 << 20), "{taken} bytes more than before");
}

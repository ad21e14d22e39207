//! A model learnt from files larger than the memory that it takes. A test of its own, as it looks at the whole process.

#![cfg(target_os = "linux")]

use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::measure::file::Roles;
use fenchel::optim::Silent;
use fenchel::robust::{Linear, Options, Passes, Risk, StreamedExamples, Strength, loss};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

const ROWS: usize = 600_000;
const COLUMNS: usize = 25;

fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(key)).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

/// Normal features, and a label that is their sum but for noise.
fn row(rng: &mut Rng) -> Vec<f64> {
    let mut row: Vec<f64> = (1..COLUMNS).map(|_| (1e3 * rng.normal()).round() / 1e3).collect();
    row.push((1e3 * (row.iter().sum::<f64>() + rng.normal())).round() / 1e3);
    row
}

fn write_npy(path: &Path) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({ROWS}, {COLUMNS})}}\n");
    out.write_all(b"\x93NUMPY\x01\x00").unwrap();
    out.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
    out.write_all(header.as_bytes()).unwrap();
    let mut rng = Rng::new(1);
    for _ in 0..ROWS {
        row(&mut rng).iter().for_each(|x| out.write_all(&x.to_le_bytes()).unwrap());
    }
    out.flush().unwrap();
}

fn write_csv(path: &Path, rows: usize) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    let mut rng = Rng::new(2);
    for _ in 0..rows {
        let text: Vec<String> = row(&mut rng).iter().map(f64::to_string).collect();
        writeln!(out, "{}", text.join(",")).unwrap();
    }
    out.flush().unwrap();
}

/// 32 bytes an example, 20 more without a closed form, and the buffers; the files have 200 bytes an example.
#[test]
fn resident_memory_stays_within_what_is_stated() {
    let place = tempfile::tempdir().unwrap();
    let (npy, csv) = (place.path().join("x.npy"), place.path().join("x.csv"));
    write_npy(&npy);
    write_csv(&csv, ROWS / 4);
    let label = COLUMNS.to_string();
    let roles = Roles { target: &label, ..Roles::default() };
    for (path, rows, divergence, each) in
        [(&npy, ROWS, "kl", 32), (&npy, ROWS, "chi2", 52), (&csv, ROWS / 4, "kl", 32)]
    {
        // Forgets the mark; what came before is subtracted.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = status("VmRSS:");
        let memory = 8 << 20;
        let examples = StreamedExamples::open(&[path], &roles, memory).unwrap();
        assert_eq!((examples.len(), examples.width()), (rows, COLUMNS - 1));
        let risk = Risk::new(divergence::parse(divergence).unwrap(), Strength::Penalty(3.0)).unwrap();
        let model =
            Linear::streamed(&examples, loss::parse("squared").unwrap(), risk, Options::default()).unwrap();
        let passes = Passes { epochs: 2, batch: 1000, ..Passes::default() };
        let fit = model.passes(&passes, 1e-3, None, &mut Silent).unwrap().fit;
        assert!(fit.coefficients.iter().all(|theta| (theta - 1.0).abs() < 0.05), "{:?}", fit.coefficients);
        let taken = status("VmHWM:").saturating_sub(before);
        let stated = each * rows as u64 + memory + (8 << 20);
        assert!(taken < stated, "{divergence} {path:?}: {taken} bytes more than before, {stated} are stated");
    }
}

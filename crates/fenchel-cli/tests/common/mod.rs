//! Running the command as its users do: a process, its exit code, what it printed, what it left behind.

#![allow(dead_code)] // Each test file uses its own part of this.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing that is run here may take longer.
const LIMIT: Duration = Duration::from_secs(120);

/// A process that has ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// The JSON on standard output.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// A directory of its own for a test; the command runs inside.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and returns its name.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path().join(name), content).unwrap();
        name.to_owned()
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Everything under a directory, names only, sorted.
    pub fn list(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join(directory)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs `fenchel` with these arguments; panics if it hangs, panics or is killed by a signal.
    pub fn run(&self, args: &[&str]) -> Run {
        let start = Instant::now();
        let mut child = self.command(args).spawn().unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let out = std::thread::spawn(move || read_all(&mut out));
        let err = std::thread::spawn(move || read_all(&mut err));
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if start.elapsed() > LIMIT => {
                    child.kill().unwrap();
                    panic!("fenchel {args:?} hangs");
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        let (out, err) = (out.join().unwrap(), err.join().unwrap());
        let code = status.code().unwrap_or_else(|| panic!("fenchel {args:?}: {status}\n{err}"));
        assert_ne!(code, 101, "fenchel {args:?} panicked:\n{err}");
        Run { code, out, err }
    }

    /// Runs it and expects refusal: exit code 2, nothing on standard output, one or two lines on standard error
    /// that hold all of `parts`.
    #[track_caller]
    pub fn refused(&self, args: &[&str], parts: &[&str]) {
        let run = self.run(args);
        assert_eq!(run.code, 2, "{args:?}: {run:?}");
        assert!(run.out.is_empty(), "{args:?}: {run:?}");
        assert!(run.err.starts_with("error: "), "{args:?}: {}", run.err);
        assert!(run.err.lines().count() <= 2, "{args:?}: {}", run.err);
        for part in parts {
            assert!(run.err.contains(part), "{args:?}: no '{part}' in: {}", run.err);
        }
        assert!(!self.exists("fenchel-out/result.json"));
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fenchel"));
        command.args(args).current_dir(self.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn read_all(from: &mut dyn Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).expect("output is UTF-8")
}

/// Where a file of a place is.
pub fn within(place: &Place, name: &str) -> PathBuf {
    place.path().join(name)
}

/// An IDX file of bytes.
pub fn idx(shape: &[u32], bytes: &[u8]) -> Vec<u8> {
    let sizes = shape.iter().flat_map(|n| n.to_be_bytes());
    [0, 0, 8, shape.len() as u8].into_iter().chain(sizes).chain(bytes.iter().copied()).collect()
}

/// An NPY file of f64, C order.
pub fn npy(shape: &[usize], values: &[f64]) -> Vec<u8> {
    let shape = shape.iter().map(|n| format!("{n},")).collect::<String>();
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

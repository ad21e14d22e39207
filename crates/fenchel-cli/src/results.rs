//! Where results go: a directory, and what is written to it.

use crate::failure::{Failure, Result};
use crate::picture::Drawing;
use fenchel::Error;
use fenchel::measure::file::write_atomically;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A directory that can be written to.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Makes the directory if need be and tries that a file can be made in it.
    pub fn prepare(path: &Path) -> Result<Self> {
        let failed = |e: std::io::Error| {
            let message = format!("results cannot be written here ({e}); give another directory with --out");
            Failure::from(Error::file(path, message))
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let probe = path.join(format!(".fenchel-{}", std::process::id()));
        std::fs::write(&probe, b"").map_err(failed)?;
        std::fs::remove_file(&probe).map_err(failed)?;
        Ok(Directory(path.to_owned()))
    }

    /// Where a file in it is.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, which appears whole or not at all; where it is.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.join(name);
        write_atomically(&path, |out| out.write_all(bytes))?;
        Ok(path)
    }

    /// Writes a picture in both formats; where they are.
    pub fn draw(&self, name: &str, drawing: &Drawing) -> Result<[PathBuf; 2]> {
        let svg = self.put(&format!("{name}.svg"), drawing.svg()?.as_bytes())?;
        Ok([svg, self.put(&format!("{name}.png"), &drawing.png()?)?])
    }

    /// Removes a picture that is there from earlier: it would be taken for one of this result.
    pub fn remove_picture(&self, name: &str) {
        for extension in ["svg", "png"] {
            self.remove(&format!("{name}.{extension}"));
        }
    }

    /// Removes a file that is there from earlier, likewise.
    pub fn remove(&self, name: &str) {
        let _ = std::fs::remove_file(self.join(name));
    }
}

/// A record as JSON, with a line break at its end.
pub fn json(record: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(record)
        .map_err(|e| Failure::new(format!("the result cannot be written as JSON: {e}")))?;
    Ok(text + "\n")
}

/// A field of a CSV file, in quotes where it needs them.
pub fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn fields_are_quoted_where_needed() {
        assert_eq!(quoted("lat"), "lat");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}

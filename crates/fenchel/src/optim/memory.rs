//! A memory budget as people write it.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Bytes of memory: `512MiB`, `2GB`, `1.5 GiB`, or a plain number of bytes.
///
/// ```
/// use fenchel::optim::Memory;
/// assert_eq!("512MiB".parse::<Memory>()?.bytes(), 512 << 20);
/// assert_eq!("2 gb".parse::<Memory>()?.bytes(), 2_000_000_000);
/// assert_eq!(Memory::new(3 << 29).to_string(), "1.5 GiB");
/// assert!("much".parse::<Memory>().is_err());
/// assert_eq!(Memory::to_load(100).loaded(), 100);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(u64);

/// Share of a budget that loaded numbers may take: loading and solving copy them a few times.
const SHARE: u64 = 8;

/// Names of units, in upper case, and their bytes.
const UNITS: [(&str, f64); 13] = [
    ("KIB", 1024.0),
    ("MIB", 1_048_576.0),
    ("GIB", 1_073_741_824.0),
    ("TIB", 1_099_511_627_776.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("K", 1024.0),
    ("M", 1_048_576.0),
    ("G", 1_073_741_824.0),
    ("T", 1_099_511_627_776.0),
    ("B", 1.0),
];

impl Memory {
    /// The least budget that anything can be done with: 16 MiB.
    pub const LEAST: Memory = Memory(16 << 20);

    /// So many bytes.
    pub const fn new(bytes: u64) -> Self {
        Memory(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// How many bytes of numbers may be loaded: an eighth, because loading and solving copy them a few times.
    pub const fn loaded(self) -> u64 {
        self.0 / SHARE
    }

    /// The budget with which so many bytes of numbers may be loaded.
    pub const fn to_load(bytes: u64) -> Self {
        Memory(bytes.saturating_mul(SHARE))
    }
}

impl FromStr for Memory {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let upper = text.trim().to_ascii_uppercase();
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, bytes)| Some((upper.strip_suffix(name)?, *bytes)))
            .unwrap_or((&upper, 1.0));
        match number.trim().parse::<f64>() {
            Ok(n) if n > 0.0 && n * unit >= 1.0 && n * unit < 2f64.powi(63) => Ok(Memory((n * unit) as u64)),
            _ => {
                let expected = "a number of bytes above 0, with a unit if you like: 512MiB, 2GB";
                Err(Error::invalid("memory", format!("'{text}'"), expected))
            }
        }
    }
}

/// In binary units, with at most three digits.
impl fmt::Display for Memory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        let (unit, size) = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)]
            .map(|(u, b)| (u, bytes / 2f64.powi(b)))
            .into_iter()
            .find(|(_, size)| *size >= 1.0)
            .unwrap_or(("bytes", bytes));
        let digits = if size >= 99.95 || unit == "bytes" {
            0
        } else if size >= 9.995 {
            1
        } else {
            2
        };
        let text = format!("{size:.digits$}");
        let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        write!(out, "{text} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, bytes) in [
            ("1", 1),
            ("1000B", 1000),
            ("64k", 65_536),
            (" 1.5 GiB ", 3 << 29),
            ("10GB", 10_000_000_000),
            ("1e9", 1_000_000_000),
        ] {
            assert_eq!(text.parse::<Memory>().unwrap().bytes(), bytes, "{text}");
        }
        for bad in ["", "MiB", "-1GB", "0", "nan", "inf", "1e30", "2 apples"] {
            assert!(bad.parse::<Memory>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_shown_short() {
        for (bytes, text) in [
            (1, "1 bytes"),
            (256 << 20, "256 MiB"),
            (1 << 30, "1 GiB"),
            (1_300_000_000, "1.21 GiB"),
            (1023, "1023 bytes"),
        ] {
            assert_eq!(Memory::new(bytes).to_string(), text);
        }
    }
}

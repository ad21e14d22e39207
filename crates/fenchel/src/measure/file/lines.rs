//! Text on its way to a parser, watched: where lines with something in them begin, and whether it is text at all.

use std::collections::VecDeque;
use std::io::{self, Read};

/// A record that is longer than this, where it is not all in memory anyway, is a quotation mark that was left open.
pub(super) const LONGEST_RECORD: u64 = 64 << 20;

/// Passes text through and remembers the beginnings of lines that are neither blank nor comments, until they are
/// asked for.
#[derive(Debug)]
pub(super) struct Watched<R> {
    inner: R,
    /// Offset of the next byte, and its line, counted from 1.
    at: u64,
    line: u64,
    /// The last byte ended a line.
    fresh: bool,
    comment: bool,
    starts: VecDeque<(u64, u64)>,
    /// The line of the first zero byte.
    zero: Option<u64>,
    /// Where the record begins that is being read, and how long it may get.
    record: u64,
    longest: u64,
}

impl<R: Read> Watched<R> {
    /// `offset` is that of the first byte of `inner` in its file.
    pub(super) fn new(inner: R, offset: u64, longest: u64) -> Self {
        Watched {
            inner,
            at: offset,
            line: 1,
            fresh: true,
            comment: false,
            starts: VecDeque::new(),
            zero: None,
            record: offset,
            longest,
        }
    }

    /// Offset of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.at
    }

    /// Offset and line of the record that begins at or, past lines that are skipped, after `offset`. Never asked for
    /// an earlier one again.
    pub(super) fn record_from(&mut self, offset: u64) -> (u64, u64) {
        while self.starts.front().is_some_and(|(start, _)| *start < offset) {
            self.starts.pop_front();
        }
        let found = self.starts.front().copied().unwrap_or((offset, self.line));
        self.record = found.0;
        found
    }

    /// The line of the first zero byte in all that is left.
    pub(super) fn zero_to_the_end(&mut self) -> Option<u64> {
        self.longest = u64::MAX;
        let mut rest = vec![0; 1 << 16];
        while self.zero.is_none() && matches!(self.read(&mut rest), Ok(n) if n > 0) {
            self.starts.clear();
        }
        self.zero
    }

    /// The line that was reached, if its record is too long.
    pub(super) fn too_long(&self) -> Option<u64> {
        (self.at - self.record > self.longest).then_some(self.line)
    }

    fn watch(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' => {
                    self.line += 1;
                    (self.fresh, self.comment) = (true, false);
                }
                b'\r' => self.fresh = true,
                _ if !self.fresh => {}
                _ => {
                    self.fresh = false;
                    self.comment |= byte == b'#';
                    if !self.comment {
                        self.starts.push_back((self.at, self.line));
                    }
                }
            }
            self.at += 1;
        }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        if let Some(at) = out[..n].iter().position(|b| *b == 0) {
            self.zero = Some(self.line + out[..at].iter().filter(|b| **b == b'\n').count() as u64);
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a zero byte"));
        }
        self.watch(&out[..n]);
        if self.too_long().is_some() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record without end"));
        }
        Ok(n)
    }
}

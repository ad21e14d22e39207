//! How a command ends: exit code 0 (done), 1 (a result, but not converged), 2 (bad input), 130 (interrupted).

use std::fmt;
use std::process::ExitCode;

/// A command that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything asked for was reached.
    Done,
    /// The result was written, but the tolerance was not reached.
    NotConverged,
    /// Ctrl-C, and there is nothing to show for it.
    Interrupted,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        match outcome {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::NotConverged => ExitCode::from(1),
            Outcome::Interrupted => ExitCode::from(130),
        }
    }
}

/// Why a command could not run, in words for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

/// The result of a command.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with this message: what is wrong and what is wanted, in one or two lines.
    pub fn new(message: impl Into<String>) -> Self {
        Failure(message.into())
    }

    /// A mistake on the command line: what the parser found, its hint if it has one, and where help is.
    pub fn usage(error: &clap::Error) -> Self {
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
        let mut message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        for line in lines {
            if line.starts_with("Usage:") || line.starts_with("For more information") {
                break;
            }
            message.push_str(if line.starts_with("tip:") { "; " } else { " " });
            message.push_str(line);
        }
        message.push_str("\ntry --help for what can be said here");
        Failure(message)
    }

    /// Puts words before the message, for instance the option at fault.
    pub fn at(self, place: &str) -> Self {
        Failure(format!("{place}: {}", self.0))
    }

    /// Puts words after the message.
    pub fn after(self, more: &str) -> Self {
        Failure(format!("{}{more}", self.0))
    }

    /// Prints `error: …` on standard error; the exit code of bad input.
    pub fn report(&self) -> ExitCode {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "error: {self}");
        ExitCode::from(2)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl From<fenchel::Error> for Failure {
    fn from(error: fenchel::Error) -> Self {
        Failure(error.to_string())
    }
}

/// Writes to standard output. A reader that has gone away (`| head`) is no error.
pub fn print(text: &str) -> Result<()> {
    use std::io::{ErrorKind, Write};
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("standard output cannot be written: {e}")))
        }
        _ => Ok(()),
    }
}

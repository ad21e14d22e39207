//! What an experiment gets: how large it is to be, its seed, all threads, and somebody who watches.

use super::data::{Data, Folder, Table};
use crate::failure::{Failure, Result};
use crate::progress::{Display, interrupted};
use fenchel::optim::{Flow, Observer, Progress};
use fenchel::transport::{SemiDiscrete, Settings, Solution};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How large an experiment is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Seconds: whether it runs at all; its verdicts mean little.
    Tiny,
    /// Less than two minutes on two cores.
    Quick,
    /// As large as the paper's, or larger.
    Full,
}

/// A run of an experiment.
pub struct Lab {
    name: &'static str,
    seed: u64,
    effort: Effort,
    data: Option<Arc<Data>>,
    display: Mutex<Display>,
}

impl Lab {
    /// A run; `quiet` shows nothing.
    pub fn new(name: &'static str, seed: u64, effort: Effort, quiet: bool) -> Self {
        Lab { name, seed, effort, data: None, display: Mutex::new(Display::new(quiet)) }
    }

    /// The same on data of the user's, if there are some.
    pub fn on(self, data: Option<Arc<Data>>) -> Self {
        Lab { data, ..self }
    }

    /// The seed of all its randomness.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How large it is to be.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// The data of the user's, if there are some.
    pub fn data(&self) -> Option<&Data> {
        self.data.as_deref()
    }

    /// The table of the user's, if there is one.
    pub fn table(&self) -> Option<&Table> {
        match self.data() {
            Some(Data::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// The folders of images of the user's, in the order of the experiment's roles, if there are some.
    #[cfg_attr(not(feature = "networks"), expect(dead_code, reason = "for experiments with networks"))]
    pub fn folders(&self) -> Option<&[Folder]> {
        match self.data() {
            Some(Data::Images(folders)) => Some(folders),
            _ => None,
        }
    }

    /// One of three by effort: tiny, quick, full.
    pub fn pick<T>(&self, tiny: T, quick: T, full: T) -> T {
        match self.effort {
            Effort::Tiny => tiny,
            Effort::Quick => quick,
            Effort::Full => full,
        }
    }

    /// Does `work` for 0, …, n − 1 on all threads, results in this order; `what` is shown while it runs. Ends
    /// with the first error, or soon after Ctrl-C.
    pub fn each<T: Send>(
        &self,
        what: &str,
        n: usize,
        work: impl Fn(usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let done = AtomicUsize::new(0);
        self.show(what, 0, n);
        (0..n)
            .into_par_iter()
            .map(|i| {
                self.go_on()?;
                let result = work(i)?;
                self.show(what, done.fetch_add(1, Ordering::Relaxed) + 1, n);
                Ok(result)
            })
            .collect()
    }

    /// An error after Ctrl-C; for loops that take long.
    pub fn go_on(&self) -> Result<()> {
        if interrupted() { Err(Failure::new("interrupted")) } else { Ok(()) }
    }

    /// Stops what it watches at Ctrl-C.
    pub fn observer(&self) -> impl Observer + use<> {
        |_: &Progress<'_>| if interrupted() { Flow::Stop } else { Flow::Continue }
    }

    /// Solves, and stops at Ctrl-C; never by the clock, on which no number may depend.
    pub fn solve(&self, problem: &SemiDiscrete, settings: &Settings) -> Result<Solution> {
        let settings = Settings { max_seconds: None, ..*settings };
        let solution = problem.solve(&settings, &mut self.observer())?;
        self.go_on()?;
        Ok(solution)
    }

    /// Removes the line of progress.
    pub fn finish(&self) {
        self.display.lock().unwrap_or_else(PoisonError::into_inner).finish();
    }

    fn show(&self, what: &str, done: usize, of: usize) {
        // Whoever finds it busy lets it be: the next one shows more.
        if let Ok(mut display) = self.display.try_lock() {
            let share = done as f64 / of.max(1) as f64;
            display.say(share, || format!("{}: {what}, {done} of {of}", self.name));
        }
    }
}

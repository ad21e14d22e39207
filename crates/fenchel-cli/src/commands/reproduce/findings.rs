//! What an experiment finds: claims with their verdicts, pictures, tables of numbers.

use crate::picture::{Chart, Drawing};
use crate::report;

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The criterion was met.
    Holds,
    /// It was not.
    Fails,
    /// The numbers cannot tell.
    NotJudged,
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Fails => "fails",
            Verdict::NotJudged => "not judged",
        }
    }
}

/// A claim of a paper beside what came out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Claim {
    /// Where the paper makes it: `Theorem 4.6 (i)`.
    pub place: String,
    /// What it says.
    pub statement: String,
    /// When it is taken to hold, in terms of what is measured; empty for what no run can judge.
    pub criterion: String,
    /// What came out, with its uncertainty.
    pub measured: String,
    /// Whether the criterion was met.
    pub verdict: Verdict,
    /// Why not, where it was not.
    pub reason: Option<String>,
    /// Not the paper's: something that its claims are checked with.
    pub ours: bool,
}

impl Claim {
    /// A claim, the criterion by which it is judged and what was measured; `holds` is that criterion, computed.
    pub fn new(place: &str, statement: &str, criterion: &str, measured: String, holds: bool) -> Self {
        Claim {
            place: place.to_owned(),
            statement: statement.to_owned(),
            criterion: criterion.to_owned(),
            measured,
            verdict: if holds { Verdict::Holds } else { Verdict::Fails },
            reason: None,
            ours: false,
        }
    }

    /// A claim that no run can judge, what can be said of it, and why that is no verdict.
    pub fn open(place: &str, statement: &str, measured: String, reason: &str) -> Self {
        Claim::new(place, statement, "", measured, false).unless(true, reason)
    }

    /// The same, but not the paper's: something that its claims are checked with.
    pub fn ours(mut self) -> Self {
        self.ours = true;
        self
    }

    /// The reason that was found why it fails, shown if it does.
    pub fn because(mut self, reason: &str) -> Self {
        if self.verdict == Verdict::Fails {
            self.reason = Some(reason.to_owned());
        }
        self
    }

    /// Not judged if `unclear`, for this reason.
    pub fn unless(mut self, unclear: bool, reason: &str) -> Self {
        if unclear {
            self.verdict = Verdict::NotJudged;
            self.reason = Some(reason.to_owned());
        }
        self
    }
}

/// A drawing with its words.
pub struct Picture {
    /// Its file's name, without extension.
    pub name: &'static str,
    /// What it shows, for those who see it.
    pub caption: String,
    /// What it shows, for those who do not.
    pub alt: String,
    /// The drawing.
    pub drawing: Drawing,
}

/// A field of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number; all its digits in files, three on the page.
    Number(f64),
}

impl Cell {
    /// For files.
    pub fn exact(&self) -> String {
        match self {
            Cell::Text(t) => t.clone(),
            Cell::Number(v) if v.is_nan() => String::new(),
            Cell::Number(v) => v.to_string(),
        }
    }

    /// For people.
    pub fn short(&self) -> String {
        match self {
            Cell::Text(t) => t.clone(),
            Cell::Number(v) if v.is_nan() => "–".to_owned(),
            Cell::Number(v) if v.fract() == 0.0 && v.abs() < 1e7 => v.to_string(),
            Cell::Number(v) => report::significant(*v, 3),
        }
    }
}

impl From<f64> for Cell {
    fn from(v: f64) -> Self {
        Cell::Number(v)
    }
}

impl From<usize> for Cell {
    fn from(v: usize) -> Self {
        Cell::Number(v as f64)
    }
}

impl From<u64> for Cell {
    fn from(v: u64) -> Self {
        Cell::Number(v as f64)
    }
}

impl From<u32> for Cell {
    fn from(v: u32) -> Self {
        Cell::Number(f64::from(v))
    }
}

impl From<&str> for Cell {
    fn from(v: &str) -> Self {
        Cell::Text(v.to_owned())
    }
}

impl From<String> for Cell {
    fn from(v: String) -> Self {
        Cell::Text(v)
    }
}

/// Numbers, written as CSV; shown on the page as well if `shown` says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its file's name, without extension.
    pub name: &'static str,
    /// What it holds.
    pub caption: String,
    /// The names of its columns.
    pub columns: Vec<&'static str>,
    /// Its rows, as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
    /// Whether the page shows it.
    pub shown: bool,
}

impl Table {
    /// A table without rows that only the file has.
    pub fn new(name: &'static str, caption: &str, columns: &[&'static str]) -> Self {
        let columns = columns.to_vec();
        Table { name, caption: caption.to_owned(), columns, rows: Vec::new(), shown: false }
    }

    /// The same, on the page as well.
    pub fn on_page(mut self) -> Self {
        self.shown = true;
        self
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len(), "{}", self.name);
        self.rows.push(cells.into());
    }
}

/// All that an experiment found.
#[derive(Default)]
pub struct Findings {
    /// What was run, in a paragraph or more.
    pub setup: Vec<String>,
    /// The claims.
    pub claims: Vec<Claim>,
    /// The pictures.
    pub pictures: Vec<Picture>,
    /// The numbers.
    pub tables: Vec<Table>,
}

impl Findings {
    /// Adds charts: name, caption, what they show for those who do not see it.
    pub fn draw<'a>(&mut self, charts: impl IntoIterator<Item = (&'static str, &'a str, &'a str, Chart)>) {
        self.pictures.extend(charts.into_iter().map(|(name, caption, alt, chart)| Picture {
            name,
            caption: caption.into(),
            alt: alt.into(),
            drawing: chart.draw(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_come_from_the_criterion() {
        let claim = |holds| Claim::new("p", "s", "c", "m".into(), holds).because("r");
        assert_eq!((claim(true).verdict, claim(true).reason), (Verdict::Holds, None));
        assert_eq!((claim(false).verdict, claim(false).reason), (Verdict::Fails, Some("r".into())));
        let unclear = claim(true).unless(true, "too few");
        assert_eq!((unclear.verdict, unclear.reason), (Verdict::NotJudged, Some("too few".into())));
        let open = Claim::open("p", "s", "m".into(), "no run can");
        assert_eq!((open.verdict, open.reason), (Verdict::NotJudged, Some("no run can".into())));
    }

    #[test]
    fn numbers_keep_their_digits_in_files() {
        let v = Cell::from(0.1 + 0.2);
        assert_eq!((v.exact().as_str(), v.short().as_str()), ("0.30000000000000004", "0.300"));
        assert_eq!(Cell::from(100_000_usize).short(), "100000");
        assert_eq!((Cell::from(f64::NAN).exact(), Cell::from(f64::NAN).short()), (String::new(), "–".into()));
    }
}

//! Charts: panels side by side, each with lines, bands and dots over two axes.

use super::axes::{Axes, Scale};
use super::density::{Density, View};
use super::drawing::{Anchor, Area, Drawing, Image};
use super::legend::{Mark, legend};
use super::palette::{INK, MUTED, Rgb};

/// Room around the inside of a panel: left, above, right, below.
const MARGIN: [f64; 4] = [70.0, 50.0, 20.0, 54.0];

/// An axis: its label and the numbers it spans.
#[derive(Debug, Clone)]
pub struct Axis {
    label: String,
    log: bool,
    range: Option<(f64, f64)>,
}

impl Axis {
    /// A linear axis that spans the data.
    pub fn linear(label: impl Into<String>) -> Self {
        Axis { label: label.into(), log: false, range: None }
    }

    /// A logarithmic axis that spans the data above 0.
    pub fn log(label: impl Into<String>) -> Self {
        Axis { label: label.into(), log: true, range: None }
    }

    /// Spans these numbers instead; what lies outside is cut off.
    pub fn over(mut self, lower: f64, upper: f64) -> Self {
        self.range = Some((lower, upper));
        self
    }

    /// The scale for these numbers, with a little room at the ends.
    fn scale(&self, numbers: impl Iterator<Item = f64>) -> Scale {
        let shown = numbers.filter(|v| v.is_finite() && (!self.log || *v > 0.0));
        let (lower, upper) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let (lower, upper) = match (self.range, self.log) {
            (Some(range), _) => range,
            (None, true) => {
                let room = (upper / lower).powf(0.04);
                (lower / room, upper * room)
            }
            (None, false) => {
                let room = 0.04 * (upper - lower);
                (lower - room, upper + room)
            }
        };
        if self.log { Scale::log(lower, upper) } else { Scale::linear(lower, upper) }
    }
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// Its colour.
    pub colour: Rgb,
    /// Its pattern of dashes, as SVG writes it; none is unbroken.
    pub dashes: Option<&'static str>,
    /// Its width; 0 draws no line.
    pub width: f64,
    /// Whether each point is a dot.
    pub dots: bool,
}

impl Style {
    /// An unbroken line.
    pub fn line(colour: Rgb) -> Self {
        Style { colour, dashes: None, width: 2.0, dots: false }
    }

    /// A line of dashes.
    pub fn dashed(colour: Rgb) -> Self {
        Style { dashes: Some("7,4"), ..Style::line(colour) }
    }

    /// A line of dots, thin: for what was not measured.
    pub fn dotted(colour: Rgb) -> Self {
        Style { dashes: Some("2,3"), width: 1.5, ..Style::line(colour) }
    }

    /// A line of dashes and dots, thin.
    pub fn dash_dotted(colour: Rgb) -> Self {
        Style { dashes: Some("9,3,2,3"), width: 1.5, ..Style::line(colour) }
    }

    /// The same with a dot at each point.
    pub fn with_dots(self) -> Self {
        Style { dots: true, ..self }
    }
}

/// A line through points, with a band about it if it has one.
#[derive(Debug, Clone)]
pub struct Series {
    name: String,
    style: Style,
    points: Vec<(f64, f64)>,
    band: Vec<(f64, f64, f64)>,
}

impl Series {
    /// A line; one without a name is not in the legend. Points that an axis cannot show break it.
    pub fn new(name: impl Into<String>, style: Style, points: Vec<(f64, f64)>) -> Self {
        Series { name: name.into(), style, points, band: Vec::new() }
    }

    /// With a shaded band: x, lower and upper end.
    pub fn band(mut self, band: Vec<(f64, f64, f64)>) -> Self {
        self.band = band;
        self
    }
}

/// A frame with its lines.
#[derive(Debug, Clone)]
pub struct Panel {
    title: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
    legend: bool,
    shade: Option<(Vec<f64>, Rgb)>,
}

impl Panel {
    /// An empty panel. Its title stands above, the label of y below the title.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Panel { title: title.into(), x, y, series: Vec::new(), legend: true, shade: None }
    }

    /// Adds a line; the first is drawn first.
    pub fn add(&mut self, series: Series) {
        self.series.push(series);
    }

    /// Without a legend, because another panel has it.
    pub fn without_legend(mut self) -> Self {
        self.legend = false;
        self
    }

    /// With the density of points (x, y, x, y, …) behind, between linear axes, the denser the nearer to a colour.
    pub fn shaded(mut self, points: Vec<f64>, colour: Rgb) -> Self {
        self.shade = Some((points, colour));
        self
    }

    fn draw(&self, page: &mut Drawing, area: Area, id: &str) {
        let points = || self.series.iter().flat_map(|s| s.points.iter().copied());
        let bands = || self.series.iter().flat_map(|s| s.band.iter());
        let x = self.x.scale(points().map(|p| p.0));
        let y = self.y.scale(points().map(|p| p.1).chain(bands().flat_map(|b| [b.1, b.2])));
        let axes = Axes { area, x, y };
        if let Some((points, colour)) = &self.shade {
            let view = View { x: (x.value(0.0), x.value(1.0)), y: (y.value(0.0), y.value(1.0)) };
            let (width, height) = (area.w.ceil() as usize, area.h.ceil() as usize);
            let pixels = Density::estimate(points, None, view).image(view, *colour, (width, height));
            page.image(Image { width, height, pixels, area });
        }
        axes.grid(page);
        page.clip(area, id);
        // Places far outside would be numbers that no viewer takes.
        let place = |x: f64, y: f64| {
            let at = axes.place(x, y);
            (at.0.clamp(-1e4, 1e4), at.1.clamp(-1e4, 1e4))
        };
        let shown = |x: f64, y: f64| {
            x.is_finite() && y.is_finite() && (!self.x.log || x > 0.0) && (!self.y.log || y > 0.0)
        };
        for s in &self.series {
            if s.band.len() > 1 {
                // A lower end that a logarithm cannot show is below the panel.
                let up = s.band.iter().map(|b| place(b.0, b.2));
                let down = s.band.iter().rev().map(|b| place(b.0, b.1));
                page.polygon(&up.chain(down).collect::<Vec<_>>(), s.style.colour, 0.16);
            }
        }
        let mut lines = Vec::new();
        for s in &self.series {
            for run in s.points.split(|p| !shown(p.0, p.1)) {
                let run: Vec<_> = run.iter().map(|p| place(p.0, p.1)).collect();
                if s.style.width > 0.0 && run.len() > 1 {
                    match s.style.dashes {
                        None => page.polyline(run.clone(), s.style.colour, s.style.width),
                        Some(dashes) => page.dashed(run.clone(), s.style.colour, s.style.width, dashes),
                    }
                }
                if s.style.dots {
                    for at in &run {
                        page.disc(*at, 2.8, s.style.colour, None);
                    }
                }
                if s.style.width == 0.0 || run.len() == 1 {
                    lines.extend(run.iter().map(|at| vec![*at; 2]));
                } else {
                    lines.push(run);
                }
            }
        }
        page.unclip();
        axes.frame(page, true);
        let middle = area.x + 0.5 * area.w;
        page.text((middle, area.y + area.h + 40.0), &self.x.label, 13, Anchor::Middle, INK);
        page.bold((area.x, area.y - 28.0), &self.title, 14, Anchor::Start, INK);
        page.text((area.x, area.y - 9.0), &self.y.label, 12, Anchor::Start, MUTED);
        let keys: Vec<(Mark, &str)> = self
            .series
            .iter()
            .filter(|s| !s.name.is_empty())
            .map(|s| {
                let Style { colour, dashes, width, dots } = s.style;
                let mark = if width > 0.0 { Mark::Stroke(colour, dashes, dots) } else { Mark::Dot(colour) };
                (mark, s.name.as_str())
            })
            .collect();
        if self.legend && !keys.is_empty() {
            legend(page, area, &lines, &keys);
        }
    }
}

/// Panels side by side, in rows.
#[derive(Debug, Clone)]
pub struct Chart {
    columns: usize,
    panel: (f64, f64),
    panels: Vec<Panel>,
}

impl Chart {
    /// An empty chart with so many panels in a row, each `width` by `height` inside its frame.
    pub fn new(columns: usize, width: f64, height: f64) -> Self {
        Chart { columns: columns.max(1), panel: (width, height), panels: Vec::new() }
    }

    /// Adds a panel: left to right, then down.
    pub fn add(&mut self, panel: Panel) {
        self.panels.push(panel);
    }

    /// The page.
    pub fn draw(&self) -> Drawing {
        let [left, above, right, below] = MARGIN;
        let (w, h) = (left + self.panel.0 + right, above + self.panel.1 + below);
        let columns = self.columns.min(self.panels.len().max(1));
        let rows = self.panels.len().div_ceil(columns).max(1);
        let mut page = Drawing::new(columns as f64 * w, rows as f64 * h);
        for (i, panel) in self.panels.iter().enumerate() {
            let (x, y) = ((i % columns) as f64 * w + left, (i / columns) as f64 * h + above);
            panel.draw(&mut page, Area { x, y, w: self.panel.0, h: self.panel.1 }, &format!("panel{i}"));
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::super::palette::BLUE;
    use super::*;

    fn svg(y: Axis, points: Vec<(f64, f64)>) -> String {
        let mut panel = Panel::new("a < b", Axis::log("T"), y);
        panel.add(
            Series::new("line", Style::line(BLUE).with_dots(), points.clone())
                .band(points.iter().map(|p| (p.0, p.1 - 1.0, p.1 + 1.0)).collect()),
        );
        let mut chart = Chart::new(2, 300.0, 200.0);
        chart.add(panel.clone());
        chart.add(panel.without_legend());
        chart.draw().svg().unwrap()
    }

    #[test]
    fn a_dot_for_each_point_that_can_be_shown() {
        let points = vec![(1.0, 1.0), (10.0, 0.1), (100.0, 0.0), (1e3, f64::NAN), (1e4, 1e-3)];
        let dots = |svg: &str| svg.matches("<circle").count();
        // Two panels, one of them with a legend.
        assert_eq!(dots(&svg(Axis::log("error"), points.clone())), 2 * 3 + 1);
        assert_eq!(dots(&svg(Axis::linear("error"), points)), 2 * 4 + 1);
    }

    #[test]
    fn nothing_to_show_is_no_mistake() {
        for points in [vec![], vec![(0.0, 0.0)], vec![(f64::NAN, 1.0)], vec![(1.0, 1e308), (2.0, -1e308)]] {
            let svg = svg(Axis::linear("y"), points);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}

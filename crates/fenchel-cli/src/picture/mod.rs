//! Pictures of a result, as SVG and PNG.
//!
//! A [`Drawing`] is a list of shapes over shaded images; `axes` turns numbers into places on the page,
//! `convergence` and `cells` compose the pictures of a solve, `shade` computes the image of the second, [`Losses`] is the
//! histogram of a robust fit, [`Grid`] images in rows and columns, [`Chart`] draws any other lines, one panel beside the other.

mod axes;
mod cells;
mod chart;
mod convergence;
mod density;
mod drawing;
mod grid;
mod legend;
mod losses;
mod palette;
mod shade;

pub use cells::{Cells, MOST_ATOMS};
pub use chart::{Axis, Chart, Panel, Series, Style};
pub use convergence::convergence;
pub use drawing::Drawing;
pub use grid::Grid;
pub use losses::Losses;
pub use palette::LINES;

//! Pictures of a result, as SVG and PNG.
//!
//! A [`Drawing`] is a list of shapes plus at most one shaded image; `axes` turns numbers into places on the page,
//! `convergence` and `cells` compose the two pictures, `shade` computes the image of the second.

mod axes;
mod cells;
mod convergence;
mod density;
mod drawing;
mod palette;
mod shade;

pub use cells::{Cells, MOST_ATOMS};
pub use convergence::convergence;
pub use drawing::Drawing;

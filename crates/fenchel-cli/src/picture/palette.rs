//! Colours that stay apart for colour-blind readers and in print, and arithmetic on them.

/// Red, green and blue, each from 0 to 255.
pub type Rgb = [u8; 3];

/// Text and frames.
pub const INK: Rgb = [34, 34, 34];
/// Secondary text.
pub const MUTED: Rgb = [96, 96, 96];
/// Points of the source.
pub const SPECK: Rgb = [128, 128, 128];
/// Grid lines.
pub const GRID: Rgb = [226, 226, 226];
/// The dual value.
pub const BLUE: Rgb = [0, 90, 160];
/// The marginal error.
pub const ORANGE: Rgb = [203, 95, 18];
/// The certificate.
pub const BAND: Rgb = [120, 175, 220];
/// A page.
pub const WHITE: Rgb = [255, 255, 255];

/// Lines that share a panel, in this order; the later ones differ in their dashes as well.
pub const LINES: [Rgb; 10] = [
    BLUE,
    ORANGE,
    [178, 24, 43],
    [117, 48, 150],
    [0, 128, 104],
    [150, 118, 0],
    [84, 84, 84],
    [60, 150, 205],
    [214, 90, 140],
    [98, 138, 40],
];

/// Fills of neighbouring cells: Paul Tol's light scheme without its grey, made for dark labels on top.
pub const FILLS: [Rgb; 8] = [
    [119, 170, 221],
    [238, 136, 102],
    [238, 221, 136],
    [68, 187, 153],
    [255, 170, 187],
    [153, 221, 255],
    [187, 204, 51],
    [170, 170, 0],
];

/// sRGB to light, 0 to 1, where colours may be averaged.
pub fn to_linear(c: Rgb) -> [f64; 3] {
    c.map(|v| {
        let v = f64::from(v) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    })
}

/// Light back to sRGB.
pub fn from_linear(c: [f64; 3]) -> Rgb {
    c.map(|v| {
        let v = v.clamp(0.0, 1.0);
        let s = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        (255.0 * s).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_and_back_is_exact() {
        for v in 0..=255 {
            assert_eq!(from_linear(to_linear([v, 255 - v, v / 2])), [v, 255 - v, v / 2]);
        }
    }
}
